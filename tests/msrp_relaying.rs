//! The relay of RFC 4976 over real sockets, against literal requests and responses.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod relay;

use relay::{Peer, answer, anywhere, door, id, send, start, value};
use std::time::Duration;

#[actix::test]
async fn send_from_outside_reaches_the_client_and_is_answered_at_once() {
    let board = start(&anywhere(), restante::msrp::relay::Config::default());
    let mut bob = Peer::connect(board.listen_addr(), "bob").await;
    let relay = bob.use_path(&door(&board), "bob").await;
    let mut alice = Peer::connect(board.listen_addr(), "alice").await;
    for round in ["one1", "two2"] {
        let to = format!("{relay} {}", bob.uri);
        alice
            .write(&send(round, &to, &alice.uri.clone(), "", "Hi Bob"))
            .await;
        let taken = alice.frame().await;
        assert_eq!(taken, answer(round, "200 OK", &alice.uri, &relay));
        let passed = bob.frame().await;
        let new = id(&passed).to_owned();
        let expected = send(
            &new,
            &bob.uri,
            &format!("{relay} {}", alice.uri),
            "",
            "Hi Bob",
        );
        assert_eq!(
            passed.replace(&format!("m-{round}"), &format!("m-{new}")),
            expected
        );
        assert_ne!(new, round);
        bob.write(&answer(&new, "200 OK", &relay, &bob.uri)).await;
    }
    assert!(alice.is_silent(Duration::from_millis(50)).await);
}

#[actix::test]
async fn error_of_the_next_hop_comes_back_as_report() {
    let board = start(&anywhere(), restante::msrp::relay::Config::default());
    let mut bob = Peer::connect(board.listen_addr(), "bob").await;
    let relay = bob.use_path(&door(&board), "bob").await;
    let mut alice = Peer::connect(board.listen_addr(), "alice").await;
    let to = format!("{relay} {}", bob.uri);
    alice
        .write(&send("one1", &to, &alice.uri.clone(), "", "Hi Bob"))
        .await;
    alice.frame().await;
    let passed = bob.frame().await;
    bob.write(&answer(id(&passed), "413 Stop Sending", &relay, &bob.uri))
        .await;
    let report = alice.frame().await;
    assert!(report.starts_with(&format!("MSRP {} REPORT\r\n", id(&report))));
    assert_eq!(value(&report, "To-Path"), Some(alice.uri.as_str()));
    assert_eq!(value(&report, "From-Path"), Some(relay.as_str()));
    assert_eq!(value(&report, "Message-ID"), Some("m-one1"));
    assert_eq!(value(&report, "Byte-Range"), Some("1-6/6"));
    assert!(value(&report, "Status").unwrap().starts_with("000 413"));
}

#[actix::test]
async fn client_of_a_relay_reaches_another_client_of_it() {
    let board = start(&anywhere(), restante::msrp::relay::Config::default());
    let mut bob = Peer::connect(board.listen_addr(), "bob").await;
    let to_bob = bob.use_path(&door(&board), "bob").await;
    let mut alice = Peer::connect(board.listen_addr(), "alice").await;
    let to_alice = alice.use_path(&door(&board), "alice").await;
    let to = format!("{to_alice} {to_bob} {}", bob.uri);
    alice
        .write(&send(
            "one1",
            &to,
            &alice.uri.clone(),
            "Success-Report: yes\r\n",
            "Hi Bob",
        ))
        .await;
    assert_eq!(
        alice.frame().await,
        answer("one1", "200 OK", &alice.uri, &to_alice)
    );
    let passed = bob.frame().await;
    assert_eq!(value(&passed, "To-Path"), Some(bob.uri.as_str()));
    let from = format!("{to_bob} {to_alice} {}", alice.uri);
    assert_eq!(value(&passed, "From-Path"), Some(from.as_str()));
    let report = format!(
        "MSRP r1r1 REPORT\r\nTo-Path: {from}\r\nFrom-Path: {}\r\nMessage-ID: m-one1\r\n\
         Byte-Range: 1-6/6\r\nStatus: 000 200 OK\r\n-------r1r1$\r\n",
        bob.uri
    );
    bob.write(&report).await;
    let report = alice.frame().await;
    assert_eq!(value(&report, "To-Path"), Some(alice.uri.as_str()));
    let back = format!("{to_alice} {to_bob} {}", bob.uri);
    assert_eq!(value(&report, "From-Path"), Some(back.as_str()));
}
