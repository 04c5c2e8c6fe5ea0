//! Groups in session: members who are in it together, who comes and goes, and what becomes of
//! messages when a leg dies or the server does.
mod harness;

use harness::{
    Server, Settings,
    user::{PATIENCE, User, address_of, assert_is, noise},
};
use restante::{
    client::{Conference, Content, Outcome, Outgoing, Received},
    content::cpim::Dispositions,
    identity::Address,
};
use std::time::Duration;

const MEMBERS: &str = "[\"sip:alice@localhost\", \"sip:bob@localhost\", \"sip:carol@localhost\"]";

fn start(settings: Settings) -> Server {
    let server = settings.start();
    ["alice", "bob", "carol", "eve"]
        .into_iter()
        .fold(server, |server, user| server.subscriber(user, "secret"))
}

/// A server that owns the group `club` of Alice, Bob and Carol.
fn club() -> Server {
    let groups = format!("[{{ address = \"sip:club@localhost\", members = {MEMBERS} }}]");
    start(Server::with("controlling.groups", groups))
}

async fn logged_in(server: &Server, name: &str) -> User {
    User::of(server, name).await.log_in().await
}

async fn in_club(user: &User) -> Conference {
    let joined = user.device.join(&address_of("club")).await;
    joined.expect("a place in the group")
}

fn text(to: &Address, text: &str) -> Outgoing {
    Outgoing::text(to.clone(), text)
}

fn words(received: &Received) -> String {
    match &received.body {
        restante::client::Body::Bytes(octets) => String::from_utf8_lossy(octets).into_owned(),
        restante::client::Body::File(path) => format!("{path:?}"),
    }
}

