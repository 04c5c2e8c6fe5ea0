use super::{raw::Raw, *};
use crate::{
    digest::{Account, Algorithm, Challenge},
    sip::transaction::Transport,
};

#[actix::test]
async fn call_rings_is_answered_and_hung_up_by_the_caller() {
    let (mut alice, mut bob) = (side().await, side().await);
    let call = alice.call(&bob.uri("bob"));
    let answer = bob.pick_up().await;
    answer.ring(Reply::new(180));
    assert!(
        matches!(alice.next_event().await, DialogNews::Provisional(ringing) if ringing.code() == Some(180))
    );
    answer.accept(Reply::new(200).body("application/sdp", "v=0\r\n"));
    let DialogNews::Answered(accepted) = alice.next_event().await else {
        panic!("not answered")
    };
    assert_eq!(accepted.body().as_ref(), b"v=0\r\n");
    assert!(matches!(bob.next_event().await, DialogNews::Confirmed(_)));
    call.bye(Some("SIP;cause=200"));
    assert_eq!(ended(alice.next_event().await), EndedBy::Local);
    let DialogNews::Ended(reason) = bob.next_event().await else {
        panic!("not ended")
    };
    assert_eq!(
        (reason.by, reason.reason.as_deref()),
        (EndedBy::Remote, Some("SIP;cause=200"))
    );
}

#[actix::test]
async fn call_is_hung_up_by_the_callee_and_both_seats_are_free_again() {
    let (mut alice, mut bob, _call, answer) = talking().await;
    answer.bye(None);
    assert_eq!(ended(bob.next_event().await), EndedBy::Local);
    assert_eq!(ended(alice.next_event().await), EndedBy::Remote);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((alice.endpoint.dialogs(), bob.endpoint.dialogs()), (0, 0));
}

#[actix::test]
async fn call_over_tcp_keeps_to_its_connection() {
    let (mut alice, mut bob) = (side().await, side().await);
    let mut options = InviteOptions::new(
        bob.uri("bob"),
        "<sip:alice@localhost>",
        "<sip:alice@127.0.0.1:9>",
    );
    options.target = via_tcp(&bob);
    let _call = alice.call_with(options);
    let answer = bob.pick_up().await;
    answer.accept(Reply::new(200));
    assert!(matches!(alice.next_event().await, DialogNews::Answered(_)));
    assert!(matches!(bob.next_event().await, DialogNews::Confirmed(_)));
    // nobody listens at the Contact of alice: only her connection leads there
    answer.request(Method::Info, Extra::new());
    let DialogNews::Requested { key, request } = alice.next_event().await else {
        panic!("nothing asked")
    };
    assert_eq!(
        request.via().unwrap().transport.as_ref(),
        Transport::Tcp.as_str()
    );
    _call.answer(key, Reply::new(200));
    let news = bob.next_event().await;
    assert!(
        matches!(&news, DialogNews::Responded { outcome: Ok(response), .. } if response.code() == Some(200)),
        "{news:?}"
    );
}

#[actix::test]
async fn refusal_ends_both_sides() {
    let (mut alice, mut bob) = (side().await, side().await);
    let _call = alice.call(&bob.uri("bob"));
    bob.pick_up()
        .await
        .reject(Reply::new(486).reason("Not Now"));
    let DialogNews::Failed {
        code: 486,
        message: Some(message),
    } = alice.next_event().await
    else {
        panic!("not refused")
    };
    assert_eq!(message.reason(), "Not Now");
    assert_eq!(ended(bob.next_event().await), EndedBy::Local);
}

#[actix::test]
async fn cancelled_call_ends_with_487_on_both_sides() {
    let (mut alice, mut bob) = (side().await, side().await);
    let call = alice.call(&bob.uri("bob"));
    let answer = bob.pick_up().await;
    answer.ring(Reply::new(180));
    assert!(matches!(
        alice.next_event().await,
        DialogNews::Provisional(_)
    ));
    call.cancel();
    assert!(matches!(bob.next_event().await, DialogNews::Cancelled));
    assert!(matches!(
        alice.next_event().await,
        DialogNews::Failed { code: 487, .. }
    ));
}

