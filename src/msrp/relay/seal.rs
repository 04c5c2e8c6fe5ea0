//! Session ids that prove by themselves that this relay granted them, to whom, and until when.
use super::KeyRing;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use std::fmt;

/// Twelve octets nobody can predict: they make a URI unguessable (RFC 4976 §6.3 wants eight)
/// and are the nonce of its seal, so they are never used twice.
pub type TicketId = [u8; 12];

/// What a granted URI says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// What tells it from all others.
    pub id: TicketId,
    /// Whom it was granted to, as a hash.
    pub owner: u64,
    /// When it ends, however often it is refreshed. Unit: seconds since the Unix epoch.
    pub not_after: u64,
}

/// Seals tickets into session ids and opens them again.
///
/// Shape: two hex digits of the shard, then base64url of key number (1), id (12), owner (8) and
/// end (5) encrypted, tag (16); ChaCha20-Poly1305 with the id as nonce and the shard's digits as
/// associated data. All letters are `unreserved`, all ids equally long.
pub struct Sealer {
    keys: Vec<(u8, LessSafeKey)>,
}

/// Why a session id is no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It has another shape: it is none of the relay's.
    #[error("not a session id of the relay")]
    NotSealed,
    /// Its key is not on the ring any more, or never was.
    #[error("sealed with a key that is not known")]
    UnknownKey,
    /// The seal is broken.
    #[error("not sealed by this relay")]
    Forged,
    /// Its end has come.
    #[error("ended")]
    Expired,
}

impl SealError {
    /// Label value for metrics: one short word per variant.
    pub fn kind(self) -> &'static str {
        match self {
            Self::NotSealed => "not_sealed",
            Self::UnknownKey => "unknown_key",
            Self::Forged => "forged",
            Self::Expired => "expired",
        }
    }
}

const ID: usize = 12;
const OWNER: usize = 8;
/// Octets of the end: enough for 34 000 years.
const END: usize = 5;
const TAG: usize = 16;
const OCTETS: usize = 1 + ID + OWNER + END + TAG;
const SHARD_DIGITS: usize = 2;

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<u8> = self.keys.iter().map(|(number, _)| *number).collect();
        f.debug_struct("Sealer").field("keys", &numbers).finish()
    }
}

impl Sealer {
    /// Letters of a sealed session id.
    pub const LENGTH: usize = SHARD_DIGITS + OCTETS.div_ceil(3) * 4;

    /// Seals with the first key of `ring`, opens with all of them.
    pub fn new(ring: &KeyRing) -> Self {
        let keys = ring.keys().iter().map(|key| {
            let unbound = UnboundKey::new(&CHACHA20_POLY1305, &key.secret);
            let unbound = unbound.expect("the cipher takes keys of 32 octets");
            (key.number, LessSafeKey::new(unbound))
        });
        Self {
            keys: keys.collect(),
        }
    }

    /// Whether `session_id` has the shape of a sealed one. Costs nothing, proves nothing.
    pub fn is_sealed(session_id: &[u8]) -> bool {
        session_id.len() == Self::LENGTH
    }

    /// The session id of `ticket`, for a URI of `shard`.
    pub fn seal(&self, shard: usize, ticket: &Ticket) -> String {
        let (number, key) = &self.keys[0];
        let digits = format!("{:02x}", shard & 0xff);
        let mut octets = [0; OCTETS];
        octets[0] = *number;
        octets[1..1 + ID].copy_from_slice(&ticket.id);
        let (body, tag_place) = octets[1 + ID..].split_at_mut(OWNER + END);
        body[..OWNER].copy_from_slice(&ticket.owner.to_be_bytes());
        let end = ticket.not_after.min((1 << (8 * END)) - 1).to_be_bytes();
        body[OWNER..].copy_from_slice(&end[end.len() - END..]);
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(ticket.id),
                Aad::from(digits.as_bytes()),
                body,
            )
            .expect("13 octets are not too many for the cipher");
        tag_place.copy_from_slice(tag.as_ref());
        let mut text = digits;
        URL_SAFE_NO_PAD.encode_string(octets, &mut text);
        text
    }

    /// The ticket in `session_id`, at `now` (seconds since the Unix epoch).
    ///
    /// Errors: as [`SealError`] names them.
    pub fn open(&self, session_id: &[u8], now: u64) -> Result<Ticket, SealError> {
        if !Self::is_sealed(session_id) {
            return Err(SealError::NotSealed);
        }
        let (digits, text) = session_id.split_at(SHARD_DIGITS);
        let mut octets = [0; OCTETS];
        if URL_SAFE_NO_PAD.decode_slice(text, &mut octets) != Ok(OCTETS) {
            return Err(SealError::NotSealed);
        }
        let mut keys = self.keys.iter();
        let (_, key) = keys
            .find(|(number, _)| *number == octets[0])
            .ok_or(SealError::UnknownKey)?;
        let mut id = [0; ID];
        id.copy_from_slice(&octets[1..1 + ID]);
        let nonce = Nonce::assume_unique_for_key(id);
        let sealed = &mut octets[1 + ID..];
        let body = key
            .open_in_place(nonce, Aad::from(digits), sealed)
            .map_err(|_| SealError::Forged)?;
        let ticket = Ticket {
            id,
            owner: number(&body[..OWNER]),
            not_after: number(&body[OWNER..]),
        };
        match now < ticket.not_after {
            true => Ok(ticket),
            false => Err(SealError::Expired),
        }
    }
}

