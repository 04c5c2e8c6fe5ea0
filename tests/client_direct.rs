//! Two client devices talk to each other without a server, over loopback sockets.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
use bytes::Bytes;
use bytesize::ByteSize;
use restante::{
    client::{
        Body, Channel, ClientError, Config, Content, Device, DeviceConfig, Host, Incoming, Mode,
        Outcome, Outgoing, Received, Sight, Tap, Way,
    },
    content::{cpim::Dispositions, imdn::Disposition},
    identity::Address,
    sip::transaction::Peer,
};
use sha2::{Digest, Sha256};
use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

struct End {
    host: Host,
    device: Device,
    incoming: Incoming,
    spool: TempDir,
}

/// A device whose server is the host at `server`.
async fn end(
    user: &str,
    server: Option<&Host>,
    change: impl FnOnce(&mut Config),
    tap: Option<Tap>,
) -> End {
    let spool = tempfile::tempdir().unwrap();
    let mut config = Config {
        spool: spool.path().into(),
        attempts: 1,
        in_memory: ByteSize::kib(64),
        sync: false,
        ..Config::default()
    };
    change(&mut config);
    let host = Host::start(config, tap).await.unwrap();
    let server = server.unwrap_or(&host).sip_addr();
    let device = Device::new(
        &host,
        DeviceConfig {
            address: address(user),
            user: None,
            password: None,
            server: Peer::tcp(server),
        },
    );
    let incoming = device.incoming().unwrap();
    End {
        host,
        device,
        incoming,
        spool,
    }
}

fn address(user: &str) -> Address {
    Address::parse(&format!("sip:{user}@example.com")).unwrap()
}

async fn alice_and_bob() -> (End, End) {
    let bob = end("bob", None, |_| {}, None).await;
    let alice = end("alice", Some(&bob.host), |_| {}, None).await;
    (alice, bob)
}

impl End {
    fn to_bob(bob: &End, octets: Vec<u8>, mode: Mode) -> Outgoing {
        let content = Content::Bytes(octets.into());
        let mut outgoing = Outgoing::new(address("bob"), "application/octet-stream", content);
        outgoing.request_uri = Some(bob.device.contact().to_owned());
        outgoing.mode = mode;
        outgoing
    }

    async fn next(&mut self) -> Received {
        timeout(PATIENCE, self.incoming.next())
            .await
            .unwrap()
            .unwrap()
    }

    fn spooled(&self) -> usize {
        std::fs::read_dir(self.spool.path()).unwrap().count()
    }
}

fn noise(octets: usize) -> Vec<u8> {
    let mut state = 1u32;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..octets).map(step).collect()
}

fn hash(octets: &[u8]) -> [u8; 32] {
    Sha256::digest(octets).into()
}

#[actix::test]
async fn short_text_travels_as_one_message() {
    let (alice, mut bob) = alice_and_bob().await;
    let mut outgoing = Outgoing::text(address("bob"), "See you at eight – Grüße");
    outgoing.request_uri = Some(bob.device.contact().to_owned());
    outgoing.subject = Some("Tonight".into());
    let receipt = alice.device.send(outgoing).await.unwrap();
    assert_eq!(
        (receipt.outcome, receipt.channel),
        (Outcome::Delivered, Channel::Pager)
    );

    let received = bob.next().await;
    assert_eq!(received.from, Some(address("alice")));
    assert_eq!(received.message_id, receipt.message_id);
    assert_eq!(received.content_type, "text/plain;charset=utf-8");
    assert_eq!(received.subject.as_deref(), Some("Tonight"));
    assert_eq!(received.channel, Channel::Pager);
    assert!(received.date.is_some());
    assert_eq!(
        received.body,
        Body::Bytes("See you at eight – Grüße".into())
    );
}

