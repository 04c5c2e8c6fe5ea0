//! MSRP framing over the wire text of RFC 4975 and over every way to split it.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use restante::msrp::{
    BadRequest, ByteRange, Continuation, DecodeError, Decoder, FailureReport, Frame, Head,
    HeadBuilder, Kind, Method, Path, Uri, encode,
};

/// RFC 4975 §11.1, (4) and (5).
const HI: &str = "MSRP d93kswow SEND\r\n\
    To-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\r\n\
    From-Path: msrp://alicepc.example.com:7777/iau39soe2843z;tcp\r\n\
    Message-ID: 12339sdqwer\r\n\
    Byte-Range: 1-16/16\r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    Hi, I'm Alice!\r\n\
    \r\n\
    -------d93kswow$\r\n";
const OK: &str = "MSRP d93kswow 200 OK\r\n\
    To-Path: msrp://alicepc.example.com:7777/iau39soe2843z;tcp\r\n\
    From-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\r\n\
    -------d93kswow$\r\n";
/// §11.1, (6) and (7).
const HI_BACK: &str = "MSRP dkei38sd SEND\r\n\
    To-Path: msrp://alicepc.example.com:7777/iau39soe2843z;tcp\r\n\
    From-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\r\n\
    Message-ID: 456s9wlk3\r\n\
    Byte-Range: 1-21/21\r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    Hi, Alice!  I'm Bob!\r\n\
    \r\n\
    -------dkei38sd$\r\n";
const OK_BACK: &str = "MSRP dkei38sd 200 OK\r\n\
    To-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\r\n\
    From-Path: msrp://alicepc.example.com:7777/iau39soe2843z;tcp\r\n\
    -------dkei38sd$\r\n";
/// §11.2.
const XHTML: &str = "MSRP dsdfoe38sd SEND\r\n\
    To-Path: msrp://alice.example.com:7777/iau39soe2843z;tcp\r\n\
    From-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\r\n\
    Message-ID: 456so39s\r\n\
    Byte-Range: 1-374/374\r\n\
    Content-Type: application/xhtml+xml\r\n\
    \r\n\
    <?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
    <!DOCTYPE html\r\n\
    PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\"\r\n\
    \"_http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd_\">\r\n\
    <html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\r\n\
    \x20 <head>\r\n\
    \x20   <title>FY2005 Results</title>\r\n\
    </head>\r\n\
    \x20 <body>\r\n\
    \x20  <p>See the results at <a\r\n\
    href=\"http://example.org/\">example.org</a>.</p>\r\n\
    \x20 </body>\r\n\
    </html>\r\n\
    -------dsdfoe38sd$\r\n";
/// §5.1: the chunks of "abcdEFGH" (with the paths that the figure leaves out).
const CHUNK_1: &str = "MSRP dkei38sd SEND\r\n\
    To-Path: msrp://b.example.com:1/b;tcp\r\n\
    From-Path: msrp://a.example.com:1/a;tcp\r\n\
    Message-ID: 4564dpWd\r\n\
    Byte-Range: 1-*/8\r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    abcd\r\n\
    -------dkei38sd+\r\n";
const CHUNK_2: &str = "MSRP dkei38ia SEND\r\n\
    To-Path: msrp://b.example.com:1/b;tcp\r\n\
    From-Path: msrp://a.example.com:1/a;tcp\r\n\
    Message-ID: 4564dpWd\r\n\
    Byte-Range: 5-8/8\r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    EFGH\r\n\
    -------dkei38ia$\r\n";
/// §11.4: a CPIM message over two chunks.
const CPIM_1: &str = "MSRP d93kswow SEND\r\n\
    To-Path: msrp://bobpc.example.com:8888/9di4eae923wzd;tcp\r\n\
    From-Path: msrp://alicepc.example.com:7654/iau39soe2843z;tcp\r\n\
    Message-ID: 12339sdqwer\r\n\
    Byte-Range: 1-137/148\r\n\
    Content-Type: message/cpim\r\n\
    \r\n\
    To: Bob <sip:bob@example.com>\r\n\
    From: Alice <sip:alice@example.com>\r\n\
    DateTime: 2006-05-15T15:02:31-03:00\r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    ABCD\r\n\
    -------d93kswow+\r\n";
