//! The report as a table, for people at a terminal.
use super::{Phase, Report};
use bytesize::ByteSize;
use std::fmt;

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\n{}: {}\n", self.scenario, self.words())?;
        self.write_phases(out)?;
        self.write_server(out)?;
        self.write_ledger(out)?;
        self.write_faults(out)
    }
}

impl Report {
    fn write_phases(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = self.phases.iter().map(|phase| label(phase).chars().count());
        let width = longest.max().unwrap_or_default().max(9) + 1;
        let titles = [
            "count", "time", "1/s", "MiB/s", "p50", "p90", "p99", "p99.9", "max",
        ];
        write!(out, "{:<width$}", "")?;
        for title in titles {
            write!(out, "{title:>10}")?;
        }
        writeln!(out, "{:>13}", "CPU ms/1000")?;
        for phase in &self.phases {
            write!(out, "{:<width$}", label(phase))?;
            write_phase(out, phase)?;
        }
        for phase in self.phases.iter().filter(|phase| phase.waited > 0) {
            let (name, waited) = (&phase.name, phase.waited);
            let advice = "they were due while as many as allowed were under way: --concurrency";
            writeln!(out, "{name}: {waited} waited; {advice}")?;
        }
        writeln!(out)
    }

    fn write_server(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(server) = self.server else {
            return writeln!(
                out,
                "server     not watched: it is not here; give --server-pid if it is"
            );
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

/// What stands before a phase: what happened beside another one is set in.
fn label(phase: &Phase) -> String {
    match phase.beside {
        Some(_) => format!("  {}", phase.name),
        None => phase.name.clone(),
    }
}

fn write_phase(out: &mut fmt::Formatter<'_>, phase: &Phase) -> fmt::Result {
    let mib = phase.octets_rate() / (1024.0 * 1024.0);
    let seconds = phase.time.as_secs_f64();
    write!(out, "{:>10}{seconds:>8.2} s", phase.count)?;
    write!(out, "{:>10.0}{mib:>10.2}", phase.rate())?;
    let times = phase.latency_ms;
    for millis in [times.p50, times.p90, times.p99, times.p999, times.max] {
        write!(out, "{:>10}", short(millis))?;
    }
    match phase.cpu_per_thousand() {
        Some(millis) => writeln!(out, "{millis:>13.0}"),
        None => writeln!(out, "{:>13}", "–"),
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
