//! What the server that keeps messages refuses comes back to the sender over all servers between,
//! with its reason; nothing is left of it, and what is free stays free.
mod harness;

use harness::{
    capture::value,
    network::{Network, PASSWORD, Plan, message_to},
    user::{User, noise},
};
use restante::{client::Outcome, sip::codec::Name};
use serde_json::json;

const ALICE: &str = "alice@a.example";
const BOB: &str = "bob@b.example";
/// Every stretch on which a refusal comes back.
const BACK: [&str; 3] = ["C → PF-B", "PF-B → PF-A", "PF-A → alice"];

async fn start(plan: Plan) -> (Network, User) {
    let network = plan.start();
    network.subscribe(&[ALICE, BOB]);
    let alice = network.device(ALICE).await.log_in().await;
    network.begin_anew();
    (network, alice)
}

async fn send(alice: &User, to: &str, octets: usize) -> Outcome {
    let receipt = alice.device.send(message_to(to, &noise(octets))).await;
    receipt.expect("an outcome").outcome
}

fn code_of(outcome: &Outcome) -> u16 {
    match outcome {
        Outcome::Refused { code, .. } => *code,
        other => panic!("{other:?} is no refusal"),
    }
}

/// That the INVITE was answered with `code` on every stretch, and that C keeps nothing for Bob.
async fn assert_refused(network: &Network, code: u16) {
    let lines = BACK.map(|stretch| format!("{stretch}: {code} INVITE"));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let seen = network.until(|seen| seen.says(lines[2])).await;
    seen.assert_order(&lines);
    assert!(seen.established().is_empty(), "{seen}");
    assert_eq!(network.waiting("C", BOB), [""; 0]);
}

#[actix::test]
async fn receiver_without_deferred_messages_is_refused_with_403() {
    let (network, alice) = start(Plan::shape_b()).await;
    network.set_at("C", BOB, &json!({ "deferral": false }));
    assert_eq!(code_of(&send(&alice, BOB, 100_000).await), 403);
    assert_refused(&network, 403).await;
}

#[actix::test]
async fn receiver_whom_the_keeper_does_not_know_is_refused_with_404() {
    let (network, alice) = start(Plan::shape_b()).await;
    let eve = json!({ "address": "sip:eve@b.example", "password": PASSWORD });
    let (status, _) = network.node("PF-B").post("/api/v1/subscribers", &eve);
    assert_eq!(status, 201);
    assert_eq!(code_of(&send(&alice, "eve@b.example", 100_000).await), 404);
    assert_refused(&network, 404).await;
}

#[actix::test]
async fn full_mailbox_is_told_with_480_and_its_warning() {
    let plan = Plan::shape_b().with("C", "deferred.max_messages", 1);
    let (network, alice) = start(plan.with("C", "deferred.max_share", 100)).await;
    assert_eq!(send(&alice, BOB, 1_000).await, Outcome::Stored);
    network
        .until(|seen| seen.ends_at("alice") || seen.ends_at("PF-A"))
        .await;
    network.begin_anew();
    assert_eq!(code_of(&send(&alice, BOB, 1_000).await), 480);
    let seen = network
        .until(|seen| seen.says("PF-A → alice: 480 INVITE"))
        .await;
    let told = seen.dialogs().pop().expect("an INVITE");
    assert_eq!(told.code(), Some(480));
    let (from, to) = ("PF-A", "alice");
    let answers = seen.sip(from, to);
    let refusal = answers.iter().find(|answer| answer.code() == Some(480));
    let warning = value(refusal.expect("a refusal"), Name::Warning);
    assert!(warning.contains("deferred.max_messages"), "{warning}");
    assert_eq!(network.waiting("C", BOB).len(), 1);
}

#[actix::test]
async fn limit_that_is_met_while_receiving_is_told_with_413_and_gives_the_room_back() {
    let plan = Plan::shape_b().with("C", "deferred.max_octets", "200KiB");
    let (network, alice) = start(plan).await;
    assert_eq!(code_of(&send(&alice, BOB, 400_000).await), 413);
    let back = [
        "C → PF-B: 413 SEND",
        "PF-B → PF-A: 413 SEND",
        "PF-A → alice: 413 SEND",
    ];
    let seen = network.until(|seen| seen.says(back[2])).await;
    seen.assert_order(&back);
    assert_eq!(network.waiting("C", BOB), [""; 0]);
    // all of the room is there
    assert_eq!(send(&alice, BOB, 190_000).await, Outcome::Stored);
    assert_eq!(network.waiting("C", BOB).len(), 1);
}
