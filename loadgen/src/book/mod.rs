//! What all threads of a run write into: the ledger and its file, the times, the refusals.
mod sheet;

pub use sheet::{Sheet, Tally};

use crate::{
    journal::Journal,
    ledger::{Acknowledged, Delivery, Event, Ledger, Seen},
    octets::Digest,
    plan::Planned,
    series::{self, Kind, Series},
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
    /// The latest time in the ledger of the run that this one goes on with.
    before: Duration,
    pages: Arc<Mutex<Pages>>,
}

/// What stands in it.
pub struct Pages {
    /// Every message.
    pub ledger: Ledger,
    /// What happened when.
    pub series: Series,
    /// What was done in this scene.
    pub sheet: Sheet,
    /// What was refused, by reason.
    pub refusals: BTreeMap<String, u64>,
    /// Why the run cannot go on.
    pub broken: Option<String>,
    /// Whether it is to end as soon as it can.
    pub is_stopped: bool,
    journal: Option<Journal>,
    last_news: Instant,
}

/// When something was due, and when it really began.
pub type Since = (Instant, Instant);

impl Pages {
    fn write(&mut self, event: &Event<'_>) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        if let Err(error) = journal.write(event) {
            self.journal = None;
            self.broken.get_or_insert(error.to_string());
        }
    }
}

impl Book {
    /// Opens a book at `now`; every message is also written to `journal`.
    pub fn open(ledger: Ledger, journal: Option<Journal>, now: Instant) -> Self {
        let before = ledger.latest();
        let pages = Pages {
            ledger,
            series: Series::default(),
            sheet: Sheet::default(),
            refusals: BTreeMap::new(),
            broken: None,
            is_stopped: false,
            journal,
            last_news: now,
        };
        Self {
            begun: now,
            before,
            pages: Arc::new(Mutex::new(pages)),
        }
    }

