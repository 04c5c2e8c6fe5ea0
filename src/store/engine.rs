use super::{Batch, StoreError, Table};
use crate::clock::Timestamp;
use bytes::Bytes;

/// What a commit promises once it returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// The operating system has it: it survives the process, not the power.
    Relaxed,
    /// The disk has it, and everything committed before it.
    Durable,
}

/// A piece of a keyspace: keys in `from..until`, in byte order, at most `limit` of them.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    /// The keyspace.
    pub table: Table,
    /// First key wanted.
    pub from: &'a [u8],
    /// First key not wanted any more.
    pub until: &'a [u8],
    /// Most entries returned.
    pub limit: usize,
    /// From the last key to the first.
    pub reverse: bool,
}

/// A consistent picture of all keyspaces.
pub trait Readable {
    /// The value of `key`.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// Keys and values of a range.
    fn scan(&self, scan: Scan<'_>) -> Result<Vec<(Bytes, Bytes)>, StoreError>;

    /// The keys alone: large values are not read.
    fn keys(&self, scan: Scan<'_>) -> Result<Vec<Bytes>, StoreError>;
}

/// How an engine is, at a glance. What an engine has no notion of is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Octets on disk (or in memory, for an engine that lives there).
    pub space: u64,
    /// Octets that can still be written, where the engine has an end.
    pub free: Option<u64>,
    /// Octets the file system has in all, where the engine has an end.
    pub disk: Option<u64>,
    /// Octets of journal on disk; part of `space`.
    pub journal: u64,
    /// Octets written that are not sorted to disk yet.
    pub unsorted: u64,
    /// Octets of memory that keep blocks read from disk.
    pub cached: u64,
    /// Compactions under way.
    pub compacting: u64,
    /// Compactions done since the engine was opened.
    pub compacted: u64,
}

/// A storage engine. One thread commits; any thread reads.
///
/// `tests/store_contract.rs` says what each engine must hold.
pub trait Engine: Send + Sync + 'static {
    /// A picture of everything committed so far; commits from now on do not change it.
    fn view(&self) -> Box<dyn Readable + '_>;

    /// Makes `batch` visible, and durable with one sync if asked. An empty durable batch syncs
    /// what was committed before.
    fn commit(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError>;

    /// Goes on after a commit was refused with `NoRoom`, once there is room again.
    ///
    /// Errors: `NoRoom` or `Busy` if it is too early; any other is the end.
    fn reopen(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Gives the space of deleted entries of `table` back to the file system. May take seconds;
    /// commits and reads go on meanwhile.
    fn reclaim(&self, table: Table) -> Result<(), StoreError>;

    /// Lets go of what is older in the perishable tables, whenever their space is given back.
    /// Until it is told, nothing is.
    fn set_horizon(&self, _now: Timestamp) {}

    /// Octets on disk (or in memory, for an engine that lives there).
    fn space(&self) -> u64;

    /// Octets that can still be written, where the engine has an end.
    fn free(&self) -> Option<u64>;

    /// How the engine is.
    fn figures(&self) -> Figures {
        Figures {
            space: self.space(),
            free: self.free(),
            ..Figures::default()
        }
    }
}
