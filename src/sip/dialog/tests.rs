//! Dialog state and calls of ours, over messages.
use super::*;
use crate::sip::codec::{Builder, Limits, Message, Method, Name};
use proptest::prelude::*;

fn invite() -> Message {
    Builder::request(Method::Invite, "sip:bob@biloxi.example")
        .header(
            Name::Via,
            "SIP/2.0/UDP pc33.atlanta.example;branch=z9hG4bK1",
        )
        .header(Name::MaxForwards, "70")
        .header(Name::From, "Alice <sip:alice@atlanta.example>;tag=a1")
        .header(Name::To, "Bob <sip:bob@biloxi.example>")
        .header(Name::CallId, "call-1")
        .header(Name::CSeq, "31 INVITE")
        .header(Name::Contact, "<sip:alice@pc33.atlanta.example>")
        .header(
            Name::RecordRoute,
            "<sip:p2.example;lr>, <sip:p1.example;lr>",
        )
        .build()
}

fn answer(request: &Message, code: u16, tag: &str) -> Message {
    let contact = format!("<sip:bob@{tag}.biloxi.example>");
    Builder::response(request, code)
        .to_tag(tag)
        .header(Name::Contact, contact)
        .build()
}

fn routes(request: &Message) -> Vec<String> {
    request
        .list(Name::Route)
        .into_iter()
        .map(|route| route.into_owned())
        .collect()
}

/// A request from the other end of `dialog`.
fn inside(dialog: &Dialog, method: &str, number: u32, contact: &str) -> Message {
    let id = dialog.id();
    let text = format!(
        "{method} sip:us@here SIP/2.0\r\nVia: SIP/2.0/UDP there;branch=z9hG4bK{number}\r\n\
         From: <sip:them@there>;tag={}\r\nTo: <sip:us@here>;tag={}\r\nCall-ID: {}\r\n\
         CSeq: {number} {method}\r\nContact: {contact}\r\nContent-Length: 0\r\n\r\n",
        id.remote_tag, id.local_tag, id.call_id
    );
    Message::parse(text.into(), &Limits::default()).unwrap()
}

#[test]
fn callee_keeps_the_record_routes_in_order_and_the_caller_reversed() {
    let callee = Dialog::callee(&invite(), "b1").unwrap();
    let caller = Dialog::caller(&invite(), &answer(&invite(), 200, "b1")).unwrap();
    let bye = callee.clone().request(Method::Bye).build();
    assert_eq!(routes(&bye), ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]);
    assert_eq!(callee.next_hop(), "sip:p2.example;lr");
    let bye = caller.clone().request(Method::Bye).build();
    assert_eq!(routes(&bye), ["<sip:p1.example;lr>", "<sip:p2.example;lr>"]);
    assert_eq!(caller.next_hop(), "sip:p1.example;lr");
}

#[test]
fn both_ends_name_the_dialog_alike() {
    let callee = Dialog::callee(&invite(), "b1").unwrap();
    let caller = Dialog::caller(&invite(), &answer(&invite(), 200, "b1")).unwrap();
    let from_callee = callee.clone().request(Method::Bye).build();
    assert_eq!(
        DialogId::of_received(&from_callee).as_ref(),
        Some(caller.id())
    );
    assert_eq!(from_callee.uri_text(), "sip:alice@pc33.atlanta.example");
    let from_caller = caller.clone().request(Method::Bye).build();
    assert_eq!(
        DialogId::of_received(&from_caller).as_ref(),
        Some(callee.id())
    );
    assert_eq!(from_caller.uri_text(), "sip:bob@b1.biloxi.example");
    assert_eq!((caller.side(), callee.side()), (Side::Caller, Side::Callee));
}

#[test]
fn requests_count_up_from_the_invite_and_the_ack_keeps_its_number() {
    let mut caller = Dialog::caller(&invite(), &answer(&invite(), 200, "b1")).unwrap();
    assert_eq!(
        caller.ack(31).build().value(Name::CSeq).as_deref(),
        Some("31 ACK")
    );
    let info = caller.request(Method::Info).build();
    let bye = caller.request(Method::Bye).build();
    assert_eq!(info.value(Name::CSeq).as_deref(), Some("32 INFO"));
    assert_eq!(bye.value(Name::CSeq).as_deref(), Some("33 BYE"));
    let mut callee = Dialog::callee(&invite(), "b1").unwrap();
    assert_eq!(
        callee.request(Method::Bye).build().cseq().unwrap().number,
        1
    );
}

#[test]
fn strict_router_gets_itself_in_the_request_uri() {
    let invite = Builder::from_message(&invite())
        .replace(Name::RecordRoute, "<sip:old.example>, <sip:p1.example;lr>")
        .build();
    let bye = Dialog::callee(&invite, "b1")
        .unwrap()
        .request(Method::Bye)
        .build();
    assert_eq!(bye.uri_text(), "sip:old.example");
    assert_eq!(
        routes(&bye),
        ["<sip:p1.example;lr>", "<sip:alice@pc33.atlanta.example>"]
    );
}

#[test]
fn older_request_is_out_of_order() {
    let mut callee = Dialog::callee(&invite(), "b1").unwrap();
    for (number, fits) in [
        (31, false),
        (35, true),
        (34, false),
        (35, false),
        (36, true),
    ] {
        let request = inside(&callee, "INFO", number, "<sip:x@y>");
        let taken = callee.handle_request(&request);
        assert_eq!(taken.is_ok(), fits, "{number}");
        assert!(taken.err().is_none_or(|error| error.status() == 500));
    }
    // the caller does not know yet where the other end counts from
    let mut caller = Dialog::caller(&invite(), &answer(&invite(), 200, "b1")).unwrap();
    let request = inside(&caller, "BYE", 0, "<sip:x@y>");
    assert_eq!(caller.handle_request(&request), Ok(()));
}

