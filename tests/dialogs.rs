//! Dialogs of the real server where messages cross, repeat, get lost or never come: bare sockets
//! on both sides (RFC 3261 §9, §13, §14, §15; RFC 3311; RFC 4028).
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#[path = "proxy/end.rs"]
mod end;
mod harness;

use end::End;
use harness::{Server, Settings};
use restante::sip::codec::{Builder, Message, Method, Name};
use std::time::{Duration, Instant};

const BOB: &str = "sip:bob@localhost";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n\
                   m=message 2855 TCP/MSRP *\r\na=accept-types:*\r\n\
                   a=path:msrp://192.0.2.7:2855/a;tcp\r\n";

/// T1 is a twentieth of the standard's, so the shortest session is nine seconds.
const T1: Duration = Duration::from_millis(50);

fn quick() -> Settings {
    Server::with("sip_core.authenticate", false)
        .with("sip.timers.t1", "50ms")
        .with("sip.timers.t2", "200ms")
        .with("sip.min_session_expires", "9s")
}

fn ready(settings: Settings) -> Server {
    settings
        .start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret")
}

fn invite(alice: &End, call: &str) -> Builder {
    alice
        .request(Method::Invite, BOB, call)
        .body("application/sdp", SDP)
}

/// A call of Alice to Bob, who is away: the deferred function answers. Its 200, not acknowledged.
fn accepted(alice: &mut End, call: &str, headers: &[(Name, &str)]) -> Message {
    let request = headers
        .iter()
        .fold(invite(alice, call), |request, (name, value)| {
            request.header(*name, value)
        });
    alice.send(&request.build());
    final_answer(alice, call)
}

/// The next final response to an INVITE of the call; repetitions of others are passed over.
fn final_answer(end: &mut End, call: &str) -> Message {
    loop {
        let message = end.within(Duration::from_secs(5)).expect("no answer");
        let is_final = message.code().is_some_and(|code| code >= 200);
        let is_invite = message.method() == Some(Method::Invite);
        if is_final && is_invite && message.call_id() == call {
            return message;
        }
    }
}

/// The next request of this method; what comes before it is passed over.
#[track_caller]
fn next(end: &mut End, method: &Method) -> Message {
    let deadline = Instant::now() + Duration::from_secs(12);
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        match end.within(left) {
            Some(message) if message.is(method) => return message,
            _ => {}
        }
    }
    panic!("no {method}")
}

/// The code of the next final answer to a request of this method.
#[track_caller]
fn answered(end: &mut End, method: &Method) -> Message {
    let deadline = Instant::now() + Duration::from_secs(5);
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        let Some(message) = end.within(left) else {
            break;
        };
        let is_final = message.code().is_some_and(|code| code >= 200);
        if is_final && message.method().as_ref() == Some(method) {
            return message;
        }
    }
    panic!("no answer to {method}")
}

fn acknowledge(alice: &mut End, accepted: &Message) {
    let ack = alice.of_caller(accepted, Method::Ack).build();
    alice.send(&ack);
}

fn text(message: &Message, name: Name) -> String {
    message.value(name).unwrap_or_default().into_owned()
}

/// Waits until no dialog is left.
fn until_no_dialog(server: &Server) {
    let none = || server.metric("restante_sip_dialogs") == 0.0;
    assert!(harness::eventually(Duration::from_secs(10), none));
}

#[test]
fn acceptance_is_repeated_until_its_ack_gets_through() {
    let server = ready(quick());
    let mut alice = End::udp(&server, "alice");
    let first = accepted(&mut alice, "lossy", &[]);
    // three ACKs are lost; the interval doubles up to T2
    let begun = Instant::now();
    for _ in 0..3 {
        let again = final_answer(&mut alice, "lossy");
        assert_eq!(again.octets(), first.octets());
    }
    let waited = begun.elapsed();
    assert!(waited > T1 * 6 && waited < T1 * 16, "{waited:?}");
    acknowledge(&mut alice, &first);
    alice.hears_nothing();
    alice.send(&alice.of_caller(&first, Method::Bye).build());
    alice.hears(200);
    until_no_dialog(&server);
}

#[test]
fn call_whose_ack_never_comes_is_ended_after_64_t1() {
    let server = ready(quick());
    let mut alice = End::udp(&server, "alice");
    accepted(&mut alice, "unacknowledged", &[]);
    let begun = Instant::now();
    let bye = next(&mut alice, &Method::Bye);
    let waited = begun.elapsed();
    assert!(waited > T1 * 60 && waited < T1 * 90, "{waited:?}");
    alice.answer(&bye, 200);
    until_no_dialog(&server);
}

#[test]
fn goodbye_that_overtakes_the_ack_ends_the_call() {
    let server = ready(quick());
    let mut alice = End::udp(&server, "alice");
    let ok = accepted(&mut alice, "overtaken", &[]);
    alice.send(&alice.of_caller(&ok, Method::Bye).build());
    assert_eq!(answered(&mut alice, &Method::Bye).code(), Some(200));
    acknowledge(&mut alice, &ok);
    until_no_dialog(&server);
    // and nothing of it is left to be repeated
    alice.hears_nothing();
}

