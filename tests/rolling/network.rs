//! The servers of a network are restarted one after the other while messages travel through them,
//! between users and to a group.
use crate::harness::{
    network::{Network, Plan, message_to},
    user::User,
};
use actix::clock::{sleep, timeout};
use restante::client::{Body, Config, Device, Incoming, Outgoing, Received};
use rustix::process::Signal;
use sha2::{Digest, Sha256};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::{Duration, Instant},
};

const SENDERS: [&str; 3] = ["alice@a.example", "ann@a.example", "abe@a.example"];
/// They log in and out, but for the last one, who is away until the end.
const RECEIVERS: [&str; 3] = ["bob@b.example", "bea@b.example", "ben@b.example"];
const CLUB: &str = "club@x.example";
const SIZES: [usize; 4] = [100, 900, 30_000, 200_000];
/// Often enough that each server goes twice.
const ROUNDS: usize = 2;
/// How long one attempt to send may take.
const ATTEMPT: Duration = Duration::from_secs(60);
/// How long everything may take from the last restart.
const AFTERMATH: Duration = Duration::from_secs(120);

/// SHA-256 of every content that came under one id.
type Digests = Vec<[u8; 32]>;

/// What is to arrive, and what has: by receiver and message.
#[derive(Default)]
struct Ledger {
    expected: RefCell<BTreeMap<(String, String), [u8; 32]>>,
    arrived: RefCell<BTreeMap<(String, String), Digests>>,
    retries: Cell<u64>,
    enough: Cell<bool>,
}

impl Ledger {
    fn expect(&self, receiver: &str, message: &Outgoing, digest: [u8; 32]) {
        let id = message.message_id.clone().expect("they have one");
        let receivers: &[&str] = match receiver == CLUB {
            true => &RECEIVERS,
            false => &[receiver],
        };
        for receiver in receivers {
            let key = ((*receiver).to_owned(), id.clone());
            self.expected.borrow_mut().insert(key, digest);
        }
    }

    fn arrived(&self, receiver: &str, received: &Received) {
        let key = (receiver.to_owned(), received.message_id.clone());
        let mut arrived = self.arrived.borrow_mut();
        arrived.entry(key).or_default().push(received.sha256);
    }

    fn outstanding(&self) -> usize {
        let arrived = self.arrived.borrow();
        let expected = self.expected.borrow();
        expected
            .keys()
            .filter(|key| !arrived.contains_key(*key))
            .count()
    }

    /// What went wrong, a line each.
    fn faults(&self) -> Vec<String> {
        let (expected, arrived) = (self.expected.borrow(), self.arrived.borrow());
        let mut faults = Vec::new();
        for (key, digest) in expected.iter() {
            match arrived.get(key).map(Vec::as_slice) {
                None => faults.push(format!("{key:?} lost")),
                Some([one]) if one == digest => {}
                Some([_]) => faults.push(format!("{key:?} damaged")),
                Some(several) => faults.push(format!("{key:?} came {} times", several.len())),
            }
        }
        let foreign = arrived.keys().filter(|key| !expected.contains_key(*key));
        faults.extend(foreign.map(|key| format!("{key:?} was never sent")));
        faults
    }
}

#[actix::test]
async fn servers_that_join_calls_are_restarted_one_after_the_other() {
    restarted_one_after_the_other(Plan::shape_c()).await;
}

#[actix::test]
async fn servers_that_pass_requests_on_are_restarted_one_after_the_other() {
    restarted_one_after_the_other(Plan::shape_d()).await;
}

async fn restarted_one_after_the_other(plan: Plan) {
    let mut plan = plan.with("D", "controlling.groups", group());
    for node in ["PF-A", "D", "PF-B", "C"] {
        plan = plan.with(node, "server.grace", "1m");
    }
    let mut network = plan.start();
    network.subscribe(&SENDERS);
    network.subscribe(&RECEIVERS);
    let ledger = Rc::<Ledger>::default();
    let mut senders = Vec::new();
    for (index, sender) in SENDERS.iter().enumerate() {
        let user = network.device(sender).await.log_in().await;
        senders.push(actix::spawn(send_on_and_on(user, index, ledger.clone())));
    }
    let mut receivers = Vec::new();
    for (index, receiver) in RECEIVERS.iter().enumerate() {
        let (device, incoming) = device(&network, receiver).await;
        actix::spawn(receive(receiver, incoming, ledger.clone()));
        if index + 1 < RECEIVERS.len() {
            actix::spawn(come_and_go(device.clone(), ledger.clone()));
        }
        receivers.push(device);
    }

    for _ in 0..ROUNDS {
        for node in ["PF-A", "D", "PF-B", "C"] {
            restart(&mut network, node).await;
            sleep(Duration::from_millis(700)).await;
        }
    }
    ledger.enough.set(true);
    for sender in senders {
        let ended = timeout(AFTERMATH, sender).await;
        ended.expect("all is accepted in time").expect("no panic");
    }
    fetch_all(&receivers, &ledger).await;

    let (sent, retries) = (ledger.expected.borrow().len(), ledger.retries.get());
    println!("{sent} messages, {retries} attempts had to be repeated");
    assert_eq!(ledger.faults(), [""; 0]);
    assert!(sent > 30, "hardly any load: {sent}");
}

