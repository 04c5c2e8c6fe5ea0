//! Notifications of what became of a message, as they go over the wire (RFC 5438).
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod harness;

use harness::{
    Server, Settings, eventually,
    phone::{PATIENCE, Phone},
    reader::Reader,
    user::User,
};
use restante::{
    client::{Channel, Sight, Tap, Way},
    content::{
        cpim::Cpim,
        imdn::{Disposition, Imdn},
    },
    sip::codec::{Message, Method, Name},
};
use std::sync::{Arc, mpsc};

/// RFC 5438 §7.2.1.1, with our users.
const DELIVERED: &str = "From: Bob <sip:bob@localhost>\r\n\
    To: Alice <sip:alice@localhost>\r\n\
    NS: imdn <urn:ietf:params:imdn>\r\n\
    imdn.Message-ID: d834jied93rf\r\n\
    \r\n\
    Content-type: message/imdn+xml\r\n\
    Content-Disposition: notification\r\n\
    Content-length: 376\r\n\
    \r\n\
    <?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
    <imdn xmlns=\"urn:ietf:params:xml:ns:imdn\">\r\n\
    <message-id>34jk324j</message-id>\r\n\
    <datetime>2008-04-04T12:16:49-05:00</datetime>\r\n\
    <recipient-uri>sip:bob@localhost</recipient-uri>\r\n\
    <original-recipient-uri\r\n>sip:bob@localhost</original-recipient-uri>\r\n\
    <delivery-notification>\r\n<status>\r\n<delivered/>\r\n</status>\r\n\
    </delivery-notification>\r\n</imdn>";

/// RFC 5438 §7.1.1.3, with our users.
const HELLO: &str = "From: Alice <sip:alice@localhost>\r\n\
    To: Bob <sip:bob@localhost>\r\n\
    NS: imdn <urn:ietf:params:imdn>\r\n\
    imdn.Message-ID: 34jk324j\r\n\
    DateTime: 2006-04-04T12:16:49-05:00\r\n\
    imdn.Disposition-Notification: positive-delivery, negative-delivery\r\n\
    \r\n\
    Content-type: text/plain\r\n\
    Content-length: 12\r\n\
    \r\n\
    Hello World\n";

const ALICE: &str = "sip:alice@localhost";
const BOB: &str = "sip:bob@localhost";
const CPIM: &str = "message/cpim";

fn start(settings: Settings) -> (Server, Phone, Phone) {
    let server = settings.start();
    let server = server
        .subscriber("alice", "secret")
        .subscriber("bob", "secret");
    let (alice, bob) = (Phone::new(&server, "alice"), Phone::new(&server, "bob"));
    (server, alice, bob)
}

fn body(request: &Message) -> &str {
    assert_eq!(request.value(Name::ContentType).as_deref(), Some(CPIM));
    std::str::from_utf8(request.body()).unwrap()
}

/// A notification whose way back is `routes`.
fn routed(routes: &[&str]) -> String {
    let lines = routes.iter();
    let lines = lines.map(|uri| format!("imdn.IMDN-Route: <{uri}>\r\n"));
    let id = "imdn.Message-ID: d834jied93rf\r\n";
    DELIVERED.replace(id, &format!("{id}{}", lines.collect::<String>()))
}

/// The message that asks for `asked`.
fn hello(asked: &str) -> String {
    HELLO.replace("positive-delivery, negative-delivery", asked)
}

/// Whether the server itself tells Alice this.
fn by_server(heard: &Message, answer: &str) {
    let text = body(heard);
    let (head, document) = text.split_once("<?xml").unwrap();
    let lines: Vec<_> = head.split("\r\n").collect();
    assert_eq!(
        lines[..2],
        ["From: <sip:bob@localhost>", "To: <sip:alice@localhost>"]
    );
    assert!(lines[2].starts_with("DateTime: 20"), "{head}");
    assert_eq!(lines[3], "NS: imdn <urn:ietf:params:imdn>");
    let id = lines[4].strip_prefix("imdn.Message-ID: ").unwrap();
    assert!(id.len() == 32 && id != "34jk324j", "{id}");
    assert_eq!(lines[5..7], ["", "Content-Type: message/imdn+xml"]);
    assert!(lines[7].starts_with("Content-Length: "));
    assert_eq!(lines[8..], ["Content-Disposition: notification", "", ""]);
    let expected = format!(
        " version=\"1.0\" encoding=\"UTF-8\"?>\n<imdn xmlns=\"urn:ietf:params:xml:ns:imdn\">\
         <message-id>34jk324j</message-id><datetime>2006-04-04T17:16:49Z</datetime>\
         <recipient-uri>sip:bob@localhost</recipient-uri>\
         <original-recipient-uri>sip:bob@localhost</original-recipient-uri>\
         {answer}</imdn>"
    );
    assert_eq!(document, expected);
}

