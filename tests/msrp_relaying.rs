//! The relay of RFC 4976 over real sockets, against literal requests and responses.
//!
//! Which file holds which rule, for sessions and for the relay:
//!
//! | rule | source | held by |
//! |---|---|---|
//! | paths come first, and in order | RFC 4975 §7.1 | `msrp_codec`, `bad_input`, `msrp_relay_requests` |
//! | `$`, `+`, `#` end a chunk; an end-line of another id is content | §7.1, §9 | `msrp_codec`, `msrp_streams`, `msrp_relay_passage`, `msrp_relay_requests` |
//! | transaction ids are new on each hop | §7.1, RFC 4976 §6.4 | `msrp_relaying`, `msrp_relay_requests`, `msrp_relay_guard` |
//! | long SENDs can be interrupted and given up anywhere | §7.1.1 | `msrp_sessions`, `msrp_relay_passage` |
//! | what came counts, not what Byte-Range announced; any order; the later chunk wins | §7.3.1 | `msrp_assembly`, `msrp_relay_requests` |
//! | a SEND is answered to the previous hop, others to the source | §7.2 | `msrp_relaying`, `msrp_relay_chain`, `msrp_relay_requests` |
//! | a REPORT is neither answered nor reported on | §7.1.2 | `msrp_sessions`, `msrp_relay_requests`, `msrp_relaying` |
//! | a connection that binds nothing, or authenticates nobody, is closed | §5.4, RFC 4976 §6.1 | `msrp_sessions`, `msrp_auth` |
//! | session ids and relay URIs cannot be guessed | §14.1, RFC 4976 §6.3 | `msrp_auth` |
//! | many sessions on one connection, 506 for a second one | §5.4 | `msrp_sessions`, `msrp_relay_guard` |
//! | Failure-Report yes, partial, no, absent: answer, error, silence, loss | §7.1.1, RFC 4976 §6.4.1 | `msrp_relaying`, `msrp_relay_passage`, `msrp_sessions`, `msrp_joins` |
//! | success REPORTs go all the way | §7.1.2 | `msrp_sessions`, `msrp_relaying`, `msrp_relay_chain` |
//! | AUTH: 401, 200, 423, Authentication-Info, no Basic, closing after failures | RFC 4976 §5.1, §6.3, §9.1 | `msrp_auth`, `msrp_relay_chain` |
//! | Use-Path in order, refresh on the URI | §4.2, §5.1 | `msrp_relay_chain`, `msrp_auth` |
//! | a URI is good on its connection until it ends, and for its client alone | §6.3, §6.4 | `msrp_relay_guard`, `msrp_relay_shards` |
//! | error, silence, loss and unreachable hops come back as REPORT | §6.4.1, §6.4.3 | `msrp_relaying`, `msrp_relay_chain` |
//! | other methods and their answers go end to end; short bodies only | §6.4.2 | `msrp_relay_requests`, `msrp_relay_chain` |
//! | one connection to a next hop | §6.4.2 | `msrp_relay_chain` |
//! | who is slow slows his own senders; nothing is lost after its 200 | §6.4.1 | `msrp_relay_pressure`, `msrp_relay_limits` |
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod relay;

use relay::{
    Peer, RelayConfig, answer, anywhere, client, door, id, plain_request, send, start, start_any,
    stranger, value,
};
use restante::{cli::child::free_address, msrp::Config};
use std::time::Duration;

