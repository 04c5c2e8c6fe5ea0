//! A message leaves its mailbox, or does not after all.
use super::{Ledger, Taken};
use crate::{
    clock::Timestamp,
    deferred::{
        Disposed, Envelope, State, due,
        history::{self, History, Passed},
        keys,
        mailbox::mailbox,
        record::{Body, EnvelopeRecord, Sharers},
    },
    identity::Address,
    store::{Readable, Records, Scan, StoreError, Table},
};
use std::{borrow::Cow, sync::Arc};

impl Ledger<'_, '_> {
    /// The message at a place of a mailbox. `None` if it is not there.
    pub(in crate::deferred) fn envelope(
        &self,
        (recipient, sequence): (&Address, u64),
    ) -> Result<Option<Envelope>, StoreError> {
        let key = keys::envelope(recipient, sequence);
        let found = self.txn.get(Table::Envelope, &key)?;
        let read = |octets| {
            EnvelopeRecord::read(&key, &octets, |_, _| {
                self.live.standing((recipient, sequence))
            })
        };
        found.map(read).transpose()
    }

    /// Takes a message out of its mailbox for good; it is held in the table of what is under way.
    /// False if it was taken out before.
    pub(in crate::deferred) fn take(
        &mut self,
        envelope: &Arc<Envelope>,
        last: State,
        reason: impl Into<Cow<'static, str>>,
    ) -> Result<bool, StoreError> {
        let (recipient, sequence) = (&envelope.facts.recipient, envelope.sequence);
        let Some(passed) = self.live.take((recipient, sequence)) else {
            return Ok(false);
        };
        let key = keys::envelope(recipient, sequence);
        self.txn.delete(Table::Envelope, key);
        let due = due::key(envelope.expires_at, recipient, sequence);
        self.txn.delete(Table::Due, due);
        self.leave(envelope)?;
        let size = envelope.facts.size;
        self.count(|totals| {
            totals.messages = totals.messages.saturating_sub(1);
            totals.octets = totals.octets.saturating_sub(size);
        })?;
        self.conclude(envelope, passed, Passed::new(self.now, last, reason))?;
        let leftover = match &envelope.body {
            Body::Inline(_) => None,
            Body::Pieces(id) => self.remove_content(*id, size),
            Body::Shared(id) => self.unshare(*id, size)?,
        };
        if matches!(last, State::Expired | State::Dropped) {
            self.notify(&envelope.facts, Disposed::Failed)?;
        }
        self.outcome.taken.push(Taken {
            envelope: envelope.clone(),
            last,
            leftover,
        });
        Ok(true)
    }

    /// Counts a message out of its mailbox.
    fn leave(&mut self, envelope: &Envelope) -> Result<(), StoreError> {
        let (recipient, sequence) = (&envelope.facts.recipient, envelope.sequence);
        let mut mailbox = mailbox(self.txn, recipient)?;
        if mailbox.remove(sequence, &envelope.facts)
            && let Some(head) = self.head_after(recipient, sequence)?
        {
            mailbox.head = head;
        }
        mailbox.calm_down();
        let key = keys::mailbox(recipient);
        self.txn.put_record(Table::Mailbox, key, &mailbox)?;
        self.changed(recipient, &mailbox, false, false);
        Ok(())
    }

    /// Writes down the whole life of a message that is over.
    fn conclude(
        &mut self,
        envelope: &Envelope,
        passed: Vec<Passed>,
        last: Passed,
    ) -> Result<(), StoreError> {
        let facts = &envelope.facts;
        let key = keys::history(&facts.recipient, &facts.message_id, &facts.sender);
        let past = match envelope.has_past || envelope.attempts > 1 {
            true => {
                history::read(self.txn, &key, self.now)?
                    .unwrap_or_default()
                    .steps
            }
            false => Vec::new(),
        };
        let mut history = History {
            sequence: Some(envelope.sequence),
            steps: Vec::with_capacity(4),
        };
        history.extend(envelope.first_steps());
        history.extend(past.into_iter().chain(passed).chain([last]));
        let forget = self.now.plus(self.config.remember);
        history::write(self.txn, key, &history, Some(forget))
    }

    /// Writes down that a transfer came to nothing. The message waits again.
    pub(in crate::deferred) fn put_back(
        &mut self,
        place: (&Address, u64),
        attempts: u32,
        passed: Vec<Passed>,
    ) -> Result<(), StoreError> {
        let key = keys::envelope(place.0, place.1);
        let Some(octets) = self.txn.get(Table::Envelope, &key)? else {
            return Ok(());
        };
        let mut record = EnvelopeRecord::decode(&octets)?;
        record.attempts = record.attempts.max(attempts);
        record.has_past = true;
        self.txn.put(Table::Envelope, key, record.encode()?);
        let facts = &record.facts;
        let key = keys::history(&facts.recipient, &facts.message_id, &facts.sender);
        let mut history = history::read(self.txn, &key, self.now)?.unwrap_or_default();
        history.sequence = Some(place.1);
        history.extend(passed);
        history::write(self.txn, key, &history, None)
    }

    /// Writes a step that changes nothing else, of a message that is not stored.
    pub(in crate::deferred) fn note(
        &mut self,
        (message_id, sender, recipient): (&str, &Address, &Address),
        state: State,
        reason: String,
    ) -> Result<(), StoreError> {
        let key = keys::history(recipient, message_id, sender);
        let mut history = history::read(self.txn, &key, self.now)?.unwrap_or_default();
        let step = self.step(state, reason);
        if let Some(sequence) = history.sequence {
            let place = (recipient, sequence);
            if self.envelope(place)?.is_some() {
                return self.put_back(place, 0, vec![step]);
            }
        }
        history.extend([step]);
        let forget = self.now.plus(self.config.remember);
        history::write(self.txn, key, &history, Some(forget))
    }

    /// Gives a message that is on its way when its time is over some more of it.
    pub(in crate::deferred) fn postpone(&mut self, place: (&Address, u64), until: Timestamp) {
        let due = due::key(until, place.0, place.1);
        self.txn.put(Table::Due, due, bytes::Bytes::new());
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

    /// One recipient less has a part in a content; the last one takes it away.
    fn unshare(
        &mut self,
        content: crate::deferred::ContentId,
        size: u64,
    ) -> Result<Option<crate::deferred::ContentId>, StoreError> {
        let key = keys::content(content);
        let sharers = self.txn.record::<Sharers>(Table::Shared, &key)?;
        let left = sharers.map_or(0, |Sharers(count)| count.saturating_sub(1));
        if left > 0 {
            self.txn.put_record(Table::Shared, key, &Sharers(left))?;
            return Ok(None);
        }
        self.txn.delete(Table::Shared, key);
        Ok(self.remove_content(content, size))
    }
}
