//! Who may have what relayed, and where to: against literal requests and responses over real
//! sockets (RFC 4976 §6.2, §6.4 and §9.2).
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod relay;

use relay::{
    PASSWORD, Peer, RelayConfig, answer, anywhere, client, door, id, plain_request, send, start,
    start_any, stranger, value,
};
use restante::{
    cli::child::free_address,
    clock,
    msrp::{
        Config,
        actor::Switchboard,
        relay::{KeyRing, Sealer, Ticket},
    },
};
use std::time::Duration;
use tokio::net::TcpListener;

/// Writes a SEND that must be refused 481, and the like where nothing may be answered.
async fn is_refused(peer: &mut Peer, to: &str) {
    let from = peer.uri.clone();
    for (field, is_answered) in [
        ("", true),
        ("Failure-Report: partial\r\n", true),
        ("Failure-Report: no\r\n", false),
    ] {
        peer.write(&send("bad1", to, &from, field, "x")).await;
        if is_answered {
            let refused = answer("bad1", "481 No Such Session", &from, to);
            assert_eq!(peer.frame().await, refused, "{to} {field}");
        }
    }
    let about = "Message-ID: m1\r\nStatus: 000 200 OK\r\n";
    peer.write(&plain_request("bad2", "REPORT", to, &from, about))
        .await;
    peer.write(&plain_request("bad3", "NICKNAME", to, &from, ""))
        .await;
    let refused = answer("bad3", "481 No Such Session", &from, to);
    assert_eq!(peer.frame().await, refused, "{to}");
}

fn seconds() -> u64 {
    clock::wall().millis() / 1000
}

/// Makes a relay URI of this relay's shape.
fn sealed(board: &Switchboard, keys: &KeyRing, not_after: u64) -> String {
    let ticket = Ticket {
        id: *b"once in life",
        owner: 7,
        not_after,
    };
    let id = Sealer::new(keys).seal(0, &ticket);
    format!("msrp://{}/{id};tcp", board.listen_addr())
}

#[actix::test]
async fn uri_that_was_not_given_out_is_refused() {
    let board = start_any();
    let (mut bob, given) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let hour = seconds() + 3600;
    let same_number = KeyRing::new([6; 32], clock::wall());
    let mut unknown_number = same_number.clone();
    for _ in 0..4 {
        unknown_number.rotate([5; 32], clock::wall(), Duration::from_secs(3600));
    }
    let at = given.find(";tcp").unwrap() - 3;
    let mut forged = given.clone();
    let other = if &given[at..=at] == "A" { "B" } else { "A" };
    forged.replace_range(at..=at, other);
    let shard = given.replace("/00", "/01");
    for wrong in [
        forged,
        shard,
        sealed(&board, &relay::keys(), seconds() - 1),
        sealed(&board, &relay::keys(), hour),
        sealed(&board, &same_number, hour),
        sealed(&board, &unknown_number, hour),
        format!("msrp://{}/short;tcp", board.listen_addr()),
    ] {
        let to = format!("{wrong} {}", bob.uri);
        is_refused(&mut alice, &to).await;
        is_refused(&mut bob, &to).await;
    }
    let to = format!("{given} {}", bob.uri);
    alice
        .write(&send("good", &to, &alice.uri.clone(), "", "x"))
        .await;
    assert!(alice.frame().await.starts_with("MSRP good 200 "));
    bob.take("200 OK").await;
}

/// Without this the relay would be open to everybody.
#[actix::test]
async fn strangers_get_nowhere_but_to_the_client_of_a_uri() {
    let board = start_any();
    let (mut bob, given) = client(&board, "bob").await;
    let (mut carol, of_carol) = client(&board, "carol").await;
    let outside = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let victim = format!("msrp://{}/victim;tcp", outside.local_addr().unwrap());
    let mut mallory = stranger(&board, "mallory").await;
    for to in [
        format!("{given} {victim}"),
        format!("{given} {victim} {}", bob.uri),
        given.clone(),
        format!("{given} {}", carol.uri),
        format!("{given} {given} {}", bob.uri),
        format!("{given} {of_carol} {}", carol.uri),
    ] {
        is_refused(&mut mallory, &to).await;
    }
    // a client is a stranger to the URIs of others
    is_refused(&mut carol, &format!("{given} {victim}")).await;
    is_refused(&mut carol, &format!("{given} {of_carol} {victim}")).await;
    assert!(bob.is_silent(Duration::from_millis(50)).await);

    // the way out is for the client alone
    let to = format!("{given} {victim}");
    bob.write(&send("t1t1", &to, &bob.uri.clone(), "", "x"))
        .await;
    assert!(bob.frame().await.starts_with("MSRP t1t1 200 "));
    let mut outside = Peer::accept(&outside, "victim").await;
    let passed = outside.frame().await;
    assert_eq!(
        value(&passed, "From-Path"),
        Some(format!("{given} {}", bob.uri).as_str())
    );
}

