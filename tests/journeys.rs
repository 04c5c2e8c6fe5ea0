//! What the server is for, from end to end: devices of the client library against the real
//! process. One test per journey of a message.
mod harness;

use bytes::Bytes;
use harness::{
    Server,
    user::{PATIENCE, User, address_of, assert_is, message, noise},
};
use restante::{
    client::{Channel, Mode, Outcome},
    sip::transaction::Peer,
};
use rustix::process::Signal;
use std::time::Duration;
use tokio::time::timeout;

fn start() -> Server {
    Server::start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret")
}

#[actix::test]
async fn large_message_waits_for_its_reader_and_is_handed_over_at_login() {
    let server = start();
    let alice = User::of(&server, "alice").await.log_in().await;
    let octets = noise(3 * 1024 * 1024 + 17);
    let receipt = alice
        .device
        .send(message(&octets, Mode::Channel))
        .await
        .unwrap();
    assert_eq!(receipt.outcome, Outcome::Stored);

    let mut bob = User::of(&server, "bob").await.log_in().await;
    let received = bob.next().await;
    assert_is(&received, &octets, &receipt.message_id);
    assert_eq!(received.channel, Channel::Msrp);
    bob.nothing_more().await;
    let (status, queue) = server.get("/api/v1/queues/sip:bob@localhost");
    assert_eq!(
        (status, queue["items"].as_array().map(Vec::len)),
        (200, Some(0)),
        "{queue}"
    );
}

#[actix::test]
async fn short_message_waits_and_comes_as_a_message_request() {
    let server = start();
    let alice = User::of(&server, "alice").await.log_in().await;
    let octets = Bytes::from_static(b"See you at eight.");
    let receipt = alice
        .device
        .send(message(&octets, Mode::Pager))
        .await
        .unwrap();
    assert_eq!(receipt.outcome, Outcome::Stored);

    let mut bob = User::of(&server, "bob").await.log_in().await;
    let received = bob.next().await;
    assert_is(&received, &octets, &receipt.message_id);
    assert_eq!(received.channel, Channel::Pager);
    bob.nothing_more().await;
}

#[actix::test]
async fn reader_who_is_there_gets_message_and_channel_live() {
    let server = start();
    let alice = User::of(&server, "alice").await.log_in().await;
    let mut bob = User::of(&server, "bob").await.log_in().await;
    for (size, mode) in [
        (12, Mode::Pager),
        (1, Mode::Channel),
        (2_000_000, Mode::Channel),
    ] {
        let octets = noise(size);
        let receipt = alice.device.send(message(&octets, mode)).await.unwrap();
        assert_eq!(receipt.outcome, Outcome::Delivered, "{size}");
        assert_is(&bob.next().await, &octets, &receipt.message_id);
    }
    assert_eq!(server.metric("restante_messages_deferred_total"), 0.0);
    bob.nothing_more().await;
}

#[actix::test]
async fn signalling_over_udp_works_as_over_tcp() {
    let server = start();
    let peer = Peer::udp(server.sip());
    let alice = User::with(&server, "alice", "secret", peer)
        .await
        .log_in()
        .await;
    let octets = noise(200_000);
    let receipt = alice
        .device
        .send(message(&octets, Mode::Channel))
        .await
        .unwrap();
    assert_eq!(receipt.outcome, Outcome::Stored);
    let mut bob = User::with(&server, "bob", "secret", peer)
        .await
        .log_in()
        .await;
    assert_is(&bob.next().await, &octets, &receipt.message_id);
}

#[actix::test]
async fn what_waits_is_listed_fetched_by_identifier_and_deleted() {
    // a reader who is not registered is not pushed anything: it looks for itself
    let server = start();
    let alice = User::of(&server, "alice").await.log_in().await;
    let mut ids = Vec::new();
    for size in [10, 100_000, 300_000] {
        let receipt = alice
            .device
            .send(message(&noise(size), Mode::Channel))
            .await
            .unwrap();
        ids.push(receipt.message_id);
    }
    let mut bob = User::of(&server, "bob").await;
    let list = bob.device.deferred_list().await.unwrap();
    assert_eq!(list.references().collect::<Vec<_>>(), ids);
    assert_eq!(bob.device.summary().await.unwrap().new_messages(), 3);

    assert_eq!(bob.device.deferred_fetch(&ids[1..2]).await.unwrap(), 1);
    assert_is(&bob.next().await, &noise(100_000), &ids[1]);
    bob.device.deferred_delete(&ids[..1]).await.unwrap();
    let list = bob.device.deferred_list().await.unwrap();
    assert_eq!(list.references().collect::<Vec<_>>(), ids[2..]);

    assert_eq!(bob.device.deferred_fetch(&[]).await.unwrap(), 1);
    assert_is(&bob.next().await, &noise(300_000), &ids[2]);
    assert_eq!(bob.device.summary().await.unwrap().new_messages(), 0);
}