const CPIM_2: &str = "MSRP op2nc9a SEND\r\n\
    To-Path: msrp://bobpc.example.com:8888/9di4eae923wzd;tcp\r\n\
    From-Path: msrp://alicepc.example.com:7654/iau39soe2843z;tcp\r\n\
    Message-ID: 12339sdqwer\r\n\
    Byte-Range: 138-148/148\r\n\
    Content-Type: message/cpim\r\n\
    \r\n\
    1234567890\r\n\
    -------op2nc9a$\r\n";
/// §11.5.
const SYSTEM: &str = "MSRP d93kswow SEND\r\n\
    To-Path: msrp://alicepc.example.com:8888/9di4eae923wzd;tcp\r\n\
    From-Path: msrp://example.com:7777/iau39soe2843z;tcp\r\n\
    Message-ID: 12339sdqwer\r\n\
    Byte-Range: 1-38/38\r\n\
    Failure-Report: no\r\n\
    Success-Report: no\r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    This conference will end in 5 minutes\r\n\
    -------d93kswow$\r\n";
/// §11.6.
const LINK: &str = "MSRP d93kswow SEND\r\n\
    To-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\r\n\
    From-Path: msrp://alicepc.example.com:7777/iau39soe2843z;tcp\r\n\
    Message-ID: 12339sdqwer\r\n\
    Byte-Range: 1-106/106\r\n\
    Success-Report: yes\r\n\
    Failure-Report: no\r\n\
    Content-Type: text/html\r\n\
    \r\n\
    <html><body>\r\n\
    <p>Here is that important link...\r\n\
    <a href=\"http://www.example.com/foobar\">foobar</a>\r\n\
    </p>\r\n\
    </body></html>\r\n\
    -------d93kswow$\r\n";
const REPORT: &str = "MSRP dkei38sd REPORT\r\n\
    To-Path: msrp://alicepc.example.com:7777/iau39soe2843z;tcp\r\n\
    From-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\r\n\
    Message-ID: 12339sdqwer\r\n\
    Byte-Range: 1-106/106\r\n\
    Status: 000 200 OK\r\n\
    -------dkei38sd$\r\n";

const EXAMPLES: [&str; 12] = [
    HI, OK, HI_BACK, OK_BACK, XHTML, CHUNK_1, CHUNK_2, CPIM_1, CPIM_2, SYSTEM, LINK, REPORT,
];

#[test]
fn every_example_of_the_rfc_decodes_checks_and_encodes_to_itself() {
    for example in EXAMPLES {
        let frames = decode_all(&[example.as_bytes()]).unwrap();
        let head = head_of(&frames);
        assert_eq!(head.check(), Ok(()), "{example}");
        head.to_path().unwrap();
        head.from_path().unwrap();
        assert_eq!(wire(&frames), example.as_bytes());
    }
}

#[test]
fn fields_of_the_examples_are_read() {
    let frames = decode_all(&[HI.as_bytes()]).unwrap();
    let head = head_of(&frames);
    assert_eq!(head.transaction_id(), b"d93kswow");
    assert_eq!(head.method(), Some(Method::Send));
    assert_eq!(head.message_id(), Some("12339sdqwer"));
    assert_eq!(head.content_type(), Some("text/plain"));
    assert_eq!(head.byte_range(), Ok(Some(ByteRange::whole(16))));
    assert_eq!(head.failure_report(), FailureReport::Yes);
    assert!(!head.success_report());
    assert_eq!(frames[1], Frame::Body("Hi, I'm Alice!\r\n".into()));
    assert_eq!(frames[2..], [Frame::End(Continuation::Complete)]);

    let frames = decode_all(&[LINK.as_bytes()]).unwrap();
    let head = head_of(&frames);
    assert!(head.success_report());
    assert_eq!(head.failure_report(), FailureReport::No);

    let frames = decode_all(&[OK.as_bytes()]).unwrap();
    let head = head_of(&frames);
    let comment = b"OK";
    assert_eq!(head.kind(), Kind::Response { code: 200, comment });
    assert_eq!(frames[1..], [Frame::End(Continuation::Complete)]);

    let frames = decode_all(&[REPORT.as_bytes()]).unwrap();
    let status = head_of(&frames).status().unwrap();
    assert_eq!((status.namespace, status.code), (0, 200));
}

