//! Several messages to one receiver take one call, where the device keeps calls open.
mod harness;

use harness::{
    Server,
    user::{User, message, noise},
};
use restante::{
    client::{Mode, Outcome},
    sip::transaction::Peer,
};
use std::time::{Duration, Instant};

const INVITES: &str = r#"restante_sip_requests_total{method="INVITE",direction="received"}"#;

fn start() -> Server {
    Server::start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret")
}

async fn alice(server: &Server, linger: Duration) -> User {
    let peer = Peer::tcp(server.sip());
    let alice = User::configured("alice", "secret", peer, |config| config.linger = linger);
    alice.await.log_in().await
}

async fn send(alice: &User, octets: usize) {
    let content = noise(octets);
    let sent = alice.device.send(message(&content, Mode::Channel)).await;
    let receipt = sent.expect("a receipt");
    assert_eq!(receipt.outcome, Outcome::Stored);
}

/// INVITEs that led to a call: a challenge is no call.
fn calls(server: &Server) -> f64 {
    server.metric(INVITES)
}

async fn until_no_call(server: &Server) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while server.metric("restante_sip_dialogs") > 0.0 {
        assert!(Instant::now() < deadline, "a call stays open");
        // the device lives on this thread
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[actix::test]
async fn messages_to_one_receiver_take_one_call_that_ends_after_a_while() {
    let server = start();
    let alice = alice(&server, Duration::from_secs(1)).await;
    send(&alice, 10).await;
    let first = calls(&server);
    for octets in [100_000, 20, 300_000] {
        send(&alice, octets).await;
    }
    assert_eq!(calls(&server), first);
    assert_eq!(server.metric("restante_sip_dialogs"), 1.0);
    // nothing more is said
    until_no_call(&server).await;
    send(&alice, 30).await;
    assert_eq!(calls(&server), first + 1.0);
    let (_, queue) = server.get("/api/v1/queues/sip:bob@localhost");
    assert_eq!(queue["items"].as_array().map(Vec::len), Some(5), "{queue}");
}

#[actix::test]
async fn call_the_server_has_ended_is_replaced_by_another_one() {
    let server = Server::with("participating.idle_timeout", "500ms")
        .start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret");
    let alice = alice(&server, Duration::from_secs(60)).await;
    send(&alice, 10).await;
    until_no_call(&server).await;
    send(&alice, 20).await;
    let (_, queue) = server.get("/api/v1/queues/sip:bob@localhost");
    assert_eq!(queue["items"].as_array().map(Vec::len), Some(2), "{queue}");
}

#[actix::test]
async fn every_message_has_a_call_of_its_own_where_none_is_kept() {
    let server = start();
    let alice = alice(&server, Duration::ZERO).await;
    send(&alice, 10).await;
    let first = calls(&server);
    send(&alice, 20).await;
    assert_eq!(calls(&server), first + 1.0);
}