#[actix::test]
async fn call_cancelled_before_any_response_is_cancelled_with_the_first_one() {
    let (mut alice, mut bob) = (side().await, side().await);
    alice.call(&bob.uri("bob")).cancel();
    let answer = bob.pick_up().await;
    answer.ring(Reply::new(180));
    assert!(matches!(bob.next_event().await, DialogNews::Cancelled));
    assert!(matches!(
        alice.next_event().await,
        DialogNews::Failed { code: 487, .. }
    ));
}

#[actix::test]
async fn cancel_that_overtakes_the_user_is_not_lost() {
    let (raw, mut bob) = (Raw::bind().await, side().await);
    let to = bob.endpoint.local_addr();
    raw.send(&raw.request("INVITE", to, "hasty", ""), to).await;
    raw.send(&raw.request("CANCEL", to, "hasty", ""), to).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    let _answer = bob.pick_up().await;
    assert!(matches!(bob.next_event().await, DialogNews::Cancelled));
    let mut codes = Vec::new();
    while let Some((response, _)) = raw.receive_within(Duration::from_millis(100)).await {
        codes.push((request_of(&response), response.code().unwrap()));
        if codes.len() > 4 {
            break;
        }
    }
    assert!(
        codes.contains(&("CANCEL".into(), 200)) && codes.contains(&("INVITE".into(), 487)),
        "{codes:?}"
    );
}

#[actix::test]
async fn call_that_rings_too_long_is_cancelled_and_told_as_408() {
    let (mut alice, mut bob) = (side().await, side().await);
    let mut options = InviteOptions::new(
        bob.uri("bob"),
        "<sip:alice@localhost>",
        alice.contact("alice"),
    );
    options.ring_timeout = Some(Duration::from_millis(100));
    alice.call_with(options);
    let answer = bob.pick_up().await;
    answer.ring(Reply::new(180));
    assert!(matches!(
        alice.next_event().await,
        DialogNews::Provisional(_)
    ));
    assert!(matches!(bob.next_event().await, DialogNews::Cancelled));
    assert!(matches!(
        alice.next_event().await,
        DialogNews::Failed { code: 408, .. }
    ));
}

#[actix::test]
async fn accepted_call_is_repeated_until_its_ack_arrives() {
    let (raw, mut bob) = (Raw::bind().await, side().await);
    let to = bob.endpoint.local_addr();
    raw.send(&raw.request("INVITE", to, "lost-ack", ""), to)
        .await;
    bob.pick_up().await.accept(Reply::new(200));
    let (first, _) = raw.receive().await.unwrap();
    let (second, _) = raw.receive().await.unwrap();
    assert_eq!(first.code(), Some(200));
    assert_eq!(first.octets(), second.octets());
    let tag = format!(";tag={}", first.to().unwrap().tag().unwrap());
    raw.send(&raw.request("ACK", to, "lost-ack", &tag), to)
        .await;
    assert!(matches!(bob.next_event().await, DialogNews::Confirmed(_)));
    while raw
        .receive_within(Duration::from_millis(20))
        .await
        .is_some()
    {}
    assert!(
        raw.receive_within(Duration::from_millis(300))
            .await
            .is_none(),
        "still repeated"
    );
}

#[actix::test]
async fn call_without_ack_is_ended_with_bye() {
    let (raw, mut bob) = (Raw::bind().await, side().await);
    let to = bob.endpoint.local_addr();
    raw.send(&raw.request("INVITE", to, "no-ack", ""), to).await;
    bob.pick_up().await.accept(Reply::new(200));
    let mut last = String::new();
    while last != "BYE" {
        let (message, _) = raw
            .receive_within(Duration::from_secs(3))
            .await
            .expect("no BYE");
        last = if message.is_request() {
            request_of(&message)
        } else {
            String::new()
        };
    }
    assert_eq!(ended(bob.next_event().await), EndedBy::Timeout);
}

