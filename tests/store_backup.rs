//! A store that is copied while it serves, damaged, verified and restored.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
use bytes::Bytes;
use restante::store::{self, Batch, Config, Durability, Engine, Lsm, Scan, StoreError, Table};
use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

fn open(folder: &Path) -> Lsm {
    Lsm::open(folder, &Config::default()).unwrap()
}

fn quiet(_: store::Step) {}

fn key(table: Table, number: u64) -> Bytes {
    match table {
        Table::Envelope => {
            let recipient = format!("sip:user{:02}@localhost\0", number % 50);
            [recipient.as_bytes(), &number.to_be_bytes()]
                .concat()
                .into()
        }
        _ => Bytes::copy_from_slice(&number.to_be_bytes()),
    }
}

/// Octets no compression shortens, that follow from `number`.
fn value(number: u64, len: usize) -> Bytes {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let octet = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(octet).collect()
}

/// Entries in three tables: small ones, such as stand apart, and large ones.
fn fill(engine: &Lsm, entries: u64) {
    for number in 0..entries {
        let mut batch = Batch::default();
        batch.push(
            Table::Envelope,
            key(Table::Envelope, number),
            Some(value(number, 900)),
        );
        batch.push(
            Table::Due,
            key(Table::Due, number),
            Some(value(number, 100)),
        );
        if number % 10 == 0 {
            batch.push(
                Table::Content,
                key(Table::Content, number),
                Some(value(number, 65536)),
            );
        }
        engine.commit(&batch, Durability::Relaxed).unwrap();
    }
    engine
        .commit(&Batch::default(), Durability::Durable)
        .unwrap();
}

/// Writes all that is in memory to the tables.
fn sort(engine: &Lsm) {
    for table in [Table::Envelope, Table::Due, Table::Content] {
        engine.reclaim(table).unwrap();
    }
}

fn all(engine: &Lsm, table: Table) -> Vec<(Bytes, Bytes)> {
    let scan = Scan {
        table,
        from: &[0],
        until: &[255; 64],
        limit: usize::MAX,
        reverse: false,
    };
    engine.view().scan(scan).unwrap()
}

#[test]
fn backup_shows_one_moment_and_is_restored_to_an_empty_folder_alone() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("copy");
    let engine = open(&home.path().join("old"));
    fill(&engine, 1000);
    let expected: Vec<_> = Table::ALL.map(|table| all(&engine, table)).into();
    let view = engine.view();
    fill(&engine, 1200);
    let report = store::backup(&*view, &file, &quiet).unwrap();
    assert_eq!((report.entries, report.damaged), (2100, vec![]));
    assert!(!home.path().join("copy.part").exists());

    let folder = home.path().join("new");
    let restored = store::restore(&file, &folder, &Config::default(), &quiet).unwrap();
    assert_eq!(restored.entries, 2100);
    let copy = open(&folder);
    for (table, mut expected) in Table::ALL.into_iter().zip(expected) {
        let mut found = all(&copy, table);
        for entries in [&mut found, &mut expected] {
            entries.retain(|(key, _)| (table, &key[..]) != (Table::Meta, b"sequence"));
        }
        assert!(found == expected, "{}", table.name());
    }
    drop(copy);
    let again = store::restore(&file, &folder, &Config::default(), &quiet);
    assert!(matches!(again, Err(StoreError::NotEmpty(_))));
}

#[test]
fn backup_that_was_cut_or_changed_is_refused_before_anything_is_written() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("copy");
    let engine = open(&home.path().join("old"));
    fill(&engine, 50);
    store::backup(&*engine.view(), &file, &quiet).unwrap();
    let whole = fs::read(&file).unwrap();
    let folder = home.path().join("new");
    let refused = |octets: &[u8]| {
        fs::write(&file, octets).unwrap();
        let restored = store::restore(&file, &folder, &Config::default(), &quiet);
        matches!(restored, Err(StoreError::Backup(_))) && !folder.exists()
    };
    for len in [0, 15, 16, 20, whole.len() / 2, whole.len() - 1] {
        assert!(refused(&whole[..len]), "cut at {len}");
    }
    for at in (0..whole.len()).step_by(whole.len() / 97) {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        assert!(refused(&changed), "changed at {at}");
    }
}

#[test]
fn damaged_values_and_blocks_are_found_and_the_rest_is_saved() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("old");
    let engine = open(&folder);
    fill(&engine, 3000);
    sort(&engine);
    let sound = store::verify(&*engine.view(), &quiet).unwrap();
    assert_eq!((sound.entries, sound.damaged.len()), (6301, 0));
    drop(engine);
    assert!(damage(&folder.join("engine/keyspaces"), "blobs") > 0);
    assert!(damage(&folder.join("engine/keyspaces"), "tables") > 0);

    let engine = open(&folder);
    let report = store::verify(&*engine.view(), &quiet).unwrap();
    println!(
        "{} of 6301 entries are left; {} places are damaged",
        report.entries,
        report.damaged.len()
    );
    assert!(!report.damaged.is_empty());
    assert!(report.entries > 6000, "{}", report.entries);
    let values = report.damaged.iter().filter(|damage| damage.is_value);
    assert!(values.count() > 0, "{:?}", report.damaged);
    assert!(
        report.damaged.iter().any(|damage| !damage.is_value),
        "{:?}",
        report.damaged
    );

    let file = home.path().join("copy");
    let saved = store::backup(&*engine.view(), &file, &quiet).unwrap();
    assert_eq!(saved.damaged, report.damaged);
    let new = home.path().join("new");
    store::restore(&file, &new, &Config::default(), &quiet).unwrap();
    let copy = open(&new);
    let sound = store::verify(&*copy.view(), &quiet).unwrap();
    assert_eq!((sound.entries, sound.damaged.len()), (saved.entries + 1, 0));
    for (key, value_found) in all(&copy, Table::Content) {
        let number = u64::from_be_bytes(key[..].try_into().unwrap());
        assert!(value_found == value(number, 65536), "{number}");
    }
}

/// Flips a bit in the first quarter of each file below the folders called `kind`; how many.
fn damage(folder: &Path, kind: &str) -> usize {
    let mut done = 0;
    for path in files(folder) {
        let is_kind = path.parent().unwrap().ends_with(kind);
        let len = fs::metadata(&path).unwrap().len();
        if is_kind && len > 20_000 {
            let file = fs::File::options()
                .read(true)
                .write(true)
                .open(&path)
                .unwrap();
            let mut octet = [0];
            file.read_exact_at(&mut octet, len / 4).unwrap();
            file.write_all_at(&[octet[0] ^ 0x40], len / 4).unwrap();
            done += 1;
        }
    }
    done
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}
