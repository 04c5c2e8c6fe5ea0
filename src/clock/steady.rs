use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A time of day that goes on evenly, whatever the system's clock does.
///
/// It is the time since the machine started plus an offset. Where the system's clock leaves that
/// line by a step, the offset stays, until the new time of day has stood for a while.
/// Units: milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Steady {
    /// Time of day less time since the start of the machine.
    offset: i64,
    jump: Option<Jump>,
    settle: i64,
}

/// Another offset, of which it is not known yet whether it is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Jump {
    offset: i64,
    /// Time since the start of the machine at which it was first seen.
    since: i64,
}

/// Both clocks at one moment, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// What the system takes for the time since 1970.
    pub system: i64,
    /// Since the start of the machine, sleep included.
    pub uptime: i64,
}

/// What is left of one run for the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    boot: String,
    wall: i64,
    offset: i64,
    jump: Option<Jump>,
}

/// What a look at the system's clock has shown. Units: milliseconds, forward counts up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It goes with ours.
    Even,
    /// It has jumped, and is not believed yet.
    Jumped(i64),
    /// It still shows another time of day.
    Apart(i64),
    /// It has shown this for long enough, and is believed from now on.
    Settled(i64),
}

/// Smaller steps than this are corrections.
const SLACK: i64 = 2_000;
/// A machine that was off for less than this has a clock that is believed at once.
const DAY: i64 = 86_400_000;

impl Steady {
    /// Goes on from what the last run has left. `boot` names this run of the machine; an empty
    /// one is never the same.
    pub fn resume(saved: Option<Saved>, boot: &str, now: Moment, settle: Duration) -> Self {
        let system = now.system - now.uptime;
        let (offset, jump) = match saved {
            None => (system, None),
            Some(saved) if saved.boot == boot && !boot.is_empty() => (saved.offset, saved.jump),
            Some(saved) if (0..=DAY).contains(&(now.system - saved.wall)) => (system, None),
            // no earlier than it was, and not later than is known
            Some(saved) => (saved.wall, None),
        };
        let settle = i64::try_from(settle.as_millis()).unwrap_or(i64::MAX);
        Self {
            offset,
            jump,
            settle,
        }
    }

    /// What to add to the time since the start of the machine.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Looks at the system's clock.
    pub fn observe(&mut self, now: Moment) -> Seen {
        let offset = now.system - now.uptime;
        let apart = offset - self.offset;
        if apart.abs() <= SLACK {
            (self.offset, self.jump) = (offset, None);
            return Seen::Even;
        }
        let known = self.jump;
        let known = known.filter(|jump| (jump.offset - offset).abs() <= SLACK);
        let jump = known.unwrap_or(Jump {
            offset,
            since: now.uptime,
        });
        if now.uptime - jump.since >= self.settle {
            (self.offset, self.jump) = (offset, None);
            return Seen::Settled(apart);
        }
        self.jump = Some(jump);
        match known {
            Some(_) => Seen::Apart(apart),
            None => Seen::Jumped(apart),
        }
    }

