//! The way from the shards to the thread of a sink.
use super::Record;
use metrics::Counter;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender, TryRecvError},
    },
};

/// What a record costs beside its text.
const RECORD: usize = 256;

/// What becomes of the records, in a thread of its own.
pub(in crate::telemetry) trait Sink: Send + 'static {
    /// Takes the next record. False if it is lost.
    fn put(&mut self, record: &Record) -> bool;

    /// Nothing else waits: what was put aside is to go now.
    fn flush(&mut self);
}

/// The way to a sink. Its thread ends when the last one is dropped.
pub(in crate::telemetry) struct Queue {
    records: Sender<Arc<Record>>,
    queued: Arc<AtomicUsize>,
    limit: usize,
    lost: Counter,
}

impl Queue {
    /// Starts the thread `name` around `sink`; at most `limit` octets wait for it, and what is
    /// more counts as `lost`.
    ///
    /// Errors: those of starting a thread.
    pub fn start(name: &str, limit: u64, lost: Counter, mut sink: impl Sink) -> io::Result<Self> {
        let (records, queue) = mpsc::channel::<Arc<Record>>();
        let queued = Arc::new(AtomicUsize::new(0));
        let (waiting, missed) = (queued.clone(), lost.clone());
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread.spawn(move || {
            while let Some(record) = next(&queue, &mut sink) {
                waiting.fetch_sub(cost(&record), Ordering::Relaxed);
                if !sink.put(&record) {
                    missed.increment(1);
                }
            }
        })?;
        Ok(Self {
            records,
            queued,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            lost,
        })
    }

    /// Hands `record` over, or counts that it was not. Never waits.
    pub fn push(&self, record: Arc<Record>) {
        let size = cost(&record);
        let before = self.queued.fetch_add(size, Ordering::Relaxed);
        if before.saturating_add(size) > self.limit || self.records.send(record).is_err() {
            self.queued.fetch_sub(size, Ordering::Relaxed);
            self.lost.increment(1);
        }
    }
}

/// The next record. The sink is flushed before one is waited for.
fn next(queue: &Receiver<Arc<Record>>, sink: &mut impl Sink) -> Option<Arc<Record>> {
    match queue.try_recv() {
        Ok(record) => Some(record),
        Err(TryRecvError::Disconnected) => {
            sink.flush();
            None
        }
        Err(TryRecvError::Empty) => {
            sink.flush();
            queue.recv().ok()
        }
    }
}

fn cost(record: &Record) -> usize {
    record.text.len() + RECORD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::trace::Way;
    use std::sync::mpsc::channel;

    struct Told(Sender<String>);

    impl Sink for Told {
        fn put(&mut self, record: &Record) -> bool {
            self.0.send(record.text.clone()).is_ok()
        }

        fn flush(&mut self) {}
    }

    #[test]
    fn record_that_is_too_much_is_left_out_and_the_next_small_one_goes() {
        let (to, from) = channel();
        let queue = Queue::start("test", 300, Counter::noop(), Told(to)).unwrap();
        for text in ["x".repeat(400), "small".to_owned()] {
            let peer = ([127, 0, 0, 1], 5060).into();
            queue.push(Arc::new(Record::new(Way::Sent, peer, text.as_bytes())));
        }
        assert_eq!(from.recv().unwrap(), "small");
        drop(queue);
        assert!(from.recv().is_err(), "the thread ends with its queue");
    }
}
