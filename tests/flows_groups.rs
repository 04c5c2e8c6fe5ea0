//! S3 and S4: a message to a group whose owner is a server of its own, as the servers of figures
//! 10C and 10D do it: members who are there get their copy live, the copies of the others go to
//! the server that keeps their messages.
mod harness;

use harness::{
    capture::{Capture, media_addresses, value},
    network::{Network, Plan, address, message_to},
    user::{User, noise},
};
use restante::{
    client::Received,
    sip::codec::{Message, Name},
};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

const ALICE: &str = "alice@a.example";
const BOB: &str = "bob@b.example";
const CAROL: &str = "carol@b.example";
const TEAM: &str = "team@x.example";
const SIZE: usize = 300_001;

/// D's group: Alice, Bob and Carol.
fn with_group(plan: Plan) -> Plan {
    let sip = |user: &str| format!("sip:{user}");
    let mut group = toml::Table::new();
    group.insert("address".into(), sip(TEAM).into());
    group.insert("subject".into(), "the team".into());
    group.insert(
        "members".into(),
        vec![sip(ALICE), sip(BOB), sip(CAROL)].into(),
    );
    plan.with("D", "controlling.groups", vec![toml::Value::Table(group)])
}

struct Sent {
    network: Network,
    carol: User,
    message_id: String,
    seen: Capture,
}

/// Alice sends the group a message while Carol is there and Bob is not. Where their home server
/// participates (`is_pushed`), it hands over by itself what waits for them.
async fn sent_over(plan: Plan, is_pushed: bool) -> Sent {
    let network = with_group(plan).start();
    network.subscribe(&[ALICE, BOB, CAROL]);
    let alice = network.device(ALICE).await.log_in().await;
    let mut carol = network.device(CAROL).await.log_in().await;
    if is_pushed {
        // nothing waits, and so nothing comes before what is sent now
        let is_listed = |seen: &Capture| seen.says("PF-B → C: 200 NOTIFY");
        network.until(is_listed).await;
    }
    network.begin_anew();
    let receipt = alice.device.send(message_to(TEAM, &noise(SIZE))).await;
    let receipt = receipt.expect("an outcome");
    assert!(receipt.is_accepted(), "{receipt:?}");
    let live = carol.next().await;
    assert_is_alices(&live, &receipt.message_id);
    let kept = |_: &Capture| network.waiting("C", BOB) == [receipt.message_id.as_str()];
    let seen = network.until(kept).await;
    Sent {
        network,
        carol,
        message_id: receipt.message_id,
        seen,
    }
}

fn assert_is_alices(received: &Received, message_id: &str) {
    let hash: [u8; 32] = Sha256::digest(noise(SIZE)).into();
    assert_eq!(received.sha256, hash);
    assert_eq!(received.message_id, message_id);
    assert_eq!(received.from, Some(address(ALICE)));
    assert_eq!(received.content_type, "application/octet-stream");
    assert!(received.date.is_some());
}

fn assert_describes_itself(network: &Network, message: &Message, name: &str) {
    let own = BTreeSet::from([network.ip(name).to_string()]);
    assert_eq!(
        media_addresses(message),
        own,
        "{name} describes its own end"
    );
}

/// That an INVITE of D's for `member` names the group, the sender and the member, and that the
/// one who called is a focus.
fn assert_names_all_three(invite: &Message, member: &str) {
    assert_eq!(invite.uri_text(), format!("sip:{member}"));
    assert_eq!(
        invite.to().expect("To").uri.to_string(),
        format!("sip:{member}")
    );
    assert_eq!(
        invite.from().expect("From").uri.to_string(),
        "sip:team@x.example"
    );
    assert_eq!(
        value(invite, Name::PAssertedIdentity),
        "<sip:team@x.example>"
    );
    assert_eq!(value(invite, Name::ReferredBy), "<sip:alice@a.example>");
    let contact = value(invite, Name::Contact);
    assert!(contact.contains(";isfocus"), "{contact}");
}

/// That Bob, when he is back, gets the same message of the same sender and group, and nobody gets
/// it twice.
async fn assert_each_has_one(mut sent: Sent, is_pushed: bool) {
    sent.network.begin_anew();
    let mut bob = sent.network.device(BOB).await.log_in().await;
    if !is_pushed {
        let fetched = bob.device.deferred_fetch(&[]).await;
        assert_eq!(fetched.expect("a channel"), 1);
    }
    assert_is_alices(&bob.next().await, &sent.message_id);
    bob.nothing_more().await;
    sent.carol.nothing_more().await;
    assert_eq!(sent.network.waiting("C", BOB), [""; 0]);
}

