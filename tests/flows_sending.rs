//! S1 and S2: a message to one receiver who is offline travels to the server that keeps it, as
//! the servers of figure 10B do it, seen on every stretch of the way.
mod harness;

use harness::{
    capture::{Capture, dialog::Dialog, media_addresses, media_of, value},
    network::{Network, Plan, address, message_to},
    user::{User, noise},
};
use restante::{
    client::Outcome,
    profile::{feature, service},
    sip::codec::{Message, Method, Name},
};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

const ALICE: &str = "alice@a.example";
const BOB: &str = "bob@b.example";
const SIMPLE_IM: &str = "*;+g.oma.sip-im";
const CPM: &str = r#"*;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.largemsg""#;
/// More than one SEND carries, and not a multiple of it.
const SIZE: usize = 300_001;

struct Sent {
    network: Network,
    seen: Capture,
    message_id: String,
}

/// A network in which Alice is logged in.
async fn begun(plan: Plan) -> (Network, User) {
    let network = plan.start();
    network.subscribe(&[ALICE, BOB]);
    let alice = network.device(ALICE).await.log_in().await;
    (network, alice)
}

/// Alice sends Bob, who is not there, a message over the servers of `plan`.
async fn sent_over(plan: Plan) -> Sent {
    let (network, alice) = begun(plan).await;
    let receipt = alice.device.send(message_to(BOB, &noise(SIZE))).await;
    let receipt = receipt.expect("an outcome");
    assert_eq!(receipt.outcome, Outcome::Stored);
    let seen = network.until(|seen| seen.ends_at("C")).await;
    Sent {
        network,
        seen,
        message_id: receipt.message_id,
    }
}

/// What every INVITE for a channel carries, whoever sends it.
fn assert_names_both(invite: &Message) {
    assert_eq!(invite.uri_text(), "sip:bob@b.example");
    assert_eq!(
        invite.to().expect("To").uri.to_string(),
        "sip:bob@b.example"
    );
    let from = invite.from().expect("From").uri.to_string();
    assert_eq!(from, "sip:alice@a.example");
    let wanted = value(invite, Name::AcceptContact);
    assert!([SIMPLE_IM, CPM].contains(&wanted.as_str()), "{wanted}");
    let contact = value(invite, Name::Contact);
    let (_, offered) = contact.split_once(">;").expect("feature tags");
    assert!(feature::has_flag(offered, feature::IM), "{contact}");
    let is_cpm = feature::has_service(offered, service::CPM_LARGE);
    assert!(wanted == SIMPLE_IM || is_cpm, "{contact}");
    let offer = media_of(invite).expect("an offer");
    assert!(offer.path.starts_with("msrp://"), "{offer:?}");
    assert!(!offer.accept_types.is_empty(), "{offer:?}");
    assert!(offer.setup.is_some(), "{offer:?}");
}

/// That the dialog is between two neighbours, each with a Contact and a description of its own.
fn assert_own(network: &Network, dialog: &Dialog) {
    for (message, end) in [(dialog.invite(), 0), (dialog.answer(), 1)] {
        let name = &dialog.way[end];
        let ip = network.ip(name).to_string();
        assert_describes(network, message, name);
        let contact = value(message, Name::Contact);
        assert!(contact.contains(&ip), "{name}: {contact}");
    }
}

/// The content and the facts, as Bob gets them.
async fn assert_kept(sent: &Sent) {
    let kept = sent.network.waiting("C", BOB);
    assert_eq!(kept, [sent.message_id.as_str()]);
    for other in ["PF-A", "PF-B"] {
        let kept = sent
            .network
            .node(other)
            .metric("restante_messages_stored_total");
        assert_eq!(kept, 0.0, "{other} keeps nothing");
    }
    let mut bob = sent.network.device(BOB).await;
    let fetched = bob.device.deferred_fetch(&[]).await;
    assert_eq!(fetched.expect("a channel"), 1);
    assert_is_from_alice(&mut bob, &sent.message_id).await;
}

async fn assert_is_from_alice(bob: &mut User, message_id: &str) {
    let received = bob.next().await;
    let hash: [u8; 32] = Sha256::digest(noise(SIZE)).into();
    assert_eq!(received.sha256, hash);
    assert_eq!(received.message_id, message_id);
    assert_eq!(received.from, Some(address(ALICE)));
    assert_eq!(received.content_type, "application/octet-stream");
    assert!(received.date.is_some());
}

