//! One message on its way in: which of its octets are here, whatever way its chunks came.
use super::{ByteRange, Continuation};
use std::ops::Range;

/// Why a chunk does not fit the message it claims to belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssemblyError {
    /// The message is, or says it will be, longer than its receiver takes.
    #[error("message exceeds {limit} octets")]
    TooLarge {
        /// The limit in force, in octets.
        limit: u64,
    },
    /// More pieces with holes between them than the receiver keeps account of.
    #[error("more than {limit} gaps")]
    TooManyGaps {
        /// The limit in force.
        limit: usize,
    },
    /// Octets past the end that another chunk fixed.
    #[error("octets past the end of the message")]
    PastEnd,
    /// The sender gave the message up before.
    #[error("message was aborted")]
    Aborted,
}

impl AssemblyError {
    /// Returns the status that answers such a chunk.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge { .. } | Self::TooManyGaps { .. } | Self::Aborted => 413,
            Self::PastEnd => 400,
        }
    }

    /// Returns the label value for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::TooManyGaps { .. } => "too_many_gaps",
            Self::PastEnd => "past_end",
            Self::Aborted => "aborted",
        }
    }
}

/// What became of a message when one of its chunks ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Octets are missing, or the end is not known yet.
    Incomplete,
    /// All octets are here.
    Complete {
        /// How many.
        total: u64,
    },
    /// The sender gave it up.
    Aborted,
}

/// The account of one message's octets (RFC 4975 §7.3.1). It keeps positions, not octets: the
/// caller writes each piece where it is told, so a later piece replaces an earlier one.
#[derive(Clone, Debug)]
pub struct Assembly {
    /// What is here: sorted, disjoint, not touching.
    present: Vec<Range<u64>>,
    total: Option<u64>,
    max_octets: u64,
    max_gaps: usize,
    aborted: bool,
}

/// Where the next octets of an open chunk belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(u64);

impl Assembly {
    /// Starts an empty account that refuses messages over `max_octets` or with more than
    /// `max_gaps` holes.
    pub fn new(max_octets: u64, max_gaps: usize) -> Self {
        Self {
            present: Vec::new(),
            total: None,
            max_octets,
            max_gaps,
            aborted: false,
        }
    }

    /// Opens a chunk. Without a range it carries the message from its first octet.
    ///
    /// Errors: `TooLarge` by what the range announces, before any octet is taken.
    pub fn begin(&mut self, range: Option<ByteRange>) -> Result<Cursor, AssemblyError> {
        if self.aborted {
            return Err(AssemblyError::Aborted);
        }
        let Some(range) = range else {
            return Ok(Cursor(0));
        };
        let announced = range.total.or(range.last).unwrap_or(0).max(range.offset());
        self.check_size(announced)?;
        match self.total.is_some_and(|total| range.offset() > total) {
            true => Err(AssemblyError::PastEnd),
            false => Ok(Cursor(range.offset())),
        }
    }

    /// Books the next octets of an open chunk; returns the offset where they are to be written.
    pub fn place(&mut self, cursor: &mut Cursor, octets: usize) -> Result<u64, AssemblyError> {
        let start = cursor.0;
        let end = start.saturating_add(octets as u64);
        self.check_size(end)?;
        if self.total.is_some_and(|total| end > total) {
            return Err(AssemblyError::PastEnd);
        }
        self.insert(start..end)?;
        cursor.0 = end;
        Ok(start)
    }

    /// Closes a chunk. A chunk that ends with `$` fixes the length of the message.
    pub fn end(&mut self, cursor: Cursor, flag: Continuation) -> Result<Progress, AssemblyError> {
        match flag {
            Continuation::Aborted => {
                self.aborted = true;
                return Ok(Progress::Aborted);
            }
            Continuation::Complete => {
                let past = self.present.last().is_some_and(|last| last.end > cursor.0);
                if past || self.total.is_some_and(|total| total != cursor.0) {
                    return Err(AssemblyError::PastEnd);
                }
                self.total = Some(cursor.0);
            }
            Continuation::MoreChunks => {}
        }
        Ok(self.progress())
    }

