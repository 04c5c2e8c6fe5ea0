//! Reads MSRP frames at the least cost: no copy, no allocation, and only the fields that a peer
//! of known traffic needs. Bodies come in the pieces in which they were read.
use memchr::memchr;

/// A head larger than this is no head.
const LONGEST_HEAD: usize = 64 * 1024;

/// Longest transaction id. Source: RFC 4975 §9.
const LONGEST_TID: usize = 32;

/// What stands before the transaction id in an end-line that closes a body.
const CLOSING: &[u8] = b"\r\n-------";

/// What comes next on a connection.
#[derive(Debug, PartialEq)]
pub enum Step<'a> {
    /// More octets have to be read first.
    More,
    /// A head, and what follows it.
    Head(Head<'a>),
    /// Some octets of the body; never none.
    Body(&'a [u8]),
    /// The end of a body, with its continuation flag.
    End(u8),
}

/// The fields of a head that we look at; empty where one is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Head<'a> {
    /// Transaction id.
    pub tid: &'a [u8],
    /// The method, or a status code.
    pub word: &'a [u8],
    /// To-Path.
    pub to: &'a [u8],
    /// From-Path.
    pub from: &'a [u8],
    /// Message-ID.
    pub message_id: &'a [u8],
    /// Byte-Range.
    pub range: &'a [u8],
    /// Status.
    pub status: &'a [u8],
    /// All header lines.
    pub lines: &'a [u8],
    /// The continuation flag if the frame ends here, without a body.
    pub end: Option<u8>,
}

impl Head<'_> {
    /// The status code, if this is an answer.
    pub fn code(&self) -> Option<u16> {
        number(self.word).and_then(|code| u16::try_from(code).ok())
    }

    /// The code in the Status field.
    ///
    /// Shape: `000 code comment`. Source: RFC 4975 §7.1.2.
    pub fn reported(&self) -> Option<u16> {
        let code = self.status.split(|octet| *octet == b' ').nth(1)?;
        number(code).and_then(|code| u16::try_from(code).ok())
    }

    /// First octet and, where it is told, length of the chunk, counted from 0.
    ///
    /// Shape: `first-last/total`, last may be `*`. Source: RFC 4975 §7.1.1.
    pub fn range(&self) -> Option<(u64, Option<u64>)> {
        let dash = memchr(b'-', self.range)?;
        let first = number(&self.range[..dash])?.checked_sub(1)?;
        let rest = &self.range[dash + 1..];
        let last = &rest[..memchr(b'/', rest)?];
        match last {
            b"*" => Some((first, None)),
            _ => Some((first, Some(number(last)?.checked_sub(first)?))),
        }
    }

    /// The values of a field that may stand more than once, as text.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.lines.split(|octet| *octet == b'\n');
        lines.filter_map(move |line| {
            let line = std::str::from_utf8(line).ok()?;
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// Octets that are no MSRP: the connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what came is no MSRP: {0}")]
pub struct Garbage(&'static str);

/// Where the reading of one connection stands.
#[derive(Debug, Default)]
pub struct Scanner {
    state: State,
    closing: Vec<u8>,
    expected: Option<u64>,
}

#[derive(Debug, Default, PartialEq)]
enum State {
    #[default]
    Between,
    Body,
    End,
}

impl Scanner {
    /// Takes the next step from the front of `octets`; says how many of them it used.
    ///
    /// Errors: octets that are no MSRP; nothing after them can be read.
    pub fn next<'a>(&mut self, octets: &'a [u8]) -> Result<(usize, Step<'a>), Garbage> {
        match self.state {
            State::Between => self.head(octets),
            State::Body => self.body(octets),
            State::End => self.end(octets),
        }
    }

    /// How long the body that begins now says it is: a place to look for its end first.
    pub fn expect(&mut self, octets: Option<u64>) {
        self.expected = octets;
    }

    fn head<'a>(&mut self, octets: &'a [u8]) -> Result<(usize, Step<'a>), Garbage> {
        match parse(octets)? {
            None if octets.len() > LONGEST_HEAD => Err(Garbage("a head without an end")),
            None => Ok((0, Step::More)),
            Some((length, head)) => {
                if head.end.is_none() {
                    self.state = State::Body;
                    self.expected = None;
                    self.closing.clear();
                    self.closing.extend_from_slice(CLOSING);
                    self.closing.extend_from_slice(head.tid);
                }
                Ok((length, Step::Head(head)))
            }
        }
    }

    fn body<'a>(&mut self, octets: &'a [u8]) -> Result<(usize, Step<'a>), Garbage> {
        let (length, is_end) = self.extent(octets);
        if is_end {
            self.state = State::End;
        }
        if let Some(expected) = &mut self.expected {
            *expected = expected.saturating_sub(length as u64);
        }
        match (length, is_end) {
            (0, true) => self.end(octets),
            (0, false) => Ok((0, Step::More)),
            _ => Ok((length, Step::Body(&octets[..length]))),
        }
    }

    /// How many octets certainly belong to the body, and whether its end follows them.
    fn extent(&self, octets: &[u8]) -> (usize, bool) {
        let told = self
            .expected
            .and_then(|octets| usize::try_from(octets).ok());
        if let Some(rest) = told.and_then(|told| octets.get(told..))
            && rest.starts_with(&self.closing)
        {
            return (octets.len() - rest.len(), true);
        }
        let mut from = 0;
        while let Some(at) = memchr(b'\r', &octets[from..]) {
            let rest = &octets[from + at..];
            if rest.starts_with(&self.closing) {
                return (from + at, true);
            }
            if self.closing.starts_with(rest) {
                return (from + at, false);
            }
            from += at + 1;
        }
        (octets.len(), false)
    }

    fn end<'a>(&mut self, octets: &'a [u8]) -> Result<(usize, Step<'a>), Garbage> {
        let length = self.closing.len() + 3;
        match octets.get(self.closing.len()..length) {
            None => Ok((0, Step::More)),
            Some(&[flag, b'\r', b'\n']) => {
                self.state = State::Between;
                Ok((length, Step::End(flag)))
            }
            Some(_) => Err(Garbage("an end-line that does not end")),
        }
    }
}

