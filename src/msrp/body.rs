//! Where a body ends: the search for its end-line.
use super::{Continuation, DecodeError, Head};
use memchr::memmem::Finder;
use smallvec::SmallVec;

/// The longest body of anything but a SEND (RFC 4975 §7.1).
pub const MAX_OTHER_BODY: usize = 10_240;

pub(super) const HYPHENS: &[u8] = b"-------";
/// What every end-line after a body opens with. Searching for it and comparing the id behind it
/// is cheaper than a search for the id: the searcher is made once.
pub(super) const MARK: &[u8] = b"\r\n-------";

/// The body that comes in.
#[derive(Debug)]
pub(super) struct Body {
    transaction_id: SmallVec<[u8; 32]>,
    /// Octets still allowed; `None` for a SEND.
    allowance: Option<usize>,
    at_start: bool,
    /// What a search of the octets at hand has found already.
    found: Option<Found>,
}

/// Where an end-line stands in the octets at hand.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    /// Body octets before it, and the length of the end-line with its line breaks.
    EndLine(usize, usize, Continuation),
    /// This many octets belong to the body; the rest may open an end-line.
    Body(usize),
}

impl Body {
    /// Opens the body of `head`. `found` is what its octets were searched for already.
    pub(super) fn of(head: &Head, found: Option<Found>) -> Self {
        Self {
            transaction_id: SmallVec::from_slice(head.transaction_id()),
            allowance: (!head.is_send()).then_some(MAX_OTHER_BODY),
            at_start: true,
            found,
        }
    }

    /// Books octets of the body.
    pub(super) fn take(&mut self, octets: usize) -> Result<(), DecodeError> {
        self.at_start = false;
        if let Some(allowance) = &mut self.allowance {
            let limit = MAX_OTHER_BODY;
            let left = allowance.checked_sub(octets);
            *allowance = left.ok_or(DecodeError::BodyTooLong { limit })?;
        }
        Ok(())
    }

    /// Finds the end-line in the octets at hand.
    pub(super) fn find_end(&mut self, buf: &[u8], mark: &Finder<'_>) -> Found {
        match self.found.take() {
            None | Some(Found::Body(0)) => find_end(buf, &self.transaction_id, self.at_start, mark),
            Some(found) => found,
        }
    }
}

/// Finds the end-line of transaction `id` in `buf`, which begins with the body where `at_start`.
pub(super) fn find_end(buf: &[u8], id: &[u8], at_start: bool, mark: &Finder<'_>) -> Found {
    // A body without octets may lack the CRLF before its end-line: some senders write one
    // line break where the grammar asks for two.
    if at_start && buf.first() == Some(&b'-') {
        match buf.strip_prefix(HYPHENS).map(|rest| end_line(rest, id)) {
            Some(Line::Whole(length, flag)) => {
                return Found::EndLine(0, HYPHENS.len() + length, flag);
            }
            Some(Line::Partial) => return Found::Body(0),
            None if HYPHENS.starts_with(buf) => return Found::Body(0),
            None | Some(Line::Other) => {}
        }
    }
    let mut from = 0;
    while let Some(found) = mark.find(&buf[from..]) {
        let at = from + found;
        match end_line(&buf[at + MARK.len()..], id) {
            Line::Whole(length, flag) => return Found::EndLine(at, MARK.len() + length, flag),
            Line::Partial => return Found::Body(at),
            Line::Other => from = at + 1,
        }
    }
    Found::Body(buf.len() - opening(&buf[from..]))
}

/// Reads `text` as what follows the hyphens of an end-line of transaction `id`.
fn end_line(text: &[u8], id: &[u8]) -> Line {
    let seen = text.len().min(id.len());
    if text[..seen] != id[..seen] {
        return Line::Other;
    }
    let [flag, tail @ ..] = &text[seen..] else {
        return Line::Partial;
    };
    match (Continuation::from_octet(*flag), tail) {
        (Some(flag), [b'\r', b'\n', ..]) => Line::Whole(id.len() + 3, flag),
        (Some(_), [] | [b'\r']) => Line::Partial,
        _ => Line::Other,
    }
}

/// What an end-line comes to; a whole one with its length behind the hyphens.
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
