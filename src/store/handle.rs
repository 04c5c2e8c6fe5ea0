use super::{
    Config, Durability, Engine, Fatal, StoreError, Table, Txn, View,
    call::{Call, Job},
    metrics::Metrics,
    reader::{self, Query},
    room::{Health, Load, State},
    waits::Waits,
    writer::{Order, Writer},
};
use crate::clock::{self, Timestamp};
use crossbeam::channel::{Sender, TrySendError, bounded};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// The way to the store's threads, from any thread. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    orders: Sender<Order>,
    queries: Sender<Query>,
    credits: Arc<Semaphore>,
    max_inflight: u32,
    engine: Arc<dyn Engine>,
    health: Health,
    metrics: Metrics,
    writing: Waits,
    reading: Waits,
}

/// The store's threads. [`Threads::stop`] ends them in order.
pub struct Threads {
    orders: Sender<Order>,
    queries: Sender<Query>,
    writer: JoinHandle<()>,
    readers: Vec<JoinHandle<()>>,
}

/// Credit taken for a transaction that does not say how large it is.
const SMALL: usize = 1024;

impl Handle {
    /// Starts the threads over `engine`. `fatal` is told of a failed commit.
    pub fn start(
        engine: Arc<dyn Engine>,
        config: &Config,
        fatal: Fatal,
    ) -> Result<(Self, Threads), StoreError> {
        let metrics = Metrics::register();
        let (orders, order_source) = bounded(config.queue);
        let (queries, query_source) = bounded(config.queue);
        let max_inflight = u32::try_from(config.max_inflight.as_u64()).unwrap_or(u32::MAX >> 3);
        let health = Health::default();
        let (writing, reading) = (Waits::new(), Waits::new());
        let credits = Arc::new(Semaphore::new(max_inflight as usize));
        let writer = Writer::new(
            engine.clone(),
            order_source,
            config,
            fatal,
            health.clone(),
            metrics.clone(),
            writing.clone(),
        );
        let writer = spawn("store-writer", move || {
            if catch_unwind(AssertUnwindSafe(|| writer.run())).is_err() {
                // without its writer the store can keep no promise
                tracing::error!("the store's writer panicked; the process ends");
                std::process::abort();
            }
        })?;
        let mut readers = Vec::with_capacity(config.readers);
        for _ in 0..config.readers {
            let (engine, source) = (engine.clone(), query_source.clone());
            let (metrics, waits) = (metrics.clone(), reading.clone());
            readers.push(spawn("store-reader", move || {
                reader::run(engine, source, metrics, waits);
            })?);
        }
        let handle = Self {
            orders: orders.clone(),
            queries: queries.clone(),
            credits,
            max_inflight,
            engine,
            health,
            metrics,
            writing,
            reading,
        };
        let threads = Threads {
            orders,
            queries,
            writer,
            readers,
        };
        Ok((handle, threads))
    }