#[actix::test]
async fn watcher_of_a_mailbox_is_notified_of_what_comes() {
    let server = start();
    let bob = User::of(&server, "bob").await;
    let mut summaries = bob.device.watch_summary().await.unwrap();
    let first = timeout(PATIENCE, summaries.next()).await.unwrap().unwrap();
    assert!(!first.waiting);
    let alice = User::of(&server, "alice").await.log_in().await;
    alice
        .device
        .send(message(&noise(5_000), Mode::Channel))
        .await
        .unwrap();
    let next = timeout(PATIENCE, summaries.next()).await.unwrap().unwrap();
    assert_eq!((next.waiting, next.new_messages()), (true, 1));
}

#[actix::test]
async fn watcher_of_a_mailbox_subscribes_anew_after_the_server_has_ended_and_come_back() {
    let mut server = start();
    let bob = User::of(&server, "bob").await;
    let mut summaries = bob.device.watch_summary().await.unwrap();
    let first = timeout(PATIENCE, summaries.next()).await.unwrap().unwrap();
    assert!(!first.waiting);
    let alice = User::of(&server, "alice").await.log_in().await;
    server.signal(Signal::TERM);
    while server.is_alive() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.restart();
    let note = message(&noise(5_000), Mode::Channel);
    alice.device.send(note).await.unwrap();
    // told to wait for up to 15 s
    let next = timeout(PATIENCE * 3, async {
        loop {
            let next = summaries.next().await.unwrap();
            if next.waiting {
                return next;
            }
        }
    });
    assert_eq!(next.await.unwrap().new_messages(), 1);
}

#[actix::test]
async fn server_that_dies_forgets_neither_messages_nor_bindings() {
    let mut server = start();
    let alice = User::of(&server, "alice").await.log_in().await;
    let octets = noise(500_000);
    let receipt = alice
        .device
        .send(message(&octets, Mode::Channel))
        .await
        .unwrap();
    assert_eq!(receipt.outcome, Outcome::Stored);
    let mut bob = User::with(&server, "bob", "secret", Peer::udp(server.sip())).await;
    server.kill9();
    server.restart();
    bob = bob.log_in().await;
    assert_is(&bob.next().await, &octets, &receipt.message_id);

    server.kill9();
    server.restart();
    // Bob's binding is still there: he gets this one live
    let octets = noise(100);
    let receipt = alice
        .device
        .send(message(&octets, Mode::Pager))
        .await
        .unwrap();
    assert_eq!(receipt.outcome, Outcome::Delivered);
    assert_is(&bob.next().await, &octets, &receipt.message_id);
}

#[actix::test]
async fn same_message_sent_twice_is_kept_once() {
    let server = start();
    let alice = User::of(&server, "alice").await.log_in().await;
    let octets = noise(70_000);
    let mut outgoing = message(&octets, Mode::Channel);
    outgoing.message_id = Some("one-and-only".to_owned());
    for _ in 0..2 {
        let receipt = alice.device.send(outgoing.clone()).await.unwrap();
        assert_eq!(receipt.outcome, Outcome::Stored);
    }
    let mut bob = User::of(&server, "bob").await.log_in().await;
    assert_is(&bob.next().await, &octets, "one-and-only");
    bob.nothing_more().await;
}

#[actix::test]
async fn sender_learns_why_a_message_is_refused() {
    let server = Server::with("deferred.max_messages", 2)
        .with("deferred.max_share", 100)
        .with("deferred.max_message", "10KiB")
        .start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret");
    let alice = User::of(&server, "alice").await.log_in().await;
    let refused = |receipt: restante::client::Receipt| match receipt.outcome {
        Outcome::Refused { code, .. } => code,
        other => panic!("{other:?}"),
    };
    let mut stranger = message(&noise(10), Mode::Channel);
    stranger.to = address_of("nobody");
    assert_eq!(refused(alice.device.send(stranger).await.unwrap()), 404);
    let large = message(&noise(20_000), Mode::Channel);
    assert_eq!(refused(alice.device.send(large).await.unwrap()), 413);
    for mode in [Mode::Channel, Mode::Pager] {
        let receipt = alice.device.send(message(&noise(10), mode)).await.unwrap();
        assert_eq!(receipt.outcome, Outcome::Stored);
    }
    for mode in [Mode::Channel, Mode::Pager] {
        let receipt = alice.device.send(message(&noise(10), mode)).await.unwrap();
        assert_eq!(refused(receipt), 480);
    }
}

#[actix::test]
async fn stranger_gets_in_nowhere() {
    let server = start();
    let eve = User::with(&server, "alice", "guess", Peer::tcp(server.sip())).await;
    assert!(eve.device.register(Duration::from_secs(60)).await.is_err());
    let sent = eve.device.send(message(&noise(10), Mode::Pager)).await;
    assert!(!sent.is_ok_and(|receipt| receipt.is_accepted()));
    assert!(eve.device.deferred_list().await.is_err());
}

#[actix::test]
async fn waiting_messages_keep_their_order() {
    let server = start();
    let alice = User::of(&server, "alice").await.log_in().await;
    let mut ids = Vec::new();
    for number in 0..20 {
        let octets = noise(100 + number * 1000);
        let receipt = alice
            .device
            .send(message(&octets, Mode::Auto))
            .await
            .unwrap();
        ids.push(receipt.message_id);
    }
    let mut bob = User::of(&server, "bob").await.log_in().await;
    for id in ids {
        assert_eq!(bob.next().await.message_id, id);
    }
    bob.nothing_more().await;
}