#[actix::test]
async fn s1_message_travels_three_dialogs_and_three_channels() {
    let sent = sent_over(Plan::shape_b()).await;
    let Sent { network, seen, .. } = &sent;
    let stretches = ["alice → PF-A", "PF-A → PF-B", "PF-B → C"];
    assert_eq!(seen.established(), stretches);
    assert_eq!(seen.channels(), ["alice = PF-A", "PF-A = PF-B", "PF-B = C"]);
    for stretch in stretches {
        let dialog = seen.dialog_by(stretch);
        assert_names_both(dialog.invite());
        assert_own(network, &dialog);
        assert!(!dialog.invite().has(Name::RecordRoute));
    }
    for stretch in &stretches[1..] {
        let asserted = value(seen.dialog_by(stretch).invite(), Name::PAssertedIdentity);
        assert_eq!(asserted, "<sip:alice@a.example>");
    }
    // whoever keeps it says so all the way back
    for stretch in stretches {
        let contact = value(seen.dialog_by(stretch).answer(), Name::Contact);
        assert!(contact.contains("automata"), "{stretch}: {contact}");
    }
    // no 200 before the next leg's 200, and the ACKs go hop by hop
    seen.assert_order(&[
        "alice → PF-A: INVITE",
        "PF-A → PF-B: INVITE",
        "PF-B → C: INVITE",
        "C → PF-B: 200 INVITE",
        "PF-B → C: ACK",
        "PF-B → PF-A: 200 INVITE",
        "PF-A → PF-B: ACK",
        "PF-A → alice: 200 INVITE",
        "alice → PF-A: ACK",
    ]);
    assert_confirmed_by_c(seen);
    assert_kept(&sent).await;
}

/// That each SEND went all the way, and that what completes the message is confirmed by C alone:
/// its 200 and its report come back hop by hop.
fn assert_confirmed_by_c(seen: &Capture) {
    seen.assert_order(&[
        "alice → PF-A: SEND last",
        "PF-A → PF-B: SEND last",
        "PF-B → C: SEND last",
        "C → PF-B: 200 SEND last",
        "PF-B → PF-A: 200 SEND last",
        "PF-A → alice: 200 SEND last",
    ]);
    seen.assert_order(&[
        "C → PF-B: REPORT 200",
        "PF-B → PF-A: REPORT 200",
        "PF-A → alice: REPORT 200",
    ]);
    for (from, to) in [("alice", "PF-A"), ("PF-A", "PF-B"), ("PF-B", "C")] {
        let sends = seen.heads("SEND last", from, to);
        assert_eq!(sends.len(), 1, "{from} completes the message once:\n{seen}");
    }
    assert_eq!(seen.requests(&Method::Message, "alice", "PF-A").len(), 0);
}

#[actix::test]
async fn s2_message_travels_one_dialog_and_one_channel_past_proxies() {
    let plan = Plan::shape_b().proxying("PF-A").proxying("PF-B");
    let sent = sent_over(plan).await;
    let Sent { network, seen, .. } = &sent;
    assert_eq!(seen.established(), ["alice → PF-A → PF-B → C"]);
    assert_eq!(seen.channels(), ["alice = C"]);
    let dialog = seen.dialog_by("alice → PF-A → PF-B → C");
    let (sent_by_alice, had_by_c) = (&dialog.invites[0], dialog.invite());
    assert_names_both(had_by_c);
    assert_passed_on(network, sent_by_alice, had_by_c, &["PF-B", "PF-A"]);
    let asserted = value(had_by_c, Name::PAssertedIdentity);
    assert_eq!(asserted, "<sip:alice@a.example>");
    // nobody touches C's answer either
    let (given_by_c, had_by_alice) = (dialog.answer(), &dialog.answers[0]);
    assert_eq!(given_by_c.body(), had_by_alice.body());
    assert_eq!(
        value(given_by_c, Name::Contact),
        value(had_by_alice, Name::Contact)
    );
    assert_describes(network, sent_by_alice, "alice");
    assert_describes(network, had_by_alice, "C");
    // all of the dialog goes by both, and the content by none
    seen.assert_order(&[
        "alice → PF-A: INVITE",
        "PF-A → alice: 100 INVITE",
        "PF-A → PF-B: INVITE",
        "PF-B → C: INVITE",
        "C → PF-B: 200 INVITE",
        "PF-B → PF-A: 200 INVITE",
        "PF-A → alice: 200 INVITE",
        "alice → PF-A: ACK",
        "PF-A → PF-B: ACK",
        "PF-B → C: ACK",
    ]);
    seen.assert_order(&[
        "alice → C: SEND last",
        "C → alice: 200 SEND last",
        "alice → PF-A: BYE",
        "PF-A → PF-B: BYE",
        "PF-B → C: BYE",
        "C → PF-B: 200 BYE",
        "PF-B → PF-A: 200 BYE",
    ]);
    seen.assert_order(&["alice → C: SEND last", "C → alice: REPORT 200"]);
    assert_kept(&sent).await;
}

