//! One look at the server, and all of a run.
use super::exposition::Exposition;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Samples of a run at most; then every second one is given up, and only every second is kept.
const MOST: usize = 1200;

/// One look at the server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// When, from the run's beginning.
    pub at: Duration,
    /// Whether it answered.
    pub is_up: bool,
    /// What was seen.
    pub figures: Figures,
}

/// What was seen of the server, and of the generator itself. What is `None` was not to be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// Processor time so far.
    pub cpu_seconds: Option<f64>,
    /// Resident memory.
    pub resident_bytes: Option<f64>,
    /// Open file descriptors.
    pub open_files: Option<f64>,
    /// Messages that wait for their receivers.
    pub waiting: Option<f64>,
    /// Users who are logged in.
    pub registered: Option<f64>,
    /// SIP transactions.
    pub transactions: Option<f64>,
    /// SIP dialogs.
    pub dialogs: Option<f64>,
    /// MSRP connections.
    pub msrp_connections: Option<f64>,
    /// Transactions and reads that wait for the store.
    pub store_queued: Option<f64>,
    /// Commits so far.
    pub commits: Option<f64>,
    /// Time of all commits so far.
    pub commit_seconds: Option<f64>,
    /// Syncs so far.
    pub syncs: Option<f64>,
    /// Time of all syncs so far.
    pub sync_seconds: Option<f64>,
    /// How late the slowest core is.
    pub lag_seconds: Option<f64>,
    /// Share of requests that the core with most to do lets in.
    pub let_in: Option<f64>,
    /// Requests that the server refused because it had too much to do, so far.
    pub shed: Option<f64>,
    /// Processor time of the generator so far.
    pub generator_cpu_seconds: Option<f64>,
    /// Resident memory of the generator.
    pub generator_resident_bytes: Option<f64>,
}

impl Figures {
    /// What a page of the server says.
    pub(super) fn of(page: &Exposition<'_>) -> Self {
        Self {
            cpu_seconds: page.sum("process_cpu_seconds_total"),
            resident_bytes: page.sum("process_resident_memory_bytes"),
            open_files: page.sum("process_open_fds"),
            waiting: page.sum("restante_deferred_messages"),
            registered: page.sum("restante_sip_core_registered"),
            transactions: page.sum("restante_sip_transactions"),
            dialogs: page.sum("restante_sip_dialogs"),
            msrp_connections: page.sum("restante_msrp_connections"),
            store_queued: page.sum("restante_store_queued"),
            commits: page.sum("restante_store_commit_seconds_count"),
            commit_seconds: page.sum("restante_store_commit_seconds_sum"),
            syncs: page.sum("restante_store_sync_seconds_count"),
            sync_seconds: page.sum("restante_store_sync_seconds_sum"),
            lag_seconds: page.largest("restante_arbiter_lag_worst_seconds"),
            let_in: page.smallest("restante_overload_admitted_ratio"),
            shed: page.sum("restante_overload_refused_total"),
            generator_cpu_seconds: None,
            generator_resident_bytes: None,
        }
    }
}

/// The samples of a run, in the order of time.
#[derive(Clone, Debug)]
pub struct Samples {
    samples: Vec<Sample>,
    /// Every how many-th is kept.
    step: u64,
    seen: u64,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            samples: Vec::new(),
            step: 1,
            seen: 0,
        }
    }
}

impl Samples {
    /// Adds one.
    pub fn add(&mut self, sample: Sample) {
        if self.seen.is_multiple_of(self.step) {
            self.samples.push(sample);
        }
        self.seen += 1;
        if self.samples.len() > MOST {
            let mut place = 0;
            self.samples.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.step *= 2;
        }
    }

    /// Those that were kept.
    pub fn all(&self) -> &[Sample] {
        &self.samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_of_hours_stays_within_its_bound() {
        let mut samples = Samples::default();
        for second in 0..10_000 {
            samples.add(Sample {
                at: Duration::from_secs(second),
                ..Sample::default()
            });
        }
        let moments: Vec<u64> = samples.all().iter().map(|one| one.at.as_secs()).collect();
        assert!((600..=1200).contains(&moments.len()), "{}", moments.len());
        let step = moments[1];
        assert!(moments.windows(2).all(|two| two[1] - two[0] == step));
        assert!(moments.last() > Some(&9_900), "{moments:?}");
    }

    #[test]
    fn page_of_a_server_becomes_figures() {
        let page = "process_resident_memory_bytes 1024\n\
            restante_sip_transactions{shard=\"0\"} 3\n\
            restante_sip_transactions{shard=\"1\"} 4\n\
            restante_store_commit_seconds_sum 1.5\n\
            restante_store_commit_seconds_count 100\n";
        let figures = Figures::of(&Exposition::read(page));
        assert_eq!(figures.resident_bytes, Some(1024.0));
        assert_eq!(figures.transactions, Some(7.0));
        assert_eq!(
            figures.commits.zip(figures.commit_seconds),
            Some((100.0, 1.5))
        );
        assert_eq!(figures.dialogs, None);
    }
}
