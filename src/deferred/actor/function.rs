use super::{
    chores::{Broken, Chores},
    handover::Held,
};
use crate::{
    clock::{self, Timestamp},
    deferred::{
        Classes, Config, ContentId, State, Totals,
        capacity::Capacity,
        due, keys,
        ledger::{self, Directory, Ledger, Outcome, Run},
        live::Live,
        metrics::Metrics,
        migration,
    },
    store::{Handle, Readable, Scan, StoreError, Table, Txn, View},
    trail,
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The deferred-messaging function, from any thread. Cheap to clone.
#[derive(Clone)]
pub struct Deferred(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Handle,
    pub(super) config: Config,
    pub(super) classes: Classes,
    pub(super) chores: Chores,
    pub(super) metrics: Metrics,
    pub(super) directory: Directory,
    pub(super) capacity: Arc<Capacity>,
    pub(super) run: Run,
    pub(super) live: Live,
    /// Octets of messages gone since space was last given back.
    pub(super) gone: AtomicU64,
    /// The disk's free space, and when it was asked for.
    free: Mutex<Option<(Instant, Option<u64>)>>,
    /// Everything due before this was done; looking from here on passes no grave-yard.
    worked_off: Mutex<Timestamp>,
}

/// How far back the clock may be set without a due entry being passed over.
const CLOCK_SLACK: Duration = Duration::from_secs(3600);

impl Deferred {
    /// Takes over the mailboxes in `store`: drops contents that were never completed, finishes
    /// removals that were interrupted. Nothing is served before that.
    pub async fn open(
        store: Handle,
        config: Config,
        directory: Directory,
    ) -> Result<Self, StoreError> {
        let epoch = store.write(ledger::next_epoch).await?;
        migration::take_over(&store, &config).await?;
        let function = Self(Arc::new(Inner {
            store,
            classes: Classes::new(&config),
            config,
            chores: Chores::default(),
            metrics: Metrics::register(),
            directory,
            capacity: Arc::default(),
            run: Run::new(epoch),
            live: Live::default(),
            gone: AtomicU64::new(0),
            free: Mutex::new(None),
            worked_off: Mutex::new(Timestamp::EPOCH),
        }));
        function.recover().await?;
        Ok(function)
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The classes of service.
    pub fn classes(&self) -> &Classes {
        &self.0.classes
    }

    /// Removes at most `limit` messages whose time is over, and tells their senders where they
    /// asked for it; how many, and whether there are more.
    pub async fn expire(&self, now: Timestamp, limit: usize) -> Result<(usize, bool), StoreError> {
        let since = self.worked_off();
        let due = self.read(move |view| due::due(view, (since, now), limit));
        let due = due.await?;
        let more = due.len() == limit;
        let expired = match due.is_empty() {
            true => 0,
            false => self.work_off(due, now).await?,
        };
        if !more {
            let done = now.millis().saturating_sub(CLOCK_SLACK.as_millis() as u64);
            *self.0.worked_off.lock() = Timestamp::from_millis(done);
        }
        self.0.store.set_horizon(now);
        Ok((expired, more))
    }

    async fn work_off(&self, due: Vec<Bytes>, now: Timestamp) -> Result<usize, StoreError> {
        let places = due.iter().filter_map(|key| due::parse(key));
        let places = places.map(|(_, recipient, sequence)| (recipient, sequence));
        let held = Held::new(self, places.collect());
        let function = self.clone();
        let working = tokio::spawn(async move {
            let worked = function.durable(0, now, move |ledger| {
                ledger.work_off(due)?;
                let taken = ledger.outcome.taken.iter();
                Ok(taken.filter(|one| one.last == State::Expired).count())
            });
            let worked = worked.await;
            drop(held);
            worked
        });
        working.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Does what others left behind: removes contents, writes down what broke. The queue actor
    /// calls it; tests may.
    pub async fn clean_up(&self) -> Result<(), StoreError> {
        let list = self.0.chores.take();
        for news in list.changed.into_values() {
            self.0.chores.tell(news);
        }
        self.work(list.contents, list.broken).await
    }

    pub(super) async fn work(
        &self,
        contents: Vec<ContentId>,
        broken: Vec<Broken>,
    ) -> Result<(), StoreError> {
        if !broken.is_empty() {
            self.relaxed(0, move |ledger| {
                for ((recipient, sequence), attempts, steps) in broken {
                    ledger.put_back((&recipient, sequence), attempts, steps)?;
                }
                Ok(())
            })
            .await?;
        }
        for content in contents {
            self.sweep(content).await?;
        }
        Ok(())
    }

    /// Everything due before this was done.
    pub(super) fn worked_off(&self) -> Timestamp {
        *self.0.worked_off.lock()
    }

    /// Gives the space of what is gone back to the file system, if there is enough of it.
    pub(super) async fn reclaim(&self, totals: Totals) -> Result<bool, StoreError> {
        let gone = self.0.gone.load(Ordering::Relaxed);
        let is_worth = gone >= self.config().reclaim_after.as_u64() && gone > totals.octets;
        if !is_worth {
            return Ok(false);
        }
        self.0.gone.fetch_sub(gone, Ordering::Relaxed);
        let tables = [
            Table::Envelope,
            Table::Due,
            Table::History,
            Table::Receiving,
            Table::Removing,
            Table::Content,
        ];
        for table in tables {
            self.0.store.reclaim(table).await?;
        }
        tracing::info!(octets = gone, "space of delivered messages given back");
        Ok(true)
    }

    async fn recover(&self) -> Result<(), StoreError> {
        for (table, what) in [
            (Table::Receiving, "contents never completed"),
            (Table::Removing, "removals interrupted"),
        ] {
            let mut count = 0_u64;
            let mut from = Bytes::from_static(&[0]);
            loop {
                let start = from.clone();
                let found = self.read(move |view| marks(view, table, &start)).await?;
                let Some(last) = found.last().copied() else {
                    break;
                };
                count += found.len() as u64;
                from = keys::pieces_end(last);
                for content in found {
                    self.sweep(content).await?;
                }
            }
            if count > 0 {
                tracing::info!(count, "{what}: removed after a restart");
            }
        }
        Ok(())
    }

    async fn sweep(&self, content: ContentId) -> Result<(), StoreError> {
        let mut index = 0;
        loop {
            let swept = self.relaxed(0, move |ledger| ledger.sweep(content, index));
            match swept.await? {
                Some(next) => index = next,
                None => return Ok(()),
            }
        }
    }

    pub(super) async fn read<R: Send + 'static>(
        &self,
        work: impl FnOnce(&View<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        self.0.store.read(work).await
    }

    /// Runs a transaction, and when it is on disk tells and tidies up what it did. To be called
    /// from a task that nobody drops in the middle.
    pub(super) async fn durable<R: Send + 'static>(
        &self,
        octets: usize,
        now: Timestamp,
        work: impl FnOnce(&mut Ledger<'_, '_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let inner = self.0.clone();
        let work = move |txn: &mut Txn<'_>| inner.run(txn, now, work);
        let done = self.0.store.write_large(octets, work);
        let (result, outcome) = done.await?;
        self.settle(outcome, now);
        Ok(result)
    }

    pub(super) async fn relaxed<R: Send + 'static>(
        &self,
        octets: usize,
        work: impl FnOnce(&mut Ledger<'_, '_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let (inner, now) = (self.0.clone(), clock::wall());
        let work = move |txn: &mut Txn<'_>| inner.run(txn, now, work);
        let done = self.0.store.write_relaxed(octets, work);
        Ok(done.await?.0)
    }

    /// What follows from a transaction once it is on disk.
    fn settle(&self, outcome: Outcome, now: Timestamp) {
        for taken in outcome.taken {
            let envelope = &taken.envelope;
            self.0.metrics.gone(taken.last, envelope, now);
            let facts = &envelope.facts;
            let step = trail::message("end", &facts.message_id, &facts.sender, &facts.recipient);
            step.ended(taken.last, "removed");
            let octets = envelope.facts.size;
            self.0.gone.fetch_add(octets, Ordering::Relaxed);
            if let Some(content) = taken.leftover {
                self.0.chores.remove(content);
            }
            if taken.last == State::Dropped {
                // held by the transaction itself
                let place = (&envelope.facts.recipient, envelope.sequence);
                self.0.live.settle(place);
            }
        }
        for told in outcome.told {
            self.0.metrics.told(told);
        }
        for changed in outcome.changed {
            self.0.capacity.update(&changed.recipient, changed.waiting);
            self.0.chores.changed(changed);
        }
    }
}

/// For how long the disk's free space counts as known.
const FREE_KNOWN: Duration = Duration::from_millis(100);

impl Inner {
    /// Octets that can still be written, as of a moment ago.
    pub(super) fn free(&self) -> Option<u64> {
        let (mut known, now) = (self.free.lock(), clock::now());
        match *known {
            Some((at, free)) if now.saturating_duration_since(at) < FREE_KNOWN => free,
            _ => {
                let free = self.store.free();
                *known = Some((now, free));
                free
            }
        }
    }

    fn run<R>(
        &self,
        txn: &mut Txn<'_>,
        now: Timestamp,
        work: impl FnOnce(&mut Ledger<'_, '_>) -> Result<R, StoreError>,
    ) -> Result<(R, Outcome), StoreError> {
        let mut ledger = Ledger {
            txn,
            run: &self.run,
            live: &self.live,
            config: &self.config,
            classes: &self.classes,
            directory: &self.directory,
            now,
            outcome: Outcome::default(),
        };
        let result = work(&mut ledger)?;
        Ok((result, ledger.outcome))
    }
}

fn marks(view: &View<'_>, table: Table, from: &[u8]) -> Result<Vec<ContentId>, StoreError> {
    let keys = view.keys(Scan {
        table,
        from,
        until: &[0xff; 9],
        limit: 1000,
        reverse: false,
    })?;
    Ok(keys
        .iter()
        .filter_map(|key| keys::content_of(key))
        .collect())
}
