//! What a run came to, as text and as JSON.
use super::{options::Options, processes::Usage, tally::Tally};
use crate::latency::Percentiles;
use bytesize::ByteSize;
use serde::Serialize;
use std::{collections::BTreeMap, fmt, time::Duration};

/// The whole report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was asked for, in words.
    pub load: String,
    /// The run before the one that counts, where there was one to compare with.
    pub compared_with: Option<Figures>,
    /// The run.
    pub run: Figures,
    /// Whether nothing went wrong from the first message to the last.
    pub is_clean: bool,
}

/// What one phase came to.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Messages received whole.
    pub messages: u64,
    /// Octets of their contents.
    pub octets: u64,
    /// From the beginning to the last message.
    pub seconds: f64,
    /// Messages a second.
    pub messages_per_second: f64,
    /// Millions of octets a second.
    pub megabytes_per_second: f64,
    /// First octet sent to last octet received.
    pub latency_ms: Percentiles,
    /// What the servers used.
    pub servers: Vec<Usage>,
    /// What the generator used itself.
    pub generator_cpu_ms_per_1000: Option<f64>,
    /// Messages that never came.
    pub lost: u64,
    /// Messages that came without their answer or report.
    pub unanswered: u64,
    /// Messages that came once more.
    pub doubled: u64,
    /// Messages that came changed.
    pub corrupted: u64,
    /// What else went wrong, and how often.
    pub refusals: BTreeMap<String, u64>,
}

impl Figures {
    /// The figures of one phase.
    pub fn new(tally: &Tally, time: Duration, servers: Vec<Usage>, own: &Usage) -> Self {
        let seconds = time.as_secs_f64().max(1e-9);
        Self {
            messages: tally.received,
            octets: tally.octets,
            seconds,
            messages_per_second: tally.received as f64 / seconds,
            megabytes_per_second: tally.octets as f64 / seconds / 1e6,
            latency_ms: tally.latency.percentiles(),
            servers,
            generator_cpu_ms_per_1000: own.cpu_ms_per_1000,
            lost: tally.lost,
            unanswered: tally.unanswered,
            doubled: tally.doubled,
            corrupted: tally.corrupted,
            refusals: tally.refusals.clone(),
        }
    }
}

impl Report {
    /// The report of a run with `options`; `figures` of its phases, the last of which counts.
    pub fn new(options: &Options, mut figures: Vec<Figures>, is_clean: bool) -> Option<Self> {
        let run = figures.pop()?;
        let compared_with = figures.pop().filter(|_| options.load.stalled > 0);
        Some(Self {
            load: words(options),
            compared_with,
            run,
            is_clean,
        })
    }
}

fn words(options: &Options) -> String {
    let Options { way, load, .. } = options;
    let mut words = match way.relay.as_slice() {
        [] => format!("{:?} by way of {}", way.via, way.target).to_lowercase(),
        [only] => format!("relay by way of {only}"),
        relays => format!("relays {relays:?}"),
    };
    if words.starts_with("relay ") {
        words += &format!(" ({:?})", way.ends).to_lowercase();
    }
    let window = match (load.rate, load.window) {
        (Some(rate), _) => format!("{rate} messages/s"),
        (None, 0) => "no window".to_owned(),
        (None, window) => format!("window {window}"),
    };
    let size = load.size.display().iec();
    format!("{words}: {} pairs, {window}, {size}", load.pairs)
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\n{}\n", self.load)?;
        let titles = [
            "messages", "time", "1/s", "MB/s", "p50", "p90", "p99", "p99.9", "max",
        ];
        write!(out, "{:<11}", "")?;
        for title in titles {
            write!(out, "{title:>11}")?;
        }
        writeln!(out)?;
        if let Some(before) = &self.compared_with {
            before.write_line(out, "before")?;
        }
        self.run.write_line(out, "run")?;
        writeln!(out)?;
        if let Some(before) = &self.compared_with {
            let share = self.run.latency_ms.p99 / before.latency_ms.p99.max(1e-3);
            writeln!(
                out,
                "stalled    p99 of the others is {share:.2} times that before"
            )?;
        }
        self.run.write_processes(out)?;
        if let Some(before) = &self.compared_with {
            before.write_faults(out, "before")?;
        }
        self.run.write_faults(out, "verdict")?;
        let verdict = if self.is_clean { "clean" } else { "BROKEN" };
        write!(out, "{:<11}{verdict}", "")
    }
}

impl Figures {
    /// Whether nothing went wrong.
    pub fn is_clean(&self) -> bool {
        let faults = self.lost + self.unanswered + self.doubled + self.corrupted;
        faults == 0 && self.refusals.is_empty()
    }

    /// Writes the line of a phase called `name`.
    ///
    /// Errors: those of `out`.
    pub fn write_line(&self, out: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let times = self.latency_ms;
        write!(
            out,
            "{name:<11}{:>11}{:>9.2} s",
            self.messages, self.seconds
        )?;
        write!(out, "{:>11.0}", self.messages_per_second)?;
        write!(out, "{:>11.1}", self.megabytes_per_second)?;
        for millis in [times.p50, times.p90, times.p99, times.p999, times.max] {
            write!(out, "{millis:>8.2} ms")?;
        }
        writeln!(out)
    }

    /// Writes what the processes used.
    ///
    /// Errors: those of `out`.
    pub fn write_processes(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |octets| ByteSize(octets).display().iec();
        for server in &self.servers {
            let Usage {
                pid,
                name,
                cpu_ms_per_1000,
                ..
            } = server;
            let cpu = cpu_ms_per_1000.unwrap_or_default();
            write!(
                out,
                "server     {name} ({pid}): {cpu:.2} ms of CPU for 1000 messages"
            )?;
            if cpu > 0.0 {
                write!(out, " ({:.0} a core and second)", 1e6 / cpu)?;
            }
            let before = size(server.resident_before);
            let (after, peak) = (size(server.resident_after), size(server.resident_peak));
            writeln!(
                out,
                "; memory {before} before, {after} after, {peak} at most"
            )?;
        }
        let own = self.generator_cpu_ms_per_1000.unwrap_or_default();
        writeln!(out, "generator  {own:.2} ms of CPU for 1000 messages")
    }

    /// Writes what went wrong in a phase called `name`.
    ///
    /// Errors: those of `out`.
    pub fn write_faults(&self, out: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        write!(
            out,
            "{name:<11}lost {}, doubled {}, ",
            self.lost, self.doubled
        )?;
        writeln!(
            out,
            "corrupted {}, unanswered {}",
            self.corrupted, self.unanswered
        )?;
        for (reason, count) in &self.refusals {
            writeln!(out, "           {count} times: {reason}")?;
        }
        Ok(())
    }
}
