//! A group of a thousand: a tenth of it is there, the rest fetches later. The content is kept
//! once for all of them.
mod harness;

use harness::{
    Server,
    user::{PATIENCE, address_of, noise},
};
use restante::{
    client::{Config, Content, Device, DeviceConfig, Host, Mode, Outcome, Outgoing},
    sip::transaction::Peer,
};
use sha2::{Digest, Sha256};
use std::{
    path::Path,
    time::{Duration, Instant},
};

const MEMBERS: usize = 1000;
const PRESENT: usize = 100;
/// Octets of the message.
const SIZE: usize = 1024 * 1024;
/// Octets that the envelope of one member may take, with all that belongs to it.
const ENVELOPE: u64 = 4 * 1024;
/// Members who fetch at the same time.
const AT_ONCE: usize = 16;

fn name(member: usize) -> String {
    format!("m{member:04}")
}

/// Octets that the files in `folder` take on disk.
fn on_disk(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(folder).expect("a folder");
    let sizes = entries.filter_map(Result::ok).map(|entry| {
        // files come and go while the store works
        match entry.metadata() {
            Ok(about) if about.is_dir() => on_disk(&entry.path()),
            Ok(about) => about.blocks() * 512,
            Err(_) => 0,
        }
    });
    sizes.sum()
}

/// Processor time that the server has used.
fn cpu(server: &Server) -> f64 {
    server.metric("process_cpu_seconds_total")
}

async fn device(host: &Host, server: &Server, member: usize) -> Device {
    let config = DeviceConfig {
        address: address_of(&name(member)),
        user: None,
        password: Some("secret".to_owned()),
        server: Peer::tcp(server.sip()),
    };
    Device::new(host, config)
}

fn assert_whole(received: &restante::client::Received, hash: [u8; 32]) {
    assert_eq!((received.size, received.sha256), (SIZE as u64, hash));
    assert_eq!(received.from, Some(address_of(&name(0))));
}

#[actix::test]
async fn message_to_a_thousand_is_kept_once_and_reaches_each_of_them() {
    let members: Vec<String> = (0..MEMBERS)
        .map(|member| format!("\"sip:{}@localhost\"", name(member)))
        .collect();
    let groups = format!(
        "[{{ address = \"sip:all@localhost\", members = [{}] }}]",
        members.join(", ")
    );
    let server = Server::with("controlling.groups", groups)
        .with("sip_core.authenticate", false)
        .start();
    for member in 0..MEMBERS {
        server.add_subscriber(&name(member), "secret");
    }
    let spool = tempfile::tempdir().expect("a temporary folder");
    let config = Config {
        spool: spool.path().into(),
        attempts: 1,
        sync: false,
        ..Config::default()
    };
    let host = Host::start(config, None).await.expect("a host");
    let mut present = Vec::new();
    for member in 0..=PRESENT {
        let device = device(&host, &server, member).await;
        let lifetime = Duration::from_secs(3600);
        device.register(lifetime).await.expect("a login");
        let incoming = device.incoming().expect("the only reader");
        present.push((device, incoming));
    }
    let octets = noise(SIZE);
    let hash: [u8; 32] = Sha256::digest(&octets).into();
    let content = Content::Bytes(octets);
    let mut message = Outgoing::new(address_of("all"), "application/octet-stream", content);
    message.mode = Mode::Channel;

    let (before, begun, used) = (on_disk(server.data()), Instant::now(), cpu(&server));
    let sent = present[0].0.send(message).await.expect("an outcome");
    assert_eq!(sent.outcome, Outcome::Stored);
    let accepted = begun.elapsed();
    let grown = on_disk(server.data()) - before;
    for (_, incoming) in &mut present[1..] {
        let next = tokio::time::timeout(PATIENCE * 3, incoming.next()).await;
        assert_whole(&next.expect("in time").expect("a message"), hash);
    }
    println!(
        "{MEMBERS} members: accepted in {accepted:?}, {grown} octets on disk; \
         {PRESENT} had it after {:?}, {:.2} s of CPU",
        begun.elapsed(),
        cpu(&server) - used,
    );
    let copies = ENVELOPE * (MEMBERS as u64);
    assert!(grown < SIZE as u64 * 3 / 2 + copies, "{grown} octets");

    let (begun, used) = (Instant::now(), cpu(&server));
    let absent: Vec<usize> = (PRESENT + 1..MEMBERS).collect();
    for some in absent.chunks(AT_ONCE) {
        let fetched = some.iter().map(|member| async {
            let device = device(&host, &server, *member).await;
            let mut incoming = device.incoming().expect("the only reader");
            assert_eq!(device.deferred_fetch(&[]).await.expect("a channel"), 1);
            assert_whole(&incoming.next().await.expect("a message"), hash);
        });
        futures_util::future::join_all(fetched).await;
    }
    println!(
        "{} fetched it in {:?}, {:.2} s of CPU",
        absent.len(),
        begun.elapsed(),
        cpu(&server) - used,
    );
    for (_, incoming) in &mut present {
        assert!(incoming.try_next().is_none());
    }
    let (_, store) = server.get("/api/v1/store");
    assert_eq!(store["messages"], 0, "{store}");
}