#[actix::test]
async fn hanging_up_before_the_ack_waits_for_it() {
    let (raw, mut bob) = (Raw::bind().await, side().await);
    let to = bob.endpoint.local_addr();
    raw.send(&raw.request("INVITE", to, "early-bye", ""), to)
        .await;
    let answer = bob.pick_up().await;
    answer.accept(Reply::new(200));
    answer.bye(None);
    let (accepted, _) = raw.receive().await.unwrap();
    let tag = format!(";tag={}", accepted.to().unwrap().tag().unwrap());
    raw.send(&raw.request("ACK", to, "early-bye", &tag), to)
        .await;
    assert!(matches!(bob.next_event().await, DialogNews::Confirmed(_)));
    assert_eq!(ended(bob.next_event().await), EndedBy::Local);
    let mut methods = Vec::new();
    while let Some((message, _)) = raw.receive_within(Duration::from_millis(100)).await {
        methods.extend(message.is_request().then(|| request_of(&message)));
        if methods.len() > 1 {
            break;
        }
    }
    assert_eq!(methods.first().map(String::as_str), Some("BYE"));
}

#[actix::test]
async fn second_branch_of_a_fork_is_acknowledged_and_ended() {
    let (mut alice, raw) = (side().await, Raw::bind().await);
    let _call = alice.call(&format!("sip:raw@{}", raw.addr()));
    let (invite, from) = raw.receive().await.unwrap();
    raw.answer(&invite, from, 200, "one").await;
    raw.answer(&invite, from, 200, "two").await;
    assert!(matches!(alice.next_event().await, DialogNews::Answered(_)));
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let (request, from) = raw.receive().await.expect("ACK, ACK, BYE");
        let tag = request.to().unwrap().tag().unwrap().to_owned();
        if request.is(&Method::Bye) {
            raw.answer(&request, from, 200, "").await;
        }
        seen.push((request_of(&request), tag));
    }
    seen.sort();
    let expected = [("ACK", "one"), ("ACK", "two"), ("BYE", "two")];
    assert_eq!(
        seen,
        expected.map(|(method, tag)| (method.to_owned(), tag.to_owned()))
    );
    // the first branch answers again: its ACK was lost
    raw.answer(&invite, from, 200, "one").await;
    let (again, _) = raw.receive().await.unwrap();
    assert_eq!(
        (request_of(&again).as_str(), again.to().unwrap().tag()),
        ("ACK", Some("one"))
    );
}

#[actix::test]
async fn acceptance_that_crosses_our_cancel_is_acknowledged_and_ended() {
    let (mut alice, raw) = (side().await, Raw::bind().await);
    let call = alice.call(&format!("sip:raw@{}", raw.addr()));
    let (invite, from) = raw.receive().await.unwrap();
    raw.answer(&invite, from, 180, "late").await;
    assert!(matches!(
        alice.next_event().await,
        DialogNews::Provisional(_)
    ));
    call.cancel();
    let (cancel, _) = raw.receive().await.unwrap();
    assert!(cancel.is(&Method::Cancel));
    assert_eq!(
        cancel.via().unwrap().branch(),
        invite.via().unwrap().branch()
    );
    raw.answer(&cancel, from, 200, "late").await;
    raw.answer(&invite, from, 200, "late").await;
    assert!(matches!(
        alice.next_event().await,
        DialogNews::Failed { code: 487, .. }
    ));
    let (ack, _) = raw.receive().await.unwrap();
    let (bye, _) = raw.receive().await.unwrap();
    assert_eq!(
        (request_of(&ack).as_str(), request_of(&bye).as_str()),
        ("ACK", "BYE")
    );
}

#[actix::test]
async fn challenged_call_is_made_again_with_an_answer() {
    let (mut alice, mut bob) = (side().await, side().await);
    let mut options = InviteOptions::new(
        bob.uri("bob"),
        "<sip:alice@localhost>",
        alice.contact("alice"),
    );
    options.account = Some(Account {
        user: "alice".into(),
        password: "secret".into(),
    });
    let call = alice.call_with(options);
    let first = bob.next_incoming().await;
    let challenge = Challenge::new("localhost", "nonce".into(), Algorithm::Md5);
    let response = Builder::response(&first.request, 407).to_tag("p");
    bob.endpoint.respond(
        first.key,
        response.value(Name::ProxyAuthenticate, challenge).build(),
    );
    let second = bob.next_incoming().await;
    assert_eq!(second.request.call_id(), first.request.call_id());
    assert_eq!(second.request.cseq().unwrap().number, 2);
    assert!(second.request.has(Name::ProxyAuthorization));
    let options = AnswerOptions {
        contact: bob.contact("bob"),
    };
    let answer = Dialog::answer(
        &bob.endpoint,
        second,
        options,
        bob.probe.clone().recipient(),
    )
    .unwrap();
    answer.accept(Reply::new(200));
    assert!(matches!(alice.next_event().await, DialogNews::Answered(_)));
    let DialogNews::Confirmed(ack) = bob.next_event().await else {
        panic!("no ACK")
    };
    assert!(ack.has(Name::ProxyAuthorization));
    call.bye(None);
    assert_eq!(ended(bob.next_event().await), EndedBy::Remote);
}

