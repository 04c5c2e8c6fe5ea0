//! Octets to frames. No I/O, no time, no allocation per body octet.
use super::{
    DecodeError, Head,
    body::{Body, Found, HYPHENS, MARK},
    head::MAX_HEAD,
};
use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem::Finder;
use smallvec::SmallVec;

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

    pub(super) const fn from_octet(octet: u8) -> Option<Self> {
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

fn end_flag(line: &[u8], transaction_id: &[u8]) -> Result<Continuation, DecodeError> {
    line.strip_prefix(HYPHENS)
        .and_then(|rest| rest.strip_prefix(transaction_id))
        .and_then(|rest| rest.strip_suffix(b"\r\n"))
        .and_then(|flag| (flag.len() == 1).then(|| flag[0]))
        .and_then(Continuation::from_octet)
        .ok_or(DecodeError::BadEndLine)
}
