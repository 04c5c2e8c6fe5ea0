//! Typed keyspaces over fjall: one writer thread with group commit, reader threads, versioned
//! records; the same contract over memory.
//!
//! A write is a closure over a [`Txn`]. The writer thread takes all that is queued, runs the
//! closures one after the other (each sees the writes of those before it), commits once, syncs
//! once, and only then answers everyone. A read is a closure over a [`View`], a frozen picture
//! that never waits for the writer. Both are reached through a [`Handle`], or through the actor
//! [`Store`] where a mailbox suits better.
//!
//! If a flush fails nothing more may be promised: the process aborts and recovers from disk.
//! A disk that fills is no such failure: large writes are refused first, and an engine that found
//! no room is opened again. [`verify`] reads every entry, [`backup`] copies all of them while the
//! store serves, past what is damaged, and [`restore`] makes a store of the copy.
//!
//! What was answered is verified at start against a running sequence of our own, because the
//! engine cuts its journal silently where it finds zeros in the middle of it.
mod actor;
mod backup;
mod batch;
mod call;
mod config;
mod engine;
mod error;
mod handle;
mod journal;
mod lsm;
mod memory;
mod metrics;
mod perishable;
mod reader;
mod record;
mod room;
mod sequence;
mod table;
mod txn;
mod verify;
mod waits;
mod walk;
mod writer;

pub use actor::{Drain, Read, Store, Write};
pub use backup::{backup, restore};
pub use batch::{Batch, Change};
pub use config::Config;
pub use engine::{Durability, Engine, Figures, Readable, Scan};
pub use error::StoreError;
pub use handle::{Handle, Threads};
pub use lsm::Lsm;
pub use memory::Memory;
pub use record::{Record, RecordError, Records};
pub use room::State;
pub use table::Table;
pub use txn::{Txn, View};
pub use verify::{Report, verify};
pub use walk::{Damage, Found, Progress, Step, scan_past};
pub use writer::{Fatal, abort};

use std::{path::Path, sync::Arc};

/// Opens the store below `folder` (made where it does not exist) and starts its threads.
///
/// Errors: `Damaged` if the journal lost what had been promised; the server must not start.
pub fn open(folder: &Path, config: &Config) -> Result<(Handle, Threads), StoreError> {
    let engine = Arc::new(Lsm::open(folder, config)?);
    Handle::start(engine, config, abort())
}
