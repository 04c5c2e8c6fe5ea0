//! How waiting messages find a device that takes them: dead ones beside live ones, many mailboxes
//! at once, the order of one sender's messages, and how clients know what they are handed.
mod harness;

use harness::{
    Server, Settings, address,
    handset::Handset,
    user::{User, address_of, message, noise},
};
use restante::{
    client::{Mode, Outcome, Sight, Tap, Way},
    sip::codec::{Message, Method, Name},
};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Long enough to be sure that nothing comes.
const SILENCE: Duration = Duration::from_millis(700);

fn trusting() -> Settings {
    Server::with("sip_core.authenticate", false).with("sip.max_datagram", 60_000)
}

fn start(settings: Settings) -> Server {
    let server = settings.start();
    server
        .subscriber("alice", "secret")
        .subscriber("bob", "secret")
        .subscriber("eve", "secret")
}

/// Sends `octets` to Bob over a channel; its message id.
async fn leave(user: &User, octets: usize) -> String {
    let receipt = user.device.send(message(&noise(octets), Mode::Channel));
    let receipt = receipt.await.expect("an outcome");
    assert_eq!(receipt.outcome, Outcome::Stored);
    receipt.message_id
}

#[actix::test]
async fn dead_device_delays_the_live_one_by_its_head_start_and_is_tried_last() {
    let server = start(trusting().with("participating.head_start", "1s"));
    let alice = User::of(&server, "alice").await.log_in().await;
    let first = leave(&alice, 20_000).await;
    let mut dead = Handset::of(&server, "bob").await;
    dead.register("1.0").await;
    assert!(dead.next().await.is(&Method::Invite));

    // the dead device keeps silent for the 20 s that it may ring
    let begun = Instant::now();
    let mut bob = User::of(&server, "bob").await.log_in().await;
    assert_eq!(bob.next().await.message_id, first);
    assert!(begun.elapsed() < Duration::from_secs(5), "{begun:?}");
    server.wait_for_metric("restante_messages_delivered_total", 1.0);

    // and comes behind the live one from now on, though it wants to be called before it
    let receipt = alice.device.send(message(&noise(20_000), Mode::Channel));
    let receipt = receipt.await.expect("an outcome");
    assert_eq!(receipt.outcome, Outcome::Delivered);
    assert_eq!(bob.next().await.message_id, receipt.message_id);
    assert!(dead.within(SILENCE).await.is_none());
}

#[actix::test]
async fn device_that_fails_is_tried_less_and_less_and_then_when_it_registers() {
    let settings = trusting()
        .with("participating.push_retry", "400ms")
        .with("participating.push_attempts", 3);
    let server = start(settings);
    let alice = User::of(&server, "alice").await.log_in().await;
    leave(&alice, 20_000).await;
    let mut handset = Handset::of(&server, "bob").await;
    handset.register("1.0").await;
    let mut at = Vec::new();
    for _ in 0..3 {
        let call = handset.next().await;
        assert!(call.is(&Method::Invite));
        at.push(Instant::now());
        handset.answer(&call, 480).await;
    }
    // 400 ms and 800 ms, less the quarter that chance may take off
    assert!(at[1] - at[0] >= Duration::from_millis(300), "{at:?}");
    assert!(at[2] - at[1] >= Duration::from_millis(600), "{at:?}");
    assert!(handset.within(Duration::from_secs(2)).await.is_none());
    // news that more waits is no reason to call it again
    leave(&alice, 20_000).await;
    assert!(handset.within(SILENCE).await.is_none());
    handset.register("1.0").await;
    assert!(handset.next().await.is(&Method::Invite));
}

#[actix::test]
async fn what_a_device_refuses_for_its_type_is_not_tried_on_it_again() {
    let server = start(trusting());
    let mut alice = Handset::of(&server, "alice").await;
    let bobs = address("bob");
    assert_eq!(alice.message(&bobs, "image/x-odd", b"odd").await, 202);
    assert_eq!(alice.message(&bobs, "text/plain", b"one").await, 202);
    let mut bob = Handset::of(&server, "bob").await;
    bob.register("1.0").await;
    let odd = bob.next().await;
    assert_eq!(odd.body().as_ref(), b"odd");
    bob.answer(&odd, 415).await;
    let one = bob.next().await;
    assert_eq!(one.body().as_ref(), b"one");
    bob.answer(&one, 200).await;
    assert!(bob.within(SILENCE).await.is_none());
    // the refused one holds nothing up, and is not tried again beside it
    let mut eve = Handset::of(&server, "eve").await;
    let waiting = tokio::spawn(async move { eve.message(&bobs, "text/plain", b"two").await });
    let two = bob.next().await;
    assert_eq!(two.body().as_ref(), b"two");
    bob.answer(&two, 200).await;
    assert_eq!(waiting.await.expect("no panic"), 200);
    assert!(bob.within(SILENCE).await.is_none());
    // another device may have it
    let mut tablet = Handset::of(&server, "bob").await;
    tablet.register("0.5").await;
    let odd = tablet.next().await;
    assert_eq!(odd.body().as_ref(), b"odd");
    tablet.answer(&odd, 200).await;
    assert!(bob.within(SILENCE).await.is_none());
}

