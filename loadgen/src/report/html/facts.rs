//! What stands at the head of a report: what was done, and what matters most of what it came to.
use super::{Run, escaped};
use crate::report::{Phase, Report, chart::Unit};
use std::fmt::{self, Write};

/// Writes the head of one run; its name too where there are several.
pub(super) fn write_head(out: &mut String, run: &Run<'_>, is_named: bool) -> fmt::Result {
    let report = run.report;
    let (class, verdict) = match report.is_clean() {
        true => ("clean", "clean"),
        false => ("broken", "BROKEN"),
    };
    write!(out, "<section><h1>{} ", escaped(&report.scenario))?;
    write!(out, "<span class=\"badge {class}\">{verdict}</span>")?;
    if is_named {
        write!(out, " <small>{}</small>", escaped(run.name))?;
    }
    write!(
        out,
        "</h1><p class=\"soft\">{}</p>",
        escaped(&words(report))
    )?;
    write!(
        out,
        "<p><code>{}</code></p><div class=\"tiles\">",
        escaped(&report.command)
    )?;
    for phase in report.phases.iter().filter(|phase| phase.beside.is_none()) {
        write_phase(out, phase)?;
    }
    write_server(out, report)?;
    write_verdict(out, report)?;
    write!(out, "</div></section>")
}

fn words(report: &Report) -> String {
    let length = Unit::Time.write(report.seconds.max(0.0));
    format!("{}; begun {}, took {length}", report.words(), report.begun)
}

fn write_phase(out: &mut String, phase: &Phase) -> fmt::Result {
    let rate = Unit::PerSecond.write(phase.rate());
    let millis = |value| Unit::Millis.write(value);
    let times = phase.latency_ms;
    let detail = format!(
        "{}: p50 {}, p99 {}",
        phase.name,
        millis(times.p50),
        millis(times.p99)
    );
    tile(out, &rate, &detail, "")
}

fn write_server(out: &mut String, report: &Report) -> fmt::Result {
    if let Some(server) = &report.server {
        let most = Unit::Bytes.write(server.resident_most as f64);
        tile(out, &most, "memory of the server at most", "")?;
    }
    let looks = report.timeline.server.iter();
    let busiest = looks.filter_map(|one| one.cpu_cores).fold(0.0, f64::max);
    if busiest > 0.0 {
        tile(
            out,
            &Unit::Cores.write(busiest),
            "of the server at most",
            "",
        )?;
    }
    let kills = report.timeline.kills().count();
    if kills > 0 {
        tile(out, &kills.to_string(), "times the server was killed", "")?;
    }
    Ok(())
}

fn write_verdict(out: &mut String, report: &Report) -> fmt::Result {
    let sums = &report.ledger;
    let faults = sums.lost + sums.duplicated + sums.corrupted;
    let detail = format!(
        "lost {}, duplicated {}, corrupted {} of {} acknowledged",
        sums.lost, sums.duplicated, sums.corrupted, sums.acknowledged
    );
    let class = if faults == 0 { "good" } else { "bad" };
    tile(out, &format!("{faults} faults"), &detail, class)
}

fn tile(out: &mut String, figure: &str, detail: &str, class: &str) -> fmt::Result {
    let (figure, detail) = (escaped(figure), escaped(detail));
    write!(
        out,
        "<div class=\"tile\"><b class=\"{class}\">{figure}</b><span>{detail}</span></div>"
    )
}
