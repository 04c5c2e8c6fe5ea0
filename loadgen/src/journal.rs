//! The ledger on disk: an append-only file that is written while the run goes on, so that neither
//! a crash of the server nor one of the load generator loses what was noted before.
use crate::{
    ledger::{Event, Ledger},
    plan::Plan,
};
use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// What such a file begins with.
const TITLE: &str = "restante ledger 1";

/// A ledger's file, open for more.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
}

/// Why a ledger's file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refused.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// There is one already.
    #[error(
        "{path} holds a ledger already: go on from it by `loadgen retrieve --ledger`, judge it by `loadgen judge`, or give another name"
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It is something else.
    #[error("{path}, line {line}: {why}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
}

impl Journal {
    /// Begins the file of a run.
    ///
    /// Errors: `Exists` rather than to overwrite anything; `Io`.
    pub fn create(path: &Path, plan: &Plan) -> Result<Self, JournalError> {
        let wrong = |error| JournalError::Io {
            path: path.to_owned(),
            error,
        };
        let opened = OpenOptions::new().append(true).create_new(true).open(path);
        let mut file = opened.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => JournalError::Exists {
                path: path.to_owned(),
            },
            _ => wrong(error),
        })?;
        let plan = serde_json::to_string(plan).map_err(|error| wrong(error.into()))?;
        writeln!(file, "{TITLE}\n{plan}").map_err(wrong)?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Goes on with the file of an earlier run, and tells what stands in it. A last line that was
    /// being written when that run ended is taken off.
    ///
    /// Errors: `Io`; `Shape` if it is no ledger.
    pub fn resume(path: &Path) -> Result<(Self, Ledger), JournalError> {
        let wrong = |error| JournalError::Io {
            path: path.to_owned(),
            error,
        };
        let (ledger, whole) = read_lines(path)?;
        let opened = OpenOptions::new().write(true).open(path);
        let mut file = opened.map_err(wrong)?;
        file.set_len(whole).map_err(wrong)?;
        file.seek(SeekFrom::End(0)).map_err(wrong)?;
        let journal = Self {
            file,
            path: path.to_owned(),
        };
        Ok((journal, ledger))
    }

    /// Writes one more event down. It is the system's at once, so it survives this process.
    ///
    /// Errors: `Io`.
    pub fn write(&mut self, event: &Event<'_>) -> Result<(), JournalError> {
        let line = format!("{event}\n");
        self.file
            .write_all(line.as_bytes())
            .map_err(|error| JournalError::Io {
                path: self.path.clone(),
                error,
            })
    }
}

/// The book in the file at `path`.
///
/// Errors: as for [`Journal::resume`].
pub fn read(path: &Path) -> Result<Ledger, JournalError> {
    read_lines(path).map(|(ledger, _)| ledger)
}

/// The book, and how many octets of the file are whole lines.
fn read_lines(path: &Path) -> Result<(Ledger, u64), JournalError> {
    let wrong = |error| JournalError::Io {
        path: path.to_owned(),
        error,
    };
    let shape = |line, why: String| JournalError::Shape {
        path: path.to_owned(),
        line,
        why,
    };
    let mut lines = Lines::open(path).map_err(wrong)?;
    if lines.next().map_err(wrong)?.as_deref() != Some(TITLE) {
        return Err(shape(1, "is no ledger of loadgen".to_owned()));
    }
    let plan = lines.next().map_err(wrong)?.unwrap_or_default();
    let plan: Plan = serde_json::from_str(&plan).map_err(|error| shape(2, error.to_string()))?;
    let mut ledger = Ledger::new(plan);
    while let Some(line) = lines.next().map_err(wrong)? {
        let event: Event<'_> = line
            .parse()
            .map_err(|error: crate::ledger::EventError| shape(lines.number, error.to_string()))?;
        ledger.apply(&event);
    }
    Ok((ledger, lines.whole))
}

/// The lines of a file that have an end.
struct Lines {
    file: BufReader<File>,
    number: u64,
    whole: u64,
}

impl Lines {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufReader::new(File::open(path)?),
            number: 0,
            whole: 0,
        })
    }

    fn next(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let read = self.file.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Ok(None);
        }
        self.number += 1;
        self.whole += read as u64;
        Ok(Some(String::from_utf8_lossy(&line).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ledger::Acknowledged,
        octets,
        plan::{Part, Sizes},
    };
    use std::{fs, time::Duration};

    fn plan() -> Plan {
        Plan::of(1, Part::apart(1, 1, 10, Sizes::between(9, 9)))
    }

    fn accept(journal: &mut Journal, number: u64) {
        let digest = octets::digest(&plan().content(&plan().message(number)));
        let at = Duration::from_secs(1);
        let how = Acknowledged::Stored;
        let due = Duration::ZERO;
        for event in [
            Event::Sent {
                number,
                digest,
                due,
            },
            Event::Acknowledged { number, how, at },
        ] {
            journal.write(&event).unwrap();
        }
    }

    #[test]
    fn run_that_was_cut_off_in_the_middle_of_a_line_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let mut journal = Journal::create(&path, &plan()).unwrap();
        accept(&mut journal, 0);
        drop(journal);
        let mut cut = OpenOptions::new().append(true).open(&path).unwrap();
        cut.write_all(b"acknowledged 7 12").unwrap();
        assert_eq!(read(&path).unwrap().outstanding(), 1);

        let (mut journal, ledger) = Journal::resume(&path).unwrap();
        assert_eq!((ledger.outstanding(), ledger.plan()), (1, &plan()));
        accept(&mut journal, 3);
        drop(journal);
        let ledger = read(&path).unwrap();
        assert_eq!(ledger.outstanding(), 2);
        assert_eq!(ledger.latest(), Duration::from_secs(1));
        assert!(
            !fs::read_to_string(&path)
                .unwrap()
                .contains("acknowledged 7")
        );
    }

    #[test]
    fn ledger_that_is_there_is_not_overwritten_and_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        Journal::create(&path, &plan()).unwrap();
        let error = Journal::create(&path, &plan()).unwrap_err().to_string();
        assert!(error.contains("holds a ledger already"), "{error}");
        assert!(error.contains("loadgen judge"), "{error}");
    }

    #[test]
    fn other_files_are_refused_by_their_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other");
        fs::write(&path, "hello\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("line 1: is no ledger"), "{error}");
        let plan = serde_json::to_string(&plan()).unwrap();
        fs::write(&path, format!("{TITLE}\n{plan}\nbroke 5\nbroken\n")).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("line 4: `broken` is no line"), "{error}");
    }
}
