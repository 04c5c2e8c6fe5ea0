//! Every message of RFC 4475, octet for octet as in the archive of the RFC, and every message of
//! RFC 5118. The archive of the latter has bare line feeds and counts its bodies so; here the
//! lines end as SIP lines do and Content-Length is right.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
use restante::sip::codec::{
    Capabilities, Contacts, Framed, Framer, Limits, Message, Method, Name, Uri, validate,
};
use std::{convert::TryFrom, fs, path::Path};

/// What becomes of a message at an endpoint that knows the ordinary methods and `sip:` URIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ours {
    /// Every header reads, and the endpoint can act on it.
    Read,
    /// It reads, and breaks the grammar or a limit: answered with this status.
    Refused(u16),
    /// It is valid, and asks for what the endpoint does not understand: answered with this status.
    Unsupported(u16),
    /// A response that is thrown away.
    Dropped,
}

/// What rsip 0.4.0 makes of the same octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rsip {
    /// Parsed; Via, From, To, CSeq, Call-ID and Contact read, and the body is the right one.
    Reads,
    /// Parsed, but one of these headers does not read.
    HeadersFail,
    /// Parsed, but the body is not the one the message has.
    BodyDiffers,
    /// Not parsed.
    Refuses,
}

use Ours::{Dropped, Read, Refused, Unsupported};

/// Section of RFC 4475, name, our verdict (the one the RFC asks for), rsip's.
#[rustfmt::skip]
const RFC_4475: [(&str, &str, Ours, Rsip); 49] = [
    ("3.1.1.1", "wsinv", Read, Rsip::Refuses),
    ("3.1.1.2", "intmeth", Unsupported(501), Rsip::Refuses),
    ("3.1.1.3", "esc01", Read, Rsip::Refuses),
    ("3.1.1.4", "escnull", Read, Rsip::Reads),
    ("3.1.1.5", "esc02", Unsupported(501), Rsip::Refuses),
    ("3.1.1.6", "lwsdisp", Read, Rsip::Reads),
    ("3.1.1.7", "longreq", Read, Rsip::Refuses),
    ("3.1.1.8", "dblreq", Read, Rsip::HeadersFail),
    ("3.1.1.9", "semiuri", Read, Rsip::Refuses),
    ("3.1.1.10", "transports", Read, Rsip::Reads),
    ("3.1.1.11", "mpart01", Read, Rsip::Reads),
    ("3.1.1.12", "unreason", Read, Rsip::Reads),
    ("3.1.1.13", "noreason", Read, Rsip::Reads),
    ("3.1.2.1", "badinv01", Refused(400), Rsip::Reads),
    ("3.1.2.2", "clerr", Refused(400), Rsip::Reads),
    ("3.1.2.3", "ncl", Refused(400), Rsip::Reads),
    ("3.1.2.4", "scalar02", Refused(400), Rsip::Refuses),
    ("3.1.2.5", "scalarlg", Dropped, Rsip::HeadersFail),
    ("3.1.2.6", "quotbal", Refused(400), Rsip::Reads),
    ("3.1.2.7", "ltgtruri", Refused(400), Rsip::Reads),
    ("3.1.2.8", "lwsruri", Refused(400), Rsip::Refuses),
    ("3.1.2.9", "lwsstart", Refused(400), Rsip::Refuses),
    ("3.1.2.10", "trws", Refused(400), Rsip::Refuses),
    ("3.1.2.11", "escruri", Refused(400), Rsip::Refuses),
    ("3.1.2.12", "baddate", Refused(400), Rsip::Reads),
    ("3.1.2.13", "regbadct", Refused(400), Rsip::HeadersFail),
    ("3.1.2.14", "badaspec", Refused(400), Rsip::HeadersFail),
    ("3.1.2.15", "baddn", Refused(400), Rsip::HeadersFail),
    ("3.1.2.16", "badvers", Refused(505), Rsip::Refuses),
    ("3.1.2.17", "mismatch01", Refused(400), Rsip::Reads),
    ("3.1.2.18", "mismatch02", Refused(501), Rsip::Refuses),
    ("3.1.2.19", "bigcode", Dropped, Rsip::Refuses),
    ("3.2.1", "badbranch", Refused(400), Rsip::Reads),
    ("3.3.1", "insuf", Refused(400), Rsip::HeadersFail),
    ("3.3.2", "unkscm", Unsupported(416), Rsip::Refuses),
    ("3.3.3", "novelsc", Unsupported(416), Rsip::Reads),
    ("3.3.4", "unksm2", Read, Rsip::HeadersFail),
    ("3.3.5", "bext01", Unsupported(420), Rsip::Reads),
    ("3.3.6", "invut", Unsupported(415), Rsip::Reads),
    ("3.3.7", "regaut01", Read, Rsip::Reads),
    ("3.3.8", "multi01", Refused(400), Rsip::Reads),
    ("3.3.9", "mcl01", Refused(400), Rsip::Reads),
    ("3.3.10", "bcast", Dropped, Rsip::Reads),
    ("3.3.11", "zeromf", Read, Rsip::Reads),
    ("3.3.12", "cparam01", Read, Rsip::Reads),
    ("3.3.13", "cparam02", Read, Rsip::Reads),
    ("3.3.14", "regescrt", Read, Rsip::Reads),
    ("3.3.15", "sdp01", Unsupported(406), Rsip::Reads),
    ("3.4.1", "inv2543", Read, Rsip::Reads),
];

