//! What the messages carry: a run of octets that repeats after a prime number of them, entered at
//! a point that follows from pair and message. Whoever knows those two can compare any piece with
//! one comparison of memory, and a piece from elsewhere does not fit.
use crate::octets::Numbers;

/// Octets before the run repeats; a prime, so that no shift by a power of two looks alike.
const PERIOD: usize = 65_521;

/// Longest piece there is in one slice.
pub const LONGEST_PIECE: usize = 65_536;

/// Symbols of the contents: printable, and none of them can begin an end-line.
const SYMBOLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .";

/// All contents of a run.
#[derive(Debug)]
pub struct Content(Vec<u8>);

impl Content {
    /// The contents of the run `seed`.
    pub fn new(seed: u64) -> Self {
        let mut numbers = Numbers::new(seed, 0);
        let mut symbol = || SYMBOLS[numbers.below(SYMBOLS.len() as u64) as usize];
        let mut octets: Vec<u8> = (0..PERIOD).map(|_| symbol()).collect();
        octets.extend_from_within(..);
        octets.extend_from_within(..LONGEST_PIECE - PERIOD);
        Self(octets)
    }

    /// Octets of a message from `offset` on: as many as wanted, or the longest piece.
    pub fn piece(&self, start: usize, offset: u64, wanted: u64) -> &[u8] {
        let from = at(start, offset);
        let length = wanted.min(LONGEST_PIECE as u64) as usize;
        &self.0[from..from + length]
    }

    /// Whether `octets` stand at `offset` of the message that starts at `start`.
    pub fn holds(&self, start: usize, offset: u64, octets: &[u8]) -> bool {
        let mut offset = offset;
        octets.chunks(LONGEST_PIECE).all(|part| {
            let same = self.piece(start, offset, part.len() as u64) == part;
            offset += part.len() as u64;
            same
        })
    }
}

/// Where the content of `message` of `pair` starts in the run.
pub fn start_of(pair: usize, message: u64) -> usize {
    Numbers::new(pair as u64, message).below(PERIOD as u64) as usize
}

fn at(start: usize, offset: u64) -> usize {
    ((start as u64 + offset) % PERIOD as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_content_wherever_it_is_cut() {
        let content = Content::new(7);
        let start = start_of(3, 9);
        let mut whole = Vec::new();
        while whole.len() < 200_000 {
            whole.extend_from_slice(content.piece(start, whole.len() as u64, 33_333));
        }
        assert!(content.holds(start, 0, &whole));
        assert!(content.holds(start, 777, &whole[777..]));
    }

    #[test]
    fn octets_of_another_place_or_message_are_told() {
        let content = Content::new(7);
        let piece = content.piece(start_of(1, 1), 0, 2048).to_vec();
        assert!(!content.holds(start_of(1, 1), 2048, &piece));
        assert!(!content.holds(start_of(1, 1), 65_536, &piece));
        assert!(!content.holds(start_of(1, 2), 0, &piece));
        assert!(!content.holds(start_of(2, 1), 0, &piece));
        let mut changed = piece;
        changed[2047] ^= 1;
        assert!(!content.holds(start_of(1, 1), 0, &changed));
    }
}
