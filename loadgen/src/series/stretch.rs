//! Stretches of a run: how many, how large, how long.
use crate::latency::Percentiles;
use std::{collections::BTreeMap, time::Duration};

/// Stretches of a run at most; a chart has no more room either.
const MOST: usize = 600;

/// Bits of a time that are kept: it is told to half a hundredth.
const BITS: u32 = 7;

/// What happened in one stretch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    count: u64,
    octets: u64,
    /// How often something took about so many microseconds.
    times: BTreeMap<u32, u32>,
}

/// All stretches of a run, each as long as the others.
#[derive(Clone, Debug)]
pub struct Stretches {
    width: u64,
    stretches: Vec<Stretch>,
}

impl Default for Stretches {
    fn default() -> Self {
        Self {
            width: 1,
            stretches: Vec::new(),
        }
    }
}

impl Stretches {
    /// Notes an event that ended at `at`.
    pub fn record(&mut self, at: Duration, octets: u64, took: Duration) {
        while at.as_secs() / self.width >= MOST as u64 {
            self.widen();
        }
        let place = (at.as_secs() / self.width) as usize;
        if self.stretches.len() <= place {
            self.stretches.resize_with(place + 1, Stretch::default);
        }
        self.stretches[place].record(octets, took);
    }

    /// Adds what another thread noted.
    pub fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        while self.width < other.width {
            self.widen();
        }
        while other.width < self.width {
            other.widen();
        }
        let longest = self.stretches.len().max(other.stretches.len());
        self.stretches.resize_with(longest, Stretch::default);
        for (own, theirs) in self.stretches.iter_mut().zip(&other.stretches) {
            own.add(theirs);
        }
    }

    /// Seconds of a stretch: a power of two.
    pub fn width(&self) -> u64 {
        self.width
    }

    /// Makes the stretches `width` seconds long, or the next longer length they can have.
    pub fn widen_to(&mut self, width: u64) {
        while self.width < width {
            self.widen();
        }
    }

    /// The stretches from the run's beginning to the last event.
    pub fn all(&self) -> &[Stretch] {
        &self.stretches
    }

    fn widen(&mut self) {
        self.width *= 2;
        let pairs = self.stretches.chunks(2).map(|pair| {
            let mut sum = pair[0].clone();
            pair[1..].iter().for_each(|second| sum.add(second));
            sum
        });
        self.stretches = pairs.collect();
    }
}

impl Stretch {
    /// Notes an event.
    pub fn record(&mut self, octets: u64, took: Duration) {
        self.count += 1;
        self.octets += octets;
        *self.times.entry(rounded(took)).or_default() += 1;
    }

    /// Adds another stretch.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.octets += other.octets;
        for (time, count) in &other.times {
            *self.times.entry(*time).or_default() += count;
        }
    }

    /// How many events there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Octets of content they carried.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// How long they took, to half a hundredth.
    pub fn percentiles(&self) -> Percentiles {
        let sum: f64 = self
            .times
            .iter()
            .map(|(time, count)| f64::from(*time) * f64::from(*count))
            .sum();
        Percentiles {
            p50: self.quantile(0.5),
            p90: self.quantile(0.9),
            p99: self.quantile(0.99),
            p999: self.quantile(0.999),
            max: self.quantile(1.0),
            mean: sum / (self.count.max(1) as f64) / 1000.0,
        }
    }

    /// Milliseconds that the `share` of them did not exceed.
    fn quantile(&self, share: f64) -> f64 {
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (time, count) in &self.times {
            seen += u64::from(*count);
            if seen >= wanted {
                return f64::from(*time) / 1000.0;
            }
        }
        0.0
    }
}

/// Microseconds, of which only the first bits count; the middle of all that look the same.
fn rounded(time: Duration) -> u32 {
    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    let dropped = (u32::BITS - micros.leading_zeros()).saturating_sub(BITS);
    let middle = (1_u32 << dropped) >> 1;
    (micros >> dropped << dropped) | middle
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn times_are_told_to_half_a_hundredth() {
        for micros in [1, 100, 127, 128, 12_345, 1_000_000, 3_600_000_000] {
            let seen = f64::from(rounded(Duration::from_micros(micros)));
            let wrong = (seen - micros as f64).abs() / micros as f64;
            assert!(wrong <= 1.0 / 127.0, "{micros} became {seen}");
        }
        assert_eq!(rounded(at(100_000)), u32::MAX >> 25 << 25 | 1 << 24);
    }

    #[test]
    fn percentiles_tell_the_share_below() {
        let mut stretch = Stretch::default();
        (1..=1000).for_each(|millis| stretch.record(0, millis * MILLI));
        let seen = stretch.percentiles();
        let close = |seen: f64, wanted: f64| (seen - wanted).abs() <= wanted / 100.0;
        assert!(close(seen.p50, 500.0) && close(seen.p99, 990.0), "{seen:?}");
        assert!(
            close(seen.mean, 500.5) && close(seen.max, 1000.0),
            "{seen:?}"
        );
        assert_eq!(Stretch::default().percentiles(), Percentiles::default());
    }

    #[test]
    fn run_of_hours_stays_within_its_bound() {
        let mut stretches = Stretches::default();
        (0..7200).for_each(|second| stretches.record(at(second), 1, MILLI));
        assert_eq!(stretches.width(), 16);
        assert_eq!(stretches.all().len(), 450);
        assert!(stretches.all().iter().all(|stretch| stretch.count() == 16));
    }

    #[test]
    fn stretches_of_different_length_add_up() {
        let mut long = Stretches::default();
        long.record(at(700), 1, MILLI);
        let mut short = Stretches::default();
        short.record(at(3), 2, MILLI);
        short.add(&long);
        assert_eq!((short.width(), short.all().len()), (2, 351));
        assert_eq!(short.all()[1].octets(), 2);
        long.add(&short);
        assert_eq!(long.all()[350].count(), 2);
    }

    #[test]
    fn event_between_others_counts_in_its_own_stretch() {
        let mut stretches = Stretches::default();
        stretches.record(at(5), 0, MILLI);
        stretches.record(at(2), 0, MILLI);
        let counts: Vec<u64> = stretches.all().iter().map(Stretch::count).collect();
        assert_eq!(counts, [0, 0, 1, 0, 0, 1]);
    }
}