#[actix::test]
async fn two_hundred_mailboxes_at_once_are_handed_over_eight_at_a_time() {
    const MAILBOXES: usize = 200;
    let settings = trusting().with("participating.max_drains", 8);
    let server = settings.start().subscriber("alice", "secret");
    let mut alice = Handset::of(&server, "alice").await;
    let mut handsets = Vec::new();
    for number in 0..MAILBOXES {
        let user = format!("u{number}");
        server.add_subscriber(&user, "secret");
        let uri = address(&user);
        let code = alice.message(&uri, "text/plain", user.as_bytes()).await;
        assert_eq!(code, 202);
        handsets.push(Handset::of(&server, &user).await);
    }
    for handset in &mut handsets {
        handset.register("1.0").await;
    }
    server.wait_for_metric("restante_drains_waiting", 192.0);
    let mut called: Vec<Option<Message>> = Vec::new();
    for handset in &mut handsets {
        called.push(handset.within(Duration::from_millis(5)).await);
    }
    assert_eq!(called.iter().flatten().count(), 8);

    // each answer lets one more in, first come, first served
    let all = handsets.iter_mut().zip(called);
    let answered = all.map(|(handset, called)| async move {
        let request = match called {
            Some(request) => request,
            None => handset.next().await,
        };
        handset.answer(&request, 200).await;
        request.body().clone()
    });
    let bodies = futures_util::future::join_all(answered).await;
    let expected: Vec<String> = (0..MAILBOXES).map(|number| format!("u{number}")).collect();
    assert_eq!(bodies, expected);
    server.wait_for_metric("restante_messages_delivered_total", 200.0);
    assert_eq!(server.metric("restante_drains_waiting"), 0.0);
}

#[actix::test]
async fn mailbox_is_handed_over_no_faster_than_its_rate() {
    let settings = trusting().with("participating.drain_rate", 5);
    let server = start(settings);
    let alice = User::of(&server, "alice").await.log_in().await;
    for _ in 0..6 {
        leave(&alice, 2_000).await;
    }
    let mut bob = User::of(&server, "bob").await.log_in().await;
    bob.next().await;
    let begun = Instant::now();
    for _ in 0..5 {
        bob.next().await;
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(900), "{took:?}");
}

#[actix::test]
async fn call_never_overtakes_older_messages_of_its_sender() {
    let server = start(trusting());
    let alice = User::of(&server, "alice").await.log_in().await;
    let first = leave(&alice, 20_000).await;
    let mut handset = Handset::of(&server, "bob").await;
    handset.register("1.0").await;
    let push = handset.next().await;
    handset.answer(&push, 480).await;
    // Bob is registered, and no handover is under way: his device rests
    let second = leave(&alice, 20_000).await;
    let mut letter = message(&noise(100), Mode::Pager);
    letter.to = address_of("bob");
    let receipt = alice.device.send(letter).await.expect("an outcome");
    assert_eq!(receipt.outcome, Outcome::Stored);
    assert!(handset.within(SILENCE).await.is_none());

    // nobody else's messages wait: Eve's goes live
    let eve = User::of(&server, "eve").await.log_in().await;
    let sent = tokio::task::spawn_local(async move {
        let receipt = eve.device.send(message(&noise(50), Mode::Pager));
        receipt.await.expect("an outcome").outcome
    });
    let live = handset.next().await;
    assert!(live.is(&Method::Message));
    handset.answer(&live, 486).await;
    let outcome = sent.await.expect("no panic");
    assert!(
        matches!(outcome, Outcome::Refused { code: 486, .. }),
        "{outcome:?}"
    );

    let mut bob = User::of(&server, "bob").await.log_in().await;
    for id in [first, second, receipt.message_id] {
        assert_eq!(bob.next().await.message_id, id);
    }
    bob.nothing_more().await;
}

