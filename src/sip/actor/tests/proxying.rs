//! Requests that go on: bare sockets on both sides of an endpoint that forwards.
use super::{raw::Raw, *};
use crate::sip::{
    codec::Limits,
    proxy::{Onward, Outcome},
    transaction::Transport,
};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Forwards the next request to `targets`, one after the other, and tells how each was tried.
async fn forward_next(proxy: &mut Side, targets: &[SocketAddr]) -> Vec<Outcome> {
    let incoming = proxy.next_incoming().await;
    let mut proxied = proxy.endpoint.forward(incoming).unwrap();
    let mut outcomes = Vec::new();
    for target in targets {
        let onward = Onward::to(format!("sip:bob@{target}"));
        let limit = Some(Duration::from_millis(400));
        let outcome = proxied.try_target(&onward, Target::Message, limit).await;
        outcomes.push(outcome);
        if matches!(outcome, Outcome::Relayed(_) | Outcome::Cancelled) {
            break;
        }
    }
    outcomes
}

/// The next message that is no repetition of `before`.
async fn next_code(raw: &Raw) -> u16 {
    let (message, _) = raw.receive().await.expect("nothing comes");
    message.code().expect("a request comes")
}

async fn next_request(raw: &Raw, method: &str) -> (Message, SocketAddr) {
    let (message, from) = raw.receive().await.expect("nothing comes");
    assert_eq!(request_of(&message), method, "{message:?}");
    assert!(message.is_request(), "{message:?}");
    (message, from)
}

/// A request within the dialog that `invite` opened, from its callee's side or its caller's.
fn inside(method: &str, route: &str, uri: &str, call: &str, tag: &str, own: SocketAddr) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{call}{method}\r\n\
         Route: {route}\r\nMax-Forwards: 70\r\nFrom: <sip:raw@{own}>;tag=raw\r\n\
         To: <sip:bob@example.com>;tag={tag}\r\nCall-ID: {call}\r\nCSeq: 1 {method}\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

#[actix::test]
async fn call_goes_through_and_later_requests_follow_the_record() {
    let (alice, bob, mut proxy) = (Raw::bind().await, Raw::bind().await, side().await);
    let at = proxy.endpoint.local_addr();
    alice
        .send(&alice.request("INVITE", at, "through", ""), at)
        .await;
    let targets = [bob.addr()];
    let flow = forward_next(&mut proxy, &targets);
    let ends = async {
        assert_eq!(next_code(&alice).await, 100);
        let (invite, from) = next_request(&bob, "INVITE").await;
        assert_eq!(invite.uri_text(), format!("sip:bob@{}", bob.addr()));
        assert_eq!(invite.max_forwards(), Some(69));
        let record: Vec<_> = invite.values(Name::RecordRoute).collect();
        assert_eq!(record, [format!("<sip:{at};lr>")]);
        let vias = invite.vias().unwrap();
        assert_eq!(vias.len(), 2);
        assert_eq!(
            format!("{}:{}", vias[0].host, vias[0].port.unwrap()),
            at.to_string()
        );
        bob.answer(&invite, from, 180, "b").await;
        assert_eq!(next_code(&alice).await, 180);
        bob.answer(&invite, from, 200, "b").await;
        let (accepted, _) = alice.receive().await.unwrap();
        assert_eq!(accepted.code(), Some(200));
        assert_eq!(accepted.vias().unwrap().len(), 1);
        assert_eq!(accepted.list(Name::RecordRoute), [format!("<sip:{at};lr>")]);
        // repeated until the ACK comes, by the far end alone
        bob.answer(&invite, from, 200, "b").await;
        assert_eq!(next_code(&alice).await, 200);
    };
    let (outcomes, ()) = tokio::join!(flow, ends);
    assert_eq!(outcomes, [Outcome::Relayed(200)]);

    let route = format!("<sip:{at};lr>");
    let uri = format!("sip:raw@{}", bob.addr());
    let ack = inside("ACK", &route, &uri, "through", "b", alice.addr());
    alice.send(&ack, at).await;
    let (ack, _) = next_request(&bob, "ACK").await;
    assert_eq!(
        (ack.uri_text(), ack.has(Name::Route)),
        (uri.as_str(), false)
    );
    assert_eq!(ack.vias().unwrap().len(), 2);

    // the callee hangs up
    let uri = format!("sip:raw@{}", alice.addr());
    bob.send(
        &inside("BYE", &route, &uri, "through", "raw", bob.addr()),
        at,
    )
    .await;
    let (bye, from) = next_request(&alice, "BYE").await;
    assert_eq!(
        (bye.uri_text(), bye.has(Name::Route)),
        (uri.as_str(), false)
    );
    alice.answer(&bye, from, 200, "raw").await;
    assert_eq!(next_code(&bob).await, 200);
}

