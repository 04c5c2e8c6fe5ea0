//! What every storage engine must hold, run over memory and over fjall; and what only an engine
//! on disk can show: what survives a restart, and what damage is refused.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
use bytes::Bytes;
use parking_lot::Mutex;
use restante::clock::Timestamp;
use restante::store::{
    Batch, Config, Durability, Engine, Handle, Lsm, Memory, Readable, Scan, StoreError, Table,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

type Made = (Arc<dyn Engine>, Option<tempfile::TempDir>);

fn engines() -> Vec<(&'static str, Made)> {
    let folder = tempfile::tempdir().unwrap();
    let lsm = Lsm::open(folder.path(), &Config::default()).unwrap();
    vec![
        ("memory", (Arc::new(Memory::default()), None)),
        ("fjall", (Arc::new(lsm), Some(folder))),
    ]
}

fn put(engine: &dyn Engine, key: &str, value: &str) {
    let mut batch = Batch::default();
    let (key, value) = (Bytes::from(key.to_owned()), Bytes::from(value.to_owned()));
    batch.push(Table::Envelope, key, Some(value));
    engine.commit(&batch, Durability::Durable).unwrap();
}

fn get(engine: &dyn Engine, key: &str) -> Option<Bytes> {
    engine.view().get(Table::Envelope, key.as_bytes()).unwrap()
}

fn scan<'a>(from: &'a str, until: &'a str, limit: usize, reverse: bool) -> Scan<'a> {
    Scan {
        table: Table::Envelope,
        from: from.as_bytes(),
        until: until.as_bytes(),
        limit,
        reverse,
    }
}

#[test]
fn batch_over_several_tables_becomes_visible_at_once() {
    for (name, (engine, _folder)) in engines() {
        let before = engine.view().get(Table::Mailbox, b"bob").unwrap();
        assert_eq!(before, None, "{name}");
        let mut batch = Batch::default();
        batch.push(Table::Envelope, "bob/1".into(), Some("hello".into()));
        batch.push(Table::Mailbox, "bob".into(), Some("1".into()));
        engine.commit(&batch, Durability::Relaxed).unwrap();
        let view = engine.view();
        assert_eq!(
            view.get(Table::Mailbox, b"bob").unwrap(),
            Some("1".into()),
            "{name}"
        );
        assert_eq!(
            view.get(Table::Envelope, b"bob/1").unwrap(),
            Some("hello".into()),
            "{name}"
        );
    }
}

#[test]
fn later_change_of_a_key_wins_within_one_batch() {
    for (name, (engine, _folder)) in engines() {
        let mut batch = Batch::default();
        batch.push(Table::Envelope, "b".into(), Some("2".into()));
        engine.commit(&batch, Durability::Durable).unwrap();
        let mut batch = Batch::default();
        batch.push(Table::Envelope, "b".into(), None);
        engine.commit(&batch, Durability::Durable).unwrap();
        assert_eq!(get(&*engine, "b"), None, "{name}");
    }
}

#[test]
fn scan_honours_ends_limit_and_direction() {
    for (name, (engine, _folder)) in engines() {
        for key in ["a", "b", "c", "d", "e"] {
            put(&*engine, key, key);
        }
        let view = engine.view();
        let keys = |scan| view.keys(scan).unwrap();
        assert_eq!(keys(scan("b", "d", 9, false)), ["b", "c"], "{name}");
        assert_eq!(keys(scan("a", "z", 2, false)), ["a", "b"], "{name}");
        assert_eq!(keys(scan("a", "z", 2, true)), ["e", "d"], "{name}");
        assert!(keys(scan("d", "b", 9, false)).is_empty(), "{name}");
        assert!(keys(scan("b", "b", 9, false)).is_empty(), "{name}");
        let entries = view.scan(scan("e", "z", 9, false)).unwrap();
        assert_eq!(entries, [("e".into(), "e".into())], "{name}");
    }
}

#[test]
fn empty_values_are_values() {
    for (name, (engine, _folder)) in engines() {
        put(&*engine, "due", "");
        assert_eq!(get(&*engine, "due"), Some(Bytes::new()), "{name}");
    }
}

#[test]
fn values_of_a_piece_come_back_equal() {
    for (name, (engine, _folder)) in engines() {
        let piece: Bytes = (0..65_536_u32).map(|n| (n * 7) as u8).collect();
        let mut batch = Batch::default();
        batch.push(Table::Content, "c".into(), Some(piece.clone()));
        engine.commit(&batch, Durability::Durable).unwrap();
        engine.reclaim(Table::Content).unwrap();
        assert_eq!(
            engine.view().get(Table::Content, b"c").unwrap(),
            Some(piece),
            "{name}"
        );
        assert!(engine.space() > 0, "{name}");
    }
}

#[test]
fn picture_does_not_change_with_later_commits() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Lsm::open(folder.path(), &Config::default()).unwrap();
    put(&engine, "a", "old");
    let view = engine.view();
    put(&engine, "a", "new");
    put(&engine, "b", "new");
    assert_eq!(view.get(Table::Envelope, b"a").unwrap(), Some("old".into()));
    assert_eq!(view.keys(scan("a", "z", 9, false)).unwrap(), ["a"]);
    assert_eq!(get(&engine, "a"), Some("new".into()));
}

