//! Servers are restarted in order (SIGTERM) again and again while messages are sent and fetched:
//! each ends by itself in good time, and no message is lost, handed over twice or damaged. Unlike
//! after a crash, not even a repetition is forgiven: a server that was asked to end has finished
//! what it was at.
//!
//! `RESTANTE_ROLLING_RESTARTS` says how often a lone server is restarted, `RESTANTE_CRASH_SEED`
//! repeats a run.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
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
#[allow(dead_code)]
#[path = "crash/notes.rs"]
mod notes;

#[path = "rolling/network.rs"]
mod network;

use clients::Clients;
use harness::Server;
use notes::Notes;
use octets::Numbers;
use plan::{Part, Plan, Sizes};
use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// How often the server is restarted, if nothing else is said.
const RESTARTS: u64 = 6;
const SENDERS: usize = 12;
const RECEIVERS: usize = 10;
/// More messages than are ever sent.
const NO_END: u64 = 1_000_000;
/// How long everything may take from the last restart.
const AFTERMATH: Duration = Duration::from_secs(60);

#[test]
fn server_restarted_again_and_again_under_load_loses_and_repeats_nothing() {
    let seed = given("RESTANTE_CRASH_SEED").unwrap_or_else(|| restante::net::random_u64() >> 11);
    println!("seed {seed}: repeat with RESTANTE_CRASH_SEED={seed}");
    let sizes = Sizes::between(1, 512 * 1024);
    let plan = Plan::of(seed, Part::apart(SENDERS, RECEIVERS, NO_END, sizes));
    let notes = Notes::new(plan.clone());
    let mut server = Server::with("server.grace", "1m").start();
    for user in 0..plan.users() {
        server.add_subscriber(&clients::user(user), clients::PASSWORD);
    }
    let clients = Clients::start(&plan, notes.clone(), server.sip());

    restart_again_and_again(&mut server, &notes, seed);
    notes.say_enough();
    let unanswered = clients.finish_sending(AFTERMATH);
    assert!(
        unanswered.is_empty(),
        "{}",
        evidence::of_unanswered(&notes, &unanswered, &server)
    );
    counters::settled(&server, AFTERMATH);
    clients.retrieve(AFTERMATH);

    let verdict = notes.verdict();
    println!("{verdict:#?}");
    assert!(
        verdict.is_clean(),
        "{}",
        evidence::of_faults(&notes, &server)
    );
    assert!(verdict.acknowledged > 50, "hardly any load: {verdict:#?}");
    assert!(verdict.retries > 0, "no restart hit anybody: {verdict:#?}");
    counters::empty(&server, AFTERMATH);
}

fn restart_again_and_again(server: &mut Server, notes: &Notes, seed: u64) {
    let mut numbers = Numbers::new(seed, u64::MAX);
    let begun = Instant::now();
    for restart in 1..=given("RESTANTE_ROLLING_RESTARTS").unwrap_or(RESTARTS) {
        sleep(Duration::from_millis(300 + numbers.below(1500)));
        let told = Instant::now();
        assert_eq!(server.terminate(), Some(0));
        let took = told.elapsed().as_millis();
        server.restart();
        let (at, sums) = (begun.elapsed().as_secs_f32(), notes.verdict());
        println!(
            "restart {restart} at {at:.1} s, drained in {took} ms; {} acknowledged, {} sent again",
            sums.acknowledged, sums.retries
        );
    }
    let log = server.log();
    assert!(
        !log.contains("broken off"),
        "a drain did not finish:\n{log}"
    );
}

/// The number the environment gives.
fn given(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}: {text}")),
    )
}
