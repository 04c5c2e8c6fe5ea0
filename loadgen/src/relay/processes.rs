//! The servers' processes, with their children, seen from outside.
use restante::telemetry::{ProcessFigures, figures_of};
use serde::Serialize;
use std::{collections::BTreeMap, fs, time::Duration};

/// A server: the process that was named, and everything it started.
#[derive(Clone, Debug)]
pub struct Server {
    pid: u32,
    name: String,
    before: Figures,
    most_resident: u64,
}

/// What a server uses, all its processes together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Processor time in user and system mode.
    pub cpu: Duration,
    /// Resident memory, in octets.
    pub resident: u64,
}

/// What a server used over a phase.
#[derive(Clone, Debug, Serialize)]
pub struct Usage {
    /// The process that was named.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// Processor time, in seconds.
    pub cpu_seconds: f64,
    /// Processor milliseconds for 1000 messages.
    pub cpu_ms_per_1000: Option<f64>,
    /// Resident memory before, in octets.
    pub resident_before: u64,
    /// Resident memory after, in octets.
    pub resident_after: u64,
    /// The most that was seen between, in octets.
    pub resident_peak: u64,
}

impl Server {
    /// Begins to watch the server `pid`.
    ///
    /// Errors: a sentence for the user if there is none.
    pub fn watch(pid: u32) -> Result<Self, String> {
        let name = fs::read_to_string(format!("/proc/{pid}/comm"));
        let name = name.map_err(|_| format!("--server-pid: there is no process {pid}"))?;
        let before = figures_of_tree(pid);
        Ok(Self {
            pid,
            name: name.trim().to_owned(),
            before,
            most_resident: before.resident,
        })
    }

    /// Counts from now on.
    pub fn begin(&mut self) {
        self.before = figures_of_tree(self.pid);
        self.most_resident = self.before.resident;
    }

    /// Looks at its memory; to be called now and then.
    pub fn look(&mut self) {
        let resident = figures_of_tree(self.pid).resident;
        self.most_resident = self.most_resident.max(resident);
    }

    /// What it used since the begin, for so many messages.
    pub fn usage(&self, messages: u64) -> Usage {
        let now = figures_of_tree(self.pid);
        let cpu = now.cpu.saturating_sub(self.before.cpu).as_secs_f64();
        Usage {
            pid: self.pid,
            name: self.name.clone(),
            cpu_seconds: cpu,
            cpu_ms_per_1000: (messages > 0).then(|| cpu * 1e6 / messages as f64),
            resident_before: self.before.resident,
            resident_after: now.resident,
            resident_peak: self.most_resident.max(now.resident),
        }
    }
}

/// What `pid` and its descendants use, for whoever watches one process.
pub fn tree_of(pid: u32) -> Option<ProcessFigures> {
    let own = figures_of(pid)?;
    let all = figures_of_tree(pid);
    Some(ProcessFigures {
        cpu: all.cpu,
        resident: all.resident,
        ..own
    })
}

/// What `pid` and its descendants use; what they share counts once.
fn figures_of_tree(pid: u32) -> Figures {
    let mut sum = Figures::default();
    let mut shared = 0;
    for pid in tree(pid, &parents()) {
        if let Some(figures) = figures_of(pid) {
            let own = anonymous(pid).unwrap_or(figures.resident);
            sum.cpu += figures.cpu;
            sum.resident += own;
            shared = shared.max(figures.resident.saturating_sub(own));
        }
    }
    sum.resident += shared;
    sum
}

/// Resident octets of a process that stand for no file and no shared memory.
fn anonymous(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Every process's parent.
fn parents() -> BTreeMap<u32, u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten();
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| Some((pid, parent(pid)?)))
        .collect()
}

/// Shape of the file: `pid (name) state parent …`, where the name may hold anything.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

/// `root` and its descendants.
fn tree(root: u32, parents: &BTreeMap<u32, u32>) -> Vec<u32> {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(pid) = found.get(at).copied() {
        let children = parents.iter().filter(|(_, parent)| **parent == pid);
        found.extend(children.map(|(child, _)| *child));
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_holds_all_descendants() {
        let parents = BTreeMap::from([(2, 1), (3, 1), (4, 3), (5, 4), (7, 6)]);
        assert_eq!(tree(1, &parents), [1, 2, 3, 4, 5]);
        assert_eq!(tree(3, &parents), [3, 4, 5]);
        assert_eq!(tree(7, &parents), [7]);
    }

    #[test]
    fn own_process_is_watched_and_an_absent_one_refused() {
        let server = Server::watch(std::process::id()).unwrap();
        let usage = server.usage(1000);
        assert!(usage.resident_peak > 0 && usage.cpu_ms_per_1000.is_some());
        assert_eq!(server.usage(0).cpu_ms_per_1000, None);
        assert!(Server::watch(u32::MAX - 1).is_err());
        assert!(parent(std::process::id()).is_some());
        let own = figures_of(std::process::id()).unwrap().resident;
        assert!(anonymous(std::process::id()).is_some_and(|octets| octets < own));
    }
}