#[actix::test]
async fn send_from_outside_reaches_the_client_and_is_answered_at_once() {
    let board = start_any();
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
    let board = start_any();
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
    let board = start_any();
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

/// RFC 4975 §7.1.2 and §7.2, RFC 4976 §6.4.1: what each value of Failure-Report obliges a relay to.
const ROWS: [(&str, bool, bool, bool); 4] = [
    // the header line, answered 200, REPORT on an error, REPORT on silence and loss
    ("", true, true, true),
    ("Failure-Report: yes\r\n", true, true, true),
    ("Failure-Report: partial\r\n", false, true, false),
    ("Failure-Report: no\r\n", false, false, false),
];

/// What a relay says itself about a message of six octets.
fn report(id: &str, alice: &Peer, relay: &str, message: &str, status: &str) -> String {
    format!(
        "MSRP {id} REPORT\r\nTo-Path: {}\r\nFrom-Path: {relay}\r\nMessage-ID: {message}\r\n\
         Byte-Range: 1-6/6\r\nStatus: 000 {status}\r\n-------{id}$\r\n",
        alice.uri
    )
}

#[actix::test]
async fn send_is_answered_and_its_error_reported_as_failure_report_says() {
    let board = start_any();
    let (mut bob, relay) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let (to, from) = (format!("{relay} {}", bob.uri), alice.uri.clone());
    for (row, (field, is_answered, is_reported, _)) in ROWS.into_iter().enumerate() {
        let name = format!("row{row}");
        alice.write(&send(&name, &to, &from, field, "Hi Bob")).await;
        if is_answered {
            let taken = answer(&name, "200 OK", &from, &relay);
            assert_eq!(alice.frame().await, taken, "{field}");
        }
        let passed = bob.take("415 Unsupported Media Type").await;
        assert!(passed.contains(field), "{passed}");
        bob.drained(&relay).await;
        if is_reported {
            let told = alice.frame().await;
            let message = format!("m-{name}");
            let status = "415 Unsupported Media Type";
            assert_eq!(told, report(id(&told), &alice, &relay, &message, status));
        }
        alice.drained(&relay).await;
    }
}

#[actix::test]
async fn silence_of_the_next_hop_is_reported_as_408_where_every_send_is_answered() {
    let config = Config {
        response_timeout: Duration::from_millis(300),
        ..anywhere()
    };
    let board = start(&config, RelayConfig::default());
    let (mut bob, relay) = client(&board, "bob").await;
    let (to, mut alice) = (
        format!("{relay} {}", bob.uri),
        stranger(&board, "alice").await,
    );
    let from = alice.uri.clone();
    for (row, (field, ..)) in ROWS.into_iter().enumerate() {
        let name = format!("row{row}");
        alice.write(&send(&name, &to, &from, field, "Hi Bob")).await;
        bob.frame().await;
    }
    for name in ["row0", "row1"] {
        assert_eq!(alice.frame().await, answer(name, "200 OK", &from, &relay));
    }
    let mut told = [alice.frame().await, alice.frame().await];
    told.sort_by_key(|told| value(told, "Message-ID").map(str::to_owned));
    for (row, told) in told.iter().enumerate() {
        let message = format!("m-row{row}");
        let status = "408 Transaction Timed Out";
        assert_eq!(*told, report(id(told), &alice, &relay, &message, status));
    }
    assert!(alice.is_silent(Duration::from_millis(600)).await);
}

#[actix::test]
async fn late_answer_and_answer_to_nothing_are_dropped() {
    let config = Config {
        response_timeout: Duration::from_millis(200),
        ..anywhere()
    };
    let board = start(&config, RelayConfig::default());
    let (mut bob, relay) = client(&board, "bob").await;
    let (to, mut alice) = (
        format!("{relay} {}", bob.uri),
        stranger(&board, "alice").await,
    );
    let from = alice.uri.clone();
    alice.write(&send("t1t1", &to, &from, "", "Hi Bob")).await;
    let passed = bob.frame().await;
    assert!(alice.frame().await.starts_with("MSRP t1t1 200 "));
    assert!(alice.frame().await.contains("\r\nStatus: 000 408 "));
    for (id, status) in [
        (id(&passed), "200 OK"),
        (id(&passed), "413 Stop Sending"),
        ("0011223344556677", "200 OK"),
        ("0011223344556677", "481 No Such Session"),
        ("nobodys", "200 OK"),
    ] {
        bob.write(&answer(id, status, &relay, &bob.uri.clone()))
            .await;
    }
    bob.drained(&relay).await;
    alice.drained(&relay).await;
    alice.write(&send("t2t2", &to, &from, "", "Hi Bob")).await;
    bob.take("200 OK").await;
    assert!(alice.frame().await.starts_with("MSRP t2t2 200 "));
}

#[actix::test]
async fn lost_connection_is_reported_as_408_for_every_send_that_nobody_answered() {
    let board = start_any();
    let (mut bob, relay) = client(&board, "bob").await;
    let (to, mut alice) = (
        format!("{relay} {}", bob.uri),
        stranger(&board, "alice").await,
    );
    let from = alice.uri.clone();
    alice.write(&send("done", &to, &from, "", "Hi Bob")).await;
    bob.take("200 OK").await;
    for (row, (field, ..)) in ROWS.into_iter().enumerate() {
        let name = format!("row{row}");
        alice.write(&send(&name, &to, &from, field, "Hi Bob")).await;
        bob.frame().await;
    }
    for name in ["done", "row0", "row1"] {
        assert_eq!(alice.frame().await, answer(name, "200 OK", &from, &relay));
    }
    drop(bob);
    let mut told = [alice.frame().await, alice.frame().await];
    told.sort_by_key(|told| value(told, "Message-ID").map(str::to_owned));
    for (row, told) in told.iter().enumerate() {
        let message = format!("m-row{row}");
        let status = "408 Transaction Timed Out";
        assert_eq!(*told, report(id(told), &alice, &relay, &message, status));
    }
    alice.drained(&relay).await;
}

#[actix::test]
async fn next_hop_that_cannot_be_reached_is_reported_as_408() {
    let board = start_any();
    let (mut bob, relay) = client(&board, "bob").await;
    let nobody = format!("msrp://{}/gone;tcp", free_address().unwrap());
    let (to, from) = (format!("{relay} {nobody}"), bob.uri.clone());
    for (row, (field, is_answered, is_reported, _)) in ROWS.into_iter().enumerate() {
        let name = format!("row{row}");
        bob.write(&send(&name, &to, &from, field, "Hi Bob")).await;
        if is_answered {
            let taken = answer(&name, "200 OK", &from, &relay);
            assert_eq!(bob.frame().await, taken, "{field}");
        }
        if is_reported {
            let (told, message) = (bob.frame().await, format!("m-{name}"));
            let status = "408 Transaction Timed Out";
            assert_eq!(told, report(id(&told), &bob, &relay, &message, status));
        }
        bob.drained(&relay).await;
    }
    // nobody hears of a REPORT that got lost
    let about = "Message-ID: m1m1\r\nStatus: 000 200 OK\r\n";
    bob.write(&plain_request("rrrr", "REPORT", &to, &from, about))
        .await;
    bob.drained(&relay).await;
}
