use super::{Class, Config, metrics::Metrics};
use bytesize::ByteSize;
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

/// The whole of a share, as it is kept.
const WHOLE: u32 = 1 << 16;

/// What is let in, over all shards: asked at the door before a request has cost anything.
///
/// Cheap to clone; asked and told from any thread. While everything is let in, asking is one
/// relaxed load.
#[derive(Clone)]
pub struct Valve(Arc<Inner>);

/// Tells neighbours that are trusted from everybody else.
type Trusts = Box<dyn Fn(IpAddr) -> bool + Send + Sync>;

struct Inner {
    config: Config,
    trusts: Trusts,
    /// Something is held back.
    is_narrow: AtomicBool,
    is_draining: AtomicBool,
    lines: Vec<Shares>,
    store: Shares,
    memory: Shares,
    metrics: Metrics,
}

/// What one cause allows of each class, in parts of [`WHOLE`].
struct Shares([AtomicU32; 2]);

/// Why something is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The server ends.
    Draining,
    /// Requests wait for their turn longer than `overload.target_delay`.
    Delay,
    /// The store's threads are behind by more than `overload.store_delay`.
    Store,
    /// `overload.max_memory` is nearly used up.
    Memory,
}

impl Reason {
    /// Every reason there is.
    pub const ALL: [Self; 4] = [Self::Draining, Self::Delay, Self::Store, Self::Memory];

    /// Label value for metrics.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Delay => "delay",
            Self::Store => "store",
            Self::Memory => "memory",
        }
    }

    /// The key of the limit that was met.
    pub fn limit(self) -> &'static str {
        match self {
            Self::Draining => "server.grace",
            Self::Delay => "overload.target_delay",
            Self::Store => "overload.store_delay",
            Self::Memory => "overload.max_memory",
        }
    }
}

impl Shares {
    fn whole() -> Self {
        Self([AtomicU32::new(WHOLE), AtomicU32::new(WHOLE)])
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share is between 0 and 1"
    )]
    fn set(&self, place: usize, share: f64) {
        let parts = (share.clamp(0.0, 1.0) * f64::from(WHOLE)) as u32;
        self.0[place].store(parts, Ordering::Relaxed);
    }

    fn get(&self, place: usize) -> f64 {
        f64::from(self.0[place].load(Ordering::Relaxed)) / f64::from(WHOLE)
    }

    fn are_whole(&self) -> bool {
        let mut shares = self.0.iter();
        shares.all(|share| share.load(Ordering::Relaxed) == WHOLE)
    }
}

