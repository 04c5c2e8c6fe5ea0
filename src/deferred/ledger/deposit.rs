//! A complete message goes into its mailbox.
use super::{Ledger, room::Room};
use crate::{
    clock::Timestamp,
    deferred::{
        Class, Disposed, Envelope, Facts, Refusal, State, Stored,
        content::ContentId,
        due,
        history::{self, History},
        keys,
        record::{Body, EnvelopeRecord, Sharers},
    },
    policy,
    store::{StoreError, Table},
};
use bytes::Bytes;
use std::sync::Arc;

/// A complete message, with all that can be worked out before the transaction.
pub(in crate::deferred) struct Arrival {
    record: EnvelopeRecord,
    octets: Option<Bytes>,
    history: Bytes,
    class: Arc<Class>,
}

/// What a deposit did.
pub(in crate::deferred) struct Deposited {
    pub(in crate::deferred) stored: Stored,
}

impl Arrival {
    /// A message whose content stands with its envelope.
    pub(in crate::deferred) fn new(
        facts: Facts,
        content: Bytes,
        now: Timestamp,
        class: &Arc<Class>,
    ) -> Self {
        Self::with(facts, Body::Inline(content), (now, now), class)
    }

    /// A message whose octets are at `body`, and began to come at the first of `times`; the
    /// second is now.
    pub(in crate::deferred) fn with(
        facts: Facts,
        body: Body,
        (started, now): (Timestamp, Timestamp),
        class: &Arc<Class>,
    ) -> Self {
        let asked = facts.expires.map(|expires| expires.since(now));
        let keep = policy::expiry(asked, class.max_age);
        let history = keys::history(&facts.recipient, &facts.message_id, &facts.sender);
        let record = EnvelopeRecord {
            facts,
            body,
            started,
            stored_at: now,
            expires_at: now.plus(keep),
            attempts: 0,
            has_past: false,
        };
        Self {
            // encoded where it is made, not on the one thread that commits
            octets: record.encode().ok(),
            record,
            history,
            class: class.clone(),
        }
    }

    /// Takes another place for the octets of the content.
    pub(in crate::deferred) fn set_body(&mut self, body: Body) {
        self.record.body = body;
        self.octets = None;
    }
}

impl Ledger<'_, '_> {
    /// Puts a complete message into its mailbox. Nothing is written if it is refused or known.
    pub(in crate::deferred) fn deposit(
        &mut self,
        arrival: Arrival,
    ) -> Result<Result<Deposited, Refusal>, StoreError> {
        let Arrival {
            mut record,
            octets,
            history: key,
            class,
        } = arrival;
        let known = history::read(self.txn, &key, self.now)?.unwrap_or_default();
        if let Some(sequence) = known.sequence {
            let duplicate = true;
            let stored = Stored {
                sequence,
                duplicate,
            };
            return Ok(Ok(Deposited { stored }));
        }
        let recipient = record.facts.recipient.clone();
        let mut mailbox = match self.make_room(&record.facts, &class)? {
            Room::There(mailbox) => mailbox,
            Room::Refused(refusal) => return Ok(Err(refusal)),
        };
        let sequence = mailbox.add(&record.facts);
        let warn = class.crosses(&mut mailbox);
        self.txn
            .put_record(Table::Mailbox, keys::mailbox(&recipient), &mailbox)?;
        let size = record.facts.size;
        self.count(|totals| {
            totals.messages += 1;
            totals.octets += size;
        })?;
        record.has_past = !known.steps.is_empty();
        let octets = octets.filter(|_| !record.has_past);
        let octets = octets.map_or_else(|| record.encode(), Ok)?;
        self.txn.put(
            Table::Envelope,
            keys::envelope(&recipient, sequence),
            octets,
        );
        let due = due::key(record.expires_at, &recipient, sequence);
        self.txn.put(Table::Due, due, Bytes::new());
        let history = History {
            sequence: Some(sequence),
            steps: known.steps,
        };
        history::write(self.txn, key, &history, None)?;
        self.changed(&recipient, &mailbox, true, warn);
        let envelope = record.into_envelope(sequence, None);
        self.notify(&envelope.facts, Disposed::Stored)?;
        let duplicate = false;
        let stored = Stored {
            sequence,
            duplicate,
        };
        Ok(Ok(Deposited { stored }))
    }

    /// Puts the same message into the mailboxes of several, its content kept once for all.
    pub(in crate::deferred) fn deposit_shared(
        &mut self,
        arrivals: Vec<Arrival>,
        content: ContentId,
    ) -> Result<Vec<Result<Stored, Refusal>>, StoreError> {
        let mut outcomes = Vec::with_capacity(arrivals.len());
        let mut sharers = 0;
        for mut arrival in arrivals {
            arrival.set_body(Body::Shared(content));
            let outcome = self.deposit(arrival)?.map(|deposited| deposited.stored);
            sharers += u32::from(matches!(&outcome, Ok(stored) if !stored.duplicate));
            outcomes.push(outcome);
        }
        if sharers > 0 {
            let sharers = Sharers(sharers);
            self.txn
                .put_record(Table::Shared, keys::content(content), &sharers)?;
        }
        Ok(outcomes)
    }
}

impl Envelope {
    /// The steps that stand with the message while it waits.
    pub(in crate::deferred) fn first_steps(&self) -> [history::Passed; 2] {
        let facts = &self.facts;
        let came = format!("{} sends it by {}", facts.sender, facts.mode);
        let kept = format!("{} octets on disk", facts.size);
        [
            history::Passed::new(self.started, State::Receiving, came),
            history::Passed::new(self.stored_at, State::Stored, kept),
        ]
    }
}