#[actix::test]
async fn file_of_five_mebibytes_arrives_equal_in_a_spool_file() {
    let (alice, mut bob) = alice_and_bob().await;
    let octets = noise(5 * 1024 * 1024);
    let file = alice.spool.path().join("holiday.bin");
    std::fs::write(&file, &octets).unwrap();
    let mut outgoing = End::to_bob(&bob, Vec::new(), Mode::Auto);
    outgoing.content = Content::File(file);
    let progress = Rc::new(RefCell::new(Vec::new()));
    let noted = progress.clone();
    outgoing.progress = Some(Rc::new(move |arrived, total| {
        noted.borrow_mut().push((arrived, total))
    }));
    let receipt = alice.device.send(outgoing).await.unwrap();
    assert_eq!(
        (receipt.outcome, receipt.channel),
        (Outcome::Delivered, Channel::Msrp)
    );

    let received = bob.next().await;
    assert_eq!(
        (received.size, received.sha256),
        (octets.len() as u64, hash(&octets))
    );
    let Body::File(path) = received.body else {
        panic!("kept in memory")
    };
    assert!(std::fs::read(path).unwrap() == octets);
    let progress = progress.borrow();
    assert!(progress.is_sorted() && progress.len() >= 80);
    assert!(
        progress
            .last()
            .is_some_and(|(arrived, total)| arrived == total)
    );
}

#[actix::test]
async fn every_size_around_a_chunk_arrives_equal() {
    let (alice, mut bob) = alice_and_bob().await;
    for size in [0, 1, 2048, 65_535, 65_536, 65_537, 200_000] {
        let octets = noise(size);
        let outgoing = End::to_bob(&bob, octets.clone(), Mode::Channel);
        let receipt = alice.device.send(outgoing).await.unwrap();
        assert_eq!(receipt.outcome, Outcome::Delivered, "{size}");
        assert_eq!(bob.next().await.sha256, hash(&octets), "{size}");
    }
}

#[actix::test]
async fn call_to_nobody_is_refused_with_the_reason() {
    let (alice, bob) = alice_and_bob().await;
    for mode in [Mode::Channel, Mode::Pager] {
        let mut outgoing = End::to_bob(&bob, b"x".to_vec(), mode);
        outgoing.request_uri = Some(format!("sip:nobody@{}", bob.host.sip_addr()));
        let receipt = alice.device.send(outgoing).await.unwrap();
        let Outcome::Refused { code, reason } = receipt.outcome else {
            panic!("not refused")
        };
        assert_eq!((code, reason.as_str()), (404, "Not Found"));
    }
}

#[actix::test]
async fn message_over_the_receivers_limit_is_refused_before_it_is_sent() {
    let bob = end(
        "bob",
        None,
        |config| config.max_size = ByteSize::kib(10),
        None,
    )
    .await;
    let alice = end("alice", Some(&bob.host), |_| {}, None).await;
    let outgoing = End::to_bob(&bob, noise(20_000), Mode::Channel);
    let receipt = alice.device.send(outgoing).await.unwrap();
    assert!(matches!(
        receipt.outcome,
        Outcome::Refused { code: 413, .. }
    ));
}

#[actix::test]
async fn pager_message_that_does_not_fit_is_an_error() {
    let (alice, bob) = alice_and_bob().await;
    let outgoing = End::to_bob(&bob, noise(1300), Mode::Pager);
    let error = alice.device.send(outgoing).await.unwrap_err();
    assert!(
        matches!(error, ClientError::TooLargeForPager { limit: 1300, .. }),
        "{error}"
    );
}

