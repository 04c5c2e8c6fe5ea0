use super::chores::Chores;
use crate::{
    clock::{self, Timestamp},
    deferred::{
        Config, ContentId, Envelope, Totals,
        capacity::Capacity,
        due, keys,
        ledger::{self, Ledger, Run, Taken},
        metrics::Metrics,
    },
    identity::Address,
    policy::Standing,
    store::{Handle, Readable, Scan, StoreError, Table, Txn, View},
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Answers what is known of a receiver.
pub type Directory =
    Arc<dyn Fn(Address) -> BoxFuture<'static, Result<Standing, StoreError>> + Send + Sync>;

/// The deferred-messaging function, from any thread. Cheap to clone.
#[derive(Clone)]
pub struct Deferred(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Handle,
    pub(super) config: Config,
    pub(super) chores: Chores,
    pub(super) metrics: Metrics,
    pub(super) directory: Directory,
    pub(super) capacity: Arc<Capacity>,
    pub(super) run: Run,
    /// Octets of messages gone since space was last given back.
    pub(super) gone: AtomicU64,
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
        let function = Self(Arc::new(Inner {
            store,
            config,
            chores: Chores::default(),
            metrics: Metrics::register(),
            directory,
            capacity: Arc::default(),
            run: Run::new(epoch),
            gone: AtomicU64::new(0),
            worked_off: Mutex::new(Timestamp::EPOCH),
        }));
        function.recover().await?;
        Ok(function)
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Removes at most `limit` messages whose time is over; they, and whether there are more.
    pub async fn expire(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<(Vec<Envelope>, bool), StoreError> {
        let since = *self.0.worked_off.lock();
        let due = self.read(move |view| due::due(view, (since, now), limit));
        let due = due.await?;
        let more = due.len() == limit;
        let taken = match due.is_empty() {
            true => Vec::new(),
            false => self.durable(0, now, |ledger| ledger.work_off(due)).await?,
        };
        if !more {
            let done = now.millis().saturating_sub(CLOCK_SLACK.as_millis() as u64);
            *self.0.worked_off.lock() = Timestamp::from_millis(done);
        }
        let mut expired = Vec::with_capacity(taken.len());
        for Taken { envelope, leftover } in taken {
            self.0.metrics.expired();
            self.gone(&envelope, leftover);
            expired.push(envelope);
        }
        Ok((expired, more))
    }

    /// Does what others left behind: removes contents, releases transfers. The queue actor calls
    /// it; tests may.
    pub async fn clean_up(&self) -> Result<(), StoreError> {
        let list = self.0.chores.take();
        for recipient in list.changed {
            let arrived = list.arrived.contains(&recipient);
            self.0.chores.changed(&recipient, arrived);
        }
        self.work(list.contents, list.releases).await
    }

    pub(super) async fn work(
        &self,
        contents: Vec<ContentId>,
        releases: Vec<(Address, u64)>,
    ) -> Result<(), StoreError> {
        for (recipient, sequence) in releases {
            let reason = "the transfer ended without an answer";
            self.release(&recipient, sequence, reason).await?;
        }
        for content in contents {
            self.sweep(content).await?;
        }
        Ok(())
    }

    pub(super) fn show_level(&self, totals: Totals) {
        self.0.metrics.level(totals, self.0.capacity.deposits());
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
            Table::Submitted,
            Table::Trail,
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

    pub(super) async fn durable<R: Send + 'static>(
        &self,
        octets: usize,
        now: Timestamp,
        work: impl FnOnce(&mut Ledger<'_, '_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let inner = self.0.clone();
        let work = move |txn: &mut Txn<'_>| work(&mut inner.ledger(txn, now));
        self.0.store.write_large(octets.max(1024), work).await
    }

    pub(super) async fn relaxed<R: Send + 'static>(
        &self,
        octets: usize,
        work: impl FnOnce(&mut Ledger<'_, '_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let (inner, now) = (self.0.clone(), clock::wall());
        let work = move |txn: &mut Txn<'_>| work(&mut inner.ledger(txn, now));
        self.0.store.write_relaxed(octets.max(1024), work).await
    }
}

impl Inner {
    fn ledger<'t, 'a>(&'t self, txn: &'t mut Txn<'a>, now: Timestamp) -> Ledger<'t, 'a> {
        Ledger {
            txn,
            run: &self.run,
            config: &self.config,
            now,
        }
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
