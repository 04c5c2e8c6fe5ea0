use super::{Deposit, Transfer, chores::Chores};
use crate::{
    clock::{self, Timestamp},
    deferred::{
        Config, ContentId, Envelope, Facts, Refusal, Reservation, State, Step, Stored, Totals,
        Waiting,
        capacity::Capacity,
        envelope::EnvelopeRecord,
        keys,
        ledger::{self, Ledger, Run, Taken},
        mailbox::MailboxRecord,
        metrics::Metrics,
        order, trail,
    },
    identity::Address,
    policy::{self, Standing},
    store::{Handle, Readable, Record, Records, Scan, StoreError, Table, Txn, View},
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};

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
    directory: Directory,
    capacity: Arc<Capacity>,
    run: Run,
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
            worked_off: Mutex::new(Timestamp::EPOCH),
        }));
        function.recover().await?;
        Ok(function)
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    // ---- taking a message in ---------------------------------------------------------------

    /// Asks whether a message may be stored, and promises room for it.
    ///
    /// Errors: `NotPermitted`, `UnknownReceiver`, `Full`, `TooLarge`, `Busy`.
    pub async fn admit(
        &self,
        sender: &Address,
        recipient: &Address,
        declared: Option<u64>,
    ) -> Result<Reservation, Refusal> {
        let admitted = self.reserve(sender, recipient, declared).await;
        if let Err(refusal) = &admitted {
            self.0.metrics.refused(refusal);
            tracing::debug!(%sender, %recipient, reason = refusal.kind(), "message refused");
        }
        admitted
    }

    async fn reserve(
        &self,
        sender: &Address,
        recipient: &Address,
        declared: Option<u64>,
    ) -> Result<Reservation, Refusal> {
        let standing = (self.0.directory)(recipient.clone()).await?;
        policy::may_store(standing)?;
        let waiting = self.waiting(recipient).await?;
        let parties = (sender, recipient);
        let capacity = &self.0.capacity;
        capacity.reserve(parties, declared, waiting, &self.0.config)
    }

    /// Begins to receive a message for which room was promised.
    pub fn begin(&self, reservation: Reservation) -> Deposit {
        Deposit::new(self.clone(), reservation, clock::wall())
    }

    /// Makes a complete deposit durable: when this returns, its sender may be told.
    ///
    /// A message known by sender, recipient and message id is not stored again.
    /// Errors: `Incomplete`, `Full`, `BadMessageId`, `Store`; then nothing was stored.
    pub async fn complete(
        &self,
        deposit: Deposit,
        facts: Facts,
        total: u64,
    ) -> Result<Stored, Refusal> {
        let outcome = deposit.complete(facts, total).await;
        match &outcome {
            Ok(Stored {
                duplicate: true, ..
            }) => self.0.metrics.duplicates.increment(1),
            Ok(_) => {
                self.0.metrics.stored.increment(1);
                self.0.metrics.stored_octets.increment(total);
            }
            Err(refusal) => self.0.metrics.refused(refusal),
        }
        outcome
    }

    /// Admits, receives and stores a message that is there as a whole.
    pub async fn accept(&self, facts: Facts, content: Bytes) -> Result<Stored, Refusal> {
        let total = content.len() as u64;
        let reservation = self.admit(&facts.sender, &facts.recipient, Some(total));
        let mut deposit = self.begin(reservation.await?);
        if let Err(refusal) = deposit.write(0, content).await {
            self.0.metrics.refused(&refusal);
            return Err(refusal);
        }
        self.complete(deposit, facts, total).await
    }

    // ---- looking ---------------------------------------------------------------------------

    /// What waits for `recipient`.
    pub async fn waiting(&self, recipient: &Address) -> Result<Waiting, StoreError> {
        let recipient = recipient.clone();
        let mailbox = self.read(move |view| ledger::mailbox(view, &recipient));
        Ok(mailbox.await?.waiting())
    }

    /// What waits in all mailboxes.
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        self.read(|view| ledger::totals(view)).await
    }

    /// A page of a mailbox: at most `limit` messages behind sequence `after` (0 for the first
    /// page), oldest first.
    pub async fn list(
        &self,
        recipient: &Address,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Envelope>, StoreError> {
        let (recipient, epoch) = (recipient.clone(), self.0.run.epoch);
        let mut page = self
            .read(move |view| list(view, &recipient, after, limit, epoch))
            .await?;
        order::arrange(&mut page, self.0.config.priority_overtakes);
        Ok(page)
    }

    /// A page of all mailboxes in which something waits, behind the one of `after`.
    pub async fn mailboxes(
        &self,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<(Address, Waiting)>, StoreError> {
        let after = after.cloned();
        self.read(move |view| mailboxes(view, after.as_ref(), limit))
            .await
    }

    /// The message with `sequence`, if it waits.
    pub async fn open_envelope(
        &self,
        recipient: &Address,
        sequence: u64,
    ) -> Result<Option<Envelope>, StoreError> {
        let (key, epoch) = (keys::envelope(recipient, sequence), self.0.run.epoch);
        self.read(move |view| {
            let record = view.record::<EnvelopeRecord>(Table::Envelope, &key)?;
            Ok(record.map(|record| record.into_envelope(sequence, epoch)))
        })
        .await
    }

    /// The messages waiting for `recipient` under `message_id`, one per sender at most.
    pub async fn find(
        &self,
        recipient: &Address,
        message_id: &str,
    ) -> Result<Vec<Envelope>, StoreError> {
        let (recipient, epoch) = (recipient.clone(), self.0.run.epoch);
        let message_id = message_id.to_owned();
        self.read(move |view| {
            let mut found = Vec::new();
            for sequence in ledger::submissions(view, &recipient, &message_id)? {
                let key = keys::envelope(&recipient, sequence);
                let record = view.record::<EnvelopeRecord>(Table::Envelope, &key)?;
                found.extend(record.map(|record| record.into_envelope(sequence, epoch)));
            }
            Ok(found)
        })
        .await
    }

    /// One piece of a content: [`super::super::PIECE`] octets, fewer for the last.
    pub async fn piece(&self, content: ContentId, index: u32) -> Result<Option<Bytes>, StoreError> {
        let key = keys::piece(content, index);
        self.read(move |view| view.get(Table::Content, &key)).await
    }

    /// The life of the messages with this id, step by step.
    pub async fn trace(&self, message_id: &str) -> Result<Vec<Step>, StoreError> {
        let message_id = message_id.to_owned();
        let steps = self.read(move |view| trail::read(view, &message_id));
        Ok(steps.await?.into_iter().map(|(_, step)| step).collect())
    }

    // ---- handing over ----------------------------------------------------------------------

    /// Books that the receiver was told of the message. False if it does not wait to be offered.
    pub async fn offered(
        &self,
        recipient: &Address,
        sequence: u64,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let turned = self
            .turn(recipient, sequence, State::Offered, reason)
            .await?;
        Ok(turned.is_some())
    }

    /// Begins to hand a message over. `None` if it is gone, or on its way already.
    ///
    /// The transfer holds the message until it is confirmed or released; dropped, it releases.
    pub async fn transfer(
        &self,
        recipient: &Address,
        sequence: u64,
        reason: &str,
    ) -> Result<Option<Transfer>, StoreError> {
        let turned = self.turn(recipient, sequence, State::Transferring, reason);
        let envelope = turned.await?;
        Ok(envelope.map(|envelope| Transfer::new(self.clone(), envelope)))
    }

    /// Books that the receiver has the message, and removes it. False if it was gone.
    pub async fn confirm(
        &self,
        recipient: &Address,
        sequence: u64,
        reason: &str,
    ) -> Result<bool, StoreError> {
        self.end(recipient, sequence, State::Confirmed, reason)
            .await
    }

    /// Deletes a message undelivered. False if it was gone.
    pub async fn delete(
        &self,
        recipient: &Address,
        sequence: u64,
        reason: &str,
    ) -> Result<bool, StoreError> {
        self.end(recipient, sequence, State::Revoked, reason).await
    }

    /// Puts a message that was offered or on its way back to waiting. False if it was neither.
    pub async fn release(
        &self,
        recipient: &Address,
        sequence: u64,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let turned = self
            .turn(recipient, sequence, State::Stored, reason)
            .await?;
        if turned.is_some() {
            self.0.metrics.released.increment(1);
        }
        Ok(turned.is_some())
    }

    /// Deletes all that waits for `recipient`; how many messages.
    pub async fn purge(&self, recipient: &Address, reason: &str) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let page = self.list(recipient, 0, 64).await?;
            if page.is_empty() {
                return Ok(deleted);
            }
            for envelope in page {
                let gone = self.delete(recipient, envelope.sequence, reason).await?;
                deleted += u64::from(gone);
            }
        }
    }

    /// Writes a step into the trail of a message that is not stored: why it was refused.
    pub async fn note(
        &self,
        message_id: &str,
        sender: &Address,
        recipient: &Address,
        state: State,
        reason: &str,
    ) -> Result<(), StoreError> {
        check_message_id(message_id).map_err(|_| StoreError::Abandoned("unusable message id"))?;
        let (id, reason) = (message_id.to_owned(), reason.to_owned());
        let (sender, recipient) = (sender.clone(), recipient.clone());
        self.relaxed(0, move |ledger| {
            ledger.note((&id, &sender, &recipient), state, reason)
        })
        .await
    }

    // ---- what happens by itself ------------------------------------------------------------

    /// Removes at most `limit` messages whose time is over; they, and whether there are more.
    pub async fn expire(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<(Vec<Envelope>, bool), StoreError> {
        let since = *self.0.worked_off.lock();
        let due = self.read(move |view| ledger::due(view, (since, now), limit));
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

    async fn end(
        &self,
        recipient: &Address,
        sequence: u64,
        last: State,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let (recipient, reason) = (recipient.clone(), reason.to_owned());
        let now = clock::wall();
        let taken = self
            .durable(0, now, move |ledger| {
                ledger.take(&recipient, sequence, last, &reason)
            })
            .await?;
        let Some(Taken { envelope, leftover }) = taken else {
            return Ok(false);
        };
        match last {
            State::Confirmed => self.0.metrics.confirmed(&envelope, now),
            _ => self.0.metrics.revoked(),
        }
        self.gone(&envelope, leftover);
        Ok(true)
    }

    fn gone(&self, envelope: &Envelope, leftover: bool) {
        if leftover {
            self.0.chores.remove(envelope.content);
        }
        self.0.chores.changed(&envelope.facts.recipient, false);
    }

    async fn turn(
        &self,
        recipient: &Address,
        sequence: u64,
        to: State,
        reason: &str,
    ) -> Result<Option<Envelope>, StoreError> {
        let (recipient, reason) = (recipient.clone(), reason.to_owned());
        self.relaxed(0, move |ledger| {
            ledger.turn(&recipient, sequence, to, &reason)
        })
        .await
    }

    // ---- the store -------------------------------------------------------------------------

    async fn read<R: Send + 'static>(
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

/// Message ids are keys: not empty, not endless, no control characters.
pub(super) fn check_message_id(message_id: &str) -> Result<(), Refusal> {
    let is_usable =
        (1..=256).contains(&message_id.len()) && !message_id.chars().any(char::is_control);
    match is_usable {
        true => Ok(()),
        false => Err(Refusal::BadMessageId),
    }
}

fn list(
    view: &View<'_>,
    recipient: &Address,
    after: u64,
    limit: usize,
    epoch: u32,
) -> Result<Vec<Envelope>, StoreError> {
    let mailbox = ledger::mailbox(view, recipient)?;
    if mailbox.count == 0 {
        return Ok(Vec::new());
    }
    let first = mailbox.head.max(after.saturating_add(1));
    let found = view.scan(Scan {
        table: Table::Envelope,
        from: &keys::envelope(recipient, first),
        until: &keys::envelopes_end(recipient),
        limit,
        reverse: false,
    })?;
    let mut page = Vec::with_capacity(found.len());
    for (key, octets) in found {
        let record = EnvelopeRecord::decode(&octets)?;
        let sequence = keys::sequence_of(&key).unwrap_or_default();
        page.push(record.into_envelope(sequence, epoch));
    }
    Ok(page)
}

fn mailboxes(
    view: &View<'_>,
    after: Option<&Address>,
    limit: usize,
) -> Result<Vec<(Address, Waiting)>, StoreError> {
    let mut found = Vec::new();
    let mut from: Vec<u8> =
        after.map_or(vec![0], |after| [after.as_str().as_bytes(), &[0]].concat());
    while found.len() < limit {
        let page = view.scan(Scan {
            table: Table::Mailbox,
            from: &from,
            until: &[0xff],
            limit: 256,
            reverse: false,
        })?;
        let Some((last, _)) = page.last() else {
            break;
        };
        from = [last, &[0][..]].concat();
        for (key, octets) in page {
            let waiting = MailboxRecord::decode(&octets)?.waiting();
            let address = std::str::from_utf8(&key).ok();
            let address = address.and_then(|text| Address::parse(text).ok());
            if let (Some(address), true) = (address, waiting.count > 0 && found.len() < limit) {
                found.push((address, waiting));
            }
        }
    }
    Ok(found)
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
