//! The store's contract over fjall.
mod figures;
mod keyspaces;
mod opening;
mod picture;

use super::{
    Batch, Config, Durability, Engine, Figures, Readable, StoreError, Table,
    metrics::EngineMetrics, perishable::Horizon, sequence::Mark,
};
use crate::clock::{self, Timestamp};
use fjall::{AbstractTree, PersistMode};
use keyspaces::Opened;
use opening::{SEQUENCE, Sequence};
use parking_lot::{Mutex, RwLock};
use picture::{Nothing, Picture};
use std::{
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
    thread::sleep,
    time::Duration,
};

/// The store's contract over fjall.
pub struct Lsm {
    /// `None` while it is being opened again.
    opened: RwLock<Option<Arc<Opened>>>,
    sequence: Mutex<Sequence>,
    horizon: Horizon,
    config: Config,
    folder: PathBuf,
    metrics: EngineMetrics,
    _lock: File,
}

/// A key that no entry has.
const NO_KEY: &[u8] = &[0];

/// How often it is looked whether background work went on.
const STEP: Duration = Duration::from_millis(2);

/// How long one commit waits for the tables to take what the memory is too small for.
const FLUSH_WAIT: Duration = Duration::from_secs(1);

/// How long those who still read are waited for, before the engine is opened again.
const READERS_WAIT: Duration = Duration::from_secs(30);

impl Lsm {
    /// Opens the store below `folder`, made where it does not exist, and verifies that all that
    /// was ever promised is there.
    ///
    /// Errors: `InUse`; `Damaged` if something promised is missing and `accept_loss` is not set.
    pub fn open(folder: &Path, config: &Config) -> Result<Self, StoreError> {
        fs::create_dir_all(folder).map_err(StoreError::io(folder))?;
        let lock = lock(folder)?;
        let horizon = Horizon::default();
        let (opened, sequence) = opening::open(folder, config, &horizon, 0)?;
        Ok(Self {
            opened: RwLock::new(Some(Arc::new(opened))),
            sequence: Mutex::new(sequence),
            horizon,
            // a loss while it runs is nobody's wish
            config: Config {
                accept_loss: false,
                ..config.clone()
            },
            folder: folder.to_owned(),
            metrics: EngineMetrics::register(),
            _lock: lock,
        })
    }

    fn opened(&self) -> Result<Arc<Opened>, StoreError> {
        self.opened.read().clone().ok_or(StoreError::NoRoom)
    }

    /// Waits until what is in memory fits again, so that a fast sender meets the disk's pace.
    ///
    /// The engine itself waits without end for background work that died, so that it must never
    /// come to that: whoever waits here hears of it.
    fn wait_for_background(&self, opened: &Opened) -> Result<(), fjall::Error> {
        const MOST_SEALED: usize = 2;
        const MOST_RUNS: usize = 16;
        let limit = self.config.write_buffer.as_u64();
        let is_behind = || {
            opened.keyspaces().any(|keyspace| {
                keyspace.tree.sealed_memtable_count() > MOST_SEALED
                    || keyspace.tree.l0_run_count() > MOST_RUNS
            })
        };
        let is_large = || opened.database.write_buffer_size() > limit;
        if is_large() {
            for keyspace in opened.keyspaces() {
                if keyspace.tree.active_memtable().size() > limit / 16 {
                    keyspace.rotate_memtable()?;
                }
            }
        }
        let mut waited = Duration::ZERO;
        while is_behind() || (is_large() && waited < FLUSH_WAIT) {
            opened.check()?;
            sleep(STEP);
            waited += STEP;
        }
        if !waited.is_zero() {
            self.metrics.stall_time.record(waited);
        }
        Ok(())
    }

    fn write(
        &self,
        opened: &Opened,
        batch: &Batch,
        mark: (&[u8], PersistMode),
    ) -> Result<(), fjall::Error> {
        self.wait_for_background(opened)?;
        let (mark, mode) = mark;
        let database = opened.database.clone();
        let mut write =
            fjall::OwnedWriteBatch::with_capacity(database, batch.len() + 1).durability(Some(mode));
        for (table, key, change) in batch.changes() {
            // copied: a slice of a network buffer would keep the whole buffer in memory
            match change {
                Some(value) => write.insert(opened.keyspace(*table), &**key, &**value),
                None => write.remove(opened.keyspace(*table), &**key),
            }
        }
        write.insert(opened.keyspace(Table::Meta), SEQUENCE, mark);
        let begun = clock::now();
        write.commit()?;
        if mode == PersistMode::SyncData {
            self.metrics.sync_time.record(begun.elapsed());
        }
        Ok(())
    }

