//! Every change of a mailbox, as rules over one transaction: envelope, counters, due entries and
//! history change together or not at all.
mod deposit;
mod room;
mod take;

pub(super) use deposit::{Arrival, Deposited};

use super::{
    Classes, Config, Disposed, Envelope, Facts, Passed, State, Waiting,
    content::ContentId,
    live::Live,
    mailbox::{MailboxRecord, TOTALS, Totals, totals},
};
use crate::{
    clock::Timestamp,
    identity::{Address, outbox},
    policy::{Settings, Standing},
    store::{Readable, StoreError, Table, Txn},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Answers what is known of a receiver, from what is committed or cached.
pub type Directory =
    Arc<dyn Fn(&dyn Readable, &Address) -> Result<Standing, StoreError> + Send + Sync>;

/// One run of the server, which names its contents.
#[derive(Debug, Default)]
pub(super) struct Run {
    epoch: u32,
    contents: AtomicU64,
}

impl Run {
    pub(super) fn new(epoch: u32) -> Self {
        let contents = AtomicU64::new(0);
        Self { epoch, contents }
    }

    /// A content id never used before: the run's number, and a counter within it.
    pub(super) fn new_content(&self) -> ContentId {
        let number = self.contents.fetch_add(1, Ordering::Relaxed);
        ContentId((u64::from(self.epoch) << 40) | number)
    }
}

/// What a transaction did, to be told and tidied up once it is committed.
#[derive(Default)]
pub(super) struct Outcome {
    /// Messages that left their mailbox.
    pub(super) taken: Vec<Taken>,
    /// Mailboxes that changed.
    pub(super) changed: Vec<Changed>,
    /// What senders are told of their messages.
    pub(super) told: Vec<Disposed>,
}

/// A message taken out of its mailbox.
pub(super) struct Taken {
    pub(super) envelope: Arc<Envelope>,
    /// How its life ended.
    pub(super) last: State,
    /// A content too large to be removed in the same transaction; it is marked.
    pub(super) leftover: Option<ContentId>,
}

/// A mailbox after a change.
pub(super) struct Changed {
    pub(super) recipient: Address,
    pub(super) waiting: Waiting,
    /// A message came in; else messages only left.
    pub(super) arrived: bool,
    /// Its owner is to be warned: it is nearly full.
    pub(super) warn: bool,
}

const EPOCH: &[u8] = b"deferred/epoch";

/// The mailboxes, within one transaction.
pub(super) struct Ledger<'t, 'a> {
    pub(super) txn: &'t mut Txn<'a>,
    pub(super) run: &'t Run,
    pub(super) live: &'t Live,
    pub(super) config: &'t Config,
    pub(super) classes: &'t Classes,
    pub(super) directory: &'t Directory,
    pub(super) now: Timestamp,
    pub(super) outcome: Outcome,
}

impl Ledger<'_, '_> {
    fn count(&mut self, change: impl FnOnce(&mut Totals)) -> Result<(), StoreError> {
        let mut totals = totals(self.txn)?;
        change(&mut totals);
        self.txn.put_record(Table::Meta, TOTALS, &totals)
    }

    fn changed(&mut self, recipient: &Address, mailbox: &MailboxRecord, arrived: bool, warn: bool) {
        self.outcome.changed.push(Changed {
            recipient: recipient.clone(),
            waiting: mailbox.waiting(),
            arrived,
            warn,
        });
    }

    /// Tells the sender of a message what became of it, where that was asked for and the sender
    /// has a mailbox here: a notification of its own, stored with the event it tells of.
    pub(super) fn notify(
        &mut self,
        facts: &Facts,
        disposition: Disposed,
    ) -> Result<(), StoreError> {
        let told = super::disposition::notification(facts, disposition, self.now);
        let Some((mut facts, content)) = told else {
            return Ok(());
        };
        let Some((mailbox, settings)) = self.mailbox_for(&facts.recipient)? else {
            return Ok(());
        };
        facts.recipient = mailbox;
        let class = self.classes.of(settings.class.as_deref()).clone();
        let arrival = Arrival::new(facts, content, self.now, &class);
        // a mailbox that is full of notifications takes no more of them
        match self.deposit(arrival)? {
            Ok(_) => self.outcome.told.push(disposition),
            Err(refusal) => tracing::debug!(%refusal, "notification not stored"),
        }
        Ok(())
    }

    /// Where what is told to `user` is kept: with this server, or until another one takes it.
    fn mailbox_for(&self, user: &Address) -> Result<Option<(Address, Settings)>, StoreError> {
        for mailbox in [Some(user.clone()), outbox::of(user)].into_iter().flatten() {
            if let Standing::Accepts(settings) = (self.directory)(&*self.txn, &mailbox)? {
                return Ok(Some((mailbox, settings)));
            }
        }
        Ok(None)
    }

    fn step(&self, state: State, reason: String) -> Passed {
        Passed::new(self.now, state, reason)
    }
}

/// Counts one more start of the server; its number.
pub(super) fn next_epoch(txn: &mut Txn<'_>) -> Result<u32, StoreError> {
    let last = txn.get(Table::Meta, EPOCH)?;
    let last = last.and_then(|octets| octets.first_chunk::<4>().copied());
    let epoch = last.map_or(0, u32::from_be_bytes).wrapping_add(1);
    txn.put(Table::Meta, EPOCH, epoch.to_be_bytes().to_vec());
    Ok(epoch)
}
