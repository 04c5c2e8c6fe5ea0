use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// How fast one mailbox is handed over: so many messages in a second, evenly.
pub struct Pace {
    every: Duration,
    next: Cell<Option<Instant>>,
}

impl Pace {
    /// `rate` messages per second; 0 is as fast as it goes.
    pub fn new(rate: u32) -> Self {
        let every = match rate {
            0 => Duration::ZERO,
            rate => Duration::from_secs(1) / rate,
        };
        Self {
            every,
            next: Cell::new(None),
        }
    }

    /// As fast as it goes.
    pub fn unlimited() -> Self {
        Self::new(0)
    }

    /// Takes the turn of one message: when it may go.
    pub fn turn(&self, now: Instant) -> Instant {
        let turn = self.next.get().map_or(now, |next| next.max(now));
        self.next.set(Some(turn + self.every));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn messages_go_evenly_and_a_pause_is_not_caught_up_with() {
        let pace = Pace::new(10);
        let start = clock::now();
        let tenth = Duration::from_millis(100);
        assert_eq!(pace.turn(start), start);
        assert_eq!(pace.turn(start), start + tenth);
        assert_eq!(pace.turn(start), start + 2 * tenth);
        let later = start + 50 * tenth;
        assert_eq!(pace.turn(later), later);
        assert_eq!(pace.turn(later), later + tenth);
    }

    #[test]
    fn without_a_rate_every_message_goes_at_once() {
        let pace = Pace::unlimited();
        let now = clock::now();
        assert_eq!((pace.turn(now), pace.turn(now)), (now, now));
    }
}
