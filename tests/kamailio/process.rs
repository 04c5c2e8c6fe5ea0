//! Kamailio as the tests hold it: a process with a configuration of `tests/kamailio/` and an
//! address of its own. It comes with the Debian package `kamailio`.
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File},
    net::{IpAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

use crate::harness::eventually;

/// A running Kamailio.
pub struct Kamailio {
    ip: IpAddr,
    child: Child,
    folder: TempDir,
}

impl Kamailio {
    /// Starts it with `configuration`, in which each name stands for its value; waits until it
    /// listens on `ip`, which is called CORE there.
    pub fn start(configuration: &str, ip: IpAddr, names: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kamailio");
        let log = File::create(folder.path().join("log")).expect("a file");
        let own = ("CORE", ip.to_string());
        let names = names.iter().chain([&own]);
        let child = Command::new("kamailio")
            .arg("-f")
            .arg(file.join(configuration))
            // stays in the foreground; little memory, for few users
            .args(["-DD", "-E", "-m", "32", "-M", "4"])
            .arg("-Y")
            .arg(folder.path())
            .arg("-w")
            .arg(folder.path())
            .args(names.map(|(name, value)| format!("--substdef=!{name}!{value}!g")))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Kamailio is missing: apt-get install kamailio");
        let mut kamailio = Self { ip, child, folder };
        let listens = || TcpStream::connect((ip, 5060)).is_ok();
        if !eventually(Duration::from_secs(20), listens) {
            let status = kamailio.child.try_wait();
            panic!("Kamailio does not listen ({status:?}):\n{}", kamailio.log());
        }
        kamailio
    }

    /// Where it listens.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        let log = fs::read(self.folder.path().join("log")).unwrap_or_default();
        // it may quote what is no text
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // asked, not killed: the first process ends the others
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}