    /// What a failure of the engine means: for want of room it can be opened again.
    fn failure(&self, error: fjall::Error) -> StoreError {
        let is_full = match &error {
            fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => {
                matches!(
                    error.kind(),
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded
                )
            }
            // a thread of its own failed, and did not say why
            fjall::Error::Poisoned => self.is_below_reserve(),
            _ => false,
        };
        match is_full {
            true => StoreError::NoRoom,
            false => error.into(),
        }
    }

    fn is_below_reserve(&self) -> bool {
        // what is in memory must find a place, whatever the operator set
        let needed = self.config.reserve.max(self.config.write_buffer).as_u64();
        self.free().is_some_and(|free| free < needed)
    }

    /// Rewrites what is in memory and on disk without what is gone.
    fn reclaim_in(&self, opened: &Opened, table: Table) -> Result<(), fjall::Error> {
        let keyspace = opened.keyspace(table);
        // the first round finds what is stale, the second rewrites it, the third lets go of
        // files; a rotation of nothing would do none of it
        for round in 0..3 {
            keyspace.remove(NO_KEY)?;
            keyspace.rotate_memtable()?;
            while keyspace.tree.sealed_memtable_count() > 0 {
                opened.check()?;
                sleep(STEP);
            }
            if round < 2 {
                keyspace.major_compact()?;
            }
        }
        Ok(())
    }
}

impl Engine for Lsm {
    fn view(&self) -> Box<dyn Readable + '_> {
        match self.opened() {
            Ok(opened) => Box::new(Picture::new(opened)),
            Err(_) => Box::new(Nothing),
        }
    }

    fn commit(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        let opened = self.opened()?;
        let mut sequence = self.sequence.lock();
        let durable = durability == Durability::Durable;
        if batch.is_empty() && (!durable || sequence.synced == sequence.number) {
            return Ok(());
        }
        let mode = match durability {
            Durability::Relaxed => PersistMode::Buffer,
            Durability::Durable => PersistMode::SyncData,
        };
        let mark = Mark {
            number: sequence.number + 1,
            synced: sequence.synced,
        };
        let octets = mark.encode(sequence.identity);
        let written = self.write(&opened, batch, (&octets, mode));
        written.map_err(|error| self.failure(error))?;
        sequence.number = mark.number;
        if durable {
            sequence.synced = mark.number;
            let witnessed = sequence.witness.record(sequence.identity, mark.number);
            if let Err(error) = witnessed {
                // it may lag behind: what was promised is on disk
                tracing::warn!(%error, "the file `witness` was not written");
            }
        }
        Ok(())
    }

    fn reopen(&self) -> Result<(), StoreError> {
        let mut sequence = self.sequence.lock();
        if self.is_below_reserve() {
            return Err(StoreError::NoRoom);
        }
        let closed = self.opened.write().take();
        let mut waited = Duration::ZERO;
        // who reads keeps it open; it must be gone before it is opened again
        if let Some(closed) = closed {
            while Arc::strong_count(&closed) > 1 {
                if waited > READERS_WAIT {
                    *self.opened.write() = Some(closed);
                    return Err(StoreError::Busy);
                }
                sleep(STEP);
                waited += STEP;
            }
        }
        let (opened, found) =
            opening::open(&self.folder, &self.config, &self.horizon, sequence.synced)?;
        *sequence = found;
        *self.opened.write() = Some(Arc::new(opened));
        Ok(())
    }

    fn reclaim(&self, table: Table) -> Result<(), StoreError> {
        // a table that is sorted to disk must not be ahead of the journal: after a power failure
        // it would show a part of a commit
        self.commit(&Batch::default(), Durability::Durable)?;
        let opened = self.opened()?;
        let reclaimed = self.reclaim_in(&opened, table);
        reclaimed.map_err(|error| self.failure(error))
    }

    fn set_horizon(&self, now: Timestamp) {
        self.horizon.set(now);
    }

    fn space(&self) -> u64 {
        let space = self.opened().map(|opened| opened.database.disk_space());
        space.map_or(0, |space| space.unwrap_or(0))
    }

    fn free(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.folder).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn figures(&self) -> Figures {
        figures::of(&self.folder, self.opened().ok().as_deref())
    }
}

fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(StoreError::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(error)) => Err(StoreError::io(&path)(error)),
    }
}
