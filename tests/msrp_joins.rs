//! Two sessions joined: what one peer sends the other one gets, and the answer is the truth.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "msrp/ends.rs"]
mod ends;

use actix::prelude::*;
use bytes::Bytes;
use ends::{
    Ear, Raw, Rules, board, hash, open_active, open_passive, path, receive, send_all, text,
};
use restante::{
    msrp::{
        ByteRange, Config, Continuation, FailureReport,
        actor::{
            CloseReason, Join, JoinEvent, OpenSession, Role, SendError, SessionEvent,
            SessionHandle, Side, Switchboard,
        },
    },
    net::Pressure,
};
use std::{rc::Rc, time::Duration};
use tokio::{sync::mpsc, time::timeout};

const SOON: Duration = Duration::from_secs(5);

struct Owner(mpsc::UnboundedSender<JoinEvent>);

impl Actor for Owner {
    type Context = Context<Self>;
}

impl Handler<JoinEvent> for Owner {
    type Result = ();

    fn handle(&mut self, event: JoinEvent, _: &mut Self::Context) {
        let _ = self.0.send(event);
    }
}

/// Alice, a middle with two joined sessions, and Bob.
struct Joined {
    alice: SessionHandle,
    alice_ear: Ear,
    bob: SessionHandle,
    bob_ear: Ear,
    news: mpsc::UnboundedReceiver<JoinEvent>,
}

fn nothing() -> Box<dyn restante::msrp::actor::Sink> {
    Ear::new().1
}

fn join(a: &SessionHandle, b: &SessionHandle) -> mpsc::UnboundedReceiver<JoinEvent> {
    let (owner, news) = mpsc::unbounded_channel();
    Join::of(a.clone(), b.clone(), Owner(owner).start().recipient());
    news
}

fn outbound(middle: &Rc<Switchboard>, to: &SessionHandle, at: &Switchboard) -> SessionHandle {
    middle.open(OpenSession {
        local_id: middle.new_session_id(),
        remote_path: Some(to.local_uri().clone().into()),
        role: Role::Active(at.listen_addr()),
        accept_types: vec![],
        max_size: None,
        sink: nothing(),
    })
}

async fn joined(bob_takes: Rules) -> Joined {
    let config = Config::default();
    let (hers, middle, his) = (board(&config), board(&config), board(&config));
    let (inbound, _) = open_passive(&middle, Rules::default());
    let (bob, mut bob_ear) = open_passive(&his, bob_takes);
    let (alice, mut alice_ear) = open_active(&hers, &middle, &inbound);
    inbound.set_remote(&alice.local_uri().clone().into());
    let outward = outbound(&middle, &bob, &his);
    bob.set_remote(&outward.local_uri().clone().into());
    let news = join(&inbound, &outward);
    alice_ear.bound().await;
    bob_ear.bound().await;
    Joined {
        alice,
        alice_ear,
        bob,
        bob_ear,
        news,
    }
}

#[actix::test]
async fn ten_mebibytes_cross_with_equal_hash_both_ways() {
    let mut ends = joined(Rules::default()).await;
    let octets: Bytes = (0..10 << 20).map(|n: u32| (n / 11) as u8).collect();
    for round in 0..2 {
        let (from, answers, ear) = match round {
            0 => (&ends.alice, &mut ends.alice_ear, &mut ends.bob_ear),
            _ => (&ends.bob, &mut ends.bob_ear, &mut ends.alice_ear),
        };
        let sending = send_all(from, "big", octets.clone(), 50_000);
        let (chunks, (id, got)) = futures_util::future::join(sending, receive(ear)).await;
        assert_eq!((id.as_str(), hash(&got)), ("big", hash(&octets)));
        for _ in 0..chunks {
            assert_eq!(answers.response().await.1, 200);
        }
    }
    let mut moved = 0;
    while moved < 20 << 20 {
        if let Some(JoinEvent::Moved { octets, .. }) = ends.news.recv().await {
            moved += octets;
        }
    }
    assert_eq!(moved, 20 << 20);
}

#[actix::test]
async fn open_chunk_is_cut_through() {
    let mut ends = joined(Rules::default()).await;
    let id = ends.alice.begin(text("m1").with_total(6)).unwrap();
    ends.alice.body(id, "abc".into()).unwrap();
    loop {
        if let SessionEvent::Body(_, octets) = ends.bob_ear.next().await {
            assert_eq!(
                octets, "abc",
                "the first octets arrive before the last are sent"
            );
            break;
        }
    }
    ends.alice.body(id, "def".into()).unwrap();
    ends.alice.end(id, Continuation::Complete).unwrap();
    assert_eq!(ends.alice_ear.response().await, (id, 200));
}

