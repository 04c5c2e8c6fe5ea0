//! Channels between servers: one for a sender and a receiver, shared by all calls of theirs, kept
//! for a while after the last one, and given up where it is of no more use.
mod harness;

use harness::{
    capture::{Capture, field},
    network::{Network, Plan, address, message_to},
    user::{User, noise},
};
use restante::{
    client::{Outcome, Outgoing},
    content::cpim::Dispositions,
    sip::codec::{Method, Name},
};
use sha2::{Digest, Sha256};
use std::{cell::Cell, rc::Rc, time::Duration};
use tokio::sync::Notify;

const ALICE: &str = "alice@a.example";
const CAROL: &str = "carol@a.example";
const BOB: &str = "bob@b.example";
const STRETCHES: [[&str; 2]; 2] = [["PF-A", "PF-B"], ["PF-B", "C"]];

/// Servers that keep channels, unless the test says otherwise.
fn kept() -> Plan {
    let keep = |plan: Plan, node| plan.with(node, "participating.after_use", "keep");
    ["PF-A", "PF-B"].into_iter().fold(Plan::shape_b(), keep)
}

fn subscribed(plan: Plan) -> Network {
    let network = plan.start();
    network.subscribe(&[ALICE, CAROL, BOB]);
    network
}

async fn at_home(network: &Network, user: &str) -> User {
    network.device(user).await.log_in().await
}

async fn store(from: &User, message: Outgoing) -> String {
    let receipt = from.device.send(message).await.expect("an outcome");
    assert_eq!(receipt.outcome, Outcome::Stored);
    receipt.message_id
}

fn text(words: &str) -> Outgoing {
    message_to(BOB, &words.to_owned().into())
}

fn invites(seen: &Capture, [from, to]: [&str; 2]) -> usize {
    seen.requests(&Method::Invite, from, to).len()
}

fn hash(octets: &[u8]) -> [u8; 32] {
    Sha256::digest(octets).into()
}

#[actix::test]
async fn later_calls_of_a_pair_join_the_channel_that_is_there() {
    let network = subscribed(kept());
    let alice = at_home(&network, ALICE).await;
    let mut ids = Vec::new();
    // enough calls to come to every shard
    for number in 0..6 {
        let mut message = text(&format!("message {number}"));
        message.subject = Some(format!("subject {number}"));
        ids.push(store(&alice, message).await);
    }
    let seen = network
        .until(|seen| seen.count("alice → PF-A: BYE") == 6)
        .await;
    for stretch in STRETCHES {
        assert_eq!(invites(&seen, stretch), 1, "{stretch:?}\n{seen}");
    }
    assert_eq!(seen.established().len(), 6 + 2);
    let sessions = seen.sessions();
    let between = |ends: [&str; 2]| sessions.iter().filter(|one| one.ends == ends).count();
    assert_eq!(between(["alice", "PF-A"]), 6);
    assert_eq!(between(["PF-A", "PF-B"]), 1);
    assert_eq!(between(["PF-B", "C"]), 1);
    for (node, calls) in [("PF-A", 6.0), ("PF-B", 1.0)] {
        let node = network.node(node);
        assert_eq!(node.metric("restante_onward_channels"), 1.0);
        assert_eq!(node.metric("restante_onward_calls_total"), calls);
    }

    let mut bob = network.device(BOB).await;
    assert_eq!(bob.device.deferred_fetch(&[]).await.expect("a channel"), 6);
    for (number, id) in ids.into_iter().enumerate() {
        let received = bob.next().await;
        assert_eq!(received.message_id, id, "in their order");
        assert_eq!(received.from, Some(address(ALICE)));
        assert_eq!(
            received.sha256,
            hash(format!("message {number}").as_bytes())
        );
        let subject = format!("subject {number}");
        assert_eq!(
            received.subject,
            Some(subject),
            "its own, not that of the first call"
        );
    }
}

