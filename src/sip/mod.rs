//! SIP: codec, transactions, dialogs, answers to challenges, and the actors that run them (RFC 3261).
//!
//! `codec` and the state machines are pure: octets and `now` come in, messages and effects go
//! out. `actor` is where they meet sockets and timers.

pub mod actor;
mod admission;
pub mod codec;
mod config;
pub mod dialog;
pub mod feedback;
pub mod locate;
pub mod metrics;
pub mod proxy;
mod responder;
mod tally;
pub mod transaction;

pub use config::{Config, Dns};
pub use responder::{Responder, SharedResponder};