#[actix::test]
async fn refusal_downstream_reaches_the_sender() {
    let mut ends = joined(Rules::text_up_to(100_000)).await;
    let whole = text("m1").with_total(100_001);
    let sent = ends
        .alice
        .send(whole, &["x".into()], Continuation::MoreChunks);
    assert_eq!(ends.alice_ear.response().await, (sent.unwrap(), 413));

    let open = ends.alice.begin(text("m2")).unwrap();
    let piece = Bytes::from(vec![b'y'; 60_000]);
    for _ in 0..2 {
        ends.alice.body(open, piece.clone()).unwrap();
    }
    assert_eq!(
        ends.alice_ear.response().await,
        (open, 413),
        "before its end"
    );
    ends.alice.end(open, Continuation::Aborted).unwrap();

    let mut wrong = text("m3");
    wrong.content_type = "image/png".into();
    let id = ends
        .alice
        .send(wrong, &["x".into()], Continuation::Complete)
        .unwrap();
    assert_eq!(ends.alice_ear.response().await, (id, 415));

    let id = ends
        .alice
        .send(text("m4"), &["ok".into()], Continuation::Complete)
        .unwrap();
    assert_eq!(ends.alice_ear.response().await, (id, 200));
}

#[actix::test]
async fn partial_hears_of_errors_only() {
    let mut ends = joined(Rules::text_up_to(10)).await;
    let mut good = text("m1");
    good.failure_report = FailureReport::Partial;
    let mut bad = good.clone().with_total(11);
    bad.message_id = "m2".into();
    ends.alice
        .send(good, &["ok".into()], Continuation::Complete)
        .unwrap();
    let id = ends
        .alice
        .send(bad, &["x".into()], Continuation::MoreChunks)
        .unwrap();
    assert_eq!(ends.alice_ear.response().await, (id, 413));
    assert_eq!(receive(&mut ends.bob_ear).await.0, "m1");
}

#[actix::test]
async fn report_travels_back() {
    let mut ends = joined(Rules::default()).await;
    ends.alice
        .send(text("m1"), &["abc".into()], Continuation::Complete)
        .unwrap();
    receive(&mut ends.bob_ear).await;
    ends.bob.success_report("m1", ByteRange::whole(3)).unwrap();
    loop {
        if let SessionEvent::Report(report) = ends.alice_ear.next().await {
            assert_eq!(report.message_id(), Some("m1"));
            assert_eq!(report.text("Status"), Some("000 200 OK"));
            assert_eq!(report.text("Byte-Range"), Some("1-3/3"));
            break;
        }
    }
}

#[actix::test]
async fn loss_downstream_is_told_to_the_sender() {
    let mut ends = joined(Rules::default()).await;
    let open = ends.alice.begin(text("m1").with_total(100)).unwrap();
    ends.alice.body(open, "half".into()).unwrap();
    while !matches!(ends.bob_ear.next().await, SessionEvent::Body(..)) {}
    ends.bob.close();
    // Bob's connection lingers; what Alice sends on meets a session that is gone.
    ends.alice.body(open, "more".into()).unwrap();
    ends.alice.end(open, Continuation::Complete).unwrap();
    assert_eq!(ends.alice_ear.response().await, (open, 481));
}

#[actix::test]
async fn broken_connection_downstream_is_told_to_the_sender_and_the_owner() {
    let config = Config::default();
    let (hers, middle) = (board(&config), board(&config));
    let (inbound, _) = open_passive(&middle, Rules::default());
    let (outward, _) = open_passive(&middle, Rules::default());
    let (alice, mut alice_ear) = open_active(&hers, &middle, &inbound);
    outward.set_remote(&path("msrp://h:1/me;tcp"));
    inbound.set_remote(&alice.local_uri().clone().into());
    let mut news = join(&inbound, &outward);
    let mut raw = Raw::connect(&middle).await;
    let uri = outward.local_uri().to_string();
    raw.send(&uri, "t1t1", &["Message-ID: m111"], "").await;
    raw.response("t1t1").await;
    alice_ear.bound().await;

    let done = alice
        .send(text("m1"), &["whole".into()], Continuation::Complete)
        .unwrap();
    raw.until("whole").await;
    let open = alice.begin(text("m2").with_total(100)).unwrap();
    alice.body(open, "half".into()).unwrap();
    raw.until("half").await;
    drop(raw);
    let mut told = [alice_ear.response().await, alice_ear.response().await];
    told.sort_by_key(|(id, _)| *id == open);
    assert_eq!(told, [(done, 481), (open, 481)]);
    loop {
        if let JoinEvent::Ended { side, reason } = news.recv().await.unwrap() {
            assert_eq!(side, Side::B);
            assert!(matches!(
                reason,
                CloseReason::PeerClosed | CloseReason::Broken
            ));
            break;
        }
    }
    assert!(
        !inbound.is_closed(),
        "the other session is its owner's to close"
    );
}

#[actix::test]
async fn lost_sender_aborts_what_it_left_open() {
    let mut ends = joined(Rules::default()).await;
    let open = ends.alice.begin(text("m1").with_total(100)).unwrap();
    ends.alice.body(open, "half".into()).unwrap();
    while !matches!(ends.bob_ear.next().await, SessionEvent::Body(..)) {}
    ends.alice.close();
    loop {
        if let SessionEvent::End(_, flag) = ends.bob_ear.next().await {
            assert_eq!(flag, Continuation::Aborted);
            break;
        }
    }
}

