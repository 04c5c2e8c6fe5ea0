//! What a run came to, as text and as JSON.
use super::options::Load;
use crate::relay::report::Figures;
use bytesize::ByteSize;
use serde::Serialize;
use std::fmt;

/// The whole report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was asked for, in words.
    pub load: String,
    /// Messages taken in; latency is from the first octet to the promise to keep it.
    pub accept: Figures,
    /// Messages handed over; latency is from the receiver's request to the message.
    pub fetch: Option<Figures>,
    /// Whether nothing went wrong from the first message to the last.
    pub is_clean: bool,
}

/// The load in words.
pub fn words(load: &Load) -> String {
    let size = ByteSize(load.size.as_u64()).display().iec().to_string();
    format!("{} senders, window {}, {size}", load.senders, load.window)
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
        let phases = [
            ("accept", Some(&self.accept)),
            ("fetch", self.fetch.as_ref()),
        ];
        let phases = phases.map(|(name, figures)| figures.map(|figures| (name, figures)));
        for (name, figures) in phases.iter().flatten() {
            figures.write_line(out, name)?;
        }
        for (name, figures) in phases.iter().flatten() {
            writeln!(out, "\n{name}")?;
            figures.write_processes(out)?;
            figures.write_faults(out, "verdict")?;
        }
        let verdict = if self.is_clean { "clean" } else { "BROKEN" };
        write!(out, "\n{:<11}{verdict}", "")
    }
}