/// A value of a perishable table that ends at `end`.
fn until(end: u64) -> Option<Bytes> {
    Some([&end.to_be_bytes()[..], b"steps"].concat().into())
}

#[test]
fn perishable_entry_goes_when_its_time_is_over_and_no_older_one_comes_back() {
    for (name, (engine, _folder)) in engines() {
        let set = |key: &'static str, table, value| {
            let mut batch = Batch::default();
            batch.push(table, key.into(), value);
            engine.commit(&batch, Durability::Durable).unwrap();
        };
        let is_there = |table, key: &str| {
            let value = engine.view().get(table, key.as_bytes()).unwrap();
            value.is_some()
        };
        set("changed", Table::History, until(u64::MAX));
        engine.reclaim(Table::History).unwrap();
        set("changed", Table::History, until(999));
        set("past", Table::History, until(999));
        set("now", Table::History, until(1000));
        set("never", Table::History, until(u64::MAX));
        set("other table", Table::Envelope, until(0));
        engine.reclaim(Table::History).unwrap();
        assert!(
            is_there(Table::History, "past"),
            "{name}: nobody told the time"
        );

        engine.set_horizon(Timestamp::from_millis(1000));
        engine.reclaim(Table::History).unwrap();
        engine.reclaim(Table::Envelope).unwrap();
        assert!(!is_there(Table::History, "past"), "{name}");
        assert!(!is_there(Table::History, "changed"), "{name}");
        assert!(is_there(Table::History, "now"), "{name}");
        assert!(is_there(Table::History, "never"), "{name}");
        assert!(is_there(Table::Envelope, "other table"), "{name}");
    }
}

// ---- the threads over each engine ----------------------------------------------------------

/// An engine that can be told to be slow, or to fail, and counts.
struct Trick {
    inner: Memory,
    slow: AtomicBool,
    broken: AtomicBool,
    commits: AtomicUsize,
}

impl Trick {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: Memory::default(),
            slow: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            commits: AtomicUsize::new(0),
        })
    }
}

impl Engine for Trick {
    fn view(&self) -> Box<dyn Readable + '_> {
        self.inner.view()
    }
    fn commit(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        while self.slow.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::Poisoned);
        }
        self.inner.commit(batch, durability)
    }
    fn reclaim(&self, table: Table) -> Result<(), StoreError> {
        self.inner.reclaim(table)
    }
    fn space(&self) -> u64 {
        self.inner.space()
    }
    fn free(&self) -> Option<u64> {
        self.inner.free()
    }
}

fn never_fatal() -> restante::store::Fatal {
    Box::new(|error| panic!("unexpected: {error}"))
}

fn start(engine: Arc<dyn Engine>, config: &Config) -> Handle {
    Handle::start(engine, config, never_fatal()).unwrap().0
}

async fn set(handle: &Handle, key: &'static str, value: &'static str) -> Result<(), StoreError> {
    handle
        .write(move |txn| {
            txn.put(Table::Envelope, key, value);
            Ok(())
        })
        .await
}

