//! MSRP over TLS: sessions, relayed messages, and certificates that change under a running server.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "msrp/ends.rs"]
mod ends;
mod harness;
mod relay;
mod tls;

use bytes::Bytes;
use ends::{Ear, board, receive, send_all};
use harness::Server;
use relay::{Peer, RelayConfig, answer, body, door, id, send, stranger, value};
use restante::{
    cli::child::free_address,
    msrp::{
        Config, Path,
        actor::{
            CloseReason, Entry, Exchange, OpenSession, Role, SessionHandle, Switchboard,
            load_credentials,
        },
        relay::PlainAuth,
    },
    net::{
        Wire,
        tls::{Credentials, Expect, Files, Fingerprint},
    },
};
use rustix::process::{Pid, Signal, kill_process};
use std::{net::SocketAddr, rc::Rc, time::Duration};
use tls::Authority;
use tokio::net::{TcpListener, TcpStream};

fn tls_addr(board: &Switchboard) -> SocketAddr {
    board.entry_addr(Entry::Tls).unwrap()
}

fn open(
    board: &Rc<Switchboard>,
    remote: Option<Path>,
    role: Role,
    known: &[&Fingerprint],
) -> (SessionHandle, Ear) {
    let (ear, sink) = Ear::new();
    let open = OpenSession {
        local_id: board.new_session_id(),
        remote_path: remote,
        role,
        accept_types: vec![],
        max_size: None,
        sink,
    };
    let known = known.iter().map(|known| (*known).clone()).collect();
    (board.open_secure(open, known).unwrap(), ear)
}

/// Two boards of strangers to each other, whose certificates nobody vouches for.
fn strangers() -> [(Rc<Switchboard>, Fingerprint); 2] {
    ["one.example", "two.example"].map(|name| {
        let authority = Authority::new();
        let config = authority.config(name);
        let der = std::fs::read(config.tls.certificate.as_ref().unwrap()).unwrap();
        let der = <rustls::pki_types::CertificateDer<'_> as rustls::pki_types::pem::PemObject>::
            from_pem_slice(&der)
            .unwrap();
        (board(&config), Fingerprint::of(&der))
    })
}

#[actix::test]
async fn session_between_strangers_is_protected_by_the_fingerprints_they_announced() {
    let [(ours, our_print), (theirs, their_print)] = strangers();
    let (passive, mut passive_ear) = open(&theirs, None, Role::Passive, &[&our_print]);
    assert!(passive.local_uri().is_secure());
    let (active, mut active_ear) = open(
        &ours,
        Some(passive.local_uri().clone().into()),
        Role::Active(tls_addr(&theirs)),
        &[&their_print],
    );
    passive.set_remote(&active.local_uri().clone().into());
    active_ear.bound().await;
    passive_ear.bound().await;
    let octets = Bytes::from(vec![b'x'; 300_000]);
    send_all(&active, "m1", octets.clone(), 10_000).await;
    assert_eq!(
        receive(&mut passive_ear).await,
        ("m1".into(), octets.to_vec())
    );
}

#[actix::test]
async fn server_with_another_certificate_than_announced_is_not_talked_to() {
    let [(ours, our_print), (theirs, _)] = strangers();
    let (passive, _ear) = open(&theirs, None, Role::Passive, &[]);
    let remote = Some(passive.local_uri().clone().into());
    let role = Role::Active(tls_addr(&theirs));
    let (_active, mut ear) = open(&ours, remote, role, &[&our_print]);
    assert_eq!(ear.closed().await, CloseReason::Certificate);
}

#[actix::test]
async fn client_with_another_certificate_than_announced_binds_nothing() {
    let [(ours, _), (theirs, their_print)] = strangers();
    let (passive, mut passive_ear) = open(&theirs, None, Role::Passive, &[&their_print]);
    let remote = Some(passive.local_uri().clone().into());
    let role = Role::Active(tls_addr(&theirs));
    let (active, mut ear) = open(&ours, remote, role, &[&their_print]);
    passive.set_remote(&active.local_uri().clone().into());
    assert_eq!(ear.closed().await, CloseReason::Refused(481));
    let nothing = tokio::time::timeout(Duration::from_millis(50), passive_ear.try_next());
    assert!(nothing.await.is_err());
}

