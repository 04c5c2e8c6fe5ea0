//! The deferred-messaging function: what an offline receiver missed is kept durably, listed,
//! handed over, and removed only when the receiver has it. Knows no transport.
//!
//! ```text
//! receiving → stored → offered → transferring → confirmed (gone)
//!                ↘ expired / revoked (gone)   ↘ back to stored on any break
//! ```
//!
//! The rules are functions over a transaction: `ledger` keeps envelopes, mailboxes, due entries
//! and histories in step; `live` knows what is under way in this run; `capacity` counts what is
//! being received by the whole process; `class` bounds a mailbox; `extent` knows which octets
//! came. The actor side holds [`Deferred`], the handle that other rooms use, [`Deposit`] (one
//! message being received), [`Watch`] and [`Transfer`] (messages being handed over) and [`Queue`],
//! the actor that expires, cleans up and tells of arrivals.
mod actor;
mod capacity;
mod class;
mod config;
mod content;
mod disposition;
mod due;
mod envelope;
mod envelope_v1;
mod error;
mod extent;
mod history;
mod keys;
mod ledger;
mod live;
mod mailbox;
mod metrics;
mod migration;
mod order;
mod record;
mod survey;

pub use actor::{Deferred, Deposit, Interest, MailboxChanged, Queue, Transfer, Warning, Watch};
pub use capacity::{Admission, Reservation};
pub use class::{Class, ClassConfig, Classes, WhenFull};
pub use config::Config;
pub use content::PIECE;
pub use envelope::{Envelope, Facts, Kind, Priority, State};
pub use error::{Limit, Refusal};
pub use history::Step;
pub use ledger::Directory;
pub use mailbox::{Totals, Waiting};

use crate::content::imdn::Disposition as Disposed;
use content::ContentId;
use history::Passed;

/// What a sender may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The message's place in the mailbox.
    pub sequence: u64,
    /// The same message had been stored before; nothing was stored now.
    pub duplicate: bool,
}
