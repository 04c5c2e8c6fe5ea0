//! rsip 0.4.0 as second opinion: on ordinary messages both parsers agree; where they do not, the
//! fault of rsip is spelled out as a test, so that an upgrade that mends one is noticed.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
use proptest::prelude::*;
use restante::sip::codec::{Builder, Limits, Message, Method, Name, Uri, validate};
use rsip::{
    headers::{ToTypedHeader, UntypedHeader},
    message::{HasHeaders, HeadersExt},
};
use std::convert::TryFrom;

fn ours(text: &str) -> Message {
    Message::parse(text.to_owned().into(), &Limits::default()).unwrap()
}

fn theirs(text: &str) -> Result<rsip::SipMessage, rsip::Error> {
    rsip::SipMessage::try_from(text.as_bytes())
}

fn their_request(text: &str) -> Result<rsip::Request, rsip::Error> {
    rsip::Request::try_from(theirs(text)?)
}

/// A request with these header lines, each ended by CRLF.
fn options(headers: &str) -> String {
    format!("OPTIONS sip:bob@biloxi.com SIP/2.0\r\n{headers}\r\n")
}

prop_compose! {
    fn uri()(
        scheme in "sips?",
        user in "[a-z][a-z0-9.]{0,8}",
        host in "[a-z]{1,8}(\\.[a-z]{2,5}){0,2}|192\\.0\\.2\\.[1-9]",
        port in prop::option::of(1024u16..65535),
        transport in prop::option::of(prop::sample::select(vec!["UDP", "TCP"])),
    ) -> String {
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        let transport = transport.map_or(String::new(), |name| format!(";transport={name}"));
        format!("{scheme}:{user}@{host}{port}{transport}")
    }
}

const METHODS: [&str; 14] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "REGISTER",
    "MESSAGE",
    "SUBSCRIBE",
    "NOTIFY",
    "PUBLISH",
    "REFER",
    "INFO",
    "PRACK",
    "UPDATE",
];

prop_compose! {
    fn ordinary()(
        method in prop::sample::select(METHODS.to_vec()),
        code in prop::option::of(prop::sample::select(vec![100u16, 180, 200, 202, 404, 481, 503])),
        uri in uri(),
        from in uri(),
        to in uri(),
        contact in uri(),
        display in prop::option::of("[A-Z][a-z]{0,8}"),
        branch in "[a-zA-Z0-9.]{1,16}",
        tag in "[a-zA-Z0-9.]{1,16}",
        transport in prop::sample::select(vec!["UDP", "TCP", "TLS"]),
        number in 1u32..2_000_000,
        hops in 0u8..=70,
        subject in "[a-zA-Z0-9](|[a-zA-Z0-9 ]{0,20}[a-zA-Z0-9])",
        body in "[ -~]{0,60}",
    ) -> String {
        let start = match code {
            Some(code) => format!("SIP/2.0 {code} {}", restante::sip::codec::reason(code)),
            None => format!("{method} {uri} SIP/2.0"),
        };
        let display = display.map_or(String::new(), |name| format!("{name} "));
        format!(
            "{start}\r\n\
             Via: SIP/2.0/{transport} pc33.atlanta.com:5070;branch=z9hG4bK{branch}\r\n\
             Max-Forwards: {hops}\r\n\
             From: {display}<{from}>;tag={tag}\r\n\
             To: <{to}>\r\n\
             Call-ID: {branch}@{tag}\r\n\
             CSeq: {number} {method}\r\n\
             Contact: <{contact}>\r\n\
             Subject: {subject}\r\n\
             X-Own: {subject}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len(),
        )
    }
}

