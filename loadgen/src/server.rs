//! The server's process, seen from outside: what it uses while it is under load.
use restante::telemetry::{ProcessFigures, figures_of};
use serde::Serialize;
use std::{fs, time::Duration};

/// Watches one process, or none.
#[derive(Debug)]
pub struct Watch {
    pid: Option<u32>,
    begin: ProcessFigures,
    most_resident: u64,
    most_files: u64,
}

/// What the process used between the watch's begin and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// The process.
    pub pid: u32,
    /// Resident memory at the begin, in octets.
    pub resident_before: u64,
    /// Resident memory at the end, in octets.
    pub resident_after: u64,
    /// The most resident memory seen between, in octets.
    pub resident_most: u64,
    /// The most open files seen between.
    pub open_files_most: u64,
}

impl Watch {
    /// Begins to watch `pid`, or the only process called `restante` if there is just one.
    pub fn begin(pid: Option<u32>) -> Self {
        let pid = pid.or_else(only_server);
        let begin = pid.and_then(figures_of);
        let pid = begin.and(pid);
        let begin = begin.unwrap_or_default();
        Self {
            pid,
            begin,
            most_resident: begin.resident,
            most_files: begin.open_files,
        }
    }

    /// Looks once more; to be called now and then. `None` if nothing is watched, or it is gone.
    pub fn look(&mut self) -> Option<ProcessFigures> {
        let figures = figures_of(self.pid?)?;
        self.most_resident = self.most_resident.max(figures.resident);
        self.most_files = self.most_files.max(figures.open_files);
        Some(figures)
    }

    /// Processor time used by now.
    pub fn cpu(&mut self) -> Option<Duration> {
        self.look().map(|figures| figures.cpu)
    }

    /// What was used since the begin.
    pub fn usage(&mut self) -> Option<Usage> {
        let now = self.look()?;
        Some(Usage {
            pid: self.pid?,
            resident_before: self.begin.resident,
            resident_after: now.resident,
            resident_most: self.most_resident,
            open_files_most: self.most_files,
        })
    }
}

/// The process that runs the program `restante`, if it is the only one.
fn only_server() -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?;
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut servers = pids.filter(|pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "restante")
    });
    let first = servers.next()?;
    servers.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_is_watched() {
        let mut watch = Watch::begin(Some(std::process::id()));
        let usage = watch.usage().unwrap();
        assert!(usage.resident_most >= usage.resident_after.min(usage.resident_before));
        assert!(usage.open_files_most > 0);
        assert!(watch.cpu().is_some());
    }

    #[test]
    fn absent_process_is_not_watched() {
        let mut watch = Watch::begin(Some(u32::MAX - 1));
        assert_eq!(watch.usage(), None);
        assert_eq!(watch.cpu(), None);
    }
}