#[test]
fn chunked_example_shows_its_flags() {
    let stream = [CHUNK_1, CHUNK_2].concat();
    let frames = decode_all(&[stream.as_bytes()]).unwrap();
    let flags: Vec<_> = frames
        .iter()
        .filter_map(|frame| match frame {
            Frame::End(flag) => Some(*flag),
            _ => None,
        })
        .collect();
    assert_eq!(flags, [Continuation::MoreChunks, Continuation::Complete]);
}

#[test]
fn end_line_of_another_transaction_is_body() {
    for (inside, case) in [
        ("\r\n-------t222$\r\n", "another id"),
        ("\r\n-------t1112$\r\n", "a longer id"),
        ("\r\n-------t111!\r\n", "no flag"),
        ("\r\n-------t111$x", "no line break after the flag"),
        ("\n-------t111$\r\n", "no whole line break before"),
        ("\r\n--------t111$\r\n", "eight hyphens"),
        ("\r\r\n------t111$\r\n", "six hyphens"),
    ] {
        let text = format!("{}x{inside}y\r\n-------t111+\r\n", opening("t111"));
        let frames = decode_all(&[text.as_bytes()]).unwrap();
        let body = Bytes::from(format!("x{inside}y"));
        assert_eq!(
            frames[1..],
            [Frame::Body(body), Frame::End(Continuation::MoreChunks)],
            "{case}"
        );
        let octets: Vec<_> = text.as_bytes().chunks(1).collect();
        assert_eq!(
            decode_all(&octets).unwrap()[1..],
            frames[1..],
            "{case}, octet by octet"
        );
    }
}

#[test]
fn body_of_hyphens_and_line_breaks_survives() {
    let body = "\r\n-------\r\n-------\r\r\n-----\r\n-------t11".repeat(50);
    let text = format!("{}{body}\r\n-------t111$\r\n", opening("t111"));
    for size in [1, 2, 3, 7, 64] {
        let pieces: Vec<_> = text.as_bytes().chunks(size).collect();
        let frames = decode_all(&pieces).unwrap();
        assert_eq!(frames[1], Frame::Body(body.clone().into()));
    }
}

#[test]
fn body_without_octets_is_not_no_body() {
    let with = format!("{}\r\n-------t111$\r\n", opening("t111"));
    let frames = decode_all(&[with.as_bytes()]).unwrap();
    assert!(head_of(&frames).has_body());
    assert_eq!(frames[1..], [Frame::End(Continuation::Complete)]);
    let without = opening("t111").replace("\r\n\r\n", "\r\n-------t111#\r\n");
    let frames = decode_all(&[without.as_bytes()]).unwrap();
    assert!(!head_of(&frames).has_body());
    assert_eq!(frames[1..], [Frame::End(Continuation::Aborted)]);
}

#[test]
fn empty_body_with_one_line_break_too_few_is_understood() {
    let text = format!("{}-------t111$\r\n", opening("t111"));
    let frames = decode_all(&[text.as_bytes()]).unwrap();
    assert_eq!(frames[1..], [Frame::End(Continuation::Complete)]);
}

#[test]
fn body_is_handed_on_before_its_end_came() {
    let (mut decoder, mut buf) = (Decoder::new(8192), BytesMut::new());
    buf.extend_from_slice(opening("t111").as_bytes());
    buf.extend_from_slice(b"first octets");
    assert!(matches!(decoder.decode(&mut buf), Ok(Some(Frame::Head(_)))));
    assert_eq!(
        decoder.decode(&mut buf),
        Ok(Some(Frame::Body("first octets".into())))
    );
    assert_eq!(decoder.decode(&mut buf), Ok(None));
    assert!(
        buf.is_empty(),
        "nothing is kept back that cannot open an end-line"
    );
    buf.extend_from_slice(b" and more\r\n--");
    assert_eq!(
        decoder.decode(&mut buf),
        Ok(Some(Frame::Body(" and more".into())))
    );
    assert_eq!(&buf[..], b"\r\n--");
}

