//! The file that holds the trace.
use super::{
    Record,
    queue::{Queue, Sink},
};
use metrics::{Unit, counter, describe_counter};
use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Opens `file`, readable by its owner only, and writes behind what stands there; at most
/// `max_queue` octets wait for the disk.
///
/// Errors: those of opening the file and of starting a thread.
pub(super) fn start(file: &Path, max_size: u64, max_queue: u64) -> io::Result<Queue> {
    let explain = |error: io::Error| {
        let text = format!("`trace.file` {}: {error}", file.display());
        io::Error::new(error.kind(), text)
    };
    let open = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(file)
        .map_err(explain)?;
    let size = open.metadata().map_err(explain)?.len();
    describe_counter!(
        "restante_trace_lost_total",
        Unit::Count,
        "Messages that the trace lacks: it was too slow, full or could not be written"
    );
    let lost = counter!("restante_trace_lost_total");
    let pen = Pen {
        file: BufWriter::new(open),
        left: max_size.saturating_sub(size),
    };
    Queue::start("trace", max_queue, lost, pen)
}

/// What the thread holds.
struct Pen {
    file: BufWriter<File>,
    /// Octets that the file may still grow by.
    left: u64,
}

impl Sink for Pen {
    fn put(&mut self, record: &Record) -> bool {
        let written = self.write(record);
        if let Err(error) = &written {
            tracing::warn!(%error, "the trace ends here");
            self.left = 0;
        }
        written.unwrap_or(false)
    }

    fn flush(&mut self) {
        // told by the next line that cannot be written
        let _ = self.file.flush();
    }
}

impl Pen {
    fn write(&mut self, record: &Record) -> io::Result<bool> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let size = line.len() as u64;
        if size > self.left {
            return match self.left {
                0 => Ok(false),
                _ => Err(io::Error::other("`trace.max_size` is reached")),
            };
        }
        self.left -= size;
        self.file.write_all(&line)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::trace::Way;
    use std::time::{Duration, Instant};

    fn record(text: &str) -> Record {
        Record::new(Way::Sent, ([127, 0, 0, 1], 5060).into(), text.as_bytes())
    }

    fn read_until(file: &Path, lines: usize) -> Vec<Record> {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let text = std::fs::read_to_string(file).unwrap();
            let records: Vec<_> = text
                .lines()
                .map(|line| Record::parse(line).unwrap())
                .collect();
            if records.len() >= lines || Instant::now() > until {
                return records;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn next_life_writes_behind_the_last_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trace");
        for (life, text) in ["one", "two"].into_iter().enumerate() {
            let writer = start(&file, u64::MAX, u64::MAX).unwrap();
            writer.push(record(text).into());
            assert_eq!(read_until(&file, life + 1).len(), life + 1);
        }
        let texts: Vec<_> = read_until(&file, 2)
            .into_iter()
            .map(|one| one.text)
            .collect();
        assert_eq!(texts, ["one", "two"]);
    }

    #[test]
    fn full_file_grows_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trace");
        let line = serde_json::to_vec(&record("one")).unwrap().len() as u64 + 1;
        let writer = start(&file, line + 1, u64::MAX).unwrap();
        writer.push(record("one").into());
        writer.push(record("two").into());
        drop(writer);
        assert_eq!(read_until(&file, 1), [record("one")]);
        assert_eq!(std::fs::metadata(&file).unwrap().len(), line);
    }

    #[test]
    fn file_that_cannot_be_opened_is_refused_by_its_key() {
        let refused = start(Path::new("/nowhere/trace"), 1, 1);
        let error = refused.err().map(|error| error.to_string()).unwrap();
        assert!(
            error.starts_with("`trace.file` /nowhere/trace: "),
            "{error}"
        );
    }
}
