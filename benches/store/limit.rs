//! Group commit against the disk: many producers write records of 1 KiB through the writer, then a
//! plain file takes the same groups of octets with one `fdatasync` each.
//!
//! The file is written in two ways: into new blocks, as a journal grows, and over blocks that were
//! written before, which is the least a disk can be asked for. Store and disk take turns, so that a
//! noisy machine disturbs both alike.
use bytes::Bytes;
use restante::{
    clock::Timestamp,
    store::{Batch, Config, Durability, Engine, Handle, Lsm, Readable, StoreError, Table, abort},
};
use rustix::time::{ClockId, clock_gettime};
use std::{
    cell::Cell,
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    path::Path,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::task::LocalSet;

const PRODUCERS: u64 = 256;
const RECORD: usize = 1024;

/// Octets of the file that the disk is measured with; it is written from its start again.
const FILE: u64 = 64 << 20;

/// What one round came to.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    /// Records a second through the store.
    store: f64,
    /// Records a second into new blocks of a file.
    growing: f64,
    /// Records a second over blocks written before.
    again: f64,
    /// Records of a commit.
    group: f64,
    /// Processor microseconds of a record: the writer thread's, and the whole process's.
    writer: f64,
    process: f64,
}

/// An engine that notes how large its commits are.
struct Noting {
    engine: Lsm,
    groups: Mutex<Vec<(usize, usize)>>,
}

impl Engine for Noting {
    fn view(&self) -> Box<dyn Readable + '_> {
        self.engine.view()
    }

    fn commit(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.push((batch.len(), batch.octets()));
        drop(groups);
        self.engine.commit(batch, durability)
    }

    fn reclaim(&self, table: Table) -> Result<(), StoreError> {
        self.engine.reclaim(table)
    }

    fn set_horizon(&self, now: Timestamp) {
        self.engine.set_horizon(now);
    }

    fn space(&self) -> u64 {
        self.engine.space()
    }

    fn free(&self) -> Option<u64> {
        self.engine.free()
    }
}

/// Measures in `rounds` of `time` and prints the medians.
pub fn run(rounds: usize, time: Duration) {
    let rounds: Vec<Round> = (0..rounds).map(|_| round(time)).collect();
    let median = |of: fn(&Round) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!("group commit, {PRODUCERS} producers, records of {RECORD} octets");
    let group = median(|round| round.group);
    println!(
        "  store         {:>9.0} records/s, {group:.0} in a commit",
        median(|round| round.store)
    );
    let (growing, again) = (median(|round| round.growing), median(|round| round.again));
    println!("  disk, growing {growing:>9.0} records/s");
    println!("  disk, again   {again:>9.0} records/s");
    let of_growing = median(|round| round.store / round.growing);
    let of_again = median(|round| round.store / round.again);
    println!("  store / disk  {of_growing:>9.2} growing, {of_again:.2} again (aim: at least 0.7)");
    let (writer, process) = (median(|round| round.writer), median(|round| round.process));
    println!("  processor     {writer:>9.1} us a record in the writer, {process:.1} us in all");
}

fn round(time: Duration) -> Round {
    let folder = tempfile::tempdir().expect("temporary folder");
    let engine = Lsm::open(folder.path(), &Config::default()).expect("a fresh folder opens");
    let engine = Arc::new(Noting {
        engine,
        groups: Mutex::default(),
    });
    let (handle, threads) =
        Handle::start(engine.clone(), &Config::default(), abort()).expect("threads start");
    let (before, begun) = (used(), Instant::now());
    let records = produce(&handle, time) as f64;
    let (seconds, process) = (begun.elapsed().as_secs_f64(), used() - before);
    let writer = used_by("store-writer").unwrap_or_default();
    threads.stop();
    let groups = engine.groups.lock().unwrap_or_else(PoisonError::into_inner);
    let groups: Vec<_> = groups.iter().filter(|(records, _)| *records > 0).collect();
    let file = folder.path().join("plain");
    let octets = || groups.iter().map(|(_, octets)| *octets);
    let growing = records / written(&file, octets()).as_secs_f64();
    let again = records / written(&file, octets()).as_secs_f64();
    Round {
        store: records / seconds,
        growing,
        again,
        group: records / groups.len() as f64,
        writer: writer.as_secs_f64() * 1e6 / records,
        process: process.as_secs_f64() * 1e6 / records,
    }
}

/// Has every producer write one record after the other for `time`; returns how many were synced.
fn produce(handle: &Handle, time: Duration) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("runtime");
    let local = LocalSet::new();
    let records = Rc::new(Cell::new(0));
    let until = Instant::now() + time;
    for producer in 0..PRODUCERS {
        let (handle, records) = (handle.clone(), records.clone());
        local.spawn_local(async move {
            let value = Bytes::from(vec![b'x'; RECORD]);
            for number in 0_u64.. {
                if Instant::now() > until {
                    return;
                }
                // as envelopes are written: each producer at its own place
                let key = [producer.to_be_bytes(), number.to_be_bytes()].concat();
                let value = value.clone();
                let write = handle.write_large(RECORD, move |txn| {
                    txn.put(Table::Envelope, Bytes::from(key), value);
                    Ok(())
                });
                write.await.expect("synced");
                records.set(records.get() + 1);
            }
        });
    }
    runtime.block_on(local);
    records.get()
}

/// How long a plain file takes for `groups` of octets, each synced.
fn written(path: &Path, groups: impl Iterator<Item = usize>) -> Duration {
    let mut options = File::options();
    let file = options.create(true).truncate(false).write(true).open(path);
    let mut file = file.expect("file");
    file.set_len(FILE).expect("as long as a journal");
    let octets = vec![b'x'; 4 << 20];
    let begun = Instant::now();
    let mut at = 0;
    for group in groups {
        if at + group as u64 > FILE {
            at = 0;
            file.seek(SeekFrom::Start(0)).expect("start");
        }
        file.write_all(&octets[..group]).expect("written");
        file.sync_data().expect("synced");
        at += group as u64;
    }
    begun.elapsed()
}

/// Processor time of this process.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Processor time of the thread called `name`.
fn used_by(name: &str) -> Option<Duration> {
    let tasks = fs::read_dir("/proc/self/task").ok()?;
    let task = tasks.flatten().find(|task| {
        let found = fs::read_to_string(task.path().join("comm"));
        found.is_ok_and(|found| found.trim() == name)
    })?;
    let figures = fs::read_to_string(task.path().join("schedstat")).ok()?;
    let nanos = figures.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}