fn number(octets: &[u8]) -> u64 {
    octets
        .iter()
        .fold(0, |number, octet| (number << 8) | u64::from(*octet))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Timestamp, msrp::Uri};
    use proptest::prelude::*;
    use std::time::Duration;

    const NOW: u64 = 1_700_000_000;

    fn ring() -> KeyRing {
        KeyRing::new([7; 32], Timestamp::from_millis(NOW * 1000))
    }

    fn ticket() -> Ticket {
        Ticket {
            id: *b"never again!",
            owner: 0x0123_4567_89ab_cdef,
            not_after: NOW + 60,
        }
    }

    #[test]
    fn sealed_ticket_opens_until_its_end() {
        let sealer = Sealer::new(&ring());
        let id = sealer.seal(0x1f, &ticket());
        assert!(id.starts_with("1f") && id.len() == Sealer::LENGTH, "{id}");
        assert_eq!(sealer.open(id.as_bytes(), NOW + 59), Ok(ticket()));
        assert_eq!(
            sealer.open(id.as_bytes(), NOW + 60),
            Err(SealError::Expired)
        );
    }

    #[test]
    fn sealed_id_stands_in_a_uri_as_it_is() {
        let id = Sealer::new(&ring()).seal(3, &ticket());
        let unreserved = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
        assert!(id.bytes().all(unreserved), "{id}");
        let uri = Uri::build(true, "relay.example.com:2855", &id, "tcp").unwrap();
        assert_eq!(uri.session_id(), Some(id.as_str()));
    }

    #[test]
    fn old_key_opens_what_it_sealed_as_long_as_it_is_on_the_ring() {
        let mut ring = ring();
        let id = Sealer::new(&ring).seal(0, &ticket());
        let day = Duration::from_secs(24 * 3600);
        ring.rotate([8; 32], Timestamp::from_millis(NOW * 1000), day);
        let rotated = Sealer::new(&ring);
        assert_eq!(rotated.open(id.as_bytes(), NOW), Ok(ticket()));
        assert_ne!(rotated.seal(0, &ticket()), id);

        let long_after = Timestamp::from_millis(NOW * 1000).plus(day * 2);
        ring.rotate([9; 32], long_after, day);
        assert_eq!(
            Sealer::new(&ring).open(id.as_bytes(), NOW),
            Err(SealError::UnknownKey)
        );
    }

    #[test]
    fn key_of_another_relay_opens_nothing() {
        let id = Sealer::new(&ring()).seal(0, &ticket());
        let other = Sealer::new(&KeyRing::new([8; 32], Timestamp::EPOCH));
        assert_eq!(other.open(id.as_bytes(), NOW), Err(SealError::Forged));
    }

    #[test]
    fn any_changed_letter_is_noticed() {
        let sealer = Sealer::new(&ring());
        let id = sealer.seal(0xa, &ticket());
        for at in 0..id.len() {
            let mut changed = id.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let outcome = sealer.open(&changed, NOW);
            assert!(
                matches!(outcome, Err(SealError::Forged | SealError::UnknownKey)),
                "letter {at}: {outcome:?}"
            );
        }
    }

    #[test]
    fn ids_of_sessions_are_not_mistaken_for_tickets() {
        let sealer = Sealer::new(&ring());
        let whole = sealer.seal(0, &ticket());
        let foreign = format!("00{}", "=".repeat(Sealer::LENGTH - 2));
        for id in ["", "00ab", "jui787s2f", &whole[1..], &foreign] {
            assert_eq!(sealer.open(id.as_bytes(), NOW), Err(SealError::NotSealed));
        }
    }

    #[test]
    fn end_far_away_does_not_come_round_again() {
        let sealer = Sealer::new(&ring());
        let endless = Ticket {
            not_after: u64::MAX,
            ..ticket()
        };
        let id = sealer.seal(0, &endless);
        let opened = sealer.open(id.as_bytes(), NOW).unwrap();
        assert!(opened.not_after > NOW * 100);
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_opened(
            shard in 0usize..256, id in any::<[u8; 12]>(), owner in any::<u64>(),
            left in 1u64..1_000_000_000,
        ) {
            let sealer = Sealer::new(&ring());
            let ticket = Ticket { id, owner, not_after: NOW + left };
            let text = sealer.seal(shard, &ticket);
            prop_assert_eq!(sealer.open(text.as_bytes(), NOW), Ok(ticket));
        }

        #[test]
        fn garbage_never_panics(octets in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(Sealer::new(&ring()).open(&octets, NOW).is_err());
        }
    }
}
