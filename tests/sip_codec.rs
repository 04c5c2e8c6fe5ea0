//! The SIP codec on the examples of the RFC, on any split of a stream, there and back, and on
//! garbage.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
use bytes::{Bytes, BytesMut};
use bytesize::ByteSize;
use proptest::prelude::*;
use restante::sip::codec::{
    Builder, CSeq, Contacts, Framed, Framer, Host, Limits, MediaType, Message, Method, Name,
    NameAddr, Params, ParseError, Uri, Via, reason, validate,
};

const INVITE: &str = "INVITE sip:bob@biloxi.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP bigbox3.site3.atlanta.com;branch=z9hG4bK77ef4c2312983.1\r\n\
    Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKnashds8;received=192.0.2.1\r\n\
    Max-Forwards: 69\r\n\
    To: Bob <sip:bob@biloxi.com>\r\n\
    From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n\
    Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n\
    CSeq: 314159 INVITE\r\n\
    Contact: <sip:alice@pc33.atlanta.com>\r\n\
    Record-Route: <sip:p2.example.com;lr>, <sip:p1.example.com;lr>\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 4\r\n\r\nv=0\n";

fn parse(text: &str) -> Result<Message, ParseError> {
    Message::parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default())
}

fn request(headers: &str) -> Message {
    parse(&format!(
        "OPTIONS sip:bob@biloxi.com SIP/2.0\r\n{headers}\r\n\r\n"
    ))
    .unwrap()
}

fn frame(framer: &mut Framer, octets: &[u8]) -> Result<Option<Framed>, ParseError> {
    framer.next(&mut BytesMut::from(octets))
}

#[test]
fn invite_of_the_rfc_is_read() {
    let invite = parse(INVITE).unwrap();
    assert_eq!(validate(&invite), Ok(()));
    assert!(invite.is_request() && invite.is(&Method::Invite));
    assert_eq!(invite.uri_text(), "sip:bob@biloxi.com");
    assert_eq!(invite.code(), None);
    let via = invite.via().unwrap();
    assert_eq!(via.host, Host::Name("bigbox3.site3.atlanta.com".into()));
    assert_eq!(
        invite.vias().unwrap()[1].received(),
        "192.0.2.1".parse().ok()
    );
    assert_eq!(invite.max_forwards(), Some(69));
    assert_eq!(invite.from().unwrap().display.as_deref(), Some("Alice"));
    assert_eq!(invite.to().unwrap().tag(), None);
    assert_eq!(invite.cseq(), Ok(CSeq::new(314_159, Method::Invite)));
    assert_eq!(invite.addresses(Name::RecordRoute).unwrap().len(), 2);
    assert_eq!(invite.list(Name::RecordRoute)[1], "<sip:p1.example.com;lr>");
    assert!(invite.content_type().unwrap().is("application/SDP"));
    assert_eq!(&invite.body()[..], b"v=0\n");
}

#[test]
fn response_of_the_rfc_is_read() {
    let response = parse(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKnashds8\r\n\
         To: Bob <sip:bob@biloxi.com>;tag=a6c85cf\r\nFrom: Alice <sip:alice@atlanta.com>;tag=19\r\n\
         Call-ID: a84b\r\nCSeq: 314159 INVITE\r\nContact: *\r\n\r\n",
    )
    .unwrap();
    assert_eq!((response.code(), response.reason()), (Some(200), "OK"));
    assert_eq!(response.method(), Some(Method::Invite));
    assert_eq!(response.uri_text(), "");
    assert_eq!(response.contacts(), Ok(Contacts::Star));
}