    /// The book, for reading sums.
    pub fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the run has gone on at `now`.
    pub fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.begun)
    }

    /// The time that the ledger knows `now` by.
    fn at(&self, now: Instant) -> Duration {
        self.before + now.saturating_duration_since(self.begun)
    }

    /// A scene called `name` begins; what was done in the one before is forgotten but for the
    /// sums of the run.
    pub fn begin_scene(&self, name: &str, now: Instant) {
        let mut pages = self.pages();
        pages.sheet = Sheet::default();
        let at = now - self.begun;
        pages.series.mark(at, series::Event::Phase(name.to_owned()));
    }

    fn note(&self, pages: &mut Pages, kind: Kind, octets: u64, since: Since, now: Instant) {
        let (due, begun) = since;
        let took = now.saturating_duration_since(due);
        pages.sheet.add(kind, octets, took, now);
        pages.series.record(kind, now - self.begun, octets, took);
        if begun != due {
            let service = now.saturating_duration_since(begun);
            pages.series.record_service(kind, service);
        }
        if kind.is_success() {
            pages.last_news = now;
        }
    }

    /// A login, refresh or logout was answered.
    pub fn registered(&self, kind: Kind, since: Since, now: Instant) {
        self.note(&mut self.pages(), kind, 0, since, now);
    }

    /// A message goes out that was due at `due`.
    pub fn sent(&self, message: &Planned, digest: Digest, due: Instant) {
        let (number, due) = (message.number, self.at(due));
        let mut pages = self.pages();
        pages.write(&Event::Sent {
            number,
            digest,
            due,
        });
        pages.ledger.sent(message, digest, due);
    }

    /// The sender of `message` was told at `now` that it is safe.
    pub fn acknowledged(&self, message: &Planned, how: Acknowledged, since: Since, now: Instant) {
        let (number, at) = (message.number, self.at(now));
        let mut pages = self.pages();
        pages.write(&Event::Acknowledged { number, how, at });
        pages.ledger.acknowledged(number, how, at);
        self.note(&mut pages, Kind::Accept, message.size, since, now);
    }

    /// Something was refused or not answered, as `kind` says; `message` if it was one.
    pub fn refused(
        &self,
        message: Option<&Planned>,
        kind: Kind,
        why: &str,
        since: Since,
        now: Instant,
    ) {
        let mut pages = self.pages();
        if let Some(Planned { number, .. }) = message {
            pages.write(&Event::Refused {
                number: *number,
                why: why.into(),
            });
            pages.ledger.refused(*number, why);
        }
        *pages.refusals.entry(why.to_owned()).or_default() += 1;
        self.note(&mut pages, kind, 0, since, now);
    }

    /// A receiver who began to log in at `login` got something.
    pub fn delivered(&self, delivery: &Delivery<'_>, login: Instant, now: Instant) -> Seen {
        let at = self.at(now);
        let mut pages = self.pages();
        pages.write(&Event::Delivered {
            message_id: delivery.message_id.into(),
            sender: delivery.sender,
            receiver: delivery.receiver,
            digest: delivery.digest,
            at,
        });
        let seen = pages.ledger.delivered(delivery, at);
        if let Seen::First(message, due) = seen {
            // one who was there waited since it was due, one who was away since the login
            let due = self.begun + due.saturating_sub(self.before);
            let since = due.max(login);
            let kind = match message.group {
                Some(_) => Kind::Group,
                None => Kind::Deliver,
            };
            self.note(&mut pages, kind, message.size, (since, since), now);
        }
        seen
    }

    /// The server is killed: what it has not seen confirmed may come again.
    pub fn broke(&self, now: Instant) {
        let at = self.at(now);
        let mut pages = self.pages();
        pages.write(&Event::Broke(at));
        pages.ledger.broke(at);
    }

    /// Notes a moment that stands out.
    pub fn mark(&self, what: series::Event, now: Instant) {
        self.pages().series.mark(now - self.begun, what);
    }

    /// How often the server broke.
    pub fn breaks(&self) -> usize {
        self.pages().ledger.breaks()
    }

    /// `receiver` could not log in.
    pub fn absent(&self, receiver: usize) {
        let mut pages = self.pages();
        pages.write(&Event::Absent(receiver));
        pages.ledger.absent(receiver);
    }

    /// `receiver` logs in.
    pub fn present(&self, receiver: usize) {
        let mut pages = self.pages();
        pages.write(&Event::Present(receiver));
        pages.ledger.present(receiver);
    }

    /// Acknowledged messages for `receiver` that have not arrived yet.
    pub fn outstanding_of(&self, receiver: usize) -> usize {
        self.pages().ledger.outstanding_of(receiver)
    }

    /// So many requests were due and had to wait for others.
    pub fn waited(&self, count: u64) {
        self.pages().sheet.waited += count;
    }

    /// All receivers had the chance to get everything.
    pub fn retrieved(&self) {
        let mut pages = self.pages();
        pages.write(&Event::Retrieved);
        pages.ledger.retrieved();
    }

    /// Somebody wants the run to end.
    pub fn stop(&self) {
        self.pages().is_stopped = true;
    }

    /// Whether nothing new is to be begun.
    pub fn is_over(&self) -> bool {
        let pages = self.pages();
        pages.is_stopped || pages.broken.is_some()
    }

    /// The run cannot go on.
    pub fn give_up(&self, why: String) {
        self.pages().broken.get_or_insert(why);
    }

    /// How long nothing was acknowledged or delivered, at `now`.
    pub fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.pages().last_news)
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
        journal, octets,
        plan::{Part, Plan, Sizes},
    };

    const SECOND: Duration = Duration::from_secs(1);

    fn plan() -> Plan {
        Plan::of(1, Part::apart(1, 1, 1, Sizes::between(9, 9)))
    }

    fn deliver(book: &Book, login: Instant, now: Instant) {
        let plan = plan();
        let delivery = Delivery {
            message_id: &plan.message_id(0),
            sender: Some(0),
            receiver: 1,
            digest: octets::digest(&plan.content(&plan.message(0))),
        };
        book.delivered(&delivery, login, now);
    }

    fn send(book: &Book, due: Instant, now: Instant) {
        let message = plan().message(0);
        book.sent(&message, octets::digest(&plan().content(&message)), due);
        book.acknowledged(&message, Acknowledged::Stored, (due, due), now);
    }

    #[test]
    fn acknowledgement_and_delivery_are_timed_and_end_the_silence() {
        let now = Instant::now();
        let book = Book::open(Ledger::new(plan()), None, now);
        send(&book, now, now + SECOND);
        assert_eq!(book.silence(now + 3 * SECOND), 2 * SECOND);
        deliver(&book, now + 4 * SECOND, now + 5 * SECOND);
        assert_eq!(book.silence(now + 5 * SECOND), Duration::ZERO);
        let pages = book.pages();
        for kind in [Kind::Accept, Kind::Deliver] {
            let tally = pages.sheet.tally(kind);
            assert_eq!((tally.count(), tally.octets()), (1, 9), "{kind:?}");
            assert!((tally.percentiles().max - 1000.0).abs() < 2.0, "{kind:?}");
            assert_eq!(pages.series.count(kind), 1);
        }
        assert!(pages.ledger.verdict().is_clean());
    }

    #[test]
    fn delivery_to_one_who_was_there_counts_from_when_it_was_due() {
        let now = Instant::now();
        let book = Book::open(Ledger::new(plan()), None, now);
        send(&book, now + 2 * SECOND, now + 3 * SECOND);
        deliver(&book, now, now + 5 * SECOND);
        let max = book.pages().sheet.tally(Kind::Deliver).percentiles().max;
        assert!((max - 3000.0).abs() < 4.0, "{max}");
    }

    #[test]
    fn refusals_are_counted_by_reason_and_are_no_news() {
        let now = Instant::now();
        let book = Book::open(Ledger::new(plan()), None, now);
        let message = plan().message(0);
        book.sent(&message, octets::digest(b""), now);
        let why = "503 Service Unavailable";
        let later = now + SECOND;
        book.refused(Some(&message), Kind::Refused, why, (now, now), later);
        book.refused(None, Kind::Refused, why, (now, now), later);
        assert_eq!(book.silence(later), SECOND);
        let pages = book.pages();
        assert_eq!(pages.refusals[why], 2);
        assert_eq!(pages.ledger.verdict().refused, 1);
        assert_eq!(pages.series.count(Kind::Refused), 2);
    }

    #[test]
    fn run_that_goes_on_knows_what_was_noted_before_and_counts_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let now = Instant::now();
        let journal = Journal::create(&path, &plan()).unwrap();
        let book = Book::open(Ledger::new(plan()), Some(journal), now);
        send(&book, now, now + SECOND);
        drop(book);
        let (journal, ledger) = Journal::resume(&path).unwrap();
        assert_eq!(ledger.outstanding(), 1);
        let book = Book::open(ledger, Some(journal), now);
        deliver(&book, now, now + SECOND);
        drop(book);
        let ledger = journal::read(&path).unwrap();
        assert_eq!(ledger.latest(), 2 * SECOND);
        let verdict = ledger.verdict();
        assert!(verdict.is_clean() && verdict.delivered == 1, "{verdict:?}");
    }
}
