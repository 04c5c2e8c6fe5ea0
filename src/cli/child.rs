//! A server as a process of its own: started, killed, started again. The demo and the tests hold
//! it by this handle.
use crate::telemetry::{ProcessFigures, figures_of};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::OpenOptions,
    io::{self, BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{
        atomic::{AtomicU16, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

/// How long a server may take from its start to its ready line.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Ports handed out start here: below those the kernel gives to outgoing connections, so that
/// nobody takes a dead server's port before its next life.
const FIRST_PORT: u16 = 20_000;
/// Ports handed out end here.
const PORTS: u16 = 12_000;

static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

/// What a server process is started with.
#[derive(Clone, Debug)]
pub struct ServerPlan {
    /// The program `restante`.
    pub program: PathBuf,
    /// Its data folder.
    pub data: PathBuf,
    /// A configuration file, if any.
    pub config: Option<PathBuf>,
    /// Further settings, as `RESTANTE_SECTION__KEY` and value.
    pub settings: Vec<(String, String)>,
}

/// Where a server answers, as its ready line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// SIP over UDP and TCP.
    pub sip: SocketAddr,
    /// MSRP over TCP.
    pub msrp: SocketAddr,
    /// Health, metrics, admin API.
    pub http: SocketAddr,
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct ServerProcess {
    plan: ServerPlan,
    addresses: Addresses,
    child: Child,
}

/// Why a server process did not come up.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The system could not start or reach it.
    #[error("cannot run {program}: {error}")]
    Run {
        /// The program.
        program: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It ended before it was ready.
    #[error("the server ended before it was ready; its log:\n{log}")]
    Ended {
        /// The last lines it logged.
        log: String,
    },
    /// It never got ready.
    #[error("the server was not ready after {} s; its log:\n{log}", START_LIMIT.as_secs())]
    Late {
        /// The last lines it logged.
        log: String,
    },
}

impl ServerPlan {
    /// A server of `program` over `data` on free ports of the loopback interface.
    ///
    /// Errors: those of finding free ports.
    pub fn on_free_ports(program: &Path, data: &Path) -> io::Result<Self> {
        let mut settings = Vec::new();
        for key in ["SIP", "MSRP", "HTTP"] {
            let name = format!("RESTANTE_{key}__LISTEN");
            settings.push((name, free_address()?.to_string()));
        }
        Ok(Self {
            program: program.to_owned(),
            data: data.to_owned(),
            config: None,
            settings,
        })
    }

    /// The file which takes the logs of all lives of this server.
    pub fn log(&self) -> PathBuf {
        self.data.join("server.log")
    }

    /// Starts the server and waits for its ready line. It ends when this process does, whatever
    /// ends that.
    ///
    /// Errors: `Run`, `Ended` or `Late`, with what the server logged.
    pub fn start(self) -> Result<ServerProcess, ChildError> {
        let run = |error| ChildError::Run {
            program: self.program.clone(),
            error,
        };
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log());
        let mut child = Command::new(&self.program)
            .args(self.arguments())
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.map_err(run)?)
            .spawn()
            .map_err(run)?;
        let outcome = match child.stdout.take() {
            Some(stdout) => wait_until_ready(stdout),
            None => Err(mpsc::RecvTimeoutError::Disconnected),
        };
        match outcome {
            Ok(addresses) => Ok(ServerProcess {
                plan: self,
                addresses,
                child,
            }),
            Err(reason) => {
                end(&mut child);
                let log = self.last_of_log();
                Err(match reason {
                    mpsc::RecvTimeoutError::Timeout => ChildError::Late { log },
                    mpsc::RecvTimeoutError::Disconnected => ChildError::Ended { log },
                })
            }
        }
    }

    fn arguments(&self) -> Vec<PathBuf> {
        let mut arguments = vec![
            "serve".into(),
            "--while-stdin-open".into(),
            "--data".into(),
            self.data.clone(),
        ];
        if let Some(config) = &self.config {
            arguments.extend(["--config".into(), config.clone()]);
        }
        arguments
    }

    fn last_of_log(&self) -> String {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl ServerProcess {
    /// Where it answers.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// What it was started with.
    pub fn plan(&self) -> &ServerPlan {
        &self.plan
    }

    /// The process id of this life.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Memory, processor time and files of this life; `None` once it ended.
    pub fn figures(&self) -> Option<ProcessFigures> {
        figures_of(self.pid())
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends this life without any warning (SIGKILL) and waits until it is gone.
    pub fn kill9(&mut self) {
        end(&mut self.child);
    }

    /// Asks it to drain and end (SIGTERM) and waits until it did.
    ///
    /// Errors: those of signalling and waiting.
    pub fn terminate(&mut self) -> io::Result<ExitStatus> {
        // open until it has ended: closed, it would be told to end a second time
        let _stdin = self.child.stdin.take();
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)?;
        }
        self.child.wait()
    }

    /// Waits until this life has ended by itself; `None` if it goes on after `limit`.
    pub fn ended(&mut self, limit: Duration) -> Option<ExitStatus> {
        const LOOK: Duration = Duration::from_millis(20);
        let end = Instant::now() + limit;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                _ if Instant::now() > end => return None,
                _ => std::thread::sleep(LOOK),
            }
        }
    }

    /// Starts the next life over the same data, on the same ports.
    ///
    /// Errors: as for [`ServerPlan::start`].
    pub fn restart(&mut self) -> Result<(), ChildError> {
        end(&mut self.child);
        let mut plan = self.plan.clone();
        let Addresses { sip, msrp, http } = self.addresses;
        for (key, address) in [("SIP", sip), ("MSRP", msrp), ("HTTP", http)] {
            let name = format!("RESTANTE_{key}__LISTEN");
            plan.settings.retain(|(other, _)| *other != name);
            plan.settings.push((name, address.to_string()));
        }
        *self = plan.start()?;
        Ok(())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Kills and reaps; both fail only if the process is gone already.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Reads the ready line; the rest of the output is read too, so that the server never blocks on it.
fn wait_until_ready(stdout: ChildStdout) -> Result<Addresses, mpsc::RecvTimeoutError> {
    let (found, ready) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(addresses) = Addresses::parse(&line) {
                let _ = found.send(addresses);
            }
        }
    });
    ready.recv_timeout(START_LIMIT)
}