#[test]
fn equivalent_uris_of_the_rfc_are_equivalent() {
    let equivalent = [
        (
            "sip:%61lice@atlanta.com;transport=TCP",
            "sip:alice@AtLanTa.CoM;Transport=tcp",
        ),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("tel:+1-201-555-0123", "tel:+12015550123"),
    ];
    let different = [
        (
            "SIP:ALICE@AtLanTa.CoM;Transport=udp",
            "sip:alice@AtLanTa.CoM;Transport=UDP",
        ),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        (
            "sip:bob@biloxi.com",
            "sip:bob@biloxi.com:6000;transport=tcp",
        ),
        (
            "sip:carol@chicago.com",
            "sip:carol@chicago.com?Subject=next%20meeting",
        ),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        (
            "sip:carol@chicago.com;security=on",
            "sip:carol@chicago.com;security=off",
        ),
        ("sip:alice@atlanta.com", "sips:alice@atlanta.com"),
    ];
    let compare = |(one, two): (&str, &str)| {
        Uri::parse(one)
            .unwrap()
            .equivalent(&Uri::parse(two).unwrap())
    };
    for pair in equivalent {
        assert!(compare(pair), "{pair:?}");
        assert!(compare((pair.1, pair.0)), "{pair:?}");
    }
    for pair in different {
        assert!(!compare(pair), "{pair:?}");
    }
}

