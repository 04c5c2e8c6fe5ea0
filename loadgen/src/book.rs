//! What all threads of a run write into: the ledger, the times, the refusals.
use crate::{
    latency::{Latency, Percentiles},
    ledger::{Acknowledged, Delivery, Ledger, Seen},
    octets::Digest,
    plan::Planned,
    scene::Scene,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The book of a run; clones are the same book.
#[derive(Clone)]
pub struct Book {
    begun: Instant,
    pages: Arc<Mutex<Pages>>,
}

/// What stands in it.
pub struct Pages {
    /// Every message.
    pub ledger: Ledger,
    /// From the first octet of a login to its final answer.
    pub login: Tally,
    /// From the first octet of a request to the answer that the message is safe.
    pub accept: Tally,
    /// From the first octet of the receiver's login to the message's last octet.
    pub deliver: Tally,
    /// What was refused, by reason.
    pub refusals: BTreeMap<String, u64>,
    /// Why the run cannot go on.
    pub broken: Option<String>,
    last_news: Instant,
}

/// One kind of success.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    octets: u64,
    latency: Latency,
    last: Option<Instant>,
}

impl Tally {
    fn add(&mut self, octets: u64, took: Duration, now: Instant) {
        self.octets += octets;
        self.latency.record(took);
        self.last = Some(now);
    }

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

impl Pages {
    /// What `scene` counts.
    pub fn tally(&self, scene: Scene) -> &Tally {
        match scene {
            Scene::LogIn => &self.login,
            Scene::Send => &self.accept,
            Scene::Retrieve => &self.deliver,
        }
    }
}

impl Book {
    /// Opens a book at `now`.
    pub fn open(ledger: Ledger, now: Instant) -> Self {
        let pages = Pages {
            ledger,
            login: Tally::default(),
            accept: Tally::default(),
            deliver: Tally::default(),
            refusals: BTreeMap::new(),
            broken: None,
            last_news: now,
        };
        Self {
            begun: now,
            pages: Arc::new(Mutex::new(pages)),
        }
    }

    /// The book, for reading sums.
    pub fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A user logged in.
    pub fn logged_in(&self, took: Duration, now: Instant) {
        let mut pages = self.pages();
        pages.login.add(0, took, now);
        pages.last_news = now;
    }

    /// A message goes out.
    pub fn sent(&self, message: &Planned, digest: Digest) {
        self.pages().ledger.sent(message, digest);
    }

    /// The sender of `message` was told at `now` that it is safe.
    pub fn acknowledged(&self, message: &Planned, how: Acknowledged, took: Duration, now: Instant) {
        let mut pages = self.pages();
        let at = now.duration_since(self.begun);
        pages.ledger.acknowledged(message.number, how, at);
        pages.accept.add(message.size, took, now);
        pages.last_news = now;
    }

    /// Something was refused or not answered; `message` if it was one.
    pub fn refused(&self, message: Option<&Planned>, why: &str) {
        let mut pages = self.pages();
        if let Some(message) = message {
            pages.ledger.refused(message.number, why);
        }
        *pages.refusals.entry(why.to_owned()).or_default() += 1;
    }

    /// A receiver who began to log in at `login` got something.
    pub fn delivered(&self, delivery: &Delivery<'_>, login: Instant, now: Instant) -> Seen {
        let mut pages = self.pages();
        let seen = pages
            .ledger
            .delivered(delivery, now.duration_since(self.begun));
        if let Seen::First(message) = seen {
            pages
                .deliver
                .add(message.size, now.duration_since(login), now);
            pages.last_news = now;
        }
        seen
    }

    /// The run cannot go on.
    pub fn give_up(&self, why: String) {
        self.pages().broken.get_or_insert(why);
    }

    /// How long nothing was acknowledged or delivered, at `now`.
    pub fn silence(&self, now: Instant) -> Duration {
        now.duration_since(self.pages().last_news)
    }

    /// Begins to count the silence anew.
    pub fn expect_news(&self, now: Instant) {
        self.pages().last_news = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        octets,
        plan::{Plan, Sizes},
    };

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn acknowledgement_and_delivery_are_timed_and_end_the_silence() {
        let plan = Plan {
            seed: 1,
            senders: 1,
            receivers: 1,
            messages: 1,
            sizes: Sizes::between(9, 9),
        };
        let message = plan.message(0);
        let digest = octets::digest(&plan.content(&message));
        let now = Instant::now();
        let book = Book::open(Ledger::new(plan.clone()), now);
        book.sent(&message, digest);
        book.acknowledged(&message, Acknowledged::Stored, SECOND, now + SECOND);
        assert_eq!(book.silence(now + 3 * SECOND), 2 * SECOND);
        let message_id = plan.message_id(0);
        let delivery = Delivery {
            message_id: &message_id,
            sender: Some(0),
            receiver: 1,
            digest,
        };
        book.delivered(&delivery, now + 4 * SECOND, now + 5 * SECOND);
        assert_eq!(book.silence(now + 5 * SECOND), Duration::ZERO);
        let pages = book.pages();
        assert_eq!((pages.accept.count(), pages.accept.octets()), (1, 9));
        assert_eq!((pages.deliver.count(), pages.deliver.octets()), (1, 9));
        assert!(pages.ledger.verdict().is_clean());
    }

    #[test]
    fn refusals_are_counted_by_reason() {
        let now = Instant::now();
        let plan = Plan {
            seed: 1,
            senders: 1,
            receivers: 1,
            messages: 1,
            sizes: Sizes::between(1, 1),
        };
        let book = Book::open(Ledger::new(plan.clone()), now);
        book.sent(&plan.message(0), octets::digest(b""));
        book.refused(Some(&plan.message(0)), "503 Service Unavailable");
        book.refused(None, "503 Service Unavailable");
        let pages = book.pages();
        assert_eq!(pages.refusals["503 Service Unavailable"], 2);
        assert_eq!(pages.ledger.verdict().refused, 1);
    }
}
