//! What must happen at a time: a message expires, or what was remembered of one is forgotten.
use super::keys;
use crate::{clock::Timestamp, identity::Address};
use bytes::Bytes;

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
