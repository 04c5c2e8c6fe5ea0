//! A copy of the whole store in one file, made while it serves.
//!
//! The file is a row of blocks, each with its number and a check sum over both, and an end that
//! says how much there must be: a file that was cut or changed is refused as a whole.
use super::{
    Batch, Config, Durability, Engine, Lsm, Readable, StoreError, Table,
    verify::Report,
    walk::{Progress, Step, walk},
};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Read, Write},
    path::Path,
};

/// How a backup begins; the last octet is the version of its form.
const MAGIC: &[u8; 16] = b"restante backup\x01";

/// Octets of entries after which a block ends.
const BLOCK: usize = 1 << 20;

/// Largest block that is believed: one entry may stand over the limit.
const LARGEST: usize = 64 << 20;

/// Octets of the check sum.
const SUM: usize = 16;

/// Writes all that `view` shows to the file `path`, made anew, and syncs it. What is damaged is
/// left out and reported.
///
/// Errors: `Io`. Then there is no file of this name, or the one that was there.
pub fn backup(
    view: &dyn Readable,
    path: &Path,
    progress: Progress<'_>,
) -> Result<Report, StoreError> {
    let part = path.with_added_extension("part");
    let written = write_all(view, &part, progress);
    let report = written.inspect_err(|_| {
        // the error tells more than what becomes of the rest
        let _ = fs::remove_file(&part);
    })?;
    fs::rename(&part, path).map_err(StoreError::io(path))?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(StoreError::io(folder))?;
    Ok(report)
}

fn write_all(
    view: &dyn Readable,
    part: &Path,
    progress: Progress<'_>,
) -> Result<Report, StoreError> {
    let file = File::create(part).map_err(StoreError::io(part))?;
    let mut writer = Blocks {
        file: BufWriter::new(file),
        path: part,
        number: 0,
        block: Vec::new(),
    };
    writer.raw(MAGIC)?;
    let mut report = Report::default();
    for table in Table::ALL {
        let (mut entries, mut octets) = (report.entries, report.octets);
        let mut take = |key: Bytes, value: Bytes| {
            if is_own(table, &key) {
                return Ok(());
            }
            entries += 1;
            octets += (key.len() + value.len()) as u64;
            progress(Step { entries, octets });
            writer.entry(table, &key, &value)
        };
        walk(view, table, &mut take, &mut |damage| {
            report.damaged.push(damage)
        })?;
        (report.entries, report.octets) = (entries, octets);
        writer.flush()?;
    }
    writer.end(report.entries)?;
    Ok(report)
}

/// The running sequence belongs to the folder, not to what is in it.
fn is_own(table: Table, key: &[u8]) -> bool {
    table == Table::Meta && key == b"sequence"
}

struct Blocks<'a> {
    file: BufWriter<File>,
    path: &'a Path,
    number: u64,
    block: Vec<u8>,
}

impl Blocks<'_> {
    fn entry(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let name = table.name().as_bytes();
        for part in [name, key, value] {
            let len = u32::try_from(part.len()).unwrap_or(u32::MAX);
            self.block.extend(len.to_be_bytes());
            self.block.extend(part);
        }
        match self.block.len() >= BLOCK {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.block.is_empty() {
            return Ok(());
        }
        let block = std::mem::take(&mut self.block);
        self.write(&block)
    }

    fn write(&mut self, block: &[u8]) -> Result<(), StoreError> {
        let len = u32::try_from(block.len()).unwrap_or(u32::MAX);
        self.raw(&len.to_be_bytes())?;
        self.raw(block)?;
        self.raw(&sum(self.number, block))?;
        self.number += 1;
        Ok(())
    }

    /// An empty block, the number of entries, and all on disk.
    fn end(mut self, entries: u64) -> Result<(), StoreError> {
        self.raw(&0_u32.to_be_bytes())?;
        let count = entries.to_be_bytes();
        self.raw(&count)?;
        self.raw(&sum(self.number, &count))?;
        let path = self.path;
        let file = self.file.into_inner();
        let file = file.map_err(|error| StoreError::io(path)(error.into_error()))?;
        file.sync_all().map_err(StoreError::io(path))
    }

    fn raw(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        self.file
            .write_all(octets)
            .map_err(StoreError::io(self.path))
    }
}