fn check_headers(ours: &Message, theirs: &impl HeadersExt) -> Result<(), TestCaseError> {
    let (our_from, their_from) = (ours.from().unwrap(), theirs.from_header().unwrap().typed());
    let their_from = their_from.unwrap();
    prop_assert_eq!(our_from.uri.to_string(), their_from.uri.to_string());
    prop_assert_eq!(our_from.tag(), their_from.tag().map(|tag| tag.value()));
    prop_assert_eq!(our_from.display, their_from.display_name);
    let (our_to, their_to) = (
        ours.to().unwrap(),
        theirs.to_header().unwrap().typed().unwrap(),
    );
    prop_assert_eq!(our_to.uri.to_string(), their_to.uri.to_string());
    let (our_via, their_via) = (ours.via().unwrap(), theirs.via_header().unwrap().typed());
    let their_via = their_via.unwrap();
    prop_assert_eq!(
        our_via.branch(),
        their_via.branch().map(|branch| branch.value())
    );
    prop_assert_eq!(
        our_via.transport.to_string(),
        their_via.transport.to_string()
    );
    let (our_cseq, their_cseq) = (ours.cseq().unwrap(), theirs.cseq_header().unwrap().typed());
    let their_cseq = their_cseq.unwrap();
    prop_assert_eq!(our_cseq.number, their_cseq.seq);
    prop_assert_eq!(our_cseq.method.to_string(), their_cseq.method.to_string());
    let call_id = ours.call_id();
    prop_assert_eq!(&*call_id, theirs.call_id_header().unwrap().value());
    let hops = theirs.max_forwards_header().unwrap().num().unwrap();
    prop_assert_eq!(ours.max_forwards().map(u32::from), Some(hops));
    let contact = theirs.contact_header().unwrap().typed().unwrap();
    let contacts = ours.contacts().unwrap();
    prop_assert_eq!(
        contacts.first().unwrap().uri.to_string(),
        contact.uri.to_string()
    );
    let lines: Vec<_> = theirs
        .headers()
        .iter()
        .map(|header| header.to_string())
        .collect();
    let as_line = |name: &[u8], value: &[u8]| {
        format!(
            "{}: {}",
            String::from_utf8_lossy(name),
            String::from_utf8_lossy(value)
        )
    };
    let our_lines: Vec<_> = ours
        .fields()
        .map(|(name, _, value)| as_line(name, value))
        .collect();
    prop_assert_eq!(our_lines, lines);
    Ok(())
}

proptest! {
    #[test]
    fn both_read_an_ordinary_message_alike(text in ordinary()) {
        let message = ours(&text);
        prop_assert_eq!(validate(&message), Ok(()));
        match theirs(&text).unwrap() {
            rsip::SipMessage::Request(request) => {
                prop_assert_eq!(message.method().unwrap().to_string(), request.method.to_string());
                prop_assert_eq!(message.uri_text(), request.uri.to_string());
                prop_assert_eq!(message.body(), &request.body[..]);
                check_headers(&message, &request)?;
            }
            rsip::SipMessage::Response(response) => {
                prop_assert_eq!(message.code(), Some(response.status_code.code()));
                prop_assert_eq!(message.body(), &response.body[..]);
                check_headers(&message, &response)?;
            }
        }
    }

    #[test]
    fn both_write_an_ordinary_request_alike(text in ordinary()) {
        if let rsip::SipMessage::Request(theirs) = theirs(&text).unwrap() {
            let ours = Builder::from(theirs.clone()).build();
            prop_assert_eq!(std::str::from_utf8(ours.octets()).unwrap(), theirs.to_string());
        }
    }
}

#[test]
fn rsip_refuses_ipv6_hosts() {
    let text = "OPTIONS sip:a@[2001:db8::10]:5062 SIP/2.0\r\n\r\n";
    assert!(theirs(text).is_err());
    assert_eq!(ours(text).uri().unwrap().as_sip().unwrap().port, Some(5062));
}

#[test]
fn rsip_refuses_tel_and_urn() {
    for uri in ["tel:+4930123456", "urn:service:sos"] {
        let text = format!("OPTIONS {uri} SIP/2.0\r\n\r\n");
        let read = their_request(&text).map(|request| request.uri.to_string());
        assert_ne!(read.ok().as_deref(), Some(uri));
        assert_eq!(ours(&text).uri().unwrap().to_string(), uri);
    }
}

#[test]
fn rsip_takes_angle_brackets_around_a_request_uri() {
    let text = "OPTIONS <sip:a@h.com> SIP/2.0\r\n\r\n";
    assert!(theirs(text).is_ok());
    assert_eq!(validate(&ours(text)).unwrap_err().status(), 400);
}

#[test]
fn rsip_takes_the_headers_of_a_uri_for_its_host() {
    let theirs = rsip::Uri::try_from("sip:a@h.com?subject=x").unwrap();
    assert_eq!(theirs.host().to_string(), "h.com?subject=x");
    let Ok(Uri::Sip(uri)) = Uri::parse("sip:a@h.com?subject=x") else {
        panic!("a SIP URI");
    };
    assert_eq!(
        (uri.host.to_string(), uri.headers.len()),
        ("h.com".to_owned(), 1)
    );
}

#[test]
fn rsip_writes_reason_phrases_without_their_spaces() {
    let theirs = theirs("SIP/2.0 404 Not Found\r\n\r\n").unwrap();
    assert!(theirs.to_string().starts_with("SIP/2.0 404 NotFound\r\n"));
    assert_eq!(restante::sip::codec::reason(404), "Not Found");
}

#[test]
fn rsip_cannot_read_the_contact_of_an_rcs_client() {
    let contact = "<sip:a@h.com>;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm\"";
    let text = options(&format!("Contact: {contact}\r\n"));
    let request = their_request(&text).unwrap();
    assert!(request.contact_header().unwrap().typed().is_err());
    let contacts = ours(&text).contacts().unwrap();
    assert_eq!(contacts.first().unwrap().to_string(), contact);
}

