//! What we write: the heads of our messages, of which all that can be is made beforehand, answers
//! and reports.
use super::scan::Head;
use std::io::Write as _;

/// Digits of the message's number in a transaction id, and of the chunk's.
const MESSAGE_DIGITS: usize = 8;
const CHUNK_DIGITS: usize = 6;
const RUN_DIGITS: usize = 8;
const PAIR_DIGITS: usize = 6;

/// How the Byte-Range of a chunk is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Range {
    /// `1-200/200`
    Exact,
    /// `1-*/200`: the chunk may end anywhere
    Open,
    /// `1-*/*`: nor is the message's size known
    Unknown,
}

/// The heads of one pair's messages.
#[derive(Debug)]
pub struct Letter {
    size: u64,
    range: Range,
    /// From the method to the message's number.
    paths: Vec<u8>,
    /// The Byte-Range of a message that is one chunk.
    whole: Vec<u8>,
    /// From behind the range to the blank line.
    rest: Vec<u8>,
}

/// What the letters of a run have in common.
#[derive(Clone, Copy, Debug)]
pub struct Style<'a> {
    /// Names the run.
    pub run: u32,
    /// Octets of a message.
    pub size: u64,
    /// How ranges are written.
    pub range: Range,
    /// The value of Failure-Report; none where the default is meant.
    pub failure_report: Option<&'a str>,
    /// Whether receivers are to report success.
    pub success_report: bool,
}

/// One chunk of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The message.
    pub message: u64,
    /// Number of the chunk in the message.
    pub number: u64,
    /// Its first octet, counted from 0.
    pub first: u64,
    /// Behind its last octet.
    pub end: u64,
}

impl Letter {
    /// Letters of `pair`, to be sent along `to`, from `from`.
    pub fn new(style: &Style<'_>, pair: usize, to: &str, from: &str) -> Self {
        let Style { run, size, .. } = *style;
        let paths = format!(
            " SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: {run:08x}.{pair:06x}."
        );
        let mut rest = "\r\n".to_owned();
        if style.success_report {
            rest.push_str("Success-Report: yes\r\n");
        }
        if let Some(value) = style.failure_report {
            rest.push_str(&format!("Failure-Report: {value}\r\n"));
        }
        rest.push_str("Content-Type: text/plain\r\n\r\n");
        let mut letter = Self {
            size,
            range: style.range,
            paths: paths.into_bytes(),
            whole: Vec::new(),
            rest: rest.into_bytes(),
        };
        let mut whole = Vec::new();
        letter.write_range(&mut whole, 0, size);
        letter.whole = whole;
        letter
    }

    /// Writes the head of `chunk`, up to its body.
    pub fn head(&self, out: &mut Vec<u8>, chunk: &Chunk) {
        out.extend_from_slice(b"MSRP ");
        tid(out, chunk);
        out.extend_from_slice(&self.paths);
        hex::<MESSAGE_DIGITS>(out, chunk.message);
        out.extend_from_slice(b"\r\nByte-Range: ");
        match chunk.first == 0 && chunk.end == self.size {
            true => out.extend_from_slice(&self.whole),
            false => self.write_range(out, chunk.first, chunk.end),
        }
        out.extend_from_slice(&self.rest);
    }

    /// Writes what closes `chunk`.
    pub fn tail(&self, out: &mut Vec<u8>, chunk: &Chunk) {
        out.extend_from_slice(b"\r\n-------");
        tid(out, chunk);
        let is_last = chunk.end == self.size;
        out.extend_from_slice(if is_last { b"$\r\n" } else { b"+\r\n" });
    }

    fn write_range(&self, out: &mut Vec<u8>, first: u64, end: u64) {
        let (first, size) = (first + 1, self.size);
        let written = match self.range {
            Range::Exact => write!(out, "{first}-{end}/{size}"),
            Range::Open => write!(out, "{first}-*/{size}"),
            Range::Unknown => write!(out, "{first}-*/*"),
        };
        written.expect("a vector takes everything");
    }
}

/// Writes our 200 to the request `head`, from the URI it was sent to.
pub fn answer(out: &mut Vec<u8>, head: &Head<'_>) {
    let hop = memchr::memchr(b' ', head.from).unwrap_or(head.from.len());
    for part in [
        b"MSRP ",
        head.tid,
        b" 200 OK\r\nTo-Path: ",
        &head.from[..hop],
        b"\r\nFrom-Path: ",
        head.to,
        b"\r\n-------",
        head.tid,
        b"$\r\n",
    ] {
        out.extend_from_slice(part);
    }
}

/// Writes the report that all `size` octets of the message of `head` have come.
pub fn report(out: &mut Vec<u8>, head: &Head<'_>, size: u64) {
    let lossy = String::from_utf8_lossy;
    let (tid, to, from) = (lossy(head.tid), lossy(head.from), lossy(head.to));
    let id = lossy(head.message_id);
    write!(
        out,
        "MSRP r{tid} REPORT\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: {id}\r\n\
         Byte-Range: 1-{size}/{size}\r\nStatus: 000 200 OK\r\n-------r{tid}$\r\n"
    )
    .expect("a vector takes everything");
}

