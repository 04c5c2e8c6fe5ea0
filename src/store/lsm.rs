use super::{
    Batch, Config, Durability, Engine, Readable, Scan, StoreError, Table, journal,
    perishable::Horizon,
    sequence::{Identity, Mark, Witness},
};
use crate::clock::Timestamp;
use bytes::Bytes;
use fjall::{
    AbstractTree, Database, Guard, Keyspace, KeyspaceCreateOptions, KvSeparationOptions,
    PersistMode, Readable as _, Snapshot, compaction::filter::Factory,
};
use parking_lot::Mutex;
use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// The store's contract over fjall.
pub struct Lsm {
    database: Database,
    keyspaces: Vec<Keyspace>,
    sequence: Mutex<Sequence>,
    write_buffer: u64,
    horizon: Horizon,
    folder: PathBuf,
    _lock: File,
}

struct Sequence {
    identity: Identity,
    witness: Witness,
    /// The last commit.
    number: u64,
    /// The last commit known to be on disk.
    synced: u64,
}

const SEQUENCE: &[u8] = b"sequence";

/// A key that no entry has.
const NO_KEY: &[u8] = &[0];

/// How long one commit waits for the tables to take what the memory is too small for.
const FLUSH_WAIT: Duration = Duration::from_secs(1);

impl Lsm {
    /// Opens the store below `folder`, made where it does not exist, and verifies that all that
    /// was ever promised is there.
    ///
    /// Errors: `InUse`; `Damaged` if something promised is missing and `accept_loss` is not set.
    pub fn open(folder: &Path, config: &Config) -> Result<Self, StoreError> {
        fs::create_dir_all(folder).map_err(StoreError::io(folder))?;
        let lock = lock(folder)?;
        let engine = folder.join("engine");
        let known = Identity::read(folder)?;
        let mut losses = Losses::new(config.accept_loss);
        if known.is_none() && engine.exists() {
            losses.found("the file `identity` is missing".to_owned())?;
        }
        let identity = known.map_or_else(|| Identity::create(folder), Ok)?;
        let witness = Witness::open(folder)?;

        let before = journal::inspect(&engine, identity)?;
        if let Some((missing, found)) = before.gap {
            losses.found(format!(
                "the journal holds commit {found} but not {missing}, which had been promised"
            ))?;
        }
        let horizon = Horizon::default();
        let (database, keyspaces) = open_engine(&engine, config, &horizon)?;
        let last = last_mark(&keyspaces, identity)?;
        let promised = before.synced.max(witness.synced(identity));
        if last.number < promised {
            losses.found(format!(
                "the last commit found is {}, but {promised} had been promised",
                last.number
            ))?;
        }
        if let Some(path) = before.cut_journal(promised) {
            let path = path.display();
            losses.found(format!("{path} is damaged before commit {promised}"))?;
        }
        // what was accepted once must not be found again: the sequence starts anew
        let (identity, last) = match losses.any {
            true => (Identity::create(folder)?, Mark::default()),
            false => (identity, last),
        };
        Ok(Self {
            database,
            keyspaces,
            sequence: Mutex::new(Sequence {
                identity,
                witness,
                number: last.number,
                synced: promised.min(last.number),
            }),
            write_buffer: config.write_buffer.as_u64(),
            horizon,
            folder: folder.to_owned(),
            _lock: lock,
        })
    }

    fn keyspace(&self, table: Table) -> &Keyspace {
        &self.keyspaces[table.index()]
    }

    /// Waits until what is in memory fits again, so that a fast sender meets the disk's pace.
    fn wait_for_memory(&self) -> Result<(), StoreError> {
        const STEP: Duration = Duration::from_millis(2);
        if self.database.write_buffer_size() <= self.write_buffer {
            return Ok(());
        }
        for keyspace in &self.keyspaces {
            if keyspace.tree.active_memtable().size() > self.write_buffer / 16 {
                keyspace.rotate_memtable()?;
            }
        }
        let mut waited = Duration::ZERO;
        while self.database.write_buffer_size() > self.write_buffer && waited < FLUSH_WAIT {
            std::thread::sleep(STEP);
            waited += STEP;
        }
        Ok(())
    }
}

