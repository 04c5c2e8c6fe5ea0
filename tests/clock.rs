//! A system clock that jumps under a running server: nothing is lost, nothing ends early.
//!
//! The clock is moved by libfaketime, from the Debian package of that name; the time since the
//! start of the machine stays out of its reach, as it would of an operator's.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod harness;

use harness::{
    Server, Settings, eventually,
    phone::{PATIENCE, Phone},
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const DAY: f64 = 86_400.0;
const BOB: &str = "sip:bob@localhost";
const APART: &str = "restante_clock_apart_seconds";
const EXPIRED: &str = "restante_deferred_gone_total{how=\"expired\"}";

/// The system's clock as one server sees it.
struct Clock(TempDir);

impl Clock {
    fn new() -> Self {
        let clock = Self(tempfile::tempdir().unwrap());
        clock.ahead("+0");
        clock
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("offset")
    }

    /// Sets it `by` ahead of the real one: `+1d`, `-1d`.
    fn ahead(&self, by: &str) {
        let new = self.0.path().join("new");
        fs::write(&new, by).unwrap();
        fs::rename(new, self.file()).unwrap();
    }

    fn under(&self, settings: Settings) -> Settings {
        settings
            .environment("LD_PRELOAD", library().display())
            .environment("FAKETIME_TIMESTAMP_FILE", self.file().display())
            .environment("FAKETIME_NO_CACHE", 1)
            .environment("FAKETIME_DONT_FAKE_MONOTONIC", 1)
            .environment("DONT_FAKE_MONOTONIC", 1)
    }
}

fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten();
    let mut found = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1"));
    let own = Path::new("/usr/lib/faketime/libfaketime.so.1").to_owned();
    found
        .find(|file| file.exists())
        .or(own.exists().then_some(own))
        .expect("libfaketime is missing: apt-get install libfaketime")
}

fn start(settings: Settings) -> Server {
    settings
        .start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret")
}

fn waiting(server: &Server) -> Option<usize> {
    let (_, queue) = server.get("/api/v1/queues/sip:bob@localhost");
    Some(queue["items"].as_array()?.len())
}

fn is_apart(server: &Server, seconds: f64) -> bool {
    eventually(PATIENCE, || (server.metric(APART) - seconds).abs() < 60.0)
}

#[test]
fn clock_that_jumps_by_a_day_and_back_ends_nothing_and_loses_nothing() {
    let clock = Clock::new();
    let settings = Settings::default().with("deferred.max_age", "12h");
    let mut server = start(clock.under(settings));
    let (mut alice, mut bob) = (Phone::new(&server, "alice"), Phone::new(&server, "bob"));
    alice.register();
    assert_eq!(
        alice.message(BOB, "text/plain", "See you at eight."),
        Some(202)
    );
    for (by, seconds) in [("+1d", DAY), ("-1d", -DAY), ("+1d", DAY), ("+0", 0.0)] {
        clock.ahead(by);
        assert!(is_apart(&server, seconds), "{by}");
        assert_eq!(alice.message(BOB, "text/plain", by), Some(202), "{by}");
    }
    assert_eq!((waiting(&server), server.metric(EXPIRED)), (Some(5), 0.0));

    // one that happens while the server is down is not believed either
    clock.ahead("+1d");
    server.kill9();
    server.restart();
    assert!(is_apart(&server, DAY));
    assert_eq!((waiting(&server), server.metric(EXPIRED)), (Some(5), 0.0));
    // Alice's login has outlived it all
    assert_eq!(alice_is_called(&mut alice, &mut bob), "I am here.");
    bob.register();
    let heard: Vec<_> = (0..5).map(|_| bob.answered(200)).collect();
    let texts: Vec<_> = heard.iter().map(|one| one.body().as_ref()).collect();
    let expected = ["See you at eight.", "+1d", "-1d", "+1d", "+0"];
    assert_eq!(texts, expected.map(str::as_bytes));
}

fn alice_is_called(alice: &mut Phone, bob: &mut Phone) -> String {
    std::thread::scope(|both| {
        let heard = both.spawn(|| alice.answered(200));
        let sent = bob.message("sip:alice@localhost", "text/plain", "I am here.");
        assert_eq!(sent, Some(200));
        let heard = heard.join().unwrap();
        String::from_utf8(heard.body().to_vec()).unwrap()
    })
}

#[test]
fn clock_that_stays_where_it_jumped_to_is_believed_in_time() {
    let clock = Clock::new();
    let settings = Settings::default()
        .with("server.clock_settle", "3s")
        .with("deferred.max_age", "12h");
    let server = start(clock.under(settings));
    let mut alice = Phone::new(&server, "alice");
    assert_eq!(alice.message(BOB, "text/plain", "old news"), Some(202));
    clock.ahead("+1d");
    assert!(is_apart(&server, DAY));
    assert_eq!(waiting(&server), Some(1));
    assert!(is_apart(&server, 0.0), "it stays apart");
    assert!(eventually(PATIENCE, || waiting(&server) == Some(0)));
    assert_eq!(server.metric(EXPIRED), 1.0);
}
