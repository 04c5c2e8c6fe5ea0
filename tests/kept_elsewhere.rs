//! Mailboxes that another server keeps: the home server finds out what waits there when a device
//! logs in, calls the device first, and hands over what the keeper sends (flow R2).
mod harness;

use harness::{
    Server, Settings, address,
    handset::Handset,
    user::{User, address_of, message, noise},
};
use restante::{
    cli::child::free_port,
    client::{Mode, Outcome, Sight, Tap, Way},
    sip::codec::{Message, Method, Name},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// Long enough to be sure that nothing comes.
const SILENCE: Duration = Duration::from_millis(700);

/// The home server of all users, and the one that keeps what they miss.
struct Pair {
    home: Server,
    keeper: Server,
}

fn uri(ip: &str, port: u16) -> String {
    format!("sip:{ip}:{port};transport=tcp")
}

fn start(home: Settings, keeper: Settings) -> Pair {
    let port = || free_port().expect("a free port");
    let (home_port, keeper_port) = (port(), port());
    let keeper = keeper
        .with("sip.listen", format!("127.0.0.2:{keeper_port}"))
        .with("server.roles", "[\"deferred\"]")
        .with("neighbours.trusted", "[\"127.0.0.1\"]")
        .with("neighbours.participating", uri("127.0.0.1", home_port))
        .start();
    let home = home
        .with("sip.listen", format!("127.0.0.1:{home_port}"))
        .with("server.roles", "[\"sip_core\", \"participating\"]")
        .with("neighbours.trusted", "[\"127.0.0.2\"]")
        .with("neighbours.deferred", uri("127.0.0.2", keeper_port))
        .start();
    for server in [&home, &keeper] {
        for user in ["alice", "bob", "eve"] {
            server.add_subscriber(user, "secret");
        }
    }
    Pair { home, keeper }
}

fn plain() -> Pair {
    start(Settings::default(), Settings::default())
}

/// With a home server that believes its devices.
fn trusting() -> Pair {
    start(believing(), Settings::default())
}

fn believing() -> Settings {
    Server::with("sip_core.authenticate", false).with("sip.max_datagram", 60_000)
}

impl Pair {
    /// How many messages wait for Bob.
    fn waiting(&self) -> usize {
        let (status, queue) = self.keeper.get("/api/v1/queues/sip:bob@localhost");
        assert_eq!(status, 200, "{queue}");
        queue["items"].as_array().map_or(0, Vec::len)
    }

    fn wait_for_delivered(&self, count: u32) {
        let name = "restante_messages_delivered_total";
        self.keeper.wait_for_metric(name, count.into());
    }
}

/// Sends `octets` to Bob over a channel; its message id.
async fn leave(user: &User, octets: usize) -> String {
    let receipt = user.device.send(message(&noise(octets), Mode::Channel));
    let receipt = receipt.await.expect("an outcome");
    assert_eq!(receipt.outcome, Outcome::Stored);
    receipt.message_id
}

/// INVITEs that came in, as a tap sees them.
fn calls() -> (Arc<Mutex<Vec<Message>>>, Tap) {
    let calls = Arc::<Mutex<Vec<Message>>>::default();
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

#[actix::test]
async fn large_messages_come_through_one_channel_for_each_sender() {
    let pair = plain();
    let alice = User::of(&pair.home, "alice").await.log_in().await;
    let eve = User::of(&pair.home, "eve").await.log_in().await;
    let mut expected = Vec::new();
    for size in [20_000, 200_000] {
        expected.push((leave(&alice, size).await, "alice", size));
    }
    expected.push((leave(&eve, 30_000).await, "eve", 30_000));
    assert_eq!(pair.waiting(), 3);

    let (calls, tap) = calls();
    let mut bob = User::tapped(&pair.home, "bob", tap).await.log_in().await;
    for (id, sender, size) in expected {
        let received = bob.next().await;
        assert_eq!(received.message_id, id);
        assert_eq!(received.from, Some(address_of(sender)));
        assert_eq!(received.size, size as u64);
    }
    pair.wait_for_delivered(3);
    assert_eq!(pair.waiting(), 0);
    bob.nothing_more().await;
    let calls = calls.lock().expect("no panic");
    let referred = calls.iter().map(|call| call.value(Name::ReferredBy));
    let referred: Vec<_> = referred.map(Option::unwrap_or_default).collect();
    assert_eq!(referred, ["<sip:alice@localhost>", "<sip:eve@localhost>"]);
}

#[actix::test]
async fn device_is_called_before_the_keeper() {
    let pair = trusting();
    let alice = User::of(&pair.home, "alice").await.log_in().await;
    leave(&alice, 20_000).await;
    let calls = "restante_sip_requests_total{method=\"INVITE\",direction=\"received\"}";
    assert_eq!(pair.keeper.metric(calls), 1.0);
    let mut bob = Handset::of(&pair.home, "bob").await;
    bob.register("1.0").await;
    let call = bob.next().await;
    assert!(call.is(&Method::Invite));
    bob.answer(&call, 486).await;
    assert!(bob.within(SILENCE).await.is_none());
    assert_eq!(pair.keeper.metric(calls), 1.0, "called for nothing");
    assert_eq!(pair.waiting(), 1);
}

#[actix::test]
async fn mailbox_of_several_pages_goes_through_one_channel() {
    let settings = Server::with("participating.list_page", 7);
    let pair = start(Settings::default(), settings);
    let alice = User::of(&pair.home, "alice").await.log_in().await;
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(leave(&alice, 1_000).await);
    }
    let (calls, tap) = calls();
    let mut bob = User::tapped(&pair.home, "bob", tap).await.log_in().await;
    for id in ids {
        assert_eq!(bob.next().await.message_id, id);
    }
    bob.nothing_more().await;
    assert_eq!(calls.lock().expect("no panic").len(), 1);
    assert_eq!(pair.waiting(), 0);
}

#[actix::test]
async fn few_and_small_messages_come_as_requests() {
    let pair = trusting();
    let mut alice = Handset::of(&pair.home, "alice").await;
    for text in [&b"one"[..], b"two"] {
        let code = alice.message(&address("bob"), "text/plain", text).await;
        assert_eq!(code, 202);
    }
    let mut bob = Handset::of(&pair.home, "bob").await;
    bob.register("1.0").await;
    for text in ["one", "two"] {
        let letter = bob.next().await;
        assert!(letter.is(&Method::Message));
        assert_eq!(letter.body().as_ref(), text.as_bytes());
        let from = letter.value(Name::From).unwrap_or_default().into_owned();
        assert!(from.starts_with("<sip:alice@localhost>"), "{from}");
        assert!(letter.has(Name::Date));
        bob.answer(&letter, 200).await;
    }
    pair.wait_for_delivered(2);
    assert_eq!(pair.waiting(), 0);
    assert!(bob.within(SILENCE).await.is_none());
}

#[actix::test]
async fn what_a_device_refuses_is_not_tried_on_it_again_and_holds_nothing_up() {
    let pair = trusting();
    let mut alice = Handset::of(&pair.home, "alice").await;
    let bobs = address("bob");
    assert_eq!(alice.message(&bobs, "image/x-odd", b"odd").await, 202);
    assert_eq!(alice.message(&bobs, "text/plain", b"one").await, 202);
    let mut bob = Handset::of(&pair.home, "bob").await;
    bob.register("1.0").await;
    let odd = bob.next().await;
    assert_eq!(odd.body().as_ref(), b"odd");
    bob.answer(&odd, 415).await;
    let one = bob.next().await;
    assert_eq!(one.body().as_ref(), b"one");
    bob.answer(&one, 200).await;
    assert!(bob.within(SILENCE).await.is_none());
    assert_eq!(pair.waiting(), 1);
    // and what comes from now on goes live
    let sent = alice.message(&bobs, "text/plain", b"two");
    let (code, two) = tokio::join!(sent, async {
        let two = bob.next().await;
        bob.answer(&two, 200).await;
        two
    });
    assert_eq!((code, two.body().as_ref()), (200, &b"two"[..]));
}

#[actix::test]
async fn device_that_is_away_is_left_alone_for_a_while() {
    let settings = believing()
        .with("participating.push_retry", "400ms")
        .with("participating.push_attempts", 3);
    let pair = start(settings, Settings::default());
    let mut alice = Handset::of(&pair.home, "alice").await;
    let code = alice.message(&address("bob"), "text/plain", b"one").await;
    assert_eq!(code, 202);
    let mut bob = Handset::of(&pair.home, "bob").await;
    bob.register("1.0").await;
    for code in [480, 480, 200] {
        let letter = bob.next().await;
        assert_eq!(letter.body().as_ref(), b"one");
        bob.answer(&letter, code).await;
    }
    pair.wait_for_delivered(1);
    assert!(bob.within(SILENCE).await.is_none());
}

#[actix::test]
async fn restarted_home_server_looks_for_what_waits_elsewhere() {
    let mut pair = trusting();
    let alice = User::of(&pair.home, "alice").await.log_in().await;
    let id = leave(&alice, 20_000).await;
    let mut handset = Handset::of(&pair.home, "bob").await;
    handset.register("1.0").await;
    let call = handset.next().await;
    assert!(call.is(&Method::Invite));
    pair.home.kill9();
    pair.home.restart();
    let again = handset.next().await;
    assert!(again.is(&Method::Invite));
    handset.answer(&again, 480).await;
    let mut bob = User::of(&pair.home, "bob").await.log_in().await;
    assert_eq!(bob.next().await.message_id, id);
    pair.wait_for_delivered(1);
}

#[actix::test]
async fn restarted_keeper_is_asked_again() {
    let settings = Server::with("participating.push_retry", "300ms");
    let mut pair = start(settings, Settings::default());
    let alice = User::of(&pair.home, "alice").await.log_in().await;
    let id = leave(&alice, 20_000).await;
    pair.keeper.kill9();
    let mut bob = User::of(&pair.home, "bob").await.log_in().await;
    bob.nothing_more().await;
    pair.keeper.restart();
    assert_eq!(bob.next().await.message_id, id);
    pair.wait_for_delivered(1);
}
