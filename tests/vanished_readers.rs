//! Readers whose machine is gone without a word: the connection stands, and nothing comes back.
mod harness;

use harness::{
    Server, Settings, eventually,
    user::{User, address_of, assert_is, message, noise},
};
use restante::{
    client::{Config, Device, DeviceConfig, Host, Mode, Outcome, Sight, Tap, Way},
    sip::transaction::Peer,
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    time::Duration,
};

/// How long a server may take to notice, with the time-outs below.
const NOTICED: Duration = Duration::from_secs(15);

fn impatient() -> Settings {
    Server::with("msrp.response_timeout", "1s")
        .with("msrp.stall_timeout", "1s")
        .with("participating.ring_timeout", "2s")
        .with("participating.push_attempts", 1)
}

fn start() -> Server {
    let server = impatient().start();
    server
        .subscriber("alice", "secret")
        .subscriber("bob", "secret")
}

/// `restante receive` as a process that can be stopped.
struct Reader(Child);

impl Reader {
    fn start(server: &Server, folder: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_restante"))
            .args(["receive", "--as", "bob", "--password", "secret", "--follow"])
            .args(["--transport", "tcp", "--server", &server.sip().to_string()])
            .arg("--save")
            .arg(folder)
            .stdout(Stdio::null())
            .spawn();
        Self(child.expect("the command runs"))
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.0);
        kill_process(pid, signal).expect("the process is there");
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // one that has ended needs no signal
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn octets_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| entry.metadata().ok());
    sizes.map(|file| file.len()).sum()
}

/// The state of the only message that waits for Bob, and how often it was tried to deliver it.
fn waiting(server: &Server) -> Option<(String, u64)> {
    let (_, queue) = server.get("/api/v1/queues/sip:bob@localhost");
    let items = queue["items"].as_array()?;
    let [item] = items.as_slice() else {
        return None;
    };
    Some((
        item["state"].as_str()?.to_owned(),
        item["attempts"].as_u64()?,
    ))
}

fn is_back(server: &Server) -> bool {
    waiting(server).is_some_and(|(state, attempts)| state == "stored" && attempts > 0)
}

/// Logs Bob in on another device, which gets the message once.
async fn is_delivered_once(server: &Server, octets: &bytes::Bytes, id: &str) {
    let mut bob = User::of(server, "bob").await;
    // as long as the command's login: the device heard of last is called first
    let lifetime = Duration::from_secs(3600);
    bob.device.register(lifetime).await.expect("a login");
    assert_is(&bob.next().await, octets, id);
    bob.nothing_more().await;
    assert!(eventually(NOTICED, || waiting(server).is_none()));
}

#[actix::test]
async fn message_goes_back_to_the_store_when_its_reader_stops_in_the_middle() {
    let server = start();
    let alice = User::of(&server, "alice").await.log_in().await;
    let octets = noise(16 * 1024 * 1024);
    let receipt = alice.device.send(message(&octets, Mode::Channel)).await;
    let receipt = receipt.expect("an outcome");
    assert_eq!(receipt.outcome, Outcome::Stored);

    let folder = tempfile::tempdir().expect("a temporary folder");
    let reader = Reader::start(&server, folder.path());
    assert!(eventually(NOTICED, || octets_in(folder.path()) > 0));
    reader.signal(Signal::STOP);
    let arrived = octets_in(folder.path());
    assert!(arrived < octets.len() as u64, "stopped too late");
    assert!(
        eventually(NOTICED, || is_back(&server)),
        "{:?}",
        waiting(&server)
    );
    is_delivered_once(&server, &octets, &receipt.message_id).await;
}

#[actix::test]
async fn message_goes_back_to_the_store_when_its_reader_never_answers() {
    let server = start();
    let alice = User::of(&server, "alice").await.log_in().await;
    let octets = noise(20_000);
    let receipt = alice.device.send(message(&octets, Mode::Channel)).await;
    let receipt = receipt.expect("an outcome");
    assert_eq!(receipt.outcome, Outcome::Stored);

    let froze = freezing_reader(Peer::tcp(server.sip()));
    let noticed = tokio::task::spawn_blocking(move || froze.recv_timeout(NOTICED));
    noticed.await.expect("no panic").expect("the message came");
    assert!(
        eventually(NOTICED, || is_back(&server)),
        "{:?}",
        waiting(&server)
    );
    let (_, trace) = server.get(&format!("/api/v1/messages/{}", receipt.message_id));
    assert!(trace.to_string().contains("408"), "{trace}");
    is_delivered_once(&server, &octets, &receipt.message_id).await;
}

/// Bob's device on a thread of its own, which freezes as soon as a SEND with content is there.
fn freezing_reader(server: Peer) -> mpsc::Receiver<()> {
    let (froze, told) = mpsc::channel();
    let tap: Tap = Arc::new(move |event| {
        let Sight::Msrp(head) = &event.sight else {
            return;
        };
        let head = String::from_utf8_lossy(head);
        if event.way == Way::Received && head.contains("Content-Type") {
            // a test that is over does not listen any more
            let _ = froze.send(());
            loop {
                std::thread::park();
            }
        }
    });
    std::thread::spawn(move || {
        actix_rt::System::new().block_on(async move {
            let host = Host::start(Config::default(), Some(tap))
                .await
                .expect("a host");
            let config = DeviceConfig {
                address: address_of("bob"),
                user: None,
                password: Some("secret".into()),
                server,
            };
            let device = Device::new(&host, config);
            let lifetime = Duration::from_secs(600);
            device.register(lifetime).await.expect("a login");
            std::future::pending::<()>().await;
        });
    });
    told
}
