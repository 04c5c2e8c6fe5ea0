//! The ways a channel may take: through relays, over IPv6, past middleboxes, by TLS.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod harness;

#[path = "msrp/ends.rs"]
mod ends;
mod tls;

use ends::{Ear, Raw, Rules, board, open_passive};
use harness::{
    Server,
    user::{User, assert_is, message, noise},
};
use restante::{
    client::{Channel, Mode, Outcome},
    msrp::{
        Config, SessionMatch,
        actor::{CloseReason, Entry, OpenSession, Role},
    },
    sdp::Security,
    sip::transaction::Peer,
};
use tls::Authority;

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

/// A server whose channels are as secure as this word says.
fn protected(authority: &Authority, security: &str) -> Server {
    let issued = authority.issue("im.example.com");
    let settings = Server::with("participating.media_security", security)
        .with("msrp.tls_listen", "127.0.0.1:0")
        .with("msrp.tls.certificate", issued.certificate.display())
        .with("msrp.tls.key", issued.key.display());
    start(settings)
}

async fn with_security(server: &Server, name: &str, security: Security) -> User {
    let peer = Peer::tcp(server.sip());
    let change = |config: &mut restante::client::Config| config.media_security = security;
    User::configured(name, "secret", peer, change).await
}

#[actix::test]
async fn channels_with_required_tls_work_between_certificates_of_ones_own_making() {
    let authority = Authority::new();
    let server = protected(&authority, "required");
    // what is offered to this one has TLS, and so has what it offers
    let alice = with_security(&server, "alice", Security::Required).await;
    let alice = alice.log_in().await;
    let octets = noise(200_003);
    let stored = alice.device.send(message(&octets, Mode::Channel)).await;
    let stored = stored.unwrap();
    assert_eq!(stored.outcome, Outcome::Stored);
    // this one would rather not, but can
    let bob = with_security(&server, "bob", Security::Optional).await;
    let mut bob = bob.log_in().await;
    assert_is(&bob.next().await, &octets, &stored.message_id);
    bob.nothing_more().await;
    let live = alice.device.send(message(&octets, Mode::Channel)).await;
    let live = live.unwrap();
    assert_eq!(live.outcome, Outcome::Delivered);
    assert_is(&bob.next().await, &octets, &live.message_id);
}

#[actix::test]
async fn sender_without_tls_is_refused_where_it_is_required_and_taken_where_it_is_not() {
    let authority = Authority::new();
    for (security, expected) in [
        ("required", Err(488)),
        ("optional", Ok(())),
        ("none", Ok(())),
    ] {
        let server = protected(&authority, security);
        let alice = with_security(&server, "alice", Security::None).await;
        let octets = noise(20_000);
        let sent = alice.device.send(message(&octets, Mode::Channel)).await;
        let outcome = match sent.unwrap().outcome {
            Outcome::Refused { code, .. } => Err(code),
            _ => Ok(()),
        };
        assert_eq!(outcome, expected, "{security}");
    }
}

#[actix::test]
async fn sender_who_requires_tls_gets_it_only_from_a_server_that_has_it() {
    let authority = Authority::new();
    for (security, expected) in [("optional", Ok(())), ("none", Err(488))] {
        let server = protected(&authority, security);
        let alice = with_security(&server, "alice", Security::Required).await;
        let octets = noise(20_000);
        let sent = alice.device.send(message(&octets, Mode::Channel)).await;
        let outcome = match sent.unwrap().outcome {
            Outcome::Refused { code, .. } => Err(code),
            _ => Ok(()),
        };
        assert_eq!(outcome, expected, "{security}");
    }
}

#[actix::test]
async fn peer_that_came_before_the_answer_is_turned_out_unless_it_has_the_announced_certificate() {
    let [ours, theirs] = ["one.example", "two.example"].map(|name| {
        let authority = Authority::new();
        board(&authority.config(name))
    });
    for is_announced in [true, false] {
        let open = |board: &std::rc::Rc<_>, remote, role, sink| {
            let board: &std::rc::Rc<restante::msrp::actor::Switchboard> = board;
            let open = OpenSession {
                local_id: board.new_session_id(),
                remote_path: remote,
                role,
                accept_types: vec![],
                max_size: None,
                sink,
            };
            board.open_secure(open, vec![]).unwrap()
        };
        let (mut passive_ear, sink) = Ear::new();
        let passive = open(&theirs, None, Role::Passive, sink);
        let (mut active_ear, sink) = Ear::new();
        let role = Role::Active(theirs.entry_addr(Entry::Tls).unwrap());
        let active = open(&ours, None, role, sink);
        active.expect_certificates(&[theirs.fingerprint().unwrap().to_string()]);
        active.set_remote(&passive.local_uri().clone().into());
        active_ear.bound().await;
        passive_ear.bound().await;
        let announced = match is_announced {
            true => ours.fingerprint(),
            false => theirs.fingerprint(),
        };
        passive.expect_certificates(&[announced.unwrap().to_string()]);
        assert_eq!(passive.is_closed(), !is_announced);
        if !is_announced {
            assert_eq!(passive_ear.closed().await, CloseReason::Certificate);
        }
    }
}
