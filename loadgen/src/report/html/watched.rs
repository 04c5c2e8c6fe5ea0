//! What was seen of the server, as charts.
use super::charts::over_time;
use crate::report::{
    Report,
    chart::{Chart, Trace, Unit},
    timeline::Watched,
};

const SERVER: &str = "server";
const GENERATOR: &str = "generator";
const DISK: &str = "disk";

type Seen = fn(&Watched) -> Option<f64>;

/// What is shown of the server: title, note, unit, and the lines with their colours.
type Shown = (
    &'static str,
    &'static str,
    Unit,
    &'static [(&'static str, &'static str, Seen)],
);

const SHOWN: [Shown; 7] = [
    (
        "Processor",
        "cores in use",
        Unit::Cores,
        &[
            ("server", SERVER, |one| one.cpu_cores),
            ("load generator", GENERATOR, |one| one.generator_cpu_cores),
        ],
    ),
    (
        "Memory",
        "resident",
        Unit::Bytes,
        &[
            ("server", SERVER, |one| one.figures.resident_bytes),
            ("load generator", GENERATOR, |one| {
                one.figures.generator_resident_bytes
            }),
        ],
    ),
    (
        "Messages waiting",
        "kept by the server for their receivers",
        Unit::Count,
        &[("waiting", "k-accept", |one| one.figures.waiting)],
    ),
    (
        "Admission",
        "share of requests that the server lets in, on the core with most to do",
        Unit::Share,
        &[("let in", SERVER, |one| one.figures.let_in)],
    ),
    (
        "Delays in the server",
        "a commit and the sync in it, in the mean; how late the latest core serves what is due",
        Unit::Millis,
        &[
            ("commit", SERVER, |one| one.commit_ms),
            ("sync", DISK, |one| one.sync_ms),
            ("latest core", GENERATOR, |one| {
                Some(one.figures.lag_seconds? * 1000.0)
            }),
        ],
    ),
    (
        "SIP transactions",
        "in the server; those that are over are remembered for a while, over UDP for 32 seconds",
        Unit::Count,
        &[("transactions", DISK, |one| one.figures.transactions)],
    ),
    (
        "What the server has open",
        "at each moment",
        Unit::Count,
        &[
            ("files", GENERATOR, |one| one.figures.open_files),
            ("MSRP connections", SERVER, |one| {
                one.figures.msrp_connections
            }),
            ("dialogs", "k-accept", |one| one.figures.dialogs),
            ("users logged in", "k-login", |one| one.figures.registered),
            ("waiting for the store", "k-failed", |one| {
                one.figures.store_queued
            }),
        ],
    ),
];

/// The charts of what was seen of the server.
pub(super) fn charts(report: &Report) -> impl Iterator<Item = Chart> + '_ {
    SHOWN.into_iter().map(|(title, note, unit, lines)| {
        let mut chart = over_time(report, title, note, unit);
        chart.traces = lines.iter().map(|line| seen(report, *line)).collect();
        let is_known = |trace: &Trace| trace.points.iter().any(|(_, value)| value.is_some());
        chart.traces.retain(is_known);
        chart
    })
}

fn seen(report: &Report, (name, colour, seen): (&str, &'static str, Seen)) -> Trace {
    let looks = report.timeline.server.iter();
    Trace {
        name: name.to_owned(),
        colour,
        points: looks.map(|one| (one.at, seen(one))).collect(),
    }
}
