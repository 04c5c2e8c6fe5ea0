//! How long things took: histograms in microseconds with three significant digits.
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Longest time told apart, in microseconds: one hour.
const LONGEST: u64 = 3_600_000_000;

/// The times of one kind of event.
#[derive(Clone, Debug)]
pub struct Latency(Histogram<u64>);

/// What is told of them. Units: milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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

/// How times are spread. Units: milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Distribution {
    /// Shares of all, from 0 to 1, and the time which they did not exceed.
    pub shares: Vec<(f64, f64)>,
    /// How many took up to a time, and longer than the one before.
    pub counts: Vec<(f64, u64)>,
}

/// Shares that are told, as far as there are enough times for them.
const SHARES: [f64; 16] = [
    0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99995,
    0.99999, 0.999999,
];

/// Steps in which counts are told: so many to a tenfold.
const STEPS: i32 = 20;

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

    /// How they are spread.
    pub fn distribution(&self) -> Distribution {
        if self.count() == 0 {
            return Distribution::default();
        }
        let millis = |micros: u64| micros as f64 / 1000.0;
        let is_known = |share: &f64| (1.0 - share) * self.count() as f64 >= 1.0;
        let told = SHARES.into_iter().filter(is_known).chain([1.0]);
        Distribution {
            shares: told
                .map(|share| (share, millis(self.0.value_at_quantile(share))))
                .collect(),
            counts: self.counts(),
        }
    }

    fn counts(&self) -> Vec<(f64, u64)> {
        let step = |micros: u64| ((micros as f64).log10() * f64::from(STEPS)).ceil() as i32;
        let (first, last) = (step(self.0.min()), step(self.0.max()));
        let mut counts = vec![0; (last - first + 1).max(1) as usize];
        for value in self.0.iter_recorded() {
            let place = (step(value.value_iterated_to()) - first).clamp(0, last - first);
            counts[place as usize] += value.count_at_value();
        }
        let up_to = |step: i32| 10_f64.powf(f64::from(step) / f64::from(STEPS)) / 1000.0;
        (first..=last).map(up_to).zip(counts).collect()
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
    fn distribution_tells_shares_and_counts() {
        let mut latency = Latency::default();
        for millis in 1..=1000 {
            latency.record(Duration::from_millis(millis));
        }
        let seen = latency.distribution();
        let shares: Vec<f64> = seen.shares.iter().map(|(share, _)| *share).collect();
        assert_eq!(shares[..4], [0.0, 0.1, 0.25, 0.5]);
        assert_eq!(shares[shares.len() - 2..], [0.999, 1.0]);
        let sum: u64 = seen.counts.iter().map(|(_, count)| count).sum();
        assert_eq!(sum, 1000);
        // 20 steps to a tenfold, of which there are three
        assert!((61..=62).contains(&seen.counts.len()), "{seen:?}");
        let at_most_10 = seen.counts.iter().filter(|(millis, _)| *millis < 10.1);
        let at_most_10: u64 = at_most_10.map(|(_, count)| count).sum();
        assert!((9..=11).contains(&at_most_10), "{at_most_10}");
        assert_eq!(Latency::default().distribution(), Distribution::default());
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
