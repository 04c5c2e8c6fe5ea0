use hashbrown::HashMap;

/// Remembers which counts of which nonces were used, so that a request overheard on the way
/// cannot be sent again (RFC 7616 §3.4, `nc`).
///
/// Counts may arrive out of order within 64 of the highest. Memory is bounded: when `capacity`
/// nonces are known the older half is forgotten, and every nonce issued no later than the newest
/// forgotten one counts as stale from then on: the client gets a new nonce, nothing is replayed.
#[derive(Debug)]
pub struct ReplayWindow {
    capacity: usize,
    recent: HashMap<Box<str>, Counts>,
    older: HashMap<Box<str>, Counts>,
    /// Nonces issued at or before this time are no longer told apart.
    forgotten: u64,
}

/// What became of a use of a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// First use of this count.
    Accepted,
    /// This count was used before, or is too far behind: challenge again.
    Replayed,
    /// The window no longer knows this nonce: challenge again with `stale=true`.
    Forgotten,
}

#[derive(Clone, Copy, Debug)]
struct Counts {
    issued: u64,
    highest: u32,
    /// Bit `n` stands for `highest - n`.
    seen: u64,
}

impl ReplayWindow {
    /// Remembers at most `capacity` nonces.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(2),
            recent: HashMap::new(),
            older: HashMap::new(),
            forgotten: 0,
        }
    }

    /// Books one use of `nonce`, which the sealer found fresh and `issued` at that time
    /// (milliseconds since the Unix epoch). Call it only for a proven password: anyone can
    /// invent uses.
    pub fn book(&mut self, nonce: &str, issued: u64, count: u32) -> Use {
        if let Some(counts) = self.recent.get_mut(nonce) {
            return counts.book(count);
        }
        if let Some(mut counts) = self.older.remove(nonce) {
            let outcome = counts.book(count);
            self.remember(nonce, counts);
            return outcome;
        }
        if issued <= self.forgotten {
            return Use::Forgotten;
        }
        self.remember(
            nonce,
            Counts {
                issued,
                highest: count,
                seen: 1,
            },
        );
        Use::Accepted
    }

    fn remember(&mut self, nonce: &str, counts: Counts) {
        if self.recent.len() >= self.capacity / 2 {
            let recent = std::mem::take(&mut self.recent);
            let dropped = std::mem::replace(&mut self.older, recent);
            let newest = dropped.values().map(|counts| counts.issued).max();
            self.forgotten = self.forgotten.max(newest.unwrap_or(0));
        }
        self.recent.insert(nonce.into(), counts);
    }
}

impl Counts {
    fn book(&mut self, count: u32) -> Use {
        if count > self.highest {
            let ahead = count - self.highest;
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return Use::Accepted;
        }
        let Some(bit) = 1u64.checked_shl(self.highest - count) else {
            return Use::Replayed;
        };
        if self.seen & bit != 0 {
            return Use::Replayed;
        }
        self.seen |= bit;
        Use::Accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_count_is_accepted_once() {
        let mut window = ReplayWindow::new(10);
        assert_eq!(window.book("n", 5, 1), Use::Accepted);
        assert_eq!(window.book("n", 5, 1), Use::Replayed);
        assert_eq!(window.book("n", 5, 3), Use::Accepted);
        assert_eq!(window.book("n", 5, 2), Use::Accepted);
        assert_eq!(window.book("n", 5, 2), Use::Replayed);
    }

    #[test]
    fn count_far_behind_is_a_replay() {
        let mut window = ReplayWindow::new(10);
        window.book("n", 5, 100);
        assert_eq!(window.book("n", 5, 37), Use::Accepted);
        assert_eq!(window.book("n", 5, 36), Use::Replayed);
    }

    #[test]
    fn forgotten_nonce_is_stale_and_never_accepted_again() {
        let mut window = ReplayWindow::new(4);
        for issued in 1..=6 {
            assert_eq!(window.book(&format!("n{issued}"), issued, 1), Use::Accepted);
        }
        assert_eq!(window.book("n1", 1, 1), Use::Forgotten);
        assert_eq!(window.book("n6", 6, 1), Use::Replayed);
    }

    proptest! {
        #[test]
        fn no_use_is_accepted_twice(uses in prop::collection::vec((1u64..9, 0u32..80), 0..300)) {
            let mut window = ReplayWindow::new(4);
            let mut accepted = std::collections::HashSet::new();
            for (issued, count) in uses {
                if window.book(&format!("n{issued}"), issued, count) == Use::Accepted {
                    prop_assert!(accepted.insert((issued, count)));
                }
                prop_assert!(window.recent.len() + window.older.len() <= 4);
            }
        }
    }
}