/// The head at the front of `octets` and its length, its blank line or end-line included.
fn parse(octets: &[u8]) -> Result<Option<(usize, Head<'_>)>, Garbage> {
    let Some((first, mut at)) = line(octets, 0) else {
        return Ok(None);
    };
    let words = first.strip_prefix(b"MSRP ");
    let words = words.ok_or(Garbage("a frame that does not begin with MSRP"))?;
    let space = memchr(b' ', words).ok_or(Garbage("a start line of one word"))?;
    let (tid, rest) = (&words[..space], &words[space + 1..]);
    if tid.len() > LONGEST_TID {
        return Err(Garbage("a transaction id without an end"));
    }
    let word = &rest[..memchr(b' ', rest).unwrap_or(rest.len())];
    let mut head = Head {
        tid,
        word,
        ..Head::default()
    };
    let begin = at;
    loop {
        let Some((next, after)) = line(octets, at) else {
            return Ok(None);
        };
        head.lines = &octets[begin..at];
        if next.is_empty() {
            return Ok(Some((after, head)));
        }
        if let Some(flag) = closes(next, tid) {
            head.end = Some(flag);
            return Ok(Some((after, head)));
        }
        note(&mut head, next);
        at = after;
    }
}

/// The line at `at`, without its end, and where the next one begins.
fn line(octets: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = octets.get(at..)?;
    let end = memchr(b'\n', rest)?;
    let line = &rest[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), at + end + 1))
}

fn closes(line: &[u8], tid: &[u8]) -> Option<u8> {
    match line.strip_prefix(&CLOSING[2..])?.strip_prefix(tid)? {
        [flag] => Some(*flag),
        _ => None,
    }
}