#[test]
fn rsip_does_not_know_compact_names() {
    let text = options("i: 1@h\r\nf: <sip:a@h.com>;tag=1\r\n");
    let request = their_request(&text).unwrap();
    assert!(request.call_id_header().is_err() && request.from_header().is_err());
    assert_eq!(ours(&text).call_id(), "1@h");
}

#[test]
fn rsip_refuses_folded_lines_and_space_before_the_colon() {
    let folded = options("Subject: one\r\n two\r\n");
    assert!(theirs(&folded).is_err());
    assert_eq!(
        ours(&folded).value(Name::Subject).as_deref(),
        Some("one two")
    );
    let spaced = options("Subject : one\r\n");
    let is_subject = |header: &rsip::Header| matches!(header, rsip::Header::Subject(_));
    let reads =
        their_request(&spaced).is_ok_and(|request| request.headers().iter().any(is_subject));
    assert!(!reads);
    assert_eq!(ours(&spaced).value(Name::Subject).as_deref(), Some("one"));
}

#[test]
fn rsip_spoils_a_binary_body_when_writing() {
    let octets = [options("").as_bytes(), b"\xff\xfe\x00"].concat();
    let theirs = rsip::SipMessage::try_from(&octets[..]).unwrap();
    assert_ne!(theirs.to_string().as_bytes(), octets);
    let ours = Message::parse(octets.clone().into(), &Limits::default()).unwrap();
    assert_eq!(ours.octets(), &octets);
}

#[test]
fn rsip_ignores_content_length() {
    let text = format!("{}12345", options("Content-Length: 3\r\n"));
    assert_eq!(their_request(&text).unwrap().body, b"12345");
    assert_eq!(&ours(&text).body()[..], b"123");
    let bad = options("Content-Length: -1\r\n");
    assert!(theirs(&bad).is_ok());
    assert!(Message::parse(bad.into(), &Limits::default()).is_err());
}

#[test]
fn rsip_refuses_unknown_methods_and_transports() {
    assert!(theirs("NEWMETHOD sip:a@h.com SIP/2.0\r\n\r\n").is_err());
    assert_eq!(
        ours("NEWMETHOD sip:a@h.com SIP/2.0\r\n\r\n").method(),
        Some(Method::Other("NEWMETHOD".into()))
    );
    let text = options("Via: SIP/2.0/QUIC h.com;branch=z9hG4bK1\r\n");
    let request = their_request(&text).unwrap();
    assert!(request.via_header().unwrap().typed().is_err());
    assert_eq!(&*ours(&text).via().unwrap().transport, "QUIC");
}

#[test]
fn rsip_drops_all_unknown_headers_but_the_last_pushed() {
    let mut headers = rsip::Headers::default();
    headers.push(rsip::Header::Other("X-One".into(), "1".into()));
    headers.push(rsip::Header::Other("X-Two".into(), "2".into()));
    headers.unique_push(rsip::Header::Other("X-Three".into(), "3".into()));
    assert_eq!(headers.iter().count(), 1);
    let message = Builder::request(Method::Options, "sip:h")
        .other("X-One", "1")
        .other("X-Two", "2")
        .other("X-Three", "3")
        .build();
    assert_eq!(message.fields().count(), 4);
}

#[test]
fn rsip_accepts_repeated_headers_and_a_cseq_of_another_method() {
    let text = options(
        "Via: SIP/2.0/UDP h.com;branch=z9hG4bK1\r\nFrom: <sip:a@h.com>;tag=1\r\n\
         To: <sip:b@h.com>\r\nCall-ID: 1\r\nCall-ID: 2\r\nCSeq: 1 INVITE\r\n",
    );
    let request = their_request(&text).unwrap();
    assert!(request.call_id_header().is_ok() && request.cseq_header().unwrap().typed().is_ok());
    assert_eq!(
        validate(&ours(&text)).unwrap_err().kind(),
        "header_repeated"
    );
    let once = text.replace("Call-ID: 2\r\n", "");
    assert_eq!(
        validate(&ours(&once)).unwrap_err().kind(),
        "method_mismatch"
    );
}

#[test]
fn rsip_reads_the_nonce_count_as_a_decimal_octet_and_no_sha_256() {
    let header = |nc: &str, algorithm: &str| {
        rsip::headers::Authorization::new(format!(
            "Digest username=\"a\", realm=\"h\", nonce=\"n\", uri=\"sip:h.com\", response=\"r\", \
             algorithm={algorithm}, qop=auth, cnonce=\"c\", nc={nc}"
        ))
    };
    assert!(header("00000001", "MD5").typed().is_ok());
    assert!(header("0000000a", "MD5").typed().is_err());
    assert!(header("00000100", "MD5").typed().is_ok());
    assert!(header("00000256", "MD5").typed().is_err());
    assert!(header("00000001", "SHA-256").typed().is_err());
}