    /// Tells whether all octets are here.
    pub fn progress(&self) -> Progress {
        match (self.aborted, self.total) {
            (true, _) => Progress::Aborted,
            (false, Some(total)) if self.contiguous() == total => Progress::Complete { total },
            _ => Progress::Incomplete,
        }
    }

    /// Returns how many octets are here without a hole before them.
    pub fn contiguous(&self) -> u64 {
        match self.present.first() {
            Some(first) if first.start == 0 => first.end,
            _ => 0,
        }
    }

    /// Returns how many octets are here.
    pub fn octets(&self) -> u64 {
        self.present
            .iter()
            .map(|range| range.end - range.start)
            .sum()
    }

    /// Returns the length of the message, where a chunk fixed it.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    fn check_size(&self, octets: u64) -> Result<(), AssemblyError> {
        match octets > self.max_octets {
            true => Err(AssemblyError::TooLarge {
                limit: self.max_octets,
            }),
            false => Ok(()),
        }
    }

    fn insert(&mut self, new: Range<u64>) -> Result<(), AssemblyError> {
        if new.is_empty() {
            return Ok(());
        }
        // The common case: the octets continue what is here.
        if let [.., last] = self.present.as_mut_slice()
            && last.end == new.start
        {
            last.end = new.end;
            return Ok(());
        }
        let from = self.present.partition_point(|range| range.end < new.start);
        let to = self.present.partition_point(|range| range.start <= new.end);
        let (mut start, mut end) = (new.start, new.end);
        if from < to {
            start = start.min(self.present[from].start);
            end = end.max(self.present[to - 1].end);
        } else if self.present.len() > self.max_gaps {
            return Err(AssemblyError::TooManyGaps {
                limit: self.max_gaps,
            });
        }
        self.present.splice(from..to, std::iter::once(start..end));
        Ok(())
    }
}

/// An [`Assembly`] with its octets, for messages small enough to be kept in memory.
#[derive(Clone, Debug)]
pub struct Buffer {
    account: Assembly,
    octets: Vec<u8>,
}

impl Buffer {
    /// Starts an empty message; see [`Assembly::new`].
    pub fn new(max_octets: u64, max_gaps: usize) -> Self {
        Self {
            account: Assembly::new(max_octets, max_gaps),
            octets: Vec::new(),
        }
    }

    /// Opens a chunk; see [`Assembly::begin`].
    pub fn begin(&mut self, range: Option<ByteRange>) -> Result<Cursor, AssemblyError> {
        self.account.begin(range)
    }

    /// Takes the next octets of an open chunk.
    ///
    /// Octets far past what is here cost memory for the hole before them, up to the limit of
    /// the message.
    pub fn write(&mut self, cursor: &mut Cursor, piece: &[u8]) -> Result<(), AssemblyError> {
        let start = self.account.place(cursor, piece.len())? as usize;
        let end = start + piece.len();
        if self.octets.len() < end {
            self.octets.resize(end, 0);
        }
        self.octets[start..end].copy_from_slice(piece);
        Ok(())
    }

    /// Closes a chunk; see [`Assembly::end`].
    pub fn end(&mut self, cursor: Cursor, flag: Continuation) -> Result<Progress, AssemblyError> {
        self.account.end(cursor, flag)
    }