/// Waits until so many legs are up, while devices go on.
async fn legs(server: &Server, count: f64) {
    let up = async {
        while server.metric("restante_group_legs") != count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let up = tokio::time::timeout(PATIENCE, up).await;
    assert!(up.is_ok(), "{} legs", server.metric("restante_group_legs"));
}

async fn say(place: &mut Conference, what: &str) {
    let message = text(&place.group().clone(), what);
    let receipt = place.send(&message).await.expect("an outcome");
    assert_eq!(receipt.outcome, Outcome::Stored, "{what}");
}

#[actix::test]
async fn members_in_session_hear_each_other_in_order_and_nobody_hears_himself() {
    let server = club();
    let mut alice = logged_in(&server, "alice").await;
    let mut bob = logged_in(&server, "bob").await;
    let (mut alices, mut bobs) = (in_club(&alice).await, in_club(&bob).await);
    for number in 0..20 {
        say(&mut alices, &format!("a{number}")).await;
        say(&mut bobs, &format!("b{number}")).await;
    }
    for number in 0..20 {
        assert_eq!(words(&bob.next().await), format!("a{number}"));
        assert_eq!(words(&alice.next().await), format!("b{number}"));
    }
    bob.nothing_more().await;
    alice.nothing_more().await;
    assert_eq!(server.metric("restante_group_legs"), 2.0);
}

/// A call that only brings a message is a place in the group too, and takes what others say.
#[actix::test]
async fn nothing_is_lost_that_comes_over_a_call_which_sends_one_message() {
    let server = club();
    let mut alice = logged_in(&server, "alice").await;
    let mut bob = logged_in(&server, "bob").await;
    let mut bobs = in_club(&bob).await;
    let club = address_of("club");
    let long = noise(3 * 1024 * 1024);
    let mut letter = Outgoing::new(club.clone(), "text/x-log", Content::Bytes(long.clone()));
    letter.mode = restante::client::Mode::Channel;
    letter.message_id = Some("letter".to_owned());
    let sending = alice.device.send(letter);
    let talking = async {
        for number in 0..20 {
            say(&mut bobs, &format!("b{number}")).await;
        }
    };
    let (sent, ()) = futures_util::future::join(sending, talking).await;
    assert_eq!(sent.expect("an outcome").outcome, Outcome::Stored);
    for number in 0..20 {
        assert_eq!(words(&alice.next().await), format!("b{number}"));
    }
    assert_is(&bob.next().await, &long, "letter");
}

#[actix::test]
async fn member_who_is_away_gets_all_of_it_in_order_when_coming_in() {
    let server = club();
    let alice = logged_in(&server, "alice").await;
    let mut alices = in_club(&alice).await;
    for number in 0..50 {
        say(&mut alices, &format!("a{number}")).await;
    }
    // not registered: only the call itself brings what waits
    let mut carol = User::of(&server, "carol").await;
    let _carols = in_club(&carol).await;
    for number in 0..50 {
        assert_eq!(words(&carol.next().await), format!("a{number}"));
    }
    say(&mut alices, "last").await;
    assert_eq!(words(&carol.next().await), "last");
    carol.nothing_more().await;
}

#[actix::test]
async fn member_whose_leg_dies_finds_the_rest_waiting_without_gap_or_double() {
    let server = club();
    let alice = logged_in(&server, "alice").await;
    let mut alices = in_club(&alice).await;
    let mut carol = User::of(&server, "carol").await;
    let mut seen = Vec::new();
    let carols = in_club(&carol).await;
    for number in 0..30 {
        say(&mut alices, &format!("a{number}")).await;
        if number == 10 {
            // the device goes without a word
            seen.push(words(&carol.next().await));
            drop(carol);
            carol = User::of(&server, "carol").await;
        }
    }
    drop(carols);
    carol
        .device
        .register(Duration::from_secs(600))
        .await
        .expect("a login");
    let mut rest = Vec::new();
    while rest.last().is_none_or(|last| last != "a29") {
        rest.push(words(&carol.next().await));
    }
    // what is there twice was answered by nobody
    let first = rest[0][1..].parse::<usize>().expect("a number");
    assert!((1..=11).contains(&first), "{rest:?}");
    let expected: Vec<_> = (first..30).map(|number| format!("a{number}")).collect();
    assert_eq!(rest, expected);
    carol.nothing_more().await;
}

#[actix::test]
async fn private_message_goes_to_one_member_alone() {
    let server = club();
    let alice = logged_in(&server, "alice").await;
    let (mut bob, mut carol) = (
        logged_in(&server, "bob").await,
        logged_in(&server, "carol").await,
    );
    let mut alices = in_club(&alice).await;
    let (_bobs, _carols) = (in_club(&bob).await, in_club(&carol).await);
    let secret = text(&address_of("bob"), "for Bob");
    let receipt = alices.send(&secret).await.expect("an outcome");
    assert_eq!(receipt.outcome, Outcome::Stored);
    say(&mut alices, "for all").await;
    assert_eq!(words(&bob.next().await), "for Bob");
    assert_eq!(words(&bob.next().await), "for all");
    assert_eq!(words(&carol.next().await), "for all");
    carol.nothing_more().await;
    let nobodys = text(&address_of("eve"), "for Eve");
    let receipt = alices.send(&nobodys).await.expect("an outcome");
    assert!(matches!(
        receipt.outcome,
        Outcome::Refused { code: 404, .. }
    ));
}

#[actix::test]
async fn nickname_is_had_by_one_member_alone() {
    let server = club();
    let (alice, bob) = (
        logged_in(&server, "alice").await,
        logged_in(&server, "bob").await,
    );
    let (alices, bobs) = (in_club(&alice).await, in_club(&bob).await);
    legs(&server, 2.0).await;
    let named = async |place: &Conference, nickname| place.name(nickname).await.expect("an answer");
    assert_eq!(named(&alices, Some("Alice the great")).await, 200);
    assert_eq!(named(&bobs, Some("ALICE the  great")).await, 425);
    assert_eq!(named(&bobs, Some("\u{202e}Bob")).await, 424);
    assert_eq!(named(&bobs, Some("Dopey Donkey")).await, 200);
    assert_eq!(named(&bobs, None).await, 200);
    assert_eq!(
        named(&alices, Some("Dopey Donkey")).await,
        425,
        "kept for Bob"
    );
}

#[actix::test]
async fn group_of_those_listed_is_made_and_the_others_are_called() {
    let server = start(Settings::default());
    let mut alice = logged_in(&server, "alice").await;
    let mut bob = logged_in(&server, "bob").await;
    let factory = address_of("conference-factory");
    let members = [address_of("bob"), address_of("carol")];
    let place = alice
        .device
        .call_together(&factory, &members, Some("Chess"));
    let mut place = place.await.expect("a group");
    assert_ne!(*place.group(), factory);
    // Bob is called at once, though nobody has said anything
    legs(&server, 2.0).await;
    say(&mut place, "hello").await;
    assert_eq!(words(&bob.next().await), "hello");

    // whoever belongs to it may come in by its address, and Carol finds what was said
    let mut carol = logged_in(&server, "carol").await;
    assert_eq!(words(&carol.next().await), "hello");
    let carols = carol.device.join(place.group()).await;
    say(&mut carols.expect("a place in the group"), "here I am").await;
    assert_eq!(words(&alice.next().await), "here I am");
    let eve = logged_in(&server, "eve").await;
    assert!(eve.device.join(place.group()).await.is_err());
}

#[actix::test]
async fn what_was_accepted_is_handed_over_after_the_server_was_killed() {
    let mut server = club();
    let alice = logged_in(&server, "alice").await;
    let mut alices = in_club(&alice).await;
    let octets = noise(500_000);
    let content = Content::Bytes(octets.clone());
    let mut large = Outgoing::new(address_of("club"), "application/octet-stream", content);
    large.message_id = Some("large".to_owned());
    let receipt = alices.send(&large).await.expect("an outcome");
    assert_eq!(receipt.outcome, Outcome::Stored);
    server.kill9();
    server.restart();
    let mut bob = logged_in(&server, "bob").await;
    assert_is(&bob.next().await, &octets, "large");

    // who sends it again under the same name has sent it once
    let alice = logged_in(&server, "alice").await;
    let mut alices = in_club(&alice).await;
    let receipt = alices.send(&large).await.expect("an outcome");
    assert_eq!(receipt.outcome, Outcome::Stored);
    bob.nothing_more().await;
    let mut carol = logged_in(&server, "carol").await;
    assert_is(&carol.next().await, &octets, "large");
    carol.nothing_more().await;
}

#[actix::test]
async fn sender_learns_for_each_member_that_the_message_waits() {
    let server = club();
    let mut alice = logged_in(&server, "alice").await;
    let mut alices = in_club(&alice).await;
    let mut message = text(&address_of("club"), "hello");
    message.dispositions = Dispositions::parse("processing");
    message.message_id = Some("asked".to_owned());
    alices.send(&message).await.expect("an outcome");
    let mut told = Vec::new();
    for _ in 0..2 {
        let received = alice.next().await;
        for notification in received.notifications() {
            assert_eq!(notification.message_id, "asked");
            told.extend(notification.recipient);
        }
    }
    told.sort();
    assert_eq!(told, ["sip:bob@localhost", "sip:carol@localhost"]);
}