#[actix::test]
async fn given_up_message_leaves_nothing_behind() {
    let (alice, mut bob) = alice_and_bob().await;
    let outgoing = {
        let mut outgoing = End::to_bob(&bob, noise(20 * 1024 * 1024), Mode::Channel);
        let begun = tokio::sync::Notify::new();
        let begun = Rc::new(begun);
        let told = begun.clone();
        outgoing.progress = Some(Rc::new(move |arrived, _| {
            if arrived > 1024 * 1024 {
                told.notify_one();
            }
        }));
        tokio::select! {
            receipt = alice.device.send(outgoing.clone()) => panic!("finished: {receipt:?}"),
            () = begun.notified() => {}
        }
        outgoing
    };
    timeout(PATIENCE, async {
        while bob.spooled() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    assert!(bob.incoming.try_next().is_none());
    let receipt = alice.device.send(outgoing).await.unwrap();
    assert_eq!(
        receipt.outcome,
        Outcome::Delivered,
        "the next attempt is not disturbed"
    );
    assert_eq!(bob.next().await.size, 20 * 1024 * 1024);
}

#[actix::test]
async fn same_message_twice_is_shown_once() {
    let (alice, mut bob) = alice_and_bob().await;
    for mode in [Mode::Pager, Mode::Channel, Mode::Channel] {
        let mut outgoing = End::to_bob(&bob, b"again".to_vec(), mode);
        outgoing.message_id = Some("repeated-1".into());
        let receipt = alice.device.send(outgoing).await.unwrap();
        assert_eq!(receipt.outcome, Outcome::Delivered);
    }
    assert_eq!(bob.next().await.message_id, "repeated-1");
    assert!(bob.incoming.try_next().is_none());
    assert_eq!(bob.device.duplicates(), 2);
}

#[actix::test]
async fn full_inbox_refuses_instead_of_losing() {
    let mut bob = end("bob", None, |config| config.inbox = 1, None).await;
    let alice = end("alice", Some(&bob.host), |_| {}, None).await;
    let send = |mode| alice.device.send(End::to_bob(&bob, b"x".to_vec(), mode));
    assert!(send(Mode::Pager).await.unwrap().is_accepted());
    let pager = send(Mode::Pager).await.unwrap();
    assert!(matches!(pager.outcome, Outcome::Refused { code: 480, .. }));
    let channel = send(Mode::Channel).await.unwrap();
    assert!(matches!(
        channel.outcome,
        Outcome::Refused { code: 413, .. }
    ));
    bob.next().await;
    let outgoing = End::to_bob(&bob, b"x".to_vec(), Mode::Channel);
    assert!(alice.device.send(outgoing).await.unwrap().is_accepted());
}

#[actix::test]
async fn sender_who_asked_is_told_of_the_delivery() {
    let mut alice = end("alice", None, |_| {}, None).await;
    let mut bob = end("bob", Some(&alice.host), |_| {}, None).await;
    let caller = Device::new(
        &alice.host,
        DeviceConfig {
            address: address("carol"),
            user: None,
            password: None,
            server: Peer::tcp(bob.host.sip_addr()),
        },
    );
    let mut notices = caller.incoming().unwrap();
    let mut outgoing = End::to_bob(&bob, b"did you get this?".to_vec(), Mode::Channel);
    outgoing.dispositions = Dispositions {
        positive_delivery: true,
        ..Dispositions::default()
    };
    let receipt = caller.send(outgoing).await.unwrap();
    bob.next().await;
    let notice = timeout(PATIENCE, notices.next()).await.unwrap().unwrap();
    let imdn = notice.notifications().remove(0);
    assert_eq!(imdn.message_id, receipt.message_id);
    assert_eq!(imdn.disposition, Disposition::Delivered);
    assert_eq!(notice.from, Some(address("bob")));
    assert!(alice.incoming.try_next().is_none());
}

#[actix::test]
async fn many_devices_of_one_host_share_its_sockets() {
    let bob = end("bob", None, |_| {}, None).await;
    let alice = end("alice", Some(&bob.host), |_| {}, None).await;
    let mut readers = Vec::new();
    for number in 0..100 {
        let device = Device::new(
            &bob.host,
            DeviceConfig {
                address: address(&format!("reader{number}")),
                user: None,
                password: None,
                server: Peer::tcp(alice.host.sip_addr()),
            },
        );
        let incoming = device.incoming().unwrap();
        readers.push((device, incoming));
    }
    let sends = readers.iter().enumerate().map(|(number, (device, _))| {
        let mode = if number % 2 == 0 {
            Mode::Channel
        } else {
            Mode::Pager
        };
        let mut outgoing = End::to_bob(&bob, format!("to {number}").into_bytes(), mode);
        outgoing.request_uri = Some(device.contact().to_owned());
        alice.device.send(outgoing)
    });
    for receipt in futures_util::future::join_all(sends).await {
        assert_eq!(receipt.unwrap().outcome, Outcome::Delivered);
    }
    for (number, (_, incoming)) in readers.iter_mut().enumerate() {
        let received = timeout(PATIENCE, incoming.next()).await.unwrap().unwrap();
        assert_eq!(
            received.body,
            Body::Bytes(Bytes::from(format!("to {number}")))
        );
    }
}

#[actix::test]
async fn ten_thousand_devices_live_on_one_host() {
    let bob = end("bob", None, |_| {}, None).await;
    let alice = end("alice", Some(&bob.host), |_| {}, None).await;
    let device = |number: usize| {
        let config = DeviceConfig {
            address: address(&format!("reader{number}")),
            user: None,
            password: None,
            server: Peer::tcp(alice.host.sip_addr()),
        };
        Device::new(&bob.host, config)
    };
    let devices: Vec<_> = (0..10_000).map(device).collect();
    for (number, mode) in [(0, Mode::Channel), (9_999, Mode::Pager)] {
        let mut outgoing = End::to_bob(&bob, b"hello".to_vec(), mode);
        outgoing.request_uri = Some(devices[number].contact().to_owned());
        let receipt = alice.device.send(outgoing).await.unwrap();
        assert_eq!(receipt.outcome, Outcome::Delivered);
        let mut incoming = devices[number].incoming().unwrap();
        assert!(incoming.try_next().is_some());
    }
}

#[actix::test]
async fn tap_sees_the_whole_exchange() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    let tap: Tap = Arc::new(move |event| {
        let line = match &event.sight {
            Sight::Sip(message) => {
                let text = String::from_utf8_lossy(message.octets()).into_owned();
                text.lines().next().unwrap_or_default().to_owned()
            }
            Sight::Msrp(head) => {
                let text = String::from_utf8_lossy(head).into_owned();
                let line = text.lines().next().unwrap_or_default();
                line.split(' ').skip(2).collect::<Vec<_>>().join(" ")
            }
        };
        noted.lock().unwrap().push((event.way, line));
    });
    let mut bob = end("bob", None, |_| {}, None).await;
    let alice = end("alice", Some(&bob.host), |_| {}, Some(tap)).await;
    let outgoing = End::to_bob(&bob, noise(100_000), Mode::Channel);
    alice.device.send(outgoing).await.unwrap();
    bob.next().await;
    timeout(PATIENCE, async {
        let bye_answered = || {
            let seen = seen.lock().unwrap();
            let byes = seen
                .iter()
                .filter(|(_, line)| line.starts_with("BYE"))
                .count();
            byes == 1
                && seen
                    .last()
                    .is_some_and(|(_, line)| line == "SIP/2.0 200 OK")
        };
        while !bye_answered() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    let seen = seen.lock().unwrap();
    let count = |way: Way, start: &str| {
        let wanted = |(own, line): &&(Way, String)| *own == way && line.starts_with(start);
        seen.iter().filter(wanted).count()
    };
    assert_eq!(count(Way::Sent, "INVITE"), 1, "{seen:?}");
    assert_eq!(count(Way::Sent, "ACK"), 1, "{seen:?}");
    assert!(count(Way::Sent, "SEND") >= 2, "{seen:?}");
    assert!(count(Way::Received, "200") >= 2, "{seen:?}");
    assert_eq!(count(Way::Received, "REPORT"), 1, "{seen:?}");
}