const STORED: &str =
    "<processing-notification><status><stored/></status></processing-notification>";
const FAILED: &str = "<delivery-notification><status><failed/></status></delivery-notification>";

/// Bob sends a notification to `uri` while Alice, who is there, answers 200: what she got.
fn told(alice: &mut Phone, bob: &mut Phone, uri: &str, notification: &str) -> Message {
    std::thread::scope(|both| {
        let heard = both.spawn(|| alice.answered(200));
        assert_eq!(bob.message(uri, CPIM, notification), Some(200));
        heard.join().unwrap()
    })
}

fn nothing_waits_for(server: &Server, user: &str) -> bool {
    let (_, queue) = server.get(&format!("/api/v1/queues/sip:{user}@localhost"));
    queue["items"].as_array().is_some_and(Vec::is_empty)
}

#[test]
fn notification_reaches_the_sender_who_is_there_as_it_was_written() {
    let (_server, mut alice, mut bob) = start(Settings::default());
    alice.register();
    let heard = told(&mut alice, &mut bob, ALICE, DELIVERED);
    assert_eq!(body(&heard), DELIVERED);
    let asserted = heard.value(Name::PAssertedIdentity);
    assert_eq!(asserted.as_deref(), Some("<sip:bob@localhost>"));
}

#[test]
fn notification_for_a_sender_who_is_away_waits_for_the_next_login() {
    let (server, mut alice, mut bob) = start(Settings::default());
    assert_eq!(bob.message(ALICE, CPIM, DELIVERED), Some(202));
    assert_eq!(
        server.metric("restante_notifications_total{outcome=\"kept\"}"),
        1.0
    );
    alice.register();
    assert_eq!(body(&alice.answered(200)), DELIVERED);
}

#[test]
fn notification_overtakes_the_messages_that_a_sender_has_not_taken() {
    let (_server, mut alice, mut bob) = start(Settings::default());
    assert_eq!(
        bob.message(ALICE, "text/plain", "no words for you"),
        Some(202)
    );
    alice.register();
    assert_eq!(alice.answered(415).body(), "no words for you");
    let heard = told(&mut alice, &mut bob, ALICE, DELIVERED);
    assert_eq!(body(&heard), DELIVERED);
}

#[test]
fn route_is_gone_back_hop_by_hop_and_ours_is_taken_off() {
    let (_server, mut alice, mut bob) = start(Settings::default());
    alice.register();
    let us = "sip:imdn@localhost";
    let heard = told(&mut alice, &mut bob, us, &routed(&[us]));
    assert_eq!(body(&heard), DELIVERED);
    // the next of the route before the recipient
    let heard = told(
        &mut alice,
        &mut bob,
        us,
        &routed(&[us, ALICE, "sip:far@example.com"]),
    );
    assert_eq!(body(&heard), routed(&[ALICE, "sip:far@example.com"]));
    assert_eq!(
        bob.message(us, CPIM, &routed(&[us, "sip:far@example.com"])),
        Some(404)
    );
    assert_eq!(bob.message(us, CPIM, HELLO), Some(415));
    assert_eq!(bob.message(us, "text/plain", "hello"), Some(415));
}

#[test]
fn own_route_is_recorded_on_messages_that_ask_where_configured() {
    let settings = Settings::default().with("participating.imdn_record_route", true);
    let (server, mut alice, mut bob) = start(settings);
    let line = "negative-delivery\r\n";
    let recorded = format!("{line}imdn.IMDN-Record-Route: <sip:imdn@localhost>\r\n");
    let expected = HELLO.replace(line, &recorded);
    assert_eq!(alice.message(BOB, CPIM, HELLO), Some(202));
    bob.register();
    assert_eq!(body(&bob.answered(200)), expected);
    assert!(eventually(PATIENCE, || nothing_waits_for(&server, "bob")));
    // live, too
    let again = HELLO.replace("34jk324j", "34jk324k");
    let heard = told(&mut bob, &mut alice, BOB, &again);
    assert_eq!(body(&heard), expected.replace("34jk324j", "34jk324k"));
    // and nothing of it on what asks for nothing
    let plain = HELLO.replace("positive-delivery, negative-delivery", "");
    let heard = told(&mut bob, &mut alice, BOB, &plain);
    assert_eq!(body(&heard), plain);
}

