//! R1, R2 and R3: what waits at a server of its own is handed over to Bob, who is back, by his
//! home server or past it, as the servers of figure 10B do it.
mod harness;

use harness::{
    capture::{Capture, body_of, media_addresses, value},
    network::{Network, Plan, address, message_to},
    user::{User, noise},
};
use restante::{
    client::{Body, Channel, Outcome, Outgoing},
    content::deferred_list::DeferredList,
    profile::mime,
    sip::codec::{Message, Name},
};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

const ALICE: &str = "alice@a.example";
const BOB: &str = "bob@b.example";
/// The contents that wait, in octets.
const SIZES: [usize; 3] = [300_001, 70_000, 5];

/// A network where three messages of Alice's wait for Bob; their identifiers.
async fn waiting_in(plan: Plan) -> (Network, Vec<String>) {
    let network = plan.start();
    network.subscribe(&[ALICE, BOB]);
    let alice = network.device(ALICE).await.log_in().await;
    let mut ids = Vec::new();
    for size in SIZES {
        let receipt = alice.device.send(message_to(BOB, &noise(size))).await;
        let receipt = receipt.expect("an outcome");
        assert_eq!(receipt.outcome, Outcome::Stored);
        ids.push(receipt.message_id);
    }
    // calls that follow at once may share a channel to C
    let ended = |seen: &Capture| {
        let begun = seen.count("C → PF-B: 200 INVITE");
        begun > 0 && seen.count("C → PF-B: 200 BYE") == begun
    };
    network.until(ended).await;
    assert_eq!(network.waiting("C", BOB), ids);
    network.begin_anew();
    (network, ids)
}

/// The next message is Alice's, with all that is known of it.
async fn assert_next(bob: &mut User, id: &str, size: usize) {
    let received = bob.next().await;
    let hash: [u8; 32] = Sha256::digest(noise(size)).into();
    assert_eq!(received.message_id, id);
    assert_eq!(received.sha256, hash);
    assert_eq!(received.from, Some(address(ALICE)));
    assert_eq!(received.content_type, "application/octet-stream");
    assert!(received.date.is_some());
}

/// Bob learns how much waits for him.
async fn assert_is_told(bob: &User) {
    let summary = bob.device.summary().await.expect("a summary");
    assert_eq!(summary.new_messages(), 3, "{summary:?}");
}

/// The messages that an INVITE asks for.
fn asked_for(invite: &Message) -> Vec<String> {
    let list = body_of(invite, mime::DEFERRED_LIST).expect("a list");
    let list = DeferredList::parse(&list).expect("a deferred list");
    list.references().map(str::to_owned).collect()
}

fn assert_describes_itself(network: &Network, message: &Message, name: &str) {
    let own = BTreeSet::from([network.ip(name).to_string()]);
    assert_eq!(
        media_addresses(message),
        own,
        "{name} describes its own end"
    );
}

#[actix::test]
async fn r1_bob_fetches_what_he_names_over_two_channels() {
    let (network, ids) = waiting_in(Plan::shape_b()).await;
    network.set(BOB, &json!({ "handing": "hold" }));
    let mut bob = network.device(BOB).await.log_in().await;
    assert_is_told(&bob).await;

    network.begin_anew();
    let wanted = [ids[0].clone(), ids[2].clone()];
    let fetched = bob.device.deferred_fetch(&wanted).await;
    assert_eq!(fetched.expect("a channel"), 2);
    assert_next(&mut bob, &ids[0], SIZES[0]).await;
    assert_next(&mut bob, &ids[2], SIZES[2]).await;

    let seen = network
        .until(|seen| seen.ends_at("PF-B") && seen.ends_at("bob"))
        .await;
    assert_eq!(seen.established(), ["bob → PF-B", "PF-B → C"]);
    assert_eq!(seen.channels(), ["bob = PF-B", "PF-B = C"]);
    for way in ["bob → PF-B", "PF-B → C"] {
        let dialog = seen.dialog_by(way);
        let invite = dialog.invite();
        assert_eq!(invite.uri_text(), "sip:deferred@b.example");
        assert_eq!(
            invite.from().expect("From").uri.to_string(),
            "sip:bob@b.example"
        );
        assert_eq!(asked_for(invite), wanted);
        assert_describes_itself(&network, invite, &dialog.way[0]);
        assert_describes_itself(&network, dialog.answer(), &dialog.way[1]);
    }
    let asserted = value(seen.dialog_by("PF-B → C").invite(), Name::PAssertedIdentity);
    assert_eq!(asserted, "<sip:bob@b.example>");
    seen.assert_order(&[
        "bob → PF-B: INVITE",
        "PF-B → C: INVITE",
        "C → PF-B: 200 INVITE",
        "PF-B → C: ACK",
        "PF-B → bob: 200 INVITE",
        "bob → PF-B: ACK",
    ]);
    // removed only after Bob's own 200 has come all the way
    seen.assert_order(&[
        "C → PF-B: SEND last",
        "PF-B → bob: SEND last",
        "bob → PF-B: 200 SEND last",
        "PF-B → C: 200 SEND last",
    ]);
    assert_eq!(network.waiting("C", BOB), ids[1..2]);
}

