//! What one phase of a run came to, on one thread or on all of them.
use super::flights::Fault;
use crate::{
    latency::Latency,
    series::{Kind, Series},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Counts of one phase.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Messages received whole.
    pub received: u64,
    /// Their octets.
    pub octets: u64,
    /// Messages that never came.
    pub lost: u64,
    /// Messages that came, but whose answer or report did not.
    pub unanswered: u64,
    /// Messages that came once more.
    pub doubled: u64,
    /// Messages that came with other octets.
    pub corrupted: u64,
    /// Messages refused, and everything else that should not have been, by what was told.
    pub refusals: BTreeMap<String, u64>,
    /// First octet sent to last octet received.
    pub latency: Latency,
    /// When the last message came.
    pub last: Option<Instant>,
    /// What happened when, where somebody wants to see it.
    pub charted: Option<Charted>,
}

/// What happened when, from the run's beginning.
#[derive(Clone, Debug)]
pub struct Charted {
    /// When the run began.
    pub begun: Instant,
    /// What is counted.
    pub kind: Kind,
    /// How much of it happened when.
    pub series: Series,
}

impl Tally {
    /// A tally that notes also when `kind` happens, if the run that began at `begun` is charted.
    pub fn new(kind: Kind, begun: Option<Instant>) -> Self {
        let charted = |begun| Charted {
            begun,
            kind,
            series: Series::default(),
        };
        Self {
            charted: begun.map(charted),
            ..Self::default()
        }
    }

    /// Notes that one of `octets` took `took`.
    pub fn took(&mut self, octets: u64, took: Duration, now: Instant) {
        self.latency.record(took);
        if let Some(Charted {
            begun,
            kind,
            series,
        }) = &mut self.charted
        {
            series.record(*kind, now.saturating_duration_since(*begun), octets, took);
        }
    }

    /// Whether nothing went wrong.
    pub fn is_clean(&self) -> bool {
        self.lost + self.unanswered + self.doubled + self.corrupted == 0 && self.refusals.is_empty()
    }

    /// Notes one more `reason`.
    pub fn refuse(&mut self, reason: impl Into<String>) {
        *self.refusals.entry(reason.into()).or_default() += 1;
    }

    /// Notes a fault.
    pub fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Doubled => self.doubled += 1,
            Fault::Corrupted => self.corrupted += 1,
            Fault::Unasked => self.refuse("something came that nobody waits for"),
        }
    }

    /// Adds what another thread counted.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.octets += other.octets;
        self.lost += other.lost;
        self.unanswered += other.unanswered;
        self.doubled += other.doubled;
        self.corrupted += other.corrupted;
        for (reason, count) in &other.refusals {
            *self.refusals.entry(reason.clone()).or_default() += count;
        }
        self.latency.add(&other.latency);
        self.last = self.last.max(other.last);
        match (&mut self.charted, &other.charted) {
            (Some(own), Some(theirs)) => own.series.add(&theirs.series),
            (None, Some(theirs)) => self.charted = Some(theirs.clone()),
            (_, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_add_up() {
        let mut one = Tally::default();
        assert!(one.is_clean());
        one.received = 3;
        one.latency.record(Duration::from_millis(2));
        let mut other = Tally::default();
        other.fault(Fault::Doubled);
        other.fault(Fault::Corrupted);
        other.refuse("481");
        let begun = Instant::now();
        other.charted = Tally::new(Kind::Deliver, Some(begun)).charted;
        let later = begun + Duration::from_secs(3);
        other.took(9, Duration::from_millis(2), later);
        one.add(&other);
        one.add(&other);
        let charted = one.charted.as_ref().unwrap();
        assert_eq!(charted.series.count(Kind::Deliver), 2);
        assert_eq!((one.received, one.doubled, one.corrupted), (3, 2, 2));
        assert_eq!(one.refusals["481"], 2);
        assert_eq!(one.latency.count(), 3);
        assert!(!one.is_clean());
    }
}
