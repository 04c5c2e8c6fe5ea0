//! What `/metrics` shows of the store. Names, units and help texts stand here and nowhere else.
use super::{Figures, State, StoreError};
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

const QUEUED: &str = "restante_store_queued";
const STATE: &str = "restante_store_state";
const REFUSED: &str = "restante_store_refused_total";

/// Why something was not done, as [`StoreError::kind`] says it.
const REFUSALS: [&str; 4] = ["busy", "closed", "no_room", "poisoned"];

/// Every state an operator may read.
const STATES: [State; 4] = [State::Sound, State::Full, State::Down, State::Lost];

/// Handles taken once, so that the hot path pays no look-up.
#[derive(Clone)]
pub(super) struct Metrics {
    /// Groups committed.
    pub(super) commits: Counter,
    /// Groups committed with a sync.
    pub(super) syncs: Counter,
    /// Transactions committed.
    pub(super) transactions: Counter,
    /// Octets committed.
    pub(super) written: Counter,
    /// Time of one group commit, sync included.
    pub(super) commit_time: Histogram,
    /// Time the oldest transaction of a group waited for the writer.
    pub(super) wait_time: Histogram,
    /// Transactions of one group.
    pub(super) group: Histogram,
    /// Reads answered.
    pub(super) reads: Counter,
    levels: Levels,
}

/// What is read where it stands, when somebody asks.
#[derive(Clone)]
struct Levels {
    inflight: Gauge,
    writes_queued: Gauge,
    reads_queued: Gauge,
    states: [Gauge; STATES.len()],
    engine: [Gauge; ENGINE.len()],
    compacted: Counter,
}

/// What an engine says of itself, in the order of [`Levels::show`].
const ENGINE: [(&str, Unit, &str); 7] = [
    (
        "restante_store_space_bytes",
        Unit::Bytes,
        "Octets the store takes on disk",
    ),
    (
        "restante_store_disk_free_bytes",
        Unit::Bytes,
        "Octets free on the disk of the store",
    ),
    (
        "restante_store_disk_bytes",
        Unit::Bytes,
        "Octets the disk of the store has in all",
    ),
    (
        "restante_store_journal_bytes",
        Unit::Bytes,
        "Octets of journal, which a start after a crash reads (store.max_journal)",
    ),
    (
        "restante_store_unsorted_bytes",
        Unit::Bytes,
        "Octets written that are not sorted to disk yet (store.write_buffer)",
    ),
    (
        "restante_store_cache_bytes",
        Unit::Bytes,
        "Memory that keeps blocks read from disk (store.cache)",
    ),
    (
        "restante_store_compactions",
        Unit::Count,
        "Compactions under way",
    ),
];

impl Metrics {
    /// Registers with the recorder in force.
    pub(super) fn register() -> Self {
        describe();
        for reason in REFUSALS {
            counter!(REFUSED, "reason" => reason).increment(0);
        }
        Self {
            commits: counter!("restante_store_commits_total"),
            syncs: counter!("restante_store_syncs_total"),
            transactions: counter!("restante_store_transactions_total"),
            written: counter!("restante_store_written_bytes_total"),
            commit_time: histogram!("restante_store_commit_seconds"),
            wait_time: histogram!("restante_store_wait_seconds"),
            group: histogram!("restante_store_group_transactions"),
            reads: counter!("restante_store_reads_total"),
            levels: Levels {
                inflight: gauge!("restante_store_inflight_bytes"),
                writes_queued: gauge!(QUEUED, "for" => "write"),
                reads_queued: gauge!(QUEUED, "for" => "read"),
                states: STATES.map(|state| gauge!(STATE, "state" => state.as_str())),
                engine: ENGINE.map(|(name, ..)| gauge!(name)),
                compacted: counter!("restante_store_compactions_total"),
            },
        }
    }

