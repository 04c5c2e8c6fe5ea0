//! The real server where it does not participate: requests pass it as they are, bare sockets on
//! both sides (RFC 3261 §16, flows S2 and R3).
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#[path = "proxy/end.rs"]
mod end;
mod harness;

use end::End;
use harness::{Server, Settings};
use restante::sip::codec::{Message, Method, Name};
use std::time::Duration;

const BOB: &str = "sip:bob@localhost";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n\
                   m=message 2855 TCP/MSRP *\r\na=accept-types:*\r\n\
                   a=path:msrp://192.0.2.7:2855/a;tcp\r\n";

fn proxying() -> Settings {
    Server::with("participating.mode", "proxy")
        .with("sip_core.authenticate", false)
        .with("sip.timers.t1", "50ms")
        .with("sip.timers.t2", "200ms")
}

/// A server that keeps nothing itself, and the neighbour who does.
fn diverting() -> (Server, End) {
    let keeper = End::neighbour("keeper");
    let server = proxying()
        .with("server.roles", r#"["sip_core", "participating"]"#)
        .with("neighbours.deferred", format!("sip:{}", keeper.local))
        .start();
    let keeper = keeper.of(&server);
    (ready(server), keeper)
}

fn ready(server: Server) -> Server {
    server
        .subscriber("alice", "secret")
        .subscriber("bob", "secret")
}

fn invite(alice: &End, call: &str) -> Message {
    alice
        .request(Method::Invite, BOB, call)
        .body("application/sdp", SDP)
        .build()
}

fn route_of(server: &Server) -> String {
    format!("<sip:{};lr>", server.sip())
}

/// Alice and Bob in a call: what Bob was asked, and what Alice was answered.
fn talking(alice: &mut End, bob: &mut End, call: &str) -> (Message, Message) {
    let invite = invite(alice, call);
    alice.send(&invite);
    alice.hears(100);
    let arrived = bob.asked(&Method::Invite);
    bob.answer(&arrived, 200);
    let accepted = alice.hears(200);
    alice.send(&alice.of_caller(&accepted, Method::Ack).build());
    bob.asked(&Method::Ack);
    (arrived, accepted)
}

#[test]
fn call_passes_with_its_description_untouched_and_the_caller_hangs_up() {
    let server = ready(proxying().start());
    let (mut alice, mut bob) = (End::udp(&server, "alice"), End::udp(&server, "bob"));
    bob.register();
    alice.send(&invite(&alice, "plain"));
    alice.hears(100);
    let arrived = bob.asked(&Method::Invite);
    assert_eq!(arrived.body(), SDP);
    assert_eq!(arrived.uri_text(), format!("sip:bob@{}", bob.local));
    assert_eq!(
        arrived.value(Name::To).as_deref(),
        Some("<sip:bob@localhost>")
    );
    assert_eq!(arrived.value(Name::Contact), Some(alice.contact().into()));
    assert_eq!(arrived.value(Name::MaxForwards).as_deref(), Some("69"));
    let asserted = arrived.value(Name::PAssertedIdentity);
    assert_eq!(asserted.as_deref(), Some("<sip:alice@localhost>"));
    assert_eq!(arrived.list(Name::RecordRoute), [route_of(&server)]);
    bob.answer(&arrived, 180);
    alice.hears(180);
    bob.answer(&arrived, 200);
    let accepted = alice.hears(200);
    assert_eq!(accepted.value(Name::Contact), Some(bob.contact().into()));
    assert_eq!(accepted.vias().unwrap().len(), 1);
    alice.send(&alice.of_caller(&accepted, Method::Ack).build());
    let ack = bob.asked(&Method::Ack);
    assert!(!ack.has(Name::Route));
    alice.send(&alice.of_caller(&accepted, Method::Bye).build());
    let bye = bob.asked(&Method::Bye);
    assert_eq!(
        (bye.vias().unwrap().len(), bye.has(Name::Route)),
        (2, false)
    );
    bob.answer(&bye, 200);
    alice.hears(200);
}

#[test]
fn callee_hangs_up_and_offers_anew_before() {
    let server = ready(proxying().start());
    let (mut alice, mut bob) = (End::udp(&server, "alice"), End::udp(&server, "bob"));
    bob.register();
    let (arrived, _) = talking(&mut alice, &mut bob, "callee");
    bob.send(
        &bob.of_callee(&arrived, Method::Invite)
            .body("application/sdp", SDP)
            .build(),
    );
    bob.hears(100);
    let again = alice.asked(&Method::Invite);
    // the route is set already
    assert!(!again.has(Name::RecordRoute));
    alice.answer(&again, 488);
    alice.asked(&Method::Ack);
    bob.hears(488);
    let bye = bob
        .of_callee(&arrived, Method::Bye)
        .replace(Name::CSeq, "2 BYE");
    bob.send(&bye.build());
    let bye = alice.asked(&Method::Bye);
    alice.answer(&bye, 200);
}

#[test]
fn caller_who_gives_up_cancels_the_far_end_and_hears_487() {
    let server = ready(proxying().start());
    let (mut alice, mut bob) = (End::udp(&server, "alice"), End::udp(&server, "bob"));
    bob.register();
    let request = invite(&alice, "given-up");
    alice.send(&request);
    alice.hears(100);
    let arrived = bob.asked(&Method::Invite);
    bob.answer(&arrived, 180);
    alice.hears(180);
    let via = request.value(Name::Via).unwrap();
    let cancel = alice
        .request(Method::Cancel, BOB, "given-up")
        .replace(Name::Via, via.as_bytes());
    alice.send(&cancel.build());
    assert_eq!(alice.hears(200).method(), Some(Method::Cancel));
    let cancelled = bob.asked(&Method::Cancel);
    assert_eq!(
        cancelled.via().unwrap().branch(),
        arrived.via().unwrap().branch()
    );
    bob.answer(&cancelled, 200);
    bob.answer(&arrived, 487);
    bob.asked(&Method::Ack);
    assert_eq!(alice.hears(487).method(), Some(Method::Invite));
}

#[test]
fn receiver_who_is_not_there_has_the_same_call_go_to_whoever_keeps_it() {
    let (server, mut keeper) = diverting();
    let mut alice = End::udp(&server, "alice");
    alice.send(&invite(&alice, "away"));
    alice.hears(100);
    let kept = keeper.asked(&Method::Invite);
    assert_eq!(kept.uri_text(), BOB);
    assert_eq!(
        (kept.body().as_ref(), kept.call_id().as_ref()),
        (SDP.as_bytes(), "away")
    );
    let asserted = kept.value(Name::PAssertedIdentity);
    assert_eq!(asserted.as_deref(), Some("<sip:alice@localhost>"));
    assert_eq!(
        kept.list(Name::Route),
        [format!("<sip:{};lr>", keeper.local)]
    );
    keeper.answer(&kept, 200);
    let accepted = alice.hears(200);
    assert_eq!(accepted.value(Name::Contact), Some(keeper.contact().into()));
    alice.send(&alice.of_caller(&accepted, Method::Ack).build());
    keeper.asked(&Method::Ack);
    keeper.send(&keeper.of_callee(&kept, Method::Bye).build());
    let bye = alice.asked(&Method::Bye);
    alice.answer(&bye, 200);
    keeper.hears(200);
}

#[test]
fn device_that_is_away_never_speaks_to_the_caller_whose_call_is_kept() {
    for (call, code) in [("timeout", 408), ("unavailable", 480), ("overloaded", 503)] {
        let (server, mut keeper) = diverting();
        let (mut alice, mut bob) = (End::udp(&server, "alice"), End::udp(&server, "bob"));
        bob.register();
        alice.send(&invite(&alice, call));
        alice.hears(100);
        let arrived = bob.asked(&Method::Invite);
        bob.answer(&arrived, code);
        bob.asked(&Method::Ack);
        let kept = keeper.asked(&Method::Invite);
        assert_eq!(
            (kept.uri_text(), kept.body().as_ref()),
            (BOB, SDP.as_bytes())
        );
        keeper.answer(&kept, 200);
        alice.hears(200);
    }
}

#[test]
fn receiver_who_says_no_is_heard_and_nothing_is_kept() {
    let (server, mut keeper) = diverting();
    let (mut alice, mut bob) = (End::udp(&server, "alice"), End::udp(&server, "bob"));
    bob.register();
    for (call, code) in [("busy", 486), ("declined", 603)] {
        alice.send(&invite(&alice, call));
        alice.hears(100);
        let arrived = bob.asked(&Method::Invite);
        bob.answer(&arrived, code);
        bob.asked(&Method::Ack);
        let refusal = alice.hears(code);
        let ack = alice.request(Method::Ack, BOB, call);
        let via = format!(
            "SIP/2.0/UDP {};branch=z9hG4bK{call}INVITE;rport",
            alice.local
        );
        let ack = ack.replace(Name::Via, via);
        alice.send(
            &ack.replace(Name::To, refusal.raw(Name::To).unwrap())
                .build(),
        );
    }
    keeper.hears_nothing();
}

#[test]
fn device_that_rings_too_long_is_cancelled_and_the_call_is_kept() {
    let keeper = End::neighbour("keeper");
    let server = proxying()
        .with("server.roles", r#"["sip_core", "participating"]"#)
        .with("neighbours.deferred", format!("sip:{}", keeper.local))
        .with("participating.ring_timeout", "300ms");
    let server = ready(server.start());
    let mut keeper = keeper.of(&server);
    let (mut alice, mut bob) = (End::udp(&server, "alice"), End::udp(&server, "bob"));
    bob.register();
    alice.send(&invite(&alice, "rings"));
    alice.hears(100);
    let arrived = bob.asked(&Method::Invite);
    bob.answer(&arrived, 180);
    alice.hears(180);
    let cancel = bob.asked(&Method::Cancel);
    bob.answer(&cancel, 200);
    bob.answer(&arrived, 487);
    bob.asked(&Method::Ack);
    let kept = keeper.asked(&Method::Invite);
    keeper.answer(&kept, 200);
    alice.hears(200);
}

#[test]
fn server_that_keeps_messages_itself_answers_for_a_receiver_who_is_not_there() {
    let server = ready(proxying().start());
    let mut alice = End::udp(&server, "alice");
    alice.send(&invite(&alice, "here"));
    let accepted = alice.hears(200);
    let contact = accepted.value(Name::Contact).unwrap();
    assert!(contact.contains("automata"), "{contact}");
    assert!(!accepted.has(Name::RecordRoute));
    alice.send(&alice.of_caller(&accepted, Method::Ack).build());
    alice.send(&alice.of_caller(&accepted, Method::Bye).build());
    alice.hears(200);
    let text = alice
        .request(Method::Message, BOB, "text")
        .body("text/plain", "hello");
    alice.send(&text.build());
    alice.hears(202);
    assert_eq!(server.metric("restante_messages_deferred_total"), 1.0);
}

#[test]
fn message_goes_to_the_device_as_it_is_and_its_answer_comes_back() {
    let (server, mut keeper) = diverting();
    let (mut alice, mut bob) = (End::udp(&server, "alice"), End::udp(&server, "bob"));
    bob.register();
    let text = alice
        .request(Method::Message, BOB, "hello")
        .body("text/plain", "hello");
    let text = text.header(Name::Require, "unheard-of").build();
    alice.send(&text);
    let arrived = bob.asked(&Method::Message);
    assert_eq!(
        (arrived.body().as_ref(), arrived.call_id().as_ref()),
        (&b"hello"[..], "hello")
    );
    // what is required of the far end is for the far end to refuse
    assert_eq!(arrived.value(Name::Require).as_deref(), Some("unheard-of"));
    assert!(!arrived.has(Name::RecordRoute));
    bob.answer(&arrived, 420);
    alice.hears(420);
    // sent again it is not forwarded again
    alice.send(&text);
    alice.hears(420);
    bob.hears_nothing();
    keeper.hears_nothing();
}

#[test]
fn silent_device_of_a_receiver_whose_messages_nobody_keeps_is_told_as_unavailable() {
    let server = proxying()
        .with("server.roles", r#"["sip_core", "participating"]"#)
        .with("participating.message_timeout", "300ms");
    let server = ready(server.start());
    let (mut alice, mut bob) = (End::udp(&server, "alice"), End::udp(&server, "bob"));
    bob.register();
    let text = alice.request(Method::Message, BOB, "void");
    alice.send(&text.body("text/plain", "hello").build());
    let first = bob.asked(&Method::Message);
    assert_eq!(bob.asked(&Method::Message), first);
    alice.hears(480);
    // too late
    bob.answer(&first, 200);
    alice.hears_nothing();
}

#[test]
fn datagrams_that_are_lost_are_sent_again_on_each_stretch() {
    let server = ready(proxying().start());
    let (mut alice, mut bob) = (End::udp(&server, "alice"), End::udp(&server, "bob"));
    bob.register();
    let request = invite(&alice, "lossy");
    alice.send(&request);
    alice.hears(100);
    // the far end hears nothing of it for a while
    let first = bob.asked(&Method::Invite);
    let second = bob.asked(&Method::Invite);
    assert_eq!(first, second);
    // the caller has not heard the 100
    alice.send(&request);
    alice.hears(100);
    bob.answer(&first, 200);
    let accepted = alice.hears(200);
    // the callee has not heard the ACK, nor the caller the 200
    let repeated = bob.answering(&first, 200);
    while bob.within(Duration::from_millis(100)).is_some() {}
    bob.send(&repeated);
    assert_eq!(alice.hears(200), accepted);
    alice.send(&alice.of_caller(&accepted, Method::Ack).build());
    bob.asked(&Method::Ack);
    // the callee does not hear the first BYE
    alice.send(&alice.of_caller(&accepted, Method::Bye).build());
    let lost = bob.asked(&Method::Bye);
    let heard = bob.asked(&Method::Bye);
    assert_eq!(lost, heard);
    bob.answer(&heard, 200);
    let done = alice.hears(200);
    // nor the caller the answer
    alice.send(&alice.of_caller(&accepted, Method::Bye).build());
    assert_eq!(alice.hears(200), done);
}

#[test]
fn caller_with_a_stream_and_callee_with_datagrams_reach_each_other() {
    let server = ready(proxying().start());
    let (mut alice, mut bob) = (End::tcp(&server, "alice"), End::udp(&server, "bob"));
    bob.register();
    let (arrived, accepted) = talking(&mut alice, &mut bob, "mixed");
    let tcp = format!("<sip:{};transport=tcp;lr>", server.sip());
    assert_eq!(
        arrived.list(Name::RecordRoute),
        [route_of(&server), tcp.clone()]
    );
    assert_eq!(accepted.list(Name::RecordRoute), [route_of(&server), tcp]);
    bob.send(&bob.of_callee(&arrived, Method::Info).build());
    let info = alice.asked(&Method::Info);
    assert_eq!(info.via().unwrap().transport.as_ref(), "TCP");
    assert!(!info.has(Name::Route));
    alice.answer(&info, 200);
    bob.hears(200);
    alice.send(&alice.of_caller(&accepted, Method::Bye).build());
    let bye = bob.asked(&Method::Bye);
    assert_eq!(bye.via().unwrap().transport.as_ref(), "UDP");
    bob.answer(&bye, 200);
    alice.hears(200);
}

#[test]
fn dialog_goes_on_by_a_server_that_was_killed_and_came_back() {
    let mut server = ready(proxying().start());
    let (mut alice, mut bob) = (End::udp(&server, "alice"), End::udp(&server, "bob"));
    bob.register();
    let (_, accepted) = talking(&mut alice, &mut bob, "survivor");
    server.kill9();
    server.restart();
    alice.send(&alice.of_caller(&accepted, Method::Bye).build());
    let bye = bob.asked(&Method::Bye);
    bob.answer(&bye, 200);
    alice.hears(200);
}

#[test]
fn what_may_not_go_on_is_refused_with_the_standards_status() {
    let (server, mut keeper) = diverting();
    let mut alice = End::udp(&server, "alice");
    for (call, name, value, code) in [
        ("hops", Name::MaxForwards, "0", 483),
        ("breadth", Name::MaxBreadth, "0", 440),
        ("extension", Name::ProxyRequire, "unheard-of", 420),
    ] {
        let request = alice
            .request(Method::Message, BOB, call)
            .replace(name, value);
        alice.send(&request.build());
        let refusal = alice.hears(code);
        let unsupported = refusal.value(Name::Unsupported);
        assert_eq!(unsupported.is_some(), code == 420);
    }
    keeper.hears_nothing();
}

#[test]
fn identity_that_a_device_asserts_is_not_believed() {
    let (server, mut keeper) = diverting();
    let mut alice = End::udp(&server, "alice");
    let request = invite(&alice, "liar");
    let forged = restante::sip::codec::Builder::from_message(&request)
        .header(Name::PAssertedIdentity, "<sip:boss@localhost>");
    alice.send(&forged.build());
    let kept = keeper.asked(&Method::Invite);
    let asserted: Vec<_> = kept.values(Name::PAssertedIdentity).collect();
    assert_eq!(asserted, ["<sip:alice@localhost>"]);
    keeper.answer(&kept, 480);
    keeper.asked(&Method::Ack);
}

#[test]
fn subscription_to_a_mailbox_elsewhere_passes_a_server_that_participates() {
    let keeper = End::neighbour("keeper");
    let server = Server::with("sip_core.authenticate", false)
        .with("server.roles", r#"["sip_core", "participating"]"#)
        .with("neighbours.deferred", format!("sip:{}", keeper.local));
    let server = ready(server.start());
    let mut keeper = keeper.of(&server);
    let mut bob = End::udp(&server, "bob");
    let subscribe = bob
        .request(Method::Subscribe, BOB, "watch")
        .header(Name::Event, "message-summary");
    bob.send(&subscribe.build());
    let arrived = keeper.asked(&Method::Subscribe);
    assert_eq!(arrived.list(Name::RecordRoute), [route_of(&server)]);
    keeper.answer(&arrived, 200);
    let accepted = bob.hears(200);
    let notify = keeper
        .of_callee(&arrived, Method::Notify)
        .header(Name::Event, "message-summary")
        .header(Name::SubscriptionState, "active;expires=600");
    keeper.send(&notify.build());
    let notified = bob.asked(&Method::Notify);
    assert!(!notified.has(Name::Route));
    bob.answer(&notified, 200);
    keeper.hears(200);
    let refresh = bob.of_caller(&accepted, Method::Subscribe);
    bob.send(&refresh.header(Name::Event, "message-summary").build());
    let refreshed = keeper.asked(&Method::Subscribe);
    assert!(!refreshed.has(Name::Route));
    keeper.answer(&refreshed, 200);
    bob.hears(200);
}
