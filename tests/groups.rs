//! Groups: what is sent to one goes to each of its members, live where they are there and later
//! where they are not, each exactly once.
mod harness;

use harness::{
    Server, Settings,
    user::{User, address_of, assert_is, noise},
};
use restante::client::{Content, Mode, Outcome, Outgoing};

/// A server that owns the group `club` of Alice, Bob and Carol.
fn club() -> Settings {
    let groups = "[{ address = \"sip:club@localhost\", subject = \"Chess\", members = [\
        \"sip:alice@localhost\", \"sip:bob@localhost\", \"sip:carol@localhost\"] }]";
    Server::with("controlling.groups", groups)
}

fn start(settings: Settings) -> Server {
    let server = settings.start();
    ["alice", "bob", "carol", "eve"]
        .into_iter()
        .fold(server, |server, user| server.subscriber(user, "secret"))
}

fn to_club(octets: usize, mode: Mode) -> Outgoing {
    let content = Content::Bytes(noise(octets));
    let mut message = Outgoing::new(address_of("club"), "application/octet-stream", content);
    message.mode = mode;
    message
}

#[actix::test]
async fn message_to_a_group_reaches_who_is_there_and_waits_for_who_is_not() {
    let server = start(club());
    let alice = User::of(&server, "alice").await.log_in().await;
    let mut bob = User::of(&server, "bob").await.log_in().await;
    let octets = noise(200_000);
    let sent = alice.device.send(to_club(200_000, Mode::Channel)).await;
    let sent = sent.expect("an outcome");
    assert_eq!(sent.outcome, Outcome::Stored);
    assert_is(&bob.next().await, &octets, &sent.message_id);

    // who comes later finds it waiting, and nobody gets it twice
    let mut carol = User::of(&server, "carol").await.log_in().await;
    assert_is(&carol.next().await, &octets, &sent.message_id);
    bob.nothing_more().await;
    carol.nothing_more().await;
    server.wait_for_metric("restante_messages_delivered_total", 2.0);
}

#[actix::test]
async fn small_message_to_a_group_travels_as_requests() {
    let server = start(club());
    let alice = User::of(&server, "alice").await.log_in().await;
    let mut bob = User::of(&server, "bob").await.log_in().await;
    let sent = alice.device.send(to_club(90, Mode::Pager)).await;
    let sent = sent.expect("an outcome");
    assert_eq!(sent.outcome, Outcome::Stored);
    assert_is(&bob.next().await, &noise(90), &sent.message_id);
    let mut carol = User::of(&server, "carol").await.log_in().await;
    assert_is(&carol.next().await, &noise(90), &sent.message_id);
    bob.nothing_more().await;
}

#[actix::test]
async fn who_does_not_belong_to_a_group_sends_nothing_to_it() {
    let server = start(club());
    let eve = User::of(&server, "eve").await.log_in().await;
    for mode in [Mode::Channel, Mode::Pager] {
        let sent = eve.device.send(to_club(90, mode)).await;
        let outcome = sent.expect("an outcome").outcome;
        assert!(
            matches!(outcome, Outcome::Refused { code: 403, .. }),
            "{outcome:?}"
        );
    }
}
