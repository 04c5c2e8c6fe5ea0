//! What must happen at a time: a message expires. An entry may outlive its message; then it says
//! nothing.
use super::{State, keys, ledger::Ledger};
use crate::{
    clock::Timestamp,
    identity::Address,
    store::{Readable, Scan, StoreError, Table},
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

const EXPIRE: u8 = 1;

/// time, kind, recipient, sequence.
pub(super) fn key(at: Timestamp, recipient: &Address, sequence: u64) -> Bytes {
    let what = keys::envelope(recipient, sequence);
    [&at.millis().to_be_bytes()[..], &[EXPIRE], &what]
        .concat()
        .into()
}

/// Reads a key back: when, and the place of the message. `None` for another kind.
pub(super) fn parse(key: &[u8]) -> Option<(Timestamp, Address, u64)> {
    let (time, rest) = key.split_first_chunk::<8>()?;
    let at = Timestamp::from_millis(u64::from_be_bytes(*time));
    let what = rest.strip_prefix(&[EXPIRE])?;
    let recipient = what.get(..what.len().checked_sub(9)?)?;
    let recipient = Address::parse(std::str::from_utf8(recipient).ok()?).ok()?;
    Some((at, recipient, keys::sequence_of(what)?))
}

/// How long a message that is on its way when its time is over may take to arrive.
const GRACE: Duration = Duration::from_secs(60);

/// When a message that could not be read is tried again.
const DAMAGED_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

impl Ledger<'_, '_> {
    /// Expires what is due by the entries `keys`; each of them is held in the table of what is
    /// under way.
    pub(super) fn work_off(&mut self, keys: Vec<Bytes>) -> Result<(), StoreError> {
        for key in keys {
            let due = parse(&key);
            self.txn.delete(Table::Due, key);
            if let Some((at, recipient, sequence)) = due {
                self.expire((&recipient, sequence), at)?;
            }
        }
        Ok(())
    }

    fn expire(&mut self, place: (&Address, u64), at: Timestamp) -> Result<(), StoreError> {
        if self.live.is_busy(place) {
            self.postpone(place, self.now.plus(GRACE));
            return Ok(());
        }
        let envelope = match self.envelope(place) {
            Ok(Some(envelope)) => envelope,
            Ok(None) => return Ok(()),
            Err(error) => {
                // one that a damaged disk has taken must not keep the others from expiring
                let (recipient, sequence) = place;
                tracing::error!(%recipient, sequence, %error, "a message cannot be read to expire");
                self.postpone(place, self.now.plus(DAMAGED_AGAIN));
                return Ok(());
            }
        };
        let reason = format!("its time was over at {at}");
        self.take(&Arc::new(envelope), State::Expired, reason)?;
        Ok(())
    }
}

/// Entries due from `since` to `now`, oldest first.
pub(super) fn due(
    store: &(impl Readable + ?Sized),
    (since, now): (Timestamp, Timestamp),
    limit: usize,
) -> Result<Vec<Bytes>, StoreError> {
    let until = now.plus(Duration::from_millis(1)).millis();
    store.keys(Scan {
        table: Table::Due,
        from: &since.millis().to_be_bytes(),
        until: &until.to_be_bytes(),
        limit,
        reverse: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_sort_by_time_and_are_read_back() {
        let bob = Address::parse("sip:bob@example.com").unwrap();
        let at = Timestamp::from_millis;
        let (early, late) = (key(at(5), &bob, 700), key(at(256), &bob, 1));
        assert!(early < late);
        assert_eq!(parse(&early), Some((at(5), bob, 700)));
        assert_eq!(parse(&early[..12]), None);
        assert_eq!(parse(&[0, 0, 0, 0, 0, 0, 0, 5, 2, b'x']), None);
    }
}
