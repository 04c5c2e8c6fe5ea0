//! What the kernel says about a process: memory, processor time, open files, threads.
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// Ticks a second in `/proc/PID/stat`: fixed on every Linux we run on.
const TICKS_PER_SECOND: u64 = 100;

/// A look at one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessFigures {
    /// Resident memory now, in octets.
    pub resident: u64,
    /// The most it ever was, in octets.
    pub peak_resident: u64,
    /// Address space, in octets.
    pub mapped: u64,
    /// Processor time used so far, in user and system mode together.
    pub cpu: Duration,
    /// Open file descriptors; 0 where we may not look.
    pub open_files: u64,
    /// Threads.
    pub threads: u64,
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
        mapped: kibibytes(&status, "VmSize:")?,
        cpu: cpu_time(&stat)?,
        open_files: open_files as u64,
        threads: number(&status, "Threads:")?,
    })
}

/// Most open files the process `pid` may have; `None` where there is no end, or no such process.
pub(super) fn open_files_limit(pid: u32) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let mut lines = limits.lines();
    let line = lines.find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// When the process `pid` was started, in seconds since 1970.
pub(super) fn started_at(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let ticks: u64 = fields(&stat)?.nth(19)?.parse().ok()?;
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let booted = number(&machine, "btime ")?;
    Some(booted as f64 + ticks as f64 / TICKS_PER_SECOND as f64)
}

/// Processor time of the threads of the process `pid`, those of one name together.
pub(super) fn cpu_by_thread(pid: u32) -> BTreeMap<String, Duration> {
    let mut used = BTreeMap::new();
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    for thread in threads.into_iter().flatten().flatten() {
        // one that has just ended is no loss
        if let Some((name, cpu)) = thread_time(&thread.path()) {
            *used.entry(name).or_default() += cpu;
        }
    }
    used
}

fn thread_time(folder: &Path) -> Option<(String, Duration)> {
    let name = fs::read_to_string(folder.join("comm")).ok()?;
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    Some((name.trim_end().to_owned(), cpu_time(&stat)?))
}

/// `VmRSS:    1234 kB` gives the octets.
pub(super) fn kibibytes(status: &str, key: &str) -> Option<u64> {
    Some(number(status, key)? * 1024)
}

/// The number behind `key` at the beginning of a line.
fn number(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The fields behind the name, which may hold blanks and parentheses; the first is the state.
fn fields(stat: &str) -> Option<impl Iterator<Item = &str>> {
    let (_, behind_name) = stat.rsplit_once(") ")?;
    Some(behind_name.split(' '))
}

fn cpu_time(stat: &str) -> Option<Duration> {
    let mut fields = fields(stat)?.skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let millis = (user + system) * 1000 / TICKS_PER_SECOND;
    Some(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_uses_memory_files_and_threads() {
        let figures = figures_of(std::process::id()).unwrap();
        assert!(figures.resident > 100 * 1024, "{figures:?}");
        assert!(figures.peak_resident >= figures.resident, "{figures:?}");
        assert!(figures.mapped >= figures.resident, "{figures:?}");
        assert!(figures.open_files >= 3, "{figures:?}");
        assert!(figures.threads >= 1, "{figures:?}");
    }

    #[test]
    fn own_threads_are_known_by_name() {
        let thread = std::thread::Builder::new().name("writer".into());
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = std::sync::mpsc::channel::<()>();
        let thread = thread.spawn(move || (begin.send(()), ended.recv()));
        begun.recv().unwrap();
        let used = cpu_by_thread(std::process::id());
        assert!(used.contains_key("writer"), "{used:?}");
        end.send(()).unwrap();
        thread.unwrap().join().unwrap().0.unwrap();
    }

    #[test]
    fn own_process_was_started_after_the_machine() {
        let started = started_at(std::process::id()).unwrap();
        assert!(started > 1_600_000_000.0, "{started}");
        assert!(open_files_limit(std::process::id()).is_none_or(|most| most >= 16));
    }

    #[test]
    fn name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194304 5 0 0 0 250 50 0 0 20 0";
        assert_eq!(cpu_time(stat), Some(Duration::from_secs(3)));
    }

    #[test]
    fn absent_process_gives_nothing() {
        assert_eq!(figures_of(u32::MAX - 1), None);
        assert!(cpu_by_thread(u32::MAX - 1).is_empty());
    }
}