impl Valve {
    /// A valve for `shards` lines that lets everything in. `trusts` knows the addresses of
    /// trusted neighbours.
    pub fn new(
        config: Config,
        shards: usize,
        trusts: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            config,
            trusts: Box::new(trusts),
            is_narrow: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
            lines: (0..shards).map(|_| Shares::whole()).collect(),
            store: Shares::whole(),
            memory: Shares::whole(),
            metrics: Metrics::register(shards),
        }))
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Whether a neighbour at this address is trusted.
    pub fn trusts(&self, address: IpAddr) -> bool {
        (self.0.trusts)(address)
    }

    /// Whether everything is let in.
    pub fn is_open(&self) -> bool {
        !self.0.is_narrow.load(Ordering::Relaxed)
    }

    /// Lets in a request of `class` on `shard`, or not. `chance`, evenly spread over all numbers,
    /// tells the requests apart that make up a share: the same one has the same chance each time.
    ///
    /// Errors: why it is refused.
    pub fn admit(&self, shard: usize, class: Class, chance: u32) -> Result<(), Reason> {
        let Some(place) = class.place().filter(|_| !self.is_open()) else {
            return Ok(());
        };
        let inner = &self.0;
        if inner.is_draining.load(Ordering::Relaxed) {
            return Err(Reason::Draining);
        }
        let line = inner.lines.get(shard).map_or(1.0, |line| line.get(place));
        let allowed = [
            (Reason::Delay, line),
            (Reason::Store, inner.store.get(place)),
            (Reason::Memory, inner.memory.get(place)),
        ];
        pick(&allowed, chance)
    }

    /// Lets a new message in over a channel that is open already, or not: what the store and the
    /// memory say.
    ///
    /// Errors: why it is refused.
    pub fn admit_message(&self, chance: u32) -> Result<(), Reason> {
        if self.is_open() {
            return Ok(());
        }
        let allowed = [
            (Reason::Store, self.0.store.get(1)),
            (Reason::Memory, self.0.memory.get(1)),
        ];
        pick(&allowed, chance)
    }

    /// Whether memory is short, so that readers take no more than they must.
    pub fn is_short_of_memory(&self) -> bool {
        !self.is_open() && self.0.memory.get(1) < 1.0
    }

    /// The seconds a refused client is told to wait.
    pub fn retry_after(&self, chance: u32) -> u64 {
        self.0.config.retry_after(chance)
    }

    /// The percentage of new requests that neighbours of `shard` are asked to hold back.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 100"
    )]
    pub fn loss(&self, shard: usize) -> u8 {
        if self.is_open() {
            return 0;
        }
        if self.0.is_draining.load(Ordering::Relaxed) {
            return 100;
        }
        let line = self.0.lines.get(shard).map_or(1.0, |line| line.get(1));
        let share = line * self.0.store.get(1) * self.0.memory.get(1);
        ((1.0 - share) * 100.0).round() as u8
    }

    /// Refuses everything that may be refused, from now on.
    pub fn drain(&self) {
        self.0.is_draining.store(true, Ordering::Relaxed);
        self.look();
    }

    /// Says what the line of `shard` allows of each class.
    pub fn set_line(&self, shard: usize, shares: [f64; 2]) {
        if let Some(line) = self.0.lines.get(shard) {
            self.set(line, shares);
            self.0.metrics.let_in(shard, shares);
        }
    }

    /// Says what the store allows of new work.
    pub fn set_store(&self, share: f64) {
        self.set(&self.0.store, [1.0, share]);
    }

    /// Says how much of the memory that may be used is used; 1 is all of it.
    pub fn set_memory(&self, used: f64) {
        self.set(&self.0.memory, memory_shares(used));
    }

    /// What is held back of each class at the worst place, and why: for the log.
    pub fn narrowest(&self) -> Option<(Class, Reason, f64)> {
        let inner = &self.0;
        let lines = inner.lines.iter().map(|line| (Reason::Delay, line));
        let others = [
            (Reason::Store, &inner.store),
            (Reason::Memory, &inner.memory),
        ];
        let all = lines.chain(others).flat_map(|(reason, shares)| {
            let classes = Class::REFUSABLE.into_iter().enumerate();
            classes.map(move |(place, class)| (class, reason, shares.get(place)))
        });
        let held_back = all.filter(|(.., share)| *share < 1.0);
        held_back.min_by(|one, other| one.2.total_cmp(&other.2))
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    fn set(&self, shares: &Shares, values: [f64; 2]) {
        if !self.0.config.enabled {
            return;
        }
        for (place, value) in values.into_iter().enumerate() {
            shares.set(place, value);
        }
        self.look();
    }

    fn look(&self) {
        let inner = &self.0;
        let is_open = !inner.is_draining.load(Ordering::Relaxed)
            && inner.store.are_whole()
            && inner.memory.are_whole()
            && inner.lines.iter().all(Shares::are_whole);
        inner.is_narrow.store(!is_open, Ordering::Relaxed);
    }
}

/// Whether `chance` falls into what all causes together allow; else the one that allows least.
fn pick(allowed: &[(Reason, f64)], chance: u32) -> Result<(), Reason> {
    let share: f64 = allowed.iter().map(|(_, share)| share).product();
    if f64::from(chance) < share * 4_294_967_296.0 {
        return Ok(());
    }
    let least = allowed
        .iter()
        .min_by(|one, other| one.1.total_cmp(&other.1));
    Err(least.map_or(Reason::Delay, |(reason, _)| *reason))
}