fn group() -> toml::Value {
    let members = SENDERS.iter().chain(&RECEIVERS);
    let members: Vec<String> = members.map(|user| format!("sip:{user}")).collect();
    let mut group = toml::Table::new();
    group.insert("address".to_owned(), format!("sip:{CLUB}").into());
    group.insert("members".to_owned(), members.into());
    toml::Value::Array(vec![group.into()])
}

/// A device that takes what comes as often as it comes.
async fn device(network: &Network, user: &str) -> (Device, Incoming) {
    let configure = |config: &mut Config| {
        config.remembered = 0;
        config.in_memory = bytesize::ByteSize::mib(8);
    };
    let user = network.device_with(user, configure).await;
    user.parts()
}

/// Restarts a server in order. The devices of this thread go on meanwhile.
async fn restart(network: &mut Network, node: &str) {
    let server = network.node_mut(node);
    let told = Instant::now();
    server.signal(Signal::TERM);
    while server.is_alive() {
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.ended(), Some(0), "{node}");
    println!("{node} drained in {} ms", told.elapsed().as_millis());
    assert!(
        !server.log().contains("broken off"),
        "{node}: {}",
        server.log()
    );
    server.restart();
}

/// Sends message after message until it is enough, each until it is accepted.
async fn send_on_and_on(sender: User, index: usize, ledger: Rc<Ledger>) {
    let mut number = 0;
    while !ledger.enough.get() {
        let receiver = match number % 4 {
            3 => CLUB,
            other => RECEIVERS[other % RECEIVERS.len()],
        };
        let size = SIZES[(number + index) % SIZES.len()];
        let octets: Vec<u8> = (0..size)
            .map(|at| (at * 31 + number * 7 + index) as u8)
            .collect();
        let digest: [u8; 32] = Sha256::digest(&octets).into();
        let mut message = message_to(receiver, &octets.into());
        message.message_id = Some(format!("message-{index}-{number}"));
        if size < 1000 {
            message.mode = restante::client::Mode::Pager;
        }
        ledger.expect(receiver, &message, digest);
        loop {
            let attempt = timeout(ATTEMPT, sender.device.send(message.clone())).await;
            match attempt {
                Ok(Ok(receipt)) if receipt.is_accepted() => break,
                _ => ledger.retries.set(ledger.retries.get() + 1),
            }
            sleep(Duration::from_millis(200)).await;
        }
        number += 1;
        sleep(Duration::from_millis(50)).await;
    }
}

async fn receive(receiver: &str, mut incoming: Incoming, ledger: Rc<Ledger>) {
    while let Some(received) = incoming.next().await {
        assert!(matches!(received.body, Body::Bytes(_)), "{received:?}");
        ledger.arrived(receiver, &received);
    }
}

/// Logs in, fetches and goes again, until it is enough.
async fn come_and_go(device: Device, ledger: Rc<Ledger>) {
    const BRIEF: Duration = Duration::from_secs(5);
    while !ledger.enough.get() {
        let logged_in = device.register(Duration::from_secs(600)).await.is_ok();
        sleep(Duration::from_millis(900)).await;
        if logged_in {
            // a server that is away does not hear it
            let _ = timeout(BRIEF, device.unregister()).await;
        }
        sleep(Duration::from_millis(400)).await;
    }
}

/// Logs everybody in and waits until all has come. Where servers only pass requests on, devices
/// ask for what is kept.
async fn fetch_all(receivers: &[Device], ledger: &Ledger) {
    let end = Instant::now() + AFTERMATH;
    for device in receivers {
        device
            .register(Duration::from_secs(600))
            .await
            .expect("a login");
    }
    while ledger.outstanding() > 0 && Instant::now() < end {
        sleep(Duration::from_millis(500)).await;
        for device in receivers {
            // nothing may wait
            let _ = timeout(Duration::from_secs(20), device.deferred_fetch(&[])).await;
        }
    }
    // what comes now comes twice
    sleep(Duration::from_secs(1)).await;
}