/// Lets the writer reach the slow commit, so that all that follows is queued behind it.
async fn hold(handle: &Handle, trick: &Trick) -> tokio::task::JoinHandle<()> {
    trick.slow.store(true, Ordering::SeqCst);
    let before = trick.commits.load(Ordering::SeqCst);
    let handle = handle.clone();
    let held = tokio::spawn(async move { set(&handle, "held", "").await.unwrap() });
    while trick.commits.load(Ordering::SeqCst) == before {
        tokio::task::yield_now().await;
    }
    held
}

#[tokio::test]
async fn transaction_sees_what_earlier_ones_of_its_group_wrote() {
    for (name, (engine, _folder)) in engines() {
        let handle = start(engine, &Config::default());
        let mut counting = Vec::new();
        for _ in 0..100 {
            let handle = handle.clone();
            let add = |txn: &mut restante::store::Txn<'_>| {
                let old = txn.get(Table::Meta, b"n")?.map_or(0, |value| value[0]);
                txn.put(Table::Meta, "n", vec![old + 1]);
                Ok(old + 1)
            };
            counting.push(tokio::spawn(
                async move { handle.write(add).await.unwrap() },
            ));
        }
        let mut results = Vec::new();
        for count in counting {
            results.push(count.await.unwrap());
        }
        let expected: Vec<u8> = (1..=100).collect();
        assert_eq!(results, expected, "{name}");
    }
}

#[tokio::test]
async fn failed_transaction_leaves_nothing_and_harms_no_neighbour() {
    for (name, (engine, _folder)) in engines() {
        let handle = start(engine, &Config::default());
        let bad = handle.write(|txn| {
            txn.put(Table::Envelope, "bad", "");
            Err::<(), _>(StoreError::Abandoned("as planned"))
        });
        let panicking = handle.write::<()>(|txn| {
            txn.put(Table::Envelope, "panic", "");
            panic!("as planned")
        });
        let long = handle.write(|txn| {
            txn.put(Table::Envelope, vec![b'x'; 70_000], "");
            Ok(())
        });
        let good = set(&handle, "good", "1");
        let (bad, panicking, long, good) = tokio::join!(bad, panicking, long, good);
        assert!(
            matches!(bad, Err(StoreError::Abandoned("as planned"))),
            "{name}"
        );
        assert!(matches!(panicking, Err(StoreError::Closed)), "{name}");
        assert!(matches!(long, Err(StoreError::Abandoned(_))), "{name}");
        assert!(good.is_ok(), "{name}");
        let keys = handle.read(|view| view.keys(scan("a", "zz", 9, false)));
        assert_eq!(keys.await.unwrap(), ["good"], "{name}");
    }
}

#[tokio::test]
async fn group_is_committed_and_synced_once_for_many() {
    let trick = Trick::new();
    let handle = start(trick.clone(), &Config::default());
    let held = hold(&handle, &trick).await;
    let begun = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..100)
        .map(|_| {
            let (handle, begun) = (handle.clone(), begun.clone());
            tokio::spawn(async move {
                begun.fetch_add(1, Ordering::SeqCst);
                set(&handle, "k", "v").await
            })
        })
        .collect();
    // a task that has begun has queued its write: nothing on the way there makes it wait
    while begun.load(Ordering::SeqCst) < 100 {
        tokio::task::yield_now().await;
    }
    trick.slow.store(false, Ordering::SeqCst);
    held.await.unwrap();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(trick.commits.load(Ordering::SeqCst), 2);
    assert_eq!(trick.inner.syncs(), 2);
}

#[tokio::test]
async fn relaxed_write_costs_no_sync_and_the_next_durable_one_covers_it() {
    let memory = Arc::new(Memory::default());
    let handle = start(memory.clone(), &Config::default());
    let piece = |txn: &mut restante::store::Txn<'_>| {
        txn.put(Table::Content, "piece", "octets");
        Ok(())
    };
    handle.write_relaxed(6, piece).await.unwrap();
    assert_eq!(memory.syncs(), 0);
    set(&handle, "k", "v").await.unwrap();
    memory.lose_power();
    let found = handle.read(|view| view.get(Table::Content, b"piece"));
    assert_eq!(found.await.unwrap(), Some("octets".into()));
}