#[test]
fn every_kind_of_uri_comes_back_as_it_was() {
    for text in [
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice;day=tuesday@atlanta.com",
        "sip:bob@[2001:db8::10]:5070;lr",
        "sip:192.0.2.4:5062",
        "tel:+49-30-1234",
        "tel:7042;phone-context=example.com",
        "im:bob@example.com",
        "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg",
        "msrp://a.example.com:1234/agic456;tcp",
    ] {
        assert_eq!(Uri::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn malformed_uri_is_refused() {
    for text in [
        "",
        "bob",
        "sip:",
        ":bob",
        "sip:bob@",
        "sip:bob@biloxi.com:",
        "sip:bob@biloxi.com:99999",
        "sip:bob@2001:db8::10",
        "sip:bob@[2001:db8::10",
        "sip:bob@[fe80::zz]",
        "sip:bob @biloxi.com",
        "sip:bob@biloxi.com;;lr",
        "sip:bob@biloxi.com?subject",
        "sip:b%6@biloxi.com",
        "sip:@biloxi.com",
        "<sip:bob@biloxi.com>",
        "tel:",
        "tel:+",
        "9sip:bob@biloxi.com",
    ] {
        assert!(Uri::parse(text).is_err(), "{text}");
    }
}

#[test]
fn address_is_read_in_both_forms() {
    let quoted = NameAddr::parse(r#""A. G. \"Bell\", <x>" <sip:agb@bell-telephone.com>;tag=a48s"#);
    let quoted = quoted.unwrap();
    assert_eq!(quoted.display.as_deref(), Some(r#"A. G. "Bell", <x>"#));
    assert_eq!(quoted.tag(), Some("a48s"));
    assert_eq!(NameAddr::parse(&quoted.to_string()), Ok(quoted));
    let bare = NameAddr::parse("sip:+12125551212@server.phone2net.com;tag=887s").unwrap();
    assert_eq!(
        (bare.tag(), bare.uri.as_sip().unwrap().params.len()),
        (Some("887s"), 0)
    );
    let inside = NameAddr::parse("<sip:bob@biloxi.com;tag=no>").unwrap();
    assert_eq!(inside.tag(), None);
}

#[test]
fn feature_tags_of_a_contact_are_kept() {
    let text = "<sip:bob@192.0.2.4>;+sip.instance=\"<urn:uuid:f81d4fae>\";\
                +g.3gpp.iari-ref=\"urn%3Aurn-7%3Aa,urn%3Aurn-7%3Ab\";q=0.7;expires=3600";
    let message = request(&format!("Contact: {text}, <sip:bob@192.0.2.5>;expires=x"));
    let contacts = message.contacts().unwrap();
    let first = contacts.first().unwrap();
    assert_eq!(
        first.params.unquoted("+sip.instance").unwrap(),
        "<urn:uuid:f81d4fae>"
    );
    assert_eq!((first.quality(), first.expires()), (700, Some(3600)));
    assert_eq!(first.to_string(), text);
    assert_eq!(contacts.list()[1].expires(), Some(3600));
    assert_eq!(contacts.list()[1].quality(), 1000);
}

#[test]
fn compact_names_folded_lines_and_space_before_the_colon_are_understood() {
    let message =
        request("i:\r\n 7@h\r\nSUBJECT \t :  one \r\n\ttwo\r\nk: a,b\r\nsupported: c\r\n");
    assert_eq!(message.call_id(), "7@h");
    assert_eq!(message.value(Name::Subject).as_deref(), Some("one two"));
    assert_eq!(message.list(Name::Supported), ["a", "b", "c"]);
    assert_eq!(message.raw(Name::Subject), Some(&b"one \r\n\ttwo"[..]));
}

#[test]
fn unknown_header_is_kept_byte_for_byte() {
    let octets = b"NEWTHING urn:x SIP/2.0\r\nX-Thing:  \xff\x01 \r\nx-thing: 2\r\n\r\n\0\xffbody";
    let message = Message::parse(Bytes::from_static(octets), &Limits::default()).unwrap();
    assert_eq!(message.octets(), &octets[..]);
    let fields: Vec<_> = message.fields().collect();
    assert_eq!(fields[0], (&b"X-Thing"[..], Name::Other, &b"\xff\x01"[..]));
    assert_eq!(message.others("X-THING").count(), 2);
    assert_eq!(message.other("X-Thing").as_deref(), Some("\u{fffd}\u{1}"));
    assert_eq!(&message.body()[..], b"\0\xffbody");
}

#[test]
fn list_is_cut_outside_of_quotes_and_brackets_only() {
    let message = request("Contact: \"a,b\" <sip:x@h;p=1,2>;t=\"c,\\\",d\", <sip:y@h> ,");
    let elements = message.list(Name::Contact);
    assert_eq!(
        elements,
        ["\"a,b\" <sip:x@h;p=1,2>;t=\"c,\\\",d\"", "<sip:y@h>"]
    );
}

#[test]
fn each_limit_is_named_in_its_error() {
    let limits = Limits {
        max_head: ByteSize::b(200),
        max_field: ByteSize::b(100),
        max_fields: 3,
        max_body: ByteSize::b(10),
    };
    let error = |headers: &str, body: &str| {
        let text = format!("OPTIONS sip:h SIP/2.0\r\n{headers}\r\n{body}");
        Message::parse(text.into(), &limits).unwrap_err()
    };
    let long = format!("A: {}\r\n", "x".repeat(90));
    let field = error(&format!("A: {}\r\n", "x".repeat(200)), "");
    assert_eq!(field, ParseError::FieldTooLong { limit: 100 });
    let folded = error(&format!("A: {}\r\n {0}\r\n", "x".repeat(60)), "");
    assert_eq!(folded, ParseError::FieldTooLong { limit: 100 });
    assert_eq!(
        error(&long.repeat(3), ""),
        ParseError::HeadTooLong { limit: 200 }
    );
    assert_eq!(
        error(&"A: 1\r\n".repeat(4), ""),
        ParseError::TooManyFields { limit: 3 }
    );
    assert_eq!(
        error("", "01234567890"),
        ParseError::BodyTooLong { limit: 10 }
    );
    assert_eq!(
        error("l: 11\r\n", ""),
        ParseError::BodyTooLong { limit: 10 }
    );
    assert!(field.to_string().contains("sip.limits.max_field"));
    assert_eq!((field.status(), field.kind()), (513, "field_too_long"));
}

#[test]
fn endless_head_is_refused_before_it_is_complete() {
    let mut framer = Framer::new(Limits::default());
    let mut input = BytesMut::from(&b"OPTIONS sip:h SIP/2.0\r\n"[..]);
    for _ in 0..2000 {
        input.extend_from_slice(b"A: 01234567890123456789\r\n");
        match framer.next(&mut input) {
            Ok(None) => assert!(input.len() <= 32 * 1024 + 25),
            other => return assert_eq!(other, Err(ParseError::HeadTooLong { limit: 32 * 1024 })),
        }
    }
    panic!("never refused");
}

#[test]
fn datagram_follows_its_content_length() {
    let datagram = |length: &str| {
        parse(&format!("OPTIONS sip:h SIP/2.0\r\n{length}\r\n12345")).map(|m| m.body().clone())
    };
    assert_eq!(datagram(""), Ok("12345".into()));
    assert_eq!(datagram("l: 3\r\n"), Ok("123".into()));
    assert_eq!(
        datagram("l: 6\r\n"),
        Err(ParseError::Truncated {
            announced: 6,
            present: 5
        })
    );
    for bad in [
        "l: -1\r\n",
        "l: x\r\n",
        "l:\r\n",
        "l: +1\r\n",
        "l: 1\r\nl: 1\r\n",
    ] {
        assert_eq!(datagram(bad), Err(ParseError::ContentLength), "{bad}");
    }
}

#[test]
fn malformed_structure_is_named() {
    let cases = [
        ("", ParseError::Empty),
        ("\r\n\r\n", ParseError::Empty),
        ("OPTIONS\r\n\r\n", ParseError::StartLine),
        ("OPTIONS sip:h\r\n\r\n", ParseError::StartLine),
        ("OPTIONS sip:h HTTP/1.1\r\n\r\n", ParseError::StartLine),
        ("OPT(IONS sip:h SIP/2.0\r\n\r\n", ParseError::StartLine),
        ("SIP/2.0 OK\r\n\r\n", ParseError::StartLine),
        ("SIP/2.0 099 x\r\n\r\n", ParseError::StatusCode),
        ("SIP/2.0 700 x\r\n\r\n", ParseError::StatusCode),
        (
            "OPTIONS sip:h SIP/2.0\r\nNo colon\r\n\r\n",
            ParseError::FieldLine,
        ),
        (
            "OPTIONS sip:h SIP/2.0\r\nB(d: 1\r\n\r\n",
            ParseError::FieldLine,
        ),
        (
            "OPTIONS sip:h SIP/2.0\r\nA: 1\nB: 2\r\n\r\n",
            ParseError::BareLineBreak,
        ),
        (
            "OPTIONS sip:h SIP/2.0\r\nA: 1\rB: 2\r\n\r\n",
            ParseError::BareLineBreak,
        ),
        (
            "OPTIONS sip:h SIP/2.0\r\nA: 1\r\n",
            ParseError::HeadUnfinished,
        ),
        ("OPTIONS sip:h SIP/2.0\r\nA: 1", ParseError::HeadUnfinished),
    ];
    for (text, error) in cases {
        assert_eq!(parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn message_on_a_stream_needs_its_length() {
    let mut framer = Framer::new(Limits::default());
    let error = frame(&mut framer, b"OPTIONS sip:h SIP/2.0\r\nA: 1\r\n\r\n");
    assert_eq!(error, Err(ParseError::ContentLengthMissing));
}

#[test]
fn double_line_end_is_a_ping_and_a_single_one_is_nothing() {
    let mut framer = Framer::new(Limits::default());
    let mut input = BytesMut::from(&b"\r\n\r\n\r\n"[..]);
    assert_eq!(framer.next(&mut input), Ok(Some(Framed::KeepAlive)));
    assert_eq!(framer.next(&mut input), Ok(None));
    input.extend_from_slice(b"OPTIONS sip:h SIP/2.0\r\nl: 0\r\n\r\n\r\n");
    assert!(matches!(
        framer.next(&mut input),
        Ok(Some(Framed::Message(_)))
    ));
    assert_eq!(framer.next(&mut input), Ok(None));
    input.extend_from_slice(b"\r\n");
    assert_eq!(framer.next(&mut input), Ok(Some(Framed::KeepAlive)));
    assert!(input.is_empty());
}

#[test]
fn response_carries_what_the_request_brought() {
    let invite = parse(INVITE).unwrap();
    let ringing = Builder::response(&invite, 180).to_tag("x1").build();
    let expected = "SIP/2.0 180 Ringing\r\n\
        Via: SIP/2.0/UDP bigbox3.site3.atlanta.com;branch=z9hG4bK77ef4c2312983.1\r\n\
        Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKnashds8;received=192.0.2.1\r\n\
        Record-Route: <sip:p2.example.com;lr>, <sip:p1.example.com;lr>\r\n\
        From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n\
        To: Bob <sip:bob@biloxi.com>;tag=x1\r\n\
        Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n\
        CSeq: 314159 INVITE\r\n\
        Content-Length: 0\r\n\r\n";
    assert_eq!(std::str::from_utf8(ringing.octets()), Ok(expected));
    assert_eq!(validate(&ringing), Ok(()));
    let busy = Builder::response(&invite, 486).to_tag("x1").build();
    assert!(!busy.has(Name::RecordRoute));
    assert_eq!(busy.reason(), "Busy Here");
    assert_eq!(reason(299), "OK");
}

#[test]
fn tag_that_is_there_stays() {
    let bye = parse("BYE sip:h SIP/2.0\r\nTo: <sip:b@h>;tag=old\r\n\r\n").unwrap();
    let response = Builder::response(&bye, 200).to_tag("new").build();
    assert_eq!(response.to().unwrap().tag(), Some("old"));
}

#[test]
fn line_end_in_a_value_becomes_a_space() {
    let message = Builder::request(Method::Message, "sip:b@h\r\nX: 1")
        .header(Name::Subject, "a\r\nInjected: yes")
        .other("Bad name", "x")
        .other("X-Good", "1\n2")
        .body("text/plain\r\nY: 1", "hi")
        .build();
    let names: Vec<_> = message.fields().map(|(name, _, _)| name.to_vec()).collect();
    let expected: [&[u8]; 4] = [b"Subject", b"X-Good", b"Content-Type", b"Content-Length"];
    assert_eq!(names, expected);
    assert_eq!(
        parse(std::str::from_utf8(message.octets()).unwrap()),
        Ok(message)
    );
}

/// The message as a server has it that got it from `source`.
fn received(message: &Message, source: &str) -> Message {
    let mut via = message.via().unwrap();
    assert!(via.stamp(source.parse().unwrap()));
    message.with_top_via_stamped(&via)
}

#[test]
fn via_is_put_on_taken_off_and_stamped() {
    let invite = parse(INVITE).unwrap();
    let sent = invite.with_top_via("SIP/2.0/TCP here:5070;branch=z9hG4bKabc;rport");
    assert_eq!(sent.vias().unwrap().len(), 3);
    assert_eq!(sent.via().unwrap().branch(), Some("z9hG4bKabc"));
    assert_eq!(sent.without_top_via(), invite);

    let stamped = received(&sent, "192.0.2.9:7000");
    let via = stamped.via().unwrap();
    assert_eq!(
        (via.received(), via.rport()),
        ("192.0.2.9".parse().ok(), Some(Some(7000)))
    );
    assert_eq!(stamped.without_top_via(), invite);
    assert_eq!(stamped.body(), invite.body());
    assert_eq!(
        Message::parse(stamped.octets().clone(), &Limits::default()),
        Ok(stamped)
    );

    let two = request("Via: SIP/2.0/UDP 192.0.2.1;branch=a , SIP/2.0/UDP h2;branch=b\r\nl: 0");
    let same = "192.0.2.1:5060".parse().unwrap();
    assert!(!two.via().unwrap().stamp(same), "nothing to add");
    let other = received(&two, "192.0.2.2:5060");
    let vias = other.vias().unwrap();
    assert_eq!(vias[0].received(), "192.0.2.2".parse().ok());
    assert_eq!(vias[1].branch(), Some("b"));
    let response = Builder::response(&two, 503).top_via(&vias[0]).build();
    assert_eq!(response.vias().unwrap(), vias);
    assert_eq!(two.without_top_via().via().unwrap().branch(), Some("b"));
}

#[test]
fn uri_and_single_values_are_replaced_in_place() {
    let invite = parse(INVITE).unwrap();
    let moved = invite.with_uri("sip:bob@192.0.2.4:5062");
    assert_eq!(moved.uri_text(), "sip:bob@192.0.2.4:5062");
    assert_eq!(moved.cseq(), invite.cseq());
    assert_eq!(moved.version(), "SIP/2.0");
    let forwarded = moved
        .with_value_of(Name::MaxForwards, "68")
        .with_value_of(Name::Expires, "9");
    assert_eq!(
        (forwarded.max_forwards(), forwarded.expires()),
        (Some(68), Some(9))
    );
    assert_eq!(forwarded.body(), invite.body());
    let again = Message::parse(forwarded.octets().clone(), &Limits::default()).unwrap();
    assert!(again.fields().eq(forwarded.fields()));
}

#[test]
fn builder_takes_a_message_apart_and_puts_it_together() {
    let invite = parse(INVITE).unwrap();
    assert_eq!(Builder::from_message(&invite).build(), invite);
    let changed = Builder::from_message(&invite)
        .remove(Name::RecordRoute)
        .replace(Name::Via, "SIP/2.0/UDP h;branch=z9hG4bK1")
        .prepend(Name::Route, "<sip:p;lr>")
        .build();
    assert_eq!(changed.vias().unwrap().len(), 1);
    assert!(!changed.has(Name::RecordRoute));
    assert_eq!(changed.fields().next().unwrap().1, Name::Route);
}

#[test]
fn values_are_written_as_they_are_read() {
    let via = Via::parse("SIP / 2.0 / UDP  [2001:db8::1] : 5070 ; branch=z9hG4bK1;rport").unwrap();
    assert_eq!(
        via.to_string(),
        "SIP/2.0/UDP [2001:db8::1]:5070;branch=z9hG4bK1;rport"
    );
    assert_eq!(via.rport(), Some(None));
    let media = MediaType::parse("Multipart/Mixed ; boundary=\"a;b\"").unwrap();
    assert_eq!(media.to_string(), "multipart/mixed;boundary=\"a;b\"");
    assert_eq!(media.params.unquoted("Boundary").unwrap(), "a;b");
    let params = Params::new().with("a", "1").with("A", "2");
    assert_eq!(params.to_string(), ";a=2");
}

#[test]
fn unreadable_request_is_salvaged_for_its_answer() {
    let bad = INVITE.replace("Max-Forwards: 69", "this is no header");
    assert_eq!(parse(&bad), Err(ParseError::FieldLine));
    let salvaged = Message::salvage(bad.as_bytes(), &Limits::default()).unwrap();
    let response = Builder::response(&salvaged, ParseError::FieldLine.status()).build();
    assert_eq!(response.vias(), parse(INVITE).unwrap().vias());
    assert_eq!(response.code(), Some(400));
    let ack = bad.replace("INVITE", "ACK");
    assert_eq!(Message::salvage(ack.as_bytes(), &Limits::default()), None);
    assert_eq!(
        Message::salvage(b"SIP/2.0 200 OK\r\n\r\n", &Limits::default()),
        None
    );
    assert_eq!(Message::salvage(b"\0\0\0\0", &Limits::default()), None);
}

fn token() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9.!%*_+`'~-]{1,12}"
}

fn header() -> impl Strategy<Value = (String, Vec<u8>)> {
    let name = prop_oneof![
        token(),
        prop::sample::select(Name::KNOWN).prop_map(|name| name.as_str().to_owned()),
    ];
    let octet = any::<u8>().prop_filter("no line end", |octet| !matches!(octet, b'\r' | b'\n'));
    (name, prop::collection::vec(octet, 0..40))
}

prop_compose! {
    fn built_message()(
        method in token(),
        is_request in any::<bool>(),
        code in 100u16..700,
        uri in "[a-z]{1,5}:[a-z0-9@.;=]{1,20}",
        headers in prop::collection::vec(header(), 0..12),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) -> Message {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = Builder::request(method, uri);
        let start = match is_request {
            true => request,
            false => Builder::response(&request.build(), code),
        };
        let with_headers = headers.iter().fold(start, |builder, (name, value)| {
            builder.other(name, value)
        });
        with_headers.body("application/octet-stream", body).build()
    }
}

proptest! {
    #[test]
    fn built_message_reads_back_the_same(message in built_message()) {
        let again = Message::parse(message.octets().clone(), &Limits::default()).unwrap();
        prop_assert_eq!(&again, &message);
        prop_assert!(again.fields().eq(message.fields()));
        prop_assert_eq!(again.body(), message.body());
        prop_assert_eq!(again.uri_text(), message.uri_text());
        prop_assert_eq!(again.code(), message.code());
        prop_assert_eq!(again.reason(), message.reason());
        let rebuilt = Builder::from_message(&again).build();
        prop_assert_eq!(rebuilt.body(), message.body());
    }

    #[test]
    fn stream_is_cut_alike_however_it_is_split(
        messages in prop::collection::vec(built_message(), 1..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let stream: Vec<u8> = messages.iter().flat_map(|m| m.octets().to_vec()).collect();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let (mut framer, mut input) = (Framer::new(Limits::default()), BytesMut::new());
        let mut framed = Vec::new();
        for piece in cuts.windows(2) {
            input.extend_from_slice(&stream[piece[0]..piece[1]]);
            while let Some(Framed::Message(message)) = framer.next(&mut input).unwrap() {
                framed.push(message);
            }
        }
        prop_assert_eq!(framed, messages);
    }

    #[test]
    fn edits_keep_the_index_true(message in built_message(), value in "[ -~]{0,20}") {
        let edited = message
            .with_top_via("SIP/2.0/UDP h;branch=z9hG4bK1")
            .with_value_of(Name::Subject, value.trim())
            .with_uri("sip:x@y");
        let again = Message::parse(edited.octets().clone(), &Limits::default()).unwrap();
        prop_assert!(again.fields().eq(edited.fields()));
        prop_assert_eq!(again.body(), message.body());
        prop_assert_eq!(again.uri_text(), edited.uri_text());
        let without = edited.without_top_via();
        let again = Message::parse(without.octets().clone(), &Limits::default()).unwrap();
        prop_assert!(again.fields().eq(without.fields()));
    }

    #[test]
    fn garbage_never_panics(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        everything(&octets);
    }

    #[test]
    fn almost_sip_never_panics(
        text in "(INVITE|SIP/2.0) (sip:[a-z@:;=\\[\\]%]{0,9} SIP/2.0|[0-9]{1,4} x)\r\n\
                 ((Via|f|To|Contact|l|CSeq|Route|Date|Expires)[ \t]?:[ -~\r\n\t]{0,30}\r\n){0,8}\r\n[ -~]{0,9}",
    ) {
        everything(text.as_bytes());
    }

    #[test]
    fn damaged_message_never_panics(at in 0..INVITE.len(), octet in any::<u8>()) {
        let mut octets = INVITE.as_bytes().to_vec();
        octets[at] = octet;
        everything(&octets);
    }

    #[test]
    fn values_never_panic(text in "[ -~äß]{0,60}") {
        let _ = (Uri::parse(&text), NameAddr::parse(&text), Via::parse(&text));
        let _ = (CSeq::parse(&text), MediaType::parse(&text), Params::parse(&text));
    }

    #[test]
    fn uri_that_reads_is_written_back_equivalent(text in "sips?:([a-z%40]{1,4}@)?[a-z]{1,5}(:[0-9]{1,4})?(;[a-z]{1,3}(=[a-z]{1,3})?){0,3}") {
        if let Ok(uri) = Uri::parse(&text) {
            let again = Uri::parse(&uri.to_string()).unwrap();
            prop_assert!(again.equivalent(&uri));
            prop_assert_eq!(again, uri);
        }
    }
}

// every way to look at a message
fn everything(octets: &[u8]) {
    let limits = Limits::default();
    let _ = Message::salvage(octets, &limits);
    let mut framer = Framer::new(limits);
    let mut input = BytesMut::from(octets);
    while let Ok(Some(_)) = framer.next(&mut input) {}
    let Ok(message) = Message::parse(Bytes::copy_from_slice(octets), &limits) else {
        return;
    };
    let _ = (
        validate(&message),
        message.uri(),
        message.method(),
        message.reason(),
    );
    let _ = (
        message.via(),
        message.vias(),
        message.from(),
        message.to(),
        message.cseq(),
    );
    let _ = (
        message.contacts(),
        message.expires(),
        message.max_forwards(),
    );
    let _ = (
        message.content_type(),
        message.addresses(Name::Route),
        message.list(Name::To),
    );
    let _ = (
        message.without_top_via(),
        message.with_uri("sip:h"),
        message.detached(),
    );
    if let Ok(mut via) = message.via() {
        via.stamp("192.0.2.1:5".parse().unwrap());
        message.with_top_via_stamped(&via);
        Builder::response(&message, 503).top_via(&via).build();
    }
    Builder::from_message(&message).build();
    Builder::response(&message, 200).to_tag("t").build();
}
