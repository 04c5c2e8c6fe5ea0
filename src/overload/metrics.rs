//! What `/metrics` shows of overload control. Names, units and help texts stand here and nowhere
//! else.
use super::{Class, Reason};
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use std::time::Duration;

const REFUSED: &str = "restante_overload_refused_total";
const SHARE: &str = "restante_overload_admitted_ratio";
const WAIT: &str = "restante_overload_wait_seconds";
const ROUND: &str = "restante_overload_round_seconds";
const REFUSAL: &str = "restante_overload_refusal_seconds";
const WAITING: &str = "restante_overload_waiting";
const STALE: &str = "restante_overload_stale_total";
const STORE: &str = "restante_overload_store_delay_seconds";
const MEMORY: &str = "restante_overload_memory_ratio";
const ACTIVE: &str = "restante_overload_active";
const HELD_BACK: &str = "restante_overload_held_back_total";

/// Handles taken once, so that the hot path pays no look-up.
pub(crate) struct Metrics {
    refused: [[Counter; 4]; 2],
    shares: Vec<[Gauge; 2]>,
    waits: [Histogram; 2],
    /// How long what the store has answered waits for its turn.
    pub round: Histogram,
    /// How long SIP requests had to wait for their refusal.
    pub refusal: Histogram,
    waiting: Vec<Gauge>,
    /// Datagrams dropped because they waited too long in the kernel.
    pub stale: Counter,
    /// How long transactions waited for the store's threads.
    pub store_delay: Gauge,
    /// Resident memory, in parts of what may be used.
    pub memory: Gauge,
    /// 1 while anything is refused.
    pub active: Gauge,
    /// Requests of ours not sent because the neighbour asked for it.
    pub held_back: Counter,
}

impl Metrics {
    /// Registers with the recorder in force.
    pub(super) fn register(shards: usize) -> Self {
        describe();
        let refused = |class: Class, reason: Reason| counter!(REFUSED, "class" => class.kind(), "reason" => reason.kind());
        let share = |shard: usize, class: Class| {
            let gauge = gauge!(SHARE, "class" => class.kind(), "shard" => shard.to_string());
            gauge.set(1.0);
            gauge
        };
        let shards = 0..shards;
        Self {
            refused: Class::REFUSABLE.map(|class| Reason::ALL.map(|why| refused(class, why))),
            shares: shards
                .clone()
                .map(|shard| Class::REFUSABLE.map(|class| share(shard, class)))
                .collect(),
            waits: Class::REFUSABLE.map(|class| histogram!(WAIT, "class" => class.kind())),
            round: histogram!(ROUND),
            refusal: histogram!(REFUSAL),
            waiting: shards
                .map(|shard| gauge!(WAITING, "shard" => shard.to_string()))
                .collect(),
            stale: counter!(STALE),
            store_delay: gauge!(STORE),
            memory: gauge!(MEMORY),
            active: gauge!(ACTIVE),
            held_back: counter!(HELD_BACK),
        }
    }

    /// Counts something refused.
    pub(crate) fn refused(&self, class: Class, reason: Reason) {
        if let Some(place) = class.place() {
            self.refused[place][reason as usize].increment(1);
        }
    }

    /// Notes how long somebody waited for a turn.
    pub(crate) fn waited(&self, class: Class, wait: Duration) {
        if let Some(place) = class.place() {
            self.waits[place].record(wait);
        }
    }

    /// Says how many wait on `shard`.
    #[expect(clippy::cast_precision_loss, reason = "a few thousand at most")]
    pub(crate) fn waiting(&self, shard: usize, count: usize) {
        if let Some(gauge) = self.waiting.get(shard) {
            gauge.set(count as f64);
        }
    }

    /// Says which share of each class is let in on `shard`.
    pub(super) fn let_in(&self, shard: usize, shares: [f64; 2]) {
        if let Some(gauges) = self.shares.get(shard) {
            for (gauge, share) in gauges.iter().zip(shares) {
                gauge.set(share);
            }
        }
    }
}

fn describe() {
    describe_counter!(
        REFUSED,
        Unit::Count,
        "Requests and messages refused for want of capacity, by class and reason"
    );
    describe_gauge!(
        SHARE,
        "The share of requests that a shard lets in, by class: 1 is all of them"
    );
    describe_histogram!(
        WAIT,
        Unit::Seconds,
        "How long a request waited for its turn, from the socket on"
    );
    describe_histogram!(
        ROUND,
        Unit::Seconds,
        "How long a read that asks for nothing takes, beside all others: what the store answers waits so long for its turn"
    );
    describe_histogram!(
        REFUSAL,
        Unit::Seconds,
        "How long a request waited for the 503 that it met at the door, from the socket on"
    );
    describe_gauge!(
        WAITING,
        Unit::Count,
        "Requests of a shard that wait for their turn"
    );
    describe_counter!(
        STALE,
        Unit::Count,
        "Datagrams dropped because they had waited longer than `overload.stale_after`"
    );
    describe_gauge!(
        STORE,
        Unit::Seconds,
        "How long what waits for the threads of the store has to, at least"
    );
    describe_gauge!(MEMORY, "Resident memory, in parts of `overload.max_memory`");
    describe_gauge!(ACTIVE, "1 while anything is refused for want of capacity");
    describe_counter!(
        HELD_BACK,
        Unit::Count,
        "Requests not sent because the neighbour asked for fewer (RFC 7339)"
    );
}
