//! Dialogs: what two user agents agree on between INVITE and BYE (RFC 3261 §12–§15).
//!
//! [`Dialog`] is the state §12 names: identifiers, sequence numbers, route set, remote target.
//! [`Call`] follows one INVITE of ours through forks, 2xx, ACK and CANCEL (§13.2, §9.1).
//! [`Acceptance`] repeats a 2xx of ours until its ACK (§13.3.1.4). [`Turns`] says whose turn it
//! is to change the session (§14). [`SessionTimer`] knows when a session is to be refreshed and
//! when it has lapsed (RFC 4028). All pure: the dialog actor gives them messages and time.
mod acceptance;
mod call;
mod id;
mod session_expires;
mod session_timer;
mod state;
#[cfg(test)]
mod tests;
mod turns;

pub use acceptance::{Acceptance, Overdue};
pub use call::{Call, Verdict};
pub use id::DialogId;
pub use session_expires::{Refresher, SessionExpires};
pub use session_timer::{SessionDue, SessionPolicy, SessionTimer, TooSmall};
pub use state::{Dialog, DialogError, Side};
pub use turns::{Refusal, Turns};
