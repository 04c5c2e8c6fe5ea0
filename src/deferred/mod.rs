//! The deferred-messaging function: what an offline receiver missed is kept durably, listed,
//! handed over, and removed only when the receiver has it. Knows no transport.
//!
//! ```text
//! receiving → stored → offered → transferring → confirmed (gone)
//!                ↘ expired / revoked (gone)   ↘ back to stored on any break
//! ```
//!
//! The rules are functions over a transaction: `ledger` keeps envelopes, mailboxes, due entries
//! and the trail in step; `capacity` counts what is being received by the whole process;
//! `extent` knows which octets came. The actor side holds [`Deferred`], the handle that other
//! rooms use, [`Deposit`] (one message being received), [`Transfer`] (one message being handed
//! over) and [`Queue`], the actor that expires, cleans up and tells of arrivals.
mod actor;
mod capacity;
mod config;
mod content;
pub mod disposition;
mod due;
mod envelope;
mod envelope_v1;
mod error;
mod extent;
mod keys;
mod ledger;
mod mailbox;
mod metrics;
mod order;
mod trail;

pub use actor::{Deferred, Deposit, Directory, MailboxChanged, MessageExpired, Queue, Transfer};
pub use capacity::Reservation;
pub use config::Config;
pub use content::{ContentId, PIECE};
pub use envelope::{Envelope, Facts, Kind, Priority, State};
pub use error::{Limit, Refusal};
pub use ledger::Stored;
pub use mailbox::{Totals, Waiting};
pub use trail::Step;
