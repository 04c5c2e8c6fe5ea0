//! What a run came to: a table for people (`table`), JSON for programs (this file is its shape), and
//! a page with charts (`html`).
pub mod chart;
pub mod command;
pub mod file;
pub mod html;
mod kind;
mod machine;
#[cfg(test)]
mod samples;
mod seconds;
mod table;
pub mod timeline;

pub use kind::KindSum;
pub use machine::Machine;

use crate::{latency::Percentiles, ledger::Verdict, server::Usage};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use timeline::Timeline;

/// The version of the JSON's shape: higher when what was there before means something else.
pub const FORMAT: u32 = 1;

/// Everything told about a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The version of this shape.
    pub format: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The command line, without secrets.
    pub command: String,
    /// When it began (RFC 3339).
    pub begun: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Where it was made.
    pub machine: Machine,
    /// The run's seed; with the other options it makes the same run again.
    pub seed: u64,
    /// Users who sent.
    pub senders: usize,
    /// Users who received.
    pub receivers: usize,
    /// Messages of the plan.
    pub messages: u64,
    /// Their size.
    pub size: String,
    /// How they travelled.
    pub mode: String,
    /// What set the pace: how many clients were at work, or how much was due in a second.
    pub pace: String,
    /// Whether receivers had the chance to get everything.
    pub is_retrieved: bool,
    /// What was done, in order.
    pub phases: Vec<Phase>,
    /// What was counted over the whole run.
    pub kinds: Vec<KindSum>,
    /// The server's process, where it was watched.
    pub server: Option<Usage>,
    /// The ledger's sums.
    pub ledger: Verdict,
    /// Whether something else went wrong that the ledger does not count.
    pub is_broken: bool,
    /// The first messages with a fault, for `restante trace`.
    pub faults: Vec<FaultLine>,
    /// Refusals by their reason.
    pub refusals: Vec<(String, u64)>,
    /// What happened when.
    pub timeline: Timeline,
}

/// One message with a fault.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FaultLine {
    /// The fault's name.
    pub fault: crate::ledger::Fault,
    /// What to give to `restante trace`.
    pub message_id: String,
    /// Who sent it.
    pub sender: String,
    /// Who was to receive it.
    pub receiver: String,
    /// Its size, in octets.
    pub size: u64,
}

/// One kind of work over a stretch of time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Phase {
    /// What was done, such as `accept` or `deliver`.
    pub name: String,
    /// The phase beside which it happened, where it is not what that one was for.
    pub beside: Option<String>,
    /// How often it happened.
    pub count: u64,
    /// Octets of content.
    pub octets: u64,
    /// How long it took altogether.
    #[serde(rename = "seconds", with = "seconds")]
    pub time: Duration,
    /// How long one took, in milliseconds.
    pub latency_ms: Percentiles,
    /// Requests that were due and had to wait, because as many as allowed were under way.
    pub waited: u64,
    /// Processor time of the server, where it was watched.
    #[serde(rename = "server_cpu_seconds", with = "seconds::optional")]
    pub server_cpu: Option<Duration>,
}

impl Phase {
    /// Successes a second.
    pub fn rate(&self) -> f64 {
        per(self.count as f64, self.time.as_secs_f64())
    }

    /// Octets of content a second.
    pub fn octets_rate(&self) -> f64 {
        per(self.octets as f64, self.time.as_secs_f64())
    }

    /// Processor milliseconds of the server for 1000 successes.
    pub fn cpu_per_thousand(&self) -> Option<f64> {
        let millis = self.server_cpu?.as_secs_f64() * 1000.0;
        (self.count > 0).then(|| millis * 1000.0 / self.count as f64)
    }
}

fn per(amount: f64, time: f64) -> f64 {
    if time > 0.0 { amount / time } else { 0.0 }
}

impl Report {
    /// Whether the server kept its word.
    pub fn is_clean(&self) -> bool {
        self.ledger.is_clean() && !self.is_broken
    }

    /// The phase that is the same as `other` of another run.
    pub fn counterpart(&self, other: &Phase) -> Option<&Phase> {
        let is_same = |phase: &&Phase| phase.name == other.name && phase.beside == other.beside;
        self.phases.iter().find(is_same)
    }