#[test]
fn cancel_that_crosses_the_acceptance_changes_nothing() {
    let server = ready(quick());
    let mut alice = End::udp(&server, "alice");
    let ok = accepted(&mut alice, "crossed", &[]);
    assert_eq!(ok.code(), Some(200));
    // the INVITE's own Via (RFC 3261 §9.1)
    let branch = text(&invite(&alice, "crossed").build(), Name::Via);
    let cancel = alice.request(Method::Cancel, BOB, "crossed");
    alice.send(&cancel.replace(Name::Via, branch).build());
    assert_eq!(answered(&mut alice, &Method::Cancel).code(), Some(200));
    acknowledge(&mut alice, &ok);
    let info = alice.of_caller(&ok, Method::Update).build();
    alice.send(&info);
    assert_eq!(answered(&mut alice, &Method::Update).code(), Some(200));
}

#[test]
fn acceptance_that_crosses_our_cancel_is_acknowledged_and_ended() {
    let server = ready(quick());
    let (mut alice, mut bob) = (End::udp(&server, "alice"), End::udp(&server, "bob"));
    bob.register();
    let request = invite(&alice, "late").build();
    alice.send(&request);
    let arrived = next(&mut bob, &Method::Invite);
    bob.answer(&arrived, 180);
    let cancel = alice.request(Method::Cancel, BOB, "late");
    let cancel = cancel.replace(Name::Via, text(&request, Name::Via));
    alice.send(&cancel.build());
    assert_eq!(final_answer(&mut alice, "late").code(), Some(487));
    let cancel = next(&mut bob, &Method::Cancel);
    // Bob picked up before it arrived
    let ok = Builder::from_message(&bob.answering(&arrived, 200));
    bob.send(&ok.body("application/sdp", SDP).build());
    bob.answer(&cancel, 200);
    let ack = next(&mut bob, &Method::Ack);
    assert_eq!(ack.cseq().unwrap().number, arrived.cseq().unwrap().number);
    let bye = next(&mut bob, &Method::Bye);
    assert_eq!(bye.to().unwrap().tag(), Some("bob"));
    bob.answer(&bye, 200);
    until_no_dialog(&server);
}

#[test]
fn offer_that_crosses_our_goodbye_is_answered_and_the_call_is_over() {
    // nobody sends anything: the server itself hangs up
    let server = ready(quick().with("participating.idle_timeout", "1s"));
    let mut alice = End::udp(&server, "alice");
    let ok = accepted(&mut alice, "both", &[]);
    acknowledge(&mut alice, &ok);
    let bye = next(&mut alice, &Method::Bye);
    let offer = alice.of_caller(&ok, Method::Invite);
    alice.send(&offer.body("application/sdp", SDP).build());
    assert_eq!(final_answer(&mut alice, "both").code(), Some(481));
    alice.answer(&bye, 200);
    until_no_dialog(&server);
}

#[test]
fn goodbyes_that_cross_are_both_answered() {
    let server = ready(quick().with("participating.idle_timeout", "1s"));
    let mut alice = End::udp(&server, "alice");
    let ok = accepted(&mut alice, "byes", &[]);
    acknowledge(&mut alice, &ok);
    let theirs = next(&mut alice, &Method::Bye);
    alice.send(&alice.of_caller(&ok, Method::Bye).build());
    assert_eq!(answered(&mut alice, &Method::Bye).code(), Some(200));
    alice.answer(&theirs, 200);
    until_no_dialog(&server);
}

#[test]
fn request_of_a_dialog_nobody_knows_is_refused() {
    let server = ready(quick());
    let mut alice = End::udp(&server, "alice");
    for (at, method) in [Method::Bye, Method::Update, Method::Info]
        .iter()
        .enumerate()
    {
        let call = format!("nowhere-{at}");
        let request = alice.request(method.clone(), BOB, &call);
        let request = request.replace(Name::To, "<sip:bob@localhost>;tag=gone");
        alice.send(&request.build());
        assert_eq!(answered(&mut alice, method).code(), Some(481), "{method}");
    }
}

#[test]
fn request_older_than_one_already_taken_is_out_of_order() {
    let server = ready(quick());
    let mut alice = End::udp(&server, "alice");
    let ok = accepted(&mut alice, "order", &[]);
    acknowledge(&mut alice, &ok);
    let update = |number: u32| {
        let update = alice.of_caller(&ok, Method::Update);
        let via = format!(
            "SIP/2.0/UDP {};branch=z9hG4bKorder{number};rport",
            alice.local
        );
        update
            .replace(Name::CSeq, format!("{number} UPDATE"))
            .replace(Name::Via, via)
            .build()
    };
    let (newer, older) = (update(7), update(6));
    for (request, code) in [(newer, 200), (older, 500)] {
        alice.send(&request);
        assert_eq!(answered(&mut alice, &Method::Update).code(), Some(code));
    }
}

