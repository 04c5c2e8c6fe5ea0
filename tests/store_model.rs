//! The store against a model of it: any row of commits, compactions, restarts and crashes leaves
//! what a map would hold. A crash is played by a copy of the folder, cut anywhere inside what was
//! written after the last sync.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
use bytes::Bytes;
use proptest::prelude::*;
use restante::store::{Batch, Config, Durability, Engine, Lsm, Memory, Scan, Table};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

const TABLES: [Table; 3] = [Table::Envelope, Table::Content, Table::Mailbox];

type Model = BTreeMap<(Table, Bytes), Bytes>;
type Changes = Vec<(Table, u8, Option<usize>)>;

#[derive(Clone, Debug)]
enum Step {
    /// Some changes: table, key, length of the value or its removal.
    Commit(Changes, Durability),
    Compact(Table),
    Restart,
    /// The power fails: of what was not synced, this part (of 255) is on disk.
    Crash(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let table = || prop::sample::select(&TABLES[..]);
    let len = prop_oneof![Just(0), 1..600_usize, 4000..9000_usize];
    let change = (table(), 0..12_u8, prop::option::weighted(0.7, len));
    let durability = prop_oneof![Just(Durability::Relaxed), Just(Durability::Durable)];
    let changes = prop::collection::vec(change, 1..8);
    prop_oneof![
        12 => (changes, durability).prop_map(|(changes, durability)| Step::Commit(changes, durability)),
        1 => table().prop_map(Step::Compact),
        1 => Just(Step::Restart),
        2 => any::<u8>().prop_map(Step::Crash),
    ]
}

/// One batch of `changes`, whose values tell which commit wrote them.
fn batch(changes: &Changes, number: usize) -> Batch {
    let mut batch = Batch::default();
    for &(table, key, len) in changes {
        let value = len.map(|len| Bytes::from(vec![number as u8; len]));
        batch.push(table, Bytes::copy_from_slice(&[b'k', key]), value);
    }
    batch
}

fn apply(model: &mut Model, batch: &Batch) {
    for (table, key, change) in batch.changes() {
        match change {
            Some(value) => model.insert((*table, key.clone()), value.clone()),
            None => model.remove(&(*table, key.clone())),
        };
    }
}

fn contents(engine: &dyn Engine) -> Model {
    let view = engine.view();
    let mut found = Model::new();
    for table in TABLES {
        let scan = Scan {
            table,
            from: b"k",
            until: b"l",
            limit: usize::MAX,
            reverse: false,
        };
        for (key, value) in view.scan(scan).unwrap() {
            assert_eq!(view.get(table, &key).unwrap().as_ref(), Some(&value));
            found.insert((table, key), value);
        }
    }
    found
}

/// A store on disk beside what it must hold.
struct Disk {
    home: tempfile::TempDir,
    life: u32,
    engine: Option<Lsm>,
    /// What was there after each commit since the last sync; the first is synced.
    states: Vec<Model>,
    /// Where the journal ended at the last sync.
    synced: u64,
}

impl Disk {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut disk = Self {
            home,
            life: 0,
            engine: None,
            states: vec![Model::new()],
            synced: 0,
        };
        disk.engine = Some(disk.open());
        disk
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join(self.life.to_string())
    }

    fn open(&self) -> Lsm {
        Lsm::open(&self.folder(), &Config::default()).unwrap()
    }

    fn engine(&self) -> &Lsm {
        self.engine.as_ref().unwrap()
    }

    fn commit(&mut self, batch: &Batch, durability: Durability) {
        self.engine().commit(batch, durability).unwrap();
        let mut state = self.states.last().unwrap().clone();
        apply(&mut state, batch);
        self.states.push(state);
        if durability == Durability::Durable {
            self.sync();
        }
    }

    /// Everything so far is promised.
    fn sync(&mut self) {
        self.states.drain(..self.states.len() - 1);
        self.synced = end_of_journal(&self.folder());
    }

    fn restart(&mut self) {
        self.engine = None;
        self.engine = Some(self.open());
        self.sync();
    }

    /// Goes on with a copy of what a failing disk may hold.
    fn crash(&mut self, part: u8) {
        let old = self.folder();
        self.life += 1;
        copy(&old, &self.folder());
        let unsynced = end_of_journal(&old).saturating_sub(self.synced);
        let kept = self.synced + unsynced * u64::from(part) / 255;
        let journal = journal(&self.folder());
        fs::File::options()
            .write(true)
            .open(&journal)
            .unwrap()
            .set_len(kept)
            .unwrap();
        self.engine = Some(self.open());
        let found = contents(self.engine());
        let place = self.states.iter().rposition(|state| *state == found);
        let place = place.expect("neither what was promised nor a later whole commit");
        self.states = vec![self.states[place].clone()];
        self.synced = end_of_journal(&self.folder());
    }
}

/// The newest journal.
fn journal(folder: &Path) -> PathBuf {
    let entries = fs::read_dir(folder.join("engine")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut journals: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "jnl"))
        .collect();
    journals.sort_by_key(|path| number_of(path));
    journals.pop().unwrap()
}

fn number_of(journal: &Path) -> u64 {
    let name = journal.file_stem().and_then(|name| name.to_str());
    name.and_then(|name| name.parse().ok()).unwrap_or_default()
}

/// The engine fills its journals with zeros in advance.
fn end_of_journal(folder: &Path) -> u64 {
    let octets = fs::read(journal(folder)).unwrap();
    octets
        .iter()
        .rposition(|octet| *octet != 0)
        .map_or(0, |last| last as u64 + 1)
}

fn copy(from: &Path, to: &Path) {
    let done = std::process::Command::new("cp")
        .args(["-r", "--sparse=always"])
        .arg(from)
        .arg(to)
        .status();
    assert!(done.unwrap().success());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn store_holds_what_a_map_would_through_restarts_and_crashes(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let memory = Memory::default();
        let mut in_memory = Model::new();
        let mut disk = Disk::new();
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::Commit(changes, durability) => {
                    let batch = batch(changes, number);
                    memory.commit(&batch, *durability).unwrap();
                    apply(&mut in_memory, &batch);
                    disk.commit(&batch, *durability);
                }
                Step::Compact(table) => {
                    disk.engine().reclaim(*table).unwrap();
                    // it syncs what was committed before
                    disk.sync();
                }
                Step::Restart => disk.restart(),
                Step::Crash(part) => disk.crash(*part),
            }
            prop_assert_eq!(&contents(&memory), &in_memory);
            prop_assert_eq!(&contents(disk.engine()), disk.states.last().unwrap());
        }
    }
}