const ENDPOINT: Capabilities<'static> = Capabilities {
    methods: &Method::KNOWN,
    schemes: &["sip", "sips", "tel"],
    extensions: &[],
    content_types: &["application/sdp", "text/plain", "multipart/*", "message/*"],
    answer_types: &["application/sdp"],
};

fn octets(path: &str) -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture");
    fs::read(directory.join(path)).unwrap()
}

fn message(name: &str) -> Message {
    Message::parse(octets(&format!("{name}.dat")).into(), &Limits::default()).unwrap()
}

fn our_verdict(octets: Vec<u8>) -> Ours {
    let is_response = octets.starts_with(b"SIP/");
    let message = match Message::parse(octets.into(), &Limits::default()) {
        Ok(message) => message,
        Err(_) if is_response => return Dropped,
        Err(error) => return Refused(error.status()),
    };
    match validate(&message) {
        Err(_) if is_response => return Dropped,
        Err(invalid) => return Refused(invalid.status()),
        Ok(()) => {}
    }
    if is_response {
        // a response for somebody else (RFC 3261 §8.1.3.3)
        return if message.vias().unwrap().len() > 1 {
            Dropped
        } else {
            Read
        };
    }
    match ENDPOINT.inspect(&message) {
        Err(refusal) => Unsupported(refusal.status()),
        Ok(()) => Read,
    }
}

fn rsip_verdict(octets: &[u8], body: Option<&[u8]>) -> Rsip {
    use rsip::headers::ToTypedHeader;
    use rsip::message::HeadersExt;
    fn headers_read(message: &impl HeadersExt) -> bool {
        let contact = message.contact_header();
        message.via_header().is_ok_and(|via| via.typed().is_ok())
            && message.from_header().is_ok_and(|from| from.typed().is_ok())
            && message.to_header().is_ok_and(|to| to.typed().is_ok())
            && message.cseq_header().is_ok_and(|cseq| cseq.typed().is_ok())
            && message.call_id_header().is_ok()
            && contact.map_or(true, |contact| contact.typed().is_ok())
    }
    let parsed = std::panic::catch_unwind(|| match rsip::SipMessage::try_from(octets) {
        Err(_) => Rsip::Refuses,
        Ok(message) => {
            let (reads, its_body) = match &message {
                rsip::SipMessage::Request(request) => (headers_read(request), &request.body),
                rsip::SipMessage::Response(response) => (headers_read(response), &response.body),
            };
            match (reads, body) {
                (false, _) => Rsip::HeadersFail,
                (true, Some(body)) if body != &its_body[..] => Rsip::BodyDiffers,
                _ => Rsip::Reads,
            }
        }
    });
    parsed.expect("rsip does not panic on these")
}

#[test]
fn every_message_gets_the_verdict_of_the_rfc() {
    for (section, name, ours, _) in RFC_4475 {
        let verdict = our_verdict(octets(&format!("{name}.dat")));
        assert_eq!(verdict, ours, "RFC 4475 §{section} {name}");
    }
}

