//! A walk over all mailboxes, page by page, that never costs much at a time: how many there are
//! with something in them, how full the fullest one is, and since when the oldest message waits.
use super::{keys, mailbox::MailboxRecord, record::EnvelopeRecord};
use crate::{
    clock::Timestamp,
    store::{Readable, Record, Scan, StoreError, Table},
};
use bytes::Bytes;

/// What was found so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Mailboxes in which something waits.
    pub(super) mailboxes: u64,
    /// Messages in the fullest one.
    pub(super) fullest: u64,
    /// Since when the oldest message waits.
    pub(super) oldest: Option<Timestamp>,
}

impl Found {
    /// Adds what was found on another page.
    pub(super) fn add(&mut self, other: Self) {
        self.mailboxes += other.mailboxes;
        self.fullest = self.fullest.max(other.fullest);
        let times = [self.oldest, other.oldest];
        self.oldest = times.into_iter().flatten().min();
    }
}

/// Looks at no more than `limit` mailboxes from the key `from` on: what was found, and where the
/// next page begins, if there is one.
pub(super) fn page(
    store: &(impl Readable + ?Sized),
    from: &[u8],
    limit: usize,
) -> Result<(Found, Option<Bytes>), StoreError> {
    let page = store.scan(Scan {
        table: Table::Mailbox,
        from,
        until: &[0xff],
        limit,
        reverse: false,
    })?;
    let last = page.last().filter(|_| page.len() == limit);
    let next = last.map(|(key, _)| [key, &[0][..]].concat().into());
    let mut found = Found::default();
    for (key, octets) in &page {
        // what a damaged disk has taken is passed over: it must not hide the rest
        let Ok(waiting) = MailboxRecord::decode(octets).map(|mailbox| mailbox.waiting()) else {
            continue;
        };
        let Some(head) = waiting.head else {
            continue;
        };
        let oldest = store.get(Table::Envelope, &keys::envelope_of(key, head));
        let oldest = oldest.ok().flatten();
        let oldest = oldest.and_then(|octets| EnvelopeRecord::decode(&octets).ok());
        found.add(Found {
            mailboxes: 1,
            fullest: waiting.count,
            oldest: oldest.map(|record| record.stored_at),
        });
    }
    Ok((found, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_add_up_to_the_fullest_and_the_oldest() {
        let at = Timestamp::from_millis;
        let mut round = Found::default();
        for (fullest, oldest) in [(3, Some(at(50))), (9, None), (1, Some(at(7)))] {
            round.add(Found {
                mailboxes: 2,
                fullest,
                oldest,
            });
        }
        let expected = Found {
            mailboxes: 6,
            fullest: 9,
            oldest: Some(at(7)),
        };
        assert_eq!(round, expected);
    }
}
