//! Two relays with keys of their own in one process, one behind the other: against literal
//! requests and responses over real sockets (RFC 4976 §3, §5.1 and §6.4).
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod relay;

use relay::{
    PASSWORD, Peer, RelayConfig, answer, anywhere, client, door, head, id, plain_request, send,
    start, start_with, stranger, value,
};
use restante::{
    clock,
    msrp::{Config, actor::Switchboard, relay::KeyRing},
};
use std::{rc::Rc, time::Duration};

/// An inner relay, an outer one, a client of both, and its way from the inside out.
struct Chain {
    inner: Rc<Switchboard>,
    outer: Rc<Switchboard>,
    bob: Peer,
    one: String,
    two: String,
}

async fn chain_with(config: Config) -> Chain {
    let inner = start(&config, RelayConfig::default());
    let keys = KeyRing::new([1; 32], clock::wall());
    // the clients of the inner relay are for that one to watch
    let many = RelayConfig {
        max_failures: 100,
        ..RelayConfig::default()
    };
    let outer = start_with(&config, many, &keys);
    let (mut bob, one) = client(&inner, "bob").await;
    let to = format!("{one} {}", door(&outer));
    let way = bob.use_path(&to, "bob").await;
    let (first, two) = way.split_once(' ').unwrap();
    assert_eq!(first, one, "the nearest relay stands first");
    Chain {
        two: two.to_owned(),
        inner,
        outer,
        bob,
        one,
    }
}

async fn chain() -> Chain {
    chain_with(anywhere()).await
}

impl Chain {
    /// The path to the client from outside.
    fn inward(&self) -> String {
        format!("{} {} {}", self.two, self.one, self.bob.uri)
    }

    /// The path from the client to `peer`.
    fn outward(&self, peer: &Peer) -> String {
        format!("{} {} {}", self.one, self.two, peer.uri)
    }
}

#[actix::test]
async fn auth_passes_the_inner_relay_and_both_uris_come_back_in_order() {
    let mut chain = chain().await;
    let (outer, uri) = (door(&chain.outer), chain.bob.uri.clone());
    let to = format!("{} {outer}", chain.one);
    let challenge = chain.bob.auth(&to, "").await;
    assert!(
        challenge.starts_with(&format!(
            "MSRP a1b2c3d4 401 Unauthorized\r\nTo-Path: {uri}\r\nFrom-Path: {} {outer}\r\n\
             WWW-Authenticate: Digest realm=\"relay.test\", ",
            chain.one
        )),
        "{challenge}"
    );
    let granted = chain
        .bob
        .prove(&to, "bob", PASSWORD, "Expires: 90\r\n")
        .await;
    let way = value(&granted, "Use-Path").unwrap();
    let second = way.strip_prefix(&format!("{} ", chain.one)).unwrap();
    assert!(second.starts_with(&format!("msrp://{}/", chain.outer.listen_addr())));
    assert!(
        granted.starts_with(&format!(
            "MSRP a1b2c3d4 200 OK\r\nTo-Path: {uri}\r\nFrom-Path: {} {outer}\r\n\
             Use-Path: {} {second}\r\nExpires: 90\r\nAuthentication-Info: nextnonce=",
            chain.one, chain.one
        )),
        "{granted}"
    );
    // refreshed on the URI that was given, by the same way
    let to = format!("{} {}", chain.one, chain.two);
    assert_eq!(chain.bob.use_path(&to, "bob").await, to);
}

#[actix::test]
async fn send_and_report_pass_both_relays_and_each_answers_its_neighbour() {
    let mut chain = chain().await;
    let mut alice = stranger(&chain.outer, "alice").await;
    let inward = chain.inward();
    let wants = "Success-Report: yes\r\n";
    alice
        .write(&send("t1t1", &inward, &alice.uri.clone(), wants, "Hi Bob"))
        .await;
    assert_eq!(
        alice.frame().await,
        answer("t1t1", "200 OK", &alice.uri, &chain.two)
    );
    let passed = chain.bob.take("200 OK").await;
    let from = format!("{} {} {}", chain.one, chain.two, alice.uri);
    let expected = send(id(&passed), &chain.bob.uri, &from, wants, "Hi Bob");
    let message = format!("m-{}", id(&passed));
    assert_eq!(passed, expected.replace(&message, "m-t1t1"));

    let about = "Message-ID: m-t1t1\r\nByte-Range: 1-6/6\r\nStatus: 000 200 OK\r\n";
    let report = plain_request("r1r1", "REPORT", &from, &chain.bob.uri, about);
    chain.bob.write(&report).await;
    let passed = alice.frame().await;
    let back = chain.inward();
    assert_eq!(
        passed,
        plain_request(id(&passed), "REPORT", &alice.uri, &back, about)
    );

    let outward = chain.outward(&alice);
    let uri = chain.bob.uri.clone();
    chain
        .bob
        .write(&send("t2t2", &outward, &uri, "", "Hi Alice"))
        .await;
    assert_eq!(
        chain.bob.frame().await,
        answer("t2t2", "200 OK", &uri, &chain.one)
    );
    let passed = alice.take("200 OK").await;
    let back = format!("{} {} {uri}", chain.two, chain.one);
    let expected = send(id(&passed), &alice.uri, &back, "", "Hi Alice");
    let message = format!("m-{}", id(&passed));
    assert_eq!(passed, expected.replace(&message, "m-t2t2"));
}