#[test]
fn target_moves_with_a_contact_and_stays_without() {
    let mut callee = Dialog::callee(&invite(), "b1").unwrap();
    let moved = inside(
        &callee,
        "INVITE",
        40,
        "<sip:alice@mobile.example>;+g.oma.sip-im",
    );
    callee.refresh_target(&moved);
    assert_eq!(callee.target(), "sip:alice@mobile.example");
    callee.refresh_target(&inside(&callee, "INVITE", 41, "*"));
    assert_eq!(callee.target(), "sip:alice@mobile.example");
}

#[test]
fn what_opens_no_dialog_is_named() {
    let without = Builder::from_message(&invite())
        .remove(Name::Contact)
        .build();
    let error = Dialog::callee(&without, "b1").unwrap_err();
    assert_eq!((error.status(), error.kind()), (400, "contact"));
    let tagless = Builder::response(&invite(), 200)
        .header(Name::Contact, "<sip:b@c>")
        .build();
    assert_eq!(
        Dialog::caller(&invite(), &tagless).unwrap_err(),
        DialogError::Tag
    );
}

fn call() -> Call {
    Call::new(invite()).unwrap()
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Provisional => "provisional",
        Verdict::Answered(_) => "answered",
        Verdict::Repeated(_) => "repeated",
        Verdict::Unwanted { .. } => "unwanted",
        Verdict::Failed => "failed",
        Verdict::Ignored => "ignored",
        Verdict::Broken(_) => "broken",
    }
}

fn hear(call: &mut Call, code: u16, tag: &str) -> &'static str {
    word(&call.handle_response(&answer(&invite(), code, tag)))
}

#[test]
fn early_dialogs_of_a_fork_are_kept_apart_and_end_with_the_answer() {
    let mut call = call();
    for tag in ["one", "two", "one"] {
        assert_eq!(hear(&mut call, 180, tag), "provisional");
    }
    assert_eq!(call.early().len(), 2);
    assert_eq!(hear(&mut call, 100, ""), "provisional");
    let Verdict::Answered(dialog) = call.handle_response(&answer(&invite(), 200, "two")) else {
        panic!("not answered")
    };
    assert!(!dialog.is_early() && dialog.id().remote_tag.as_ref() == "two");
    assert!(call.early().is_empty());
}

#[test]
fn repeated_2xx_gets_the_same_ack() {
    let mut call = call();
    let response = answer(&invite(), 200, "one");
    let Verdict::Answered(dialog) = call.handle_response(&response) else {
        panic!("not answered")
    };
    // the ACK is on its way to being made
    assert_eq!(word(&call.handle_response(&response)), "ignored");
    let ack = dialog.ack(call.number()).build();
    call.acknowledged(dialog.id(), ack.clone());
    let Verdict::Repeated(again) = call.handle_response(&response) else {
        panic!("not repeated")
    };
    assert_eq!(again.octets(), ack.octets());
}

#[test]
fn second_branch_is_acknowledged_and_ended() {
    let mut call = call();
    assert_eq!(hear(&mut call, 200, "one"), "answered");
    let Verdict::Unwanted { ack, bye } = call.handle_response(&answer(&invite(), 200, "two"))
    else {
        panic!("not unwanted")
    };
    assert_eq!(ack.cseq().unwrap().number, 31);
    assert_eq!(bye.cseq().unwrap().number, 32);
    for request in [&ack, &bye] {
        assert_eq!(request.uri_text(), "sip:bob@two.biloxi.example");
        assert_eq!(request.to().unwrap().tag(), Some("two"));
    }
    assert_eq!(hear(&mut call, 200, "two"), "repeated");
}

#[test]
fn acceptance_after_cancel_is_unwanted_and_refusal_ends_the_call() {
    let mut call = call();
    hear(&mut call, 180, "one");
    assert!(call.cancel());
    assert!(!call.cancel());
    assert_eq!(hear(&mut call, 180, "one"), "ignored");
    assert_eq!(hear(&mut call, 200, "one"), "unwanted");
    assert_eq!(hear(&mut call, 487, "one"), "failed");
    assert_eq!(hear(&mut call, 487, "one"), "ignored");
}

#[test]
fn answered_call_is_not_cancelled() {
    let mut call = call();
    hear(&mut call, 200, "one");
    assert!(!call.cancel());
    assert_eq!(hear(&mut call, 486, "one"), "ignored");
}

#[test]
fn acceptance_without_contact_breaks_the_call() {
    let response = Builder::response(&invite(), 200).to_tag("one").build();
    assert_eq!(word(&call().handle_response(&response)), "broken");
}

proptest! {
    /// Whatever comes in whatever order: no panic, at most one dialog, at most one failure, and
    /// what is remembered stays bounded.
    #[test]
    fn any_sequence_of_responses_gives_at_most_one_dialog(
        events in prop::collection::vec((0usize..8, 0u8..30), 0..80),
    ) {
        let codes = [100, 180, 183, 200, 200, 302, 486, 0];
        let mut call = call();
        let (mut answered, mut failed) = (0, 0);
        for (which, tag) in events {
            if codes[which] == 0 {
                call.cancel();
                continue;
            }
            match hear(&mut call, codes[which], &format!("t{tag}")) {
                "answered" => answered += 1,
                "failed" => failed += 1,
                _ => {}
            }
            prop_assert!(call.early().len() <= 16);
        }
        prop_assert!(answered + failed <= 1);
    }
}
