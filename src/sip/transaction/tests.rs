//! The table: matching, CANCEL, ACK, timers, and that everything ends.
use super::*;
use crate::{
    clock,
    sip::codec::{Builder, Limits, Message, Method, Name},
};
use proptest::prelude::*;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

const OWN: &str = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKown";

fn layer(limit: usize) -> (Layer, Instant) {
    let layer = Layer::new(Timers::default(), limit, "seed".into());
    (layer, clock::now())
}

fn neighbour() -> Peer {
    Peer::udp(([192, 0, 2, 7], 4000).into())
}

fn stream(connection: u64) -> Peer {
    Peer {
        connection: Some(ConnectionId(connection)),
        ..Peer::tcp(([192, 0, 2, 7], 4000).into())
    }
}

/// A request whose topmost Via is `SIP/2.0/UDP host;` and `via`.
fn request(method: &str, via: &str) -> Message {
    let text = format!(
        "{method} sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP client.example:5070;{via}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:a@b>;tag=a\r\nTo: <sip:bob@192.0.2.1>\r\nCall-ID: c\r\n\
         CSeq: 7 {method}\r\nContent-Length: 0\r\n\r\n"
    );
    Message::parse(text.into(), &Limits::default()).unwrap()
}

fn own(method: Method, via: &str) -> Message {
    let cseq = format!("3 {}", method.as_str());
    Builder::request(method, "sip:bob@192.0.2.7")
        .header(Name::Via, via)
        .header(Name::Route, "<sip:proxy.example;lr>")
        .header(Name::MaxForwards, "70")
        .header(Name::From, "<sip:a@b>;tag=a")
        .header(Name::To, "<sip:bob@192.0.2.7>")
        .header(Name::CallId, "own")
        .header(Name::CSeq, cseq)
        .build()
}

fn answer(request: &Message, code: u16) -> Message {
    Builder::response(request, code).to_tag("bob").build()
}

fn effects(layer: &mut Layer) -> Vec<Effect> {
    std::iter::from_fn(|| layer.next_effect()).collect()
}

/// Effects in one word each: what a test compares.
fn words(layer: &mut Layer) -> Vec<String> {
    let word = |effect| match effect {
        Effect::Send { message, .. } => match message.code() {
            Some(code) => format!("send {code} {}", message.method().unwrap().as_str()),
            None => format!("send {}", message.method().unwrap().as_str()),
        },
        Effect::Incoming { request, .. } => {
            format!("incoming {}", request.method().unwrap().as_str())
        }
        Effect::Cancelled { .. } => "cancelled".into(),
        Effect::Ack { .. } => "ack".into(),
        Effect::Response { response, .. } => format!("response {}", response.code().unwrap()),
        Effect::TimedOut { .. } => "timed out".into(),
        Effect::TransportFailed { .. } => "transport failed".into(),
        Effect::Ended { .. } => "ended".into(),
        Effect::Dropped(reason) => format!("dropped {}", reason.kind()),
    };
    effects(layer).into_iter().map(word).collect()
}

fn take_key(layer: &mut Layer) -> ServerKey {
    let found = effects(layer).into_iter().find_map(|effect| match effect {
        Effect::Incoming { key, .. } => Some(key),
        _ => None,
    });
    found.expect("a request was told")
}

#[test]
fn request_is_told_stamped_and_answered_where_it_came_from() {
    let (mut layer, now) = layer(9);
    layer.handle_message(
        request("OPTIONS", "branch=z9hG4bK1;rport"),
        neighbour(),
        now,
    );
    let told = effects(&mut layer);
    let [Effect::Incoming { key, request, .. }] = &told[..] else {
        panic!("{told:?}")
    };
    let via = request.via().unwrap();
    assert_eq!(via.received(), Some(neighbour().addr.ip()));
    assert_eq!(via.rport(), Some(Some(4000)));
    layer.respond(*key, answer(request, 200), now).unwrap();
    let sent = effects(&mut layer);
    assert!(matches!(&sent[..], [Effect::Send { to, .. }] if *to == neighbour()));
}

