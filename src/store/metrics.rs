//! What `/metrics` shows of the store. Names, units and help texts stand here and nowhere else.
use super::StoreError;
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

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
    /// Transactions of one group.
    pub(super) group: Histogram,
    /// Octets on their way to the writer.
    pub(super) inflight: Gauge,
    /// Transactions and reads waiting.
    pub(super) queued: Gauge,
    /// Reads answered.
    pub(super) reads: Counter,
}

impl Metrics {
    /// Registers with the recorder in force.
    pub(super) fn register() -> Self {
        describe_counter!(
            "restante_store_commits_total",
            Unit::Count,
            "Groups committed"
        );
        describe_counter!(
            "restante_store_syncs_total",
            Unit::Count,
            "Groups committed with a sync"
        );
        describe_counter!(
            "restante_store_transactions_total",
            Unit::Count,
            "Transactions committed"
        );
        describe_counter!(
            "restante_store_written_bytes_total",
            Unit::Bytes,
            "Octets of keys and values committed"
        );
        describe_histogram!(
            "restante_store_commit_seconds",
            Unit::Seconds,
            "Time of one group commit, sync included"
        );
        describe_histogram!(
            "restante_store_group_transactions",
            Unit::Count,
            "Transactions committed together"
        );
        describe_gauge!(
            "restante_store_inflight_bytes",
            Unit::Bytes,
            "Octets on their way to the writer"
        );
        describe_gauge!(
            "restante_store_queued",
            Unit::Count,
            "Transactions and reads that wait for a thread"
        );
        describe_counter!("restante_store_reads_total", Unit::Count, "Reads answered");
        describe_counter!(
            "restante_store_refused_total",
            Unit::Count,
            "Transactions and reads not done, by reason"
        );
        Self {
            commits: counter!("restante_store_commits_total"),
            syncs: counter!("restante_store_syncs_total"),
            transactions: counter!("restante_store_transactions_total"),
            written: counter!("restante_store_written_bytes_total"),
            commit_time: histogram!("restante_store_commit_seconds"),
            group: histogram!("restante_store_group_transactions"),
            inflight: gauge!("restante_store_inflight_bytes"),
            queued: gauge!("restante_store_queued"),
            reads: counter!("restante_store_reads_total"),
        }
    }

    /// Counts something not done.
    pub(super) fn refused(&self, error: &StoreError) {
        counter!("restante_store_refused_total", "reason" => error.kind()).increment(1);
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
