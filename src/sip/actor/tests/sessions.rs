//! Session timers, between two ends and towards a neighbour that does what the test says.
use super::{raw::Raw, *};
use std::net::SocketAddr;

/// Sessions of two seconds; with a T1 of 5 ms one second is the shortest there may be.
fn restless() -> Config {
    let mut config = Config {
        session_expires: Duration::from_secs(2),
        min_session_expires: Duration::from_secs(1),
        ..config()
    };
    config.timers.t1 = Duration::from_millis(5);
    config
}

/// The next request of this method; what comes before it is passed over.
async fn next(raw: &Raw, method: Method) -> (Message, SocketAddr) {
    loop {
        let heard = raw.receive_within(Duration::from_secs(10)).await;
        let (message, from) = heard.unwrap_or_else(|| panic!("no {}", method.as_str()));
        if message.is(&method) {
            return (message, from);
        }
    }
}

fn text(message: &Message, name: Name) -> String {
    message.value(name).unwrap_or_default().into_owned()
}

/// An INVITE of the neighbour with these header lines, taken by `bob` with a session description:
/// the 200.
async fn taken(raw: &Raw, bob: &mut Side, lines: &str) -> (Message, DialogHandle) {
    let to = bob.endpoint.local_addr();
    let invite = raw.request("INVITE", to, "call", "");
    let invite = invite.replace("Content-Length", &format!("{lines}Content-Length"));
    raw.send(&invite, to).await;
    let answer = bob.pick_up().await;
    answer.accept(Reply::new(200).body("application/sdp", "v=0\r\n"));
    let ok = loop {
        let (message, _) = raw.receive().await.expect("an answer");
        if message.code() == Some(200) {
            break message;
        }
    };
    let tag = format!(";tag={}", ok.to().unwrap().tag().unwrap());
    raw.send(&raw.request("ACK", to, "call", &tag), to).await;
    assert!(matches!(bob.next_event().await, DialogNews::Confirmed(_)));
    (ok, answer)
}

#[actix::test]
async fn two_ends_that_know_timers_keep_their_session_up() {
    let (mut alice, mut bob) = (side_with(restless()).await, side_with(restless()).await);
    let call = alice.call(&bob.uri("bob"));
    let answer = bob.pick_up().await;
    answer.accept(Reply::new(200));
    assert!(matches!(alice.next_event().await, DialogNews::Answered(_)));
    assert!(matches!(bob.next_event().await, DialogNews::Confirmed(_)));
    // twice as long as the session lasts without a refresh; nobody is told of refreshes
    let silence = tokio::time::timeout(Duration::from_secs(4), bob.events.recv()).await;
    assert!(silence.is_err(), "{silence:?}");
    call.bye(None);
    assert!(matches!(bob.next_event().await, DialogNews::Ended(_)));
}

#[actix::test]
async fn session_with_an_end_that_knows_no_timers_is_refreshed_by_update_time_after_time() {
    let (raw, mut bob) = (Raw::bind().await, side_with(restless()).await);
    let (ok, _answer) = taken(&raw, &mut bob, "Allow: INVITE, UPDATE\r\n").await;
    assert_eq!(text(&ok, Name::SessionExpires), "2;refresher=uas");
    assert!(!ok.has(Name::Require));
    for _ in 0..2 {
        let (update, from) = next(&raw, Method::Update).await;
        assert_eq!(text(&update, Name::SessionExpires), "2;refresher=uac");
        assert!(update.body().is_empty());
        raw.answer(&update, from, 200, "").await;
    }
    assert!(bob.events.try_recv().is_err());
}

#[actix::test]
async fn session_with_an_end_without_update_is_refreshed_by_the_same_offer() {
    let (raw, mut bob) = (Raw::bind().await, side_with(restless()).await);
    let (_, _answer) = taken(&raw, &mut bob, "Allow: INVITE, ACK, BYE\r\n").await;
    let (invite, from) = next(&raw, Method::Invite).await;
    assert_eq!(invite.body().as_ref(), b"v=0\r\n");
    raw.answer(&invite, from, 200, "").await;
    let (ack, _) = next(&raw, Method::Ack).await;
    assert_eq!(ack.cseq().unwrap().number, invite.cseq().unwrap().number);
    let (again, _) = next(&raw, Method::Invite).await;
    assert_eq!(again.body(), invite.body());
}

