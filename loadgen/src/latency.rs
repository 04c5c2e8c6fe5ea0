//! How long things took: histograms in microseconds with three significant digits.
use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Duration;

/// Longest time told apart, in microseconds: one hour.
const LONGEST: u64 = 3_600_000_000;

/// The times of one kind of event.
#[derive(Clone, Debug)]
pub struct Latency(Histogram<u64>);

/// What is told of them. Units: milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half of all were at most this long.
    pub p50: f64,
    /// 90 of 100.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1000.
    pub p999: f64,
    /// The longest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
}

impl Default for Latency {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST, 3);
        Self(histogram.expect("bounds and digits are within the crate's limits"))
    }
}

impl Latency {
    /// Notes that one more took `time`; an hour and more counts as an hour.
    pub fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST);
        self.0.saturating_record(micros.clamp(1, LONGEST));
    }

    /// Adds what was noted in `other`.
    pub fn add(&mut self, other: &Self) {
        let added = self.0.add(&other.0);
        added.expect("all histograms have the same bounds");
    }

    /// How many were noted.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// What is told of them.
    pub fn percentiles(&self) -> Percentiles {
        let millis = |quantile| self.0.value_at_quantile(quantile) as f64 / 1000.0;
        Percentiles {
            p50: millis(0.5),
            p90: millis(0.9),
            p99: millis(0.99),
            p999: millis(0.999),
            max: self.0.max() as f64 / 1000.0,
            mean: self.0.mean() / 1000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(seen: f64, wanted: f64) -> bool {
        (seen - wanted).abs() <= wanted * 0.002
    }

    #[test]
    fn percentiles_tell_the_share_below() {
        let mut latency = Latency::default();
        for millis in 1..=1000 {
            latency.record(Duration::from_millis(millis));
        }
        let seen = latency.percentiles();
        assert!(close(seen.p50, 500.0) && close(seen.p90, 900.0), "{seen:?}");
        assert!(
            close(seen.p99, 990.0) && close(seen.max, 1000.0),
            "{seen:?}"
        );
        assert!(close(seen.mean, 500.5), "{seen:?}");
        assert_eq!(latency.count(), 1000);
    }

    #[test]
    fn nothing_noted_tells_zeros() {
        assert_eq!(Latency::default().percentiles(), Percentiles::default());
    }

    #[test]
    fn times_beyond_the_bounds_are_counted_at_the_bounds() {
        let mut latency = Latency::default();
        latency.record(Duration::ZERO);
        latency.record(Duration::from_secs(100_000));
        assert_eq!(latency.count(), 2);
        assert!(close(latency.percentiles().max, 3_600_000.0));
    }
}