fn sum(number: u64, block: &[u8]) -> [u8; SUM] {
    let mut digest = Sha256::new();
    digest.update(number.to_be_bytes());
    digest.update(block);
    let mut sum = [0; SUM];
    sum.copy_from_slice(&digest.finalize()[..SUM]);
    sum
}

/// Makes a store of the backup `path` below `folder`, which must be empty or not there.
///
/// The whole backup is checked before anything is written.
/// Errors: `Backup` if it was cut or changed, `NotEmpty`, `Io`.
pub fn restore(
    path: &Path,
    folder: &Path,
    config: &Config,
    progress: Progress<'_>,
) -> Result<Report, StoreError> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(StoreError::NotEmpty(folder.to_owned()));
    }
    let mut ignore = |_: Vec<u8>| Ok(());
    read_blocks(path, &mut ignore)?;
    let engine = Lsm::open(folder, config)?;
    let mut report = Report::default();
    let mut store = |block: Vec<u8>| {
        let mut batch = Batch::default();
        for (table, key, value) in entries(&block).ok_or_else(|| spoilt(path))? {
            report.entries += 1;
            report.octets += (key.len() + value.len()) as u64;
            batch.push(
                table,
                Bytes::copy_from_slice(key),
                Some(Bytes::copy_from_slice(value)),
            );
        }
        let (entries, octets) = (report.entries, report.octets);
        progress(Step { entries, octets });
        engine.commit(&batch, Durability::Relaxed)
    };
    let promised = read_blocks(path, &mut store)?;
    if promised != report.entries {
        return Err(spoilt(path));
    }
    engine.commit(&Batch::default(), Durability::Durable)?;
    Ok(report)
}

/// Gives every block to `take`; how many entries there must be.
fn read_blocks(
    path: &Path,
    take: &mut dyn FnMut(Vec<u8>) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let file = File::open(path).map_err(StoreError::io(path))?;
    let mut file = BufReader::new(file);
    let mut read = |len: usize| {
        let mut octets = vec![0; len];
        let read = file.read_exact(&mut octets);
        read.map(|()| octets).map_err(|_| spoilt(path))
    };
    if read(MAGIC.len())? != MAGIC {
        return Err(spoilt(path));
    }
    for number in 0.. {
        let len = read(4)?
            .iter()
            .fold(0, |len, octet| len << 8 | usize::from(*octet));
        let is_end = len == 0;
        if len > LARGEST {
            break;
        }
        let block = read(if is_end { 8 } else { len })?;
        if read(SUM)? != sum(number, &block) {
            break;
        }
        if is_end {
            return Ok(block.iter().fold(0, |n, octet| n << 8 | u64::from(*octet)));
        }
        take(block)?;
    }
    Err(spoilt(path))
}

fn spoilt(path: &Path) -> StoreError {
    StoreError::Backup(path.to_owned())
}

type Entry<'a> = (Table, &'a [u8], &'a [u8]);

/// The entries of a block; `None` where it is no row of entries.
fn entries(mut block: &[u8]) -> Option<Vec<Entry<'_>>> {
    let mut found = Vec::new();
    let mut part = || {
        let (len, rest) = block.split_first_chunk::<4>()?;
        let len = u32::from_be_bytes(*len) as usize;
        let (part, rest) = rest.split_at_checked(len)?;
        block = rest;
        Some((part, rest.is_empty()))
    };
    loop {
        let (name, _) = part()?;
        let table = Table::ALL
            .into_iter()
            .find(|table| table.name().as_bytes() == name)?;
        let (key, _) = part()?;
        let (value, is_last) = part()?;
        found.push((table, key, value));
        if is_last {
            return Some(found);
        }
    }
}
