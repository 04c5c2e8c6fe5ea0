//! A SIP core of its own, with the home server of its users elsewhere: the core asks that one
//! about whatever its users send and are sent, and tells it who is there.
mod harness;

use bytes::Bytes;
use harness::{
    network::{Network, Plan, address, message_to},
    user::{assert_is_from, noise},
};
use restante::client::Outcome;

const ALICE: &str = "alice@b.example";
const BOB: &str = "bob@b.example";

fn plan() -> Plan {
    Plan::empty()
        .node("core", &["sip_core"], &["b.example"])
        .node("PF", &["participating"], &["b.example"])
        .node("C", &["deferred"], &["b.example"])
        .neighbour("core", "participating", "PF")
        .neighbour("PF", "core", "core")
        .neighbour("PF", "deferred", "C")
        .neighbour("C", "participating", "PF")
}

fn start(plan: Plan) -> Network {
    let network = plan.start();
    network.subscribe(&[ALICE, BOB]);
    network
}

#[actix::test]
async fn call_goes_by_the_home_server_to_the_device_behind_the_core() {
    let network = start(plan());
    let alice = network.device(ALICE).await.log_in().await;
    let mut bob = network.device(BOB).await.log_in().await;
    // until it is known that nothing waits, what comes may have to wait behind it
    let known = "PF → C: 200 NOTIFY";
    network.until(|seen| seen.count(known) == 2).await;

    let octets = noise(100_000);
    let sent = alice.device.send(message_to(BOB, &octets)).await.unwrap();
    assert_eq!(sent.outcome, Outcome::Delivered);
    assert_is_from(
        &address(ALICE),
        &bob.next().await,
        &octets,
        &sent.message_id,
    );
    let seen = network.until(|seen| seen.says("core → PF: 200 BYE")).await;
    assert_eq!(seen.channels(), ["alice = PF", "PF = bob"], "{seen}");
    seen.assert_order(&[
        "alice → core: INVITE",
        "core → PF: INVITE",
        "PF → core: INVITE",
        "core → bob: INVITE",
        "bob → core: 200 INVITE",
        "core → PF: 200 INVITE",
        "PF → core: 200 INVITE",
        "core → alice: 200 INVITE",
    ]);
}

#[actix::test]
async fn who_was_away_gets_what_waited_when_the_core_says_he_is_back() {
    let network = start(plan());
    let (octets, id) = left_for_bob(&network).await;
    let mut bob = network.device(BOB).await.log_in().await;
    assert_is_from(&address(ALICE), &bob.next().await, &octets, &id);
    bob.nothing_more().await;
}

#[actix::test]
async fn who_was_away_fetches_past_a_home_server_that_does_not_participate() {
    let network = start(plan().proxying("PF"));
    let (octets, id) = left_for_bob(&network).await;
    let mut bob = network.device(BOB).await.log_in().await;
    assert_eq!(bob.device.deferred_fetch(&[]).await.unwrap(), 1);
    assert_is_from(&address(ALICE), &bob.next().await, &octets, &id);
}

/// What Alice sends while Bob is away; it waits at C.
async fn left_for_bob(network: &Network) -> (Bytes, String) {
    let alice = network.device(ALICE).await.log_in().await;
    let octets = noise(50_000);
    let sent = alice.device.send(message_to(BOB, &octets)).await;
    let sent = sent.expect("an answer");
    assert_eq!(sent.outcome, Outcome::Stored);
    assert_eq!(network.waiting("C", BOB), [sent.message_id.as_str()]);
    (octets, sent.message_id)
}

#[actix::test]
async fn home_server_hears_of_who_goes() {
    let network = start(plan());
    let alice = network.device(ALICE).await.log_in().await;
    let bob = network.device(BOB).await.log_in().await;
    network
        .until(|seen| seen.count("PF → core: 200 REGISTER") == 2)
        .await;
    bob.device.unregister().await.unwrap();
    network
        .until(|seen| seen.count("PF → core: 200 REGISTER") == 3)
        .await;

    let octets = noise(1_000);
    let sent = alice.device.send(message_to(BOB, &octets)).await.unwrap();
    assert_eq!(sent.outcome, Outcome::Stored);
    let seen = network.capture();
    assert_eq!(seen.count("PF → core: INVITE"), 0, "{seen}");
}
