//! Every change of a mailbox, as rules over one transaction: envelope, counters, due entries,
//! submission and trail change together or not at all.
use super::{
    Config, ContentId, Envelope, Facts, Limit, Refusal, State, Step,
    due::Due,
    envelope::EnvelopeRecord,
    keys,
    mailbox::{MailboxRecord, Submitted, TOTALS, Totals, mailbox, totals},
    trail,
};
use crate::{
    clock::Timestamp,
    identity::Address,
    policy,
    store::{Readable, Records, Scan, StoreError, Table, Txn},
};
use bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a sender may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The message's place in the mailbox.
    pub sequence: u64,
    /// The same message had been stored before; nothing was stored now.
    pub duplicate: bool,
}

/// One run of the server, which tells its own states from those a crash left behind.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) epoch: u32,
    steps: AtomicU64,
}

impl Run {
    pub(super) fn new(epoch: u32) -> Self {
        let steps = AtomicU64::new(u64::from(epoch) << 32);
        Self { epoch, steps }
    }
}

/// A message taken out of its mailbox.
pub(super) struct Taken {
    pub(super) envelope: Envelope,
    /// The content is too large to be removed in the same transaction; it is marked.
    pub(super) leftover: bool,
}

const EPOCH: &[u8] = b"deferred/epoch";

/// The mailboxes, within one transaction.
pub(super) struct Ledger<'t, 'a> {
    pub(super) txn: &'t mut Txn<'a>,
    pub(super) run: &'t Run,
    pub(super) config: &'t Config,
    pub(super) now: Timestamp,
}

impl Ledger<'_, '_> {
    /// Puts a complete message into its mailbox. Nothing is written if it is refused or known.
    pub(super) fn deposit(
        &mut self,
        facts: Facts,
        content: ContentId,
        started: Timestamp,
    ) -> Result<Result<Stored, Refusal>, StoreError> {
        let submitted = keys::submitted(&facts.recipient, &facts.message_id, &facts.sender);
        if let Some(known) = self.txn.record::<Submitted>(Table::Submitted, &submitted)? {
            let sequence = known.sequence;
            let duplicate = true;
            return Ok(Ok(Stored {
                sequence,
                duplicate,
            }));
        }
        let key = keys::mailbox(&facts.recipient);
        let mut mailbox = mailbox(self.txn, &facts.recipient)?;
        if let Err(refusal) = check_room(&mailbox, facts.size, self.config) {
            return Ok(Err(refusal));
        }
        let sequence = mailbox.add(facts.size);
        self.txn.put_record(Table::Mailbox, key, &mailbox)?;
        let record = Submitted { sequence };
        self.txn.put_record(Table::Submitted, submitted, &record)?;
        self.count(|totals| {
            totals.messages += 1;
            totals.octets += facts.size;
        })?;
        let (id, recipient) = (facts.message_id.clone(), facts.recipient.clone());
        let from = format!("{} sends it by {}", facts.sender, facts.mode);
        self.step_at(started, &id, &recipient, State::Receiving, from)?;
        let what = format!("{} octets on disk", facts.size);
        self.step(&id, &recipient, State::Stored, what)?;

        let asked = facts.expires.map(|expires| expires.since(self.now));
        let keep = policy::expiry(asked, self.config.max_age);
        let record = EnvelopeRecord {
            facts,
            content,
            stored_at: self.now,
            expires_at: self.now.plus(keep),
            state: State::Stored,
            epoch: self.run.epoch,
            attempts: 0,
        };
        let due = Due::Expire {
            recipient: recipient.clone(),
            sequence,
        };
        self.txn
            .put(Table::Due, due.key(record.expires_at), Bytes::new());
        let key = keys::envelope(&recipient, sequence);
        self.txn.put_record(Table::Envelope, key, &record)?;
        let duplicate = false;
        Ok(Ok(Stored {
            sequence,
            duplicate,
        }))
    }

    /// Takes a message out of its mailbox for good. `None` if it is not there.
    pub(super) fn take(
        &mut self,
        recipient: &Address,
        sequence: u64,
        last: State,
        reason: &str,
    ) -> Result<Option<Taken>, StoreError> {
        let key = keys::envelope(recipient, sequence);
        let Some(record) = self.txn.record::<EnvelopeRecord>(Table::Envelope, &key)? else {
            return Ok(None);
        };
        self.txn.delete(Table::Envelope, key);
        let due = Due::Expire {
            recipient: recipient.clone(),
            sequence,
        };
        self.txn.delete(Table::Due, due.key(record.expires_at));
        let size = record.facts.size;
        let mut mailbox = mailbox(self.txn, recipient)?;
        mailbox.remove(size);
        if sequence == mailbox.head {
            // what was delivered lies between: an empty mailbox is known by its count
            mailbox.head = match mailbox.count {
                0 => mailbox.last + 1,
                _ => self
                    .head_after(recipient, sequence)?
                    .unwrap_or(sequence + 1),
            };
        }
        let key = keys::mailbox(recipient);
        self.txn.put_record(Table::Mailbox, key, &mailbox)?;
        self.count(|totals| {
            totals.messages = totals.messages.saturating_sub(1);
            totals.octets = totals.octets.saturating_sub(size);
        })?;
        let id = record.facts.message_id.clone();
        self.step(&id, recipient, last, reason.to_owned())?;
        self.forget_later(&id, recipient, &record.facts.sender);
        let leftover = self.remove_content(record.content, size);
        let envelope = record.into_envelope(sequence, self.run.epoch);
        Ok(Some(Taken { envelope, leftover }))
    }