#[actix::test]
async fn early_sender_waits_for_the_far_side() {
    let config = Config::default();
    let (hers, middle, his) = (board(&config), board(&config), board(&config));
    let (inbound, _) = open_passive(&middle, Rules::default());
    let (outward, _) = open_passive(&middle, Rules::default());
    let (alice, mut alice_ear) = open_active(&hers, &middle, &inbound);
    inbound.set_remote(&alice.local_uri().clone().into());
    let _news = join(&inbound, &outward);
    alice_ear.bound().await;
    let id = alice
        .send(text("m1"), &["early".into()], Continuation::Complete)
        .unwrap();
    let early = timeout(Duration::from_millis(100), alice_ear.response()).await;
    assert!(early.is_err(), "nobody has it yet");

    let (bob, mut bob_ear) = open_active(&his, &middle, &outward);
    outward.set_remote(&bob.local_uri().clone().into());
    assert_eq!(receive(&mut bob_ear).await.1, b"early");
    assert_eq!(alice_ear.response().await, (id, 200));
}

/// A sender and its receiver may be neighbours behind one connection: the request that binds the
/// one must not stand behind a reader stopped for the other.
#[actix::test]
async fn sides_that_share_a_connection_bind_one_after_the_other() {
    let config = Config::default();
    let (theirs, middle) = (board(&config), board(&config));
    let (inbound, _) = open_passive(&middle, Rules::default());
    let (outward, _) = open_passive(&middle, Rules::default());
    let mut news = join(&inbound, &outward);
    let (bob, mut bob_ear) = open_active(&theirs, &middle, &outward);
    outward.set_remote(&bob.local_uri().clone().into());
    let bound = timeout(SOON, news.recv()).await.unwrap();
    assert!(matches!(bound, Some(JoinEvent::Bound { side: Side::B })));

    let (alice, mut alice_ear) = open_active(&theirs, &middle, &inbound);
    inbound.set_remote(&alice.local_uri().clone().into());
    timeout(SOON, alice_ear.bound()).await.unwrap();
    let id = alice
        .send(text("m1"), &["hello".into()], Continuation::Complete)
        .unwrap();
    assert_eq!(receive(&mut bob_ear).await.1, b"hello");
    assert_eq!(alice_ear.response().await, (id, 200));
}

#[actix::test]
async fn receiver_that_reads_nothing_stops_the_sender() {
    let config = Config::default();
    let (hers, middle) = (board(&config), board(&config));
    let (inbound, _) = open_passive(&middle, Rules::default());
    let (outward, _) = open_passive(&middle, Rules::default());
    let (alice, mut alice_ear) = open_active(&hers, &middle, &inbound);
    outward.set_remote(&path("msrp://h:1/me;tcp"));
    inbound.set_remote(&alice.local_uri().clone().into());
    let _news = join(&inbound, &outward);
    let mut deaf = Raw::connect(&middle).await;
    let uri = outward.local_uri().to_string();
    deaf.send(&uri, "t1t1", &["Message-ID: m111"], "").await;
    alice_ear.bound().await;

    let piece = Bytes::from(vec![b'x'; 60_000]);
    let (mut sent, mut stuck) = (0_usize, 0);
    while stuck < 20 {
        match alice.send(
            text("big"),
            std::slice::from_ref(&piece),
            Continuation::MoreChunks,
        ) {
            Ok(_) => (sent, stuck) = (sent + piece.len(), 0),
            Err(SendError::Full) => {
                stuck += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => panic!("{error}"),
        }
        tokio::task::yield_now().await;
        assert!(sent < 128 << 20, "nothing stops the sender");
    }
    assert_eq!(
        (alice.pressure(), outward.pressure()),
        (Pressure::High, Pressure::High)
    );
    assert!(!inbound.is_closed() && !outward.is_closed());

    let draining = async {
        let mut heard = 0;
        while heard < sent {
            heard += deaf.drain().await;
        }
    };
    timeout(SOON * 2, draining)
        .await
        .expect("the receiver gets everything in the end");
    timeout(SOON, alice.when_writable()).await.unwrap();
}

#[actix::test]
async fn both_sessions_may_share_one_connection() {
    let config = Config::default();
    let (edge, middle) = (board(&config), board(&config));
    let (inbound, _) = open_passive(&middle, Rules::default());
    let (outward, _) = open_passive(&middle, Rules::default());
    let (alice, mut alice_ear) = open_active(&edge, &middle, &inbound);
    let (bob, mut bob_ear) = open_active(&edge, &middle, &outward);
    inbound.set_remote(&alice.local_uri().clone().into());
    outward.set_remote(&bob.local_uri().clone().into());
    let _news = join(&inbound, &outward);
    alice_ear.bound().await;
    bob_ear.bound().await;
    assert_eq!(inbound.peer_addr(), outward.peer_addr());
    let octets: Bytes = (0..2 << 20).map(|n: u32| (n / 13) as u8).collect();
    let sending = send_all(&alice, "big", octets.clone(), 30_000);
    let (_, (_, got)) = futures_util::future::join(sending, receive(&mut bob_ear)).await;
    assert_eq!(hash(&got), hash(&octets));
}