#[actix::test]
async fn refusal_of_one_target_is_told_before_it_goes_back_and_the_next_one_is_tried() {
    let (alice, mut proxy) = (Raw::bind().await, side().await);
    let (first, second) = (Raw::bind().await, Raw::bind().await);
    let at = proxy.endpoint.local_addr();
    alice
        .send(&alice.request("INVITE", at, "next", ""), at)
        .await;
    let targets = [first.addr(), second.addr()];
    let flow = forward_next(&mut proxy, &targets);
    let ends = async {
        assert_eq!(next_code(&alice).await, 100);
        let (invite, from) = next_request(&first, "INVITE").await;
        first.answer(&invite, from, 480, "one").await;
        next_request(&first, "ACK").await;
        let (invite, from) = next_request(&second, "INVITE").await;
        second.answer(&invite, from, 200, "two").await;
        assert_eq!(next_code(&alice).await, 200);
    };
    let (outcomes, ()) = tokio::join!(flow, ends);
    assert_eq!(outcomes, [Outcome::Refused(480), Outcome::Relayed(200)]);
}

#[actix::test]
async fn best_refusal_goes_back_when_no_target_is_left() {
    let (alice, mut proxy) = (Raw::bind().await, side().await);
    let (first, second) = (Raw::bind().await, Raw::bind().await);
    let at = proxy.endpoint.local_addr();
    alice
        .send(&alice.request("INVITE", at, "best", ""), at)
        .await;
    let targets = [first.addr(), second.addr()];
    let flow = forward_next(&mut proxy, &targets);
    let ends = async {
        assert_eq!(next_code(&alice).await, 100);
        for (target, code) in [(&first, 503), (&second, 486)] {
            let (invite, from) = next_request(target, "INVITE").await;
            target.answer(&invite, from, code, "x").await;
            next_request(target, "ACK").await;
        }
    };
    tokio::join!(flow, ends);
    assert_eq!(next_code(&alice).await, 486);
    // until the ACK comes
    assert_eq!(next_code(&alice).await, 486);
    alice.send(&alice.request("ACK", at, "best", ""), at).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    while alice
        .receive_within(Duration::from_millis(1))
        .await
        .is_some()
    {}
    let heard = alice.receive_within(Duration::from_millis(200)).await;
    assert!(heard.is_none(), "{heard:?}");
}

#[actix::test]
async fn cancel_follows_the_call_and_its_answer_comes_back() {
    let (alice, bob, mut proxy) = (Raw::bind().await, Raw::bind().await, side().await);
    let at = proxy.endpoint.local_addr();
    alice
        .send(&alice.request("INVITE", at, "stop", ""), at)
        .await;
    let targets = [bob.addr()];
    let flow = forward_next(&mut proxy, &targets);
    let ends = async {
        assert_eq!(next_code(&alice).await, 100);
        let (invite, from) = next_request(&bob, "INVITE").await;
        bob.answer(&invite, from, 180, "b").await;
        assert_eq!(next_code(&alice).await, 180);
        alice
            .send(&alice.request("CANCEL", at, "stop", ""), at)
            .await;
        let (answer, _) = alice.receive().await.unwrap();
        assert_eq!(
            (answer.code(), request_of(&answer)),
            (Some(200), "CANCEL".into())
        );
        let (cancel, from) = next_request(&bob, "CANCEL").await;
        let branch = |message: &Message| message.via().unwrap().branch().map(str::to_owned);
        assert_eq!(branch(&cancel), branch(&invite));
        bob.answer(&cancel, from, 200, "b").await;
        bob.answer(&invite, from, 487, "b").await;
        next_request(&bob, "ACK").await;
        let (refusal, _) = alice.receive().await.unwrap();
        assert_eq!(
            (refusal.code(), request_of(&refusal)),
            (Some(487), "INVITE".into())
        );
    };
    let (outcomes, ()) = tokio::join!(flow, ends);
    assert_eq!(outcomes, [Outcome::Cancelled]);
}

