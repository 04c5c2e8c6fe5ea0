//! The lines of a head, found as its octets come. No octet is looked at twice.
use super::{
    DecodeError,
    body::HYPHENS,
    start_line::{Kind, StartLine},
};
use std::ops::Range;

/// Ends of this many lines are kept; those of a longer head are searched for when asked for.
const KEPT: usize = 10;

/// Where the lines of a head end. The octets themselves are the caller's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lines {
    ends: [u16; KEPT],
    kept: u8,
    start: StartLine,
    /// Where the last line ends.
    length: u16,
}

/// The search for the end of a head.
#[derive(Debug, Default)]
pub(super) struct Scan {
    lines: Lines,
    /// Octets already searched for a line break.
    searched: usize,
}

/// What the search came to.
pub(super) enum Scanned {
    /// The head is not whole yet.
    Partial,
    /// A line break before the first line: some peers keep a connection alive with blank lines.
    Blank,
    /// The head is whole, and a blank line behind it opens a body.
    Body(Lines),
    /// The head is whole, and the line in this range ends the request or response.
    End(Lines, Range<usize>),
}

impl Scan {
    /// Searches `buf`, which begins with the head, from where the last search stopped.
    ///
    /// The search is over when it returns anything but `Partial`.
    pub(super) fn run(&mut self, buf: &[u8], limit: usize) -> Result<Scanned, DecodeError> {
        loop {
            let Some(found) = memchr::memchr(b'\n', &buf[self.searched..]) else {
                self.searched = buf.len();
                return match buf.len() > limit {
                    true => Err(DecodeError::HeadTooLong { limit }),
                    false => self.refuse_early(buf).map(|()| Scanned::Partial),
                };
            };
            let end = self.searched + found + 1;
            if end > limit {
                return Err(DecodeError::HeadTooLong { limit });
            }
            self.searched = end;
            let start = self.lines.length();
            let Some(line) = buf[start..end].strip_suffix(b"\r\n") else {
                return Err(self.lines.broken());
            };
            if line.is_empty() {
                return Ok(match start {
                    0 => Scanned::Blank,
                    _ => Scanned::Body(self.lines),
                });
            }
            if start > 0 && line.starts_with(HYPHENS) {
                return Ok(Scanned::End(self.lines, start..end));
            }
            self.lines.take(line)?;
        }
    }

    /// A stream that is not MSRP at all need not fill the limit before it is refused.
    fn refuse_early(&self, buf: &[u8]) -> Result<(), DecodeError> {
        let mark = b"MSRP ";
        let seen = buf.len().min(mark.len());
        match self.lines.kept == 0 && buf[..seen] != mark[..seen] && buf != b"\r" {
            true => Err(DecodeError::BadStartLine),
            false => Ok(()),
        }
    }
}

impl Lines {
    /// Reads a head that is whole: every line of `raw` is one of its lines.
    pub(super) fn read(raw: &[u8], limit: usize) -> Result<Self, DecodeError> {
        if raw.len() > limit {
            return Err(DecodeError::HeadTooLong { limit });
        }
        let mut lines = Self::default();
        while lines.length() < raw.len() {
            let rest = &raw[lines.length()..];
            let end = memchr::memchr(b'\n', rest).ok_or(lines.broken())?;
            let line = rest[..=end].strip_suffix(b"\r\n").ok_or(lines.broken())?;
            lines.take(line)?;
        }
        Ok(lines)
    }

    /// Takes the next line, given without its CRLF.
    fn take(&mut self, line: &[u8]) -> Result<(), DecodeError> {
        match self.kept {
            0 => self.start = StartLine::read(line)?,
            _ => check_field(line)?,
        }
        // the caller keeps a head below MAX_HEAD
        self.length += line.len() as u16 + 2;
        if let Some(end) = self.ends.get_mut(usize::from(self.kept)) {
            *end = self.length;
            self.kept += 1;
        }
        Ok(())
    }

    fn broken(&self) -> DecodeError {
        match self.kept {
            0 => DecodeError::BadStartLine,
            _ => DecodeError::BadHeader,
        }
    }

    /// Returns how many octets the lines are long, each with its CRLF.
    pub(super) fn length(&self) -> usize {
        self.length.into()
    }

    /// Returns where the transaction id stands.
    pub(super) fn id(&self) -> Range<usize> {
        self.start.id()
    }

    pub(super) fn is_send(&self) -> bool {
        self.start.is_send()
    }

    /// Returns what the start line of `raw` says.
    pub(super) fn kind<'a>(&self, raw: &'a [u8]) -> Kind<'a> {
        self.start.kind(&raw[..self.start_end() - 2])
    }

    /// Returns where the start line ends, its CRLF included.
    pub(super) fn start_end(&self) -> usize {
        self.ends[0].into()
    }

    /// Returns where the field line of this number ends, its CRLF included. The first one is 0.
    pub(super) fn end_of(&self, field: usize) -> Option<usize> {
        let kept = usize::from(self.kept);
        self.ends[..kept].get(field + 1).map(|end| (*end).into())
    }

    /// Returns where the field line of this number stands, without its CRLF, if its end is kept.
    pub(super) fn field(&self, number: usize) -> Option<Range<usize>> {
        let end = self.end_of(number)?;
        Some(self.ends[number].into()..end - 2)
    }

    /// Returns where each field line of `raw` stands, without its CRLF.
    pub(super) fn fields<'a>(&'a self, raw: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
        let (length, kept) = (self.length(), usize::from(self.kept));
        let (mut next, mut start) = (1, self.start_end());
        std::iter::from_fn(move || {
            if start >= length {
                return None;
            }
            let end = match self.ends[..kept].get(next) {
                Some(end) => usize::from(*end),
                None => start + memchr::memchr(b'\n', &raw[start..length])? + 1,
            };
            let line = start..end - 2;
            (next, start) = (next + 1, end);
            Some(line)
        })
    }
}

/// `hname = ALPHA *token`, read leniently: any visible octets before the colon.
fn check_field(line: &[u8]) -> Result<(), DecodeError> {
    let name = line.iter().take_while(|octet| NAME[usize::from(**octet)]);
    let name = name.count();
    match name > 0 && line.get(name) == Some(&b':') {
        true => Ok(()),
        false => Err(DecodeError::BadHeader),
    }
}

const NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut octet = 0_u8;
    while octet < 128 {
        table[octet as usize] = octet.is_ascii_graphic() && octet != b':';
        octet += 1;
    }
    table
};