#[actix::test]
async fn s1_and_s2_mixed_proxy_before_b2bua() {
    let sent = sent_over(Plan::shape_b().proxying("PF-A")).await;
    let Sent { network, seen, .. } = &sent;
    assert_eq!(seen.established(), ["alice → PF-A → PF-B", "PF-B → C"]);
    assert_eq!(seen.channels(), ["alice = PF-B", "PF-B = C"]);
    let passed = seen.dialog_by("alice → PF-A → PF-B");
    assert_names_both(passed.invite());
    assert_passed_on(network, &passed.invites[0], passed.invite(), &["PF-A"]);
    assert_describes(network, passed.answer(), "PF-B");
    let joined = seen.dialog_by("PF-B → C");
    assert_names_both(joined.invite());
    assert_own(network, &joined);
    seen.assert_order(&[
        "C → PF-B: 200 INVITE",
        "PF-B → C: ACK",
        "PF-B → PF-A: 200 INVITE",
        "PF-A → alice: 200 INVITE",
        "alice → PF-A: ACK",
        "PF-A → PF-B: ACK",
    ]);
    seen.assert_order(&[
        "alice → PF-B: SEND last",
        "PF-B → C: SEND last",
        "C → PF-B: 200 SEND last",
        "PF-B → alice: 200 SEND last",
    ]);
    seen.assert_order(&["C → PF-B: REPORT 200", "PF-B → alice: REPORT 200"]);
    assert_kept(&sent).await;
}

#[actix::test]
async fn s1_and_s2_mixed_b2bua_before_proxy() {
    let sent = sent_over(Plan::shape_b().proxying("PF-B")).await;
    let Sent { network, seen, .. } = &sent;
    assert_eq!(seen.established(), ["alice → PF-A", "PF-A → PF-B → C"]);
    assert_eq!(seen.channels(), ["alice = PF-A", "PF-A = C"]);
    let joined = seen.dialog_by("alice → PF-A");
    assert_names_both(joined.invite());
    assert_own(network, &joined);
    let passed = seen.dialog_by("PF-A → PF-B → C");
    assert_names_both(passed.invite());
    assert_passed_on(network, &passed.invites[0], passed.invite(), &["PF-B"]);
    assert_describes(network, &passed.invites[0], "PF-A");
    assert_describes(network, passed.answer(), "C");
    seen.assert_order(&[
        "C → PF-B: 200 INVITE",
        "PF-B → PF-A: 200 INVITE",
        "PF-A → PF-B: ACK",
        "PF-B → C: ACK",
    ]);
    seen.assert_order(&[
        "PF-B → PF-A: 200 INVITE",
        "PF-A → alice: 200 INVITE",
        "alice → PF-A: ACK",
    ]);
    seen.assert_order(&[
        "alice → PF-A: SEND last",
        "PF-A → C: SEND last",
        "C → PF-A: 200 SEND last",
        "PF-A → alice: 200 SEND last",
    ]);
    seen.assert_order(&["C → PF-A: REPORT 200", "PF-A → alice: REPORT 200"]);
    assert_kept(&sent).await;
}

