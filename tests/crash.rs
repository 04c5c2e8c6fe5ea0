//! The server is killed again and again at random moments under load. What it promised survives:
//! every message whose sender was told that it is safe arrives exactly once and octet for octet,
//! nothing that was received by half ever appears, and the counters of the mailboxes say what is
//! in them, to the octet.
//!
//! The moments, sizes and contents follow from a seed, which is printed; repeat a run by
//! `RESTANTE_CRASH_SEED=… cargo test --test crash`. `RESTANTE_CRASH_KILLS=200` kills more often.
mod harness;
// the load generator's plan and ledger, as they are
#[allow(dead_code, unused_imports)]
#[path = "../loadgen/src/ledger/mod.rs"]
mod ledger;
#[allow(dead_code)]
#[path = "../loadgen/src/octets.rs"]
mod octets;
#[allow(dead_code)]
#[path = "../loadgen/src/plan/mod.rs"]
mod plan;

#[path = "crash/clients.rs"]
mod clients;
#[path = "crash/counters.rs"]
mod counters;
#[path = "crash/evidence.rs"]
mod evidence;
#[path = "crash/notes.rs"]
mod notes;

use clients::Clients;
use harness::Server;
use notes::Notes;
use octets::Numbers;
use plan::{Part, Plan, Sizes};
use restante::{
    client::{self, Device, DeviceConfig, Host, Outcome, Outgoing, Peer},
    identity::Address,
};
use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// How often the server is killed, if nothing else is said.
const KILLS: u64 = 20;

/// Clients that send all the time.
const SENDERS: usize = 16;

/// Clients that receive: the first few log in and out all the time, the others only at the end.
const RECEIVERS: usize = 12;

/// More messages than are ever sent.
const NO_END: u64 = 1_000_000;

/// How long everything may take from the last kill.
const AFTERMATH: Duration = Duration::from_secs(60);

#[test]
fn promised_messages_survive_every_kill_and_arrive_exactly_once() {
    let (seed, kills) = (seed(), kills());
    println!("seed {seed}: repeat with RESTANTE_CRASH_SEED={seed}");
    let sizes = Sizes::between(1, 3 * 1024 * 1024);
    let plan = Plan::of(seed, Part::apart(SENDERS, RECEIVERS, NO_END, sizes));
    let notes = Notes::new(plan.clone());
    let mut server = Server::start();
    for user in 0..plan.users() {
        server.add_subscriber(&clients::user(user), clients::PASSWORD);
    }
    let clients = Clients::start(&plan, notes.clone(), server.sip());

    kill_again_and_again(&mut server, &notes, seed, kills);
    notes.say_enough();
    let unanswered = clients.finish_sending(AFTERMATH);
    assert!(
        unanswered.is_empty(),
        "{}",
        evidence::of_unanswered(&notes, &unanswered, &server)
    );
    let waiting = counters::settled(&server, AFTERMATH);
    println!("waiting after the last kill: {waiting:?}");
    clients.retrieve(AFTERMATH);

    let verdict = notes.verdict();
    println!("{verdict:#?}");
    assert!(
        verdict.is_clean(),
        "{}",
        evidence::of_faults(&notes, &server)
    );
    assert!(
        verdict.acknowledged > kills,
        "hardly any load: {verdict:#?}"
    );
    assert!(verdict.retries > 0, "no kill hit anybody: {verdict:#?}");
    counters::empty(&server, AFTERMATH);
}

/// A login outlives the server: its user has no reason to log in again.
#[actix::test]
async fn user_who_stays_logged_in_is_served_after_a_restart() {
    let mut server = Server::with("participating.push_delay", "1s")
        .start()
        .subscriber("alice", clients::PASSWORD)
        .subscriber("bob", clients::PASSWORD);
    let host = Host::start(client::Config::default(), None).await.unwrap();
    let device = |user| {
        let config = DeviceConfig {
            address: Address::parse(&harness::address(user)).unwrap(),
            user: None,
            password: Some(clients::PASSWORD.to_owned()),
            server: Peer::udp(server.sip()),
        };
        Device::new(&host, config)
    };
    let (alice, bob) = (device("alice"), device("bob"));
    let note = Outgoing::text(bob.address().clone(), "see you at eight");
    let receipt = alice.send(note).await.unwrap();
    assert_eq!(receipt.outcome, Outcome::Stored);

    let mut incoming = bob.incoming().unwrap();
    bob.register(Duration::from_secs(3600)).await.unwrap();
    server.kill9();
    server.restart();
    let received = tokio::time::timeout(Duration::from_secs(20), incoming.next()).await;
    let received = received.expect("handed over in time").unwrap();
    assert_eq!(received.message_id, receipt.message_id);
}

/// Lives of random length, each ended by SIGKILL, each followed by another.
fn kill_again_and_again(server: &mut Server, notes: &Notes, seed: u64, kills: u64) {
    let mut numbers = Numbers::new(seed, u64::MAX);
    let begun = Instant::now();
    for kill in 1..=kills {
        sleep(Duration::from_millis(100 + numbers.below(1400)));
        notes.broke();
        server.kill9();
        notes.broke();
        // sometimes the dead stay dead for a moment
        sleep(Duration::from_millis(numbers.below(3) * 100));
        let down = Instant::now();
        server.restart();
        let (at, took) = (begun.elapsed().as_secs_f32(), down.elapsed().as_millis());
        let sums = notes.verdict();
        println!(
            "kill {kill} at {at:.1} s, up again in {took} ms; {} acknowledged, {} sent again",
            sums.acknowledged, sums.retries
        );
    }
}

fn seed() -> u64 {
    given("RESTANTE_CRASH_SEED").unwrap_or_else(|| restante::net::random_u64() >> 11)
}

fn kills() -> u64 {
    given("RESTANTE_CRASH_KILLS").unwrap_or(KILLS)
}

/// The number the environment gives.
fn given(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}: {text}")),
    )
}
