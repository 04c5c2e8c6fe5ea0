//! The one thread that commits. It takes all that is queued, runs each transaction over the
//! writes of those before it, commits once, syncs once if any of them asked for it, and answers.
use super::{Config, Durability, Engine, StoreError, Txn, metrics::Metrics};
use crossbeam::channel::Receiver;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};
use tokio::sync::OwnedSemaphorePermit;

/// Told when the store can promise nothing more. The default ends the process.
pub type Fatal = Box<dyn Fn(&StoreError) + Send>;

/// Ends the process at once: what was promised is on disk, what was not must not be claimed.
pub fn abort() -> Fatal {
    Box::new(|error| {
        tracing::error!(%error, "the store failed a commit; the process ends to recover from disk");
        std::process::abort()
    })
}

/// What the caller is told once the fate of its group is known.
pub(super) type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Runs the caller's closure. `Err` where its writes must not be kept.
pub(super) type Work = Box<dyn FnOnce(&mut Txn<'_>) -> (bool, Answer) + Send>;

pub(super) struct Job {
    pub(super) work: Work,
    pub(super) durability: Durability,
    pub(super) credit: Credit,
}

/// Octets on their way to the writer, given back on drop.
pub(super) struct Credit {
    pub(super) permit: OwnedSemaphorePermit,
    pub(super) metrics: Metrics,
}

impl Credit {
    fn octets(&self) -> usize {
        self.permit.num_permits()
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        self.metrics.inflight.decrement(self.octets() as f64);
        self.metrics.queued.decrement(1);
    }
}

pub(super) enum Order {
    Run(Job),
    Stop,
}

pub(super) struct Writer {
    engine: Arc<dyn Engine>,
    orders: Receiver<Order>,
    max_jobs: usize,
    max_octets: usize,
    fatal: Fatal,
    metrics: Metrics,
    poisoned: bool,
    stopping: bool,
}

impl Writer {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        orders: Receiver<Order>,
        config: &Config,
        fatal: Fatal,
        metrics: Metrics,
    ) -> Self {
        Self {
            engine,
            orders,
            max_jobs: config.group,
            max_octets: usize::try_from(config.group_octets.as_u64()).unwrap_or(usize::MAX),
            fatal,
            metrics,
            poisoned: false,
            stopping: false,
        }
    }

    /// Serves until it is told to stop or nobody can ask any more.
    pub(super) fn run(mut self) {
        while !self.stopping
            && let Ok(order) = self.orders.recv()
        {
            let group = self.collect(order);
            if self.poisoned {
                self.refuse(group);
            } else {
                self.commit(group);
            }
        }
    }

    /// All that is queued, up to the limits of a group.
    fn collect(&mut self, first: Order) -> Vec<Job> {
        let (mut group, mut octets) = (Vec::new(), 0);
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Stop => {
                    self.stopping = true;
                    break;
                }
                Order::Run(job) => {
                    octets += job.credit.octets();
                    group.push(job);
                }
            }
            let room = group.len() < self.max_jobs && octets < self.max_octets;
            next = room.then(|| self.orders.try_recv().ok()).flatten();
        }
        group
    }

    fn commit(&mut self, group: Vec<Job>) {
        if group.is_empty() {
            return;
        }
        let started = Instant::now();
        let durability = group.iter().map(|job| job.durability).max();
        let durability = durability.unwrap_or(Durability::Relaxed);
        let view = self.engine.view();
        let mut txn = Txn::new(&*view);
        let mut credits = Vec::with_capacity(group.len());
        let mut answers = Vec::with_capacity(group.len());
        for job in group {
            credits.push(job.credit);
            answers.extend(run(job.work, &mut txn));
        }
        let batch = txn.into_batch();
        drop(view);
        let outcome = self.engine.commit(&batch, durability);

        self.metrics.commits.increment(1);
        self.metrics
            .syncs
            .increment(u64::from(durability == Durability::Durable));
        self.metrics.transactions.increment(answers.len() as u64);
        self.metrics.group.record(answers.len() as f64);
        self.metrics.written.increment(batch.octets() as u64);
        self.metrics.commit_time.record(started.elapsed());
        drop(batch);
        drop(credits);
        if let Err(error) = &outcome {
            self.poisoned = true;
            (self.fatal)(error);
        }
        for answer in answers {
            answer(
                outcome
                    .as_ref()
                    .map(|_| ())
                    .map_err(|_| StoreError::Poisoned),
            );
        }
    }

    fn refuse(&self, group: Vec<Job>) {
        let view = self.engine.view();
        for job in group {
            let mut txn = Txn::new(&*view);
            if let Some(answer) = run(job.work, &mut txn) {
                answer(Err(StoreError::Poisoned));
            }
        }
    }
}

/// Runs one transaction; `None` if it panicked, then its caller hears that nobody answers.
fn run(work: Work, txn: &mut Txn<'_>) -> Option<Answer> {
    let outcome = catch_unwind(AssertUnwindSafe(|| work(txn)));
    match &outcome {
        Ok((true, _)) => txn.keep(),
        Ok((false, _)) => txn.roll_back(),
        Err(_) => {
            txn.roll_back();
            tracing::error!("a transaction panicked; its writes were dropped");
        }
    }
    outcome.ok().map(|(_, answer)| answer)
}