#[actix::test]
async fn r1_bob_lists_fetches_and_deletes_over_the_channels_that_are_open() {
    let (network, ids) = waiting_in(Plan::shape_b()).await;
    network.set(BOB, &json!({ "handing": "hold" }));
    let mut bob = network.device(BOB).await.log_in().await;
    let mut line = bob.device.deferred_line().await.expect("a channel");
    let list = line.list(None, None).await.expect("a list");
    assert_eq!(list.references().collect::<Vec<_>>(), ids);
    let fetched = line.fetch(&ids[1..2]).await.expect("an answer");
    assert_eq!(fetched, ids[1..2]);
    assert_next(&mut bob, &ids[1], SIZES[1]).await;
    let deleted = line.delete(&ids[..1]).await.expect("an answer");
    assert_eq!(deleted, ids[..1]);
    assert_eq!(network.waiting("C", BOB), ids[2..]);
    drop(line);

    let seen = network
        .until(|seen| seen.ends_at("PF-B") && seen.ends_at("C"))
        .await;
    assert_eq!(seen.established(), ["bob → PF-B", "PF-B → C"]);
    assert_eq!(seen.channels(), ["bob = PF-B", "PF-B = C"]);
}

#[actix::test]
async fn r2_home_server_calls_bob_first_and_then_the_keeper_with_the_identifiers() {
    let (network, ids) = waiting_in(Plan::shape_b()).await;
    let mut bob = network.device(BOB).await.log_in().await;
    for (id, size) in ids.iter().zip(SIZES) {
        assert_next(&mut bob, id, size).await;
    }
    let seen = network
        .until(|seen| seen.ends_at("PF-B") && seen.ends_at("bob"))
        .await;
    assert_eq!(seen.established(), ["PF-B → bob", "PF-B → C"]);
    assert_eq!(seen.channels(), ["PF-B = bob", "PF-B = C"]);
    let (to_bob, to_c) = (seen.dialog_by("PF-B → bob"), seen.dialog_by("PF-B → C"));
    assert_eq!(asked_for(to_c.invite()), ids);
    assert_eq!(to_c.invite().uri_text(), "sip:deferred@b.example");
    let asserted = value(to_c.invite(), Name::PAssertedIdentity);
    assert_eq!(asserted, "<sip:bob@b.example>");
    assert_eq!(
        value(to_bob.invite(), Name::ReferredBy),
        "<sip:alice@a.example>"
    );
    for dialog in [&to_bob, &to_c] {
        assert_describes_itself(&network, dialog.invite(), &dialog.way[0]);
        assert_describes_itself(&network, dialog.answer(), &dialog.way[1]);
    }
    seen.assert_order(&[
        "bob → PF-B: REGISTER",
        "PF-B → bob: INVITE",
        "bob → PF-B: 200 INVITE",
        "PF-B → C: INVITE",
        "C → PF-B: 200 INVITE",
        "PF-B → C: ACK",
    ]);
    // each is removed after Bob's own 200
    seen.assert_order(&[
        "C → PF-B: SEND last",
        "PF-B → bob: SEND last",
        "bob → PF-B: 200 SEND last",
        "PF-B → C: 200 SEND last",
    ]);
    assert_eq!(seen.count("bob → PF-B: 200 SEND last"), 3);
    assert_eq!(seen.count("PF-B → C: 200 SEND last"), 3);
    assert_eq!(network.waiting("C", BOB), [""; 0]);
}