#[actix::test]
async fn request_that_goes_in_circles_is_stopped() {
    let board = start_any();
    let (bob, given) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let to = format!("{given} {}", bob.uri);
    let from = vec![alice.uri.clone(); 17].join(" ");
    alice.write(&send("t1t1", &to, &from, "", "x")).await;
    let refused = alice.frame().await;
    assert!(refused.starts_with("MSRP t1t1 403 "), "{refused}");
}

#[actix::test]
async fn answers_to_a_peer_go_where_it_was_heard_first() {
    let board = start_any();
    let (mut bob, given) = client(&board, "bob").await;
    let (mut alice, mut mallory) = (stranger(&board, "alice").await, stranger(&board, "m").await);
    let to = format!("{given} {}", bob.uri);
    for peer in [&mut alice, &mut mallory] {
        let from = "msrp://alice.invalid:9/alice;tcp";
        peer.write(&send("t1t1", &to, from, "", "x")).await;
        assert!(peer.frame().await.starts_with("MSRP t1t1 200 "));
        bob.take("200 OK").await;
    }
    let back = format!("{given} {}", alice.uri);
    bob.write(&send("t2t2", &back, &bob.uri.clone(), "", "for Alice"))
        .await;
    assert!(alice.frame().await.contains("for Alice"));
    assert!(bob.frame().await.starts_with("MSRP t2t2 200 "));
    mallory.drained(&given).await;
}

#[actix::test]
async fn uri_dies_with_its_connection_until_its_client_is_back() {
    let board = start_any();
    let (bob, given) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let (to, from) = (format!("{given} {}", bob.uri), alice.uri.clone());
    drop(bob);
    tokio::time::sleep(Duration::from_millis(50)).await;
    is_refused(&mut alice, &to).await;
    let mut bob = stranger(&board, "bob").await;
    is_refused(&mut alice, &to).await;
    assert_eq!(bob.use_path(&given, "bob").await, given);
    alice.write(&send("t1t1", &to, &from, "", "x")).await;
    assert!(alice.frame().await.starts_with("MSRP t1t1 200 "));
    bob.take("200 OK").await;
}

/// A client that changes networks is back before its old connection is known to be dead.
#[actix::test]
async fn client_that_comes_back_on_another_connection_is_reached_there() {
    let board = start_any();
    let (mut old, given) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let (to, from) = (format!("{given} {}", old.uri), alice.uri.clone());
    alice.write(&send("t1t1", &to, &from, "", "x")).await;
    assert!(alice.frame().await.starts_with("MSRP t1t1 200 "));
    old.take("200 OK").await;

    let mut bob = stranger(&board, "bob").await;
    assert_eq!(bob.use_path(&given, "bob").await, given);
    alice.write(&send("t2t2", &to, &from, "", "here?")).await;
    assert!(alice.frame().await.starts_with("MSRP t2t2 200 "));
    assert!(bob.take("200 OK").await.contains("here?"));
    let back = format!("{given} {from}");
    bob.write(&send("t3t3", &back, &bob.uri.clone(), "", "yes"))
        .await;
    assert!(alice.take("200 OK").await.contains("yes"));
    // the way out has moved, too
    old.write(&send("t4t4", &back, &old.uri.clone(), "", "no"))
        .await;
    assert!(old.frame().await.starts_with("MSRP t4t4 481 "));
}

