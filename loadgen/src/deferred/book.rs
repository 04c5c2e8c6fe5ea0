//! The fate of every message, and what the phase under way still waits for.
use super::options::Load;
use crate::{
    relay::{content::Content, content::LONGEST_PIECE, content::start_of, tally::Tally},
    series::Kind,
};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    time::Instant,
};
use tokio::sync::Notify;

const ACCEPTED: u8 = 1;
const ARRIVED: u8 = 2;

/// The book of one run.
#[derive(Debug)]
pub struct Book {
    /// Names the run.
    pub run: u32,
    /// Octets of a message.
    pub size: u64,
    content: Content,
    window: u64,
    lanes: RefCell<Vec<Lane>>,
    tally: RefCell<Tally>,
    charted_from: Cell<Option<Instant>>,
    outstanding: Cell<u64>,
    moved: Cell<Instant>,
    over: Notify,
}

/// A sender and its receiver.
#[derive(Clone, Debug, Default)]
struct Lane {
    /// What became of each message that was sent.
    fates: Vec<u8>,
    in_flight: VecDeque<(u64, Instant)>,
    /// Messages of this phase that have not begun.
    left: u64,
    /// Messages that were promised and have not come.
    waiting: u64,
    /// When the receiver asked for its messages.
    asked: Option<Instant>,
}

impl Book {
    /// An empty book for the run `run`.
    ///
    /// Errors: a sentence for the user about a load that cannot be played.
    pub fn new(run: u32, load: &Load) -> Result<Self, String> {
        let size = load.size.as_u64();
        if !(1..=LONGEST_PIECE as u64).contains(&size) {
            return Err("--size: from 1 octet to 64 KiB".to_owned());
        }
        Ok(Self {
            run,
            size,
            content: Content::new(u64::from(run)),
            window: load.window,
            lanes: RefCell::new(vec![Lane::default(); load.senders as usize]),
            tally: RefCell::default(),
            charted_from: Cell::new(None),
            outstanding: Cell::new(0),
            moved: Cell::new(Instant::now()),
            over: Notify::new(),
        })
    }

    /// How many senders there are.
    pub fn lanes(&self) -> usize {
        self.lanes.borrow().len()
    }

    /// Begins a phase in which all senders together are to send `messages`.
    pub fn begin_accept(&self, messages: u64) {
        let mut lanes = self.lanes.borrow_mut();
        let count = lanes.len() as u64;
        for (number, lane) in lanes.iter_mut().enumerate() {
            lane.left = messages / count + u64::from((number as u64) < messages % count);
        }
        self.begin(Kind::Accept, messages);
    }

    /// Begins the phase in which every receiver takes what waits.
    pub fn begin_fetch(&self) {
        self.begin(Kind::Deliver, self.lanes() as u64);
    }

    /// Tells from now on also what happens when, counted from `begun`.
    pub fn chart(&self, begun: Instant) {
        self.charted_from.set(Some(begun));
    }

    fn begin(&self, kind: Kind, outstanding: u64) {
        self.tally
            .replace(Tally::new(kind, self.charted_from.get()));
        self.outstanding.set(outstanding);
        self.moved.set(Instant::now());
    }

    /// Resolves when the phase waits for nothing any more.
    pub async fn finished(&self) {
        while self.outstanding.get() > 0 {
            self.over.notified().await;
        }
    }

    /// Ends the phase.
    pub fn end(&self) -> Tally {
        self.outstanding.set(0);
        self.tally.take()
    }

    /// What the phase still waits for: messages, or receivers.
    pub fn outstanding(&self) -> u64 {
        self.outstanding.get()
    }

    /// When anything happened last.
    pub fn moved(&self) -> Instant {
        self.moved.get()
    }

    /// Messages of this phase that have come to their end.
    pub fn done(&self) -> u64 {
        self.tally.borrow().received
    }

    /// The next message that sender `number` may send.
    pub fn next(&self, number: usize, now: Instant) -> Option<u64> {
        let lane = &mut self.lanes.borrow_mut()[number];
        if lane.left == 0 || lane.in_flight.len() as u64 >= self.window {
            return None;
        }
        let message = lane.fates.len() as u64;
        lane.left -= 1;
        lane.fates.push(0);
        lane.in_flight.push_back((message, now));
        Some(message)
    }

    /// The content of `message` of the sender `number`.
    pub fn content(&self, number: usize, message: u64) -> &[u8] {
        self.content.piece(start_of(number, message), 0, self.size)
    }

    /// Whether `octets` stand at `offset` of `message` of the sender `number`.
    pub fn holds(&self, number: usize, message: u64, offset: u64, octets: &[u8]) -> bool {
        let start = start_of(number, message);
        self.content.holds(start, offset, octets)
    }

    /// The server has promised to keep `message`.
    pub fn accepted(&self, number: usize, message: u64, now: Instant) {
        let Some(begun) = self.landed(number, message) else {
            return self.fault("an answer to no message of ours");
        };
        let lane = &mut self.lanes.borrow_mut()[number];
        lane.fates[message as usize] |= ACCEPTED;
        lane.waiting += 1;
        let tally = &mut *self.tally.borrow_mut();
        tally.received += 1;
        tally.octets += self.size;
        tally.took(self.size, now.duration_since(begun), now);
        tally.last = Some(now);
        self.less(1, now);
    }

