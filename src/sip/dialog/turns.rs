use super::Side;
use std::time::Duration;

/// Whose turn it is to change a session: at most one INVITE or UPDATE of either end is open at a
/// time (RFC 3261 §14.1, §14.2; RFC 3311 §5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    ours: bool,
    theirs: bool,
}

/// How an offer that came out of turn is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Our own offer is on its way: 491.
    #[error("our own offer is pending")]
    Glare,
    /// An earlier offer of theirs is not answered: 500 with Retry-After of 0 to 10 seconds.
    #[error("an earlier offer is not answered")]
    Overlap,
}

impl Refusal {
    /// The response code.
    pub fn status(self) -> u16 {
        match self {
            Self::Glare => 491,
            Self::Overlap => 500,
        }
    }
}

impl Turns {
    /// We want to send an offer. False if one is open in either direction.
    pub fn begin_ours(&mut self) -> bool {
        let free = !self.ours && !self.theirs;
        self.ours |= free;
        free
    }

    /// Our offer has its final response.
    pub fn end_ours(&mut self) {
        self.ours = false;
    }

    /// An offer of theirs arrived.
    pub fn begin_theirs(&mut self) -> Result<(), Refusal> {
        if self.ours {
            return Err(Refusal::Glare);
        }
        if self.theirs {
            return Err(Refusal::Overlap);
        }
        self.theirs = true;
        Ok(())
    }

    /// Their offer has our final response.
    pub fn end_theirs(&mut self) {
        self.theirs = false;
    }

    /// How long to wait after a 491 before the next try (§14.1): who made the call 2.1 to 4 s,
    /// the other end 0 to 2 s, in units of 10 ms. `random` is any number.
    pub fn retry_after(side: Side, random: u64) -> Duration {
        let (first, count) = match side {
            Side::Caller => (210, 191),
            Side::Callee => (0, 201),
        };
        Duration::from_millis((first + random % count) * 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_that_cross_are_refused_as_glare() {
        let mut turns = Turns::default();
        assert!(turns.begin_ours());
        assert_eq!(turns.begin_theirs().map_err(Refusal::status), Err(491));
        turns.end_ours();
        assert_eq!(turns.begin_theirs(), Ok(()));
    }

    #[test]
    fn second_offer_before_the_first_is_answered_is_refused_with_500() {
        let mut turns = Turns::default();
        turns.begin_theirs().unwrap();
        assert_eq!(turns.begin_theirs().map_err(Refusal::status), Err(500));
        assert!(!turns.begin_ours());
        turns.end_theirs();
        assert!(turns.begin_ours());
    }

    #[test]
    fn both_ends_wait_in_ranges_that_do_not_meet() {
        for random in 0..1_000 {
            let caller = Turns::retry_after(Side::Caller, random).as_millis();
            let callee = Turns::retry_after(Side::Callee, random).as_millis();
            assert!((2_100..=4_000).contains(&caller) && callee <= 2_000);
        }
    }
}