#[actix::test]
async fn relay_that_was_restarted_takes_its_clients_back() {
    let config = Config {
        listen: free_address().unwrap(),
        ..anywhere()
    };
    let board = start(&config, RelayConfig::default());
    let (mut bob, of_bob) = client(&board, "bob").await;
    let (mut carol, of_carol) = client(&board, "carol").await;
    let mut alice = stranger(&board, "alice").await;
    board.stop();
    drop(board);
    for peer in [&mut bob, &mut carol, &mut alice] {
        assert!(peer.is_closed().await);
    }

    let board = start(&config, RelayConfig::default());
    let mut alice = stranger(&board, "alice").await;
    let (to_bob, from) = (format!("{of_bob} {}", bob.uri), alice.uri.clone());
    is_refused(&mut alice, &to_bob).await;
    let mut bob = stranger(&board, "bob").await;
    let mut carol = stranger(&board, "carol").await;
    let granted = bob.prove(&of_bob, "bob", PASSWORD, "").await;
    assert_eq!(value(&granted, "Use-Path"), Some(of_bob.as_str()));
    assert_eq!(carol.use_path(&of_carol, "carol").await, of_carol);
    alice.write(&send("t1t1", &to_bob, &from, "", "x")).await;
    assert!(alice.frame().await.starts_with("MSRP t1t1 200 "));
    bob.take("200 OK").await;
    let to = format!("{of_carol} {of_bob} {}", bob.uri);
    carol
        .write(&send("t2t2", &to, &carol.uri.clone(), "", "x"))
        .await;
    assert!(carol.frame().await.starts_with("MSRP t2t2 200 "));
    let passed = bob.take("200 OK").await;
    let back = format!("{of_bob} {of_carol} {}", carol.uri);
    assert_eq!(value(&passed, "From-Path"), Some(back.as_str()));
}

/// RFC 4975 §5.4: a focus has many sessions on one connection, and many peers behind one URI.
#[actix::test]
async fn several_peers_of_one_uri_and_several_uris_of_one_connection_are_told_apart() {
    let board = start_any();
    let (mut focus, first) = client(&board, "focus").await;
    let second = focus.use_path(&door(&board), "focus").await;
    assert_ne!(first, second);
    let (mut alice, mut bob) = (
        stranger(&board, "alice").await,
        stranger(&board, "bob").await,
    );
    let mut backs = Vec::new();
    for (number, given) in [&first, &second].into_iter().enumerate() {
        for peer in [&mut alice, &mut bob] {
            let name = format!("t{number}{number}");
            let to = format!("{given} {}", focus.uri);
            peer.write(&send(&name, &to, &peer.uri.clone(), "", "x"))
                .await;
            assert_eq!(
                peer.frame().await,
                answer(&name, "200 OK", &peer.uri, given)
            );
            let passed = focus.take("200 OK").await;
            let back = format!("{given} {}", peer.uri);
            assert_eq!(value(&passed, "From-Path"), Some(back.as_str()));
            backs.push(back);
        }
    }
    for (number, back) in backs.iter().enumerate() {
        let name = format!("b{number}{number}");
        focus
            .write(&send(&name, back, &focus.uri.clone(), "", "y"))
            .await;
        let peer = if number % 2 == 0 {
            &mut alice
        } else {
            &mut bob
        };
        let passed = peer.take("200 OK").await;
        let from = format!("{} {}", back.split(' ').next().unwrap(), focus.uri);
        assert_eq!(value(&passed, "From-Path"), Some(from.as_str()));
        assert!(
            focus
                .frame()
                .await
                .starts_with(&format!("MSRP {name} 200 "))
        );
    }
    // and one peer may have several sessions of its own on its connection
    let to = format!("{first} {}", focus.uri);
    for other in ["msrp://a:1/one;tcp", "msrp://a:1/two;tcp"] {
        alice.write(&send("t9t9", &to, other, "", "x")).await;
        assert!(alice.frame().await.starts_with("MSRP t9t9 200 "));
        focus.take("200 OK").await;
        let back = format!("{first} {other}");
        focus
            .write(&send("b9b9", &back, &focus.uri.clone(), "", "y"))
            .await;
        assert!(focus.frame().await.starts_with("MSRP b9b9 200 "));
        let passed = alice.frame().await;
        assert_eq!(value(&passed, "To-Path"), Some(other));
        assert_ne!(id(&passed), "b9b9");
    }
}
