//! A report as one page that needs nothing else: no script, no font, no picture from elsewhere.
//!
//! Two reports become one page too, side by side, with the same axes.
mod charts;
mod facts;
mod ledger;
mod tables;
mod watched;

use super::{Report, chart::Chart};
use charts::charts;
use std::fmt::Write;

const STYLE: &str = include_str!("style.css");

/// A report and what it is called where there are several.
pub struct Run<'a> {
    /// Its name, such as that of its file.
    pub name: &'a str,
    /// What it came to.
    pub report: &'a Report,
}

/// The page of one report, or of several side by side.
pub fn page(runs: &[Run<'_>]) -> String {
    let mut out = String::new();
    // writing to a string does not fail
    let _ = write_page(&mut out, runs);
    out
}

fn write_page(out: &mut String, runs: &[Run<'_>]) -> std::fmt::Result {
    let titles: Vec<&str> = runs
        .iter()
        .map(|run| run.report.scenario.as_str())
        .collect();
    let title = escaped(&titles.join(" and "));
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    )?;
    write!(
        out,
        "<meta name=\"viewport\" content=\"width=device-width\">"
    )?;
    write!(
        out,
        "<title>{title} – loadgen</title><style>\n{STYLE}</style></head><body>"
    )?;
    write!(out, "<div class=\"runs\">")?;
    for run in runs {
        facts::write_head(out, run, runs.len() > 1)?;
    }
    write!(out, "</div>")?;
    tables::write_phases(out, runs)?;
    write!(out, "<h2>Over time</h2>")?;
    write_charts(out, runs)?;
    tables::write_kinds(out, runs)?;
    ledger::write(out, runs)?;
    tables::write_refusals(out, runs)?;
    tables::write_faults(out, runs)?;
    tables::write_machines(out, runs)?;
    writeln!(out, "</body></html>")
}

fn write_charts(out: &mut String, runs: &[Run<'_>]) -> std::fmt::Result {
    let mut drawn: Vec<Vec<Chart>> = runs.iter().map(|run| charts(run.report)).collect();
    let mut titles: Vec<String> = Vec::new();
    for chart in drawn.iter().flatten() {
        if !titles.contains(&chart.title) {
            titles.push(chart.title.clone());
        }
    }
    write!(out, "<div class=\"charts\">")?;
    for title in titles {
        let same = drawn.iter_mut().map(|charts| find(charts, &title));
        let mut same: Vec<Option<&mut Chart>> = same.collect();
        let mut there: Vec<&mut Chart> = same.iter_mut().flatten().map(|one| &mut **one).collect();
        Chart::share_scales(&mut there);
        for (chart, run) in same.iter().zip(runs) {
            let name = (runs.len() > 1).then_some(run.name);
            write_figure(out, chart.as_deref(), &title, name)?;
        }
    }
    write!(out, "</div>")
}

fn find<'a>(charts: &'a mut [Chart], title: &str) -> Option<&'a mut Chart> {
    charts.iter_mut().find(|chart| chart.title == title)
}

fn write_figure(
    out: &mut String,
    chart: Option<&Chart>,
    title: &str,
    name: Option<&str>,
) -> std::fmt::Result {
    write!(out, "<figure><figcaption><b>{}</b>", escaped(title))?;
    if let Some(name) = name {
        write!(out, "<span class=\"soft\">{}</span>", escaped(name))?;
    }
    let Some(chart) = chart else {
        return write!(
            out,
            "<i>nothing of this in this run</i></figcaption></figure>"
        );
    };
    for trace in &chart.traces {
        let name = escaped(&trace.name);
        write!(out, "<span class=\"key {}\">{name}</span>", trace.colour)?;
    }
    if chart.marks.iter().any(|mark| mark.label.is_none()) {
        write!(out, "<span class=\"key kills\">server killed</span>")?;
    }
    write!(
        out,
        "<i>{}</i></figcaption>{}</figure>",
        escaped(&chart.note),
        chart.svg()
    )
}

fn escaped(text: &str) -> String {
    super::chart::escaped(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::report;

    #[test]
    fn page_stands_alone_and_tells_everything() {
        let report = report();
        let run = Run {
            name: "monday",
            report: &report,
        };
        let page = page(&[run]);
        for part in [
            "send-and-retrieve",
            "Throughput",
            "Latency of accept",
            "Latency distribution",
            "Processor",
            "Memory",
            "server killed",
            "loadgen send-and-retrieve --users 10",
            "restante trace lg-7-3",
            "503 Service Unavailable",
            "prefers-color-scheme: dark",
            "BROKEN",
        ] {
            assert!(page.contains(part), "{part} is missing");
        }
        for foreign in ["<script", "src=", "href=", "url(", "@import"] {
            assert!(!page.contains(foreign), "{foreign} is there");
        }
        assert!(!page.contains("NaN") && !page.contains("inf"));
    }

    #[test]
    fn every_line_has_a_colour_by_day_and_by_night() {
        let drawn = charts(&report()).into_iter().flat_map(|chart| chart.traces);
        let drawn = drawn.map(|trace| trace.colour);
        let kinds = crate::series::Kind::ALL.map(charts::colour);
        for colour in drawn.chain(kinds) {
            let rule = format!(".{colour} {{ --key:");
            assert_eq!(STYLE.matches(&rule).count(), 2, "{colour}");
        }
    }

    #[test]
    fn two_runs_stand_side_by_side_with_the_same_axes() {
        let (one, mut other) = (report(), report());
        let points = other.timeline.kinds.get_mut("accept").unwrap();
        points.iter_mut().for_each(|point| point.count *= 10);
        let runs = [("before", &one), ("after", &other)];
        let runs = runs.map(|(name, report)| Run { name, report });
        let page = page(&runs);
        assert_eq!(page.matches("<b>Throughput</b>").count(), 2);
        assert!(page.contains("after ÷ before"), "no ratio");
        // both foot at the scale of the larger
        assert_eq!(page.matches(">100</text>").count() % 2, 0);
    }

    #[test]
    fn run_without_anything_is_a_page_too() {
        let report = Report::default();
        let run = Run {
            name: "",
            report: &report,
        };
        let page = page(&[run]);
        assert!(page.ends_with("</html>\n") && !page.contains("NaN"));
    }
}