#[test]
fn rsip_makes_of_each_message_what_the_table_says() {
    for (section, name, _, rsip) in RFC_4475 {
        let octets = octets(&format!("{name}.dat"));
        let ours = Message::parse(octets.clone().into(), &Limits::default()).ok();
        let verdict = rsip_verdict(&octets, ours.as_ref().map(|message| &message.body()[..]));
        assert_eq!(verdict, rsip, "RFC 4475 §{section} {name}");
    }
}

#[test]
fn table_names_every_message_of_the_archive() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture");
    let mut files: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".dat").map(str::to_owned))
        .collect();
    files.sort();
    let mut named: Vec<_> = RFC_4475
        .iter()
        .map(|(_, name, _, _)| (*name).to_owned())
        .collect();
    named.sort();
    assert_eq!(files, named);
}

#[test]
fn truncated_message_never_panics() {
    for (_, name, _, _) in RFC_4475 {
        let octets = octets(&format!("{name}.dat"));
        for length in 0..octets.len() {
            our_verdict(octets[..length].to_vec());
            Message::salvage(&octets[..length], &Limits::default());
        }
    }
}

#[test]
fn valid_message_with_a_length_is_framed_alike_however_it_is_split() {
    for (_, name, ours, _) in RFC_4475 {
        let octets = octets(&format!("{name}.dat"));
        let Ok(expected) = Message::parse(octets.clone().into(), &Limits::default()) else {
            continue;
        };
        let has_length = expected.has(Name::ContentLength);
        if matches!(ours, Refused(_)) || !has_length {
            continue;
        }
        for cut in 0..expected.octets().len() {
            let mut framer = Framer::new(Limits::default());
            let mut input = bytes::BytesMut::from(&expected.octets()[..cut]);
            assert_eq!(framer.next(&mut input), Ok(None), "{name} cut at {cut}");
            input.extend_from_slice(&expected.octets()[cut..]);
            let framed = framer.next(&mut input);
            assert_eq!(
                framed,
                Ok(Some(Framed::Message(expected.clone()))),
                "{name} at {cut}"
            );
            assert!(input.is_empty());
        }
    }
}

#[test]
fn short_tortuous_invite_is_read_in_full() {
    let invite = message("wsinv");
    assert_eq!(invite.method(), Some(Method::Invite));
    assert_eq!(invite.to().unwrap().tag(), Some("1918181833n"));
    let from = invite.from().unwrap();
    assert_eq!(from.display.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(from.tag(), Some("98asjd8"));
    assert_eq!(invite.max_forwards(), Some(68));
    assert_eq!(invite.call_id(), "wsinv.ndaksdj@192.0.2.1");
    assert_eq!(invite.cseq().unwrap().to_string(), "9 INVITE");
    let vias = invite.vias().unwrap();
    let branches: Vec<_> = vias.iter().map(|via| via.branch().unwrap()).collect();
    assert_eq!(branches, ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]);
    assert_eq!(vias[1].transport.as_ref(), "TCP");
    assert_eq!(invite.value(Name::Subject).as_deref(), Some(""));
    assert_eq!(
        invite.other("newfangledheader").as_deref(),
        Some("newfangled value continued newfangled value")
    );
    assert_eq!(
        invite.other("UnknownHeaderWithUnusualValue").as_deref(),
        Some(";;,,;;,;")
    );
    let routes = invite.addresses(Name::Route).unwrap();
    assert_eq!(
        routes[0].uri.to_string(),
        "sip:services.example.com;lr;unknownwith=value;unknown-no-value"
    );
    let Contacts::List(contacts) = invite.contacts().unwrap() else {
        panic!("a list");
    };
    assert_eq!(contacts[0].display.as_deref(), Some("Quoted string \"\""));
    assert_eq!(contacts[0].param("newparam"), Some("newvalue"));
    assert_eq!(contacts[0].param("secondparam"), Some(""));
    assert_eq!(contacts[0].quality(), 330);
    assert_eq!(invite.body().len(), 150);
}

