use super::keys;
use crate::{
    identity::Address,
    store::{Readable, Record, Records, Scan, StoreError, Table},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What waits for one receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Messages.
    pub count: u64,
    /// Octets of their contents.
    pub octets: u64,
    /// Sequence of the oldest message.
    pub head: Option<u64>,
}

/// What waits in all mailboxes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Messages.
    pub messages: u64,
    /// Octets of their contents.
    pub octets: u64,
}

impl Record for Totals {
    const VERSION: u8 = 1;
}

/// The counters of a mailbox, written with every change of it. It stays when the mailbox is
/// empty, so that no sequence is given twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MailboxRecord {
    /// Sequence of the next message, minus one.
    pub(super) last: u64,
    /// No message has a lower sequence.
    pub(super) head: u64,
    pub(super) count: u64,
    pub(super) octets: u64,
}

impl Record for MailboxRecord {
    const VERSION: u8 = 1;
}

impl MailboxRecord {
    pub(super) fn waiting(&self) -> Waiting {
        Waiting {
            count: self.count,
            octets: self.octets,
            head: (self.count > 0).then_some(self.head),
        }
    }

    /// Takes in a message; its sequence.
    pub(super) fn add(&mut self, octets: u64) -> u64 {
        self.last += 1;
        if self.count == 0 {
            self.head = self.last;
        }
        self.count += 1;
        self.octets += octets;
        self.last
    }

    /// Lets a message go. The caller moves the head on if this was it.
    pub(super) fn remove(&mut self, octets: u64) {
        self.count = self.count.saturating_sub(1);
        self.octets = self.octets.saturating_sub(octets);
    }
}

/// The first submission of a message, kept for as long as a repetition must be recognised.
#[derive(Serialize, Deserialize)]
pub(super) struct Submitted {
    pub(super) sequence: u64,
}

impl Record for Submitted {
    const VERSION: u8 = 1;
}

pub(super) const TOTALS: &[u8] = b"deferred/totals";

/// What waits in all mailboxes.
pub(super) fn totals(store: &(impl Readable + ?Sized)) -> Result<Totals, StoreError> {
    Ok(store.record(Table::Meta, TOTALS)?.unwrap_or_default())
}

/// The counters of one mailbox.
pub(super) fn mailbox(
    store: &(impl Readable + ?Sized),
    recipient: &Address,
) -> Result<MailboxRecord, StoreError> {
    let key = keys::mailbox(recipient);
    Ok(store.record(Table::Mailbox, &key)?.unwrap_or_default())
}

/// Sequences of the submissions with `message_id` to `recipient`, by any sender.
pub(super) fn submissions(
    store: &(impl Readable + ?Sized),
    recipient: &Address,
    message_id: &str,
) -> Result<Vec<u64>, StoreError> {
    let (from, until) = keys::submitted_range(recipient, message_id);
    let found = store.scan(Scan {
        table: Table::Submitted,
        from: &from,
        until: &until,
        limit: 100,
        reverse: false,
    })?;
    let sequence = |(_, octets): &(Bytes, Bytes)| Ok(Submitted::decode(octets)?.sequence);
    found.iter().map(sequence).collect()
}