#[actix::test]
async fn message_on_a_shared_channel_says_what_the_invite_of_the_channel_does_not() {
    let network = subscribed(kept());
    let alice = at_home(&network, ALICE).await;
    for subject in ["one", "two"] {
        let mut message = text("hello");
        message.subject = Some(subject.to_owned());
        store(&alice, message).await;
    }
    let ended = |seen: &Capture| seen.count("alice → PF-A: BYE") == 2;
    let seen = network.until(ended).await;
    for [from, to] in STRETCHES {
        let invite = seen.requests(&Method::Invite, from, to)[0];
        assert_eq!(invite.value(Name::Subject).as_deref(), Some("one"));
        let sends = seen.heads("SEND last", from, to);
        let told: Vec<_> = sends.iter().map(|head| field(head, "Subject")).collect();
        assert_eq!(told, [None, Some("two")], "{from}");
    }
}

#[actix::test]
async fn unused_channel_ends_after_its_time() {
    let plan = kept()
        .with("PF-A", "participating.channel_linger", "300ms")
        .with("PF-B", "participating.channel_linger", "300ms");
    let network = subscribed(plan);
    let alice = at_home(&network, ALICE).await;
    store(&alice, text("one")).await;
    let seen = network.until(|seen| seen.says("C → PF-B: 200 BYE")).await;
    seen.assert_order(&["alice → PF-A: BYE", "PF-A → PF-B: BYE", "PF-B → C: BYE"]);
    for stretch in STRETCHES {
        let bye = seen.requests(&Method::Bye, stretch[0], stretch[1]);
        let reason = bye[0].value(Name::Reason).unwrap_or_default().into_owned();
        assert_eq!(reason, "SIP;cause=200;text=\"unused\"");
    }
    store(&alice, text("two")).await;
    let seen = network.capture();
    for stretch in STRETCHES {
        assert_eq!(invites(&seen, stretch), 2, "the pool has forgotten it");
    }
}

#[actix::test]
async fn channel_ends_at_once_where_that_is_configured() {
    let plan = kept()
        .with("PF-A", "participating.after_use", "disconnect")
        .with("PF-B", "participating.after_use", "disconnect");
    let network = subscribed(plan);
    let alice = at_home(&network, ALICE).await;
    for round in 1..=2 {
        store(&alice, text("again")).await;
        let ended = |seen: &Capture| seen.count("C → PF-B: 200 BYE") == round;
        let seen = network.until(ended).await;
        for stretch in STRETCHES {
            assert_eq!(invites(&seen, stretch), round);
        }
    }
    for node in ["PF-A", "PF-B"] {
        assert_eq!(network.node(node).metric("restante_onward_channels"), 0.0);
    }
}

#[actix::test]
async fn channel_ended_by_the_far_side_is_forgotten() {
    let network = subscribed(kept().with("C", "participating.idle_timeout", "1s"));
    let alice = at_home(&network, ALICE).await;
    store(&alice, text("one")).await;
    network
        .until(|seen| seen.says("PF-A → PF-B: 200 BYE"))
        .await;
    store(&alice, text("two")).await;
    let seen = network.capture();
    for stretch in STRETCHES {
        assert_eq!(invites(&seen, stretch), 2);
    }
}

#[actix::test]
async fn large_messages_of_two_devices_share_a_channel() {
    let network = subscribed(kept());
    let (one, two) = (
        at_home(&network, ALICE).await,
        at_home(&network, ALICE).await,
    );
    let octets = noise(4 << 20);
    let other = octets.slice(1..);
    let sending = (
        store(&one, message_to(BOB, &octets)),
        store(&two, message_to(BOB, &other)),
    );
    let ids = futures_util::future::join(sending.0, sending.1).await;
    let seen = network.capture();
    for stretch in STRETCHES {
        assert_eq!(invites(&seen, stretch), 1, "{stretch:?}\n{seen}");
    }
    let mut bob = network.device(BOB).await;
    assert_eq!(bob.device.deferred_fetch(&[]).await.expect("a channel"), 2);
    for _ in 0..2 {
        let received = bob.next().await;
        let expected = match received.message_id == ids.0 {
            true => hash(&octets),
            false => hash(&other),
        };
        assert_eq!(received.sha256, expected);
    }
}

/// The device disappears when half of its message is with the server.
async fn vanish_half_way(alice: User, mut message: Outgoing) {
    let (half, reached) = (Rc::new(Notify::new()), Rc::new(Cell::new(0)));
    let (told, at) = (half.clone(), reached.clone());
    message.progress = Some(Rc::new(move |octets, all| {
        at.set(octets);
        if octets > all / 2 {
            told.notify_one();
        }
    }));
    {
        let sending = alice.device.send(message);
        tokio::select! {
            outcome = sending => panic!("too fast: {outcome:?}"),
            () = half.notified() => {}
        }
    }
    alice.vanish();
}

