//! The thread that writes the trace.
use super::Record;
use metrics::{Counter, Unit, counter, describe_counter};
use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender, TryRecvError},
    },
};

/// Most octets of messages that wait to be written.
const QUEUE: usize = 16 * 1024 * 1024;
/// What a record costs beside its text.
const RECORD: usize = 256;

/// The way to the thread. It ends when the last one is dropped.
pub(super) struct Writer {
    records: Sender<Record>,
    queued: Arc<AtomicUsize>,
    lost: Counter,
}

impl Writer {
    /// Opens `file`, readable by its owner only, and writes behind what stands there.
    ///
    /// Errors: those of opening the file and of starting a thread.
    pub fn start(file: &Path, max_size: u64) -> io::Result<Self> {
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
        let (records, queue) = mpsc::channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let pen = Pen {
            file: BufWriter::new(open),
            left: max_size.saturating_sub(size),
            queued: queued.clone(),
            lost: lost.clone(),
        };
        std::thread::Builder::new()
            .name("trace".to_owned())
            .spawn(move || pen.run(&queue))?;
        Ok(Self {
            records,
            queued,
            lost,
        })
    }

    /// Has `record` written, or counts that it was not.
    pub fn write(&self, record: Record) {
        let size = record.text.len() + RECORD;
        let before = self.queued.fetch_add(size, Ordering::Relaxed);
        if before + size > QUEUE || self.records.send(record).is_err() {
            self.queued.fetch_sub(size, Ordering::Relaxed);
            self.lost.increment(1);
        }
    }
}

/// What the thread holds.
struct Pen {
    file: BufWriter<File>,
    /// Octets that the file may still grow by.
    left: u64,
    queued: Arc<AtomicUsize>,
    lost: Counter,
}

impl Pen {
    fn run(mut self, queue: &Receiver<Record>) {
        while let Some(record) = self.next(queue) {
            self.queued
                .fetch_sub(record.text.len() + RECORD, Ordering::Relaxed);
            if let Err(error) = self.put(&record) {
                tracing::warn!(%error, "the trace ends here");
                self.left = 0;
            }
        }
    }

    /// The next record. The file has all others before it is waited for.
    fn next(&mut self, queue: &Receiver<Record>) -> Option<Record> {
        match queue.try_recv() {
            Ok(record) => Some(record),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                // told by the next line that cannot be written
                let _ = self.file.flush();
                queue.recv().ok()
            }
        }
    }

    fn put(&mut self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let size = line.len() as u64;
        if size > self.left {
            self.lost.increment(1);
            if self.left > 0 {
                self.left = 0;
                return Err(io::Error::other("`trace.max_size` is reached"));
            }
            return Ok(());
        }
        self.left -= size;
        self.file.write_all(&line)
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
            let writer = Writer::start(&file, u64::MAX).unwrap();
            writer.write(record(text));
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
        let writer = Writer::start(&file, line + 1).unwrap();
        writer.write(record("one"));
        writer.write(record("two"));
        drop(writer);
        assert_eq!(read_until(&file, 1), [record("one")]);
        assert_eq!(std::fs::metadata(&file).unwrap().len(), line);
    }

    #[test]
    fn file_that_cannot_be_opened_is_refused_by_its_key() {
        let refused = Writer::start(Path::new("/nowhere/trace"), 1);
        let error = refused.err().map(|error| error.to_string()).unwrap();
        assert!(
            error.starts_with("`trace.file` /nowhere/trace: "),
            "{error}"
        );
    }
}
