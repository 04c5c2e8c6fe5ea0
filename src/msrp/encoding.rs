//! Frames to octets. Everything is appended to a buffer the caller keeps.
use super::{ByteRange, Continuation, Frame, Head, Method, OutgoingHead, report};
use bytes::{BufMut, BytesMut};

/// Appends `frame` to `out`. `head` is the one that opened the request or response.
pub fn encode(head: &Head, frame: &Frame, out: &mut BytesMut) {
    match frame {
        Frame::Whole(whole) => {
            out.extend_from_slice(whole.opening());
            put_end(out, whole.head().transaction_id(), true, whole.flag());
        }
        Frame::Head(head) => {
            out.extend_from_slice(head.octets());
            if head.has_body() {
                out.extend_from_slice(b"\r\n");
            }
        }
        Frame::Body(octets) => out.extend_from_slice(octets),
        Frame::End(flag) => put_end(out, head.transaction_id(), head.has_body(), *flag),
    }
}

/// What a head needs beyond its id and its paths, as a rule.
const ROOM: usize = 192;

/// Appends the start line and the paths of a request.
pub fn put_request(out: &mut BytesMut, id: &[u8], method: Method<'_>, to: &[u8], from: &[u8]) {
    out.reserve(id.len() + to.len() + from.len() + ROOM);
    out.extend_from_slice(b"MSRP ");
    out.extend_from_slice(id);
    out.extend_from_slice(b" ");
    out.extend_from_slice(method.as_bytes());
    put_paths(out, to, from);
}

/// Appends the head of a response with the usual comment for `code`.
pub fn put_response_head(out: &mut BytesMut, id: &[u8], code: u16, to: &[u8], from: &[u8]) {
    out.reserve(2 * id.len() + to.len() + from.len() + ROOM);
    put_status(out, id, code);
    put_paths(out, to, from);
}

/// Appends the start line of a response with the usual comment for `code`.
pub fn put_status_line(out: &mut BytesMut, id: &[u8], code: u16) {
    put_status(out, id, code);
    out.extend_from_slice(b"\r\n");
}

fn put_status(out: &mut BytesMut, id: &[u8], code: u16) {
    out.extend_from_slice(b"MSRP ");
    out.extend_from_slice(id);
    let digit = |of: u16| b'0' + (code / of % 10) as u8;
    out.extend_from_slice(&[b' ', digit(100), digit(10), digit(1)]);
    let comment = report::comment(code);
    if !comment.is_empty() {
        out.extend_from_slice(b" ");
        out.extend_from_slice(comment.as_bytes());
    }
}

/// Appends a whole response (RFC 4975 §7.2).
pub fn put_response(out: &mut BytesMut, id: &[u8], code: u16, to: &[u8], from: &[u8]) {
    put_response_head(out, id, code, to, from);
    put_end(out, id, false, Continuation::Complete);
}

/// Appends the head of a SEND, up to and with the blank line where a body follows.
///
/// The range is given apart from `head`, because one message may leave in several chunks.
pub fn put_send(
    out: &mut BytesMut,
    id: &[u8],
    paths: (&[u8], &[u8]),
    head: &OutgoingHead,
    range: Option<ByteRange>,
    has_body: bool,
) {
    put_request(out, id, Method::Send, paths.0, paths.1);
    put_field(out, "Message-ID", &head.message_id);
    if let Some(range) = range {
        put_range(out, range);
    }
    if head.success_report {
        out.extend_from_slice(b"Success-Report: yes\r\n");
    }
    if head.failure_report != report::FailureReport::Yes {
        put_field(
            out,
            "Failure-Report",
            head.failure_report.as_str().as_bytes(),
        );
    }
    for line in &head.extra {
        put_line(out, line);
    }
    if has_body {
        put_field(out, "Content-Type", &head.content_type);
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends a `Byte-Range` field.
pub fn put_range(out: &mut BytesMut, range: ByteRange) {
    out.extend_from_slice(b"Byte-Range: ");
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(digits.format(range.first.get()).as_bytes());
    out.put_u8(b'-');
    put_known(out, range.last);
    out.put_u8(b'/');
    put_known(out, range.total);
    out.extend_from_slice(b"\r\n");
}

/// Appends one header field. Line breaks inside `value` become spaces.
pub fn put_field(out: &mut BytesMut, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    put_line(out, value);
}

/// Appends the end-line, with the CRLF that belongs to it where a body went before.
pub fn put_end(out: &mut BytesMut, id: &[u8], has_body: bool, flag: Continuation) {
    if has_body {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"-------");
    out.extend_from_slice(id);
    out.extend_from_slice(&[flag.octet(), b'\r', b'\n']);
}

fn put_paths(out: &mut BytesMut, to: &[u8], from: &[u8]) {
    out.extend_from_slice(b"\r\nTo-Path: ");
    put_line(out, to);
    out.extend_from_slice(b"From-Path: ");
    put_line(out, from);
}

fn put_known(out: &mut BytesMut, number: Option<u64>) {
    match number {
        Some(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        None => out.put_u8(b'*'),
    }
}

fn put_line(out: &mut BytesMut, text: &[u8]) {
    let start = out.len();
    out.extend_from_slice(text);
    if memchr::memchr2(b'\r', b'\n', text).is_some() {
        for octet in &mut out[start..] {
            if matches!(octet, b'\r' | b'\n') {
                *octet = b' ';
            }
        }
    }
    out.extend_from_slice(b"\r\n");
}