#[actix::test]
async fn s3_copy_for_an_offline_member_travels_four_channels() {
    let sent = sent_over(Plan::shape_c(), true).await;
    let Sent { network, seen, .. } = &sent;
    // one from D for each member
    let to_members = ["D → PF-B", "D → PF-B", "PF-B → C", "PF-B → carol"];
    let dialogs = [&["alice → PF-A", "PF-A → D"], &to_members[..]].concat();
    let to_members = ["D = PF-B", "D = PF-B", "PF-B = C", "PF-B = carol"];
    let channels = [&["alice = PF-A", "PF-A = D"], &to_members[..]].concat();
    assert_set_up(seen, &dialogs, &channels);

    let to_d = seen.dialog_by("PF-A → D");
    assert_eq!(to_d.invite().uri_text(), "sip:team@x.example");
    assert_eq!(
        value(to_d.invite(), Name::PAssertedIdentity),
        "<sip:alice@a.example>"
    );
    let contact = value(to_d.invite(), Name::Contact);
    assert!(
        contact.contains(&network.ip("PF-A").to_string()),
        "{contact}"
    );
    for dialog in seen.dialogs() {
        assert_describes_itself(network, dialog.invite(), &dialog.way[0]);
        assert_describes_itself(network, dialog.answer(), &dialog.way[1]);
    }
    assert_names_all_three(seen.dialog_by("PF-B → C").invite(), BOB);
    assert_names_all_three(&invite_between(seen, "D", "PF-B", BOB), BOB);
    assert_names_all_three(&invite_between(seen, "D", "PF-B", CAROL), CAROL);
    seen.assert_order(&[
        "alice → PF-A: INVITE",
        "PF-A → D: INVITE",
        "D → PF-A: 200 INVITE",
        "PF-A → D: ACK",
        "PF-A → alice: 200 INVITE",
        "alice → PF-A: SEND last",
        "PF-A → D: SEND last",
        "D → PF-A: 200 SEND last",
        "PF-A → alice: 200 SEND last",
    ]);
    seen.assert_order(&[
        "D → PF-B: SEND last",
        "PF-B → C: SEND last",
        "C → PF-B: 200 SEND last",
        "PF-B → D: 200 SEND last",
    ]);
    seen.assert_order(&[
        "PF-A → D: SEND last",
        "D → PF-B: SEND last",
        "PF-B → carol: SEND last",
    ]);
    assert_each_has_one(sent, true).await;
}

#[actix::test]
async fn s4_copy_for_an_offline_member_travels_two_channels() {
    let sent = sent_over(Plan::shape_d(), false).await;
    let Sent { network, seen, .. } = &sent;
    let dialogs = ["alice → PF-A → D", "D → PF-B → C", "D → PF-B → carol"];
    assert_set_up(seen, &dialogs, &["alice = D", "D = C", "D = carol"]);

    let to_d = seen.dialog_by("alice → PF-A → D");
    assert_eq!(to_d.invite().uri_text(), "sip:team@x.example");
    assert_eq!(to_d.invites[0].body(), to_d.invite().body());
    let to_c = seen.dialog_by("D → PF-B → C");
    assert_names_all_three(to_c.invite(), BOB);
    assert_eq!(to_c.invites[0].body(), to_c.invite().body());
    assert_names_all_three(
        seen.dialog_by("D → PF-B → carol")
            .invites
            .first()
            .expect("an INVITE"),
        CAROL,
    );
    for dialog in [&to_d, &to_c] {
        let (first, last) = (&dialog.way[0], dialog.way.last().expect("a callee"));
        assert_describes_itself(network, dialog.invite(), first);
        assert_describes_itself(network, dialog.answer(), last);
    }
    seen.assert_order(&["alice → D: SEND last", "D → alice: 200 SEND last"]);
    seen.assert_order(&[
        "alice → D: SEND last",
        "D → C: SEND last",
        "C → D: 200 SEND last",
    ]);
    seen.assert_order(&[
        "alice → D: SEND last",
        "D → carol: SEND last",
        "carol → D: 200 SEND last",
    ]);
    assert_each_has_one(sent, false).await;
}

#[actix::test]
async fn s3_and_s4_mixed_b2bua_before_and_proxy_behind_the_owner() {
    let sent = sent_over(Plan::shape_c().proxying("PF-B"), false).await;
    let dialogs = [
        "alice → PF-A",
        "PF-A → D",
        "D → PF-B → C",
        "D → PF-B → carol",
    ];
    let channels = ["alice = PF-A", "PF-A = D", "D = C", "D = carol"];
    assert_set_up(&sent.seen, &dialogs, &channels);
    assert_names_all_three(sent.seen.dialog_by("D → PF-B → C").invite(), BOB);
    assert_each_has_one(sent, false).await;
}

#[actix::test]
async fn s3_and_s4_mixed_proxy_before_and_b2bua_behind_the_owner() {
    let sent = sent_over(Plan::shape_c().proxying("PF-A"), true).await;
    let to_d = ["alice → PF-A → D", "D → PF-B", "D → PF-B"];
    let dialogs = [&to_d[..], &["PF-B → C", "PF-B → carol"]].concat();
    let channels = [
        "alice = D",
        "D = PF-B",
        "D = PF-B",
        "PF-B = C",
        "PF-B = carol",
    ];
    assert_set_up(&sent.seen, &dialogs, &channels);
    assert_names_all_three(sent.seen.dialog_by("PF-B → C").invite(), BOB);
    assert_each_has_one(sent, true).await;
}

/// That these dialogs and channels were set up, and no other; in which order the owner calls the
/// members is his affair.
fn assert_set_up(seen: &Capture, dialogs: &[&str], channels: &[&str]) {
    for (found, expected) in [(seen.established(), dialogs), (seen.channels(), channels)] {
        let (mut found, mut expected) = (found, expected.to_vec());
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "{seen}");
    }
}

/// The INVITE for `member` between two nodes.
fn invite_between(seen: &Capture, from: &str, to: &str, member: &str) -> Message {
    let mut invites = seen
        .requests(&restante::sip::codec::Method::Invite, from, to)
        .into_iter();
    let found = invites.find(|invite| invite.uri_text() == format!("sip:{member}"));
    found.expect("an INVITE for the member").clone()
}