    /// The load in a few words.
    pub fn words(&self) -> String {
        let (senders, receivers) = (self.senders, self.receivers);
        let (messages, size) = (self.messages, &self.size);
        let unless_empty = |lead: &str, text: &str| match text {
            "" => String::new(),
            text => format!("{lead}{text}"),
        };
        // what is retrieved came by any
        let way = unless_empty(" by ", &self.mode);
        let pace = unless_empty(", ", &self.pace);
        let seed = self.seed;
        format!(
            "{senders} senders, {receivers} receivers, {messages} messages of {size}{way}{pace}, seed {seed}"
        )
    }

    /// Whether there was work and none of it succeeded.
    pub fn did_nothing(&self) -> bool {
        let done = |phase: &Phase| phase.name.ends_with("login") && phase.count > 0;
        let is_idle = self.ledger.acknowledged == 0;
        is_idle && (self.messages > 0 || !self.phases.iter().any(done))
    }
}

#[cfg(test)]
mod tests {
    use super::{samples::report, *};
    use std::collections::BTreeSet;

    #[test]
    fn table_tells_rates_percentiles_cost_and_verdict() {
        let text = report().to_string();
        for wanted in [
            "2500",
            "4.88",
            "12.3 ms",
            "123 ms",
            "12.3 s",
            "300",
            "lost 1",
            "BROKEN",
            "lost       lg-7-3",
            "restante trace lg-7-3",
            "2 times: 503",
            "seed 7",
        ] {
            assert!(text.contains(wanted), "{wanted} is missing in {text}");
        }
    }

    #[test]
    fn json_tells_the_same() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["ledger"]["lost"], 1);
        assert_eq!(json["phases"][0]["seconds"], 4.0);
        assert_eq!(json["phases"][0]["server_cpu_seconds"], 3.0);
        assert_eq!(json["phases"][0]["latency_ms"]["p50"], 12.34);
        assert_eq!(json["faults"][0]["fault"], "lost");
    }

    #[test]
    fn phase_without_successes_has_no_cost_and_no_rate() {
        let mut phase = report().phases.remove(0);
        phase.count = 0;
        phase.time = Duration::ZERO;
        assert_eq!(phase.cpu_per_thousand(), None);
        assert_eq!(phase.rate(), 0.0);
    }

    #[test]
    fn document_of_the_shape_names_every_key_and_no_other() {
        let mut report = report();
        report.server = Some(Usage::default());
        let json = serde_json::to_value(report).unwrap();
        let mut keys = BTreeSet::new();
        collect("", &json, &mut keys);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/REPORT.md");
        let text = std::fs::read_to_string(path).unwrap();
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        let told: BTreeSet<String> = rows
            .filter_map(|row| Some(row.split_once('`')?.0.to_owned()))
            .collect();
        let missing: Vec<_> = keys.difference(&told).collect();
        let foreign: Vec<_> = told.difference(&keys).collect();
        assert!(missing.is_empty(), "REPORT.md says nothing of {missing:?}");
        assert!(foreign.is_empty(), "REPORT.md speaks of {foreign:?}");
    }

    /// The keys of all values below `path` that are no objects, and of percentiles as such.
    fn collect(path: &str, value: &serde_json::Value, keys: &mut BTreeSet<String>) {
        let is_leaf = path.ends_with("_ms");
        match value {
            serde_json::Value::Object(fields) if !is_leaf => {
                for (name, value) in fields {
                    let name = if path == "timeline.kinds" { "*" } else { name };
                    let separator = if path.is_empty() { "" } else { "." };
                    collect(&format!("{path}{separator}{name}"), value, keys);
                }
            }
            serde_json::Value::Array(values) => {
                let path = format!("{path}[]");
                let pairs = values.iter().filter(|value| value.is_array());
                keys.extend(pairs.map(|_| path.clone()));
                let others = values.iter().filter(|value| !value.is_array());
                others.for_each(|value| collect(&path, value, keys));
            }
            _ => {
                keys.insert(path.to_owned());
            }
        }
    }
}
