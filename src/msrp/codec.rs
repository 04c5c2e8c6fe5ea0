//! Octets to frames. No I/O, no time, no allocation per body octet.
use super::{DecodeError, Head, Method, head::MAX_HEAD};
use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem::Finder;
use smallvec::SmallVec;

/// The longest body of anything but a SEND (RFC 4975 §7.1).
pub const MAX_OTHER_BODY: usize = 10_240;

const HYPHENS: &[u8] = b"-------";
const MARK: &[u8] = b"\r\n-------";

/// One step of an MSRP octet stream. A body may come as several `Body` pieces, so that its
/// first octets can be forwarded before the last ones have arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A request or response opens.
    Head(Head),
    /// Some of its body: a slice of the read buffer.
    Body(Bytes),
    /// It ends.
    End(Continuation),
}

/// The last octet of an end-line (RFC 4975 §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuation {
    /// `$`: the message is complete.
    Complete,
    /// `+`: more chunks of this message follow.
    MoreChunks,
    /// `#`: the sender gave the message up.
    Aborted,
}

impl Continuation {
    /// Returns the octet on the wire.
    pub const fn octet(self) -> u8 {
        match self {
            Self::Complete => b'$',
            Self::MoreChunks => b'+',
            Self::Aborted => b'#',
        }
    }

    const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            b'$' => Some(Self::Complete),
            b'+' => Some(Self::MoreChunks),
            b'#' => Some(Self::Aborted),
            _ => None,
        }
    }
}

/// Cuts an octet stream into frames. Remembers how far it looked: no octet of a head is read
/// twice, and of a body at most the last few that may open an end-line.
#[derive(Debug)]
pub struct Decoder {
    max_head: usize,
    mark: Finder<'static>,
    state: State,
}

#[derive(Debug)]
enum State {
    Head(Lines),
    Body(Body),
    End(Continuation),
}

/// The lines of a head seen so far.
#[derive(Debug, Default)]
struct Lines {
    ends: SmallVec<[u16; 12]>,
    /// Octets already searched for a line break.
    searched: usize,
}

#[derive(Debug)]
struct Body {
    transaction_id: Bytes,
    /// Octets still allowed; `None` for a SEND.
    allowance: Option<usize>,
    at_start: bool,
}

/// Where an end-line stands in the octets at hand.
enum Found {
    /// Body octets before it, and the length of the end-line with its line breaks.
    EndLine(usize, usize, Continuation),
    /// This many octets belong to the body; the rest may open an end-line.
    Body(usize),
}

impl Decoder {
    /// Makes a decoder that refuses heads longer than `max_head` octets.
    pub fn new(max_head: usize) -> Self {
        Self {
            max_head: max_head.min(MAX_HEAD),
            mark: Finder::new(MARK),
            state: State::Head(Lines::default()),
        }
    }

    /// Takes the next frame from the front of `buf`, or `None` until more octets arrive.
    ///
    /// After an error the stream is lost: there is no way to find the next start line.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Frame>, DecodeError> {
        match self.state {
            State::Head(_) => self.decode_head(buf),
            State::Body(_) => self.decode_body(buf),
            State::End(flag) => {
                self.state = State::Head(Lines::default());
                Ok(Some(Frame::End(flag)))
            }
        }
    }

    /// Appends all frames that `buf` holds to `out`.
    pub fn decode_all(
        &mut self,
        buf: &mut BytesMut,
        out: &mut Vec<Frame>,
    ) -> Result<(), DecodeError> {
        while let Some(frame) = self.decode(buf)? {
            out.push(frame);
        }
        Ok(())
    }

    fn decode_head(&mut self, buf: &mut BytesMut) -> Result<Option<Frame>, DecodeError> {
        let State::Head(lines) = &mut self.state else {
            return Ok(None);
        };
        let Some((start, end)) = lines.last_line(buf, self.max_head)? else {
            return Ok(None);
        };
        let ends = std::mem::take(&mut lines.ends);
        let mut block = buf.split_to(end).freeze();
        let last = block.split_off(start);
        let has_body = last.len() == 2;
        let head = Head::index(block, &ends, has_body)?;
        self.state = match has_body {
            true => State::Body(Body::of(&head)),
            false => State::End(end_flag(&last, head.transaction_id())?),
        };
        Ok(Some(Frame::Head(head)))
    }

    fn decode_body(&mut self, buf: &mut BytesMut) -> Result<Option<Frame>, DecodeError> {
        let State::Body(body) = &mut self.state else {
            return Ok(None);
        };
        match body.find_end(buf, &self.mark) {
            Found::EndLine(0, length, flag) => {
                buf.advance(length);
                self.state = State::Head(Lines::default());
                Ok(Some(Frame::End(flag)))
            }
            Found::EndLine(octets, length, flag) => {
                body.take(octets)?;
                let piece = buf.split_to(octets).freeze();
                buf.advance(length);
                self.state = State::End(flag);
                Ok(Some(Frame::Body(piece)))
            }
            Found::Body(0) => Ok(None),
            Found::Body(octets) => {
                body.take(octets)?;
                Ok(Some(Frame::Body(buf.split_to(octets).freeze())))
            }
        }
    }
}

