//! The book of every message: what its sender was told, and what its receiver really got.
//!
//! It knows neither network nor clock; times are counted from the run's beginning.
use crate::{
    octets::{self, Digest},
    plan::{Plan, Planned},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

/// What a sender was told about its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acknowledged {
    /// The server keeps it until the receiver logs in.
    Stored,
    /// The receiver has it.
    Delivered,
}

/// One message's page in the book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What was to be sent.
    pub message: Planned,
    /// Digest of its content.
    #[serde(with = "hex_digest")]
    pub digest: Digest,
    /// How often it was sent.
    pub attempts: u32,
    /// What the sender was told, and when.
    pub acknowledged: Option<(Acknowledged, Duration)>,
    /// Last refusal the sender was told, as `code reason`.
    pub refused: Option<String>,
    /// When it reached its receiver whole; more than once is a fault, or the repetition the
    /// contract allows after a break.
    pub delivered: Vec<Duration>,
    /// Why a delivery under its id was not the message.
    pub corrupted: Option<Corruption>,
    /// Its place among the first deliveries of the run.
    arrival: Option<u64>,
}

/// How a delivery differs from what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Corruption {
    /// Other octets.
    Content,
    /// Another sender is named.
    Sender,
    /// It reached someone else.
    Receiver,
    /// It was never sent.
    Unsent,
}

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
    /// The message, for the first time.
    First(Planned),
    /// The message once more.
    Again(Planned),
    /// Not what was sent.
    Corrupted(Corruption),
    /// A message of another run.
    Foreign,
}

/// One thing that must not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The sender was told that all is well, and nobody got it.
    Lost,
    /// It came twice with no break of the server between.
    Duplicated,
    /// What came was not what was sent.
    Corrupted,
}

/// The sums at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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