    /// Shows how the engine is.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; 2^53 octets are enough"
    )]
    pub(super) fn show(&self, engine: Figures, state: State) {
        let values = [
            engine.space,
            engine.free.unwrap_or(0),
            engine.disk.unwrap_or(0),
            engine.journal,
            engine.unsorted,
            engine.cached,
            engine.compacting,
        ];
        for (gauge, value) in self.levels.engine.iter().zip(values) {
            gauge.set(value as f64);
        }
        self.levels.compacted.absolute(engine.compacted);
        for (gauge, one) in self.levels.states.iter().zip(STATES) {
            gauge.set(f64::from(u8::from(one == state)));
        }
    }

    /// Shows what waits: transactions, reads, and octets on their way to the writer.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; 2^53 octets are enough"
    )]
    pub(super) fn show_queues(&self, writes: usize, reads: usize, inflight: usize) {
        self.levels.writes_queued.set(writes as f64);
        self.levels.reads_queued.set(reads as f64);
        self.levels.inflight.set(inflight as f64);
    }

    /// Counts something not done.
    pub(super) fn refused(&self, error: &StoreError) {
        counter!(REFUSED, "reason" => error.kind()).increment(1);
    }
}

/// What the engine alone can tell.
pub(super) struct EngineMetrics {
    /// Time to write one group to the journal and to have the disk take it.
    pub(super) sync_time: Histogram,
    /// Time a commit waited for background work to make room in memory.
    pub(super) stall_time: Histogram,
}

impl EngineMetrics {
    /// Registers with the recorder in force.
    pub(super) fn register() -> Self {
        describe_histogram!(
            "restante_store_sync_seconds",
            Unit::Seconds,
            "Time to write one group to the journal and have the disk take it, without the work of its transactions"
        );
        describe_histogram!(
            "restante_store_stall_seconds",
            Unit::Seconds,
            "Time commits waited for sorting to disk, where they had to (store.write_buffer)"
        );
        Self {
            sync_time: histogram!("restante_store_sync_seconds"),
            stall_time: histogram!("restante_store_stall_seconds"),
        }
    }
}

fn describe() {
    let counters = [
        (
            "restante_store_commits_total",
            Unit::Count,
            "Groups committed",
        ),
        (
            "restante_store_syncs_total",
            Unit::Count,
            "Groups committed with a sync (fsync)",
        ),
        (
            "restante_store_transactions_total",
            Unit::Count,
            "Transactions committed",
        ),
        (
            "restante_store_written_bytes_total",
            Unit::Bytes,
            "Octets of keys and values committed",
        ),
        ("restante_store_reads_total", Unit::Count, "Reads answered"),
        (
            REFUSED,
            Unit::Count,
            "Transactions and reads not done, by reason",
        ),
        (
            "restante_store_compactions_total",
            Unit::Count,
            "Compactions done since the store was opened",
        ),
    ];
    for (name, unit, help) in counters {
        describe_counter!(name, unit, help);
    }
    let histograms = [
        (
            "restante_store_commit_seconds",
            Unit::Seconds,
            "Time of one group commit: the work of its transactions, journal and sync",
        ),
        (
            "restante_store_wait_seconds",
            Unit::Seconds,
            "Time the oldest transaction of a group waited for the writer",
        ),
        (
            "restante_store_group_transactions",
            Unit::Count,
            "Transactions committed together",
        ),
    ];
    for (name, unit, help) in histograms {
        describe_histogram!(name, unit, help);
    }
    describe_gauge!(
        "restante_store_inflight_bytes",
        Unit::Bytes,
        "Octets on their way to the writer (store.max_inflight)"
    );
    describe_gauge!(
        QUEUED,
        Unit::Count,
        "Transactions and reads that wait for a thread (store.queue)"
    );
    describe_gauge!(STATE, Unit::Count, "1 for the state the store is in");
    for (name, unit, help) in ENGINE {
        describe_gauge!(name, unit, help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics_exporter_prometheus::PrometheusBuilder;

    #[test]
    fn names_carry_room_unit_and_total() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let metrics = Metrics::register();
            metrics.commits.increment(1);
            metrics.written.increment(70);
            metrics.refused(&StoreError::Busy);
        });
        let text = recorder.handle().render();
        for line in [
            "restante_store_commits_total 1",
            "restante_store_written_bytes_total 70",
            "restante_store_refused_total{reason=\"busy\"} 1",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
