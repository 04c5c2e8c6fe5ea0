//! Notifications of what became of a message, as they go over the wire (RFC 5438).
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod harness;

use harness::{
    Server, Settings, eventually,
    phone::{PATIENCE, Phone},
};
use restante::sip::codec::{Message, Name};

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
