//! Which charts a report has.
use super::watched;
use crate::{
    latency::Percentiles,
    report::{
        KindSum, Report,
        chart::{Axis, Chart, Mark, Scale, Trace, Unit},
        timeline::Point,
    },
    series::Kind,
};

/// Stretches in which something has to happen for its latency to be drawn over time.
const STEADY: usize = 4;

/// The colour of a kind of event, wherever it is shown.
pub(super) fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Login => "k-login",
        Kind::Refresh => "k-refresh",
        Kind::Logout => "k-logout",
        Kind::Found => "k-found",
        Kind::Join => "k-join",
        Kind::Accept => "k-accept",
        Kind::Deliver => "k-deliver",
        Kind::Group => "k-group",
        Kind::Refused => "k-refused",
        Kind::Failed => "k-failed",
    }
}

/// All charts of `report` in which there is something to see.
pub(super) fn charts(report: &Report) -> Vec<Chart> {
    let mut charts = vec![throughput(report), content(report)];
    for kind in kinds(report).filter(|kind| is_timed(*kind) && is_steady(report, *kind)) {
        charts.push(latency(report, kind));
    }
    charts.push(distribution(report));
    charts.push(histogram(report));
    charts.extend(watched::charts(report));
    charts.retain(|chart| !chart.is_empty());
    charts
}

/// The kinds of event there were, in their order.
fn kinds(report: &Report) -> impl Iterator<Item = Kind> + '_ {
    let is_there = |kind: &Kind| report.timeline.kinds.contains_key(kind.name());
    Kind::ALL.into_iter().filter(is_there)
}

/// Whether its latency says something: what has no answer takes as long as patience lasts.
fn is_timed(kind: Kind) -> bool {
    kind != Kind::Failed
}

/// Whether it happened over a while, so that its latency over time is a line.
fn is_steady(report: &Report, kind: Kind) -> bool {
    let points = points(report, kind).iter();
    points.filter(|point| point.count > 0).count() >= STEADY
}

fn points(report: &Report, kind: Kind) -> &[Point] {
    report
        .timeline
        .kinds
        .get(kind.name())
        .map_or(&[], Vec::as_slice)
}

fn throughput(report: &Report) -> Chart {
    let note = "what came to its end, a second; refusals and missing answers too";
    let mut chart = over_time(report, "Throughput", note, Unit::PerSecond);
    let rates = |kind| rates(report, kind, |point| point.count as f64);
    chart.traces = kinds(report).map(|kind| trace(kind, rates(kind))).collect();
    chart
}

fn content(report: &Report) -> Chart {
    let note = "octets of content, a second";
    let mut chart = over_time(report, "Content", note, Unit::BytesPerSecond);
    let with_content = kinds(report).filter(|kind| {
        let octets = |point: &Point| point.octets;
        points(report, *kind).iter().map(octets).sum::<u64>() > 0
    });
    let rates = |kind| rates(report, kind, |point| point.octets as f64);
    chart.traces = with_content.map(|kind| trace(kind, rates(kind))).collect();
    chart
}

/// `amount` of each stretch, a second; the last stretch is as long as the run.
fn rates(report: &Report, kind: Kind, amount: impl Fn(&Point) -> f64) -> Vec<(f64, Option<f64>)> {
    let step = report.timeline.step.max(1) as f64;
    let rate = |point: &Point| {
        let length = (report.seconds - point.at).clamp(step / 4.0, step);
        (point.at, Some(amount(point) / length))
    };
    let points = points(report, kind);
    let begin = points.iter().position(|point| point.count > 0);
    let begin = begin.unwrap_or_default().saturating_sub(1);
    let mut rates: Vec<_> = points[begin.min(points.len())..].iter().map(rate).collect();
    // what ended before the run did falls to nothing
    if let Some((last, _)) = rates.last().copied()
        && last + step < report.seconds
    {
        rates.push((last + step, Some(0.0)));
    }
    rates
}

