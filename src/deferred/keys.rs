//! Keys: numbers are big-endian, so that byte order is their order. A zero octet ends a text,
//! and no address or message id holds one.
use super::ContentId;
use crate::{clock::Timestamp, identity::Address};
use bytes::Bytes;

fn join(parts: &[&[u8]]) -> Bytes {
    parts.concat().into()
}

/// recipient, sequence.
pub(super) fn envelope(recipient: &Address, sequence: u64) -> Bytes {
    join(&[recipient.as_str().as_bytes(), &[0], &sequence.to_be_bytes()])
}

/// Behind the last envelope of a mailbox.
pub(super) fn envelopes_end(recipient: &Address) -> Bytes {
    join(&[recipient.as_str().as_bytes(), &[1]])
}

/// The sequence at the end of an envelope's key.
pub(super) fn sequence_of(key: &[u8]) -> Option<u64> {
    let octets = key.last_chunk::<8>()?;
    Some(u64::from_be_bytes(*octets))
}

/// recipient.
pub(super) fn mailbox(recipient: &Address) -> Bytes {
    join(&[recipient.as_str().as_bytes()])
}

/// recipient, message id, sender.
pub(super) fn submitted(recipient: &Address, message_id: &str, sender: &Address) -> Bytes {
    join(&[
        recipient.as_str().as_bytes(),
        &[0],
        message_id.as_bytes(),
        &[0],
        sender.as_str().as_bytes(),
    ])
}

/// All senders of one message id to one recipient: first key, and behind the last.
pub(super) fn submitted_range(recipient: &Address, message_id: &str) -> (Bytes, Bytes) {
    let recipient = recipient.as_str().as_bytes();
    let end = |octet: u8| join(&[recipient, &[0], message_id.as_bytes(), &[octet]]);
    (end(0), end(1))
}

/// content id, piece.
pub(super) fn piece(content: ContentId, index: u32) -> Bytes {
    join(&[&content.0.to_be_bytes(), &index.to_be_bytes()])
}

/// Behind the last piece of a content.
pub(super) fn pieces_end(content: ContentId) -> Bytes {
    join(&[&(content.0.saturating_add(1)).to_be_bytes()])
}

/// content id.
pub(super) fn content(content: ContentId) -> Bytes {
    join(&[&content.0.to_be_bytes()])
}

/// The content id a key starts with.
pub(super) fn content_of(key: &[u8]) -> Option<ContentId> {
    let octets = key.first_chunk::<8>()?;
    Some(ContentId(u64::from_be_bytes(*octets)))
}

/// message id, time, step.
pub(super) fn step(message_id: &str, at: Timestamp, number: u64) -> Bytes {
    join(&[
        message_id.as_bytes(),
        &[0],
        &at.millis().to_be_bytes(),
        &number.to_be_bytes(),
    ])
}

/// All steps of a message id: first key, and behind the last.
pub(super) fn steps(message_id: &str) -> (Bytes, Bytes) {
    let end = |octet: u8| join(&[message_id.as_bytes(), &[octet]]);
    (end(0), end(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bob() -> Address {
        Address::parse("sip:bob@example.com").unwrap()
    }

    #[test]
    fn envelopes_of_a_mailbox_sort_by_sequence_and_end_before_the_next() {
        let longer = Address::parse("sip:bob@example.com.au").unwrap();
        let mut keys = vec![
            envelopes_end(&bob()),
            envelope(&bob(), 256),
            envelope(&longer, 1),
            envelope(&bob(), 1),
        ];
        let expected = [3, 1, 0, 2].map(|n| keys[n].clone());
        keys.sort();
        assert_eq!(keys, expected);
        assert_eq!(sequence_of(&envelope(&bob(), 256)), Some(256));
    }

    #[test]
    fn steps_of_a_message_do_not_hold_those_of_a_longer_id() {
        let (from, until) = steps("id");
        let (at, later) = (Timestamp::from_millis(5), Timestamp::from_millis(6));
        assert!((&from..&until).contains(&&step("id", at, 0)));
        assert!(!(&from..&until).contains(&&step("id2", at, 0)));
        assert!(step("id", at, 9) < step("id", later, 0));
    }

    #[test]
    fn pieces_of_a_content_sort_by_index() {
        let id = ContentId(7);
        assert!(piece(id, 1) < piece(id, 256));
        assert!(piece(id, u32::MAX) < pieces_end(id));
        assert!(piece(ContentId(8), 0) > pieces_end(id));
        assert_eq!(content_of(&piece(id, 3)), Some(id));
    }
}