#[tokio::test]
async fn failed_flush_is_fatal_and_nothing_is_promised_after_it() {
    let trick = Trick::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = told.clone();
    let fatal = Box::new(move |error: &StoreError| listener.lock().push(error.kind()));
    let (handle, _threads) = Handle::start(trick.clone(), &Config::default(), fatal).unwrap();
    set(&handle, "a", "1").await.unwrap();
    trick.broken.store(true, Ordering::SeqCst);
    let refused = set(&handle, "b", "1").await;
    assert!(matches!(refused, Err(StoreError::Poisoned)));
    assert_eq!(*told.lock(), ["poisoned"]);
    trick.broken.store(false, Ordering::SeqCst);
    let refused = set(&handle, "c", "1").await;
    assert!(matches!(refused, Err(StoreError::Poisoned)), "{refused:?}");
    assert_eq!(get(&trick.inner, "c"), None);
}

#[tokio::test]
async fn full_queue_answers_busy_and_recovers() {
    let trick = Trick::new();
    let config = Config {
        queue: 4,
        ..Config::default()
    };
    let handle = start(trick.clone(), &config);
    let held = hold(&handle, &trick).await;
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let handle = handle.clone();
        waiting.push(tokio::spawn(async move { set(&handle, "k", "v").await }));
        tokio::task::yield_now().await;
    }
    let refused = set(&handle, "one too many", "").await;
    assert!(matches!(refused, Err(StoreError::Busy)));
    trick.slow.store(false, Ordering::SeqCst);
    held.await.unwrap();
    for writer in waiting {
        writer.await.unwrap().unwrap();
    }
    set(&handle, "later", "").await.unwrap();
}

#[tokio::test]
async fn octets_in_flight_are_bounded_and_the_rest_waits() {
    let trick = Trick::new();
    let config = Config {
        max_inflight: bytesize::ByteSize::kib(256),
        ..Config::default()
    };
    let handle = start(trick.clone(), &config);
    let held = hold(&handle, &trick).await;
    let accepted = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..16_u8)
        .map(|n| {
            let (handle, accepted) = (handle.clone(), accepted.clone());
            tokio::spawn(async move {
                let write = handle.write_relaxed(64 * 1024, move |txn| {
                    accepted.fetch_add(1, Ordering::SeqCst);
                    txn.put(Table::Content, vec![n], vec![n; 64 * 1024]);
                    Ok(())
                });
                write.await.unwrap();
            })
        })
        .collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    trick.slow.store(false, Ordering::SeqCst);
    held.await.unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 16);
    // 255 KiB of room take three pieces at a time, one group each at the least
    assert!(trick.commits.load(Ordering::SeqCst) >= 5);
}

#[tokio::test]
async fn order_of_one_writer_is_kept() {
    for (name, (engine, _folder)) in engines() {
        let handle = start(engine, &Config::default());
        let mut writers = Vec::new();
        for n in 0..200 {
            let handle = handle.clone();
            let append = move |txn: &mut restante::store::Txn<'_>| {
                let mut all = txn.get(Table::Meta, b"all")?.unwrap_or_default().to_vec();
                all.push(n);
                txn.put(Table::Meta, "all", all);
                Ok(())
            };
            writers.push(tokio::spawn(async move { handle.write(append).await }));
        }
        for writer in writers {
            writer.await.unwrap().unwrap();
        }
        let all = handle.read(|view| view.get(Table::Meta, b"all"));
        let expected: Vec<u8> = (0..200).collect();
        assert_eq!(all.await.unwrap().unwrap(), expected, "{name}");
    }
}

