//! The handle other rooms use, the message being received, the message being handed over, and
//! the actor that expires, cleans up and tells of arrivals.
mod chores;
mod deposit;
mod function;
mod handover;
mod intake;
mod look;
mod queue;
mod transfer;

pub use deposit::Deposit;
pub use function::{Deferred, Directory};
pub use queue::{MailboxChanged, MessageExpired, Queue};
pub use transfer::Transfer;
