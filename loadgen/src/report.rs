//! What a run came to: a table for people, JSON for programs.
use crate::{latency::Percentiles, ledger::Verdict, server::Usage};
use bytesize::ByteSize;
use serde::Serialize;
use std::{fmt, time::Duration};

/// Everything told about a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: &'static str,
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
    pub mode: &'static str,
    /// Whether receivers had the chance to get everything.
    pub is_retrieved: bool,
    /// What was done, in order.
    pub phases: Vec<Phase>,
    /// The server's process, where it was watched.
    pub server: Option<Usage>,
    /// The ledger's sums.
    pub ledger: Verdict,
    /// The first messages with a fault, for `restante trace`.
    pub faults: Vec<FaultLine>,
    /// Refusals by their reason.
    pub refusals: Vec<(String, u64)>,
}

/// One message with a fault.
#[derive(Clone, Debug, Serialize)]
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
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    /// What was done, such as `accept` or `deliver`.
    pub name: &'static str,
    /// How often it succeeded.
    pub count: u64,
    /// Octets of content.
    pub octets: u64,
    /// How long it took altogether.
    #[serde(rename = "seconds", serialize_with = "as_seconds")]
    pub time: Duration,
    /// How long one took, in milliseconds.
    pub latency_ms: Percentiles,
    /// Processor time of the server, where it was watched.
    #[serde(rename = "server_cpu_seconds", serialize_with = "as_optional_seconds")]
    pub server_cpu: Option<Duration>,
}

fn as_seconds<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

fn as_optional_seconds<S>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error>
where
    S: serde::Serializer,
{
    time.map(|time| time.as_secs_f64()).serialize(to)
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
        self.ledger.is_clean()
    }

    /// Whether there was work and none of it succeeded.
    pub fn did_nothing(&self) -> bool {
        self.messages > 0 && self.ledger.acknowledged == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (senders, receivers) = (self.senders, self.receivers);
        write!(
            out,
            "\n{}: {senders} senders, {receivers} receivers, ",
            self.scenario
        )?;
        write!(
            out,
            "{} messages of {} by {}, ",
            self.messages, self.size, self.mode
        )?;
        writeln!(out, "seed {}\n", self.seed)?;
        self.write_phases(out)?;
        self.write_server(out)?;
        self.write_ledger(out)?;
        self.write_faults(out)
    }
}

impl Report {
    fn write_phases(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = ["p50", "p90", "p99", "p99.9", "max"];
        write!(
            out,
            "{:<10}{:>9}{:>10}{:>9}{:>9}",
            "", "count", "time", "1/s", "MiB/s"
        )?;
        for title in titles {
            write!(out, "{title:>9}")?;
        }
        writeln!(out, "{:>16}", "CPU ms/1000")?;
        for phase in &self.phases {
            let mib = phase.octets_rate() / (1024.0 * 1024.0);
            let seconds = phase.time.as_secs_f64();
            write!(out, "{:<10}{:>9}{seconds:>8.2} s", phase.name, phase.count)?;
            write!(out, "{:>9.0}{mib:>9.2}", phase.rate())?;
            let times = phase.latency_ms;
            for millis in [times.p50, times.p90, times.p99, times.p999, times.max] {
                write!(out, "{:>9}", short(millis))?;
            }
            match phase.cpu_per_thousand() {
                Some(millis) => writeln!(out, "{millis:>16.0}")?,
                None => writeln!(out, "{:>16}", "not watched")?,
            }
        }
        writeln!(out)
    }

    fn write_server(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(server) = self.server else {
            return writeln!(out, "server     not watched: give --server-pid");
        };
        let size = |octets| ByteSize(octets).display().iec();
        let before = size(server.resident_before);
        let after = size(server.resident_after);
        let most = size(server.resident_most);
        write!(
            out,
            "server     process {}: memory {before} before, ",
            server.pid
        )?;
        write!(out, "{after} after, {most} at most; ")?;
        writeln!(out, "{} open files at most", server.open_files_most)
    }

    fn write_ledger(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sums = &self.ledger;
        write!(
            out,
            "ledger     {} sent, {} sent again, ",
            sums.sent, sums.retries
        )?;
        write!(
            out,
            "{} acknowledged ({} stored, ",
            sums.acknowledged, sums.stored
        )?;
        writeln!(
            out,
            "{} delivered at once), {} refused",
            sums.delivered_at_once, sums.refused
        )?;
        write!(out, "           {} delivered, ", sums.delivered)?;
        write!(
            out,
            "{} of them unacknowledged; ",
            sums.delivered_unacknowledged
        )?;
        write!(
            out,
            "{} waiting, {} repeated after a break, ",
            sums.waiting, sums.repeated
        )?;
        writeln!(
            out,
            "{} overtaken, {} of other runs",
            sums.overtaken, sums.foreign
        )?;
        for (reason, count) in &self.refusals {
            writeln!(out, "           {count} times: {reason}")?;
        }
        let verdict = if sums.is_clean() { "clean" } else { "BROKEN" };
        write!(
            out,
            "verdict    lost {}, duplicated {}, ",
            sums.lost, sums.duplicated
        )?;
        writeln!(out, "corrupted {}: {verdict}", sums.corrupted)
    }

    fn write_faults(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.faults {
            let fault = format!("{:?}", line.fault).to_lowercase();
            write!(
                out,
                "{fault:<11}{} ({} octets) ",
                line.message_id, line.size
            )?;
            write!(out, "from {} to {}: ", line.sender, line.receiver)?;
            writeln!(out, "restante trace {}", line.message_id)?;
        }
        Ok(())
    }
}

/// Milliseconds with as many digits as matter.
fn short(millis: f64) -> String {
    match millis {
        _ if millis >= 10_000.0 => format!("{:.1} s", millis / 1000.0),
        _ if millis >= 100.0 => format!("{millis:.0} ms"),
        _ => format!("{millis:.1} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Fault;

    fn report() -> Report {
        Report {
            scenario: "send-and-retrieve",
            seed: 7,
            senders: 500,
            receivers: 500,
            messages: 10_000,
            size: "2048B".to_owned(),
            mode: "channel",
            is_retrieved: true,
            phases: vec![Phase {
                name: "accept",
                count: 10_000,
                octets: 10_000 * 2048,
                time: Duration::from_secs(4),
                latency_ms: Percentiles {
                    p50: 12.34,
                    p99: 123.4,
                    max: 12_345.0,
                    ..Percentiles::default()
                },
                server_cpu: Some(Duration::from_secs(3)),
            }],
            server: None,
            ledger: Verdict {
                sent: 10_000,
                lost: 1,
                ..Verdict::default()
            },
            faults: vec![FaultLine {
                fault: Fault::Lost,
                message_id: "lg-7-3".to_owned(),
                sender: "sip:a@localhost".to_owned(),
                receiver: "sip:b@localhost".to_owned(),
                size: 2048,
            }],
            refusals: vec![("503 Service Unavailable".to_owned(), 2)],
        }
    }

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
}
