//! Keys: numbers are big-endian, so that byte order is their order. A zero octet ends a text,
//! and no address or message id holds one.
use super::ContentId;
use crate::identity::Address;
use bytes::Bytes;

fn join(parts: &[&[u8]]) -> Bytes {
    parts.concat().into()
}

/// recipient, sequence.
pub(super) fn envelope(recipient: &Address, sequence: u64) -> Bytes {
    join(&[recipient.as_str().as_bytes(), &[0], &sequence.to_be_bytes()])
}

/// recipient, sequence, where the recipient is known by the key of its mailbox.
pub(super) fn envelope_of(mailbox: &[u8], sequence: u64) -> Bytes {
    join(&[mailbox, &[0], &sequence.to_be_bytes()])
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

/// message id, recipient, sender.
pub(super) fn history(recipient: &Address, message_id: &str, sender: &Address) -> Bytes {
    join(&[
        message_id.as_bytes(),
        &[0],
        recipient.as_str().as_bytes(),
        &[0],
        sender.as_str().as_bytes(),
    ])
}

/// All messages with one id, to all recipients or to one: first key, and behind the last.
pub(super) fn histories(message_id: &str, recipient: Option<&Address>) -> (Bytes, Bytes) {
    let id = message_id.as_bytes();
    let end = |octet: u8| match recipient {
        Some(recipient) => join(&[id, &[0], recipient.as_str().as_bytes(), &[octet]]),
        None => join(&[id, &[octet]]),
    };
    (end(0), end(1))
}

/// The recipient in the key of a history.
pub(super) fn recipient_of(key: &[u8]) -> Option<Address> {
    let recipient = key.split(|&octet| octet == 0).nth(1)?;
    Address::parse(std::str::from_utf8(recipient).ok()?).ok()
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
    fn histories_of_a_message_do_not_hold_those_of_a_longer_id() {
        let alice = Address::parse("sip:alice@example.com").unwrap();
        let (from, until) = histories("id", None);
        let key = history(&bob(), "id", &alice);
        assert!((&from..&until).contains(&&key));
        assert!(!(&from..&until).contains(&&history(&bob(), "id2", &alice)));
        let (from, until) = histories("id", Some(&alice));
        assert!(!(&from..&until).contains(&&key));
        assert_eq!(recipient_of(&key), Some(bob()));
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
