//! The one thread that commits. It takes all that is queued, runs each transaction over the
//! writes of those before it, commits once, syncs once if any of them asked for it, and answers.
use super::{
    Batch, Config, Durability, Engine, StoreError, Table, Txn,
    call::{Job, Transaction},
    metrics::Metrics,
    room::{Health, Level, Room, State},
    waits::Waits,
};
use crate::clock;
use crossbeam::channel::{Receiver, RecvTimeoutError};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How often a store that found no room is tried again.
const REOPEN_EVERY: Duration = Duration::from_secs(1);

/// Octets of a transaction whose wait is a measure of how far the store is behind.
const SMALL: usize = 4 * 1024;

/// How often space is given back while the disk is short of it.
const RELIEVE_EVERY: Duration = Duration::from_secs(5);

/// Told when the store can promise nothing more. The default ends the process.
pub type Fatal = Box<dyn Fn(&StoreError) + Send>;

/// Ends the process at once: what was promised is on disk, what was not must not be claimed.
pub fn abort() -> Fatal {
    Box::new(|error| {
        tracing::error!(%error, "the store failed a commit; the process ends to recover from disk");
        std::process::abort()
    })
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
    health: Health,
    room: Room,
    relief: Option<JoinHandle<()>>,
    stopping: bool,
    waits: Waits,
    /// How long the last group took.
    took: Duration,
}