    /// The server has promised to keep the oldest message under way of the sender `number`.
    pub fn accepted_next(&self, number: usize, now: Instant) {
        let oldest = self.lanes.borrow()[number].in_flight.front().copied();
        self.accepted(number, oldest.map_or(u64::MAX, |(message, _)| message), now);
    }

    /// The server does not keep `message`.
    pub fn refused(&self, number: usize, message: u64, reason: &str) {
        self.fault(reason);
        if self.landed(number, message).is_some() {
            self.less(1, Instant::now());
        }
    }

    fn landed(&self, number: usize, message: u64) -> Option<Instant> {
        let in_flight = &mut self.lanes.borrow_mut()[number].in_flight;
        let at = in_flight.iter().position(|(one, _)| *one == message)?;
        in_flight.remove(at).map(|(_, begun)| begun)
    }

    /// The sender `number` can do no more.
    pub fn broken(&self, number: usize, reason: &str) {
        let lane = &mut self.lanes.borrow_mut()[number];
        let undone = lane.left + lane.in_flight.len() as u64;
        if undone > 0 {
            self.fault(reason);
            lane.left = 0;
            lane.in_flight.clear();
            self.less(undone, Instant::now());
        }
    }

    /// The receiver `number` asks for what waits.
    pub fn asked(&self, number: usize, now: Instant) {
        self.lanes.borrow_mut()[number].asked = Some(now);
    }

    /// `message` came to the receiver `number` as a whole, changed or not.
    pub fn arrived(&self, number: usize, message: u64, is_right: bool, now: Instant) {
        self.moved.set(now);
        let lane = &mut self.lanes.borrow_mut()[number];
        let tally = &mut *self.tally.borrow_mut();
        let Some(fate) = lane.fates.get_mut(message as usize) else {
            return tally.refuse("a message came that nobody sent");
        };
        if *fate & ARRIVED != 0 {
            tally.doubled += 1;
            return;
        }
        lane.waiting -= u64::from(*fate & ACCEPTED != 0);
        *fate |= ARRIVED;
        tally.corrupted += u64::from(!is_right);
        tally.received += 1;
        tally.octets += self.size;
        tally.last = Some(now);
        if let Some(asked) = lane.asked {
            tally.took(self.size, now.duration_since(asked), now);
        }
    }

    /// Messages that the receiver `number` was promised and has not got.
    pub fn waiting(&self, number: usize) -> u64 {
        self.lanes.borrow()[number].waiting
    }

    /// Messages that any receiver was promised and has not got.
    pub fn waiting_in_all(&self) -> u64 {
        self.lanes.borrow().iter().map(|lane| lane.waiting).sum()
    }

    /// One receiver is told that nothing waits any more, or gives up.
    pub fn emptied(&self, outcome: Result<(), String>) {
        if let Err(reason) = outcome {
            self.fault(&reason);
        }
        self.less(1, Instant::now());
    }

    /// Something happened that should not have.
    pub fn fault(&self, reason: &str) {
        self.tally.borrow_mut().refuse(reason);
    }

    fn less(&self, count: u64, now: Instant) {
        self.moved.set(now);
        let left = self.outstanding.get().saturating_sub(count);
        self.outstanding.set(left);
        if left == 0 {
            self.over.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Arguments, Command};
    use clap::Parser;

    fn book(line: &str) -> Book {
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        match arguments.command {
            Command::Deferred(options) => Book::new(7, &options.load).unwrap(),
            _ => panic!("another command"),
        }
    }

    #[test]
    fn window_holds_senders_back_and_answers_let_them_go_on() {
        let book = book("loadgen deferred --senders 2 --window 2");
        let now = Instant::now();
        book.begin_accept(5);
        assert_eq!([book.next(0, now), book.next(0, now)], [Some(0), Some(1)]);
        assert_eq!(book.next(0, now), None);
        book.accepted(0, 1, now);
        assert_eq!([book.next(0, now), book.next(0, now)], [Some(2), None]);
        book.refused(0, 2, "answered 503");
        assert_eq!(book.next(0, now), None, "sender 0 has three of five");
        assert_eq!((book.outstanding(), book.waiting(0)), (3, 1));
        book.broken(0, "gone");
        book.broken(1, "gone");
        assert_eq!(book.outstanding(), 0);
        let tally = book.end();
        assert_eq!((tally.received, tally.refusals.len()), (1, 2));
    }

    #[test]
    fn every_fate_of_a_message_is_told() {
        let book = book("loadgen deferred --senders 1 --window 4");
        let now = Instant::now();
        book.begin_accept(4);
        while book.next(0, now).is_some() {}
        (0..3).for_each(|message| book.accepted(0, message, now));
        book.begin_fetch();
        book.arrived(0, 0, true, now);
        book.arrived(0, 0, true, now);
        book.arrived(0, 1, false, now);
        // it was on its way to the disk when the answer got lost
        book.arrived(0, 3, true, now);
        book.arrived(0, 9, true, now);
        book.emptied(Ok(()));
        assert_eq!(book.waiting_in_all(), 1);
        let tally = book.end();
        assert_eq!((tally.received, tally.doubled, tally.corrupted), (3, 1, 1));
        assert_eq!(tally.refusals["a message came that nobody sent"], 1);
    }
}