fn note<'a>(head: &mut Head<'a>, line: &'a [u8]) {
    let Some(colon) = memchr(b':', line) else {
        return;
    };
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
    match name.len() {
        7 if is(b"To-Path") => head.to = value,
        9 if is(b"From-Path") => head.from = value,
        10 if is(b"Message-ID") => head.message_id = value,
        10 if is(b"Byte-Range") => head.range = value,
        6 if is(b"Status") => head.status = value,
        _ => {}
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0, |sum: u64, digit| {
        digit
            .is_ascii_digit()
            .then(|| sum * 10 + u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"MSRP a1b2 SEND\r\nTo-Path: msrp://b:1/r;tcp\r\n\
        From-Path: msrp://x:1/u;tcp msrp://a:1/s;tcp\r\nMessage-ID: m.1\r\nByte-Range: 5-9/20\r\n\
        Content-Type: text/plain\r\n\r\na\r\n--\r\n-------a1b2+\r\n\
        MSRP c3d4 200 OK\r\nTo-Path: msrp://a:1/s;tcp\r\nFrom-Path: msrp://x:1/u;tcp\r\n\
        -------c3d4$\r\n\
        MSRP e5f6 REPORT\r\nTo-Path: msrp://a:1/s;tcp\r\nFrom-Path: msrp://b:1/r;tcp\r\n\
        Message-ID: m.1\r\nByte-Range: 1-*/*\r\nstatus: 000 413 Stop\r\n-------e5f6$\r\n";

    /// Everything `pieces` say, read as a connection reads: what is left over stays.
    fn told(pieces: &[&[u8]]) -> Vec<String> {
        let (mut scanner, mut kept, mut told) = (Scanner::default(), Vec::new(), Vec::new());
        let mut body = Vec::new();
        for piece in pieces {
            kept.extend_from_slice(piece);
            let mut at = 0;
            loop {
                let (used, step) = scanner.next(&kept[at..]).unwrap();
                at += used;
                match step {
                    Step::More => break,
                    Step::Head(head) => {
                        let word = String::from_utf8_lossy(head.word);
                        told.push(format!("{word} {:?} {:?}", head.range(), head.reported()));
                    }
                    Step::Body(octets) => {
                        assert!(!octets.is_empty());
                        body.extend_from_slice(octets);
                    }
                    Step::End(flag) => {
                        told.push(format!(
                            "{:?} {}",
                            String::from_utf8_lossy(&body),
                            flag as char
                        ));
                        body.clear();
                    }
                }
            }
            kept.drain(..at);
        }
        assert!(kept.is_empty());
        told
    }

    #[test]
    fn frames_are_read_however_they_are_cut() {
        let expected = [
            "SEND Some((4, Some(5))) None",
            "\"a\\r\\n--\" +",
            "200 None None",
            "REPORT Some((0, None)) Some(413)",
        ];
        assert_eq!(told(&[STREAM]), expected);
        for cut in 0..STREAM.len() {
            assert_eq!(told(&[&STREAM[..cut], &STREAM[cut..]]), expected, "{cut}");
        }
        let single: Vec<&[u8]> = STREAM.chunks(1).collect();
        assert_eq!(told(&single), expected);
    }

    #[test]
    fn told_length_finds_the_end_and_a_false_one_does_not_matter() {
        for (length, body) in [
            (Some(5), "a\r\n--"),
            (Some(3), "a\r\n--"),
            (Some(99), "a\r\n--"),
        ] {
            let mut scanner = Scanner::default();
            let (at, step) = scanner.next(STREAM).unwrap();
            assert!(matches!(step, Step::Head(Head { end: None, .. })));
            scanner.expect(length);
            let (used, step) = scanner.next(&STREAM[at..]).unwrap();
            assert_eq!(step, Step::Body(body.as_bytes()));
            let (_, step) = scanner.next(&STREAM[at + used..]).unwrap();
            assert_eq!(step, Step::End(b'+'));
        }
    }

    #[test]
    fn garbage_is_refused() {
        for octets in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"MSRP x\r\n",
            b"MSRP 0123456789012345678901234567890123456789 SEND\r\n",
        ] {
            assert!(Scanner::default().next(octets).is_err());
        }
        let endless = vec![b'x'; LONGEST_HEAD + 1];
        assert!(Scanner::default().next(&endless).is_err());
    }
}
