//! The book of every message: what its sender was told, and what its receiver really got.
//!
//! It knows neither network nor clock; times are counted from the run's beginning.
mod entry;
mod event;
mod verdict;

pub use entry::{Acknowledged, Corruption, Entry};
pub use event::{Event, EventError};
pub use verdict::{Fault, Verdict};

use crate::{
    octets::{self, Digest},
    plan::{Plan, Planned},
};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

/// A message as its receiver saw it.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// Its message id.
    pub message_id: &'a str,
    /// The user named as its sender; `None` if it is no user of the run.
    pub sender: Option<usize>,
    /// The user who received it.
    pub receiver: usize,
    /// Digest of what arrived.
    pub digest: Digest,
}

/// What a delivery meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The message, for the first time; and when it was due to be sent.
    First(Planned, Duration),
    /// The message once more.
    Again(Planned),
    /// Not what was sent.
    Corrupted(Corruption),
    /// A message of another run.
    Foreign,
}

/// The book of one run.
#[derive(Clone, Debug)]
pub struct Ledger {
    plan: Plan,
    entries: HashMap<u64, Entry>,
    breaks: Vec<Duration>,
    /// Receivers who wanted to log in and could not.
    absent: HashSet<usize>,
    /// Acknowledged messages that have not arrived, by receiver.
    outstanding: HashMap<usize, usize>,
    /// The sum of these.
    owed: usize,
    arrivals: u64,
    foreign: u64,
    unsent: u64,
    /// The latest time noted.
    latest: Duration,
    /// Whether everybody had the chance to get everything since the last message was sent.
    is_retrieved: bool,
}

