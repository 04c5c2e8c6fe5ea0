//! How a request looks once it has passed a relay, and what the relay says about it: pure text.
//!
//! Whatever depends on the paths alone is made once for a flow of requests between the same two
//! ends; a request that goes on is then put together from slices.
use crate::msrp::{Continuation, Method, Status, encoding};
use bytes::{BufMut, Bytes, BytesMut};

/// The lines that all requests of one flow share on the far side of a relay, and the relay's
/// answers to it.
///
/// Source: RFC 4976 §6.4: the relay's URIs move from the front of To-Path to the front of
/// From-Path; the answer to a SEND goes to the previous hop only; a REPORT goes all the way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    passed: Bytes,
    answer: Bytes,
    report: Bytes,
    next: usize,
}

impl Lines {
    /// Makes the lines for requests with these paths, of which the first `own` URIs of To-Path
    /// (at least one) are the relay's; `None` where nobody is left to pass them to.
    pub fn of(to: &[u8], from: &[u8], own: usize) -> Option<Self> {
        let (mine, rest) = split(to, own)?;
        let mut passed = BytesMut::with_capacity(to.len() + from.len() + 32);
        passed.extend_from_slice(b"To-Path: ");
        passed.extend_from_slice(rest);
        passed.extend_from_slice(b"\r\nFrom-Path: ");
        for uri in mine.rsplit(|octet| *octet == b' ') {
            passed.extend_from_slice(uri);
            passed.put_u8(b' ');
        }
        passed.extend_from_slice(from);
        passed.extend_from_slice(b"\r\n");
        Some(Self {
            answer: paths(first(from), first(to)),
            report: paths(from, mine),
            next: first(rest).len(),
            passed: passed.freeze(),
        })
    }

    /// Returns the URI of the next hop.
    pub fn next_hop(&self) -> &[u8] {
        let start = b"To-Path: ".len();
        &self.passed[start..start + self.next]
    }

    /// Appends a SEND that is here as a whole. `payload` is what came after its From-Path, up to
    /// the last octet of its body.
    pub fn put_whole(&self, out: &mut BytesMut, id: &[u8], payload: &[u8], flag: Continuation) {
        out.reserve(self.passed.len() + payload.len() + 2 * id.len() + 24);
        self.put_start(out, id, Method::Send);
        out.extend_from_slice(payload);
        encoding::put_end(out, id, true, flag);
    }

    /// Appends the start line and the paths of a request that goes on.
    pub fn put_start(&self, out: &mut BytesMut, id: &[u8], method: Method<'_>) {
        put_start_line(out, id, method.as_bytes());
        out.extend_from_slice(&self.passed);
    }

    /// Appends the paths of a response that goes on.
    pub fn put_paths(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.passed);
    }

    /// Appends the relay's answer to the SEND `id`, for the previous hop.
    pub fn put_answer(&self, out: &mut BytesMut, id: &[u8], code: u16) {
        match code {
            200 => put_start_line(out, id, b"200 OK"),
            _ => encoding::put_status_line(out, id, code),
        }
        out.extend_from_slice(&self.answer);
        encoding::put_end(out, id, false, Continuation::Complete);
    }

    /// Appends a REPORT of the relay's own to the source of the flow: the fate of the chunk
    /// `range` (the value of its Byte-Range, if it had one) of a message.
    pub fn put_report(
        &self,
        out: &mut BytesMut,
        id: &[u8],
        message_id: &[u8],
        range: Option<&[u8]>,
        code: u16,
    ) {
        put_start_line(out, id, Method::Report.as_bytes());
        out.extend_from_slice(&self.report);
        encoding::put_field(out, "Message-ID", message_id);
        if let Some(range) = range {
            encoding::put_field(out, "Byte-Range", range);
        }
        encoding::put_field(out, "Status", Status::of(code).to_string().as_bytes());
        encoding::put_end(out, id, false, Continuation::Complete);
    }
}

/// Returns the first URI of a path.
pub fn first(path: &[u8]) -> &[u8] {
    let end = memchr::memchr(b' ', path).unwrap_or(path.len());
    &path[..end]
}

