//! Groups on the wire: a member's channel with a group (a *leg*), in whichever direction it was
//! set up, and what is sent to a group by MESSAGE or to a list of receivers.
//!
//! What is sent to a group is made durable once, with an envelope for each member, before its
//! sender is answered (`circulation`). From there it goes to the members: a leg that is up takes
//! what is its member's from the store, in order, and nobody else does (`legs`); who has no leg is
//! called by the ordinary drain of the mailbox, which leaves the channel to a leg; who cannot be
//! reached finds it waiting. So a leg that dies in the middle leaves no gap and doubles nothing.
//! Sources: RFC 4579, RFC 7701, RFC 5366, RFC 5365.
mod answer;
mod circulation;
mod conferences;
mod convene;
mod copies;
mod duplex;
mod leg;
mod legs;
mod list;
mod pager;

pub use conferences::Conferences;
pub use legs::Legs;

pub(super) use legs::Invitation;

pub(super) use answer::answer;
pub(super) use circulation::Circulation;
pub(super) use conferences::{Attendance, Watcher};
pub(super) use duplex::{Ends, Incoming, duplex};
pub(super) use leg::called;
pub(super) use pager::message;
