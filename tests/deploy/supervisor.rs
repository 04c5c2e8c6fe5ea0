//! The server tells its service manager how it is: sd_notify on a real socket.
use crate::harness::Server;
use rustix::process::Signal;
use std::{
    os::unix::net::UnixDatagram,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a word may stay away.
const PATIENCE: Duration = Duration::from_secs(20);

/// The end of the service manager.
struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    fn listen() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { socket, folder }
    }

    /// A server that is run by this manager, with a watchdog if one is wanted.
    fn run(&self, watchdog: Option<Duration>) -> Server {
        let path = self.folder.path().join("notify");
        let mut settings =
            Server::with("server.grace", "2s").environment("NOTIFY_SOCKET", path.display());
        if let Some(limit) = watchdog {
            settings = settings.environment("WATCHDOG_USEC", limit.as_micros());
        }
        settings.start()
    }

    /// The lines of the next datagram.
    fn next(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).expect("the server speaks");
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        text.lines().map(str::to_owned).collect()
    }

    /// The next datagram that is no feeding of the watchdog.
    fn news(&self) -> Vec<String> {
        loop {
            let next = self.next();
            if next != ["WATCHDOG=1"] {
                return next;
            }
        }
    }
}

/// Microseconds since the machine was started, as the service manager counts them.
fn monotonic_micros() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

#[test]
fn service_manager_hears_of_readiness_of_a_reload_and_of_the_end() {
    let manager = Manager::listen();
    let mut server = manager.run(None);
    let ready = manager.news();
    let status = format!("STATUS=serving sip={} msrp=", server.sip());
    assert_eq!(ready[0], "READY=1");
    assert!(ready[1].starts_with(&status), "{ready:?}");

    let before = monotonic_micros();
    server.signal(Signal::HUP);
    let reloading = manager.news();
    assert_eq!(reloading[0], "RELOADING=1");
    let at = reloading[1].strip_prefix("MONOTONIC_USEC=");
    let at: i64 = at
        .expect("the time of the reload")
        .parse()
        .expect("a number");
    assert!(before <= at && at <= monotonic_micros(), "{at}");
    assert_eq!(manager.news(), ["READY=1"]);

    assert_eq!(server.terminate(), Some(0));
    let stopping = manager.news();
    assert_eq!(stopping[0], "STOPPING=1");
    assert!(stopping[1].starts_with("STATUS=draining"), "{stopping:?}");
    let asked = stopping[2].strip_prefix("EXTEND_TIMEOUT_USEC=");
    let asked: u64 = asked.expect("a time").parse().expect("a number");
    assert!(asked > 2_000_000, "less than server.grace: {asked}");
}

#[test]
fn watchdog_is_fed_while_the_server_is_well_and_starves_when_it_hangs() {
    let manager = Manager::listen();
    let limit = Duration::from_secs(3);
    let server = manager.run(Some(limit));
    assert_eq!(manager.next()[0], "READY=1");
    for _ in 0..4 {
        let asked = Instant::now();
        assert_eq!(manager.next(), ["WATCHDOG=1"]);
        assert!(asked.elapsed() < limit, "too late: {:?}", asked.elapsed());
    }
    server.pause();
    let brief = Some(limit);
    manager.socket.set_read_timeout(brief).expect("a timeout");
    let mut buffer = [0; 4096];
    // what was under way when it was stopped
    while manager.socket.recv(&mut buffer).is_ok() {}
    server.signal(Signal::CONT);
    assert_eq!(manager.next(), ["WATCHDOG=1"]);
}

#[test]
fn server_without_a_service_manager_tells_nobody() {
    let mut server = Server::start();
    server.signal(Signal::HUP);
    assert_eq!(server.terminate(), Some(0));
    assert!(!server.log().contains("NOTIFY_SOCKET"), "{}", server.log());
}
