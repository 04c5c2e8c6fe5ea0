//! Octets to frames. No I/O, no time, no allocation per body octet.
use super::{
    DecodeError, Head, Whole,
    body::{Body, Found, HYPHENS, MARK, find_end},
    head::MAX_HEAD,
    lines::{Lines, Scan, Scanned},
    whole::WHOLE_BELOW,
};
use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem::Finder;

/// One step of an MSRP octet stream. A body may come as several `Body` pieces, so that its
/// first octets can be forwarded before the last ones have arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A SEND with a short body, all of which stood in the buffer: what would otherwise be a
    /// `Head`, at most one `Body`, and an `End`.
    Whole(Whole),
    /// A request or response opens.
    Head(Head),
    /// Some of its body: a slice of the read buffer.
    Body(Bytes),
    /// It ends.
    End(Continuation),
}

impl Frame {
    /// Returns the head of what opens here.
    pub fn head(&self) -> Option<&Head> {
        match self {
            Self::Whole(whole) => Some(whole.head()),
            Self::Head(head) => Some(head),
            Self::Body(_) | Self::End(_) => None,
        }
    }

    /// Tells whether a request or response is complete with this.
    pub fn ends(&self) -> bool {
        matches!(self, Self::Whole(_) | Self::End(_))
    }
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

/// Octets of a short SEND between two relays.
const TYPICAL: usize = 512;

/// Cuts an octet stream into frames. Remembers how far it looked: no octet of a head is read
/// twice, and of a body at most the last few that may open an end-line.
#[derive(Debug)]
pub struct Decoder {
    max_head: usize,
    mark: Finder<'static>,
    scan: Scan,
    state: State,
}

#[derive(Debug)]
enum State {
    Head,
    Body(Body),
    End(Continuation),
}

impl Decoder {
    /// Makes a decoder that refuses heads longer than `max_head` octets.
    pub fn new(max_head: usize) -> Self {
        Self {
            max_head: max_head.min(MAX_HEAD),
            mark: Finder::new(MARK),
            scan: Scan::default(),
            state: State::Head,
        }
    }

    /// Takes the next frame from the front of `buf`, or `None` until more octets arrive.
    ///
    /// After an error the stream is lost: there is no way to find the next start line.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Frame>, DecodeError> {
        match self.state {
            State::Head => self.decode_head(buf),
            State::Body(_) => self.decode_body(buf),
            State::End(flag) => {
                self.state = State::Head;
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
            if out.is_empty() {
                // a guess that spares a full read the growing of its vector
                out.reserve(1 + buf.len() / TYPICAL);
            }
            out.push(frame);
        }
        Ok(())
    }

    fn decode_head(&mut self, buf: &mut BytesMut) -> Result<Option<Frame>, DecodeError> {
        loop {
            let scanned = self.scan.run(buf, self.max_head)?;
            if !matches!(scanned, Scanned::Partial) {
                self.scan = Scan::default();
            }
            return match scanned {
                Scanned::Partial => Ok(None),
                Scanned::Blank => {
                    buf.advance(2);
                    continue;
                }
                Scanned::Body(lines) => Ok(Some(self.open_body(lines, buf))),
                Scanned::End(lines, line) => {
                    let flag = end_flag(&buf[line.clone()], &buf[lines.id()])?;
                    let raw = buf.split_to(line.start).freeze();
                    buf.advance(line.len());
                    self.state = State::End(flag);
                    Ok(Some(Frame::Head(Head::new(raw, lines, false))))
                }
            };
        }
    }

    fn open_body(&mut self, lines: Lines, buf: &mut BytesMut) -> Frame {
        let start = lines.length() + 2;
        let found = lines
            .is_send()
            .then(|| find_end(&buf[start..], &buf[lines.id()], true, &self.mark));
        if let Some(Found::EndLine(octets, length, flag)) = found
            && octets < WHOLE_BELOW
        {
            let raw = buf.split_to(start + octets + length).freeze();
            return Frame::Whole(Whole::new(Head::new(raw, lines, true), octets, flag));
        }
        let raw = buf.split_to(lines.length()).freeze();
        buf.advance(2);
        let head = Head::new(raw, lines, true);
        self.state = State::Body(Body::of(&head, found));
        Frame::Head(head)
    }

    fn decode_body(&mut self, buf: &mut BytesMut) -> Result<Option<Frame>, DecodeError> {
        let State::Body(body) = &mut self.state else {
            return Ok(None);
        };
        match body.find_end(buf, &self.mark) {
            Found::EndLine(0, length, flag) => {
                buf.advance(length);
                self.state = State::Head;
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

fn end_flag(line: &[u8], transaction_id: &[u8]) -> Result<Continuation, DecodeError> {
    line.strip_prefix(HYPHENS)
        .and_then(|rest| rest.strip_prefix(transaction_id))
        .and_then(|rest| rest.strip_suffix(b"\r\n"))
        .and_then(|flag| (flag.len() == 1).then(|| flag[0]))
        .and_then(Continuation::from_octet)
        .ok_or(DecodeError::BadEndLine)
}