/// The book of one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ledger {
    plan: Plan,
    entries: HashMap<u64, Entry>,
    breaks: Vec<Duration>,
    /// Receivers who wanted to log in and could not.
    #[serde(default)]
    absent: HashSet<usize>,
    /// Acknowledged messages that have not arrived, by receiver.
    outstanding: HashMap<usize, usize>,
    arrivals: u64,
    foreign: u64,
    unsent: u64,
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
            arrivals: 0,
            foreign: 0,
            unsent: 0,
        }
    }

    /// The book of an earlier run that is said to have sent the whole plan to users who were
    /// offline.
    pub fn assumed(plan: Plan) -> Self {
        let mut ledger = Self::new(plan.clone());
        for message in plan.all() {
            ledger.sent(&message, octets::digest(&plan.content(&message)));
            ledger.acknowledged(message.number, Acknowledged::Stored, Duration::ZERO);
        }
        ledger
    }

    /// The load whose book this is.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Notes that `message` is on its way, for the first time or again.
    pub fn sent(&mut self, message: &Planned, digest: Digest) {
        let entry = self.entries.entry(message.number).or_insert_with(|| Entry {
            message: *message,
            digest,
            attempts: 0,
            acknowledged: None,
            refused: None,
            delivered: Vec::new(),
            corrupted: None,
            arrival: None,
        });
        entry.attempts += 1;
    }

    /// Notes that the sender of message `number` was told that it is safe.
    pub fn acknowledged(&mut self, number: u64, how: Acknowledged, at: Duration) {
        let Some(entry) = self.entries.get_mut(&number) else {
            return;
        };
        if entry.acknowledged.is_none() {
            entry.acknowledged = Some((how, at));
            let waits = usize::from(entry.is_outstanding());
            *self.outstanding.entry(entry.message.receiver).or_default() += waits;
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
    }

    /// Notes that `receiver` could not log in: what is kept for it waits, and is not lost.
    pub fn absent(&mut self, receiver: usize) {
        self.absent.insert(receiver);
    }

    /// Notes that `receiver` is logged in.
    pub fn present(&mut self, receiver: usize) {
        self.absent.remove(&receiver);
    }

    /// Notes what a receiver got.
    pub fn delivered(&mut self, delivery: &Delivery<'_>, at: Duration) -> Seen {
        let Some(number) = self.plan.number(delivery.message_id) else {
            self.foreign += 1;
            return Seen::Foreign;
        };
        let Some(entry) = self.entries.get_mut(&number) else {
            self.unsent += 1;
            return Seen::Corrupted(Corruption::Unsent);
        };
        if entry.is_outstanding() {
            *self.outstanding.entry(entry.message.receiver).or_default() -= 1;
        }
        if let Some(corruption) = entry.difference(delivery) {
            entry.corrupted = Some(corruption);
            return Seen::Corrupted(corruption);
        }
        entry.delivered.push(at);
        if entry.delivered.len() > 1 {
            return Seen::Again(entry.message);
        }
        entry.arrival = Some(self.arrivals);
        self.arrivals += 1;
        Seen::First(entry.message)
    }

    /// How many acknowledged messages have not arrived yet.
    pub fn outstanding(&self) -> usize {
        self.outstanding.values().sum()
    }

    /// Messages whose senders were not told that they are safe, by number.
    pub fn unacknowledged(&self) -> Vec<u64> {
        let open = self
            .entries
            .values()
            .filter(|entry| entry.acknowledged.is_none());
        let mut numbers: Vec<u64> = open.map(|entry| entry.message.number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The page of message `number`.
    pub fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(&number)
    }

    /// Acknowledged messages for `receiver` that have not arrived yet.
    pub fn outstanding_of(&self, receiver: usize) -> usize {
        self.outstanding.get(&receiver).copied().unwrap_or_default()
    }

    /// The sums, if every receiver had the chance to get everything.
    pub fn verdict(&self) -> Verdict {
        self.judged(true)
    }

    /// The sums while the receivers are still offline: nothing is lost yet.
    pub fn verdict_before_retrieval(&self) -> Verdict {
        self.judged(false)
    }

    /// The messages with a fault and the fault, by number, at most `limit`.
    pub fn faults(&self, limit: usize) -> Vec<(&Entry, Fault)> {
        let judged = self.entries.values().filter_map(|entry| {
            let fault = self.fault(entry)?;
            Some((entry, fault))
        });
        let mut faults: Vec<_> = judged.collect();
        faults.sort_by_key(|(entry, _)| entry.message.number);
        faults.truncate(limit);
        faults
    }

    fn fault(&self, entry: &Entry) -> Option<Fault> {
        if entry.corrupted.is_some() {
            return Some(Fault::Corrupted);
        }
        if self.is_lost(entry) {
            return Some(Fault::Lost);
        }
        let (_, duplicates) = self.repetitions(entry);
        (duplicates > 0).then_some(Fault::Duplicated)
    }

    fn is_lost(&self, entry: &Entry) -> bool {
        entry.is_outstanding() && !self.absent.contains(&entry.message.receiver)
    }

    fn judged(&self, retrieved: bool) -> Verdict {
        let mut sums = Verdict {
            foreign: self.foreign,
            corrupted: self.unsent,
            overtaken: self.overtaken(),
            ..Verdict::default()
        };
        for entry in self.entries.values() {
            self.add(entry, &mut sums);
        }
        if !retrieved {
            sums.waiting += std::mem::take(&mut sums.lost);
        }
        sums
    }

    fn add(&self, entry: &Entry, sums: &mut Verdict) {
        let delivered = !entry.delivered.is_empty();
        sums.sent += 1;
        sums.retries += u64::from(entry.attempts.saturating_sub(1));
        match entry.acknowledged {
            Some((Acknowledged::Stored, _)) => sums.stored += 1,
            Some((Acknowledged::Delivered, _)) => sums.delivered_at_once += 1,
            None if delivered => sums.delivered_unacknowledged += 1,
            None => sums.refused += u64::from(entry.refused.is_some()),
        }
        sums.acknowledged += u64::from(entry.acknowledged.is_some());
        sums.delivered += u64::from(delivered);
        let (repeated, duplicated) = self.repetitions(entry);
        sums.repeated += repeated;
        sums.duplicated += duplicated;
        let is_lost = self.is_lost(entry);
        sums.lost += u64::from(is_lost);
        sums.waiting += u64::from(!is_lost && entry.is_outstanding());
        sums.corrupted += u64::from(entry.corrupted.is_some());
    }

    /// Deliveries after the first: those a break before them explains, and those nothing does.
    fn repetitions(&self, entry: &Entry) -> (u64, u64) {
        let mut sums = (0, 0);
        for pair in entry.delivered.windows(2) {
            let explained = |at: &Duration| pair[0] <= *at + CONFIRMING && *at <= pair[1];
            match self.breaks.iter().any(explained) {
                true => sums.0 += 1,
                false => sums.1 += 1,
            }
        }
        sums
    }

    fn overtaken(&self) -> u64 {
        let mut arrived: Vec<&Entry> = self
            .entries
            .values()
            .filter(|entry| entry.arrival.is_some())
            .collect();
        arrived.sort_unstable_by_key(|entry| entry.arrival);
        let mut latest: HashMap<(usize, usize), u64> = HashMap::new();
        let mut sum = 0;
        for Entry { message, .. } in arrived {
            let latest = latest
                .entry((message.sender, message.receiver))
                .or_default();
            sum += u64::from(message.number < *latest);
            *latest = message.number.max(*latest);
        }
        sum
    }
}

/// How long after a break noted here a delivery may still have been on its way to us: the breaker
/// and the receivers are different tasks.
const CONFIRMING: Duration = Duration::from_millis(500);

impl Entry {
    /// Whether the sender was told that all is well and the receiver has nothing yet.
    pub fn is_outstanding(&self) -> bool {
        self.acknowledged.is_some() && self.delivered.is_empty() && self.corrupted.is_none()
    }

    fn difference(&self, delivery: &Delivery<'_>) -> Option<Corruption> {
        if delivery.receiver != self.message.receiver {
            return Some(Corruption::Receiver);
        }
        if delivery.sender != Some(self.message.sender) {
            return Some(Corruption::Sender);
        }
        (delivery.digest != self.digest).then_some(Corruption::Content)
    }
}

/// Digests are written as hexadecimal digits.
mod hex_digest {
    use super::Digest;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
        let text: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
        to.serialize_str(&text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(from)?;
        let mut digest = Digest::default();
        let whole = text.len() == 2 * digest.len() && text.is_ascii();
        for (octet, digits) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(D::Error::custom)?;
            *octet = u8::from_str_radix(digits, 16).map_err(D::Error::custom)?;
        }
        match whole {
            true => Ok(digest),
            false => Err(D::Error::custom("not 64 hexadecimal digits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Sizes;

    const SECOND: Duration = Duration::from_secs(1);

    fn ledger() -> Ledger {
        Ledger::new(Plan {
            seed: 1,
            senders: 2,
            receivers: 1,
            messages: 10,
            sizes: Sizes::between(100, 100),
        })
    }

    fn send(ledger: &mut Ledger, number: u64) {
        let message = ledger.plan().message(number);
        let content = ledger.plan().content(&message);
        ledger.sent(&message, octets::digest(&content));
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
        assert!(matches!(deliver(&mut ledger, 0, SECOND), Seen::First(_)));
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
        assert_eq!(faults[0].1, Fault::Lost);
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
        assert_eq!(ledger.faults(1)[0].1, Fault::Duplicated);
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
    fn written_book_is_read_back_the_same() {
        let mut ledger = ledger();
        acknowledge(&mut ledger, 0);
        acknowledge(&mut ledger, 1);
        deliver(&mut ledger, 1, SECOND);
        let text = serde_json::to_string(&ledger).unwrap();
        let read: Ledger = serde_json::from_str(&text).unwrap();
        assert_eq!(read.verdict(), ledger.verdict());
        assert_eq!(read.entry(0), ledger.entry(0));
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