#[actix::test]
async fn target_that_rings_too_long_is_cancelled_and_the_next_one_tried() {
    let (alice, mut proxy) = (Raw::bind().await, side().await);
    let (first, second) = (Raw::bind().await, Raw::bind().await);
    let at = proxy.endpoint.local_addr();
    alice
        .send(&alice.request("INVITE", at, "long", ""), at)
        .await;
    let targets = [first.addr(), second.addr()];
    let flow = forward_next(&mut proxy, &targets);
    let ends = async {
        assert_eq!(next_code(&alice).await, 100);
        let (invite, from) = next_request(&first, "INVITE").await;
        first.answer(&invite, from, 180, "one").await;
        assert_eq!(next_code(&alice).await, 180);
        let (cancel, from) = next_request(&first, "CANCEL").await;
        first.answer(&cancel, from, 200, "one").await;
        first.answer(&invite, from, 487, "one").await;
        next_request(&first, "ACK").await;
        let (invite, from) = next_request(&second, "INVITE").await;
        second.answer(&invite, from, 200, "two").await;
        assert_eq!(next_code(&alice).await, 200);
    };
    let (outcomes, ()) = tokio::join!(flow, ends);
    assert_eq!(outcomes, [Outcome::RangOut, Outcome::Relayed(200)]);
}

#[actix::test]
async fn request_taken_back_is_answered_by_whoever_took_it() {
    let (alice, bob, mut proxy) = (Raw::bind().await, Raw::bind().await, side().await);
    let at = proxy.endpoint.local_addr();
    alice
        .send(&alice.request("INVITE", at, "back", ""), at)
        .await;
    let incoming = proxy.next_incoming().await;
    let mut proxied = proxy.endpoint.forward(incoming).unwrap();
    let onward = Onward::to(format!("sip:bob@{}", bob.addr()));
    let flow = proxied.try_target(&onward, Target::Message, None);
    let refuse = async {
        let (invite, from) = next_request(&bob, "INVITE").await;
        bob.answer(&invite, from, 408, "b").await;
    };
    let (outcome, ()) = tokio::join!(flow, refuse);
    assert_eq!(outcome, Outcome::Refused(408));
    let incoming = proxied.take_back().await.expect("answered already");
    let options = AnswerOptions {
        contact: proxy.contact("deferred"),
    };
    let owner = proxy.probe.clone().recipient();
    let dialog = Dialog::answer(&proxy.endpoint, incoming, options, owner).unwrap();
    dialog.accept(Reply::new(200));
    assert_eq!(next_code(&alice).await, 100);
    assert_eq!(next_code(&alice).await, 200);
}

#[actix::test]
async fn repeated_request_is_forwarded_once_and_its_answer_repeated() {
    let (alice, bob, mut proxy) = (Raw::bind().await, Raw::bind().await, side().await);
    let at = proxy.endpoint.local_addr();
    let message = alice.request("MESSAGE", at, "again", "");
    alice.send(&message, at).await;
    alice.send(&message, at).await;
    let targets = [bob.addr()];
    let flow = forward_next(&mut proxy, &targets);
    let ends = async {
        let (message, from) = next_request(&bob, "MESSAGE").await;
        // no dialog comes of it
        assert!(!message.has(Name::RecordRoute));
        bob.answer(&message, from, 202, "b").await;
        assert_eq!(next_code(&alice).await, 202);
    };
    let (outcomes, ()) = tokio::join!(flow, ends);
    assert_eq!(outcomes, [Outcome::Relayed(202)]);
    alice.send(&message, at).await;
    assert_eq!(next_code(&alice).await, 202);
    let heard = bob.receive_within(Duration::from_millis(100)).await;
    assert!(heard.is_none(), "{heard:?}");
}

#[actix::test]
async fn silent_target_of_a_message_is_told_and_nothing_is_said_to_the_sender() {
    let (alice, bob, mut proxy) = (Raw::bind().await, Raw::bind().await, side().await);
    let at = proxy.endpoint.local_addr();
    alice
        .send(&alice.request("MESSAGE", at, "silent", ""), at)
        .await;
    let outcomes = forward_next(&mut proxy, &[bob.addr()]).await;
    assert_eq!(outcomes, [Outcome::Silent]);
    // RFC 4320 §4.2: no 408
    let heard = alice.receive_within(Duration::from_millis(100)).await;
    assert!(heard.is_none(), "{heard:?}");
}

