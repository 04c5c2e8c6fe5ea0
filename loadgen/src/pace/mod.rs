//! When the clients act: in a closed loop each waits for its answer before it goes on, in an open
//! loop requests are due by a schedule, whatever became of those before.
mod drive;
mod rate;

pub use drive::{Turns, drive};
pub use rate::Rate;

use std::time::Duration;

/// When requests are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Requests by schedule; without it the next one follows the answer.
    pub rate: Option<Rate>,
    /// How long it takes until all clients are at work, or the rate is reached.
    pub ramp_up: Duration,
    /// How long requests are made; without it until there are no more.
    pub lasts: Option<Duration>,
    /// Requests under way at the same time, at most.
    pub window: usize,
}

impl Pace {
    /// When request `number` of the schedule is due after its beginning: evenly, and during the
    /// ramp at a rate that grows evenly. `None` in a closed loop.
    pub fn due(&self, number: u64) -> Option<Duration> {
        let rate = self.rate?.per_second();
        let ramp = self.ramp_up.as_secs_f64();
        let number = number as f64;
        let within_ramp = rate * ramp / 2.0;
        let seconds = match number < within_ramp {
            true => (2.0 * number * ramp / rate).sqrt(),
            false => ramp + (number - within_ramp) / rate,
        };
        Some(Duration::from_secs_f64(seconds))
    }

    /// The pace of one of `threads` whose schedules know nothing of each other.
    pub fn shared(self, threads: usize) -> Self {
        Self {
            rate: self.rate.map(|rate| rate.shared(threads)),
            ..self
        }
    }

    /// How long after the beginning client `index` of `clients` joins a closed loop.
    pub fn joins(&self, index: usize, clients: usize) -> Duration {
        self.ramp_up.mul_f64(index as f64 / clients.max(1) as f64)
    }

    /// Whether requests are still made so long after the beginning.
    pub fn is_over(&self, since: Duration) -> bool {
        self.lasts.is_some_and(|lasts| since >= lasts)
    }

    /// How many requests there will be, of at most `most`; `None` where it cannot be known.
    pub fn expected(&self, most: u64) -> Option<u64> {
        let (Some(lasts), Some(rate)) = (self.lasts, self.rate) else {
            return self.lasts.is_none().then_some(most);
        };
        let (ramp, lasts) = (self.ramp_up.as_secs_f64(), lasts.as_secs_f64());
        let requests = match lasts < ramp {
            true => rate.per_second() * lasts * lasts / ramp / 2.0,
            false => rate.per_second() * (lasts - ramp / 2.0),
        };
        Some((requests.ceil() as u64).min(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn open(rate: &str, ramp_up: Duration, lasts: Option<Duration>) -> Pace {
        Pace {
            rate: Some(rate.parse().unwrap()),
            ramp_up,
            lasts,
            window: 10,
        }
    }

    #[test]
    fn scheduled_requests_are_due_evenly() {
        let pace = open("10/s", Duration::ZERO, None);
        assert_eq!(pace.due(0), Some(Duration::ZERO));
        assert_eq!(pace.due(25), Some(Duration::from_millis(2500)));
        assert_eq!(pace.expected(7), Some(7));
        assert_eq!(pace.shared(2).due(25), Some(Duration::from_secs(5)));
    }

    #[test]
    fn rate_grows_evenly_during_the_ramp() {
        let pace = open("100/s", 10 * SECOND, Some(20 * SECOND));
        let due = |number| pace.due(number).unwrap().as_secs_f64();
        assert!((due(125) - 5.0).abs() < 1e-9, "a quarter in half of it");
        assert!((due(500) - 10.0).abs() < 1e-9);
        assert!((due(600) - 11.0).abs() < 1e-9);
        assert_eq!(pace.expected(u64::MAX), Some(1500));
        let short = open("100/s", 10 * SECOND, Some(5 * SECOND));
        assert_eq!(short.expected(u64::MAX), Some(125));
    }

    #[test]
    fn closed_loop_has_no_schedule_and_its_clients_join_one_after_the_other() {
        let pace = Pace {
            rate: None,
            ramp_up: 10 * SECOND,
            lasts: Some(60 * SECOND),
            window: 4,
        };
        assert_eq!(pace.due(5), None);
        assert_eq!(pace.joins(0, 4), Duration::ZERO);
        assert_eq!(pace.joins(2, 4), 5 * SECOND);
        assert_eq!(pace.expected(u64::MAX), None);
        assert!(!pace.is_over(59 * SECOND) && pace.is_over(60 * SECOND));
    }
}