#[actix::test]
async fn trusted_server_needs_no_fingerprint_and_an_unknown_one_is_refused() {
    let authority = Authority::new();
    let theirs = board(&authority.config("two.example"));
    for (ours, is_trusting) in [
        (board(&authority.config("one.example")), true),
        (board(&Authority::new().config("one.example")), false),
    ] {
        let (passive, _ear) = open(&theirs, None, Role::Passive, &[]);
        let remote = Some(passive.local_uri().clone().into());
        let role = Role::Active(tls_addr(&theirs));
        let (active, mut ear) = open(&ours, remote, role, &[]);
        passive.set_remote(&active.local_uri().clone().into());
        match is_trusting {
            true => ear.bound().await,
            false => assert_eq!(ear.closed().await, CloseReason::Certificate),
        }
    }
}

fn relay_at(config: Config) -> Rc<Switchboard> {
    let relay = RelayConfig {
        plain_auth: PlainAuth::Never,
        ..RelayConfig::default()
    };
    start_protected(&config, relay)
}

fn start_protected(config: &Config, relay: RelayConfig) -> Rc<Switchboard> {
    let exchange = Exchange::relaying(1, relay::desk(relay, &relay::keys()));
    exchange.protect(load_credentials(config).unwrap().unwrap());
    Switchboard::start(0, &exchange, config).unwrap()
}

fn secure_door(board: &Switchboard) -> String {
    format!("msrps://{};tcp", tls_addr(board))
}

#[actix::test]
async fn client_that_comes_by_tls_gets_a_protected_uri() {
    let authority = Authority::new();
    let board = relay_at(authority.config("relay.example"));
    let mut plain = stranger(&board, "mallory").await;
    let refused = plain.auth(&door(&board), "").await;
    assert!(refused.starts_with("MSRP a1b2c3d4 403 "), "{refused}");

    let way = authority.bridge_to(tls_addr(&board), None).await;
    let mut bob = Peer::connect(way, "bob").await;
    let relay = bob.use_path(&secure_door(&board), "bob").await;
    assert!(
        relay.starts_with(&format!("msrps://{}/", tls_addr(&board))),
        "{relay}"
    );
    let mut alice = Peer::connect(way, "alice").await;
    let to = format!("{relay} {}", bob.uri);
    let text = "x".repeat(100_000);
    alice
        .write(&send("one1", &to, &alice.uri.clone(), "", &text))
        .await;
    assert_eq!(
        alice.frame().await,
        answer("one1", "200 OK", &alice.uri, &relay)
    );
    let mut got = String::new();
    while got.len() < text.len() {
        let passed = bob.frame().await;
        got.push_str(body(&passed));
        let to = value(&passed, "From-Path")
            .unwrap()
            .split(' ')
            .next()
            .unwrap();
        let answer = answer(id(&passed), "200 OK", to, &bob.uri);
        bob.write(&answer).await;
    }
    assert_eq!(got, text);
}

#[actix::test]
async fn next_hop_that_wants_protection_is_reached_by_tls_and_must_be_who_it_says() {
    let (authority, impostors) = (Authority::new(), Authority::new());
    let board = relay_at(authority.config("relay.example"));
    let way = authority.bridge_to(tls_addr(&board), None).await;
    let mut alice = Peer::connect(way, "alice").await;
    let relay = alice.use_path(&secure_door(&board), "alice").await;

    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let behind = listener.local_addr().unwrap();
    let bob = authority
        .bridge_from(&authority.issue("bob.example"), behind)
        .await;
    let to = format!("{relay} msrps://{bob}/bob;tcp");
    alice
        .write(&send("one1", &to, &alice.uri.clone(), "", "Hi Bob"))
        .await;
    alice.frame().await;
    let mut bob = Peer::accept(&listener, "bob").await;
    assert_eq!(body(&bob.frame().await), "Hi Bob");

    let impostor = impostors
        .bridge_from(&impostors.issue("bob.example"), behind)
        .await;
    let to = format!("{relay} msrps://{impostor}/bob;tcp");
    alice
        .write(&send("two2", &to, &alice.uri.clone(), "", "Hi Bob"))
        .await;
    let report = alice.frame().await;
    let report = match report.starts_with("MSRP two2 200 ") {
        true => alice.frame().await,
        false => report,
    };
    assert!(
        report.contains("REPORT") || report.contains(" 4"),
        "{report}"
    );
}