#[actix::test]
async fn session_is_changed_from_both_ends() {
    let (mut alice, mut bob, call, answer) = talking().await;
    call.offer(Extra::new().body("application/sdp", "v=1\r\n"));
    let DialogNews::Offered { key, request } = bob.next_event().await else {
        panic!("no offer")
    };
    assert_eq!(request.body().as_ref(), b"v=1\r\n");
    answer.answer(key, Reply::new(200).body("application/sdp", "v=2\r\n"));
    assert!(matches!(
        alice.next_event().await,
        DialogNews::Responded { outcome: Ok(_), .. }
    ));
    assert!(matches!(bob.next_event().await, DialogNews::Confirmed(_)));
    answer.offer(Extra::new());
    let DialogNews::Offered { key, .. } = alice.next_event().await else {
        panic!("no offer")
    };
    call.answer(key, Reply::new(488));
    let DialogNews::Responded {
        outcome: Ok(refused),
        ..
    } = bob.next_event().await
    else {
        panic!("no answer")
    };
    assert_eq!(refused.code(), Some(488));
    call.bye(None);
    assert_eq!(ended(bob.next_event().await), EndedBy::Remote);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((alice.endpoint.dialogs(), bob.endpoint.dialogs()), (0, 0));
}

#[actix::test]
async fn offers_that_cross_are_refused_on_the_wire_and_made_again_one_after_the_other() {
    let (mut alice, mut bob, call, answer) = talking().await;
    call.offer(Extra::new().body("application/sdp", "v=alice\r\n"));
    answer.offer(Extra::new().body("application/sdp", "v=bob\r\n"));
    // who was called waits up to 2 s, who called at least 2.1 s (RFC 3261 §14.1)
    let DialogNews::Offered { key, request } = alice.next_event().await else {
        panic!("no offer")
    };
    assert_eq!(request.body().as_ref(), b"v=bob\r\n");
    call.answer(key, Reply::new(200));
    assert!(matches!(responded(&mut bob).await, Some(200)));
    assert!(matches!(alice.next_event().await, DialogNews::Confirmed(_)));
    let DialogNews::Offered { key, request } = bob.next_event().await else {
        panic!("no offer")
    };
    assert_eq!(request.body().as_ref(), b"v=alice\r\n");
    answer.answer(key, Reply::new(200));
    assert!(matches!(responded(&mut alice).await, Some(200)));
}

async fn responded(side: &mut Side) -> Option<u16> {
    match side.next_event().await {
        DialogNews::Responded { outcome, .. } => outcome.ok()?.code(),
        other => panic!("{other:?}"),
    }
}

#[actix::test]
async fn request_for_an_unknown_dialog_gets_481() {
    let (raw, bob) = (Raw::bind().await, side().await);
    let to = bob.endpoint.local_addr();
    raw.send(&raw.request("BYE", to, "nowhere", ";tag=gone"), to)
        .await;
    assert_eq!(raw.receive().await.unwrap().0.code(), Some(481));
}

#[actix::test]
async fn invite_whose_dialog_dies_is_answered_all_the_same() {
    let (raw, mut bob) = (Raw::bind().await, side().await);
    let to = bob.endpoint.local_addr();
    raw.send(&raw.request("INVITE", to, "orphan", ""), to).await;
    let incoming = bob.next_incoming().await;
    // a user that is gone already
    let gone = Probe {
        incoming: unbounded_channel().0,
        events: unbounded_channel().0,
        answers: unbounded_channel().0,
    };
    let gone = gone.start();
    let recipient = gone.clone().recipient();
    drop(gone);
    let options = AnswerOptions {
        contact: bob.contact("bob"),
    };
    let answer = Dialog::answer(&bob.endpoint, incoming, options, recipient).unwrap();
    answer.bye(None);
    let (response, _) = raw.receive().await.unwrap();
    assert_eq!(response.code(), Some(603));
}