impl Engine for Lsm {
    fn view(&self) -> Box<dyn Readable + '_> {
        Box::new(Picture {
            snapshot: self.database.snapshot(),
            engine: self,
        })
    }

    fn commit(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        let mut sequence = self.sequence.lock();
        let durable = durability == Durability::Durable;
        if batch.is_empty() && (!durable || sequence.synced == sequence.number) {
            return Ok(());
        }
        let mut write =
            fjall::OwnedWriteBatch::with_capacity(self.database.clone(), batch.len() + 1)
                .durability(Some(match durability {
                    Durability::Relaxed => PersistMode::Buffer,
                    Durability::Durable => PersistMode::SyncData,
                }));
        for (table, key, change) in batch.changes() {
            // copied: a slice of a network buffer would keep the whole buffer in memory
            match change {
                Some(value) => write.insert(self.keyspace(*table), &**key, &**value),
                None => write.remove(self.keyspace(*table), &**key),
            }
        }
        let mark = Mark {
            number: sequence.number + 1,
            synced: sequence.synced,
        };
        let octets = mark.encode(sequence.identity);
        write.insert(self.keyspace(Table::Meta), SEQUENCE, &octets[..]);
        write.commit()?;
        sequence.number = mark.number;
        if durable {
            sequence.synced = mark.number;
            sequence.witness.record(sequence.identity, mark.number)?;
        }
        drop(sequence);
        self.wait_for_memory()
    }

    fn reclaim(&self, table: Table) -> Result<(), StoreError> {
        let keyspace = self.keyspace(table);
        // the first round finds what is stale, the second rewrites it, the third lets go of
        // files; a rotation of nothing would do none of it
        for round in 0..3 {
            keyspace.remove(NO_KEY)?;
            keyspace.rotate_memtable_and_wait()?;
            if round < 2 {
                keyspace.major_compact()?;
            }
        }
        Ok(())
    }

    fn set_horizon(&self, now: Timestamp) {
        self.horizon.set(now);
    }

    fn space(&self) -> u64 {
        self.database.disk_space().unwrap_or(0)
    }

    fn free(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.folder).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

/// Damage found while opening, refused unless the operator accepts it.
struct Losses {
    accepted: bool,
    any: bool,
}

impl Losses {
    fn new(accepted: bool) -> Self {
        let any = false;
        Self { accepted, any }
    }

    fn found(&mut self, what: String) -> Result<(), StoreError> {
        if !self.accepted {
            return Err(StoreError::damaged(what));
        }
        tracing::warn!(%what, "loss accepted because `store.accept_loss` is set");
        self.any = true;
        Ok(())
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

fn open_engine(
    folder: &Path,
    config: &Config,
    horizon: &Horizon,
) -> Result<(Database, Vec<Keyspace>), StoreError> {
    let horizon = horizon.clone();
    let database = Database::builder(folder)
        .with_compaction_filter_factories(Arc::new(move |name| {
            let mut perishable = Table::ALL.iter().filter(|table| table.is_perishable());
            let is_one = perishable.any(|table| table.name() == name);
            is_one.then(|| Arc::new(horizon.clone()) as Arc<dyn Factory>)
        }))
        .cache_size(config.cache.as_u64())
        .max_journaling_size(config.max_journal.as_u64())
        .journal_compression(fjall::CompressionType::None)
        .manual_journal_persist(true)
        .worker_threads(2)
        .open()?;
    let mut keyspaces = Vec::with_capacity(Table::ALL.len());
    for table in Table::ALL {
        keyspaces.push(database.keyspace(table.name(), || options(table, config))?);
    }
    Ok((database, keyspaces))
}

fn options(table: Table, config: &Config) -> KeyspaceCreateOptions {
    let memory = config.write_buffer.as_u64();
    let options = KeyspaceCreateOptions::default().manual_journal_persist(true);
    match table {
        Table::Content => options
            .max_memtable_size(memory / 4)
            .with_kv_separation(Some(
                KvSeparationOptions::default()
                    .separation_threshold(4 * 1024)
                    .file_target_size(16 * 1024 * 1024)
                    .age_cutoff(1.0),
            )),
        _ => options.max_memtable_size(memory / 8),
    }
}

/// The mark of the last commit that the engine brought back.
fn last_mark(keyspaces: &[Keyspace], identity: Identity) -> Result<Mark, StoreError> {
    let octets = keyspaces[Table::Meta.index()].get(SEQUENCE)?;
    let mark = octets.and_then(|octets| Mark::decode(&octets, identity));
    Ok(mark.unwrap_or_default())
}

struct Picture<'a> {
    snapshot: Snapshot,
    engine: &'a Lsm,
}

impl Picture<'_> {
    fn read<T>(
        &self,
        scan: Scan<'_>,
        take: impl Fn(Guard) -> fjall::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        if scan.from >= scan.until {
            return Ok(Vec::new());
        }
        let keyspace = self.engine.keyspace(scan.table);
        let entries = self.snapshot.range(keyspace, scan.from..scan.until);
        let found: fjall::Result<Vec<T>> = if scan.reverse {
            entries.rev().take(scan.limit).map(take).collect()
        } else {
            entries.take(scan.limit).map(take).collect()
        };
        Ok(found?)
    }
}

impl Readable for Picture<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self.snapshot.get(self.engine.keyspace(table), key)?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(&self, scan: Scan<'_>) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.read(scan, |entry| {
            let (key, value) = entry.into_inner()?;
            Ok((Bytes::copy_from_slice(&key), Bytes::copy_from_slice(&value)))
        })
    }

    fn keys(&self, scan: Scan<'_>) -> Result<Vec<Bytes>, StoreError> {
        self.read(scan, |entry| Ok(Bytes::copy_from_slice(&entry.key()?)))
    }
}