#[test]
fn sender_who_asked_is_told_that_the_message_is_stored() {
    let (_server, mut alice, _bob) = start(Settings::default());
    alice.register();
    assert_eq!(alice.message(BOB, CPIM, &hello("processing")), Some(202));
    by_server(&alice.answered(200), STORED);
    // the same once more, and one that does not ask: nothing is told of these
    assert_eq!(alice.message(BOB, CPIM, &hello("processing")), Some(202));
    let silent = HELLO.replace("34jk324j", "34jk324k");
    assert_eq!(alice.message(BOB, CPIM, &silent), Some(202));
    assert!(alice.is_left_alone());
}

#[test]
fn sender_is_told_of_an_expired_message_even_after_a_crash() {
    let settings = Settings::default().with("deferred.expire_every", "2s");
    let (mut server, mut alice, mut bob) = start(settings);
    let body = hello("negative-delivery");
    alice.expires = Some(1);
    assert_eq!(alice.message(BOB, CPIM, &body), Some(202));
    alice.expires = None;
    server.kill9();
    server.restart();
    server.wait_for_metric("restante_deferred_gone_total{how=\"expired\"}", 1.0);
    server.kill9();
    server.restart();
    alice.register();
    by_server(&alice.answered(200), FAILED);
    bob.register();
    assert!(bob.is_left_alone() && alice.is_left_alone());
}

#[test]
fn nothing_is_told_of_a_notification_that_nobody_gets() {
    let settings = Settings::default().with("deferred.max_age", "1s");
    let (server, mut alice, mut bob) = start(settings);
    bob.register();
    let id = "imdn.Message-ID: d834jied93rf\r\n";
    let asking = format!("{id}imdn.Disposition-Notification: negative-delivery, processing\r\n");
    let asking = DELIVERED.replace(id, &asking);
    assert_eq!(bob.message(ALICE, CPIM, &asking), Some(202));
    server.wait_for_metric("restante_deferred_gone_total{how=\"expired\"}", 1.0);
    alice.register();
    assert!(alice.is_left_alone() && bob.is_left_alone());
}

#[test]
fn notifications_fill_no_mailbox_and_have_a_bound_of_their_own() {
    let settings = Settings::default()
        .with("deferred.max_messages", 1)
        .with("deferred.max_share", 100)
        .with("deferred.warn_at", 0)
        .with("deferred.max_notifications", 2);
    let (_server, mut alice, mut bob) = start(settings);
    assert_eq!(bob.message(ALICE, "text/plain", "one"), Some(202));
    assert_eq!(bob.message(ALICE, "text/plain", "two"), Some(480));
    let numbered = |number: u32| DELIVERED.replace("d834jied93rf", &format!("n{number}"));
    for number in 1..=2 {
        assert_eq!(bob.message(ALICE, CPIM, &numbered(number)), Some(202));
    }
    assert_eq!(bob.message(ALICE, CPIM, &numbered(3)), Some(480));
    alice.register();
    let heard: Vec<_> = (0..3).map(|_| alice.answered(200)).collect();
    let heard: Vec<_> = heard.iter().map(|one| one.body().clone()).collect();
    for text in ["one".to_owned(), numbered(1), numbered(2)] {
        assert!(heard.iter().any(|body| *body == text), "{text}");
    }
}

/// Bob sends numbered notifications to Alice, who is away.
fn leave_notifications(bob: &mut Phone, count: u32) {
    for number in 1..=count {
        let id = format!("n{number}");
        let told = DELIVERED.replace("d834jied93rf", &id);
        let told = told.replace("34jk324j", &format!("m{number}"));
        assert_eq!(bob.message(ALICE, CPIM, &told), Some(202));
    }
}

/// What Alice's device gets through channels: of how many messages each one tells.
async fn taken_by_alice(server: &Server, count: usize) -> Vec<Vec<String>> {
    let mut alice = User::of(server, "alice").await.log_in().await;
    let mut taken: Vec<Vec<String>> = Vec::new();
    while taken.iter().map(Vec::len).sum::<usize>() < count {
        let received = alice.next().await;
        assert_eq!(received.channel, Channel::Msrp);
        let told = received.notifications().into_iter();
        taken.push(told.map(|imdn| imdn.message_id).collect());
    }
    alice.nothing_more().await;
    assert!(eventually(PATIENCE, || nothing_waits_for(server, "alice")));
    taken
}

