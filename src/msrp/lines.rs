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
    has_to_path: bool,
    has_from_path: bool,
    /// The lines of the fields that nearly every hop asks for; 0 where there is none so far.
    noted: [u8; 3],
    start: StartLine,
    /// Where the last line ends.
    length: u16,
}

/// A field whose line is noted while the head is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    MessageId,
    ByteRange,
    FailureReport,
}

impl Noted {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::MessageId => "Message-ID",
            Self::ByteRange => "Byte-Range",
            Self::FailureReport => "Failure-Report",
        }
    }
}

/// The search for the end of a head.
#[derive(Debug, Default)]
pub(super) struct Scan {
    lines: Lines,
    /// Octets already searched for a line break.
    searched: usize,
}

/// A head has more lines than are kept.
pub(super) struct NotKept;

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
        let window = &buf[..buf.len().min(limit)];
        let mut lines = self.lines;
        let mut searched = self.searched;
        while let Some(found) = memchr::memchr(b'\n', &window[searched..]) {
            let end = searched + found + 1;
            searched = end;
            let start = lines.length();
            let line = &window[start..end];
            match line {
                [b'\r', b'\n'] if start == 0 => return Ok(Scanned::Blank),
                [b'\r', b'\n'] => return Ok(Scanned::Body(lines)),
                [b'-', ..] if line.starts_with(HYPHENS) && start > 0 => {
                    return Ok(Scanned::End(lines, start..end));
                }
                [.., b'\r', b'\n'] => lines.take(window, end)?,
                _ => return Err(lines.broken()),
            }
        }
        (self.lines, self.searched) = (lines, window.len());
        match buf.len() > limit {
            true => Err(DecodeError::HeadTooLong { limit }),
            false => self.refuse_early(buf).map(|()| Scanned::Partial),
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
            let end = memchr::memchr(b'\n', rest).ok_or(lines.broken())? + 1;
            match rest[..end] {
                [.., b'\r', b'\n'] => lines.take(raw, lines.length() + end)?,
                _ => return Err(lines.broken()),
            }
        }
        Ok(lines)
    }

    /// Takes the line of `raw` that begins where the last one ended, and ends with its CRLF at
    /// `end`.
    fn take(&mut self, raw: &[u8], end: usize) -> Result<(), DecodeError> {
        let start = self.length();
        match self.kept {
            0 => self.start = StartLine::read(&raw[..end - 2])?,
            1 if is_called(raw, start, b"To-Path:") => self.has_to_path = true,
            2 if is_called(raw, start, b"From-Path:") => self.has_from_path = true,
            _ => {
                let name = check_field(raw, start)?;
                self.note(raw, start, name);
            }
        }
        // the caller keeps a head below MAX_HEAD
        self.length = end as u16;
        if let Some(kept) = self.ends.get_mut(usize::from(self.kept)) {
            *kept = self.length;
            self.kept += 1;
        }
        Ok(())
    }

    fn note(&mut self, raw: &[u8], start: usize, name: usize) {
        let noted = match name {
            10 if is_called(raw, start, b"Message-ID:") => Noted::MessageId,
            10 if is_called(raw, start, b"Byte-Range:") => Noted::ByteRange,
            14 if is_called(raw, start, b"Failure-Report:") => Noted::FailureReport,
            _ => return,
        };
        let line = &mut self.noted[noted as usize];
        if *line == 0 && usize::from(self.kept) < KEPT {
            *line = self.kept;
        }
    }

    /// Returns where the value of a noted field stands; `Err` if its line was not kept, and must
    /// be searched for.
    pub(super) fn noted(&self, field: Noted) -> Result<Option<Range<usize>>, NotKept> {
        match usize::from(self.noted[field as usize]) {
            0 if self.ends[usize::from(self.kept) - 1] < self.length => Err(NotKept),
            0 => Ok(None),
            line => Ok(Some(self.value(line - 1, field.name().len() + 1))),
        }
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

    /// Returns where the value of To-Path stands, if that is the first field.
    pub(super) fn path_to(&self) -> Option<Range<usize>> {
        self.has_to_path.then(|| self.value(0, "To-Path:".len()))
    }

    /// Returns where the value of From-Path stands, if that is the second field.
    pub(super) fn path_from(&self) -> Option<Range<usize>> {
        self.has_from_path
            .then(|| self.value(1, "From-Path:".len()))
    }

    fn value(&self, field: usize, name: usize) -> Range<usize> {
        let start = usize::from(self.ends[field]) + name;
        start..usize::from(self.ends[field + 1]) - 2
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

/// Tells whether the field whose line begins at `start` has this name, given with its colon.
fn is_called<const N: usize>(raw: &[u8], start: usize, name: &[u8; N]) -> bool {
    let text = raw.get(start..start + N);
    text.is_some_and(|text| text == name || text.eq_ignore_ascii_case(name))
}

/// Checks the name of the field whose line begins at `start`, visible octets and a colon, and
/// returns how long it is.
///
/// Source: RFC 4975 §9 (`hname`), read leniently.
fn check_field(raw: &[u8], start: usize) -> Result<usize, DecodeError> {
    let mut at = start;
    while let Some(octets) = raw.get(at..at + 8) {
        let octets = octets.try_into().map_or(0, u64::from_le_bytes);
        match name_octets(octets) {
            8 => at += 8,
            more => {
                at += more;
                break;
            }
        }
    }
    // the line break is no octet of a name, so that this ends within the line
    let more = raw[at..].iter().take_while(|octet| is_name(**octet));
    at += more.count();
    match at > start && raw.get(at) == Some(&b':') {
        true => Ok(at - start),
        false => Err(DecodeError::BadHeader),
    }
}

fn is_name(octet: u8) -> bool {
    octet.is_ascii_graphic() && octet != b':'
}

/// Counts how many of eight octets, the first one in the lowest place, open a name.
///
/// In each of the sums below the lowest octet that is marked is marked rightly: no octet before
/// it borrows or carries.
fn name_octets(octets: u64) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let colon = octets ^ (ONES * b':' as u64);
    let is_colon = colon.wrapping_sub(ONES) & !colon;
    let below_graphic = octets.wrapping_sub(ONES * b'!' as u64) & !octets;
    let above_graphic = octets.wrapping_add(ONES) | octets;
    let marks = (is_colon | below_graphic | above_graphic) & HIGH;
    marks.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_octets_at_once_give_the_same_as_one_by_one() {
        for octet in 0..=u8::MAX {
            for place in 0..8 {
                for others in [b'a', b':', b' ', 0x7f, 0xff, 0] {
                    let mut octets = [others; 8];
                    octets[place] = octet;
                    octets[..place].fill(b'x');
                    let slow = octets.iter().take_while(|octet| is_name(**octet)).count();
                    assert_eq!(name_octets(u64::from_le_bytes(octets)), slow, "{octets:?}");
                }
            }
        }
    }
}