impl Writer {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        orders: Receiver<Order>,
        config: &Config,
        fatal: Fatal,
        health: Health,
        metrics: Metrics,
        waits: Waits,
    ) -> Self {
        Self {
            engine,
            orders,
            max_jobs: config.group,
            max_octets: usize::try_from(config.group_octets.as_u64()).unwrap_or(usize::MAX),
            fatal,
            metrics,
            room: Room::new(config.reserve.as_u64()),
            relief: None,
            health,
            stopping: false,
            waits,
            took: Duration::ZERO,
        }
    }

    /// Serves until it is told to stop or nobody can ask any more.
    pub(super) fn run(mut self) {
        while !self.stopping {
            let order = match self.health.get() {
                State::Down | State::Full => self.orders.recv_timeout(REOPEN_EVERY),
                _ => self.orders.recv().map_err(RecvTimeoutError::from),
            };
            let group = match order {
                Ok(order) => self.collect(order),
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            match self.health.get() {
                State::Down if self.reopen() => self.commit(group),
                State::Down => self.refuse(group, || StoreError::NoRoom),
                State::Lost => self.refuse(group, || StoreError::Poisoned),
                State::Sound | State::Full => self.commit(group),
            }
        }
    }

    /// Opens the engine again after it found no room; whether it takes commits now.
    fn reopen(&mut self) -> bool {
        let due = clock::now() >= self.room.reopen_at;
        if !due {
            return false;
        }
        self.room.reopen_at = clock::now() + REOPEN_EVERY;
        match self.engine.reopen() {
            Ok(()) => {
                tracing::info!("the store has room again and was opened anew");
                self.health.set(State::Sound);
                true
            }
            Err(StoreError::NoRoom | StoreError::Busy | StoreError::InUse) => false,
            Err(error) => {
                self.health.set(State::Lost);
                (self.fatal)(&error);
                false
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
                    octets += job.credit.num_permits();
                    group.push(job);
                }
            }
            let room = group.len() < self.max_jobs && octets < self.max_octets;
            next = room.then(|| self.orders.try_recv().ok()).flatten();
        }
        group
    }

    fn commit(&mut self, group: Vec<Job>) {
        let started = Instant::now();
        let level = self.look_for_room();
        let Some(oldest) = group.first() else {
            return self.relieve(level);
        };
        // who came while a group was written had to wait for that; more is a queue
        let owed = std::mem::take(&mut self.took);
        let mut small = group.iter().filter(|job| job.credit.num_permits() <= SMALL);
        match small.next() {
            Some(job) => self
                .waits
                .serve(job.queued_at + owed, !self.orders.is_empty()),
            // large pieces wait for their credit: that is what holds their senders back
            None => self.waits.serve(started, false),
        }
        let waited = started.saturating_duration_since(oldest.queued_at);
        self.metrics.wait_time.record(waited);
        let durability = group.iter().map(|job| job.durability).max();
        let durability = durability.unwrap_or(Durability::Relaxed);
        let view = self.engine.view();
        let mut txn = Txn::new(&*view);
        let mut credits = Vec::with_capacity(group.len());
        let mut calls = Vec::with_capacity(group.len());
        for mut job in group {
            credits.push(job.credit);
            if !level.takes(job.load) {
                self.metrics.refused(&StoreError::NoRoom);
                job.call.answer(Err(StoreError::NoRoom));
            } else if run(&mut *job.call, &mut txn) {
                calls.push(job.call);
            }
        }
        let batch = txn.into_batch();
        drop(view);
        let outcome = self.engine.commit(&batch, durability);

        let transactions = credits.len();
        drop(credits);
        self.count(durability, transactions, &batch, started);
        drop(batch);
        if let Err(error) = &outcome {
            self.fail(error);
        }
        for call in calls {
            call.answer(match &outcome {
                Ok(()) => Ok(()),
                Err(StoreError::NoRoom) => Err(StoreError::NoRoom),
                Err(_) => Err(StoreError::Poisoned),
            });
        }
        self.waits.rest();
        self.took = started.elapsed();
        self.relieve(level);
    }

    fn fail(&mut self, error: &StoreError) {
        if let StoreError::NoRoom = error {
            tracing::error!("the disk is full; the store takes nothing until there is room");
            self.room.reopen_at = clock::now() + REOPEN_EVERY;
            self.health.set(State::Down);
        } else {
            self.health.set(State::Lost);
            (self.fatal)(error);
        }
    }

    /// How much the disk has left for what was not sorted to it yet.
    fn look_for_room(&self) -> Level {
        let level = self.room.level(self.engine.free());
        let state = match level {
            Level::Enough => State::Sound,
            Level::Short | Level::None => State::Full,
        };
        if self.health.get() != state {
            self.health.set(state);
            match state {
                State::Full => {
                    tracing::warn!("less than `store.reserve` is free: nothing large is taken in")
                }
                _ => tracing::info!("more than `store.reserve` is free again"),
            }
        }
        level
    }

    /// While the disk is short of room, gives back what was deleted, now and then.
    fn relieve(&mut self, level: Level) {
        let is_under_way = self
            .relief
            .as_ref()
            .is_some_and(|relief| !relief.is_finished());
        if level == Level::Enough || is_under_way || clock::now() < self.room.relieve_at {
            return;
        }
        self.room.relieve_at = clock::now() + RELIEVE_EVERY;
        let engine = self.engine.clone();
        let relief = thread::Builder::new().name("store-relief".to_owned());
        let started = relief.spawn(move || {
            for table in [Table::Content, Table::Envelope] {
                if let Err(error) = engine.reclaim(table) {
                    tracing::warn!(%error, table = table.name(), "no space came back");
                }
            }
        });
        match started {
            Ok(relief) => self.relief = Some(relief),
            Err(error) => tracing::warn!(%error, "no thread to give space back"),
        }
    }

    fn count(&self, durability: Durability, transactions: usize, batch: &Batch, started: Instant) {
        let is_synced = durability == Durability::Durable;
        self.metrics.commits.increment(1);
        self.metrics.syncs.increment(u64::from(is_synced));
        self.metrics.transactions.increment(transactions as u64);
        self.metrics.group.record(transactions as f64);
        self.metrics.written.increment(batch.octets() as u64);
        self.metrics.commit_time.record(started.elapsed());
    }

    fn refuse(&self, group: Vec<Job>, why: impl Fn() -> StoreError) {
        for job in group {
            self.metrics.refused(&why());
            job.call.answer(Err(why()));
        }
    }
}

/// Runs one transaction; false if it panicked, then its caller hears that nobody answers.
fn run(call: &mut dyn Transaction, txn: &mut Txn<'_>) -> bool {
    let outcome = catch_unwind(AssertUnwindSafe(|| call.run(txn)));
    match &outcome {
        Ok(true) => txn.keep(),
        Ok(false) => txn.roll_back(),
        Err(_) => {
            txn.roll_back();
            tracing::error!("a transaction panicked; its writes were dropped");
        }
    }
    outcome.is_ok()
}