impl Lines {
    /// Finds the line that ends the head: a blank one or an end-line. Returns where it starts
    /// and ends.
    fn last_line(
        &mut self,
        buf: &mut BytesMut,
        limit: usize,
    ) -> Result<Option<(usize, usize)>, DecodeError> {
        loop {
            let Some(found) = memchr::memchr(b'\n', &buf[self.searched..]) else {
                self.searched = buf.len();
                return match buf.len() > limit {
                    true => Err(DecodeError::HeadTooLong { limit }),
                    false => self.refuse_early(buf).map(|()| None),
                };
            };
            let end = self.searched + found + 1;
            if end > limit {
                return Err(DecodeError::HeadTooLong { limit });
            }
            let start = self.ends.last().map_or(0, |end| usize::from(*end));
            self.searched = end;
            if end < start + 2 || buf[end - 2] != b'\r' {
                return Err(self.broken_line());
            }
            let line = &buf[start..end - 2];
            if self.ends.is_empty() && line.is_empty() {
                // Some peers keep a connection alive with blank lines between requests.
                buf.advance(end);
                self.searched = 0;
                continue;
            }
            if start == 0 && !line.starts_with(b"MSRP ") {
                return Err(DecodeError::BadStartLine);
            }
            if start > 0 && (line.is_empty() || line.starts_with(HYPHENS)) {
                return Ok(Some((start, end)));
            }
            self.ends
                .push(u16::try_from(end).expect("the limit is at most MAX_HEAD"));
        }
    }

    /// A stream that is not MSRP at all need not fill the limit before it is refused.
    fn refuse_early(&self, buf: &[u8]) -> Result<(), DecodeError> {
        let mark = b"MSRP ";
        let seen = buf.len().min(mark.len());
        match self.ends.is_empty() && buf[..seen] != mark[..seen] && buf != b"\r" {
            true => Err(DecodeError::BadStartLine),
            false => Ok(()),
        }
    }

    fn broken_line(&self) -> DecodeError {
        match self.ends.is_empty() {
            true => DecodeError::BadStartLine,
            false => DecodeError::BadHeader,
        }
    }
}

impl Body {
    fn of(head: &Head) -> Self {
        let is_send = head.method() == Some(&Method::Send);
        Self {
            transaction_id: Bytes::copy_from_slice(head.transaction_id()),
            allowance: (!is_send).then_some(MAX_OTHER_BODY),
            at_start: true,
        }
    }

    fn take(&mut self, octets: usize) -> Result<(), DecodeError> {
        self.at_start = false;
        if let Some(allowance) = &mut self.allowance {
            let limit = MAX_OTHER_BODY;
            let left = allowance.checked_sub(octets);
            *allowance = left.ok_or(DecodeError::BodyTooLong { limit })?;
        }
        Ok(())
    }

    fn find_end(&self, buf: &[u8], mark: &Finder<'_>) -> Found {
        // A body without octets may lack the CRLF before its end-line: some senders write one
        // line break where the grammar asks for two.
        if self.at_start && !buf.is_empty() {
            match self.end_line(buf, HYPHENS.len()) {
                Line::Whole(length, flag) => return Found::EndLine(0, length, flag),
                Line::Partial => return Found::Body(0),
                Line::Other => {}
            }
        }
        let mut from = 0;
        while let Some(found) = mark.find(&buf[from..]) {
            let at = from + found;
            match self.end_line(&buf[at..], MARK.len()) {
                Line::Whole(length, flag) => return Found::EndLine(at, length, flag),
                Line::Partial => return Found::Body(at),
                Line::Other => from = at + 1,
            }
        }
        Found::Body(buf.len() - opening(&buf[from..]))
    }

    /// Reads `text`, whose first `lead` octets are hyphens and what precedes them, as an end-line
    /// of this transaction.
    fn end_line(&self, text: &[u8], lead: usize) -> Line {
        let opens = &MARK[MARK.len() - lead..];
        let id = &self.transaction_id;
        let length = lead + id.len() + 3;
        let seen = text.len().min(lead);
        if text[..seen] != opens[..seen] {
            return Line::Other;
        }
        let rest = &text[seen..];
        let seen = rest.len().min(id.len());
        if rest[..seen] != id[..seen] {
            return Line::Other;
        }
        let flag = match rest
            .get(id.len())
            .map(|octet| Continuation::from_octet(*octet))
        {
            None => return Line::Partial,
            Some(None) => return Line::Other,
            Some(Some(flag)) => flag,
        };
        let tail = &rest[id.len() + 1..];
        let seen = tail.len().min(2);
        match tail[..seen] == b"\r\n"[..seen] {
            false => Line::Other,
            true if seen < 2 => Line::Partial,
            true => Line::Whole(length, flag),
        }
    }
}

enum Line {
    Whole(usize, Continuation),
    Partial,
    Other,
}

/// Counts the octets at the end of `buf` that may open the mark of an end-line.
fn opening(buf: &[u8]) -> usize {
    let tail = &buf[buf.len().saturating_sub(MARK.len() - 1)..];
    let candidates = memchr::memchr_iter(b'\r', tail);
    candidates
        .map(|at| &tail[at..])
        .find(|rest| MARK.starts_with(rest))
        .map_or(0, <[u8]>::len)
}

fn end_flag(line: &[u8], transaction_id: &[u8]) -> Result<Continuation, DecodeError> {
    line.strip_prefix(HYPHENS)
        .and_then(|rest| rest.strip_prefix(transaction_id))
        .and_then(|rest| rest.strip_suffix(b"\r\n"))
        .and_then(|flag| (flag.len() == 1).then(|| flag[0]))
        .and_then(Continuation::from_octet)
        .ok_or(DecodeError::BadEndLine)
}
