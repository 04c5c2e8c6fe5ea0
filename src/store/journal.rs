//! Looks at the engine's journals before and after it opens them.
//!
//! The engine takes zeros in the middle of a journal for its end and cuts the rest off without
//! a word. Our marks, found in the raw octets beforehand, say what must still be there.
use super::{
    StoreError,
    sequence::{Identity, Mark},
};
use memchr::memmem;
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// What the marks in the journals say.
#[derive(Debug, Default)]
pub(super) struct Inspection {
    /// The newest commit that the journals say was synced.
    pub(super) synced: u64,
    /// A commit that was synced and has no mark although a later one has: (missing, found).
    pub(super) gap: Option<(u64, u64)>,
    /// Per journal, every mark and where it ends.
    journals: Vec<(PathBuf, Vec<(u64, Mark)>)>,
}

/// Reads the journals of the engine's `folder`. Changes nothing.
pub(super) fn inspect(folder: &Path, identity: Identity) -> Result<Inspection, StoreError> {
    let mut inspection = Inspection::default();
    for path in journals(folder)? {
        match marks(&path, identity) {
            Ok(marks) => inspection.journals.push((path, marks)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io(&path)(error)),
        }
    }
    let all = inspection.journals.iter().flat_map(|(_, marks)| marks);
    let mut last: Option<Mark> = None;
    for &(_, mark) in all {
        inspection.synced = inspection.synced.max(mark.synced);
        if let Some(before) = last
            && mark.number > before.number + 1
            && mark.synced > before.number
            && inspection.gap.is_none()
        {
            inspection.gap = Some((before.number + 1, mark.number));
        }
        last = Some(mark);
    }
    Ok(inspection)
}

impl Inspection {
    /// The first journal that is shorter now than a commit up to `synced` needs: it was cut.
    pub(super) fn cut_journal(&self, synced: u64) -> Option<&Path> {
        let was_cut = |(path, marks): &&(PathBuf, Vec<(u64, Mark)>)| {
            let promised = marks.iter().filter(|(_, mark)| mark.number <= synced);
            let needed = promised.map(|(end, _)| *end).max().unwrap_or(0);
            fs::metadata(path).is_ok_and(|file| file.len() < needed)
        };
        let cut = self.journals.iter().find(was_cut);
        cut.map(|(path, _)| path.as_path())
    }
}

/// The journals in the order they were written.
fn journals(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io(folder)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(StoreError::io(folder))?.path();
        let number = path
            .extension()
            .filter(|extension| *extension == "jnl")
            .and_then(|_| path.file_stem()?.to_str()?.parse::<u64>().ok());
        found.extend(number.map(|number| (number, path)));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Every mark of a journal with the offset behind it.
fn marks(path: &Path, identity: Identity) -> io::Result<Vec<(u64, Mark)>> {
    const STEP: usize = 1 << 20;
    let finder = memmem::Finder::new(&identity.0);
    let mut file = File::open(path)?;
    let mut found = Vec::new();
    let mut buffer = Vec::with_capacity(STEP + Mark::LEN);
    let mut offset = 0;
    loop {
        let read = file.by_ref().take(STEP as u64).read_to_end(&mut buffer)?;
        for at in finder.find_iter(&buffer) {
            let mark = buffer.get(at..at + Mark::LEN);
            if let Some(mark) = mark.and_then(|octets| Mark::decode(octets, identity)) {
                found.push((offset + (at + Mark::LEN) as u64, mark));
            }
        }
        if read == 0 {
            return Ok(found);
        }
        // a mark may lie across the border: keep what could be its beginning
        let done = buffer.len().saturating_sub(Mark::LEN - 1);
        offset += done as u64;
        buffer.drain(..done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Identity = Identity(*b"0123456789abcdef");

    fn journal(folder: &Path, name: &str, marks: &[(u64, u64)], filler: usize) {
        let mut octets = Vec::new();
        for &(number, synced) in marks {
            octets.resize(octets.len() + filler, b'x');
            octets.extend(Mark { number, synced }.encode(ME));
        }
        octets.resize(octets.len() + 4096, 0);
        fs::write(folder.join(name), octets).unwrap();
    }

    #[test]
    fn marks_are_found_wherever_the_read_is_split() {
        let folder = tempfile::tempdir().unwrap();
        let step = 1 << 20;
        for filler in step - 45..step + 5 {
            journal(folder.path(), "0.jnl", &[(1, 0), (2, 1)], filler);
            let marks = marks(&folder.path().join("0.jnl"), ME).unwrap();
            assert_eq!(marks.len(), 2, "filler {filler}");
            assert_eq!(marks[0].0, filler as u64 + 40);
        }
    }

    #[test]
    fn journals_are_read_in_the_order_of_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        journal(folder.path(), "10.jnl", &[(3, 2), (4, 3)], 10);
        journal(folder.path(), "9.jnl", &[(1, 0), (2, 1)], 10);
        let inspection = inspect(folder.path(), ME).unwrap();
        assert_eq!((inspection.gap, inspection.synced), (None, 3));
    }

    #[test]
    fn missing_commit_that_had_been_synced_is_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        journal(folder.path(), "0.jnl", &[(1, 0), (2, 1), (5, 4)], 10);
        let inspection = inspect(folder.path(), ME).unwrap();
        assert_eq!(inspection.gap, Some((3, 5)));
    }

    #[test]
    fn missing_commit_that_was_never_synced_is_a_torn_tail() {
        let folder = tempfile::tempdir().unwrap();
        journal(folder.path(), "0.jnl", &[(1, 0), (2, 1), (5, 2)], 10);
        assert_eq!(inspect(folder.path(), ME).unwrap().gap, None);
    }

    #[test]
    fn journal_shorter_than_what_was_synced_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        journal(folder.path(), "0.jnl", &[(1, 0), (2, 1), (3, 2)], 10);
        let inspection = inspect(folder.path(), ME).unwrap();
        let path = folder.path().join("0.jnl");
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(110).unwrap();
        assert_eq!(inspection.cut_journal(2), None);
        file.set_len(60).unwrap();
        assert_eq!(inspection.cut_journal(2), Some(path.as_path()));
    }

    #[test]
    fn folder_that_is_not_there_holds_no_promise() {
        let inspection = inspect(Path::new("/nowhere/at/all"), ME).unwrap();
        assert_eq!((inspection.synced, inspection.gap), (0, None));
    }
}
