//! A relay on several arbiters, whose clients may be anywhere: over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod relay;

use futures_util::future::join_all;
use relay::{
    Peer, RelayConfig, answer, anywhere, body, desk, flag, id, keys, plain_request, send, talk,
    value,
};
use restante::{
    msrp::actor::{Exchange, Switchboard},
    net::Shards,
};
use std::{net::SocketAddr, time::Duration};

const SHARDS: usize = 3;

/// Starts a relay on all arbiters; returns where it listens.
async fn start() -> (Shards, SocketAddr) {
    let shards = Shards::start(SHARDS);
    let exchange = Exchange::relaying(SHARDS, desk(RelayConfig::default(), &keys()));
    let mut listen = None;
    for shard in 0..SHARDS {
        let exchange = exchange.clone();
        let started = shards.run_on(shard, move || async move {
            let board = Switchboard::start(shard, &exchange, &anywhere()).unwrap();
            board.listen_addr()
        });
        listen = Some(started.await.unwrap());
    }
    (shards, listen.unwrap())
}

/// Clients of the relay with their URIs there: enough for some on each arbiter.
async fn clients(listen: SocketAddr) -> Vec<(Peer, String)> {
    let mut clients = Vec::new();
    for number in 0..9 {
        let name = format!("client{number}");
        let mut peer = Peer::connect(listen, &name).await;
        let given = peer.use_path(&format!("msrp://{listen};tcp"), &name).await;
        clients.push((peer, given));
    }
    clients
}

#[actix::test]
async fn every_client_reaches_every_other_and_is_answered_by_its_own_uri() {
    let (_shards, listen) = start().await;
    let mut clients = clients(listen).await;
    for from in 0..clients.len() {
        for to in (0..clients.len()).filter(|to| *to != from) {
            let (uri, given) = (clients[from].0.uri.clone(), clients[from].1.clone());
            let (far, last) = (clients[to].1.clone(), clients[to].0.uri.clone());
            let name = format!("t{from}t{to}");
            let path = format!("{given} {far} {last}");
            clients[from]
                .0
                .write(&send(&name, &path, &uri, "", &name))
                .await;
            let taken = clients[from].0.frame().await;
            assert_eq!(taken, answer(&name, "200 OK", &uri, &given));
            let passed = clients[to].0.take("413 Stop Sending").await;
            let back = format!("{far} {given} {uri}");
            assert_eq!(value(&passed, "From-Path"), Some(back.as_str()));
            assert_eq!(body(&passed), name);
            let told = clients[from].0.frame().await;
            assert!(told.contains("\r\nStatus: 000 413 "), "{told}");
            assert!(
                told.contains(&format!("\r\nMessage-ID: m-{name}\r\n")),
                "{told}"
            );
        }
    }
}

#[actix::test]
async fn one_stranger_s_connection_leads_to_clients_of_all_arbiters() {
    let (_shards, listen) = start().await;
    let mut clients = clients(listen).await;
    let mut alice = Peer::connect(listen, "alice").await;
    let long = "0123456789abcdef".repeat(10_000);
    for (client, given) in &mut clients {
        let to = format!("{given} {}", client.uri);
        alice
            .write(&send("t1t1", &to, &alice.uri.clone(), "", &long))
            .await;
        let mut got = String::new();
        loop {
            let passed = client.take("200 OK").await;
            got.push_str(body(&passed));
            if flag(&passed) == '$' {
                break;
            }
        }
        assert!(got == long);
        assert_eq!(
            alice.frame().await,
            answer("t1t1", "200 OK", &alice.uri, given)
        );
        // and the way back, for what wants an answer from the other end
        let back = format!("{given} {}", alice.uri);
        let text = plain_request(
            "n1n1",
            "NICKNAME",
            &back,
            &client.uri,
            "Use-Nickname: \"x\"\r\n",
        );
        client.write(&text).await;
        let passed = alice.frame().await;
        let from = value(&passed, "From-Path").unwrap().to_owned();
        assert_eq!(
            from,
            to.replace(&client.uri, "").trim().to_owned() + " " + &client.uri
        );
        alice
            .write(&answer(
                id(&passed),
                "425 Nickname In Use",
                &from,
                &alice.uri.clone(),
            ))
            .await;
        let told = client.frame().await;
        assert_eq!(
            told,
            answer("n1n1", "425 Nickname In Use", &client.uri, &back)
        );
    }
}

#[actix::test]
async fn client_that_comes_back_is_reached_whichever_arbiter_it_is_on() {
    let (_shards, listen) = start().await;
    let mut alice = Peer::connect(listen, "alice").await;
    let mut first = Peer::connect(listen, "bob").await;
    let given = first.use_path(&format!("msrp://{listen};tcp"), "bob").await;
    let to = format!("{given} {}", first.uri);
    let mut left = vec![first];
    for round in 0..8 {
        let mut bob = Peer::connect(listen, "bob").await;
        assert_eq!(bob.use_path(&given, "bob").await, given);
        // another arbiter finds out with its next look at the timers
        tokio::time::sleep(Duration::from_millis(600)).await;
        let name = format!("t{round}t{round}");
        alice
            .write(&send(&name, &to, &alice.uri.clone(), "", "x"))
            .await;
        bob.take("200 OK").await;
        assert_eq!(
            alice.frame().await,
            answer(&name, "200 OK", &alice.uri, &given)
        );
        left.push(bob);
    }
}

/// Each sends to the next one before it is known where that one is: connections may move while
/// more comes in on them.
#[actix::test]
async fn clients_of_all_arbiters_flood_each_other_and_nothing_is_lost() {
    let (_shards, listen) = start().await;
    for _ in 0..3 {
        let clients = clients(listen).await;
        let ends: Vec<_> = clients
            .iter()
            .map(|(peer, given)| (given.clone(), peer.uri.clone()))
            .collect();
        let talks = clients.into_iter().enumerate().map(|(at, (peer, given))| {
            let (far, last) = &ends[(at + 1) % ends.len()];
            talk(peer, format!("{given} {far} {last}"), 150)
        });
        join_all(talks).await;
    }
}