impl Addresses {
    /// Reads `ready sip=ADDRESS msrp=ADDRESS http=ADDRESS`; `None` for any other line.
    pub fn parse(line: &str) -> Option<Self> {
        let words = line.strip_prefix("ready ")?;
        let find = |key: &str| {
            let mut values = words.split(' ').filter_map(|word| word.strip_prefix(key));
            values.next()?.parse().ok()
        };
        Some(Self {
            sip: find("sip=")?,
            msrp: find("msrp=")?,
            http: find("http=")?,
        })
    }
}

/// An address on 127.0.0.1 whose port is free for UDP and TCP; see [`free_port`].
///
/// Errors: as [`free_port`].
pub fn free_address() -> io::Result<SocketAddr> {
    Ok((Ipv4Addr::LOCALHOST, free_port()?).into())
}

/// A port free for UDP and TCP on 127.0.0.1 which this process gave to nobody yet.
///
/// Errors: the last refusal, if all are taken.
pub fn free_port() -> io::Result<u16> {
    let own_corner = u16::try_from(std::process::id() % u32::from(PORTS)).unwrap_or_default();
    let mut refusal = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..PORTS {
        let step = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST_PORT + own_corner.wrapping_mul(7).wrapping_add(step) % PORTS;
        let address = (Ipv4Addr::LOCALHOST, port);
        match (TcpListener::bind(address), UdpSocket::bind(address)) {
            (Ok(_), Ok(_)) => return Ok(port),
            (Err(error), _) | (_, Err(error)) => refusal = error,
        }
    }
    Err(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_line_tells_three_addresses_in_any_order() {
        let line = "ready http=127.0.0.1:8080 sip=127.0.0.1:5060 msrp=[::1]:2855";
        let addresses = Addresses::parse(line).unwrap();
        assert_eq!(addresses.sip.port(), 5060);
        assert!(addresses.msrp.is_ipv6());
        assert_eq!(Addresses::parse("ready sip=127.0.0.1:5060"), None);
        assert_eq!(Addresses::parse("INFO ready"), None);
    }

    #[test]
    fn free_ports_are_given_out_once() {
        let ports: std::collections::BTreeSet<u16> =
            (0..50).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 50);
    }

    #[test]
    fn server_that_ends_at_once_tells_its_log() {
        let data = tempfile::tempdir().unwrap();
        let plan = ServerPlan::on_free_ports(Path::new("/bin/ls"), data.path()).unwrap();
        let error = plan.start().unwrap_err().to_string();
        assert!(error.contains("ended before it was ready"), "{error}");
        assert!(
            error.contains("--while-stdin-open"),
            "ls complains about the first option: {error}"
        );
    }
}
