//! A disk that fills under the real server: it lives, says what it can take, hands over what it
//! has, and takes messages again as soon as there is room. Nothing that was promised is lost.
//!
//! Each test runs in a mount namespace of its own, where the server's data are on a small tmpfs.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod harness;

use harness::{Server, eventually};
use restante::{
    client::{self, Body, Content, Device, DeviceConfig, Host, Mode, Outcome, Outgoing, Peer},
    identity::Address,
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// Octets of one message.
const SIZE: usize = 200 * 1024;

/// More than fit.
const MANY: usize = 2000;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn full_disk_refuses_senders_serves_readers_and_recovers_by_itself() {
    in_a_small_world("small_world_with_a_reserve");
}

#[test]
fn engine_without_room_is_opened_again_and_has_what_was_promised() {
    in_a_small_world("small_world_without_a_reserve");
}

/// Runs the ignored test `name` of this file where `$TMPDIR` is a tmpfs of 192 MiB.
fn in_a_small_world(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=192m tmpfs \"$TMPDIR\" && exec \"$@\"";
    let output = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
        ])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env("TMPDIR", folder.path())
        .output()
        .expect("`unshare` of util-linux");
    let said = String::from_utf8_lossy(&output.stdout);
    let cried = String::from_utf8_lossy(&output.stderr);
    let is_passed = output.status.success() && said.contains("1 passed");
    assert!(is_passed, "{said}\n{cried}");
}

#[actix::test]
#[ignore = "started in a namespace by the test above"]
async fn small_world_with_a_reserve() {
    let mut server = server("24MiB");
    let mut mail = Mail::start(&server).await;
    let refused = mail.fill().await;
    assert!(
        refused.is_some(),
        "{} messages found room",
        mail.stored.len()
    );
    assert!(mail.stored.len() > 100, "{} messages", mail.stored.len());
    assert!(server.is_alive());
    assert_eq!(server.get("/health/ready").0, 200);

    mail.receive_all().await;
    assert!(mail.comes_through(Duration::from_secs(90)).await);
    assert!(server.is_alive());
}

#[actix::test]
#[ignore = "started in a namespace by the test above"]
async fn small_world_without_a_reserve() {
    let mut server = server("0B");
    let mut mail = Mail::start(&server).await;
    for _ in 0..20 {
        assert_eq!(mail.send().await, None);
    }
    let ballast = Ballast::fill(server.data());
    assert!(mail.send().await.is_some(), "there was room");
    let is_down = || server.get("/health/ready").0 == 503;
    for number in 0..100 {
        if is_down() {
            break;
        }
        // what is small is not asked whether there is room for it
        let user = harness::address(&format!("user-{number}"));
        let document = serde_json::json!({ "address": user, "password": "secret" });
        server.post("/api/v1/subscribers", &document);
    }
    assert!(is_down(), "{}", server.log());
    assert!(server.is_alive());

    drop(ballast);
    let is_ready = || server.get("/health/ready").0 == 200;
    assert!(
        eventually(Duration::from_secs(20), is_ready),
        "{}",
        server.log()
    );
    assert!(mail.comes_through(Duration::from_secs(20)).await);
    mail.receive_all().await;
    assert!(server.is_alive());
}

fn server(reserve: &str) -> Server {
    Server::with("store.reserve", reserve)
        .with("store.write_buffer", "4MiB")
        .with("deferred.min_free", "0B")
        .with("deferred.max_messages", MANY)
        .start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret")
}

/// Alice, who writes, and Bob, who reads when he is told to.
struct Mail {
    alice: Device,
    bob: Device,
    /// Message id and number of all that Alice was told is safe.
    stored: BTreeMap<String, u8>,
    number: u8,
}

impl Mail {
    async fn start(server: &Server) -> Self {
        let host = Host::start(client::Config::default(), None).await.unwrap();
        let device = |user| {
            let config = DeviceConfig {
                address: Address::parse(&harness::address(user)).unwrap(),
                user: None,
                password: Some("secret".to_owned()),
                server: Peer::tcp(server.sip()),
            };
            Device::new(&host, config)
        };
        Self {
            alice: device("alice"),
            bob: device("bob"),
            stored: BTreeMap::new(),
            number: 0,
        }
    }

    /// Sends one message; says how it was refused.
    async fn send(&mut self) -> Option<String> {
        self.number = self.number.wrapping_add(1);
        let octets = octets(self.number);
        let to = self.bob.address().clone();
        let mut message = Outgoing::new(to, "application/x-test", Content::Bytes(octets.into()));
        message.mode = Mode::Channel;
        match self.alice.send(message).await {
            Ok(receipt) if receipt.outcome == Outcome::Stored => {
                self.stored.insert(receipt.message_id, self.number);
                None
            }
            other => Some(format!("{other:?}")),
        }
    }

    /// Sends until something is refused.
    async fn fill(&mut self) -> Option<String> {
        for _ in 0..MANY {
            if let Some(refused) = self.send().await {
                return Some(refused);
            }
        }
        None
    }

    /// Whether a message is taken again before `limit` is over.
    async fn comes_through(&mut self, limit: Duration) -> bool {
        let end = tokio::time::Instant::now() + limit;
        while tokio::time::Instant::now() < end {
            if self.send().await.is_none() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        false
    }

    /// Bob logs in and gets everything that was promised, and nothing twice.
    async fn receive_all(&mut self) {
        let mut incoming = self.bob.incoming().unwrap();
        self.bob.register(HOUR).await.unwrap();
        while !self.stored.is_empty() {
            let next = tokio::time::timeout(Duration::from_secs(30), incoming.next()).await;
            let missing = self.stored.len();
            let message = next
                .unwrap_or_else(|_| panic!("{missing} missing"))
                .unwrap();
            let octets = match message.body {
                Body::Bytes(octets) => octets.to_vec(),
                Body::File(path) => std::fs::read(path).unwrap(),
            };
            let first = self.stored.remove(&message.message_id);
            // one that was refused may have been kept all the same: nobody was promised anything
            if let Some(first) = first {
                assert!(octets == self::octets(first), "the message of {first}");
            }
        }
        self.bob.unregister().await.unwrap();
    }
}

/// The content of a message, which no compression shortens.
fn octets(number: u8) -> Vec<u8> {
    let mut state = u32::from(number) + 1;
    let octet = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[1]
    };
    (0..SIZE).map(octet).collect()
}

/// A file that takes all room there is, until it is dropped.
struct Ballast(PathBuf);

impl Ballast {
    fn fill(folder: &Path) -> Self {
        let path = folder.join("ballast");
        let mut file = File::create(&path).unwrap();
        let piece = vec![b'x'; 4096];
        while file.write_all(&piece).is_ok() {}
        Self(path)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}
