//! What the kernel says about a process: memory, processor time, open files.
use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};
use std::{fs, path::PathBuf, time::Duration};

/// Ticks a second in `/proc/PID/stat`: fixed on every Linux we run on.
const TICKS_PER_SECOND: u64 = 100;

/// A look at one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessFigures {
    /// Resident memory now, in octets.
    pub resident: u64,
    /// The most it ever was, in octets.
    pub peak_resident: u64,
    /// Processor time used so far, in user and system mode together.
    pub cpu: Duration,
    /// Open file descriptors; 0 where we may not look.
    pub open_files: u64,
}

/// Looks at the process `pid`; `None` if there is none (or no `/proc`).
pub fn figures_of(pid: u32) -> Option<ProcessFigures> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let status = fs::read_to_string(folder.join("status")).ok()?;
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    let open_files = fs::read_dir(folder.join("fd")).map_or(0, Iterator::count);
    Some(ProcessFigures {
        resident: kibibytes(&status, "VmRSS:")?,
        peak_resident: kibibytes(&status, "VmHWM:")?,
        cpu: cpu_time(&stat)?,
        open_files: open_files as u64,
    })
}

/// `VmRSS:    1234 kB` gives the octets.
fn kibibytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(number * 1024)
}

/// Fields 14 and 15, counted behind the name, which may hold blanks and parentheses.
fn cpu_time(stat: &str) -> Option<Duration> {
    let (_, behind_name) = stat.rsplit_once(") ")?;
    let mut fields = behind_name.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let millis = (user + system) * 1000 / TICKS_PER_SECOND;
    Some(Duration::from_millis(millis))
}

/// The process's own figures, named as every Prometheus client names them.
pub(super) struct ProcessMetrics {
    resident: Gauge,
    open_files: Gauge,
    cpu: Counter,
}

impl ProcessMetrics {
    pub(super) fn register() -> Self {
        describe_gauge!(
            "process_resident_memory_bytes",
            Unit::Bytes,
            "Resident memory"
        );
        describe_gauge!("process_open_fds", Unit::Count, "Open file descriptors");
        describe_counter!(
            "process_cpu_seconds_total",
            Unit::Seconds,
            "Processor time used, whole seconds"
        );
        Self {
            resident: gauge!("process_resident_memory_bytes"),
            open_files: gauge!("process_open_fds"),
            cpu: counter!("process_cpu_seconds_total"),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; 2^53 octets are enough"
    )]
    pub(super) fn refresh(&self) {
        let Some(figures) = figures_of(std::process::id()) else {
            return;
        };
        self.resident.set(figures.resident as f64);
        self.open_files.set(figures.open_files as f64);
        self.cpu.absolute(figures.cpu.as_secs());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_uses_memory_and_files() {
        let figures = figures_of(std::process::id()).unwrap();
        assert!(figures.resident > 100 * 1024, "{figures:?}");
        assert!(figures.peak_resident >= figures.resident, "{figures:?}");
        assert!(figures.open_files >= 3, "{figures:?}");
    }

    #[test]
    fn name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194304 5 0 0 0 250 50 0 0 20 0";
        assert_eq!(cpu_time(stat), Some(Duration::from_secs(3)));
    }

    #[test]
    fn absent_process_gives_nothing() {
        assert_eq!(figures_of(u32::MAX - 1), None);
    }
}
