//! The handle other rooms use, the message being received, the message being handed over, and
//! the actor that expires, cleans up and tells of arrivals.
mod chores;
mod deposit;
mod figures;
mod function;
mod handover;
mod intake;
mod look;
mod queue;
mod transfer;

pub use deposit::Deposit;
pub use function::Deferred;
pub use look::Warning;
pub use queue::{Interest, MailboxChanged, Queue};
pub use transfer::{Transfer, Watch};