/// The message and chunk of our transaction id.
pub fn read_tid(tid: &[u8]) -> Option<(u64, u64)> {
    let (message, chunk) = tid.split_at_checked(MESSAGE_DIGITS)?;
    let is_ours = chunk.len() == CHUNK_DIGITS;
    Some((unhex(message)?, unhex(chunk)?)).filter(|_| is_ours)
}

/// Run, pair and message of our Message-ID.
pub fn read_message_id(id: &[u8]) -> Option<(u32, usize, u64)> {
    let (run, rest) = id.split_at_checked(RUN_DIGITS)?;
    let (pair, message) = rest.strip_prefix(b".")?.split_at_checked(PAIR_DIGITS)?;
    let message = message.strip_prefix(b".")?;
    if message.len() != MESSAGE_DIGITS {
        return None;
    }
    Some((unhex(run)? as u32, unhex(pair)? as usize, unhex(message)?))
}

fn tid(out: &mut Vec<u8>, chunk: &Chunk) {
    hex::<MESSAGE_DIGITS>(out, chunk.message);
    hex::<CHUNK_DIGITS>(out, chunk.number);
}

fn hex<const DIGITS: usize>(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; DIGITS];
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (4 * place)) as usize & 15];
    }
    out.extend_from_slice(&digits);
}

fn unhex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(sum << 4 | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::super::scan::{Scanner, Step};
    use super::*;

    fn style(range: Range) -> Style<'static> {
        Style {
            run: 0xfeed,
            size: 500,
            range,
            failure_report: Some("no"),
            success_report: true,
        }
    }

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn letter_is_a_chunk_of_the_message() {
        let letter = Letter::new(&style(Range::Exact), 3, "msrp://b;tcp", "msrp://a;tcp");
        let (message, number) = (10, 1);
        let (first, end) = (200, 400);
        let chunk = Chunk {
            message,
            number,
            first,
            end,
        };
        let expected = "MSRP 0000000a000001 SEND\r\nTo-Path: msrp://b;tcp\r\n\
            From-Path: msrp://a;tcp\r\nMessage-ID: 0000feed.000003.0000000a\r\n\
            Byte-Range: 201-400/500\r\nSuccess-Report: yes\r\nFailure-Report: no\r\n\
            Content-Type: text/plain\r\n\r\n";
        assert_eq!(text(|out| letter.head(out, &chunk)), expected);
        let tail = text(|out| letter.tail(out, &chunk));
        assert_eq!(tail, "\r\n-------0000000a000001+\r\n");
        let last = Chunk { end: 500, ..chunk };
        assert!(text(|out| letter.tail(out, &last)).ends_with("$\r\n"));
    }

    #[test]
    fn ranges_are_written_as_wished() {
        let (message, number) = (0, 0);
        let (first, end) = (0, 500);
        let chunk = Chunk {
            message,
            number,
            first,
            end,
        };
        for (range, expected) in [
            (Range::Exact, "Byte-Range: 1-500/500\r\n"),
            (Range::Open, "Byte-Range: 1-*/500\r\n"),
            (Range::Unknown, "Byte-Range: 1-*/*\r\n"),
        ] {
            let letter = Letter::new(&style(range), 3, "x", "y");
            assert!(text(|out| letter.head(out, &chunk)).contains(expected));
        }
    }

    #[test]
    fn numbers_come_back_from_ids() {
        assert_eq!(read_tid(b"0000000a00001f"), Some((10, 31)));
        assert_eq!(read_tid(b"0000000a"), None);
        assert_eq!(read_tid(b"zzzzzzzz000000"), None);
        let id = b"0000feed.000003.0000000a";
        assert_eq!(read_message_id(id), Some((0xfeed, 3, 10)));
        assert_eq!(read_message_id(b"0000feed.000003.0a"), None);
        assert_eq!(read_message_id(b"other"), None);
    }

    #[test]
    fn answer_goes_to_the_hop_before_and_report_all_the_way() {
        let letter = Letter::new(
            &style(Range::Exact),
            3,
            "msrp://b;tcp",
            "msrp://u;tcp msrp://a;tcp",
        );
        let (message, number) = (1, 0);
        let (first, end) = (0, 500);
        let chunk = Chunk {
            message,
            number,
            first,
            end,
        };
        let sent = text(|out| letter.head(out, &chunk));
        let mut scanner = Scanner::default();
        let (_, Step::Head(head)) = scanner.next(sent.as_bytes()).unwrap() else {
            panic!("no head");
        };
        assert_eq!(
            text(|out| answer(out, &head)),
            "MSRP 00000001000000 200 OK\r\nTo-Path: msrp://u;tcp\r\nFrom-Path: msrp://b;tcp\r\n\
             -------00000001000000$\r\n"
        );
        let report = text(|out| report(out, &head, 500));
        assert!(
            report.contains("\r\nTo-Path: msrp://u;tcp msrp://a;tcp\r\n"),
            "{report}"
        );
        assert!(report.contains("Status: 000 200 OK\r\n"));
    }
}