#[actix::test]
async fn each_transport_has_a_record_of_its_own() {
    let (alice, mut proxy) = (Raw::bind().await, side().await);
    let bob = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = proxy.endpoint.local_addr();
    alice
        .send(&alice.request("INVITE", at, "mixed", ""), at)
        .await;
    let incoming = proxy.next_incoming().await;
    let mut proxied = proxy.endpoint.forward(incoming).unwrap();
    let uri = format!("sip:bob@{};transport=tcp", bob.local_addr().unwrap());
    let onward = Onward::to(uri);
    let flow = proxied.try_target(&onward, Target::Message, None);
    let ends = async {
        let (mut stream, _) = bob.accept().await.unwrap();
        let invite = read_one(&mut stream).await;
        assert_eq!(
            invite.list(Name::RecordRoute),
            [
                format!("<sip:{at};transport=tcp;lr>"),
                format!("<sip:{at};lr>")
            ]
        );
        assert_eq!(
            invite.via().unwrap().transport.as_ref(),
            Transport::Tcp.as_str()
        );
        let response = Builder::response(&invite, 200).to_tag("b").build();
        stream.write_all(response.octets()).await.unwrap();
        assert_eq!(next_code(&alice).await, 100);
        assert_eq!(next_code(&alice).await, 200);
        // the callee hangs up over its stream, the caller hears it by UDP
        let route = format!("<sip:{at};transport=tcp;lr>, <sip:{at};lr>");
        let uri = format!("sip:raw@{}", alice.addr());
        let own = stream.local_addr().unwrap();
        let bye = inside("BYE", &route, &uri, "mixed", "raw", own).replace("/UDP", "/TCP");
        stream.write_all(bye.as_bytes()).await.unwrap();
        let (bye, from) = next_request(&alice, "BYE").await;
        assert!(!bye.has(Name::Route));
        alice.answer(&bye, from, 200, "raw").await;
        assert_eq!(read_one(&mut stream).await.code(), Some(200));
    };
    let (outcome, ()) = tokio::join!(flow, ends);
    assert_eq!(outcome, Outcome::Relayed(200));
}

#[actix::test]
async fn what_may_not_go_on_is_answered_with_the_reason() {
    let (alice, mut proxy) = (Raw::bind().await, side().await);
    let at = proxy.endpoint.local_addr();
    let request = alice.request("MESSAGE", at, "hops", "");
    let spent = request.replace("Max-Forwards: 70", "Max-Forwards: 0");
    alice.send(&spent, at).await;
    let incoming = proxy.next_incoming().await;
    let hindrance = proxy.endpoint.forward(incoming).err().unwrap();
    assert_eq!(hindrance.status(), 483);
    assert_eq!(next_code(&alice).await, 483);
}

#[actix::test]
async fn request_that_comes_round_unchanged_is_a_loop() {
    let (alice, mut proxy) = (Raw::bind().await, side().await);
    let at = proxy.endpoint.local_addr();
    alice
        .send(&alice.request("MESSAGE", at, "round", ""), at)
        .await;
    let incoming = proxy.next_incoming().await;
    let mut proxied = proxy.endpoint.forward(incoming).unwrap();
    // to ourselves, as it is
    let onward = Onward::default();
    let flow = proxied.try_target(&onward, Target::Message, None);
    let second = async {
        let incoming = soon(proxy.incoming.recv()).await;
        proxy.endpoint.forward(incoming).err()
    };
    let (outcome, hindrance) = tokio::join!(flow, second);
    assert_eq!(hindrance.map(|it| it.status()), Some(482));
    assert_eq!(outcome, Outcome::Refused(482));
    drop(proxied);
    assert_eq!(next_code(&alice).await, 482);
}

#[actix::test]
async fn nothing_is_left_of_a_forwarded_message() {
    let (alice, bob, mut proxy) = (Raw::bind().await, Raw::bind().await, side().await);
    let at = proxy.endpoint.local_addr();
    alice
        .send(&alice.request("SUBSCRIBE", at, "left", ""), at)
        .await;
    let targets = [bob.addr()];
    let flow = forward_next(&mut proxy, &targets);
    let ends = async {
        let (subscribe, from) = next_request(&bob, "SUBSCRIBE").await;
        assert_eq!(
            subscribe.list(Name::RecordRoute),
            [format!("<sip:{at};lr>")]
        );
        bob.answer(&subscribe, from, 200, "b").await;
        assert_eq!(next_code(&alice).await, 200);
        let route = format!("<sip:{at};lr>");
        let uri = format!("sip:raw@{}", alice.addr());
        bob.send(
            &inside("NOTIFY", &route, &uri, "left", "raw", bob.addr()),
            at,
        )
        .await;
        let (notify, from) = next_request(&alice, "NOTIFY").await;
        alice.answer(&notify, from, 200, "raw").await;
        assert_eq!(next_code(&bob).await, 200);
    };
    tokio::join!(flow, ends);
}

async fn read_one(stream: &mut TcpStream) -> Message {
    let mut heard = Vec::new();
    let reading = async {
        loop {
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).await.unwrap();
            assert!(length > 0, "the stream ends");
            heard.extend_from_slice(&buffer[..length]);
            if heard.ends_with(b"\r\n\r\n") {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), reading)
        .await
        .expect("nothing comes");
    Message::parse(heard.into(), &Limits::default()).unwrap()
}
