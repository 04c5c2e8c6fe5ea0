//! The tables of a report.
use super::{Run, escaped};
use crate::{
    latency::Percentiles,
    report::{Phase, Report, chart::Unit},
};
use std::fmt::{self, Write};

type Cells = Vec<String>;

/// Writes what each phase came to; of two runs also how they compare.
pub(super) fn write_phases(out: &mut String, runs: &[Run<'_>]) -> fmt::Result {
    let head = [
        "phase",
        "count",
        "time",
        "1/s",
        "content",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "max",
        "CPU for 1000",
    ];
    let mut kinds: Vec<&Phase> = Vec::new();
    for phase in runs.iter().flat_map(|run| &run.report.phases) {
        let is_same = |known: &&Phase| known.name == phase.name && known.beside == phase.beside;
        if !kinds.iter().any(is_same) {
            kinds.push(phase);
        }
    }
    open(out, "Phases", &head)?;
    for kind in kinds {
        let found = |run: &Run<'_>| run.report.counterpart(kind).cloned();
        let phases: Vec<Option<Phase>> = runs.iter().map(found).collect();
        for (phase, run) in phases.iter().zip(runs) {
            if let Some(phase) = phase {
                row(
                    out,
                    "",
                    &phase_cells(phase, (runs.len() > 1).then_some(run.name)),
                )?;
            }
        }
        if let [Some(one), Some(other)] = &phases[..] {
            let name = format!("{} ÷ {}", runs[1].name, runs[0].name);
            row(out, "ratio", &ratio_cells(name, one, other))?;
        }
    }
    close(out)
}

fn phase_cells(phase: &Phase, run: Option<&str>) -> Cells {
    let name = match &phase.beside {
        Some(beside) => format!("{} (during {beside})", phase.name),
        None => phase.name.clone(),
    };
    let name = match run {
        Some(run) => format!("{name} – {run}"),
        None => name,
    };
    let cpu = phase.cpu_per_thousand();
    let cpu = cpu.map_or_else(|| "–".to_owned(), |millis| Unit::Millis.write(millis));
    let mut cells = vec![
        name,
        phase.count.to_string(),
        Unit::Millis.write(phase.time.as_secs_f64() * 1000.0),
        Unit::PerSecond.tick(phase.rate()),
        Unit::BytesPerSecond.write(phase.octets_rate()),
    ];
    cells.extend(times(&phase.latency_ms));
    cells.push(cpu);
    cells
}

fn times(of: &Percentiles) -> impl Iterator<Item = String> + use<> {
    let times = [of.p50, of.p90, of.p99, of.p999, of.max];
    times.into_iter().map(|millis| Unit::Millis.write(millis))
}

fn ratio_cells(name: String, one: &Phase, other: &Phase) -> Cells {
    let ratio = |other: f64, one: f64| match one > 0.0 {
        true => format!("{:.2}×", other / one),
        false => "–".to_owned(),
    };
    let figures = |phase: &Phase| {
        let of = phase.latency_ms;
        let rates = [
            phase.count as f64,
            phase.time.as_secs_f64(),
            phase.rate(),
            phase.octets_rate(),
        ];
        let times = [of.p50, of.p90, of.p99, of.p999, of.max];
        let cpu = phase.cpu_per_thousand().unwrap_or_default();
        rates.into_iter().chain(times).chain([cpu])
    };
    let ratios = figures(other).zip(figures(one));
    let ratios = ratios.map(|(other, one)| ratio(other, one));
    [name].into_iter().chain(ratios).collect()
}

/// Writes how often everything happened and how long it took.
pub(super) fn write_kinds(out: &mut String, runs: &[Run<'_>]) -> fmt::Result {
    let head = [
        "what", "count", "content", "p50", "p90", "p99", "p99.9", "max", "meaning",
    ];
    open(out, "Everything that was counted", &head)?;
    for run in runs {
        let suffix = match runs.len() {
            1 => String::new(),
            _ => format!(" ({})", run.name),
        };
        for sum in &run.report.kinds {
            let content = Unit::Bytes.write(sum.octets as f64);
            let mut cells = vec![
                format!("{}{suffix}", sum.name),
                sum.count.to_string(),
                content,
            ];
            cells.extend(times(&sum.latency_ms));
            row_with_words(out, &cells, &sum.meaning)?;
            if let Some(service) = &sum.service_ms {
                let name = format!("{}{suffix}, served", sum.name);
                let mut cells = vec![name, sum.count.to_string(), String::new()];
                cells.extend(times(service));
                let meaning = "the same from when it really began instead of when it was due";
                row_with_words(out, &cells, meaning)?;
            }
        }
    }
    close(out)
}

/// Writes what was refused and why, if anything was.
pub(super) fn write_refusals(out: &mut String, runs: &[Run<'_>]) -> fmt::Result {
    if runs.iter().all(|run| run.report.refusals.is_empty()) {
        return Ok(());
    }
    let mut reasons: Vec<&str> = Vec::new();
    for (reason, _) in runs.iter().flat_map(|run| &run.report.refusals) {
        if !reasons.contains(&reason.as_str()) {
            reasons.push(reason);
        }
    }
    open(out, "Refusals", &columns("reason", runs))?;
    for reason in reasons {
        let count = |run: &Run<'_>| {
            let found = run
                .report
                .refusals
                .iter()
                .find(|(other, _)| other == reason);
            found.map_or(0, |(_, count)| *count).to_string()
        };
        let cells = [reason.to_owned()]
            .into_iter()
            .chain(runs.iter().map(count));
        row(out, "", &cells.collect::<Cells>())?;
    }
    close(out)
}

/// Writes the messages with a fault, if there is one.
pub(super) fn write_faults(out: &mut String, runs: &[Run<'_>]) -> fmt::Result {
    if runs.iter().all(|run| run.report.faults.is_empty()) {
        return Ok(());
    }
    open(
        out,
        "Faults",
        &["fault", "octets", "from", "to", "what to ask the server"],
    )?;
    for line in runs.iter().flat_map(|run| &run.report.faults) {
        let fault = format!("{:?}", line.fault).to_lowercase();
        let trace = format!("restante trace {}", line.message_id);
        let size = line.size.to_string();
        let cells = [
            fault,
            size,
            line.sender.clone(),
            line.receiver.clone(),
            trace,
        ];
        row(out, "", &cells)?;
    }
    close(out)
}

/// Something that a report tells of its machine.
type Fact = fn(&Report) -> String;

/// Writes on which machines the runs were made.
pub(super) fn write_machines(out: &mut String, runs: &[Run<'_>]) -> fmt::Result {
    open(out, "Machine", &columns("", runs))?;
    let facts: [(&str, Fact); 7] = [
        ("processor", |of| of.machine.cpu.clone()),
        ("cores", |of| of.machine.cores.to_string()),
        ("memory", |of| {
            Unit::Bytes.write(of.machine.memory_bytes as f64)
        }),
        ("system", |of| of.machine.system.clone()),
        ("kernel", |of| of.machine.kernel.clone()),
        ("loadgen", |of| of.machine.loadgen.clone()),
        ("server", |of| of.machine.server.clone().unwrap_or_default()),
    ];
    for (name, fact) in facts {
        let facts = runs.iter().map(|run| fact(run.report));
        let cells = [name.to_owned()].into_iter().chain(facts);
        row(out, "", &cells.collect::<Cells>())?;
    }
    close(out)
}

/// The head of a table with a column for each run.
pub(super) fn columns<'a>(first: &'a str, runs: &[Run<'a>]) -> Vec<&'a str> {
    let names = runs.iter().map(|run| match runs.len() {
        1 => "",
        _ => run.name,
    });
    [first].into_iter().chain(names).collect()
}

pub(super) fn open(out: &mut String, title: &str, head: &[&str]) -> fmt::Result {
    let class = if head.len() <= 3 {
        "table narrow"
    } else {
        "table"
    };
    write!(out, "<h2>{title}</h2><div class=\"{class}\"><table><tr>")?;
    for cell in head {
        write!(out, "<th>{}</th>", escaped(cell))?;
    }
    write!(out, "</tr>")
}

pub(super) fn row(out: &mut String, class: &str, cells: &[String]) -> fmt::Result {
    write!(out, "<tr class=\"{class}\">")?;
    for cell in cells {
        write!(out, "<td>{}</td>", escaped(cell))?;
    }
    write!(out, "</tr>")
}

fn row_with_words(out: &mut String, cells: &[String], words: &str) -> fmt::Result {
    write!(out, "<tr>")?;
    for cell in cells {
        write!(out, "<td>{}</td>", escaped(cell))?;
    }
    write!(out, "<td class=\"words soft\">{}</td></tr>", escaped(words))
}

pub(super) fn close(out: &mut String) -> fmt::Result {
    write!(out, "</table></div>")
}