#[tokio::test]
async fn stopped_store_has_committed_what_was_queued_and_takes_nothing_more() {
    let trick = Trick::new();
    let (handle, threads) =
        Handle::start(trick.clone(), &Config::default(), never_fatal()).unwrap();
    let held = hold(&handle, &trick).await;
    let queued = tokio::spawn({
        let handle = handle.clone();
        async move { set(&handle, "queued", "1").await }
    });
    tokio::task::yield_now().await;
    let stopping = tokio::task::spawn_blocking(|| threads.stop());
    trick.slow.store(false, Ordering::SeqCst);
    stopping.await.unwrap();
    held.await.unwrap();
    queued.await.unwrap().unwrap();
    assert_eq!(get(&trick.inner, "queued"), Some("1".into()));
    let late = set(&handle, "late", "1").await;
    assert!(matches!(late, Err(StoreError::Closed)));
    let late = handle.read(|view| view.get(Table::Meta, b"x")).await;
    assert!(matches!(late, Err(StoreError::Closed)));
}

// ---- the disk ------------------------------------------------------------------------------

fn open(folder: &Path) -> Result<Lsm, StoreError> {
    Lsm::open(folder, &Config::default())
}

/// A store with `commits` durable commits of about 5 KiB, closed.
fn written(folder: &Path, commits: u32) {
    let engine = open(folder).unwrap();
    for number in 0..commits {
        let mut batch = Batch::default();
        let key = Bytes::copy_from_slice(&number.to_be_bytes());
        batch.push(Table::Envelope, key, Some(vec![b'x'; 5000].into()));
        engine.commit(&batch, Durability::Durable).unwrap();
    }
}

fn count(engine: &Lsm) -> usize {
    let all = Scan {
        table: Table::Envelope,
        from: &[0],
        until: &[255],
        limit: usize::MAX,
        reverse: false,
    };
    engine.view().keys(all).unwrap().len()
}

fn journal(folder: &Path) -> PathBuf {
    folder.join("engine/0.jnl")
}

fn patch(path: &Path, at: u64, octets: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(octets, at).unwrap();
}

#[test]
fn durable_commit_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    for round in 1..=3 {
        let engine = open(folder.path()).unwrap();
        put(&engine, &format!("key {round}"), "value");
        drop(engine);
        let engine = open(folder.path()).unwrap();
        for earlier in 1..=round {
            let key = format!("key {earlier}");
            assert_eq!(get(&engine, &key), Some("value".into()));
        }
    }
}

#[test]
fn second_process_is_told_that_the_store_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path()).unwrap();
    assert!(matches!(open(folder.path()), Err(StoreError::InUse)));
}

#[test]
fn garbage_behind_the_last_commit_is_a_torn_tail() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 20);
    let end = 20 * 5100 + 2000;
    patch(
        &journal(folder.path()),
        end,
        b"half a batch that never became one",
    );
    assert_eq!(count(&open(folder.path()).unwrap()), 20);
}

#[test]
fn unsynced_tail_that_is_cut_is_tolerated() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 20);
    let engine = open(folder.path()).unwrap();
    let mut batch = Batch::default();
    batch.push(Table::Content, "piece".into(), Some(vec![1; 60_000].into()));
    engine.commit(&batch, Durability::Relaxed).unwrap();
    drop(engine);
    let path = journal(folder.path());
    let file = fs::File::options().write(true).open(&path).unwrap();
    let len = file.metadata().unwrap().len();
    file.set_len(len - 30_000).unwrap();
    let engine = open(folder.path()).unwrap();
    assert_eq!(count(&engine), 20);
    assert_eq!(engine.view().get(Table::Content, b"piece").unwrap(), None);
}

#[test]
fn zeros_in_the_middle_of_the_journal_are_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 100);
    patch(&journal(folder.path()), 200_000, &[0; 4096]);
    for _ in 0..2 {
        let error = open(folder.path()).err().unwrap();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("backup"), "{error}");
    }
    let untouched = fs::metadata(journal(folder.path())).unwrap().len();
    assert!(untouched > 500_000, "the evidence is kept: {untouched}");
}