#[actix::test]
async fn end_that_refreshes_is_answered_and_one_that_stops_is_told_goodbye() {
    let (raw, mut bob) = (Raw::bind().await, side_with(restless()).await);
    let to = bob.endpoint.local_addr();
    let lines = "Supported: timer\r\nSession-Expires: 2;refresher=uac\r\n";
    let (ok, _answer) = taken(&raw, &mut bob, lines).await;
    assert_eq!(text(&ok, Name::SessionExpires), "2;refresher=uac");
    assert_eq!(text(&ok, Name::Require), "timer");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let tag = format!(";tag={}", ok.to().unwrap().tag().unwrap());
    let update = raw.request("UPDATE", to, "call", &tag);
    let update = update.replace("CSeq: 1", &format!("{lines}CSeq: 2"));
    raw.send(&update, to).await;
    let (answer, _) = raw.receive().await.unwrap();
    assert_eq!(answer.code(), Some(200));
    assert_eq!(text(&answer, Name::SessionExpires), "2;refresher=uac");
    // 1.33 s after the refresh nobody is there any more
    let refreshed = std::time::Instant::now();
    let (bye, _) = next(&raw, Method::Bye).await;
    assert!(refreshed.elapsed() > Duration::from_millis(1_200));
    assert_eq!(
        text(&bye, Name::Reason),
        "SIP;cause=408;text=\"session expired\""
    );
    let DialogNews::Ended(end) = bob.next_event().await else {
        panic!("not ended")
    };
    assert_eq!(end.by, EndedBy::Timeout);
}

#[actix::test]
async fn refresh_nobody_answers_ends_the_session() {
    let (raw, mut bob) = (Raw::bind().await, side_with(restless()).await);
    taken(&raw, &mut bob, "Allow: UPDATE\r\n").await;
    next(&raw, Method::Update).await;
    next(&raw, Method::Bye).await;
    let DialogNews::Ended(end) = bob.next_event().await else {
        panic!("not ended")
    };
    assert_eq!(end.by, EndedBy::Error);
}

#[actix::test]
async fn call_refused_for_its_interval_is_made_again_with_a_longer_one() {
    let (mut alice, raw) = (side_with(restless()).await, Raw::bind().await);
    let _call = alice.call(&format!("sip:raw@{}", raw.addr()));
    let (first, from) = next(&raw, Method::Invite).await;
    assert_eq!(text(&first, Name::SessionExpires), "2");
    assert!(!first.has(Name::MinSe));
    let refusal = Builder::response(&first, 422)
        .to_tag("proxy")
        .header(Name::MinSe, "600");
    raw.0.send_to(refusal.build().octets(), from).await.unwrap();
    let (second, from) = next(&raw, Method::Invite).await;
    assert_eq!(text(&second, Name::SessionExpires), "600");
    assert_eq!(text(&second, Name::MinSe), "600");
    assert_eq!(second.call_id(), first.call_id());
    assert_eq!(second.cseq().unwrap().number, 2);
    raw.answer(&second, from, 200, "there").await;
    assert!(matches!(alice.next_event().await, DialogNews::Answered(_)));
}

#[actix::test]
async fn call_with_an_interval_that_is_too_short_is_refused() {
    let patient = Config {
        session_expires: Duration::from_secs(1_800),
        min_session_expires: Duration::from_secs(600),
        ..config()
    };
    let (raw, mut bob) = (Raw::bind().await, side_with(patient).await);
    let to = bob.endpoint.local_addr();
    let lines = "Supported: timer\r\nSession-Expires: 599\r\nContent-Length";
    let invite = raw.request("INVITE", to, "short", "");
    raw.send(&invite.replace("Content-Length", lines), to).await;
    let incoming = bob.next_incoming().await;
    let options = AnswerOptions {
        contact: bob.contact("bob"),
    };
    let events = bob.probe.clone().recipient();
    let refused = Dialog::answer(&bob.endpoint, incoming, options, events).err();
    assert_eq!(refused, Some(Refused { status: 422 }));
    let (answer, _) = raw.receive().await.unwrap();
    assert_eq!(answer.code(), Some(422));
    assert_eq!(text(&answer, Name::MinSe), "600");
}

#[actix::test]
async fn refresh_that_crosses_an_offer_waits_and_is_made_again() {
    let patient = Config {
        // between the refresh and the end of the session is room for the longest wait
        session_expires: Duration::from_secs(14),
        ..restless()
    };
    let (raw, mut bob) = (Raw::bind().await, side_with(patient).await);
    taken(&raw, &mut bob, "Allow: INVITE\r\n").await;
    let (first, from) = next(&raw, Method::Invite).await;
    raw.answer(&first, from, 491, "").await;
    // who was called tries again within 2 s
    let refused = std::time::Instant::now();
    let (second, _) = loop {
        let (invite, from) = next(&raw, Method::Invite).await;
        if invite.cseq().unwrap().number > first.cseq().unwrap().number {
            break (invite, from);
        }
    };
    assert!(refused.elapsed() < Duration::from_millis(2_100));
    assert_eq!(second.body(), first.body());
}
