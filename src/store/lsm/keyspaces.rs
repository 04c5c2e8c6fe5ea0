//! How each keyspace is kept by the engine.
use super::super::{Config, StoreError, Table, perishable::Horizon};
use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, compaction::filter::Factory,
    config::PinningPolicy,
};
use std::{
    path::Path,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

/// The engine, open.
pub(super) struct Opened {
    pub(super) database: Database,
    keyspaces: Vec<Keyspace>,
}

impl Opened {
    pub(super) fn open(
        folder: &Path,
        config: &Config,
        horizon: &Horizon,
    ) -> Result<Self, StoreError> {
        let database = Self::database(folder, config, horizon)?;
        let mut keyspaces = Vec::with_capacity(Table::ALL.len());
        for table in Table::ALL {
            keyspaces.push(database.keyspace(table.name(), || options(table, config))?);
        }
        Ok(Self {
            database,
            keyspaces,
        })
    }

    /// The engine itself. One that was closed a moment ago may still be letting go of its folder.
    fn database(folder: &Path, config: &Config, horizon: &Horizon) -> Result<Database, StoreError> {
        const PATIENCE: Duration = Duration::from_secs(5);
        const STEP: Duration = Duration::from_millis(20);
        let started = Instant::now();
        loop {
            match Self::try_database(folder, config, horizon) {
                Err(fjall::Error::Locked) if started.elapsed() < PATIENCE => sleep(STEP),
                opened => return Ok(opened?),
            }
        }
    }

    fn try_database(folder: &Path, config: &Config, horizon: &Horizon) -> fjall::Result<Database> {
        let horizon = horizon.clone();
        Database::builder(folder)
            .with_compaction_filter_factories(Arc::new(move |name| {
                let mut perishable = Table::ALL.iter().filter(|table| table.is_perishable());
                let is_one = perishable.any(|table| table.name() == name);
                is_one.then(|| Arc::new(horizon.clone()) as Arc<dyn Factory>)
            }))
            .cache_size(config.cache.as_u64())
            .max_journaling_size(config.max_journal.as_u64())
            .journal_compression(fjall::CompressionType::None)
            .manual_journal_persist(true)
            // with two, one of them spins while the other sorts: 10 us of every 1 KiB record
            .worker_threads(1)
            .open()
    }

    pub(super) fn keyspace(&self, table: Table) -> &Keyspace {
        &self.keyspaces[table.index()]
    }

    pub(super) fn keyspaces(&self) -> impl Iterator<Item = &Keyspace> {
        self.keyspaces.iter()
    }

    /// Errors: `Poisoned` where the engine takes nothing any more.
    pub(super) fn check(&self) -> Result<(), fjall::Error> {
        self.database.persist(fjall::PersistMode::Buffer)
    }
}

/// Large values are kept apart from their keys, so that sorting does not copy them: of 1 KiB
/// records in groups of 256 it takes 15 us each instead of 23.
///
/// What tells that a key is not in a file stays in memory, about 2 octets a key: every message
/// that comes asks for a history that is not there, and would read it anew from each file.
fn options(table: Table, config: &Config) -> KeyspaceCreateOptions {
    let memory = config.write_buffer.as_u64();
    let options = KeyspaceCreateOptions::default()
        .manual_journal_persist(true)
        .filter_block_pinning_policy(PinningPolicy::all(true))
        .index_block_pinning_policy(PinningPolicy::all(true));
    match table {
        Table::Content => options
            .max_memtable_size(memory / 4)
            .with_kv_separation(Some(apart(4 * 1024))),
        Table::Envelope => options
            .max_memtable_size(memory / 8)
            .with_kv_separation(Some(apart(512))),
        _ => options.max_memtable_size(memory / 8),
    }
}

fn apart(threshold: u32) -> KvSeparationOptions {
    KvSeparationOptions::default()
        .separation_threshold(threshold)
        .file_target_size(16 * 1024 * 1024)
        .age_cutoff(1.0)
}
