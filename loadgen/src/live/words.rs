//! What stands in the lines.
use super::{Extent, Look, Phase};
use crate::{
    report::{chart::Unit, timeline::Watched},
    series::{Kind, Line},
};

/// Whole seconds that a rate is told of.
const SECONDS: u64 = 3;

/// Lines for a terminal: one for each kind of event, the server, and ourselves.
pub(super) fn lines(look: &Look<'_>) -> Vec<String> {
    let kinds = look.series.lines();
    let mut lines: Vec<String> = kinds
        .map(|(kind, line)| of_kind(kind, line, look))
        .collect();
    if let Some(server) = &look.server {
        lines.push(format!("{:<9} {}", "server", of_server(server).join("   ")));
        let own = of_generator(server);
        if !own.is_empty() {
            lines.push(format!("{:<9} {}", "loadgen", own.join("   ")));
        }
    }
    lines
}

/// One line where there is no terminal.
pub(super) fn line(phase: &Phase, look: &Look<'_>) -> String {
    let since = look.now.saturating_sub(phase.last.0).as_secs_f64();
    let rate = match since > 0.0 {
        true => look.done.saturating_sub(phase.last.1) as f64 / since,
        false => 0.0,
    };
    let elapsed = look.now.saturating_sub(phase.begun).as_secs_f64();
    let (name, done) = (&phase.name, look.done);
    let of = match phase.extent {
        Extent::Steps(steps) => format!("{done} of {steps}"),
        Extent::Time(_) => format!("{done} done"),
    };
    let mut line = format!("{name:<9} {elapsed:>6.1} s  {of}  {rate:.0}/s");
    for kind in [Kind::Refused, Kind::Failed] {
        let count = look.series.count(kind);
        if count > 0 {
            line += &format!("  {} {count}", kind.name());
        }
    }
    if let Some(server) = &look.server {
        line += &format!("  server {}", of_server(server).join(", "));
    }
    line
}

fn of_kind(kind: Kind, line: &Line, look: &Look<'_>) -> String {
    let recent = line.recent(look.now, SECONDS);
    let seconds = SECONDS.min(look.now.as_secs()).max(1) as f64;
    let rate = recent.count() as f64 / seconds;
    let (name, count) = (kind.name(), line.count());
    let mut text = format!("{name:<9} {rate:>8.0}/s   {count:>10} in all");
    if recent.count() > 0 {
        let times = recent.percentiles();
        let told = [("p50", times.p50), ("p99", times.p99), ("max", times.max)];
        for (name, millis) in told {
            text += &format!("   {name} {:>8}", Unit::Millis.write(millis));
        }
    }
    text
}

fn of_server(server: &Watched) -> Vec<String> {
    let figures = &server.figures;
    let mut parts = Vec::new();
    if !server.is_up {
        parts.push("does not answer".to_owned());
    }
    parts.extend(server.cpu_cores.map(cores));
    parts.extend(
        figures
            .resident_bytes
            .map(|octets| Unit::Bytes.write(octets)),
    );
    parts.extend(figures.open_files.map(|files| format!("{files:.0} files")));
    parts.extend(figures.waiting.map(|count| format!("{count:.0} waiting")));
    parts.extend(
        server
            .commit_ms
            .map(|millis| format!("commit {}", Unit::Millis.write(millis))),
    );
    parts
}

fn of_generator(server: &Watched) -> Vec<String> {
    let resident = server.figures.generator_resident_bytes;
    let resident = resident.map(|octets| Unit::Bytes.write(octets));
    let cores = server.generator_cpu_cores.map(cores);
    cores.into_iter().chain(resident).collect()
}

fn cores(cores: f64) -> String {
    format!("{cores:.2} cores")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{scrape::Figures, series::Series};
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn phase() -> Phase {
        Phase {
            name: "accept".to_owned(),
            extent: Extent::Steps(100),
            begun: Duration::ZERO,
            last: (5 * SECOND, 20),
        }
    }

    fn series() -> Series {
        let mut series = Series::default();
        for second in 0..10 {
            (0..50).for_each(|_| {
                series.record(Kind::Accept, second * SECOND, 9, Duration::from_millis(4));
            });
        }
        series.record(Kind::Refused, SECOND, 0, Duration::from_millis(1));
        series
    }

    fn server() -> Watched {
        Watched {
            is_up: true,
            cpu_cores: Some(1.432),
            generator_cpu_cores: Some(0.5),
            figures: Figures {
                resident_bytes: Some(64.0 * 1024.0 * 1024.0),
                waiting: Some(48_211.0),
                ..Figures::default()
            },
            ..Watched::default()
        }
    }

    #[test]
    fn plain_line_tells_the_rate_since_the_line_before() {
        let series = series();
        let look = Look {
            now: 10 * SECOND,
            done: 70,
            series: &series,
            server: Some(server()),
        };
        assert_eq!(
            line(&phase(), &look),
            "accept      10.0 s  70 of 100  10/s  refused 1  \
             server 1.43 cores, 64 MiB, 48211 waiting"
        );
    }

    #[test]
    fn phase_that_lasts_a_time_tells_what_was_done() {
        let series = Series::default();
        let look = Look {
            now: 10 * SECOND,
            done: 70,
            series: &series,
            server: None,
        };
        let phase = Phase {
            extent: Extent::Time(60 * SECOND),
            ..phase()
        };
        assert_eq!(line(&phase, &look), "accept      10.0 s  70 done  10/s");
    }

    #[test]
    fn terminal_shows_rates_and_times_of_the_last_seconds() {
        let series = series();
        let look = Look {
            now: 10 * SECOND,
            done: 500,
            series: &series,
            server: Some(Watched {
                is_up: false,
                ..server()
            }),
        };
        let lines = lines(&look);
        assert_eq!(
            lines[0],
            "accept          50/s          500 in all   p50  4.02 ms   p99  4.02 ms   max  4.02 ms"
        );
        assert_eq!(lines[1], "refused          0/s            1 in all");
        assert!(
            lines[2].starts_with("server    does not answer   1.43 cores"),
            "{lines:?}"
        );
        assert_eq!(lines[3], "loadgen   0.50 cores");
    }
}