#[actix::test]
async fn servers_in_one_process_need_no_channel_between_them() {
    let (network, alice) = begun(Plan::shape_a()).await;
    let receipt = alice.device.send(message_to(BOB, &noise(SIZE))).await;
    assert_eq!(receipt.expect("an outcome").outcome, Outcome::Stored);
    let seen = network.until(|seen| seen.ends_at("C")).await;
    assert_eq!(seen.established(), ["alice → C"]);
    assert_eq!(seen.channels(), ["alice = C"]);
    assert_own(&network, &seen.dialog_by("alice → C"));
}

#[actix::test]
async fn receiver_who_is_there_gets_it_live_over_all_servers() {
    let (network, alice) = begun(Plan::shape_b()).await;
    let mut bob = network.device(BOB).await.log_in().await;
    // nothing waits, and so nothing comes before what is sent now
    let is_listed = |seen: &Capture| seen.says("PF-B → C: 200 NOTIFY");
    network.until(is_listed).await;
    network.begin_anew();
    let receipt = alice.device.send(message_to(BOB, &noise(SIZE))).await;
    let receipt = receipt.expect("an outcome");
    assert_eq!(receipt.outcome, Outcome::Delivered);
    assert_is_from_alice(&mut bob, &receipt.message_id).await;
    let seen = network.until(|seen| seen.ends_at("bob")).await;
    let stretches = ["alice → PF-A", "PF-A → PF-B", "PF-B → bob"];
    assert_eq!(seen.established(), stretches);
    assert_eq!(
        seen.channels(),
        ["alice = PF-A", "PF-A = PF-B", "PF-B = bob"]
    );
    for stretch in stretches {
        assert_own(&network, &seen.dialog_by(stretch));
    }
    seen.assert_order(&[
        "bob → PF-B: 200 INVITE",
        "PF-B → PF-A: 200 INVITE",
        "PF-A → alice: 200 INVITE",
    ]);
    seen.assert_order(&[
        "bob → PF-B: 200 SEND last",
        "PF-B → PF-A: 200 SEND last",
        "PF-A → alice: 200 SEND last",
    ]);
    assert_eq!(network.waiting("C", BOB), [""; 0]);
}

#[actix::test]
async fn receiver_who_is_there_gets_it_live_past_proxies_from_end_to_end() {
    let plan = Plan::shape_b().proxying("PF-A").proxying("PF-B");
    let (network, alice) = begun(plan).await;
    let mut bob = network.device(BOB).await.log_in().await;
    let receipt = alice.device.send(message_to(BOB, &noise(SIZE))).await;
    let receipt = receipt.expect("an outcome");
    assert_eq!(receipt.outcome, Outcome::Delivered);
    assert_is_from_alice(&mut bob, &receipt.message_id).await;
    let seen = network.until(|seen| seen.ends_at("bob")).await;
    assert_eq!(seen.established(), ["alice → PF-A → PF-B → bob"]);
    // the channel is between the devices: no server sees it
    assert_eq!(seen.channels(), [""; 0]);
    let dialog = seen.dialog_by("alice → PF-A → PF-B → bob");
    assert_describes(&network, dialog.invite(), "alice");
    assert_describes(&network, &dialog.answers[0], "bob");
}

/// That `had` is the INVITE `sent`, passed on by `proxies`, who recorded themselves, the last one
/// first, and left the description and the Contact alone.
fn assert_passed_on(network: &Network, sent: &Message, had: &Message, proxies: &[&str]) {
    assert_eq!(sent.body(), had.body());
    assert_eq!(value(sent, Name::Contact), value(had, Name::Contact));
    assert_eq!(sent.call_id(), had.call_id());
    let mut routes = had.list(Name::RecordRoute).into_iter();
    for proxy in proxies {
        let route = routes.next().unwrap_or_default();
        assert!(route.contains(&network.ip(proxy).to_string()), "{route}");
        assert!(route.contains(";lr"), "{route}");
    }
    assert_eq!(routes.next(), None);
    assert_eq!(had.list(Name::Via).len(), proxies.len() + 1);
}

fn assert_describes(network: &Network, message: &Message, name: &str) {
    let own = BTreeSet::from([network.ip(name).to_string()]);
    assert_eq!(media_addresses(message), own, "it describes {name}");
}