fn trace(kind: Kind, points: Vec<(f64, Option<f64>)>) -> Trace {
    Trace {
        name: kind.name().to_owned(),
        colour: colour(kind),
        points,
    }
}

type Share = (&'static str, &'static str, fn(&Percentiles) -> f64);

fn latency(report: &Report, kind: Kind) -> Chart {
    let title = format!("Latency of {}", kind.name());
    let mut chart = over_time(report, &title, kind.meaning(), Unit::Millis);
    chart.y.scale = Scale::Log(0.0, 0.0);
    let shares: [Share; 4] = [
        ("p50", "p50", |of| of.p50),
        ("p90", "p90", |of| of.p90),
        ("p99", "p99", |of| of.p99),
        ("p99.9", "p999", |of| of.p999),
    ];
    let line = |(name, colour, share): Share| Trace {
        name: name.to_owned(),
        colour,
        points: points(report, kind)
            .iter()
            .map(|point| {
                let value = (point.count > 0).then(|| share(&point.latency_ms));
                (point.at, value)
            })
            .collect(),
    };
    chart.traces = shares.into_iter().map(line).collect();
    chart
}

fn distribution(report: &Report) -> Chart {
    let note = "which share of all took at most how long";
    let mut chart = Chart {
        title: "Latency distribution".to_owned(),
        note: note.to_owned(),
        x: axis(Unit::Nines, Scale::Linear(0.0)),
        y: axis(Unit::Millis, Scale::Log(0.0, 0.0)),
        traces: Vec::new(),
        marks: Vec::new(),
        outages: Vec::new(),
    };
    for sum in timed(report) {
        let nines = |(share, millis): &(f64, f64)| {
            let nines = -(1.0 - share).max(1e-9).log10();
            (nines.max(0.0), Some(*millis))
        };
        let shares = sum
            .distribution
            .shares
            .iter()
            .filter(|(share, _)| *share < 1.0);
        chart.traces.extend(
            sum.kind()
                .map(|kind| trace(kind, shares.map(nines).collect())),
        );
    }
    chart
}

fn timed(report: &Report) -> impl Iterator<Item = &KindSum> {
    report
        .kinds
        .iter()
        .filter(|sum| sum.kind().is_some_and(is_timed))
}

fn histogram(report: &Report) -> Chart {
    let mut chart = Chart {
        title: "Latency histogram".to_owned(),
        note: "how many took about how long, over the whole run".to_owned(),
        x: axis(Unit::Millis, Scale::Log(0.0, 0.0)),
        y: axis(Unit::Count, Scale::Linear(0.0)),
        traces: Vec::new(),
        marks: Vec::new(),
        outages: Vec::new(),
    };
    for sum in timed(report) {
        let counts = sum.distribution.counts.iter();
        let points = counts.map(|(millis, count)| (*millis, Some(*count as f64)));
        chart
            .traces
            .extend(sum.kind().map(|kind| trace(kind, points.collect())));
    }
    chart
}

fn axis(unit: Unit, scale: Scale) -> Axis {
    Axis { unit, scale }
}

pub(super) fn over_time(report: &Report, title: &str, note: &str, unit: Unit) -> Chart {
    let timeline = &report.timeline;
    let mark = |mark: &crate::report::timeline::Mark| {
        let at = mark.at();
        match mark.what.as_str() {
            "killed" => Some(Mark { at, label: None }),
            _ => mark.name.clone().map(|name| Mark {
                at,
                label: Some(name),
            }),
        }
    };
    Chart {
        title: title.to_owned(),
        note: note.to_owned(),
        x: axis(Unit::Time, Scale::Linear(report.seconds.max(0.0))),
        y: axis(unit, Scale::Linear(0.0)),
        traces: Vec::new(),
        marks: timeline.marks.iter().filter_map(mark).collect(),
        outages: timeline.outages(),
    }
}