    /// What the next run needs.
    pub fn save(&self, boot: &str, now: Moment) -> Saved {
        Saved {
            boot: boot.to_owned(),
            wall: self.offset + now.uptime,
            offset: self.offset,
            jump: self.jump,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const START: i64 = 1_700_000_000_000;

    fn at(uptime: i64, ahead: i64) -> Moment {
        let system = START + uptime + ahead;
        Moment { system, uptime }
    }

    fn steady() -> Steady {
        Steady::resume(None, "boot-1", at(0, 0), Duration::from_secs(3600))
    }

    fn wall(steady: &Steady, uptime: i64) -> i64 {
        steady.offset() + uptime - START
    }

    #[test]
    fn clock_that_jumps_by_a_day_and_back_is_not_believed() {
        for day in [DAY, -DAY] {
            let mut steady = steady();
            assert_eq!(steady.observe(at(1_000, 0)), Seen::Even);
            assert_eq!(steady.observe(at(2_000, day)), Seen::Jumped(day));
            assert_eq!(steady.observe(at(HOUR, day)), Seen::Apart(day));
            assert_eq!(wall(&steady, HOUR), HOUR);
            assert_eq!(steady.observe(at(HOUR + 1, 0)), Seen::Even);
            // and what has been forgotten begins anew
            assert_eq!(steady.observe(at(2 * HOUR, day)), Seen::Jumped(day));
        }
    }

    #[test]
    fn time_of_day_that_stands_for_long_is_believed() {
        let mut steady = steady();
        assert_eq!(steady.observe(at(1_000, DAY)), Seen::Jumped(DAY));
        assert_eq!(steady.observe(at(HOUR, DAY)), Seen::Apart(DAY));
        assert_eq!(steady.observe(at(HOUR + 1_000, DAY)), Seen::Settled(DAY));
        assert_eq!(wall(&steady, HOUR + 2_000), HOUR + 2_000 + DAY);
        assert_eq!(steady.observe(at(HOUR + 3_000, DAY)), Seen::Even);
    }

    #[test]
    fn clock_that_jumps_again_and_again_is_never_believed() {
        let mut steady = steady();
        for hour in 0..10 {
            let day = DAY * (1 + hour % 2);
            assert_eq!(steady.observe(at(hour * HOUR, day)), Seen::Jumped(day));
        }
        assert_eq!(wall(&steady, 10 * HOUR), 10 * HOUR);
    }

    #[test]
    fn small_corrections_are_followed() {
        let mut steady = steady();
        for (uptime, ahead) in [(1_000, 900), (2_000, -1_000), (3_000, 1_000)] {
            assert_eq!(steady.observe(at(uptime, ahead)), Seen::Even);
            assert_eq!(wall(&steady, uptime), uptime + ahead);
        }
    }

    #[test]
    fn jump_outlives_a_restart_of_the_server() {
        let mut first = steady();
        first.observe(at(1_000, DAY));
        let saved = first.save("boot-1", at(1_500, DAY));
        let now = at(HOUR, DAY);
        let mut next = Steady::resume(Some(saved), "boot-1", now, Duration::from_secs(3600));
        assert_eq!(next.observe(now), Seen::Apart(DAY));
        assert_eq!(wall(&next, HOUR), HOUR);
        assert_eq!(next.observe(at(HOUR + 1_000, DAY)), Seen::Settled(DAY));
    }

    #[test]
    fn restarted_machine_is_believed_unless_its_clock_went_back_or_far_ahead() {
        let saved = steady().save("boot-1", at(HOUR, 0));
        let resumed = |system| {
            let now = Moment {
                system,
                uptime: 5_000,
            };
            let saved = Some(saved.clone());
            let mut next = Steady::resume(saved, "boot-2", now, Duration::from_secs(3600));
            (next.observe(now), wall(&next, 5_000))
        };
        let two_hours = START + 2 * HOUR;
        assert_eq!(resumed(two_hours), (Seen::Even, 2 * HOUR));
        let (seen, now) = resumed(0);
        assert!(matches!(seen, Seen::Jumped(ms) if ms < 0));
        assert_eq!(now, HOUR + 5_000);
        let (seen, now) = resumed(START + 30 * DAY);
        assert!(matches!(seen, Seen::Jumped(ms) if ms > 0));
        assert_eq!(now, HOUR + 5_000);
    }

    #[test]
    fn what_is_saved_reads_back() {
        let mut steady = steady();
        steady.observe(at(1_000, DAY));
        let saved = steady.save("boot-1", at(1_000, DAY));
        let text = serde_json::to_string(&saved).unwrap();
        assert_eq!(serde_json::from_str::<Saved>(&text).unwrap(), saved);
        let again = Steady::resume(
            Some(saved),
            "boot-1",
            at(1_000, DAY),
            Duration::from_secs(3600),
        );
        assert_eq!(again, steady);
    }
}
