use hashbrown::HashSet;
use std::time::{Duration, Instant};

/// How long a refusal is remembered, at least; at most twice as long.
const KEPT: Duration = Duration::from_secs(4);
/// How many are remembered at most, in either half.
const MOST: usize = 65_536;

/// Which requests were refused a while ago, so that one that is repeated before its refusal has
/// arrived is refused again: its sender will have given it up.
#[derive(Default)]
pub struct Refusals {
    now: HashSet<u64>,
    before: HashSet<u64>,
    until: Option<Instant>,
}

impl Refusals {
    /// Remembers a request by a hash of what tells it from others.
    pub fn note(&mut self, request: u64, now: Instant) {
        self.turn(now);
        if self.now.len() < MOST {
            self.now.insert(request);
        }
    }

    /// Whether it was refused already.
    pub fn knows(&mut self, request: u64, now: Instant) -> bool {
        self.turn(now);
        self.now.contains(&request) || self.before.contains(&request)
    }

    /// Whether there is nothing to remember.
    pub fn is_empty(&self) -> bool {
        self.now.is_empty() && self.before.is_empty()
    }

    fn turn(&mut self, now: Instant) {
        let Some(until) = self.until else {
            self.until = Some(now + KEPT);
            return;
        };
        if now < until {
            return;
        }
        self.before = std::mem::take(&mut self.now);
        if now >= until + KEPT {
            self.before.clear();
        }
        self.until = Some(now + KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_is_remembered_for_a_while_and_then_forgotten() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut refusals = Refusals::default();
        refusals.note(7, start);
        assert!(refusals.knows(7, start + second));
        assert!(refusals.knows(7, start + second * 5));
        assert!(!refusals.knows(8, start + second));
        assert!(!refusals.knows(7, start + second * 9));
        assert!(refusals.is_empty());
    }
}