    /// Runs `work` as one transaction; answers when it is on disk.
    ///
    /// If `work` returns an error its writes are dropped and the error comes back.
    /// Errors: `Busy` if the queue is full, `NoRoom` if the disk is, `Closed` after shutdown,
    /// `Poisoned` after a failed flush.
    pub async fn write<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Txn<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        self.submit(0, Durability::Durable, work).await
    }

    /// As `write`, for a transaction that carries `octets` of payload. With none it is a small
    /// one, which is taken even where the disk has little room left.
    pub async fn write_large<R: Send + 'static>(
        &self,
        octets: usize,
        work: impl FnOnce(&mut Txn<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        self.submit(octets, Durability::Durable, work).await
    }

    /// As `write_large`, without a sync of its own: for pieces of what is not complete yet.
    pub async fn write_relaxed<R: Send + 'static>(
        &self,
        octets: usize,
        work: impl FnOnce(&mut Txn<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        self.submit(octets, Durability::Relaxed, work).await
    }

    /// Runs `work` over a picture of what is committed now.
    ///
    /// Errors: `Busy` if the queue is full, `Closed` after shutdown.
    pub async fn read<R: Send + 'static>(
        &self,
        work: impl FnOnce(&View<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let (answer, outcome) = oneshot::channel();
        let work = Box::new(move |view: &View<'_>| {
            // a caller that went away wants no answer
            let _ = answer.send(work(view));
        });
        let query = Query::Run(work, clock::now());
        let queued = self.queries.try_send(query);
        queued.map_err(|error| self.refused(full_or_closed(&error)))?;
        outcome.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Resolves when a thread has come to it, behind the reads that were asked for before: whoever
    /// waits on the same arbiter and was answered until then has had a turn.
    ///
    /// Errors: as [`Handle::read`].
    pub async fn pass(&self) -> Result<(), StoreError> {
        let (passed, outcome) = oneshot::channel();
        let queued = self.queries.try_send(Query::Pass(passed));
        queued.map_err(|error| self.refused(full_or_closed(&error)))?;
        outcome.await.map_err(|_| StoreError::Closed)
    }

    /// Runs `work` on the calling thread, which it may block: for start-up and tools.
    pub fn read_here<R>(
        &self,
        work: impl FnOnce(&View<'_>) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        work(&View(self.engine.view()))
    }

    /// Runs `work`, which may take minutes, over a picture of what is committed now, on a thread
    /// of its own.
    pub async fn read_aside<R: Send + 'static>(
        &self,
        work: impl FnOnce(&View<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let (answer, outcome) = oneshot::channel();
        let engine = self.engine.clone();
        spawn("store-aside", move || {
            // a caller that went away wants no answer
            let _ = answer.send(work(&View(engine.view())));
        })?;
        outcome.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Gives the space of deleted entries of `table` back to the file system, on a thread of its
    /// own.
    pub async fn reclaim(&self, table: Table) -> Result<(), StoreError> {
        let (answer, outcome) = oneshot::channel();
        let engine = self.engine.clone();
        spawn("store-reclaim", move || {
            // a caller that went away wants no answer
            let _ = answer.send(engine.reclaim(table));
        })?;
        outcome.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Says what time it is: entries of perishable tables that ended before may be dropped from
    /// now on. What is never told the time drops nothing.
    pub fn set_horizon(&self, now: Timestamp) {
        self.engine.set_horizon(now);
    }

    /// Transactions and reads that wait for a thread.
    pub fn backlog(&self) -> usize {
        self.orders.len() + self.queries.len()
    }

    /// How long what waits for the store's threads has to, at least, since the last call; for one
    /// caller.
    pub fn lag(&self) -> Duration {
        self.writing.take().max(self.reading.take())
    }

    /// How the store is.
    pub fn state(&self) -> State {
        self.health.get()
    }

    /// Octets the store takes on disk.
    pub fn space(&self) -> u64 {
        self.engine.space()
    }

    /// Octets that can still be written, where the engine has an end.
    pub fn free(&self) -> Option<u64> {
        self.engine.free()
    }

    /// Shows how the store is among its metrics. May ask the disk.
    pub fn show(&self) {
        let free = self.credits.available_permits();
        let inflight = (self.max_inflight as usize).saturating_sub(free);
        self.metrics
            .show_queues(self.orders.len(), self.queries.len(), inflight);
        self.metrics.show(self.engine.figures(), self.health.get());
    }

    async fn submit<R: Send + 'static>(
        &self,
        octets: usize,
        durability: Durability,
        work: impl FnOnce(&mut Txn<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let asked = clock::now();
        let credit = self.credit(octets.max(SMALL)).await?;
        let load = match octets {
            0 => Load::Small,
            _ => Load::Payload,
        };
        let (answer, outcome) = oneshot::channel();
        let order = Order::Run(Job {
            call: Call::boxed(work, answer),
            durability,
            load,
            queued_at: asked,
            credit,
        });
        let queued = self.orders.try_send(order);
        queued.map_err(|error| self.refused(full_or_closed(&error)))?;
        outcome.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Waits until the writer has room for `octets`.
    async fn credit(&self, octets: usize) -> Result<OwnedSemaphorePermit, StoreError> {
        let wanted = u32::try_from(octets).unwrap_or(u32::MAX);
        let wanted = wanted.clamp(1, self.max_inflight);
        let permit = self.credits.clone().acquire_many_owned(wanted).await;
        permit.map_err(|_| StoreError::Closed)
    }

    fn refused(&self, error: StoreError) -> StoreError {
        self.metrics.refused(&error);
        error
    }
}

impl Threads {
    /// Commits what is queued, then ends the threads. Blocks until they are gone.
    pub fn stop(self) {
        // a thread that is gone already needs no order
        let _ = self.orders.send(Order::Stop);
        for _ in &self.readers {
            let _ = self.queries.send(Query::Stop);
        }
        for thread in self.readers.into_iter().chain([self.writer]) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
    }
}

fn full_or_closed<T>(error: &TrySendError<T>) -> StoreError {
    match error {
        TrySendError::Full(_) => StoreError::Busy,
        TrySendError::Disconnected(_) => StoreError::Closed,
    }
}

fn spawn(
    name: &'static str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StoreError> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|source| StoreError::Io {
        what: format!("thread {name}"),
        source,
    })
}