#[actix::test]
async fn message_of_a_device_that_vanishes_is_given_up_and_its_room_given_back() {
    let network = subscribed(kept());
    let (one, two) = (
        at_home(&network, ALICE).await,
        at_home(&network, ALICE).await,
    );
    store(&two, text("before")).await;
    let octets = noise(24 << 20);
    let mut message = message_to(BOB, &octets);
    message.message_id = Some("half".to_owned());
    vanish_half_way(one, message.clone()).await;
    let c = network.node("C");
    let given_back = || c.metric("restante_deferred_deposits") == 0.0;
    assert!(harness::eventually(Duration::from_secs(10), given_back));
    store(&two, text("after")).await;
    let retried = store(&two, message).await;
    assert_eq!(retried, "half");
    let (_, queue) = c.get("/api/v1/queues/sip:bob@b.example");
    assert_eq!(queue["items"].as_array().map(Vec::len), Some(3), "{queue}");
    for stretch in STRETCHES {
        assert_eq!(invites(&network.capture(), stretch), 1, "others used it on");
    }
    let mut bob = network.device(BOB).await;
    assert_eq!(bob.device.deferred_fetch(&[]).await.expect("a channel"), 3);
    let received = [bob.next().await, bob.next().await, bob.next().await];
    let half = received.iter().find(|one| one.message_id == "half");
    assert_eq!(half.map(|one| one.sha256), Some(hash(&octets)));
}

#[actix::test]
async fn refusal_on_a_shared_channel_reaches_its_sender() {
    let network = subscribed(kept().with("C", "deferred.max_messages", 1));
    let alice = at_home(&network, ALICE).await;
    store(&alice, text("fits")).await;
    let receipt = alice
        .device
        .send(text("does not"))
        .await
        .expect("an outcome");
    let Outcome::Refused { code, .. } = receipt.outcome else {
        panic!("{receipt:?}");
    };
    assert_eq!(code, 413);
    assert_eq!(invites(&network.capture(), ["PF-B", "C"]), 1);
}

#[actix::test]
async fn reports_come_back_over_a_shared_channel() {
    let network = subscribed(kept());
    let alice = at_home(&network, ALICE).await;
    for words in ["one", "two"] {
        let mut message = text(words);
        message.success_report = true;
        message.dispositions = Dispositions::default();
        store(&alice, message).await;
    }
    let all = |seen: &Capture| seen.count("PF-A → alice: REPORT 200") == 2;
    network.until(all).await;
}

#[actix::test]
async fn sessions_of_two_servers_share_one_connection() {
    let plan = ["PF-A", "PF-B", "C"]
        .iter()
        .fold(kept(), |plan, node| plan.with(node, "server.shards", 1));
    let network = subscribed(plan);
    let (alice, carol) = (
        at_home(&network, ALICE).await,
        at_home(&network, CAROL).await,
    );
    store(&alice, text("from alice")).await;
    store(&carol, text("from carol")).await;
    let seen = network.capture();
    for stretch @ [from, to] in STRETCHES {
        assert_eq!(invites(&seen, stretch), 2, "a channel for each sender");
        assert_eq!(
            seen.msrp_streams(from, to),
            1,
            "over one connection\n{seen}"
        );
    }
}

#[actix::test]
async fn receiver_who_comes_back_is_found_by_the_next_call() {
    let network = subscribed(kept());
    let alice = at_home(&network, ALICE).await;
    store(&alice, text("while away")).await;
    let mut bob = network.device(BOB).await;
    bob = bob.log_in().await;
    // the channel to where his messages are kept is not kept for him any more
    network
        .until(|seen| seen.says("C → PF-B: 200 BYE") && seen.says("PF-A → PF-B: 200 BYE"))
        .await;
    let receipt = alice
        .device
        .send(text("while here"))
        .await
        .expect("an outcome");
    let seen = network.capture();
    assert_eq!(receipt.outcome, Outcome::Delivered, "{seen}");
    loop {
        if bob.next().await.message_id == receipt.message_id {
            break;
        }
    }
}