#[test]
fn without_rport_the_answer_goes_to_the_port_of_the_via() {
    let (mut layer, now) = layer(9);
    layer.handle_message(request("OPTIONS", "branch=z9hG4bK1"), neighbour(), now);
    let key = take_key(&mut layer);
    let expected: SocketAddr = ([192, 0, 2, 7], 5070).into();
    assert_eq!(layer.reply_to(key).map(|peer| peer.addr), Some(expected));
    let named = request("OPTIONS", "branch=z9hG4bK2;maddr=198.51.100.9");
    layer.handle_message(named, stream(1), now);
    let key = take_key(&mut layer);
    assert_eq!(layer.reply_to(key), Some(stream(1)));
}

#[test]
fn same_branch_from_another_host_is_another_transaction() {
    let (mut layer, now) = layer(9);
    let one = request("OPTIONS", "branch=z9hG4bK1");
    let other =
        Builder::from_message(&one).replace(Name::Via, "SIP/2.0/UDP else.example;branch=z9hG4bK1");
    layer.handle_message(one.clone(), neighbour(), now);
    layer.handle_message(one, neighbour(), now);
    layer.handle_message(other.build(), neighbour(), now);
    assert_eq!(words(&mut layer), ["incoming OPTIONS", "incoming OPTIONS"]);
}

#[test]
fn request_in_the_manner_of_rfc_2543_is_matched_by_its_headers() {
    let (mut layer, now) = layer(9);
    layer.handle_message(request("INVITE", "x"), neighbour(), now);
    let key = take_key(&mut layer);
    layer.handle_message(request("INVITE", "x"), neighbour(), now);
    assert_eq!(words(&mut layer), ["send 100 INVITE"]);
    layer
        .respond(key, answer(&request("INVITE", "x"), 486), now)
        .unwrap();
    layer.handle_message(request("ACK", "x"), neighbour(), now);
    assert_eq!(words(&mut layer), ["send 486 INVITE"]);
    assert_eq!(layer.next_timeout(), Some(now + Timers::default().t4));
}

