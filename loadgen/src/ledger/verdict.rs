//! What the book comes to at the end.
use super::{
    Ledger,
    entry::{Acknowledged, Copy, Entry},
};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, time::Duration};

/// How long after a break noted here a delivery may still have been on its way to us: the breaker
/// and the receivers are different tasks.
const CONFIRMING: Duration = Duration::from_millis(500);

/// One thing that must not happen.
#[derive(Clone, std::marker::Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The sender was told that all is well, and nobody got it.
    Lost,
    /// It came twice with no break of the server between.
    Duplicated,
    /// What came was not what was sent.
    Corrupted,
}

/// The sums at the end. A message to a group counts once where it is sent, and for each of its
/// receivers where it is delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Verdict {
    /// Messages sent at least once.
    pub sent: u64,
    /// Times a message was sent again because no answer came.
    pub retries: u64,
    /// Messages whose sender was told that they are safe.
    pub acknowledged: u64,
    /// Of these, kept by the server.
    pub stored: u64,
    /// Of these, received at once.
    pub delivered_at_once: u64,
    /// Messages refused and never acknowledged.
    pub refused: u64,
    /// Messages their receivers have.
    pub delivered: u64,
    /// Of these, messages whose sender was never told; no fault.
    pub delivered_unacknowledged: u64,
    /// Acknowledged messages that wait for a receiver who did not log in; no fault.
    pub waiting: u64,
    /// Repetitions with a break of the server before them; no fault.
    pub repeated: u64,
    /// Deliveries that overtook an earlier message of the same sender to the same receiver.
    pub overtaken: u64,
    /// Deliveries of other runs' messages.
    pub foreign: u64,
    /// Acknowledged messages that did not arrive.
    pub lost: u64,
    /// Messages that arrived more than once without need.
    pub duplicated: u64,
    /// Messages that arrived changed, misdirected, or without having been sent.
    pub corrupted: u64,
}

impl Verdict {
    /// Whether the server kept its word.
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.corrupted == 0
    }
}

impl Ledger {
    /// The sums, if every receiver had the chance to get everything.
    pub fn verdict(&self) -> Verdict {
        self.judged(true)
    }

    /// The sums while the receivers are still offline: nothing is lost yet.
    pub fn verdict_before_retrieval(&self) -> Verdict {
        self.judged(false)
    }

    /// The messages with a fault, the receiver and the fault, by number, at most `limit`.
    pub fn faults(&self, limit: usize) -> Vec<(&Entry, usize, Fault)> {
        let judged = self.entries().flat_map(|entry| {
            let copies = entry.copies.iter();
            copies.filter_map(move |copy| {
                let fault = self.fault(entry, copy)?;
                Some((entry, copy.receiver, fault))
            })
        });
        let mut faults: Vec<_> = judged.collect();
        faults.sort_by_key(|(entry, receiver, _)| (entry.message.number, *receiver));
        faults.truncate(limit);
        faults
    }

    fn fault(&self, entry: &Entry, copy: &Copy) -> Option<Fault> {
        if copy.corrupted.is_some() {
            return Some(Fault::Corrupted);
        }
        if self.is_lost(entry, copy) {
            return Some(Fault::Lost);
        }
        let (_, duplicates) = self.repetitions(copy);
        (duplicates > 0).then_some(Fault::Duplicated)
    }

    fn is_lost(&self, entry: &Entry, copy: &Copy) -> bool {
        entry.is_outstanding(copy) && !self.is_absent(copy.receiver)
    }

    fn judged(&self, retrieved: bool) -> Verdict {
        let mut sums = Verdict {
            foreign: self.foreign,
            corrupted: self.unsent,
            overtaken: self.overtaken(),
            ..Verdict::default()
        };
        for entry in self.entries() {
            add(entry, &mut sums);
            for copy in &entry.copies {
                self.add_copy(entry, copy, &mut sums);
            }
        }
        if !retrieved {
            sums.waiting += std::mem::take(&mut sums.lost);
        }
        sums
    }

    fn add_copy(&self, entry: &Entry, copy: &Copy, sums: &mut Verdict) {
        let delivered = !copy.delivered.is_empty();
        sums.delivered += u64::from(delivered);
        let is_unknown = delivered && entry.acknowledged.is_none();
        sums.delivered_unacknowledged += u64::from(is_unknown);
        let (repeated, duplicated) = self.repetitions(copy);
        sums.repeated += repeated;
        sums.duplicated += duplicated;
        let is_lost = self.is_lost(entry, copy);
        sums.lost += u64::from(is_lost);
        sums.waiting += u64::from(!is_lost && entry.is_outstanding(copy));
        sums.corrupted += u64::from(copy.corrupted.is_some());
    }

    /// Deliveries after the first: those a break before them explains, and those nothing does.
    fn repetitions(&self, copy: &Copy) -> (u64, u64) {
        let mut sums = (0, 0);
        for pair in copy.delivered.windows(2) {
            let explained = |at: &Duration| pair[0] <= *at + CONFIRMING && *at <= pair[1];
            match self.breaks.iter().any(explained) {
                true => sums.0 += 1,
                false => sums.1 += 1,
            }
        }
        sums
    }

    fn overtaken(&self) -> u64 {
        let mut arrived: Vec<(u64, &Entry, usize)> = self
            .entries()
            .flat_map(|entry| entry.copies.iter().map(move |copy| (entry, copy)))
            .filter_map(|(entry, copy)| Some((copy.arrival?, entry, copy.receiver)))
            .collect();
        arrived.sort_unstable_by_key(|(arrival, ..)| *arrival);
        let mut latest: HashMap<(usize, usize), u64> = HashMap::new();
        let mut sum = 0;
        for (_, Entry { message, .. }, receiver) in arrived {
            let latest = latest.entry((message.sender, receiver)).or_default();
            sum += u64::from(message.number < *latest);
            *latest = message.number.max(*latest);
        }
        sum
    }
}

/// Adds what the sender of `entry` knows.
fn add(entry: &Entry, sums: &mut Verdict) {
    let delivered = entry.copies.iter().any(|copy| !copy.delivered.is_empty());
    sums.sent += 1;
    sums.retries += u64::from(entry.attempts.saturating_sub(1));
    match entry.acknowledged {
        Some((Acknowledged::Stored, _)) => sums.stored += 1,
        Some((Acknowledged::Delivered, _)) => sums.delivered_at_once += 1,
        None => sums.refused += u64::from(entry.refused.is_some() && !delivered),
    }
    sums.acknowledged += u64::from(entry.acknowledged.is_some());
}
