//! What the messages carry: octets that follow from the run's seed and the message's number
//! alone, so that the receiving side can be judged without having been told.
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

/// SHA-256 over a message's content.
pub type Digest = [u8; 32];

/// A stream of numbers that follows from its seed (SplitMix64). Not for secrets.
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// The stream of the run `seed` for the message or purpose `number`.
    pub fn new(seed: u64, number: u64) -> Self {
        Self(mixed(seed ^ mixed(number)))
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// The next number below `limit`; 0 if there is none.
    pub fn below(&mut self, limit: u64) -> u64 {
        // the high half of the product: as even as the 64 bits are
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }
}

fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The content of message `number` of the run `seed`, `size` octets long.
pub fn content(seed: u64, number: u64, size: usize) -> Bytes {
    let mut numbers = Numbers::new(seed, number);
    let mut octets = Vec::with_capacity(size + 8);
    while octets.len() < size {
        octets.extend_from_slice(&numbers.next().to_le_bytes());
    }
    octets.truncate(size);
    octets.into()
}

/// The digest of `octets`.
pub fn digest(octets: &[u8]) -> Digest {
    Sha256::digest(octets).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_and_number_give_the_same_octets() {
        assert_eq!(content(7, 3, 1000), content(7, 3, 1000));
        assert_eq!(content(7, 3, 1000)[..10], content(7, 3, 10)[..]);
    }

    #[test]
    fn another_number_or_seed_gives_other_octets() {
        assert_ne!(content(7, 3, 64), content(7, 4, 64));
        assert_ne!(content(7, 3, 64), content(8, 3, 64));
        assert_ne!(content(0, 1, 64), content(1, 0, 64));
    }

    #[test]
    fn any_size_is_met_to_the_octet() {
        for size in [0, 1, 7, 8, 9, 2048] {
            assert_eq!(content(1, 1, size).len(), size);
        }
    }

    #[test]
    fn numbers_stay_below_their_limit_and_reach_all_of_it() {
        let mut numbers = Numbers::new(1, 2);
        let mut seen = [0; 5];
        for _ in 0..1000 {
            seen[numbers.below(5) as usize] += 1;
        }
        assert!(seen.iter().all(|count| *count > 150), "{seen:?}");
        assert_eq!(numbers.below(0), 0);
    }
}
