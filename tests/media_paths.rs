//! The ways a channel may take: through relays, over IPv6, past middleboxes.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod harness;

#[path = "msrp/ends.rs"]
mod ends;

use ends::{Raw, Rules, board, open_passive};
use harness::{
    Server,
    user::{User, assert_is, message, noise},
};
use restante::{
    client::{Channel, Mode, Outcome},
    msrp::{Config, SessionMatch},
    sip::transaction::Peer,
};

fn start(settings: harness::Settings) -> Server {
    settings
        .start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret")
}

/// A user whose channels go through the server's own relay.
async fn behind_relay(server: &Server, name: &str) -> User {
    let relay = format!("msrp://{};tcp", server.msrp());
    let peer = Peer::tcp(server.sip());
    User::configured(name, "secret", peer, |config| config.relays.push(relay)).await
}

#[actix::test]
async fn sender_behind_a_relay_leaves_a_message_for_a_reader_who_is_away() {
    let server = start(Server::with("server.shards", 2));
    let alice = behind_relay(&server, "alice").await.log_in().await;
    let octets = noise(300_017);
    let receipt = alice.device.send(message(&octets, Mode::Channel)).await;
    let receipt = receipt.unwrap();
    assert_eq!(receipt.outcome, Outcome::Stored);
    assert!(server.metric("restante_msrp_relay_uris_total") > 0.0);

    let mut bob = User::of(&server, "bob").await.log_in().await;
    assert_is(&bob.next().await, &octets, &receipt.message_id);
}

#[actix::test]
async fn reader_behind_a_relay_is_sent_what_waits_and_fetches_it() {
    let server = start(Server::with("server.shards", 2));
    let alice = User::of(&server, "alice").await.log_in().await;
    let octets = noise(300_017);
    let sent = message(&octets, Mode::Channel);
    let first = alice.device.send(sent.clone()).await.unwrap();
    let mut bob = behind_relay(&server, "bob").await;
    assert_eq!(bob.device.deferred_fetch(&[]).await.unwrap(), 1);
    assert_is(&bob.next().await, &octets, &first.message_id);

    let second = alice.device.send(sent).await.unwrap();
    assert_eq!(second.outcome, Outcome::Stored);
    let mut bob = bob.log_in().await;
    let received = bob.next().await;
    assert_is(&received, &octets, &second.message_id);
    assert_eq!(received.channel, Channel::Msrp);
    bob.nothing_more().await;
}

#[actix::test]
async fn both_ends_of_a_live_channel_may_stand_behind_relays() {
    let server = start(Server::with("server.shards", 1));
    let alice = behind_relay(&server, "alice").await.log_in().await;
    let mut bob = behind_relay(&server, "bob").await.log_in().await;
    let octets = noise(70_000);
    let receipt = alice.device.send(message(&octets, Mode::Channel)).await;
    let receipt = receipt.unwrap();
    assert_eq!(receipt.outcome, Outcome::Delivered);
    assert_is(&bob.next().await, &octets, &receipt.message_id);
}

#[actix::test]
async fn everything_works_over_ipv6() {
    let settings = Server::with("sip.listen", "[::1]:0").with("msrp.listen", "[::1]:0");
    let server = start(settings);
    assert!(server.sip().is_ipv6() && server.msrp().is_ipv6());
    let peer = Peer::tcp(server.sip());
    let user = async |name| {
        let bind = "::1".parse().unwrap();
        User::configured(name, "secret", peer, |config| config.bind = bind).await
    };
    let alice = user("alice").await.log_in().await;
    let octets = noise(100_000);
    let receipt = alice.device.send(message(&octets, Mode::Channel)).await;
    let receipt = receipt.unwrap();
    assert_eq!(receipt.outcome, Outcome::Stored);
    let mut bob = user("bob").await.log_in().await;
    assert_is(&bob.next().await, &octets, &receipt.message_id);
    // what comes while the mailbox is being handed over waits behind it
    bob.nothing_more().await;
    let live = alice.device.send(message(&octets, Mode::Channel)).await;
    let live = live.unwrap();
    assert_eq!(live.outcome, Outcome::Delivered);
    assert_is(&bob.next().await, &octets, &live.message_id);
}

#[actix::test]
async fn host_that_a_middlebox_put_into_to_path_matters_as_configured() {
    use SessionMatch::{Cema, SessionId, Strict};
    for (session_match, cema, status) in [
        (Strict, true, 481),
        (Cema, false, 481),
        (Cema, true, 200),
        (SessionId, false, 200),
    ] {
        let config = Config {
            session_match,
            ..Config::default()
        };
        let board = board(&config);
        let (session, _ear) = open_passive(&board, Rules::default());
        session.set_remote(&ends::path("msrp://h:1/me;tcp"));
        if cema {
            session.expect_middlebox();
        }
        let ours = session.local_uri().to_string();
        let changed = ours.replace("127.0.0.1", "192.0.2.7");
        let mut raw = Raw::connect(&board).await;
        for (to, id, expected) in [(changed, "t1t1", status), (ours, "t2t2", 200)] {
            raw.send(&to, id, &["Message-ID: m111"], "").await;
            let answer = raw.response(id).await;
            assert!(
                answer.starts_with(&format!("MSRP {id} {expected} ")),
                "{session_match:?} {cema}: {answer}"
            );
        }
        let two = format!("{} msrp://h:2/x;tcp", session.local_uri());
        raw.send(&two, "t3t3", &["Message-ID: m111"], "").await;
        assert!(raw.response("t3t3").await.contains(" 481 "));
    }
}