#[test]
fn session_is_refreshed_at_half_time_and_ends_when_the_end_is_gone() {
    let server = ready(quick().with("sip.session_expires", "9s"));
    let mut alice = End::udp(&server, "alice");
    let ok = accepted(
        &mut alice,
        "refreshed",
        &[(Name::Allow, "INVITE, ACK, BYE, UPDATE")],
    );
    assert_eq!(text(&ok, Name::SessionExpires), "9;refresher=uas");
    assert!(ok.list(Name::Allow).iter().any(|method| method == "UPDATE"));
    acknowledge(&mut alice, &ok);
    let begun = Instant::now();
    let update = next(&mut alice, &Method::Update);
    let waited = begun.elapsed();
    assert!(
        waited > Duration::from_secs(4) && waited < Duration::from_secs(6),
        "{waited:?}"
    );
    assert_eq!(text(&update, Name::SessionExpires), "9;refresher=uac");
    assert_eq!(text(&update, Name::Supported), "timer");
    assert!(update.body().is_empty());
    // it gets no answer
    let bye = next(&mut alice, &Method::Bye);
    alice.answer(&bye, 200);
    until_no_dialog(&server);
}

#[test]
fn refresh_that_crosses_an_offer_is_refused_and_made_again_within_two_seconds() {
    // refreshed after 7.5 s, ended after 10 s: between them is room for the longest wait
    let server = ready(quick().with("sip.session_expires", "15s"));
    let mut alice = End::udp(&server, "alice");
    let ok = accepted(&mut alice, "glare", &[(Name::Allow, "INVITE, ACK, BYE")]);
    acknowledge(&mut alice, &ok);
    let refresh = next(&mut alice, &Method::Invite);
    assert_eq!(refresh.body(), ok.body());
    // her own offer is on the way
    let offer = alice.of_caller(&ok, Method::Invite);
    alice.send(&offer.body("application/sdp", SDP).build());
    assert_eq!(final_answer(&mut alice, "glare").code(), Some(491));
    alice.answer(&refresh, 491);
    let refused = Instant::now();
    let again = loop {
        let invite = next(&mut alice, &Method::Invite);
        if invite.cseq().unwrap().number > refresh.cseq().unwrap().number {
            break invite;
        }
    };
    // who was called waits less than who called (RFC 3261 §14.1)
    assert!(refused.elapsed() < Duration::from_millis(2_200));
    let answer = Builder::from_message(&alice.answering(&again, 200));
    alice.send(&answer.body("application/sdp", SDP).build());
    let ack = next(&mut alice, &Method::Ack);
    assert_eq!(ack.cseq().unwrap().number, again.cseq().unwrap().number);
}

#[test]
fn interval_below_the_configured_one_is_refused_with_what_would_do() {
    let server = ready(quick().with("sip.min_session_expires", "600s"));
    let mut alice = End::udp(&server, "alice");
    let short = [(Name::Supported, "timer"), (Name::SessionExpires, "599")];
    let refused = accepted(&mut alice, "short", &short);
    assert_eq!(refused.code(), Some(422));
    assert_eq!(text(&refused, Name::MinSe), "600");
    let enough = [
        (Name::Supported, "timer"),
        (Name::SessionExpires, "600"),
        (Name::MinSe, "600"),
    ];
    let ok = accepted(&mut alice, "enough", &enough);
    assert_eq!(ok.code(), Some(200));
    assert_eq!(text(&ok, Name::SessionExpires), "600;refresher=uac");
    assert_eq!(text(&ok, Name::Require), "timer");
}

#[test]
fn device_that_wants_longer_sessions_is_called_again_with_them() {
    let server = ready(quick().with("sip.session_expires", "100s"));
    let (mut alice, mut bob) = (End::udp(&server, "alice"), End::udp(&server, "bob"));
    bob.register();
    alice.send(&invite(&alice, "patient").build());
    let first = next(&mut bob, &Method::Invite);
    assert_eq!(text(&first, Name::SessionExpires), "100");
    let refusal = Builder::from_message(&bob.answering(&first, 422));
    bob.send(&refusal.header(Name::MinSe, "3600").build());
    let second = loop {
        let invite = next(&mut bob, &Method::Invite);
        if invite.cseq().unwrap().number == 2 {
            break invite;
        }
    };
    assert_eq!(second.call_id(), first.call_id());
    assert_eq!(text(&second, Name::SessionExpires), "3600");
    assert_eq!(text(&second, Name::MinSe), "3600");
    bob.answer(&second, 486);
    assert_eq!(final_answer(&mut alice, "patient").code(), Some(486));
}

#[test]
fn extension_for_timers_may_be_required_and_others_may_not() {
    let server = ready(quick());
    let mut alice = End::udp(&server, "alice");
    let timers = accepted(&mut alice, "timers", &[(Name::Require, "timer")]);
    assert_eq!(timers.code(), Some(200));
    let others = accepted(&mut alice, "others", &[(Name::Require, "timer, 100rel")]);
    assert_eq!(others.code(), Some(420));
    assert_eq!(text(&others, Name::Unsupported), "100rel");
}
