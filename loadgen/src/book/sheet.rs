//! What was done in one scene, by kind.
use crate::{
    latency::{Latency, Percentiles},
    series::Kind,
};
use std::time::{Duration, Instant};

/// What was done in one scene.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    tallies: [Tally; Kind::ALL.len()],
    /// Requests that were due, and had to wait because too many were under way.
    pub waited: u64,
}

/// One kind of event.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    octets: u64,
    latency: Latency,
    last: Option<Instant>,
}

impl Sheet {
    /// Notes an event.
    pub fn add(&mut self, kind: Kind, octets: u64, took: Duration, now: Instant) {
        let tally = &mut self.tallies[kind as usize];
        tally.octets += octets;
        tally.latency.record(took);
        tally.last = Some(now);
    }

    /// Everything of one kind.
    pub fn tally(&self, kind: Kind) -> &Tally {
        &self.tallies[kind as usize]
    }

    /// The kinds there are.
    pub fn tallies(&self) -> impl Iterator<Item = (Kind, &Tally)> {
        let tallies = Kind::ALL.into_iter().zip(&self.tallies);
        tallies.filter(|(_, tally)| tally.count() > 0)
    }
}

impl Tally {
    /// When the last of them was.
    pub fn last(&self) -> Option<Instant> {
        self.last
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.latency.count()
    }

    /// Octets of content they carried.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// How long they took.
    pub fn percentiles(&self) -> Percentiles {
        self.latency.percentiles()
    }
}
