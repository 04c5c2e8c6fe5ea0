use crate::sip::transaction::Timers;
use std::time::{Duration, Instant};

/// A 2xx of ours to an INVITE, repeated until its ACK arrives, on every transport: the loss may
/// be further on (RFC 3261 §13.3.1.4 with RFC 6026 §8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceptance {
    number: u32,
    again: Instant,
    interval: Duration,
    give_up: Instant,
}

/// What is due for an unacknowledged 2xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// Send the 2xx again.
    Again,
    /// No ACK within 64*T1: end the session with BYE.
    GiveUp,
}

impl Acceptance {
    /// The 2xx to the INVITE with this CSeq number was sent at `now`.
    pub fn start(number: u32, timers: &Timers, now: Instant) -> Self {
        Self {
            number,
            again: now + timers.t1,
            interval: timers.t1,
            give_up: now + timers.give_up(),
        }
    }

    /// Whether an ACK with this CSeq number is the one waited for.
    pub fn is_acknowledged_by(&self, number: u32) -> bool {
        self.number == number
    }

    /// What is due at `now`; nothing more comes after `GiveUp`.
    pub fn handle_timeout(&mut self, timers: &Timers, now: Instant) -> Option<Overdue> {
        if self.give_up <= now {
            return Some(Overdue::GiveUp);
        }
        if self.again > now {
            return None;
        }
        self.interval = (self.interval * 2).min(timers.t2);
        self.again = now + self.interval;
        Some(Overdue::Again)
    }

    /// When `handle_timeout` has something to do next.
    pub fn next_timeout(&self) -> Instant {
        self.again.min(self.give_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unacknowledged_2xx_is_repeated_at_most_every_t2_and_given_up_after_64_t1() {
        let (timers, start) = (Timers::default(), Instant::now());
        let mut acceptance = Acceptance::start(1, &timers, start);
        let mut sent = Vec::new();
        loop {
            let at = acceptance.next_timeout();
            match acceptance.handle_timeout(&timers, at) {
                Some(Overdue::Again) => sent.push((at - start).as_millis()),
                Some(Overdue::GiveUp) => break assert_eq!((at - start).as_secs(), 32),
                None => panic!("nothing was due"),
            }
        }
        assert_eq!(
            sent,
            [
                500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500
            ]
        );
    }

    #[test]
    fn only_the_ack_of_this_invite_counts() {
        let acceptance = Acceptance::start(7, &Timers::default(), Instant::now());
        assert!(acceptance.is_acknowledged_by(7));
        assert!(!acceptance.is_acknowledged_by(6));
    }
}