/// INVITEs that came in, as a tap sees them.
type Calls = Arc<Mutex<Vec<Message>>>;

fn calls() -> (Calls, Tap) {
    let calls = Calls::default();
    let seen = calls.clone();
    let tap: Tap = Arc::new(move |event| {
        if let (Way::Received, Sight::Sip(message)) = (event.way, &event.sight)
            && message.is(&Method::Invite)
        {
            seen.lock().expect("no panic").push(message.clone());
        }
    });
    (calls, tap)
}

fn value(message: &Message, name: Name) -> Option<String> {
    message.value(name).map(|value| value.into_owned())
}

#[actix::test]
async fn each_sender_has_a_channel_and_is_named_in_referred_by() {
    let server = start(Settings::default());
    let alice = User::of(&server, "alice").await.log_in().await;
    let eve = User::of(&server, "eve").await.log_in().await;
    let (mut ids_of_alice, mut ids_of_eve) = (Vec::new(), Vec::new());
    for size in [5_000, 6_000] {
        ids_of_alice.push(leave(&alice, size).await);
        ids_of_eve.push(leave(&eve, size).await);
    }
    ids_of_alice.push(leave(&alice, 7_000).await);

    let (calls, tap) = calls();
    let mut bob = User::tapped(&server, "bob", tap).await.log_in().await;
    for (ids, sender) in [(ids_of_alice, "alice"), (ids_of_eve, "eve")] {
        for id in ids {
            let received = bob.next().await;
            assert_eq!(received.message_id, id);
            assert_eq!(received.from, Some(address_of(sender)));
        }
    }
    bob.nothing_more().await;
    let calls = calls.lock().expect("no panic");
    let named = |name| calls.iter().map(move |call| value(call, name));
    let referred: Vec<_> = named(Name::ReferredBy)
        .map(Option::unwrap_or_default)
        .collect();
    assert_eq!(referred, ["<sip:alice@localhost>", "<sip:eve@localhost>"]);
    for asserted in named(Name::PAssertedIdentity) {
        assert_eq!(asserted.as_deref(), Some("<sip:deferred@localhost>"));
    }
    for contact in named(Name::Contact).map(Option::unwrap_or_default) {
        assert!(contact.ends_with(">;+g.oma.sip-im;automata"), "{contact}");
    }
}

#[actix::test]
async fn one_channel_takes_all_senders_where_that_is_configured() {
    let server = start(Server::with("participating.channels", "together"));
    let mut ids = Vec::new();
    for user in ["alice", "eve", "alice"] {
        let user = User::of(&server, user).await.log_in().await;
        ids.push(leave(&user, 5_000).await);
    }
    let (calls, tap) = calls();
    let mut bob = User::tapped(&server, "bob", tap).await.log_in().await;
    for id in ids {
        assert_eq!(bob.next().await.message_id, id);
    }
    let calls = calls.lock().expect("no panic");
    let referred: Vec<_> = calls
        .iter()
        .map(|call| value(call, Name::ReferredBy))
        .collect();
    assert_eq!(referred, [None]);
}

#[actix::test]
async fn mailbox_of_several_pages_goes_through_one_channel() {
    let settings = Server::with("participating.list_page", 7);
    let server = start(settings);
    let alice = User::of(&server, "alice").await.log_in().await;
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(leave(&alice, 1_000).await);
    }
    let (calls, tap) = calls();
    let mut bob = User::tapped(&server, "bob", tap).await.log_in().await;
    for id in ids {
        assert_eq!(bob.next().await.message_id, id);
    }
    bob.nothing_more().await;
    assert_eq!(calls.lock().expect("no panic").len(), 1);
}

#[actix::test]
async fn message_too_long_for_the_datagrams_of_a_device_comes_over_a_channel() {
    let server = start(
        Server::with("sip_core.authenticate", false)
            .with("policy.pager_content", "4KiB")
            .with("policy.pager_total", "16KiB"),
    );
    let alice = User::of(&server, "alice").await.log_in().await;
    leave(&alice, 2000).await;
    // nothing takes connections where it registers
    let mut device = Handset::of(&server, "bob").await;
    device.register("1.0").await;
    let call = device.next().await;
    assert!(call.is(&Method::Invite), "{call:?}");
}