#[test]
fn send_that_is_all_there_is_one_frame_and_one_slice() {
    let text = [HI, CHUNK_1].concat();
    let (mut decoder, mut buf) = (Decoder::new(8192), BytesMut::from(text.as_bytes()));
    let start = buf.as_ptr();
    let Ok(Some(Frame::Whole(whole))) = decoder.decode(&mut buf) else {
        panic!("not whole");
    };
    let head = whole.head();
    assert_eq!(head.octets().as_ptr(), start);
    assert_eq!(whole.body(), b"Hi, I'm Alice!\r\n");
    assert_eq!(whole.body_bytes(), whole.body());
    assert_eq!(whole.flag(), Continuation::Complete);
    let fields = "Message-ID: 12339sdqwer\r\nByte-Range: 1-16/16\r\nContent-Type: text/plain\r\n";
    let paths = "To-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\r\n\
        From-Path: msrp://alicepc.example.com:7777/iau39soe2843z;tcp\r\n";
    assert_eq!(head.path_lines(), paths.as_bytes());
    assert_eq!(head.after_paths(), fields.as_bytes());
    let payload = format!("{fields}\r\nHi, I'm Alice!\r\n");
    assert_eq!(whole.payload(), payload.as_bytes());
    let Ok(Some(Frame::Whole(chunk))) = decoder.decode(&mut buf) else {
        panic!("not whole");
    };
    assert_eq!(chunk.flag(), Continuation::MoreChunks);
    assert!(buf.is_empty());
}

#[test]
fn send_is_whole_only_with_a_short_body() {
    for (octets, whole) in [(0, true), (4095, true), (4096, false)] {
        let text = format!(
            "{}{}\r\n-------t111$\r\n",
            opening("t111"),
            "x".repeat(octets)
        );
        let mut frames = Vec::new();
        let mut buf = BytesMut::from(text.as_bytes());
        Decoder::new(8192)
            .decode_all(&mut buf, &mut frames)
            .unwrap();
        assert_eq!(matches!(frames[..], [Frame::Whole(_)]), whole, "{octets}");
        assert!(buf.is_empty());
        let again = decode_all(&[text.as_bytes()]).unwrap();
        assert_eq!(again.len(), if octets == 0 { 2 } else { 3 });
        assert_eq!(wire(&frames), text.as_bytes());
    }
}

#[test]
fn only_a_send_is_whole() {
    let text = HI.replace("SEND", "NICKNAME");
    let mut frames = Vec::new();
    let mut buf = BytesMut::from(text.as_bytes());
    Decoder::new(8192)
        .decode_all(&mut buf, &mut frames)
        .unwrap();
    assert!(matches!(
        frames[..],
        [Frame::Head(_), Frame::Body(_), Frame::End(_)]
    ));
}

#[test]
fn heads_of_many_fields_are_read_to_the_end() {
    let fields: String = (0..40).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let text = opening("t111").replace("Message-ID", &format!("{fields}Message-ID"));
    let text = format!("{text}x\r\n-------t111$\r\n");
    for size in [1, 10, text.len()] {
        let pieces: Vec<_> = text.as_bytes().chunks(size).collect();
        let frames = decode_all(&pieces).unwrap();
        let head = head_of(&frames);
        assert_eq!(head.fields().count(), 44);
        assert_eq!(head.value("X-39"), Some(&b"39"[..]));
        assert_eq!(head.message_id(), Some("m"));
        assert_eq!(head.byte_range_text(), None);
        assert_eq!(head.lines_except(&["x-3"]).count(), 43);
        assert_eq!(wire(&frames), text.as_bytes());
    }
}

#[test]
fn fields_are_found_in_any_case_and_the_first_one_counts() {
    let fields = "message-id:  one \r\nMessage-ID: two\r\nMessage-IDS: three\r\n\
        Byte-range:1-2/3\r\nFAILURE-REPORT: no\r\nFailure-Report: partial\r\n";
    let text = opening("t111").replace("Message-ID: m\r\n", fields);
    let text = text.replace("To-Path", "to-path").replace("From", "FROM");
    let frames = decode_all(&[format!("{text}x\r\n-------t111$\r\n").as_bytes()]).unwrap();
    let head = head_of(&frames);
    assert_eq!(head.message_id(), Some("one"));
    assert_eq!(head.byte_range_text(), Some(&b"1-2/3"[..]));
    assert_eq!(head.failure_report(), FailureReport::No);
    assert_eq!(head.to_path_text(), Some(&b"msrp://b:1/b;tcp"[..]));
    assert_eq!(head.from_path_text(), Some(&b"msrp://a:1/a;tcp"[..]));
    assert!(head.path_lines().ends_with(b"a;tcp\r\n"));
}