#[test]
fn zeros_over_a_single_commit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 100);
    for at in [0, 4100, 300_000, 100 * 5100] {
        let copy = tempfile::tempdir().unwrap();
        let status = std::process::Command::new("cp")
            .args(["-r", "."])
            .arg(copy.path())
            .current_dir(folder.path())
            .status();
        assert!(status.unwrap().success());
        patch(&journal(copy.path()), at, &[0; 100]);
        let error = open(copy.path()).err();
        let is_damage = matches!(error, Some(StoreError::Damaged { .. }));
        assert!(is_damage, "at {at}: {error:?}");
    }
}

#[test]
fn journal_cut_behind_a_promise_is_refused_by_the_witness() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 100);
    let file = fs::File::options()
        .write(true)
        .open(journal(folder.path()))
        .unwrap();
    file.set_len(300_000).unwrap();
    let error = open(folder.path()).err().unwrap();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn flipped_bit_is_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 100);
    patch(&journal(folder.path()), 202_000, b"y");
    let error = open(folder.path()).err().unwrap();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn lost_identity_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 3);
    fs::remove_file(folder.path().join("identity")).unwrap();
    for _ in 0..2 {
        let error = open(folder.path()).err().unwrap();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }
}

#[test]
fn accepted_loss_is_not_found_again() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 100);
    patch(&journal(folder.path()), 200_000, &[0; 8192]);
    let accept = Config {
        accept_loss: true,
        ..Config::default()
    };
    let engine = Lsm::open(folder.path(), &accept).unwrap();
    let left = count(&engine);
    assert!((30..45).contains(&left), "{left}");
    put(&engine, "zz", "after");
    drop(engine);
    let engine = open(folder.path()).unwrap();
    assert_eq!(get(&engine, "zz"), Some("after".into()));
}

#[test]
fn message_that_imitates_a_mark_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).unwrap();
    let identity = fs::read(folder.path().join("identity")).unwrap();
    let imitation = [identity, vec![255; 24]].concat();
    let mut batch = Batch::default();
    batch.push(Table::Content, "c".into(), Some(imitation.into()));
    engine.commit(&batch, Durability::Durable).unwrap();
    drop(engine);
    open(folder.path()).unwrap();
}

#[test]
fn many_large_pieces_pass_through_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).unwrap();
    for number in 0..800_u32 {
        let mut piece = vec![0; 64 * 1024];
        getrandom::fill(&mut piece).unwrap();
        let mut batch = Batch::default();
        let key = Bytes::copy_from_slice(&number.to_be_bytes());
        batch.push(Table::Content, key, Some(piece.into()));
        engine.commit(&batch, Durability::Relaxed).unwrap();
    }
    put(&engine, "k", "v");
    drop(engine);
    let engine = open(folder.path()).unwrap();
    let last = engine.view().get(Table::Content, &799_u32.to_be_bytes());
    assert_eq!(last.unwrap().unwrap().len(), 64 * 1024);
}

#[test]
fn space_of_deleted_pieces_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).unwrap();
    let key = |number: u32| Bytes::copy_from_slice(&number.to_be_bytes());
    for number in 0..800 {
        let mut piece = vec![0; 64 * 1024];
        getrandom::fill(&mut piece).unwrap();
        let mut batch = Batch::default();
        batch.push(Table::Content, key(number), Some(piece.into()));
        engine.commit(&batch, Durability::Relaxed).unwrap();
    }
    engine.reclaim(Table::Content).unwrap();
    let tables = || folder_size(&folder.path().join("engine/keyspaces"));
    let full = tables();
    assert!(full > 50_000_000, "{full}");
    let mut batch = Batch::default();
    for number in 1..800 {
        batch.push(Table::Content, key(number), None);
    }
    engine.commit(&batch, Durability::Durable).unwrap();
    engine.reclaim(Table::Content).unwrap();
    let left = tables();
    assert!(left < full / 10, "{full} -> {left}");
    let kept = engine.view().get(Table::Content, &key(0)).unwrap();
    assert_eq!(kept.unwrap().len(), 64 * 1024);
    assert!(engine.free().unwrap() > 0);
}

fn folder_size(folder: &Path) -> u64 {
    let mut size = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        size += match entry.file_type().unwrap().is_dir() {
            true => folder_size(&entry.path()),
            false => entry.metadata().unwrap().len(),
        };
    }
    size
}
