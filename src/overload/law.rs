use std::time::Duration;

/// How often a law is told the delay.
pub(super) const INTERVAL: Duration = Duration::from_millis(50);

/// The least share that is let in: what gets through shows when there is room again.
const LEAST: f64 = 0.005;
/// The longest delay that is told apart from longer ones.
const LONGEST: f64 = 2.0;
/// What an interval without a standing delay leaves of the logarithm of the share.
const RELIEF: f64 = 0.9;

/// Turns a standing delay into the share of work that is let in.
///
/// A proportional-integral law, as in RFC 8033, over the logarithm of the share: where twice or
/// twenty times the work is offered that can be done, half or a twentieth of it is let in, and the
/// way there is the same. The delay it is told is the shortest one of an interval (RFC 8289): a
/// burst that is worked off within the interval is no overload.
#[derive(Clone, Debug)]
pub struct Law {
    target: f64,
    /// What a growing delay takes off, per second of delay.
    damping: f64,
    /// What a delay above the target takes off, per second of delay and second of time.
    stiffness: f64,
    /// The logarithm of the share: 0 or less.
    level: f64,
    last: f64,
}

impl Law {
    /// A law that lets everything in while delays stay below `target`.
    pub fn new(target: Duration) -> Self {
        let target = target.as_secs_f64();
        // slower where the delay itself is slow to show
        let damping = (0.5 / target).clamp(1.5, 8.0);
        Self {
            target,
            damping,
            stiffness: damping * damping / 4.0,
            level: 0.0,
            last: 0.0,
        }
    }

    /// Takes the shortest delay of the time that has passed since the last call.
    pub fn update(&mut self, delay: Duration, passed: Duration) {
        let delay = delay.as_secs_f64().min(LONGEST);
        let intervals = (passed.as_secs_f64() / INTERVAL.as_secs_f64()).clamp(0.0, 8.0);
        if delay <= self.target / 2.0 && self.last <= self.target / 2.0 {
            self.level *= RELIEF.powf(intervals);
            if self.level > -0.005 {
                self.level = 0.0;
            }
        } else if self.level < 0.0 || self.last > self.target {
            let time = intervals * INTERVAL.as_secs_f64();
            self.level -= self.stiffness * time * (delay - self.target);
            self.level -= self.damping * (delay - self.last);
            self.level = self.level.clamp(LEAST.ln(), 0.0);
        }
        // the first time above the target may be a stall: it counts if there is a second one
        self.last = delay;
    }

    /// The share of work that is let in: 1 is all of it.
    pub fn share(&self) -> f64 {
        self.level.exp()
    }

    /// Whether all is let in, and nothing is left of any delay.
    pub fn is_at_rest(&self) -> bool {
        self.level == 0.0 && self.last == 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_millis(100);

    #[test]
    fn delay_below_the_target_refuses_nothing() {
        let mut law = Law::new(TARGET);
        for _ in 0..100 {
            law.update(TARGET / 2, INTERVAL);
            assert_eq!(law.share(), 1.0);
        }
        law.update(Duration::ZERO, INTERVAL);
        assert!(law.is_at_rest());
    }

    #[test]
    fn delay_that_stays_above_the_target_lets_in_less_and_less_but_never_nothing() {
        let mut law = Law::new(TARGET);
        law.update(TARGET * 3, INTERVAL);
        assert_eq!(law.share(), 1.0, "once may be a stall");
        let mut before = 1.0;
        for _ in 0..10 {
            law.update(TARGET * 3, INTERVAL);
            assert!(law.share() < before, "{law:?}");
            before = law.share();
        }
        for _ in 0..10_000 {
            law.update(TARGET * 50, INTERVAL);
        }
        assert!(law.share() > 0.0, "{law:?}");
    }

    #[test]
    fn worst_overload_is_forgotten_within_seconds_once_nothing_waits() {
        let mut law = Law::new(TARGET);
        for _ in 0..10_000 {
            law.update(TARGET * 50, INTERVAL);
        }
        let intervals = 3_000 / INTERVAL.as_millis();
        for _ in 0..intervals {
            law.update(Duration::ZERO, INTERVAL);
        }
        assert!(law.share() > 0.9, "{law:?}");
    }
}