/// Splits a path behind its first `count` URIs; `None` if nothing follows them.
pub fn split(path: &[u8], count: usize) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr_iter(b' ', path).nth(count.checked_sub(1)?)?;
    Some((&path[..at], &path[at + 1..])).filter(|(_, rest)| !rest.is_empty())
}

/// Returns the URIs of a path.
pub fn uris(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|octet| *octet == b' ')
        .filter(|uri| !uri.is_empty())
}

fn paths(to: &[u8], from: &[u8]) -> Bytes {
    let parts: [&[u8]; 5] = [b"To-Path: ", to, b"\r\nFrom-Path: ", from, b"\r\n"];
    parts.concat().into()
}

fn put_start_line(out: &mut BytesMut, id: &[u8], rest: &[u8]) {
    out.extend_from_slice(b"MSRP ");
    out.extend_from_slice(id);
    out.put_u8(b' ');
    out.extend_from_slice(rest);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "msrps://alice.example.org:7965/bar;tcp";
    const RA: &str = "msrps://a.example.org:9000/kjfjan;tcp";
    const RB: &str = "msrps://b.example.net:9000/aeiug;tcp";
    const B: &str = "msrps://bob.example.net:8145/foo;tcp";

    fn written(put: impl FnOnce(&mut BytesMut)) -> String {
        let mut out = BytesMut::new();
        put(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    /// RFC 4976 §3: Alice's SEND as it leaves relay A.
    #[test]
    fn relay_moves_its_uri_from_to_path_to_from_path() {
        let to = [RA, RB, B].join(" ");
        let lines = Lines::of(to.as_bytes(), A.as_bytes(), 1).unwrap();
        assert_eq!(lines.next_hop(), RB.as_bytes());
        let payload = b"Success-Report: yes\r\nByte-Range: 1-*/*\r\nMessage-ID: 87652\r\n\
            Content-Type: text/plain\r\n\r\nHi Bob";
        let passed = written(|out| lines.put_whole(out, b"juh76", payload, Continuation::Complete));
        let expected = format!(
            "MSRP juh76 SEND\r\nTo-Path: {RB} {B}\r\nFrom-Path: {RA} {A}\r\n\
             Success-Report: yes\r\nByte-Range: 1-*/*\r\nMessage-ID: 87652\r\n\
             Content-Type: text/plain\r\n\r\nHi Bob\r\n-------juh76$\r\n"
        );
        assert_eq!(passed, expected);
    }

    #[test]
    fn relay_of_both_ends_moves_both_its_uris() {
        let to = [RA, RB, B].join(" ");
        let lines = Lines::of(to.as_bytes(), A.as_bytes(), 2).unwrap();
        assert_eq!(lines.next_hop(), B.as_bytes());
        let start = written(|out| lines.put_start(out, b"juh76", Method::Report));
        let expected = format!("MSRP juh76 REPORT\r\nTo-Path: {B}\r\nFrom-Path: {RB} {RA} {A}\r\n");
        assert_eq!(start, expected);
    }

    #[test]
    fn answer_goes_to_the_previous_hop_and_report_to_the_source() {
        let (to, from) = ([RB, B].join(" "), [RA, A].join(" "));
        let lines = Lines::of(to.as_bytes(), from.as_bytes(), 1).unwrap();
        let answer = written(|out| lines.put_answer(out, b"juh76", 200));
        let expected =
            format!("MSRP juh76 200 OK\r\nTo-Path: {RA}\r\nFrom-Path: {RB}\r\n-------juh76$\r\n");
        assert_eq!(answer, expected);

        let report = written(|out| lines.put_report(out, b"yh67", b"87652", Some(b"1-39/39"), 408));
        let expected = format!(
            "MSRP yh67 REPORT\r\nTo-Path: {RA} {A}\r\nFrom-Path: {RB}\r\nMessage-ID: 87652\r\n\
             Byte-Range: 1-39/39\r\nStatus: 000 408 Transaction Timed Out\r\n-------yh67$\r\n"
        );
        assert_eq!(report, expected);
    }

    #[test]
    fn request_for_the_relay_itself_goes_nowhere() {
        assert_eq!(Lines::of(RA.as_bytes(), A.as_bytes(), 1), None);
        assert_eq!(Lines::of(RA.as_bytes(), A.as_bytes(), 0), None);
    }
}
