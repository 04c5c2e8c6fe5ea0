//! Groups whose owner is a server of its own (figure 10C): members have their homes elsewhere, and
//! get what is sent to the group there, or find it waiting.
mod harness;

use harness::{
    network::{Network, Plan, message_to},
    user::{User, noise},
};
use restante::{
    client::Outcome,
    sip::codec::{Method, Name},
};
use sha2::{Digest, Sha256};

const MEMBERS: [&str; 4] = [
    "alice@a.example",
    "bob@b.example",
    "carol@b.example",
    "dan@a.example",
];
const CLUB: &str = "club@x.example";

/// Servers as in figure 10C, whose D owns a group of four.
fn shape_c() -> Plan {
    let members: Vec<String> = MEMBERS.iter().map(|user| format!("sip:{user}")).collect();
    let mut group = toml::Table::new();
    group.insert("address".to_owned(), format!("sip:{CLUB}").into());
    group.insert("members".to_owned(), members.into());
    let groups = toml::Value::Array(vec![group.into()]);
    let plan = Plan::shape_c().with("D", "controlling.groups", groups);
    // Alice's own domain keeps at home
    plan.with("PF-A", "server.roles", home_and_keeper())
}

fn home_and_keeper() -> toml::Value {
    let roles = ["sip_core", "participating", "deferred"];
    toml::Value::Array(roles.iter().map(|role| (*role).into()).collect())
}

async fn start(plan: Plan) -> (Network, User) {
    let network = plan.start();
    network.subscribe(&MEMBERS);
    let alice = network.device(MEMBERS[0]).await.log_in().await;
    (network, alice)
}

async fn assert_next(user: &mut User, size: usize, message_id: &str) {
    let received = user.next().await;
    let hash: [u8; 32] = Sha256::digest(noise(size)).into();
    assert_eq!(received.message_id, message_id);
    assert_eq!(received.sha256, hash);
    let alice = harness::network::address(MEMBERS[0]);
    assert_eq!(received.from, Some(alice));
}

#[actix::test]
async fn message_goes_from_its_owner_to_the_home_of_each_member() {
    let (network, alice) = start(shape_c()).await;
    let mut bob = network.device(MEMBERS[1]).await.log_in().await;
    let size = 300_001;
    let sent = alice.device.send(message_to(CLUB, &noise(size))).await;
    let sent = sent.expect("an outcome");
    assert_eq!(sent.outcome, Outcome::Stored);
    assert_next(&mut bob, size, &sent.message_id).await;

    // Carol is away: her copy goes D - PF-B - C, and D keeps nothing of it
    let seen = network
        .until(|seen| seen.requests(&Method::Bye, "D", "PF-B").len() == 2)
        .await;
    let invites = seen.requests(&Method::Invite, "D", "PF-B");
    for invite in &invites {
        let value = |name| invite.value(name).map(|value| value.into_owned());
        let asserted = value(Name::PAssertedIdentity);
        assert_eq!(asserted.as_deref(), Some("<sip:club@x.example>"));
        let referred = value(Name::ReferredBy);
        assert_eq!(referred.as_deref(), Some("<sip:alice@a.example>"));
        assert!(value(Name::Contact).is_some_and(|contact| contact.contains(";isfocus")));
    }
    let (_, waiting) = network.node("C").get("/api/v1/queues/sip:carol@b.example");
    let item = &waiting["items"][0];
    assert_eq!(item["sender"], "sip:alice@a.example", "{waiting}");
    let mut carol = network.device(MEMBERS[2]).await;
    assert_eq!(
        carol.device.deferred_fetch(&[]).await.expect("a channel"),
        1
    );
    assert_next(&mut carol, size, &sent.message_id).await;
    bob.nothing_more().await;
}

#[actix::test]
async fn what_the_owner_accepted_outlives_it_and_waits_for_a_home_that_is_away() {
    let plan = shape_c().with("D", "participating.push_retry", "200ms");
    let (mut network, alice) = start(plan).await;
    network.node_mut("PF-B").kill9();
    let size = 100_000;
    let sent = alice.device.send(message_to(CLUB, &noise(size))).await;
    let sent = sent.expect("an outcome");
    assert_eq!(sent.outcome, Outcome::Stored);
    network.node_mut("D").kill9();
    network.node_mut("D").restart();
    network.node_mut("PF-B").restart();
    // Bob was not there either: his home asks for what came meanwhile
    let mut bob = network.device(MEMBERS[1]).await.log_in().await;
    assert_next(&mut bob, size, &sent.message_id).await;
    let mut carol = network.device(MEMBERS[2]).await.log_in().await;
    assert_next(&mut carol, size, &sent.message_id).await;
    bob.nothing_more().await;
    carol.nothing_more().await;
}

#[actix::test]
async fn owner_and_keeper_speak_directly_where_the_homes_only_pass_on() {
    let plan = shape_c().proxying("PF-A").proxying("PF-B");
    let (network, alice) = start(plan).await;
    let size = 100_000;
    let sent = alice.device.send(message_to(CLUB, &noise(size))).await;
    let sent = sent.expect("an outcome");
    assert_eq!(sent.outcome, Outcome::Stored);
    let seen = network
        .until(|seen| seen.channels().iter().filter(|one| *one == "D = C").count() == 2)
        .await;
    let channels = seen.channels();
    assert!(channels.contains(&"alice = D".to_owned()), "{channels:?}");
    let is_through = |one: &String| one.contains("PF-B");
    assert!(!channels.iter().any(is_through), "{channels:?}");
    // Bob fetches it himself: a server that only passes on does not hand over
    let mut bob = network.device(MEMBERS[1]).await.log_in().await;
    assert_eq!(bob.device.deferred_fetch(&[]).await.expect("a channel"), 1);
    assert_next(&mut bob, size, &sent.message_id).await;
}
