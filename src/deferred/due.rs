//! What must happen at a time: a message expires, or what was remembered of one is forgotten.
use super::{
    State,
    envelope::EnvelopeRecord,
    keys,
    ledger::{Ledger, Taken},
    trail,
};
use crate::{
    clock::Timestamp,
    identity::Address,
    store::{Readable, Records, Scan, StoreError, Table},
};
use bytes::Bytes;
use std::time::Duration;

/// An entry of the table `due`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The message expires if it still waits.
    Expire { recipient: Address, sequence: u64 },
    /// Submission and trail of a message that is gone are forgotten.
    Forget {
        recipient: Address,
        message_id: String,
        sender: Address,
    },
}

const EXPIRE: u8 = 1;
const FORGET: u8 = 2;

impl Due {
    /// time, kind, what.
    pub(super) fn key(&self, at: Timestamp) -> Bytes {
        let (kind, what) = match self {
            Self::Expire {
                recipient,
                sequence,
            } => (EXPIRE, keys::envelope(recipient, *sequence)),
            Self::Forget {
                recipient,
                message_id,
                sender,
            } => (FORGET, keys::submitted(recipient, message_id, sender)),
        };
        [&at.millis().to_be_bytes()[..], &[kind], &what]
            .concat()
            .into()
    }

    /// Reads a key back. `None` for one that no release wrote.
    pub(super) fn parse(key: &[u8]) -> Option<(Timestamp, Self)> {
        let (time, rest) = key.split_first_chunk::<8>()?;
        let at = Timestamp::from_millis(u64::from_be_bytes(*time));
        let (kind, what) = rest.split_first()?;
        let address = |octets: &[u8]| Address::parse(std::str::from_utf8(octets).ok()?).ok();
        let due = match *kind {
            EXPIRE => {
                let recipient = what.get(..what.len().checked_sub(9)?)?;
                Self::Expire {
                    recipient: address(recipient)?,
                    sequence: keys::sequence_of(what)?,
                }
            }
            FORGET => {
                let mut parts = what.split(|&octet| octet == 0);
                Self::Forget {
                    recipient: address(parts.next()?)?,
                    message_id: String::from_utf8(parts.next()?.to_vec()).ok()?,
                    sender: address(parts.next()?)?,
                }
            }
            _ => return None,
        };
        Some((at, due))
    }
}

/// How long a message that is on its way when its time is over may take to arrive.
const GRACE: Duration = Duration::from_secs(60);

impl Ledger<'_, '_> {
    /// Does what is due by the entries `keys`; what expired.
    pub(super) fn work_off(&mut self, keys: Vec<Bytes>) -> Result<Vec<Taken>, StoreError> {
        let mut expired = Vec::new();
        for key in keys {
            if self.txn.get(Table::Due, &key)?.is_none() {
                continue;
            }
            let due = Due::parse(&key);
            self.txn.delete(Table::Due, key);
            match due {
                Some((
                    at,
                    Due::Expire {
                        recipient,
                        sequence,
                    },
                )) => {
                    expired.extend(self.expire(&recipient, sequence, at)?);
                }
                Some((
                    _,
                    Due::Forget {
                        recipient,
                        message_id,
                        sender,
                    },
                )) => {
                    let submitted = keys::submitted(&recipient, &message_id, &sender);
                    self.txn.delete(Table::Submitted, submitted);
                    trail::forget(self.txn, &message_id, &recipient)?;
                }
                None => tracing::warn!("an unreadable due entry was removed"),
            }
        }
        Ok(expired)
    }

    fn expire(
        &mut self,
        recipient: &Address,
        sequence: u64,
        at: Timestamp,
    ) -> Result<Option<Taken>, StoreError> {
        let key = keys::envelope(recipient, sequence);
        let Some(mut record) = self.txn.record::<EnvelopeRecord>(Table::Envelope, &key)? else {
            return Ok(None);
        };
        let is_on_its_way = record.state_in(self.run.epoch) == State::Transferring;
        if is_on_its_way {
            record.expires_at = self.now.plus(GRACE);
            let due = Due::Expire {
                recipient: recipient.clone(),
                sequence,
            };
            self.txn
                .put(Table::Due, due.key(record.expires_at), Bytes::new());
            self.txn.put_record(Table::Envelope, key, &record)?;
            return Ok(None);
        }
        let reason = format!("its time was over at {at}");
        self.take(recipient, sequence, State::Expired, &reason)
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

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn entries_read_back_what_was_written() {
        let at = Timestamp::from_millis(1_700_000_000_123);
        for due in [
            Due::Expire {
                recipient: address("sip:bob@example.com"),
                sequence: 0x0001_0002_0003_0400,
            },
            Due::Forget {
                recipient: address("tel:+491701234567"),
                message_id: "id with spaces".to_owned(),
                sender: address("sip:alice@example.com"),
            },
        ] {
            assert_eq!(Due::parse(&due.key(at)), Some((at, due)));
        }
    }

    #[test]
    fn strange_keys_are_passed_over() {
        for key in [
            &b""[..],
            b"short",
            b"12345678",
            b"12345678\x01x",
            b"12345678\x09xxxxx",
        ] {
            assert_eq!(Due::parse(key), None);
        }
    }
}
