//! Transactions: the four machines of RFC 3261 §17 as corrected by RFC 6026, and their table.
//!
//! The machines know neither messages nor sockets: inputs are response codes and `now`, outputs
//! are [`Step`]s. [`Layer`] keeps the messages, matches what arrives (§17.1.3, §17.2.3), runs the
//! timers and gives [`Effect`]s.
mod client_invite;
mod client_other;
mod clients;
mod completed;
mod derived;
mod effect;
mod key;
mod layer;
mod peer;
mod server_invite;
mod server_other;
mod servers;
mod step;
#[cfg(test)]
mod tests;
mod timers;

pub use client_invite::ClientInvite;
pub use client_other::ClientOther;
pub use clients::Unsent;
pub use completed::{Completed, End, Side};
pub use effect::{Dropped, Effect, RequestId, ServerKey};
pub use layer::Layer;
pub use peer::{ConnectionId, Peer, Transport};
pub use server_invite::ServerInvite;
pub use server_other::ServerOther;
pub use servers::reply_to;
pub use step::{Misplaced, News, Outgoing, Step};
pub use timers::Timers;