impl Ledger {
    /// An empty book.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            entries: HashMap::new(),
            breaks: Vec::new(),
            absent: HashSet::new(),
            outstanding: HashMap::new(),
            owed: 0,
            arrivals: 0,
            foreign: 0,
            unsent: 0,
            latest: Duration::ZERO,
            is_retrieved: false,
        }
    }

    /// The book of an earlier run that is said to have sent the whole plan to users who were
    /// offline.
    pub fn assumed(plan: Plan) -> Self {
        let mut ledger = Self::new(plan.clone());
        for message in plan.all() {
            let digest = octets::digest(&plan.content(&message));
            ledger.sent(&message, digest, Duration::ZERO);
            ledger.acknowledged(message.number, Acknowledged::Stored, Duration::ZERO);
        }
        ledger
    }

    /// The load whose book this is.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The latest time noted in it.
    pub fn latest(&self) -> Duration {
        self.latest
    }

    /// Notes that `message` is on its way, for the first time or again; it was due at `due`.
    pub fn sent(&mut self, message: &Planned, digest: Digest, due: Duration) {
        let receivers = || self.plan.receivers_of(message);
        let entry = self.entries.entry(message.number);
        let entry = entry.or_insert_with(|| Entry::new(message, digest, due, receivers()));
        entry.attempts += 1;
        self.is_retrieved = false;
        self.latest = self.latest.max(due);
    }

    /// Notes that the sender of message `number` was told that it is safe.
    pub fn acknowledged(&mut self, number: u64, how: Acknowledged, at: Duration) {
        self.latest = self.latest.max(at);
        let Some(entry) = self.entries.get_mut(&number) else {
            return;
        };
        if entry.acknowledged.is_some() {
            return;
        }
        entry.acknowledged = Some((how, at));
        for copy in &entry.copies {
            if entry.is_outstanding(copy) {
                *self.outstanding.entry(copy.receiver).or_default() += 1;
                self.owed += 1;
            }
        }
    }

    /// Notes that the sender of message `number` was refused, or got no answer.
    pub fn refused(&mut self, number: u64, why: impl Into<String>) {
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.refused = Some(why.into());
        }
    }

    /// Notes that the server broke at this moment: what it had not yet seen confirmed may come
    /// again.
    pub fn broke(&mut self, at: Duration) {
        self.breaks.push(at);
        self.latest = self.latest.max(at);
    }

    /// How often the server broke.
    pub fn breaks(&self) -> usize {
        self.breaks.len()
    }

    /// Notes that `receiver` could not log in: what is kept for it waits, and is not lost.
    pub fn absent(&mut self, receiver: usize) {
        self.absent.insert(receiver);
    }

    /// Notes that `receiver` is logged in.
    pub fn present(&mut self, receiver: usize) {
        self.absent.remove(&receiver);
    }

    /// Notes that all receivers had the chance to get everything.
    pub fn retrieved(&mut self) {
        self.is_retrieved = true;
    }

    /// Whether all receivers had the chance to get everything.
    pub fn is_retrieved(&self) -> bool {
        self.is_retrieved
    }

    /// Whether `receiver` wanted to log in and could not.
    fn is_absent(&self, receiver: usize) -> bool {
        self.absent.contains(&receiver)
    }

    /// Notes what a receiver got.
    pub fn delivered(&mut self, delivery: &Delivery<'_>, at: Duration) -> Seen {
        self.latest = self.latest.max(at);
        let Some(number) = self.plan.number(delivery.message_id) else {
            self.foreign += 1;
            return Seen::Foreign;
        };
        let Some(entry) = self.entries.get_mut(&number) else {
            self.unsent += 1;
            return Seen::Corrupted(Corruption::Unsent);
        };
        let of_receiver = |copy: &entry::Copy| copy.receiver == delivery.receiver;
        let (index, stray) = match entry.copies.iter().position(of_receiver) {
            Some(index) => (index, None),
            None => (0, Some(Corruption::Receiver)),
        };
        let is_owed = entry.is_outstanding(&entry.copies[index]);
        let corruption = stray.or_else(|| entry.difference(delivery));
        let copy = &mut entry.copies[index];
        if is_owed {
            self.owed -= 1;
            *self.outstanding.entry(copy.receiver).or_default() -= 1;
        }
        if let Some(corruption) = corruption {
            copy.corrupted = Some(corruption);
            return Seen::Corrupted(corruption);
        }
        copy.delivered.push(at);
        if copy.delivered.len() > 1 {
            return Seen::Again(entry.message);
        }
        copy.arrival = Some(self.arrivals);
        self.arrivals += 1;
        Seen::First(entry.message, entry.due)
    }

    /// How many acknowledged messages have not arrived yet.
    pub fn outstanding(&self) -> usize {
        self.owed
    }

    /// Messages whose senders were not told that they are safe, by number.
    pub fn unacknowledged(&self) -> Vec<u64> {
        let open = self.entries().filter(|entry| entry.acknowledged.is_none());
        let mut numbers: Vec<u64> = open.map(|entry| entry.message.number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The page of message `number`.
    pub fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(&number)
    }

    /// All pages, in no order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Acknowledged messages for `receiver` that have not arrived yet.
    pub fn outstanding_of(&self, receiver: usize) -> usize {
        self.outstanding.get(&receiver).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{PART_SPAN, Part, Pattern, Sizes};

    const SECOND: Duration = Duration::from_secs(1);

    fn ledger() -> Ledger {
        Ledger::new(Plan::of(1, Part::apart(2, 1, 10, Sizes::between(100, 100))))
    }

    fn send(ledger: &mut Ledger, number: u64) {
        let message = ledger.plan().message(number);
        let content = ledger.plan().content(&message);
        ledger.sent(&message, octets::digest(&content), SECOND);
    }

    fn acknowledge(ledger: &mut Ledger, number: u64) {
        send(ledger, number);
        ledger.acknowledged(number, Acknowledged::Stored, SECOND);
    }

    fn deliver(ledger: &mut Ledger, number: u64, at: Duration) -> Seen {
        let message = ledger.plan().message(number);
        let message_id = ledger.plan().message_id(number);
        let content = ledger.plan().content(&message);
        let delivery = Delivery {
            message_id: &message_id,
            sender: Some(message.sender),
            receiver: message.receiver,
            digest: octets::digest(&content),
        };
        ledger.delivered(&delivery, at)
    }

    #[test]
    fn message_that_arrives_once_is_clean() {
        let mut ledger = ledger();
        acknowledge(&mut ledger, 0);
        assert!(matches!(
            deliver(&mut ledger, 0, SECOND),
            Seen::First(_, SECOND)
        ));
        let verdict = ledger.verdict();
        assert!(verdict.is_clean(), "{verdict:?}");
        assert_eq!((verdict.sent, verdict.stored, verdict.delivered), (1, 1, 1));
        assert!(ledger.faults(10).is_empty());
    }

    #[test]
    fn acknowledged_message_that_never_arrives_is_lost() {
        let mut ledger = ledger();
        acknowledge(&mut ledger, 3);
        assert_eq!(ledger.outstanding(), 1);
        assert_eq!(ledger.verdict().lost, 1);
        let faults = ledger.faults(10);
        assert_eq!(faults[0].0.message.number, 3);
        assert_eq!((faults[0].1, faults[0].2), (2, Fault::Lost));
    }

    #[test]
    fn acknowledged_message_waits_until_its_receiver_logs_in() {
        let mut ledger = ledger();
        acknowledge(&mut ledger, 3);
        let verdict = ledger.verdict_before_retrieval();
        assert!(verdict.is_clean());
        assert_eq!(verdict.waiting, 1);
    }

    #[test]
    fn message_of_a_receiver_who_cannot_log_in_waits() {
        let mut ledger = ledger();
        acknowledge(&mut ledger, 3);
        ledger.absent(2);
        let verdict = ledger.verdict();
        assert_eq!((verdict.waiting, verdict.lost), (1, 0));
        assert!(ledger.faults(1).is_empty());
        ledger.present(2);
        assert_eq!(ledger.verdict().lost, 1);
    }

    #[test]
    fn unacknowledged_message_may_arrive_or_not() {
        let mut ledger = ledger();
        send(&mut ledger, 0);
        send(&mut ledger, 1);
        ledger.refused(1, "503 Service Unavailable");
        deliver(&mut ledger, 0, SECOND);
        let verdict = ledger.verdict();
        assert!(verdict.is_clean(), "{verdict:?}");
        assert_eq!(verdict.delivered_unacknowledged, 1);
        assert_eq!(verdict.refused, 1);
    }

    #[test]
    fn second_delivery_is_a_duplicate() {
        let mut ledger = ledger();
        acknowledge(&mut ledger, 0);
        deliver(&mut ledger, 0, SECOND);
        assert!(matches!(
            deliver(&mut ledger, 0, 2 * SECOND),
            Seen::Again(_)
        ));
        assert_eq!(ledger.verdict().duplicated, 1);
        assert_eq!(ledger.faults(1)[0].2, Fault::Duplicated);
    }

    #[test]
    fn second_delivery_after_a_break_is_a_repetition() {
        let mut ledger = ledger();
        acknowledge(&mut ledger, 0);
        deliver(&mut ledger, 0, SECOND);
        ledger.broke(2 * SECOND);
        deliver(&mut ledger, 0, 3 * SECOND);
        let verdict = ledger.verdict();
        assert!(verdict.is_clean(), "{verdict:?}");
        assert_eq!(verdict.repeated, 1);
        deliver(&mut ledger, 0, 4 * SECOND);
        assert_eq!(ledger.verdict().duplicated, 1);
    }

    #[test]
    fn changed_content_is_corrupted_and_not_lost_too() {
        let mut ledger = ledger();
        acknowledge(&mut ledger, 0);
        let message = ledger.plan().message(0);
        let message_id = ledger.plan().message_id(0);
        let mut delivery = Delivery {
            message_id: &message_id,
            sender: Some(message.sender),
            receiver: message.receiver,
            digest: octets::digest(b"half"),
        };
        let seen = ledger.delivered(&delivery, SECOND);
        assert_eq!(seen, Seen::Corrupted(Corruption::Content));
        delivery.receiver += 1;
        let seen = ledger.delivered(&delivery, SECOND);
        assert_eq!(seen, Seen::Corrupted(Corruption::Receiver));
        let verdict = ledger.verdict();
        assert_eq!((verdict.corrupted, verdict.lost), (1, 0));
    }

    #[test]
    fn wrong_sender_is_corrupted() {
        let mut ledger = ledger();
        acknowledge(&mut ledger, 0);
        let message = ledger.plan().message(0);
        let message_id = ledger.plan().message_id(0);
        let content = ledger.plan().content(&message);
        let delivery = Delivery {
            message_id: &message_id,
            sender: None,
            receiver: message.receiver,
            digest: octets::digest(&content),
        };
        let seen = ledger.delivered(&delivery, SECOND);
        assert_eq!(seen, Seen::Corrupted(Corruption::Sender));
    }

    #[test]
    fn message_never_sent_is_corrupted_and_other_runs_are_foreign() {
        let mut ledger = ledger();
        assert_eq!(
            deliver(&mut ledger, 5, SECOND),
            Seen::Corrupted(Corruption::Unsent)
        );
        let delivery = Delivery {
            message_id: "lg-0000000000000099-1",
            sender: None,
            receiver: 2,
            digest: Digest::default(),
        };
        assert_eq!(ledger.delivered(&delivery, SECOND), Seen::Foreign);
        let verdict = ledger.verdict();
        assert_eq!((verdict.corrupted, verdict.foreign), (1, 1));
    }

    #[test]
    fn order_is_judged_by_pair_of_sender_and_receiver() {
        let mut ledger = ledger();
        // even numbers are sender 0, odd ones sender 1
        for number in [0, 2, 4, 1, 3] {
            acknowledge(&mut ledger, number);
        }
        for number in [1, 0, 4, 2, 3] {
            deliver(&mut ledger, number, SECOND);
        }
        assert_eq!(ledger.verdict().overtaken, 1);
    }

    #[test]
    fn retries_are_counted_and_the_first_acknowledgement_stays() {
        let mut ledger = ledger();
        send(&mut ledger, 0);
        acknowledge(&mut ledger, 0);
        ledger.acknowledged(0, Acknowledged::Delivered, 9 * SECOND);
        let entry = ledger.entry(0).unwrap();
        assert_eq!(entry.acknowledged, Some((Acknowledged::Stored, SECOND)));
        assert_eq!(ledger.verdict().retries, 1);
    }

    #[test]
    fn message_to_a_group_is_owed_to_each_of_its_receivers() {
        let part = Part {
            senders: 2,
            receivers: 4,
            messages: 10,
            sizes: Sizes::between(100, 100),
            pattern: Pattern::Groups { size: 4, online: 2 },
        };
        let mut ledger = Ledger::new(Plan::of(1, part));
        acknowledge(&mut ledger, 0);
        assert_eq!(ledger.outstanding(), 3);
        let message_id = ledger.plan().message_id(0);
        let content = ledger.plan().content(&ledger.plan().message(0));
        let mut delivery = Delivery {
            message_id: &message_id,
            sender: Some(0),
            receiver: 3,
            digest: octets::digest(&content),
        };
        ledger.delivered(&delivery, SECOND);
        delivery.receiver = 1;
        ledger.delivered(&delivery, SECOND);
        assert_eq!((ledger.outstanding(), ledger.outstanding_of(2)), (1, 1));
        let verdict = ledger.verdict();
        assert_eq!((verdict.sent, verdict.delivered, verdict.lost), (1, 2, 1));
        assert_eq!(ledger.faults(9)[0].1, 2);
        delivery.receiver = 0;
        let seen = ledger.delivered(&delivery, SECOND);
        assert_eq!(
            seen,
            Seen::Corrupted(Corruption::Receiver),
            "its own sender"
        );
    }

    #[test]
    fn number_of_no_part_is_foreign() {
        let mut ledger = ledger();
        let message_id = ledger.plan().message_id(PART_SPAN);
        let delivery = Delivery {
            message_id: &message_id,
            sender: None,
            receiver: 2,
            digest: Digest::default(),
        };
        assert_eq!(ledger.delivered(&delivery, SECOND), Seen::Foreign);
    }

    #[test]
    fn assumed_book_expects_the_whole_plan() {
        let mut ledger = Ledger::assumed(ledger().plan().clone());
        assert_eq!(ledger.outstanding(), 10);
        assert_eq!(ledger.outstanding_of(2), 10);
        deliver(&mut ledger, 0, SECOND);
        assert_eq!(ledger.verdict().lost, 9);
    }
}
