//! The server's process, seen from outside: what it uses while it is under load.
use restante::telemetry::{ProcessFigures, figures_of};
use serde::{Deserialize, Serialize};
use std::{cell::Cell, fs, net::SocketAddr, path::Path, time::Duration};

/// Tells what a process uses.
pub type Meter = fn(u32) -> Option<ProcessFigures>;

/// Says which process the server is now; it may be another one after a restart.
pub type Pid = Box<dyn Fn() -> Option<u32> + Send>;

/// Watches the process of one server, or none.
pub struct Watch {
    pid: Pid,
    meter: Meter,
    begin: ProcessFigures,
    last: Option<(u32, ProcessFigures)>,
    /// Processor time of the processes before the last one.
    before: Duration,
    most_resident: u64,
    most_files: u64,
}

/// What the process used between the watch's begin and its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The process, or the last one of them.
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
    /// Begins to watch whichever process the server is.
    pub fn follow(pid: Pid) -> Self {
        Self::measure(pid, figures_of)
    }

    /// The same where `meter` tells what it uses.
    pub fn measure(pid: Pid, meter: Meter) -> Self {
        let mut watch = Self {
            pid,
            meter,
            begin: ProcessFigures::default(),
            last: None,
            before: Duration::ZERO,
            most_resident: 0,
            most_files: 0,
        };
        watch.begin = watch.look().unwrap_or_default();
        watch
    }

    /// Looks once more; to be called now and then. `None` if nothing is watched, or it is gone.
    pub fn look(&mut self) -> Option<ProcessFigures> {
        let pid = (self.pid)()?;
        let figures = (self.meter)(pid)?;
        if let Some((before, last)) = self.last
            && before != pid
        {
            self.before += last.cpu;
        }
        self.last = Some((pid, figures));
        self.most_resident = self.most_resident.max(figures.resident);
        self.most_files = self.most_files.max(figures.open_files);
        Some(figures)
    }

    /// Processor time used by now, by all processes the server was.
    pub fn cpu(&mut self) -> Option<Duration> {
        self.look();
        let (_, last) = self.last?;
        Some(self.before + last.cpu)
    }

    /// What was used since the begin.
    pub fn usage(&mut self) -> Option<Usage> {
        self.look();
        let (pid, last) = self.last?;
        Some(Usage {
            pid,
            resident_before: self.begin.resident,
            resident_after: last.resident,
            resident_most: self.most_resident,
            open_files_most: self.most_files,
        })
    }
}

/// The process that listens at `address`, where the system lets us see it: on this machine, and
/// ours or any if we are root. It is looked for anew when it is gone.
pub fn listener(address: SocketAddr) -> Pid {
    let known = Cell::new(None);
    Box::new(move || {
        let is_there = |pid: &u32| Path::new(&format!("/proc/{pid}")).exists();
        let pid = known.get().filter(is_there).or_else(|| listens(address));
        known.set(pid);
        pid
    })
}

fn listens(address: SocketAddr) -> Option<u32> {
    let mut tables = ["/proc/net/tcp", "/proc/net/tcp6"].into_iter();
    let inode = tables.find_map(|table| inode(&fs::read_to_string(table).ok()?, address.port()))?;
    let socket = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?;
    let mut pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.find(|pid: &u32| holds(*pid, &socket))
}

/// The inode of the socket that listens on `port`, as a table of the kernel tells it.
fn inode(table: &str, port: u16) -> Option<String> {
    const LISTENS: &str = "0A";
    let rows = table.lines().skip(1).map(|row| row.split_whitespace());
    let mut rows = rows.map(Iterator::collect::<Vec<&str>>);
    let row = rows.find(|row| {
        let local = row.get(1).and_then(|local| local.rsplit_once(':'));
        let is_port = local.is_some_and(|(_, hex)| u16::from_str_radix(hex, 16) == Ok(port));
        is_port && row.get(3) == Some(&LISTENS)
    })?;
    row.get(9).map(|inode| (*inode).to_owned())
}

fn holds(pid: u32, socket: &str) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    let links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    links.into_iter().any(|link| link.as_os_str() == socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        process::Command,
        sync::{Arc, atomic::AtomicU32, atomic::Ordering},
        thread,
        time::Instant,
    };

    #[test]
    fn own_process_is_watched() {
        let mut watch = Watch::follow(Box::new(|| Some(std::process::id())));
        let usage = watch.usage().unwrap();
        assert!(usage.resident_most >= usage.resident_after.min(usage.resident_before));
        assert!(usage.open_files_most > 0);
        assert!(watch.cpu().is_some());
    }

    #[test]
    fn process_is_found_by_the_port_on_which_it_listens() {
        let listener_here = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener_here.local_addr().unwrap();
        assert_eq!(listener(address)(), Some(std::process::id()));
        drop(listener_here);
        // a program that another test is starting has our sockets until it runs
        let until = Instant::now() + Duration::from_secs(10);
        while listener(address)().is_some() && Instant::now() < until {
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(listener(address)(), None);
    }

    #[test]
    fn absent_process_is_not_watched() {
        let mut watch = Watch::follow(Box::new(|| Some(u32::MAX - 1)));
        assert_eq!(watch.usage(), None);
        assert_eq!(watch.cpu(), None);
    }

    #[test]
    fn time_of_a_process_that_was_replaced_still_counts() {
        let pid = Arc::new(AtomicU32::new(std::process::id()));
        let asked = pid.clone();
        let mut watch = Watch::follow(Box::new(move || Some(asked.load(Ordering::Relaxed))));
        let before = watch.cpu().unwrap();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        pid.store(child.id(), Ordering::Relaxed);
        assert!(watch.cpu().unwrap() >= before);
        assert_eq!(watch.usage().unwrap().pid, child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        // between two lives of a server its last figures stand
        assert!(watch.cpu().unwrap() >= before);
    }
}