    /// Returns the octets, if all of them are here.
    pub fn into_octets(self) -> Option<Vec<u8>> {
        match self.account.progress() {
            Progress::Complete { .. } => Some(self.octets),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(
        buffer: &mut Buffer,
        range: &str,
        body: &str,
        flag: Continuation,
    ) -> Result<Progress, AssemblyError> {
        let mut cursor = buffer.begin(Some(ByteRange::parse(range).unwrap()))?;
        buffer.write(&mut cursor, body.as_bytes())?;
        buffer.end(cursor, flag)
    }

    #[test]
    fn last_chunk_may_come_first() {
        let mut buffer = Buffer::new(100, 4);
        let late = chunk(&mut buffer, "5-8/8", "EFGH", Continuation::Complete);
        assert_eq!(late, Ok(Progress::Incomplete));
        let first = chunk(&mut buffer, "1-*/8", "abcd", Continuation::MoreChunks);
        assert_eq!(first, Ok(Progress::Complete { total: 8 }));
        assert_eq!(buffer.into_octets().unwrap(), b"abcdEFGH");
    }

    #[test]
    fn later_chunk_replaces_what_it_overlaps() {
        let mut buffer = Buffer::new(100, 4);
        chunk(&mut buffer, "1-6/8", "abcdef", Continuation::MoreChunks).unwrap();
        let last = chunk(&mut buffer, "4-8/8", "DEFGH", Continuation::Complete);
        assert_eq!(last, Ok(Progress::Complete { total: 8 }));
        assert_eq!(buffer.into_octets().unwrap(), b"abcDEFGH");
    }

    #[test]
    fn body_counts_not_what_the_range_claims() {
        let mut buffer = Buffer::new(100, 4);
        chunk(&mut buffer, "1-8/8", "abcd", Continuation::MoreChunks).unwrap();
        assert_eq!(buffer.account.contiguous(), 4);
    }

    #[test]
    fn announced_size_is_refused_before_any_octet() {
        let mut account = Assembly::new(100, 4);
        let range = ByteRange::parse("1-*/101").unwrap();
        let refused = account.begin(Some(range)).unwrap_err();
        assert_eq!((refused.status(), refused.kind()), (413, "too_large"));
    }

    #[test]
    fn unannounced_size_is_refused_when_it_is_reached() {
        let mut account = Assembly::new(100, 4);
        let mut cursor = account.begin(None).unwrap();
        assert_eq!(account.place(&mut cursor, 100), Ok(0));
        let refused = account.place(&mut cursor, 1);
        assert_eq!(refused, Err(AssemblyError::TooLarge { limit: 100 }));
    }

    #[test]
    fn gaps_are_bounded() {
        let mut account = Assembly::new(1000, 2);
        let mut put = |first: u64| {
            let mut cursor = account.begin(Some(ByteRange::after(first, None, None)))?;
            account.place(&mut cursor, 1)
        };
        for first in [0, 10, 20] {
            put(first).unwrap();
        }
        assert_eq!(put(30), Err(AssemblyError::TooManyGaps { limit: 2 }));
        assert_eq!(put(1), Ok(1));
    }

    #[test]
    fn octets_past_the_end_are_refused() {
        let mut buffer = Buffer::new(100, 4);
        chunk(&mut buffer, "1-4/4", "abcd", Continuation::Complete).unwrap();
        let past = chunk(&mut buffer, "5-6/6", "ef", Continuation::MoreChunks);
        assert_eq!(past, Err(AssemblyError::PastEnd));
    }

    #[test]
    fn aborted_message_takes_no_more() {
        let mut buffer = Buffer::new(100, 4);
        let given_up = chunk(&mut buffer, "1-*/8", "ab", Continuation::Aborted);
        assert_eq!(given_up, Ok(Progress::Aborted));
        let more = chunk(&mut buffer, "3-8/8", "cdefgh", Continuation::Complete);
        assert_eq!(more, Err(AssemblyError::Aborted));
        assert_eq!(buffer.into_octets(), None);
    }

    #[test]
    fn message_without_octets_is_complete_at_its_end() {
        let mut account = Assembly::new(100, 4);
        let cursor = account.begin(Some(ByteRange::EMPTY)).unwrap();
        let end = account.end(cursor, Continuation::Complete);
        assert_eq!(end, Ok(Progress::Complete { total: 0 }));
    }
}
