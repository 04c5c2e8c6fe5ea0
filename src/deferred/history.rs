//! What is known of a message by its id: that it was submitted, and every step of its life. It
//! outlives the message, so that a repeated submission is recognised and an operator can read
//! what became of it, until its time is over.
use super::{State, keys};
use crate::{
    clock::Timestamp,
    identity::Address,
    store::{Readable, Record, RecordError, Scan, StoreError, Table, Txn},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// One step in the life of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What it became.
    pub state: State,
    /// Why, for an operator to read.
    pub reason: String,
    /// For whom.
    pub recipient: Address,
}

/// One step, as it is kept with its message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Passed {
    pub(super) at: Timestamp,
    pub(super) state: State,
    pub(super) reason: Cow<'static, str>,
}

impl Passed {
    pub(super) fn new(at: Timestamp, state: State, reason: impl Into<Cow<'static, str>>) -> Self {
        let reason = reason.into();
        Self { at, state, reason }
    }
}

/// What is kept of one message to one recipient. The steps of receiving and storing stand with
/// the message itself while it waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct History {
    /// Its place in the mailbox; `None` if it was never stored.
    pub(super) sequence: Option<u64>,
    pub(super) steps: Vec<Passed>,
}

impl Record for History {
    const VERSION: u8 = 1;
}

/// Most steps kept of one message; of more, those in the middle go.
const MAX_STEPS: usize = 64;
/// Most messages read under one id.
const MAX_FOUND: usize = 1000;
/// Octets in front of the record: when it may be forgotten, in milliseconds.
const MOMENT: usize = 8;
/// The moment that never comes: the message still waits.
const NEVER: Timestamp = Timestamp::from_millis(u64::MAX);

impl History {
    /// Adds steps, and lets go of those in the middle where there are too many.
    pub(super) fn extend(&mut self, steps: impl IntoIterator<Item = Passed>) {
        self.steps.extend(steps);
        if let Some(surplus) = self.steps.len().checked_sub(MAX_STEPS) {
            self.steps.drain(MAX_STEPS / 2..MAX_STEPS / 2 + surplus);
        }
    }

    fn encode_until(&self, forget: Timestamp) -> Result<Bytes, RecordError> {
        let record = self.encode()?;
        let mut octets = Vec::with_capacity(MOMENT + record.len());
        octets.extend_from_slice(&forget.millis().to_be_bytes());
        octets.extend_from_slice(&record);
        Ok(octets.into())
    }

    fn decode_at(octets: &[u8], now: Timestamp) -> Result<Option<Self>, RecordError> {
        let Some((moment, record)) = octets.split_first_chunk::<MOMENT>() else {
            return Err(RecordError::Empty { kind: "History" });
        };
        let forget = Timestamp::from_millis(u64::from_be_bytes(*moment));
        match forget > now {
            true => Self::decode(record).map(Some),
            // past, and not removed from the disk yet
            false => Ok(None),
        }
    }
}

/// Writes what is to be known of a message: for ever while it waits, else until `forget`.
pub(super) fn write(
    txn: &mut Txn<'_>,
    key: Bytes,
    history: &History,
    forget: Option<Timestamp>,
) -> Result<(), StoreError> {
    let octets = history.encode_until(forget.unwrap_or(NEVER))?;
    txn.put(Table::History, key, octets);
    Ok(())
}

/// What is known of one message to one recipient.
pub(super) fn read(
    store: &(impl Readable + ?Sized),
    key: &[u8],
    now: Timestamp,
) -> Result<Option<History>, StoreError> {
    match store.get(Table::History, key)? {
        Some(octets) => Ok(History::decode_at(&octets, now)?),
        None => Ok(None),
    }
}

/// What is known of all messages with this id, to all recipients or to one.
pub(super) fn find(
    store: &(impl Readable + ?Sized),
    message_id: &str,
    recipient: Option<&Address>,
    now: Timestamp,
) -> Result<Vec<(Address, History)>, StoreError> {
    let (from, until) = keys::histories(message_id, recipient);
    let found = store.scan(Scan {
        table: Table::History,
        from: &from,
        until: &until,
        limit: MAX_FOUND,
        reverse: false,
    })?;
    let mut histories = Vec::with_capacity(found.len());
    for (key, octets) in found {
        let history = History::decode_at(&octets, now)?;
        if let (Some(recipient), Some(history)) = (keys::recipient_of(&key), history) {
            histories.push((recipient, history));
        }
    }
    Ok(histories)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn history_is_known_until_its_moment_and_for_ever_while_the_message_waits() {
        let history = History {
            sequence: Some(7),
            steps: vec![Passed::new(at(5), State::Confirmed, "200")],
        };
        let octets = history.encode_until(at(100)).unwrap();
        assert_eq!(
            History::decode_at(&octets, at(99)).unwrap(),
            Some(history.clone())
        );
        assert_eq!(History::decode_at(&octets, at(100)).unwrap(), None);
        assert_eq!(octets[..8], 100_u64.to_be_bytes());
        let waiting = history.encode_until(NEVER).unwrap();
        assert!(History::decode_at(&waiting, at(1 << 60)).unwrap().is_some());
        assert!(History::decode_at(&octets[..7], at(1)).is_err());
    }

    #[test]
    fn long_life_keeps_its_beginning_and_its_end() {
        let mut history = History::default();
        let step = |n| Passed::new(at(n), State::Stored, "");
        history.extend((0..200).map(step));
        assert_eq!(history.steps.len(), 64);
        assert_eq!(history.steps[31].at, at(31));
        assert_eq!(history.steps[32].at, at(168));
        assert_eq!(history.steps[63].at, at(199));
    }
}
