//! The keys that seal the relay's URIs, and the text in which they are kept.
use crate::clock::Timestamp;
use std::{fmt, time::Duration};

/// One key. Its number stands in what it sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Tells it from the other keys of the ring.
    pub number: u8,
    /// When it was made.
    pub made: Timestamp,
    pub(super) secret: [u8; 32],
}

/// One key or more: the first one seals, all of them open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRing(Vec<Key>);

/// Why a text holds no keys. The secret in it is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// No line has a key.
    #[error("it has no key")]
    Empty,
    /// A line is not `NUMBER MADE SECRET`.
    #[error("line {0} is no key: two hex digits, a date, 64 hex digits")]
    Line(usize),
    /// Two keys have one number.
    #[error("line {0} repeats the number of another key")]
    Repeated(usize),
}

const HEADING: &str = "\
# Keys that seal the URIs of the MSRP relay: number, date, secret. The first one seals, all open.
# Whoever reads this file can make URIs. `restante relay-keys --help` explains the rest.
";

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("number", &self.number)
            .field("made", &self.made)
            .finish_non_exhaustive()
    }
}

impl KeyRing {
    /// A ring with one key. `secret` must come from a source nobody can predict.
    pub fn new(secret: [u8; 32], made: Timestamp) -> Self {
        Self(vec![Key {
            number: 1,
            made,
            secret,
        }])
    }

    /// Reads what [`KeyRing::to_text`] wrote. Empty lines and lines that open with `#` say
    /// nothing.
    ///
    /// Errors: as [`KeyRingError`] names them; lines count from 1.
    pub fn parse(text: &str) -> Result<Self, KeyRingError> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = read_key(line).ok_or(KeyRingError::Line(index + 1))?;
            if keys.iter().any(|known| known.number == key.number) {
                return Err(KeyRingError::Repeated(index + 1));
            }
            keys.push(key);
        }
        match keys.is_empty() {
            true => Err(KeyRingError::Empty),
            false => Ok(Self(keys)),
        }
    }

    /// The ring as a text, secrets included.
    pub fn to_text(&self) -> String {
        let lines = self.0.iter().map(|key| {
            let (made, secret) = (key.made.to_rfc3339(), hex::encode(key.secret));
            format!("{:02x} {made} {secret}\n", key.number)
        });
        std::iter::once(HEADING.to_owned()).chain(lines).collect()
    }

    /// All keys, the one that seals first.
    pub fn keys(&self) -> &[Key] {
        &self.0
    }

    /// The moment from which nothing sealed by the key at `index` is good any more; `None`
    /// while it is the one that seals. URIs live for `lifetime`.
    pub fn end_of(&self, index: usize, lifetime: Duration) -> Option<Timestamp> {
        let successor = self.0.get(index.checked_sub(1)?)?;
        Some(successor.made.plus(lifetime))
    }

    /// Puts a new key first, and drops those whose URIs have all ended at `now`.
    ///
    /// `secret` must come from a source nobody can predict; URIs live for `lifetime`.
    pub fn rotate(&mut self, secret: [u8; 32], now: Timestamp, lifetime: Duration) {
        let ended = |ring: &Self, index| ring.end_of(index, lifetime).is_some_and(|end| end <= now);
        let alive = (0..self.0.len()).take_while(|index| !ended(self, *index));
        let kept = alive.count().min(usize::from(u8::MAX));
        self.0.truncate(kept);
        let newest = self.0[0].number;
        let number = (1..=u8::MAX)
            .map(|step| newest.wrapping_add(step))
            .find(|number| self.0.iter().all(|key| key.number != *number))
            .expect("255 keys leave one of 256 numbers free");
        let made = now;
        let key = Key {
            number,
            made,
            secret,
        };
        self.0.insert(0, key);
    }
}

fn read_key(line: &str) -> Option<Key> {
    let mut words = line.split_ascii_whitespace();
    let (number, made, digits) = (words.next()?, words.next()?, words.next()?);
    let mut secret = [0; 32];
    hex::decode_to_slice(digits, &mut secret).ok()?;
    let key = Key {
        number: u8::from_str_radix(number, 16).ok()?,
        made: Timestamp::parse_rfc3339(made).ok()?,
        secret,
    };
    words.next().is_none().then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + hours * 3_600_000)
    }

    fn numbers(ring: &KeyRing) -> Vec<u8> {
        ring.keys().iter().map(|key| key.number).collect()
    }

    #[test]
    fn written_ring_is_read_back_and_its_secrets_are_not_shown() {
        let mut ring = KeyRing::new([0xab; 32], at(0));
        ring.rotate([0xcd; 32], at(1), DAY);
        assert_eq!(KeyRing::parse(&ring.to_text()), Ok(ring.clone()));
        assert!(!format!("{ring:?}").contains("171"), "{ring:?}");
    }

    #[test]
    fn rotation_keeps_keys_until_their_uris_have_ended() {
        let mut ring = KeyRing::new([1; 32], at(0));
        ring.rotate([2; 32], at(10), DAY);
        assert_eq!(
            (ring.end_of(0, DAY), ring.end_of(1, DAY)),
            (None, Some(at(34)))
        );
        ring.rotate([3; 32], at(33), DAY);
        assert_eq!(numbers(&ring), [3, 2, 1]);
        ring.rotate([4; 32], at(34), DAY);
        assert_eq!(numbers(&ring), [4, 3, 2]);
        ring.rotate([5; 32], at(500), DAY);
        assert_eq!(numbers(&ring), [5, 4]);
    }

    #[test]
    fn numbers_are_used_again_only_when_they_are_free() {
        let mut ring = KeyRing::new([1; 32], at(0));
        for _ in 0..600 {
            ring.rotate([2; 32], at(0), DAY);
            let mut seen = numbers(&ring);
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), ring.keys().len());
        }
        assert_eq!(ring.keys().len(), 256);
    }

    #[test]
    fn damaged_text_is_refused_by_its_line() {
        let text = KeyRing::new([1; 32], at(0)).to_text();
        assert_eq!(KeyRing::parse("# none\n"), Err(KeyRingError::Empty));
        let broken = format!("{text}01 2023-11-14T22:13:20Z abcd\n");
        assert_eq!(KeyRing::parse(&broken), Err(KeyRingError::Line(4)));
        let twice = format!("{text}{}", text.lines().last().unwrap());
        assert_eq!(KeyRing::parse(&twice), Err(KeyRingError::Repeated(4)));
    }
}