#[test]
fn fields_that_are_no_paths_are_not_taken_for_them() {
    let text = "MSRP t111 SEND\r\nTo-Path: msrp://b:1/b;tcp\r\nMessage-ID: m\r\n-------t111$\r\n";
    let frames = decode_all(&[text.as_bytes()]).unwrap();
    assert_eq!(head_of(&frames).path_lines(), b"");
    assert_eq!(head_of(&frames).after_paths(), b"");
}

#[test]
fn body_pieces_are_slices_of_the_read_buffer() {
    let (mut decoder, mut buf) = (Decoder::new(8192), BytesMut::new());
    buf.extend_from_slice(opening("t111").as_bytes());
    buf.extend_from_slice(&[b'x'; 1000]);
    let end = buf.as_ptr_range().end;
    decoder.decode(&mut buf).unwrap();
    let Ok(Some(Frame::Body(body))) = decoder.decode(&mut buf) else {
        panic!("no body");
    };
    assert_eq!(body.as_ptr_range().end, end);
}

#[test]
fn blank_lines_between_requests_are_skipped() {
    let stream = ["\r\n\r\n", OK, "\r\n", HI].concat();
    let frames = decode_all(&[stream.as_bytes()]).unwrap();
    assert_eq!(frames.len(), 5);
    let octets: Vec<_> = stream.as_bytes().chunks(1).collect();
    assert_eq!(decode_all(&octets), Ok(frames));
}

#[test]
fn oversized_head_is_refused_before_it_is_complete() {
    let limit = Err(DecodeError::HeadTooLong { limit: 8192 });
    let flood = "a".repeat(9000);
    let one_line = format!("MSRP t111 SEND\r\nTo-Path: {flood}");
    assert_eq!(decode_all(&[one_line.as_bytes()]), limit);
    let many_lines = format!("MSRP t111 SEND\r\n{}", "X: y\r\n".repeat(2000));
    assert_eq!(decode_all(&[many_lines.as_bytes()]), limit);
}

#[test]
fn body_of_anything_but_a_send_is_bounded() {
    let report = REPORT.replace(
        "-------dkei38sd$\r\n",
        &format!(
            "Content-Type: text/plain\r\n\r\n{}\r\n-------dkei38sd$\r\n",
            "x".repeat(10_241)
        ),
    );
    let limit = 10_240;
    assert_eq!(
        decode_all(&[report.as_bytes()]),
        Err(DecodeError::BodyTooLong { limit })
    );
}

#[test]
fn streams_that_are_not_msrp_are_refused() {
    for (text, error) in [
        ("GET / HTTP/1.1\r\n\r\n", DecodeError::BadStartLine),
        ("\x16\x03\x01\x02\x00", DecodeError::BadStartLine),
        ("MSRP\r\n", DecodeError::BadStartLine),
        ("MSRP t111\r\nA: b\r\n\r\n", DecodeError::BadStartLine),
        ("MSRP t111 \r\nA: b\r\n\r\n", DecodeError::BadStartLine),
        (
            "MSRP t\u{e4}11 SEND\r\nA: b\r\n\r\n",
            DecodeError::BadStartLine,
        ),
        ("MSRP t111 send\r\nA: b\r\n\r\n", DecodeError::BadStartLine),
        ("MSRP t111 20 OK\r\nA: b\r\n\r\n", DecodeError::BadStartLine),
        ("MSRP t111 2000\r\nA: b\r\n\r\n", DecodeError::BadStartLine),
        ("MSRP t111 SEND\r\nno colon\r\n\r\n", DecodeError::BadHeader),
        ("MSRP t111 SEND\r\n: empty\r\n\r\n", DecodeError::BadHeader),
        ("MSRP t111 SEND\r\nA: b\n\r\n", DecodeError::BadHeader),
        (
            "MSRP t111 SEND\r\nA: b\r\n-------t222$\r\n",
            DecodeError::BadEndLine,
        ),
        (
            "MSRP t111 SEND\r\nA: b\r\n-------t111!\r\n",
            DecodeError::BadEndLine,
        ),
    ] {
        assert_eq!(decode_all(&[text.as_bytes()]), Err(error), "{text:?}");
    }
}