    /// Moves a waiting message to another state. `None` if it is not there, or if the figure of
    /// the room lacks the transition: nothing that is on its way is offered or sent again.
    pub(super) fn turn(
        &mut self,
        recipient: &Address,
        sequence: u64,
        to: State,
        reason: &str,
    ) -> Result<Option<Envelope>, StoreError> {
        let key = keys::envelope(recipient, sequence);
        let Some(mut record) = self.txn.record::<EnvelopeRecord>(Table::Envelope, &key)? else {
            return Ok(None);
        };
        let from = record.state_in(self.run.epoch);
        let id = record.facts.message_id.clone();
        let is_drawn = match to {
            State::Offered => from == State::Stored,
            State::Transferring => from != State::Transferring,
            State::Stored => from != State::Stored,
            _ => false,
        };
        if !is_drawn {
            return Ok(None);
        }
        if from != record.state {
            let reason = "the server was restarted in between".to_owned();
            self.step(&id, recipient, State::Stored, reason)?;
        }
        self.step(&id, recipient, to, reason.to_owned())?;
        record.state = to;
        record.epoch = self.run.epoch;
        record.attempts += u32::from(to == State::Transferring);
        self.txn.put_record(Table::Envelope, key, &record)?;
        Ok(Some(record.into_envelope(sequence, self.run.epoch)))
    }

    /// Writes a step that changes nothing else, of a message that is not stored.
    pub(super) fn note(
        &mut self,
        facts: (&str, &Address, &Address),
        state: State,
        reason: String,
    ) -> Result<(), StoreError> {
        let (message_id, sender, recipient) = facts;
        self.step(message_id, recipient, state, reason)?;
        let known = keys::submitted(recipient, message_id, sender);
        // what is stored is forgotten when it is gone
        if self.txn.get(Table::Submitted, &known)?.is_none() {
            self.forget_later(message_id, recipient, sender);
        }
        Ok(())
    }

    fn head_after(&self, recipient: &Address, sequence: u64) -> Result<Option<u64>, StoreError> {
        let keys = self.txn.keys(Scan {
            table: Table::Envelope,
            from: &keys::envelope(recipient, sequence.saturating_add(1)),
            until: &keys::envelopes_end(recipient),
            limit: 1,
            reverse: false,
        })?;
        Ok(keys.first().and_then(|key| keys::sequence_of(key)))
    }

    fn forget_later(&mut self, message_id: &str, recipient: &Address, sender: &Address) {
        let due = Due::Forget {
            recipient: recipient.clone(),
            message_id: message_id.to_owned(),
            sender: sender.clone(),
        };
        let at = self.now.plus(self.config.remember);
        self.txn.put(Table::Due, due.key(at), Bytes::new());
    }

    fn count(&mut self, change: impl FnOnce(&mut Totals)) -> Result<(), StoreError> {
        let mut totals = totals(self.txn)?;
        change(&mut totals);
        self.txn.put_record(Table::Meta, TOTALS, &totals)
    }

    fn step(
        &mut self,
        message_id: &str,
        recipient: &Address,
        state: State,
        reason: String,
    ) -> Result<(), StoreError> {
        self.step_at(self.now, message_id, recipient, state, reason)
    }

    fn step_at(
        &mut self,
        at: Timestamp,
        message_id: &str,
        recipient: &Address,
        state: State,
        reason: String,
    ) -> Result<(), StoreError> {
        let step = Step {
            at,
            state,
            reason,
            recipient: recipient.clone(),
        };
        let number = self.run.steps.fetch_add(1, Ordering::Relaxed);
        trail::write(self.txn, message_id, &step, number)
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

fn check_room(mailbox: &MailboxRecord, size: u64, config: &Config) -> Result<(), Refusal> {
    let octets = config.max_octets.as_u64();
    let full = |limit, allowed| Err(Refusal::Full { limit, allowed });
    if mailbox.count >= config.max_messages {
        return full(Limit::Messages, config.max_messages);
    }
    if mailbox.octets.saturating_add(size) > octets {
        return full(Limit::Octets, octets);
    }
    Ok(())
}