#[actix::test]
async fn relay_that_shows_a_known_certificate_needs_no_password() {
    let authority = Authority::new();
    let mut config = authority.config("relay.example");
    config.tls.relays = vec!["next.invalid".into()];
    let board = relay_at(config);
    for (name, is_known) in [("next.invalid", true), ("other.invalid", false)] {
        let own = authority.issue(name);
        let way = authority.bridge_to(tls_addr(&board), Some(&own)).await;
        let mut peer = Peer::connect(way, "next").await;
        let answer = peer.auth(&secure_door(&board), "").await;
        let status = if is_known { "200" } else { "401" };
        assert!(
            answer.starts_with(&format!("MSRP a1b2c3d4 {status} ")),
            "{answer}"
        );
    }
}

#[actix::test]
async fn relay_on_ipv6_serves_plain_and_protected_clients() {
    let authority = Authority::new();
    let config = Config {
        listen: "[::1]:0".parse().unwrap(),
        tls_listen: Some("[::1]:0".parse().unwrap()),
        ..authority.config("relay.example")
    };
    let board = start_protected(&config, RelayConfig::default());
    let mut bob = stranger(&board, "bob").await;
    let to_bob = bob.use_path(&door(&board), "bob").await;
    assert!(to_bob.starts_with("msrp://[::1]:"), "{to_bob}");
    let way = authority.bridge_to(tls_addr(&board), None).await;
    let mut alice = Peer::connect(way, "alice").await;
    let to_alice = alice.use_path(&secure_door(&board), "alice").await;
    assert!(to_alice.starts_with("msrps://[::1]:"), "{to_alice}");
    let to = format!("{to_alice} {to_bob} {}", bob.uri);
    alice
        .write(&send("one1", &to, &alice.uri.clone(), "", "Hi Bob"))
        .await;
    assert!(alice.frame().await.starts_with("MSRP one1 200 "));
    assert_eq!(body(&bob.frame().await), "Hi Bob");
}

#[actix::test]
async fn server_shows_its_new_certificate_after_sighup_and_keeps_its_connections() {
    let authority = Authority::new();
    let first = authority.issue("two.example");
    let at = free_address().unwrap();
    let server = Server::with("msrp.tls_listen", at)
        .with("msrp.tls.certificate", first.certificate.display())
        .with("msrp.tls.key", first.key.display())
        .start();
    let client = Credentials::load(Files {
        trust: Some(authority.trust()),
        ..Files::default()
    })
    .unwrap();
    let connect = async || {
        let tcp = TcpStream::connect(at).await.unwrap();
        let expect = Expect::Host("two.example".into());
        Wire::connect_tls(tcp, &client, &expect).await.unwrap()
    };
    let shown = |wire: &Wire| wire.peer().unwrap().fingerprint;
    let old = connect().await;
    assert_eq!(shown(&old), first.fingerprint);
    let way = authority.bridge_to(at, None).await;
    let mut peer = Peer::connect(way, "alice").await;
    peer.auth("msrps://two.example:2855;tcp", "").await;

    let second = authority.issue("two.example");
    let pid = Pid::from_raw(i32::try_from(server.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    let mut seen = first.fingerprint.clone();
    for _ in 0..200 {
        seen = shown(&connect().await);
        if seen == second.fingerprint {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(seen, second.fingerprint);
    let answer = peer.auth("msrps://two.example:2855;tcp", "").await;
    assert!(answer.starts_with("MSRP a1b2c3d4 401 "), "{answer}");
}

#[actix::test]
async fn switchboard_without_certificates_does_not_listen_for_tls() {
    let config = Authority::new().config("relay.example");
    let started = Switchboard::start(0, &Exchange::new(1), &config);
    let error = started.map(drop).unwrap_err().to_string();
    assert!(error.contains("`msrp.tls_listen`"), "{error}");
}

#[test]
fn tls_without_a_certificate_is_refused_by_its_key() {
    let config = Config {
        tls_listen: Some(([127, 0, 0, 1], 0).into()),
        ..Config::default()
    };
    let fault = config.check().map_err(|(key, _)| key);
    assert_eq!(fault, Err("msrp.tls.certificate"));
}
