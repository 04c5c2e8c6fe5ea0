use super::{Class, Law, law::INTERVAL};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How many retrievals are served before something new, while both wait.
const RETRIEVALS: u32 = 4;
/// As many may wait as they like: the next rounds take them along, and no wait is due to them.
const FEW: usize = 16;
/// How often the target the wait may become before nobody else is let in at all.
const PATIENCE: f64 = 3.0;
/// What a new measurement of the pace weighs.
const WEIGHT: f64 = 0.3;

/// What waits for its turn on one shard, and the shares that the wait allows.
///
/// Retrievals go first, but for every fifth turn. Each class has a law of its own: retrievals are
/// refused only when there are too many of them alone.
pub struct Line<T> {
    lanes: [Lane<T>; 2],
    most: usize,
    target: f64,
    since: Instant,
    retrievals: u32,
}

/// Somebody whose turn it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Turn<T> {
    /// Whose turn it is.
    pub what: T,
    /// What it is.
    pub class: Class,
    /// How long it waited.
    pub waited: Duration,
}

struct Lane<T> {
    waiting: VecDeque<(Instant, T)>,
    law: Law,
    /// Served in this interval.
    served: u32,
    /// Served a second, as measured while there was a queue; 0 before.
    pace: f64,
    /// The shortest way to here from the socket, in this interval.
    way: Option<Duration>,
    /// Fewer waited than count as a queue, at some moment of this interval.
    was_short: bool,
}

impl<T> Line<T> {
    /// A line in which at most `most` of each class wait, for `target` if they have to.
    pub fn new(target: Duration, most: usize, now: Instant) -> Self {
        Self {
            lanes: [Lane::new(target), Lane::new(target)],
            most,
            target: target.as_secs_f64(),
            since: now,
            retrievals: 0,
        }
    }

    /// Lets `what` wait, which arrived at `arrived`.
    ///
    /// Errors: gives it back where the line is full, or where it is of a class that does not wait.
    pub fn push(&mut self, class: Class, arrived: Instant, what: T, now: Instant) -> Result<(), T> {
        let lane = class.place().map(|place| &mut self.lanes[place]);
        let Some(lane) = lane.filter(|lane| lane.waiting.len() < self.most) else {
            return Err(what);
        };
        let way = now.saturating_duration_since(arrived);
        lane.way = Some(lane.way.map_or(way, |least| least.min(way)));
        lane.waiting.push_back((arrived, what));
        Ok(())
    }

    /// Whose turn it is.
    pub fn pop(&mut self, now: Instant) -> Option<Turn<T>> {
        let [retrievals, news] = &self.lanes;
        let is_news_turn = retrievals.waiting.is_empty()
            || (self.retrievals >= RETRIEVALS && !news.waiting.is_empty());
        self.retrievals = if is_news_turn { 0 } else { self.retrievals + 1 };
        let place = usize::from(is_news_turn);
        let lane = &mut self.lanes[place];
        let (arrived, what) = lane.waiting.pop_front()?;
        lane.served += 1;
        lane.was_short |= !lane.is_queue();
        Some(Turn {
            what,
            class: Class::REFUSABLE[place],
            waited: now.saturating_duration_since(arrived),
        })
    }

    /// Tells the laws what the waits are, if it is time. True if it was.
    pub fn tick(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.since);
        if passed < INTERVAL {
            return false;
        }
        self.since = now;
        for lane in &mut self.lanes {
            lane.tick(passed);
        }
        true
    }

    /// The share of `class` that may be let in: none while whoever comes now would wait far too
    /// long, or the line is full.
    pub fn share(&self, class: Class) -> f64 {
        let Some(place) = class.place() else {
            return 1.0;
        };
        let lane = &self.lanes[place];
        let is_hopeless = lane.is_queue() && lane.wait() > self.target * PATIENCE;
        match is_hopeless || lane.waiting.len() >= self.most {
            true => 0.0,
            false => lane.law.share(),
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.lanes.iter().map(|lane| lane.waiting.len()).sum()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nobody waits and everything is let in: nothing changes until somebody comes.
    pub fn is_at_rest(&self) -> bool {
        self.is_empty() && self.lanes.iter().all(|lane| lane.law.is_at_rest())
    }
}

impl<T> Lane<T> {
    fn new(target: Duration) -> Self {
        Self {
            waiting: VecDeque::new(),
            law: Law::new(target),
            served: 0,
            pace: 0.0,
            way: None,
            was_short: true,
        }
    }

    /// Whether more wait than go with the next rounds anyway.
    fn is_queue(&self) -> bool {
        self.waiting.len() >= FEW
    }

    /// Seconds that whoever comes now will wait, at the pace of late.
    fn wait(&self) -> f64 {
        match self.pace > 0.0 {
            true => self.waiting.len() as f64 / self.pace,
            false => 0.0,
        }
    }

    fn tick(&mut self, passed: Duration) {
        let served = f64::from(std::mem::take(&mut self.served));
        let is_queue = self.is_queue();
        let stands = is_queue && !std::mem::replace(&mut self.was_short, !is_queue);
        // a time in which nobody waited tells nothing of the pace
        if stands {
            let pace = (served / passed.as_secs_f64()).max(1.0);
            self.pace = match self.pace > 0.0 {
                true => self.pace + WEIGHT * (pace - self.pace),
                false => pace,
            };
        }
        let way = self.way.take().unwrap_or_default();
        let delay = match stands {
            true => Duration::from_secs_f64(self.wait().min(60.0)) + way,
            false => Duration::ZERO,
        };
        self.law.update(delay, passed);
    }
}