/// New work is held back above nine tenths of the memory, all of it above the whole; what frees
/// memory only beyond that.
fn memory_shares(used: f64) -> [f64; 2] {
    let ramp = |end: f64| ((end - used) / 0.1).clamp(0.0, 1.0);
    [ramp(1.1), ramp(1.0)]
}

/// Three quarters of what there is, where the operator set no bound.
pub(super) fn memory_bound(set: Option<ByteSize>, available: u64) -> u64 {
    set.map_or(available / 4 * 3, |set| set.as_u64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valve(shards: usize) -> Valve {
        Valve::new(Config::default(), shards, |_| false)
    }

    /// How many of a thousand evenly spread requests are let in.
    fn let_in(valve: &Valve, shard: usize, class: Class) -> usize {
        let step = u32::MAX / 1000;
        let chances = (0..1000).map(|number| number * step + step / 2);
        let outcomes = chances.map(|chance| valve.admit(shard, class, chance));
        outcomes.filter(Result::is_ok).count()
    }

    #[test]
    fn open_valve_lets_everything_in_and_a_narrow_one_its_share() {
        let valve = valve(2);
        assert!(valve.is_open());
        assert_eq!(let_in(&valve, 0, Class::New), 1000);
        valve.set_line(0, [1.0, 0.25]);
        assert_eq!(let_in(&valve, 0, Class::New), 250);
        assert_eq!(let_in(&valve, 0, Class::Retrieval), 1000);
        assert_eq!(let_in(&valve, 0, Class::Ongoing), 1000);
        assert_eq!(let_in(&valve, 1, Class::New), 1000);
        assert_eq!(valve.loss(0), 75);
        valve.set_line(0, [1.0, 1.0]);
        assert!(valve.is_open());
    }

    #[test]
    fn causes_multiply_and_the_narrowest_is_named() {
        let valve = valve(1);
        valve.set_line(0, [1.0, 0.5]);
        valve.set_store(0.2);
        assert_eq!(let_in(&valve, 0, Class::New), 100);
        assert_eq!(valve.admit(0, Class::New, u32::MAX), Err(Reason::Store));
        assert_eq!(valve.admit_message(u32::MAX), Err(Reason::Store));
        let narrowest = valve.narrowest().expect("something is held back");
        assert_eq!((narrowest.0, narrowest.1), (Class::New, Reason::Store));
    }

    #[test]
    fn memory_stops_new_work_before_it_stops_retrievals() {
        let valve = valve(1);
        let shares = |used| {
            valve.set_memory(used);
            [Class::New, Class::Retrieval].map(|class| let_in(&valve, 0, class))
        };
        assert_eq!(shares(0.89), [1000, 1000]);
        assert_eq!(shares(0.95), [500, 1000]);
        assert_eq!(shares(1.0), [0, 1000]);
        assert_eq!(shares(1.2), [0, 0]);
        assert_eq!(let_in(&valve, 0, Class::Ongoing), 1000);
        assert_eq!(shares(0.5), [1000, 1000]);
        assert!(valve.is_open());
    }

    #[test]
    fn draining_server_refuses_all_but_what_is_begun() {
        let valve = valve(1);
        valve.drain();
        assert_eq!(valve.admit(0, Class::Retrieval, 0), Err(Reason::Draining));
        assert_eq!(valve.admit(0, Class::Ongoing, u32::MAX), Ok(()));
        assert_eq!(valve.admit_message(u32::MAX), Ok(()));
    }

    #[test]
    fn switched_off_control_refuses_nothing_but_still_drains() {
        let config = Config {
            enabled: false,
            ..Config::default()
        };
        let valve = Valve::new(config, 1, |_| false);
        valve.set_memory(2.0);
        assert_eq!(let_in(&valve, 0, Class::New), 1000);
        valve.drain();
        assert_eq!(let_in(&valve, 0, Class::New), 0);
    }
}