#[test]
fn requests_against_the_rules_are_named() {
    let paths = "To-Path: msrp://b:1/b;tcp\r\nFrom-Path: msrp://a:1/a;tcp\r\n";
    for (fields, error) in [
        (
            "From-Path: msrp://a:1/a;tcp\r\nTo-Path: msrp://b:1/b;tcp\r\n",
            BadRequest::PathOrder,
        ),
        ("Message-ID: m\r\n", BadRequest::PathOrder),
        (
            &format!("{paths}Byte-Range: 1-2/3\r\n"),
            BadRequest::NoMessageId,
        ),
        (
            &format!("{paths}Message-ID: m\r\nByte-Range: 0-2/3\r\n"),
            BadRequest::ByteRange,
        ),
        (
            &format!("{paths}Message-ID: m\r\nFailure-Report: perhaps\r\n"),
            BadRequest::ReportPreference,
        ),
        (
            &format!("{paths}Message-ID: m\r\nSuccess-Report: partial\r\n"),
            BadRequest::ReportPreference,
        ),
    ] {
        let text = format!("MSRP t111 SEND\r\n{fields}-------t111$\r\n");
        let frames = decode_all(&[text.as_bytes()]).unwrap();
        assert_eq!(head_of(&frames).check(), Err(error), "{fields}");
    }
    let text = format!("MSRP t111 SEND\r\n{paths}Message-ID: m\r\n\r\nx\r\n-------t111$\r\n");
    let frames = decode_all(&[text.as_bytes()]).unwrap();
    assert_eq!(head_of(&frames).check(), Err(BadRequest::NoContentType));
}

#[test]
fn unknown_methods_and_fields_keep_their_octets() {
    let text = "MSRP t111 FETCH\r\nTo-Path: msrp://b:1/b;tcp\r\nFrom-Path: msrp://a:1/a;tcp\r\n\
        x-odd:  \tv\u{e4}lue \r\nExpires: 600\r\nX-ODD: again\r\n-------t111$\r\n";
    let frames = decode_all(&[text.as_bytes()]).unwrap();
    let head = head_of(&frames);
    assert_eq!(head.method(), Some(Method::Other(b"FETCH")));
    assert_eq!(head.text("X-Odd"), Some("v\u{e4}lue"));
    assert_eq!(head.fields().count(), 5);
    assert_eq!(wire(&frames), text.as_bytes());
    for (word, method) in [("AUTH", Method::Auth), ("NICKNAME", Method::Nickname)] {
        let text = text.replace("FETCH", word);
        let frames = decode_all(&[text.as_bytes()]).unwrap();
        assert_eq!(head_of(&frames).method(), Some(method));
    }
}

#[test]
fn values_cannot_smuggle_lines() {
    let head = HeadBuilder::request("t111", Method::Send, "msrp://b:1/b;tcp", "msrp://a:1/a;tcp")
        .field("Message-ID", "m\r\nX-Evil: yes\r\n\r\n-------t111$")
        .build(false)
        .unwrap();
    assert_eq!(head.fields().count(), 3);
    assert_eq!(head.value("X-Evil"), None);
}

