//! The relay at its limits: many at once over TLS, through two relays, more flows and connections
//! than it keeps, and connections that nobody uses. Over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod relay;
mod tls;

use futures_util::future::{join, join_all};
use relay::{
    Messages, Peer, RelayConfig, anywhere, client, desk, door, keys, send, start, start_any,
    start_with, stranger,
};
use restante::{
    clock,
    msrp::{
        Config,
        actor::{Entry, Exchange, Switchboard, load_credentials},
        relay::KeyRing,
    },
};
use std::{rc::Rc, time::Duration};
use tls::Authority;
use tokio::net::tcp::OwnedWriteHalf;

/// Sends `count` messages from `from` to `to` by `path`, all of them answered and taken whole.
async fn pass(from: &mut Peer, to: &mut Peer, path: &str, count: usize) {
    let body = "0123456789".repeat(100);
    let uri = from.uri.clone();
    let writing = write(&mut from.writer, path, &uri, &body, count);
    let answers = async {
        for number in 0..count {
            let frame = from.reader.frame().await;
            assert!(
                frame.starts_with(&format!("MSRP t{number:05} 200 OK\r\n")),
                "{frame}"
            );
        }
    };
    let taking = async {
        let mut messages = Messages::default();
        while messages.ends.len() < count {
            messages.take(&to.take("200 OK").await);
        }
        for number in 0..count {
            assert_eq!(messages.octets(&format!("m-t{number:05}")), body);
        }
    };
    join(writing, join(answers, taking)).await;
}

async fn write(writer: &mut OwnedWriteHalf, path: &str, uri: &str, body: &str, count: usize) {
    use tokio::io::AsyncWriteExt;
    for number in 0..count {
        let text = send(&format!("t{number:05}"), path, uri, "", body);
        writer.write_all(text.as_bytes()).await.unwrap();
    }
}

fn protected(authority: &Authority) -> Rc<Switchboard> {
    let config = authority.config("relay.example");
    let exchange = Exchange::relaying(1, desk(RelayConfig::default(), &keys()));
    exchange.protect(load_credentials(&config).unwrap().unwrap());
    Switchboard::start(0, &exchange, &config).unwrap()
}

/// Others have fallen over 32 of them.
#[actix::test]
async fn dozens_of_handshakes_at_once_do_no_harm() {
    let authority = Authority::new();
    let board = protected(&authority);
    let addr = board.entry_addr(Entry::Tls).unwrap();
    let way = authority.bridge_to(addr, None).await;
    let door = format!("msrps://{addr};tcp");
    let pairs = (0..24).map(|number| {
        let door = door.clone();
        async move {
            let mut bob = Peer::connect(way, &format!("bob{number}")).await;
            let mut alice = Peer::connect(way, &format!("alice{number}")).await;
            let given = bob.use_path(&door, "bob").await;
            let path = format!("{given} {}", bob.uri);
            pass(&mut alice, &mut bob, &path, 10).await;
        }
    });
    join_all(pairs).await;
}

#[actix::test]
async fn megabytes_pass_two_relays_both_ways_at_once() {
    let inner = start_any();
    let outer = start_with(
        &anywhere(),
        RelayConfig::default(),
        &KeyRing::new([1; 32], clock::wall()),
    );
    let mut talks = Vec::new();
    for number in 0..3 {
        let (mut bob, one) = client(&inner, &format!("bob{number}")).await;
        let way = bob
            .use_path(&format!("{one} {}", door(&outer)), "bob")
            .await;
        let (one, two) = way.split_once(' ').unwrap();
        let (mut alice, of_alice) = client(&outer, &format!("alice{number}")).await;
        let to_bob = format!("{of_alice} {two} {one} {}", bob.uri);
        let to_alice = format!("{one} {two} {of_alice} {}", alice.uri);
        talks.push(async move {
            pass(&mut alice, &mut bob, &to_bob, 300).await;
            pass(&mut bob, &mut alice, &to_alice, 300).await;
        });
    }
    join_all(talks).await;
}

#[actix::test]
async fn flow_that_was_forgotten_is_found_again() {
    let config = RelayConfig {
        max_flows: 3,
        ..RelayConfig::default()
    };
    let board = start(&anywhere(), config);
    let (mut bob, given) = client(&board, "bob").await;
    let path = format!("{given} {}", bob.uri);
    let mut alice = stranger(&board, "alice").await;
    for round in 0..2 {
        for number in 0..8 {
            alice.uri = format!("msrp://alice.invalid:9/{number};tcp");
            pass(&mut alice, &mut bob, &path, 1 + round).await;
        }
    }
    // whom it heard first it reaches
    alice.uri = "msrp://alice.invalid:9/0;tcp".to_owned();
    let back = format!("{given} {}", alice.uri);
    pass(&mut bob, &mut alice, &back, 2).await;
}

#[actix::test]
async fn connections_beyond_the_limit_are_closed_and_the_others_go_on() {
    let config = Config {
        max_connections: 2,
        ..anywhere()
    };
    let board = start(&config, RelayConfig::default());
    let (mut bob, given) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let path = format!("{given} {}", bob.uri);
    pass(&mut alice, &mut bob, &path, 1).await;
    let mut third = stranger(&board, "third").await;
    assert!(third.is_closed().await);
    pass(&mut alice, &mut bob, &path, 1).await;
    drop(alice);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut third = stranger(&board, "third").await;
    pass(&mut third, &mut bob, &path, 1).await;
}

/// RFC 4976 §6.5: what nobody uses may be closed. A client waits for its messages.
#[actix::test]
async fn unused_connection_is_closed_and_a_client_that_waits_is_not() {
    let config = RelayConfig {
        idle_timeout: Duration::from_millis(300),
        ..RelayConfig::default()
    };
    let board = start(&anywhere(), config);
    let (mut bob, given) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let path = format!("{given} {}", bob.uri);
    pass(&mut alice, &mut bob, &path, 1).await;
    assert!(alice.is_closed().await);
    let mut alice = stranger(&board, "alice").await;
    pass(&mut alice, &mut bob, &path, 1).await;
}