#[actix::test]
async fn waiting_notifications_travel_together_up_to_the_limit() {
    for (limit, expected) in [(3, vec![3, 3, 1]), (1, vec![1; 7])] {
        let settings = Settings::default()
            .with("policy.pager_messages", 0)
            .with("participating.max_aggregation", limit);
        let (server, _, mut bob) = start(settings);
        leave_notifications(&mut bob, 7);
        let taken = taken_by_alice(&server, 7).await;
        let sizes: Vec<_> = taken.iter().map(Vec::len).collect();
        assert_eq!(sizes, expected);
        assert_eq!(taken.concat(), ["m1", "m2", "m3", "m4", "m5", "m6", "m7"]);
    }
}

#[actix::test]
async fn route_is_recorded_on_what_goes_through_a_channel() {
    let settings = Settings::default()
        .with("policy.pager_messages", 0)
        .with("participating.imdn_record_route", true);
    let (server, mut alice, _) = start(settings);
    assert_eq!(alice.message(BOB, CPIM, HELLO), Some(202));
    alice.register();
    let told = tokio::task::spawn_blocking(move || alice.answered(200));
    // what Bob's device sends
    let (sender, sent) = mpsc::channel();
    let tap: Tap = Arc::new(move |event| {
        if let (Way::Sent, Sight::Sip(message)) = (event.way, &event.sight)
            && message.is(&Method::Message)
        {
            // only the first is of interest
            let _ = sender.send(message.clone());
        }
    });
    let mut bob = User::tapped(&server, "bob", tap).await.log_in().await;
    let received = bob.next().await;
    assert_eq!((received.channel, received.size), (Channel::Msrp, 12));
    let told = told.await.unwrap();
    let sent = sent.recv().unwrap();
    assert_eq!(sent.uri_text(), "sip:imdn@localhost");
    let route = "imdn.IMDN-Route: <sip:imdn@localhost>\r\n";
    assert_eq!(body(&told), body(&sent).replace(route, ""));
    let cpim = Cpim::parse(told.body()).unwrap();
    let imdn = &Imdn::all_in(&cpim.head.content_type(), &cpim.body)[0];
    assert_eq!(imdn.message_id, "34jk324j");
    assert_eq!(imdn.disposition, Disposition::Delivered);
}

#[test]
fn notification_said_on_the_channel_of_a_handover_reaches_the_sender() {
    let (server, mut alice, mut bob) = start(Settings::default());
    assert_eq!(alice.message(BOB, CPIM, HELLO), Some(202));
    alice.register();
    let mut reader = Reader::fetch(&server, &mut bob);
    let sent = reader.next();
    assert!(
        sent.head.contains("Content-Type: message/cpim"),
        "{}",
        sent.head
    );
    // the body ends with its own line feed before the one of the frame
    assert_eq!(format!("{}\n", sent.body.trim_end()), HELLO);
    let heard = std::thread::scope(|both| {
        let heard = both.spawn(|| alice.answered(200));
        assert_eq!(reader.say(CPIM, DELIVERED), 200);
        heard.join().unwrap()
    });
    assert_eq!(body(&heard), DELIVERED);
    // one for somebody who is away is kept before it is answered
    let away = DELIVERED.replace("<sip:alice@localhost>", "<sip:bob@localhost>");
    assert_eq!(reader.say(CPIM, &away), 200);
    assert_eq!(
        server.metric("restante_notifications_total{outcome=\"kept\"}"),
        1.0
    );
    reader.answer(&sent, 200);
    server.wait_for_metric("restante_deferred_gone_total{how=\"confirmed\"}", 1.0);
}

#[test]
fn device_that_will_not_have_several_notifications_at_once_gets_each_alone() {
    let (server, mut alice, mut bob) = start(Settings::default());
    leave_notifications(&mut bob, 3);
    let mut reader = Reader::fetch(&server, &mut alice);
    let several = reader.next();
    assert!(
        several.body.contains("Content-Type: multipart/mixed"),
        "{}",
        several.body
    );
    reader.answer(&several, 415);
    for number in 1..=3 {
        let one = reader.next();
        let id = format!("imdn.Message-ID: n{number}\r\n");
        assert!(one.body.contains(&id), "{}", one.body);
        assert!(one.body.contains("Content-type: message/imdn+xml"));
        reader.answer(&one, 200);
    }
    assert!(eventually(PATIENCE, || nothing_waits_for(&server, "alice")));
}