proptest! {
    /// TCP may cut anywhere: the frames must not depend on where.
    #[test]
    fn any_split_gives_the_same_frames(cuts in prop::collection::vec(0..4000_usize, 0..40)) {
        let stream = EXAMPLES.concat();
        let whole = decode_all(&[stream.as_bytes()]);
        prop_assert_eq!(decode_all(&pieces(stream.as_bytes(), cuts)), whole);
    }

    #[test]
    fn what_we_encode_we_decode(frames in message(), size in 1..4096_usize) {
        let wire = wire(&frames);
        let pieces: Vec<_> = wire.chunks(size).collect();
        prop_assert_eq!(decode_all(&pieces), Ok(frames));
    }

    #[test]
    fn garbage_never_panics(octets in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = decode_all(&[&octets]);
    }

    #[test]
    fn damaged_requests_never_panic(
        at in 0..HI.len(),
        octet in any::<u8>(),
        size in 1..64_usize,
    ) {
        let mut damaged = [HI, REPORT].concat().into_bytes();
        damaged[at] = octet;
        let pieces: Vec<_> = damaged.chunks(size).collect();
        if let Ok(frames) = decode_all(&pieces) {
            for frame in frames {
                if let Frame::Head(head) = frame {
                    let _ = (head.check(), head.to_path(), head.from_path(), head.status());
                }
            }
        }
    }

    #[test]
    fn uris_never_panic_and_equal_themselves(text in "(msrps?://)?[ -~]{0,40}(;tcp)?") {
        if let Ok(uri) = Uri::parse(&text) {
            prop_assert_eq!(Uri::parse(uri.as_str()), Ok(uri));
        }
        let _ = Path::parse(&text);
        let _ = ByteRange::parse(&text);
    }

    #[test]
    fn ranges_read_back(first in 1..u64::MAX, last in any::<Option<u64>>(), total in any::<Option<u64>>()) {
        let text = ByteRange::after(first - 1, last, total).to_string();
        if let Ok(range) = ByteRange::parse(&text) {
            prop_assert_eq!(range.to_string(), text);
        }
    }
}

fn opening(id: &str) -> String {
    format!(
        "MSRP {id} SEND\r\nTo-Path: msrp://b:1/b;tcp\r\nFrom-Path: msrp://a:1/a;tcp\r\n\
         Message-ID: m\r\nContent-Type: text/plain\r\n\r\n"
    )
}

fn message() -> impl Strategy<Value = Vec<Frame>> {
    let ident = "[A-Za-z0-9][A-Za-z0-9.+%=-]{3,31}";
    let fields = prop::collection::vec(("[A-Za-z][A-Za-z-]{0,12}", "[!-~]{0,20}"), 0..6);
    let body = prop::option::of(prop::collection::vec(any::<u8>(), 0..2048));
    (ident, fields, body, 0..3_usize).prop_filter_map(
        "body must not hold its own end-line",
        |(id, fields, body, flag)| {
            let builder =
                HeadBuilder::request(&id, Method::Send, "msrp://b:1/b;tcp", "msrp://a:1/a;tcp");
            let builder = fields
                .iter()
                .fold(builder, |builder, (name, value)| builder.field(name, value));
            let head = builder.build(body.is_some()).unwrap();
            let flag = [
                Continuation::Complete,
                Continuation::MoreChunks,
                Continuation::Aborted,
            ][flag];
            let end_line = format!("-------{id}");
            let mut frames = vec![Frame::Head(head)];
            if let Some(body) = body.filter(|body| !body.is_empty()) {
                let clash = memchr::memmem::find(&body, end_line.as_bytes()).is_some();
                (!clash).then_some(())?;
                frames.push(Frame::Body(body.into()));
            }
            frames.push(Frame::End(flag));
            Some(frames)
        },
    )
}

fn pieces(stream: &[u8], cuts: Vec<usize>) -> Vec<&[u8]> {
    let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut % stream.len()).collect();
    cuts.extend([0, stream.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect()
}

fn head_of(frames: &[Frame]) -> &Head {
    let head = frames.first().and_then(Frame::head);
    head.unwrap_or_else(|| panic!("no head but {:?}", frames.first()))
}

fn wire(frames: &[Frame]) -> Vec<u8> {
    let (head, mut wire) = (head_of(frames), BytesMut::new());
    for frame in frames {
        encode(head, frame, &mut wire);
    }
    wire.to_vec()
}

/// Decodes `pieces` as they would arrive, joining neighbouring `Body` frames and splitting whole
/// requests.
fn decode_all(pieces: &[&[u8]]) -> Result<Vec<Frame>, DecodeError> {
    let (mut decoder, mut buf, mut frames) =
        (Decoder::new(8192), BytesMut::new(), Vec::<Frame>::new());
    for piece in pieces {
        buf.extend_from_slice(piece);
        while let Some(frame) = decoder.decode(&mut buf)? {
            match (frames.last_mut(), frame) {
                (Some(Frame::Body(before)), Frame::Body(after)) => {
                    *before = Bytes::from([before.as_ref(), &after].concat());
                }
                (_, Frame::Whole(whole)) => frames.extend(whole.split()),
                (_, frame) => frames.push(frame),
            }
        }
    }
    Ok(frames)
}
