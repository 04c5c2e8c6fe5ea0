//! What all connections of one thread share: the pairs, what is counted, and who may go on.
use super::{content::Content, flights::Fault, pair::Pair, tally::Tally};
use crate::series::Kind;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::sync::Notify;

/// What the threads tell while they are at work.
#[derive(Debug, Default)]
pub struct Board {
    /// Connections and logins made.
    pub connected: AtomicU64,
    /// Messages received.
    pub received: AtomicU64,
    /// Octets received.
    pub octets: AtomicU64,
}

/// The pairs of one thread.
#[derive(Debug)]
pub struct Team {
    /// Names the run.
    pub run: u32,
    /// All contents.
    pub content: Content,
    /// Whether receivers answer, and whether they report.
    pub answers: bool,
    /// Whether receivers report success.
    pub reports: bool,
    /// Which thread this is, of how many.
    pub thread: usize,
    /// How many threads there are.
    pub threads: usize,
    charted_from: Option<Instant>,
    board: Arc<Board>,
    pairs: RefCell<Vec<Option<Rc<Pair>>>>,
    tally: RefCell<Tally>,
    touched: RefCell<Vec<Rc<Pair>>>,
    busy: Cell<usize>,
    is_over: Cell<bool>,
    counted: Cell<Option<(Instant, Instant)>>,
    finished: Notify,
}

/// What a team is made of.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Names the run.
    pub run: u32,
    /// Pairs in all.
    pub pairs: usize,
    /// This thread.
    pub thread: usize,
    /// All threads.
    pub threads: usize,
    /// Whether receivers answer.
    pub answers: bool,
    /// Whether receivers report success.
    pub reports: bool,
    /// When the run began, where it is to be told when what happened.
    pub charted_from: Option<Instant>,
}

impl Team {
    /// A team without pairs yet.
    pub fn new(shape: Shape, board: Arc<Board>) -> Rc<Self> {
        let Shape {
            run,
            pairs,
            thread,
            threads,
            answers,
            reports,
            charted_from,
        } = shape;
        let own = (thread..pairs).step_by(threads).count();
        Rc::new(Self {
            run,
            content: Content::new(u64::from(run)),
            answers,
            reports,
            thread,
            threads,
            charted_from,
            board,
            pairs: RefCell::new(vec![None; own]),
            tally: RefCell::default(),
            touched: RefCell::default(),
            busy: Cell::new(0),
            is_over: Cell::new(false),
            counted: Cell::new(None),
            finished: Notify::new(),
        })
    }

    /// What all threads tell.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Numbers of the pairs that belong to this team.
    pub fn numbers(&self) -> impl Iterator<Item = usize> + use<> {
        let (first, step) = (self.thread, self.threads);
        (0..self.pairs.borrow().len()).map(move |place| first + place * step)
    }

    /// Adds `pair`.
    pub fn add(&self, pair: Rc<Pair>) {
        let place = pair.number / self.threads;
        self.pairs.borrow_mut()[place] = Some(pair);
    }

    /// Pair `number`, if it is ours.
    pub fn pair(&self, number: usize) -> Option<Rc<Pair>> {
        let is_ours = number % self.threads == self.thread;
        let pairs = self.pairs.borrow();
        let pair = pairs.get(number / self.threads).filter(|_| is_ours)?;
        pair.clone()
    }

    /// All pairs.
    pub fn pairs(&self) -> Vec<Rc<Pair>> {
        self.pairs.borrow().iter().flatten().cloned().collect()
    }

    /// Latency counts for what begins and ends in this time; for everything without one.
    pub fn count_within(&self, time: Option<(Instant, Instant)>) {
        self.counted.set(time);
    }

    /// Begins a phase in which every pair sends `messages` of its own number.
    pub fn begin(&self, messages: impl Fn(&Pair) -> u64, is_paced: bool) {
        *self.tally.borrow_mut() = Tally::new(Kind::Deliver, self.charted_from);
        let pairs = self.pairs();
        for pair in &pairs {
            pair.set_goal(messages(pair), is_paced);
        }
        self.busy
            .set(pairs.iter().filter(|pair| pair.is_busy.get()).count());
        pairs.iter().for_each(|pair| pair.pump(&self.content));
    }

    /// Waits until all pairs have done what they had to do.
    pub async fn finished(&self) {
        while self.busy.get() > 0 {
            self.finished.notified().await;
        }
    }

    /// What the phase came to; what is still under way is given up.
    pub fn end(&self) -> Tally {
        let mut tally = self.tally.take();
        for pair in self.pairs() {
            pair.is_busy.set(false);
            let (lost, unanswered) = pair.flights.borrow_mut().give_up();
            tally.lost += lost;
            tally.unanswered += unanswered;
        }
        tally
    }

    /// From now on connections may end.
    pub fn part(&self) {
        self.is_over.set(true);
    }

    /// A message of `pair` came whole.
    pub fn received(&self, pair: &Pair, begun: Instant, now: Instant) {
        let mut tally = self.tally.borrow_mut();
        tally.received += 1;
        tally.octets += pair.size();
        tally.last = Some(now);
        let time = self.counted.get();
        let is_counted = time.is_none_or(|(from, until)| begun >= from && now <= until);
        if is_counted && !pair.is_stalled.get() {
            tally.took(pair.size(), now.saturating_duration_since(begun), now);
        }
    }

    /// Something is wrong with a message.
    pub fn fault(&self, fault: Fault) {
        self.tally.borrow_mut().fault(fault);
    }

    /// Something was refused.
    pub fn refuse(&self, reason: impl Into<String>) {
        self.tally.borrow_mut().refuse(reason);
    }

    /// A connection ended.
    pub fn parted(&self, whose: &str, why: &str) {
        if !self.is_over.get() {
            self.refuse(format!("{whose}: {why}"));
        }
    }

    /// `pair` may be able to go on.
    pub fn touch(&self, pair: &Rc<Pair>) {
        if !pair.is_touched.replace(true) {
            self.touched.borrow_mut().push(pair.clone());
        }
    }

    /// Lets all pairs go on that may be able to.
    pub fn settle(&self) {
        let mut touched = self.touched.take();
        for pair in touched.drain(..) {
            pair.is_touched.set(false);
            pair.pump(&self.content);
            self.look_at(&pair);
        }
        *self.touched.borrow_mut() = touched;
    }

    /// Whether `pair` has done all it had to do.
    pub fn look_at(&self, pair: &Pair) {
        let is_lost = pair.link().is_closed();
        if pair.is_busy.get() && (pair.is_done() || is_lost) {
            pair.is_busy.set(false);
            self.busy.set(self.busy.get() - 1);
            if self.busy.get() == 0 {
                self.finished.notify_one();
            }
        }
    }

    /// Tells everybody how much came.
    pub fn tell(&self, messages: u64, octets: u64) {
        self.board.received.fetch_add(messages, Ordering::Relaxed);
        self.board.octets.fetch_add(octets, Ordering::Relaxed);
    }
}
