//! Everything of one kind.
use super::{Stretch, Stretches};
use crate::latency::{Latency, Percentiles};
use std::time::Duration;

/// Seconds whose times are kept apart for whoever looks on.
const RECENT: usize = 10;

/// The events of one kind: sums, stretches, and the last seconds in detail.
#[derive(Clone, Debug, Default)]
pub struct Line {
    octets: u64,
    latency: Latency,
    /// Times without the wait for their turn, where there is such a wait.
    service: Option<Box<Latency>>,
    stretches: Stretches,
    recent: [(u64, Stretch); RECENT],
}

impl Line {
    /// Notes an event that ended at `at`.
    pub fn record(&mut self, at: Duration, octets: u64, took: Duration) {
        self.octets += octets;
        self.latency.record(took);
        self.stretches.record(at, octets, took);
        let second = at.as_secs();
        let recent = &mut self.recent[second as usize % RECENT];
        if recent.0 < second {
            *recent = (second, Stretch::default());
        }
        if recent.0 == second {
            recent.1.record(octets, took);
        }
    }

    /// Notes how long an event took from when it really began, where that is not when it was due.
    pub fn record_service(&mut self, took: Duration) {
        self.service.get_or_insert_default().record(took);
    }

    /// Adds what another thread noted.
    pub fn add(&mut self, other: &Self) {
        self.octets += other.octets;
        self.latency.add(&other.latency);
        if let Some(service) = &other.service {
            self.service.get_or_insert_default().add(service);
        }
        self.stretches.add(&other.stretches);
        for (own, theirs) in self.recent.iter_mut().zip(&other.recent) {
            match own.0.cmp(&theirs.0) {
                std::cmp::Ordering::Less => *own = theirs.clone(),
                std::cmp::Ordering::Equal => own.1.add(&theirs.1),
                std::cmp::Ordering::Greater => {}
            }
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.latency.count()
    }

    /// Octets of content they carried.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// How long they took, to three digits.
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// What is told of how long they took.
    pub fn percentiles(&self) -> Percentiles {
        self.latency.percentiles()
    }

    /// How long they took from when they really began; `None` if nothing waits for its turn.
    pub fn service(&self) -> Option<&Latency> {
        self.service.as_deref()
    }

    /// Counts and times over the run.
    pub fn stretches(&self) -> &Stretches {
        &self.stretches
    }

    /// What ended in the `seconds` whole seconds before `now`; at most 9.
    pub fn recent(&self, now: Duration, seconds: u64) -> Stretch {
        let end = now.as_secs();
        let begin = end.saturating_sub(seconds.min(RECENT as u64 - 1));
        let mut sum = Stretch::default();
        for (second, stretch) in &self.recent {
            if (begin..end).contains(second) {
                sum.add(stretch);
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn last_seconds_are_told_without_the_one_under_way() {
        let mut line = Line::default();
        for second in 0..30 {
            line.record(at(f64::from(second) + 0.5), 10, second * MILLI);
        }
        let recent = line.recent(at(29.9), 5);
        assert_eq!((recent.count(), recent.octets()), (5, 50));
        assert_eq!(recent.percentiles().max.round(), 28.0);
        assert_eq!(line.recent(at(60.0), 5).count(), 0);
    }

    #[test]
    fn straggler_of_a_second_long_gone_counts_in_the_sums_alone() {
        let mut line = Line::default();
        line.record(at(20.5), 0, MILLI);
        line.record(at(0.5), 0, MILLI);
        assert_eq!((line.count(), line.recent(at(21.0), 5).count()), (2, 1));
    }

    #[test]
    fn threads_add_up_second_by_second() {
        let mut one = Line::default();
        one.record(at(1.5), 1, MILLI);
        let mut other = Line::default();
        other.record(at(1.6), 2, 3 * MILLI);
        other.record(at(11.6), 4, 5 * MILLI);
        other.record_service(2 * MILLI);
        one.add(&other);
        assert_eq!(one.service().unwrap().count(), 1);
        assert_eq!((one.count(), one.octets()), (3, 7));
        assert_eq!(one.recent(at(12.0), 1).count(), 1);
        assert_eq!(one.percentiles().max.round(), 5.0);
    }
}