#[test]
fn cancel_is_answered_and_told_while_the_invite_is_undecided() {
    let (mut layer, now) = layer(9);
    let invite = request("INVITE", "branch=z9hG4bK1");
    layer.handle_message(invite.clone(), neighbour(), now);
    let key = take_key(&mut layer);
    layer.respond(key, answer(&invite, 180), now).unwrap();
    effects(&mut layer);
    layer.handle_message(request("CANCEL", "branch=z9hG4bK1"), neighbour(), now);
    let told = effects(&mut layer);
    let [
        Effect::Send { message, .. },
        Effect::Cancelled { key: cancelled },
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((message.code(), *cancelled), (Some(200), key));
    assert_eq!(message.to().unwrap().tag(), Some("bob"));
    // repeated: answered again, not told again
    layer.handle_message(request("CANCEL", "branch=z9hG4bK1"), neighbour(), now);
    assert_eq!(words(&mut layer), ["send 200 CANCEL"]);
}

#[test]
fn cancel_after_the_final_response_changes_nothing() {
    let (mut layer, now) = layer(9);
    let invite = request("INVITE", "branch=z9hG4bK1");
    layer.handle_message(invite.clone(), neighbour(), now);
    let key = take_key(&mut layer);
    layer.respond(key, answer(&invite, 200), now).unwrap();
    layer.handle_message(request("CANCEL", "branch=z9hG4bK1"), neighbour(), now);
    assert_eq!(words(&mut layer), ["send 200 INVITE", "send 200 CANCEL"]);
}

#[test]
fn cancel_of_nothing_gets_481() {
    let (mut layer, now) = layer(9);
    layer.handle_message(request("CANCEL", "branch=z9hG4bK1"), neighbour(), now);
    assert_eq!(words(&mut layer), ["send 481 CANCEL"]);
}

#[test]
fn ack_of_a_2xx_is_handed_on_with_or_without_the_branch_of_its_invite() {
    let (mut layer, now) = layer(9);
    let invite = request("INVITE", "branch=z9hG4bK1");
    layer.handle_message(invite.clone(), neighbour(), now);
    let key = take_key(&mut layer);
    layer.handle_message(request("ACK", "branch=z9hG4bK1"), neighbour(), now);
    assert_eq!(words(&mut layer), ["dropped misplaced"]);
    layer.respond(key, answer(&invite, 200), now).unwrap();
    layer.handle_message(request("ACK", "branch=z9hG4bK1"), neighbour(), now);
    layer.handle_message(request("ACK", "branch=z9hG4bK2"), neighbour(), now);
    assert_eq!(words(&mut layer), ["send 200 INVITE", "ack", "ack"]);
}

#[test]
fn full_table_answers_503_and_lets_acks_pass() {
    let (mut layer, now) = layer(1);
    layer.handle_message(request("OPTIONS", "branch=z9hG4bK1"), neighbour(), now);
    layer.handle_message(request("OPTIONS", "branch=z9hG4bK2"), neighbour(), now);
    layer.handle_message(request("ACK", "branch=z9hG4bK3"), neighbour(), now);
    let expected = [
        "incoming OPTIONS",
        "send 503 OPTIONS",
        "dropped full",
        "ack",
    ];
    assert_eq!(words(&mut layer), expected);
    let taken = layer.request(RequestId(1), own(Method::Options, OWN), neighbour(), now);
    assert_eq!(taken, Ok(()));
    let refused = layer.request(RequestId(2), own(Method::Options, OWN), neighbour(), now);
    assert_eq!(refused, Err(Unsent::Full));
}

#[test]
fn response_to_nobody_is_dropped() {
    let (mut layer, now) = layer(9);
    layer.handle_message(answer(&own(Method::Invite, OWN), 200), neighbour(), now);
    assert_eq!(words(&mut layer), ["dropped stray_response"]);
}

#[test]
fn refusal_of_our_invite_is_acknowledged_in_its_own_transaction() {
    let (mut layer, now) = layer(9);
    let invite = own(Method::Invite, OWN);
    layer
        .request(RequestId(1), invite.clone(), neighbour(), now)
        .unwrap();
    layer.handle_message(answer(&invite, 486), neighbour(), now);
    let told = effects(&mut layer);
    let [
        _,
        Effect::Send {
            message: ack, to, ..
        },
        Effect::Response { .. },
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(*to, neighbour());
    assert!(ack.is(&Method::Ack));
    assert_eq!(ack.uri_text(), invite.uri_text());
    assert_eq!(ack.value(Name::Via), invite.value(Name::Via));
    assert_eq!(ack.value(Name::CSeq).as_deref(), Some("3 ACK"));
    assert_eq!(ack.to().unwrap().tag(), Some("bob"));
    assert_eq!(ack.value(Name::Route), invite.value(Name::Route));
    layer.handle_message(answer(&invite, 486), neighbour(), now);
    assert_eq!(words(&mut layer), ["send ACK"]);
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let (mut layer, now) = layer(9);
    let invite = own(Method::Invite, OWN);
    layer
        .request(RequestId(1), invite.clone(), neighbour(), now)
        .unwrap();
    layer.cancel(RequestId(1), now);
    assert_eq!(words(&mut layer), ["send INVITE"]);
    layer.handle_message(answer(&invite, 180), neighbour(), now);
    let told = effects(&mut layer);
    let [
        Effect::Response { .. },
        Effect::Send {
            message: cancel, ..
        },
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(cancel.value(Name::Via), invite.value(Name::Via));
    assert_eq!(cancel.value(Name::CSeq).as_deref(), Some("3 CANCEL"));
    assert_eq!(cancel.to().unwrap().tag(), None);
    layer.cancel(RequestId(1), now);
    layer.handle_message(answer(cancel, 200), neighbour(), now);
    assert_eq!(words(&mut layer), [""; 0]);
    layer.handle_message(answer(&invite, 487), neighbour(), now);
    assert_eq!(words(&mut layer), ["send ACK", "response 487"]);
}

#[test]
fn cancel_that_comes_too_late_sends_nothing() {
    let (mut layer, now) = layer(9);
    let invite = own(Method::Invite, OWN);
    layer
        .request(RequestId(1), invite.clone(), neighbour(), now)
        .unwrap();
    layer.cancel(RequestId(1), now);
    layer.handle_message(answer(&invite, 200), neighbour(), now);
    layer.cancel(RequestId(1), now);
    assert_eq!(words(&mut layer), ["send INVITE", "response 200"]);
}

#[test]
fn cancelled_invite_without_final_response_ends_after_64_t1() {
    let (mut layer, now) = layer(9);
    let invite = own(Method::Invite, OWN);
    layer
        .request(RequestId(1), invite.clone(), stream(1), now)
        .unwrap();
    layer.handle_message(answer(&invite, 180), stream(1), now);
    layer.cancel(RequestId(1), now);
    effects(&mut layer);
    layer.handle_timeout(now + Duration::from_secs(32));
    assert_eq!(words(&mut layer), ["timed out", "ended"]);
    assert_eq!((layer.clients(), layer.next_timeout()), (0, None));
}

#[test]
fn every_2xx_of_a_fork_is_told() {
    let (mut layer, now) = layer(9);
    let invite = own(Method::Invite, OWN);
    layer
        .request(RequestId(1), invite.clone(), neighbour(), now)
        .unwrap();
    for tag in ["one", "two", "one"] {
        let response = Builder::response(&invite, 200).to_tag(tag).build();
        layer.handle_message(response, neighbour(), now);
    }
    let told = words(&mut layer);
    assert_eq!(
        told,
        [
            "send INVITE",
            "response 200",
            "response 200",
            "response 200"
        ]
    );
    layer.handle_timeout(now + Duration::from_secs(32));
    assert_eq!(words(&mut layer), ["ended"]);
}

#[test]
fn lost_connection_fails_what_waits_on_it_and_nothing_else() {
    let (mut layer, now) = layer(9);
    for (id, connection) in [(1, 1), (2, 2), (3, 1)] {
        let request = own(Method::Options, &format!("{OWN}{id}"));
        layer
            .request(RequestId(id), request, stream(connection), now)
            .unwrap();
    }
    effects(&mut layer);
    layer.handle_connection_lost(ConnectionId(1), now);
    let told = words(&mut layer);
    assert_eq!(
        told,
        ["transport failed", "ended", "transport failed", "ended"]
    );
    assert_eq!(layer.clients(), 1);
    layer.handle_transport_error(RequestId(2), now);
    assert_eq!(words(&mut layer), ["transport failed", "ended"]);
}

#[test]
fn late_and_repeated_final_responses_are_refused() {
    let (mut layer, now) = layer(9);
    let options = request("OPTIONS", "branch=z9hG4bK1");
    layer.handle_message(options.clone(), stream(1), now);
    let key = take_key(&mut layer);
    layer.respond(key, answer(&options, 200), now).unwrap();
    assert_eq!(
        layer.respond(key, answer(&options, 200), now),
        Err(Misplaced)
    );
    // the place is taken by another transaction now
    layer.handle_message(request("OPTIONS", "branch=z9hG4bK2"), stream(1), now);
    assert_eq!(
        layer.respond(key, answer(&options, 200), now),
        Err(Misplaced)
    );
}

/// What may happen to a table.
#[derive(Clone, Debug)]
enum Event {
    Arrives {
        method: usize,
        branch: u8,
        stream: bool,
    },
    Answer {
        nth: usize,
        code: u16,
    },
    Request {
        invite: bool,
        stream: bool,
    },
    Answered {
        nth: usize,
        code: u16,
    },
    Cancel {
        nth: usize,
    },
    Break {
        nth: usize,
    },
    Lose,
    Wait {
        millis: u64,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let code = prop_oneof![
        Just(100),
        Just(180),
        Just(200),
        Just(202),
        Just(302),
        Just(486),
        Just(603)
    ];
    let (nth, code) = (0usize..8, code.boxed());
    prop_oneof![
        (0usize..5, 0u8..4, any::<bool>()).prop_map(|(method, branch, stream)| Event::Arrives {
            method,
            branch,
            stream
        }),
        (nth.clone(), code.clone()).prop_map(|(nth, code)| Event::Answer { nth, code }),
        (any::<bool>(), any::<bool>())
            .prop_map(|(invite, stream)| Event::Request { invite, stream }),
        (nth.clone(), code).prop_map(|(nth, code)| Event::Answered { nth, code }),
        nth.clone().prop_map(|nth| Event::Cancel { nth }),
        nth.prop_map(|nth| Event::Break { nth }),
        Just(Event::Lose),
        (0u64..20_000).prop_map(|millis| Event::Wait { millis }),
    ]
}

/// A table with the requests it told and those it was given.
struct World {
    layer: Layer,
    now: Instant,
    told: Vec<(ServerKey, Message)>,
    sent: Vec<Message>,
    ended: Vec<RequestId>,
}

impl World {
    fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Arrives {
                method,
                branch,
                stream: reliable,
            } => {
                let method = ["INVITE", "ACK", "CANCEL", "OPTIONS", "BYE"][method];
                let from = if reliable { stream(1) } else { neighbour() };
                let request = request(method, &format!("branch=z9hG4bK{branch}"));
                self.layer.handle_message(request, from, now);
            }
            Event::Answer { nth, code } => {
                if let Some((key, request)) = self.told.get(nth) {
                    let _ = self.layer.respond(*key, answer(request, code), now);
                }
            }
            Event::Request {
                invite,
                stream: reliable,
            } => {
                let number = self.sent.len() as u64;
                let method = if invite { Method::Invite } else { Method::Bye };
                let request = own(method, &format!("{OWN}{number}"));
                let to = if reliable { stream(2) } else { neighbour() };
                if self
                    .layer
                    .request(RequestId(number), request.clone(), to, now)
                    .is_ok()
                {
                    self.sent.push(request);
                }
            }
            Event::Answered { nth, code } => {
                if let Some(request) = self.sent.get(nth) {
                    self.layer
                        .handle_message(answer(request, code), neighbour(), now);
                }
            }
            Event::Cancel { nth } => {
                self.layer.cancel(RequestId(nth as u64), now);
            }
            Event::Break { nth } => self
                .layer
                .handle_transport_error(RequestId(nth as u64), now),
            Event::Lose => self.layer.handle_connection_lost(ConnectionId(2), now),
            Event::Wait { millis } => {
                self.now += Duration::from_millis(millis);
                self.layer.handle_timeout(self.now);
            }
        }
        for effect in effects(&mut self.layer) {
            match effect {
                Effect::Incoming { key, request, .. } => self.told.push((key, request)),
                Effect::Ended { id } => self.ended.push(id),
                _ => {}
            }
        }
    }
}

proptest! {
    /// Whatever happens in whatever order: no panic, and in the end every transaction is gone,
    /// each of ours with exactly one last word.
    #[test]
    fn any_sequence_of_events_comes_to_an_end(events in prop::collection::vec(event(), 0..60)) {
        let (layer, now) = layer(6);
        let mut world = World { layer, now, told: vec![], sent: vec![], ended: vec![] };
        for event in events {
            world.happen(event);
            let due = world.layer.next_timeout();
            prop_assert!(due.is_none_or(|due| due <= world.now + Timers::default().undecided()));
        }
        let mut rounds = 0;
        while let Some(due) = world.layer.next_timeout() {
            world.now = due;
            world.happen(Event::Wait { millis: 0 });
            rounds += 1;
            prop_assert!(rounds < 10_000, "it never ends");
        }
        prop_assert_eq!((world.layer.servers(), world.layer.clients()), (0, 0));
        world.ended.sort();
        let all: Vec<_> = (0..world.sent.len() as u64).map(RequestId).collect();
        prop_assert_eq!(world.ended, all);
    }
}