#[test]
fn wide_range_of_characters_is_kept() {
    let request = message("intmeth");
    assert_eq!(
        request.method(),
        Some(Method::Other(
            "!interesting-Method0123456789_*+`.%indeed'~".into()
        ))
    );
    let uri = request.uri().unwrap();
    let uri = uri.as_sip().unwrap();
    assert_eq!(
        uri.user.as_deref(),
        Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
    );
    assert_eq!(
        uri.password.as_deref(),
        Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
    );
    assert_eq!(
        request.to().unwrap().display.as_deref(),
        Some("BEL:\u{7} NUL:\0 DEL:\u{7f}")
    );
    let from = request.from().unwrap();
    assert_eq!(
        from.display.as_deref(),
        Some("token1~` token2'+_ token3*%!.-")
    );
    assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
    assert_eq!(
        from.params.unquoted("fromParam''~+*_!.-%").as_deref(),
        Some("работающий")
    );
    assert_eq!(
        request.call_id(),
        "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    );
    assert_eq!(
        request.other("extensionHeader-!.%*+_`'~").as_deref(),
        Some("\u{feff}大停電")
    );
}

#[test]
fn escapes_are_resolved_once_and_only_where_they_are_escapes() {
    let invite = message("esc01");
    let uri = invite.uri().unwrap();
    assert_eq!(
        uri.as_sip().unwrap().user_unescaped().as_deref(),
        Some("sips:user@example.com")
    );
    let contacts = invite.contacts().unwrap();
    let contact = Uri::parse("sip:caller@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31");
    assert_eq!(
        contacts
            .first()
            .unwrap()
            .uri
            .to_string()
            .replace("cal%6Cer", "caller"),
        contact.unwrap().to_string()
    );

    let register = message("escnull");
    let contacts = register.contacts().unwrap();
    assert_eq!(contacts.list().len(), 2);
    assert!(!contacts.list()[0].uri.equivalent(&contacts.list()[1].uri));
    assert_eq!(
        register
            .to()
            .unwrap()
            .uri
            .as_sip()
            .unwrap()
            .user_unescaped()
            .as_deref(),
        Some("null-\0-null")
    );

    let unknown = message("esc02");
    assert_eq!(unknown.method(), Some(Method::Other("RE%47IST%45R".into())));
    assert_eq!(unknown.to().unwrap().display.as_deref(), Some("%Z%45"));
    assert_eq!(unknown.contacts().unwrap().list().len(), 2);
    assert_eq!(
        unknown.other("C%6Fntact").as_deref(),
        Some("<sip:alias2@host2.example.com>")
    );
}

#[test]
fn octets_behind_the_body_are_not_part_of_the_message() {
    let register = message("dblreq");
    assert_eq!(register.method(), Some(Method::Register));
    assert!(register.body().is_empty());
    assert!(register.octets().ends_with(b"\r\n\r\n"));
    assert!(!register.octets().windows(6).any(|six| six == b"INVITE"));
}

#[test]
fn parameters_belong_to_the_user_the_uri_or_the_header() {
    let options = message("semiuri");
    let uri = options.uri().unwrap();
    assert_eq!(
        uri.as_sip().unwrap().user.as_deref(),
        Some("user;par=u%40example.net")
    );

    let header_param = message("cparam01").contacts().unwrap();
    let contact = header_param.first().unwrap();
    assert!(contact.params.contains("unknownparam"));
    assert!(contact.uri.as_sip().unwrap().params.is_empty());

    let uri_param = message("cparam02").contacts().unwrap();
    let contact = uri_param.first().unwrap();
    assert!(contact.params.is_empty());
    assert!(
        contact
            .uri
            .as_sip()
            .unwrap()
            .params
            .contains("unknownparam")
    );

    let uri_header = message("regescrt").contacts().unwrap();
    let uri = uri_header.first().unwrap().uri.as_sip().unwrap();
    assert_eq!(
        uri.headers,
        [("Route".to_owned(), "%3Csip:sip.example.com%3E".to_owned())]
    );
}

#[test]
fn unknown_transports_are_read() {
    let vias = message("transports").vias().unwrap();
    let transports: Vec<_> = vias.iter().map(|via| via.transport.as_ref()).collect();
    assert_eq!(transports, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
}

#[test]
fn binary_multipart_body_is_kept() {
    let request = message("mpart01");
    let content_type = request.content_type().unwrap();
    assert!(
        content_type.is("multipart/signed") || content_type.essence().starts_with("multipart/")
    );
    assert!(content_type.params.contains("boundary"));
    assert_eq!(
        request.value(Name::ContentLength).unwrap().parse(),
        Ok(request.body().len())
    );
}

#[test]
fn reason_phrase_may_be_anything() {
    assert_eq!(
        message("unreason").reason(),
        "= 2**3 * 5**2 но сто девяносто девять - простое"
    );
    assert_eq!(
        (message("noreason").code(), message("noreason").reason()),
        (Some(100), "")
    );
}

#[test]
fn max_forwards_of_zero_is_read() {
    assert_eq!(message("zeromf").max_forwards(), Some(0));
}

#[test]
fn schemes_in_headers_need_not_be_sip() {
    let register = message("unksm2");
    assert_eq!(register.to().unwrap().uri.scheme(), "isbn");
    assert_eq!(register.from().unwrap().uri.scheme(), "http");
}

#[test]
fn refused_request_can_be_answered_where_its_headers_are_there() {
    for (name, answerable) in [
        ("clerr", true),
        ("ncl", true),
        ("mcl01", true),
        ("bigcode", false),
    ] {
        let octets = octets(&format!("{name}.dat"));
        let salvaged = Message::salvage(&octets, &Limits::default());
        assert_eq!(salvaged.is_some(), answerable, "{name}");
    }
}

/// Section of RFC 5118, file, our verdict, rsip's.
#[rustfmt::skip]
const RFC_5118: [(&str, &str, Ours, Rsip); 12] = [
    ("4.1", "ipv6-good", Read, Rsip::Refuses),
    ("4.2", "ipv6-bad", Refused(400), Rsip::Refuses),
    ("4.3", "port-ambiguous", Read, Rsip::Refuses),
    ("4.4", "port-unambiguous", Read, Rsip::Refuses),
    ("4.5", "via-received-param-with-delim", Read, Rsip::Refuses),
    ("4.5", "via-received-param-no-delim", Read, Rsip::Refuses),
    ("4.6", "ipv6-in-sdp", Read, Rsip::Refuses),
    ("4.7", "mult-ip-in-header", Read, Rsip::HeadersFail),
    ("4.8", "mult-ip-in-sdp", Read, Rsip::Refuses),
    ("4.9", "ipv4-mapped-ipv6", Read, Rsip::HeadersFail),
    ("4.10", "ipv6-bug-abnf-3-colons", Read, Rsip::Refuses),
    ("4.10", "ipv6-correct-abnf-2-colons", Read, Rsip::Refuses),
];

#[test]
fn every_ipv6_message_gets_the_verdict_of_the_rfc() {
    for (section, name, ours, rsip) in RFC_5118 {
        let octets = octets(&format!("ipv6/{name}.dat"));
        assert_eq!(
            our_verdict(octets.clone()),
            ours,
            "RFC 5118 §{section} {name}"
        );
        let message = Message::parse(octets.clone().into(), &Limits::default()).ok();
        let body = message.as_ref().map(|message| &message.body()[..]);
        assert_eq!(
            rsip_verdict(&octets, body),
            rsip,
            "RFC 5118 §{section} {name}"
        );
    }
}

#[test]
fn ipv6_hosts_ports_and_received_are_told_apart() {
    let port = |name: &str| {
        let uri = message(name).uri().unwrap();
        let uri = uri.as_sip().unwrap().clone();
        (uri.host.to_string(), uri.port)
    };
    assert_eq!(
        port("ipv6/port-ambiguous"),
        ("[2001:db8::10:5070]".to_owned(), None)
    );
    assert_eq!(
        port("ipv6/port-unambiguous"),
        ("[2001:db8::10]".to_owned(), Some(5070))
    );
    for name in [
        "ipv6/via-received-param-no-delim",
        "ipv6/via-received-param-with-delim",
    ] {
        assert_eq!(
            message(name).via().unwrap().received(),
            "2001:db8::9:255".parse().ok()
        );
    }
}