#[actix::test]
async fn r2_few_and_small_messages_need_no_channel() {
    let network = Plan::shape_b().start();
    network.subscribe(&[ALICE, BOB]);
    let alice = network.device(ALICE).await.log_in().await;
    let mut ids = Vec::new();
    for text in ["one", "two"] {
        let receipt = alice.device.send(Outgoing::text(address(BOB), text)).await;
        let receipt = receipt.expect("an outcome");
        assert_eq!(receipt.outcome, Outcome::Stored);
        ids.push(receipt.message_id);
    }
    assert_eq!(network.waiting("C", BOB), ids);
    network.begin_anew();
    let mut bob = network.device(BOB).await.log_in().await;
    for (id, text) in ids.iter().zip(["one", "two"]) {
        let received = bob.next().await;
        assert_eq!(received.message_id, *id);
        assert_eq!(received.channel, Channel::Pager);
        assert_eq!(received.body, Body::Bytes(text.into()));
        assert_eq!(received.from, Some(address(ALICE)));
    }
    let seen = network
        .until(|seen| seen.count("PF-B → C: 200 MESSAGE") == 2)
        .await;
    assert!(
        seen.dialogs().is_empty() && seen.channels().is_empty(),
        "{seen}"
    );
    seen.assert_order(&[
        "PF-B → C: MESSAGE",
        "C → PF-B: MESSAGE",
        "PF-B → bob: MESSAGE",
        "bob → PF-B: 200 MESSAGE",
        "PF-B → C: 200 MESSAGE",
    ]);
    assert_eq!(network.waiting("C", BOB), [""; 0]);
}

#[actix::test]
async fn r3_bob_fetches_over_one_channel_past_his_home_server() {
    let (network, ids) = waiting_in(Plan::shape_b().proxying("PF-B")).await;
    network.set(BOB, &json!({ "handing": "hold" }));
    let mut bob = network.device(BOB).await.log_in().await;
    assert_is_told(&bob).await;
    network.begin_anew();
    let wanted = ids[..2].to_vec();
    let fetched = bob.device.deferred_fetch(&wanted).await;
    assert_eq!(fetched.expect("a channel"), 2);
    assert_next(&mut bob, &ids[0], SIZES[0]).await;
    assert_next(&mut bob, &ids[1], SIZES[1]).await;

    let seen = network.until(|seen| seen.ends_at("bob")).await;
    assert_eq!(seen.established(), ["bob → PF-B → C"]);
    assert_eq!(seen.channels(), ["bob = C"]);
    let dialog = seen.dialog_by("bob → PF-B → C");
    let (sent, had) = (&dialog.invites[0], dialog.invite());
    assert_eq!(had.uri_text(), "sip:deferred@b.example");
    assert_eq!(asked_for(had), wanted);
    assert_eq!(sent.body(), had.body());
    assert_eq!(value(sent, Name::Contact), value(had, Name::Contact));
    assert_eq!(value(had, Name::PAssertedIdentity), "<sip:bob@b.example>");
    let routes = had.list(Name::RecordRoute);
    assert_eq!(routes.len(), 1, "{routes:?}");
    assert!(
        routes[0].contains(&network.ip("PF-B").to_string()),
        "{routes:?}"
    );
    assert_describes_itself(&network, had, "bob");
    assert_describes_itself(&network, dialog.answer(), "C");
    assert_eq!(dialog.answers[0].body(), dialog.answer().body());
    seen.assert_order(&[
        "bob → PF-B: INVITE",
        "PF-B → C: INVITE",
        "C → PF-B: 200 INVITE",
        "PF-B → bob: 200 INVITE",
        "bob → PF-B: ACK",
        "PF-B → C: ACK",
    ]);
    seen.assert_order(&[
        "C → bob: SEND last",
        "bob → C: 200 SEND last",
        "C → PF-B: BYE",
        "PF-B → bob: BYE",
        "bob → PF-B: 200 BYE",
    ]);
    assert_eq!(network.waiting("C", BOB), ids[2..]);
}