#[actix::test]
async fn failure_behind_both_relays_is_reported_by_the_one_that_saw_it() {
    let config = Config {
        response_timeout: Duration::from_millis(300),
        ..anywhere()
    };
    let mut chain = chain_with(config).await;
    let mut alice = stranger(&chain.outer, "alice").await;
    let inward = chain.inward();
    for (name, status) in [("t1t1", Some("413 Stop Sending")), ("t2t2", None)] {
        alice
            .write(&send(name, &inward, &alice.uri.clone(), "", "Hi Bob"))
            .await;
        assert!(
            alice
                .frame()
                .await
                .starts_with(&format!("MSRP {name} 200 "))
        );
        match status {
            Some(status) => drop(chain.bob.take(status).await),
            None => drop(chain.bob.frame().await),
        }
        let told = alice.frame().await;
        let from = format!("{} {}", chain.two, chain.one);
        let status = status.unwrap_or("408 Transaction Timed Out");
        let about =
            format!("Message-ID: m-{name}\r\nByte-Range: 1-6/6\r\nStatus: 000 {status}\r\n");
        assert_eq!(
            told,
            plain_request(id(&told), "REPORT", &alice.uri, &from, &about)
        );
    }
    assert!(
        alice.is_silent(Duration::from_millis(500)).await,
        "one relay reports it"
    );
}

#[actix::test]
async fn answers_to_other_requests_come_back_through_both_relays() {
    let mut chain = chain().await;
    let mut alice = stranger(&chain.outer, "alice").await;
    let (inward, uri) = (chain.inward(), alice.uri.clone());
    for method in ["NICKNAME", "FETCH"] {
        alice
            .write(&plain_request("n1n1", method, &inward, &uri, "X-Y: z\r\n"))
            .await;
        let passed = chain.bob.frame().await;
        let from = format!("{} {} {uri}", chain.one, chain.two);
        let expected = plain_request(id(&passed), method, &chain.bob.uri, &from, "X-Y: z\r\n");
        assert_eq!(passed, expected);
        let text = answer(id(&passed), "425 Nickname In Use", &from, &chain.bob.uri);
        chain.bob.write(&text).await;
        assert_eq!(
            alice.frame().await,
            answer("n1n1", "425 Nickname In Use", &uri, &inward)
        );
    }
}

#[actix::test]
async fn both_relays_use_one_connection_for_many_flows() {
    let mut chain = chain().await;
    let mut alices = Vec::new();
    for number in 0..5 {
        let name = format!("alice{number}");
        let mut alice = stranger(&chain.outer, &name).await;
        alice
            .write(&send(
                "t1t1",
                &chain.inward(),
                &alice.uri.clone(),
                "",
                &name,
            ))
            .await;
        assert!(chain.bob.take("200 OK").await.contains(&name));
        alice.frame().await;
        alices.push(alice);
    }
    // a second client of the inner relay, whose URI at the outer one is another
    let (mut carol, one) = client(&chain.inner, "carol").await;
    let way = carol
        .use_path(&format!("{one} {}", door(&chain.outer)), "carol")
        .await;
    let two = way.split(' ').next_back().unwrap();
    for alice in &mut alices {
        let to = format!("{two} {one} {}", carol.uri);
        alice
            .write(&send("t2t2", &to, &alice.uri.clone(), "", "for Carol"))
            .await;
        assert!(alice.frame().await.starts_with("MSRP t2t2 200 "));
        let passed = carol.take("200 OK").await;
        let from = format!("{one} {two} {}", alice.uri);
        assert_eq!(value(&passed, "From-Path"), Some(from.as_str()));
    }
}

/// RFC 4976 §6.3: proofs refused by the next relay count for the client, too.
#[actix::test]
async fn proofs_refused_by_the_outer_relay_close_the_client_connection() {
    let mut chain = chain().await;
    let to = format!("{} {}", chain.one, door(&chain.outer));
    let (mut carol, _) = client(&chain.inner, "carol").await;
    for _ in 0..3 {
        let refused = chain.bob.prove(&to, "bob", "guess", "").await;
        assert!(refused.starts_with("MSRP a1b2c3d4 401 "), "{refused}");
    }
    assert!(chain.bob.is_closed().await);
    carol.use_path(&door(&chain.inner), "carol").await;
}

#[actix::test]
async fn relay_between_is_no_stranger_and_strangers_are_no_relay() {
    let chain = chain().await;
    let mut mallory = stranger(&chain.outer, "mallory").await;
    let mut carol = stranger(&chain.inner, "carol").await;
    // at the outer relay the client's URI leads to the inner one alone
    let to = format!("{} {}", chain.two, chain.bob.uri);
    mallory
        .write(&send("t1t1", &to, &mallory.uri.clone(), "", "x"))
        .await;
    assert!(head(&mallory.frame().await).starts_with("MSRP t1t1 481 "));
    // and the inner one sends nobody out but its client
    let to = format!("{} {} {}", chain.one, chain.two, mallory.uri);
    carol
        .write(&send("t2t2", &to, &carol.uri.clone(), "", "x"))
        .await;
    assert!(head(&carol.frame().await).starts_with("MSRP t2t2 481 "));
    assert!(mallory.is_silent(Duration::from_millis(50)).await);
}
