//! One message on its way out, as SEND chunks that may be interrupted anywhere.
use super::{ByteRange, Continuation, FailureReport, Head};
use bytes::Bytes;
use smallvec::SmallVec;

/// The octets from which on a chunk must be interruptible (RFC 4975 §7.1.1).
pub const INTERRUPTIBLE: u64 = 2048;

/// What every chunk of one message says about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutgoingHead {
    /// Names the message; the same on every chunk, and on every attempt to deliver it.
    pub message_id: Bytes,
    /// Where the chunk stands in the message; `None` is the start of one of unknown length.
    pub byte_range: Option<ByteRange>,
    /// Media type with parameters. Not written where the chunk has no body.
    pub content_type: Bytes,
    /// Asks the receiver for a success report.
    pub success_report: bool,
    /// What the sender wants to hear of failure.
    pub failure_report: FailureReport,
    /// Further header lines (`Name: value`), written before Content-Type.
    pub extra: SmallVec<[Bytes; 2]>,
}

impl OutgoingHead {
    /// Describes a message of one chunk or of many, from its first octet on.
    pub fn new(message_id: impl Into<Bytes>, content_type: impl Into<Bytes>) -> Self {
        Self {
            message_id: message_id.into(),
            content_type: content_type.into(),
            ..Self::default()
        }
    }

    /// Says how long the whole message is.
    pub fn with_total(mut self, octets: u64) -> Self {
        self.byte_range = Some(ByteRange::whole(octets));
        self
    }

    /// Describes the same chunk on its next hop: all fields but the paths stay.
    pub fn forwarding(head: &Head) -> Self {
        const WRITTEN: &[&str] = &[
            "To-Path",
            "From-Path",
            "Message-ID",
            "Byte-Range",
            "Success-Report",
            "Failure-Report",
            "Content-Type",
        ];
        let field = |name| head.value_bytes(name).unwrap_or_default();
        Self {
            message_id: field("Message-ID"),
            byte_range: head.byte_range().ok().flatten(),
            content_type: field("Content-Type"),
            success_report: head.success_report(),
            failure_report: head.failure_report(),
            extra: head.lines_except(WRITTEN).collect(),
        }
    }
}

/// A chunk cut by [`Outgoing`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Which octets it carries.
    pub range: ByteRange,
    /// The octets.
    pub body: Bytes,
    /// Whether more follow.
    pub flag: Continuation,
}

/// Where a message stands that leaves in chunks. Chunks leave in the order of their octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    sent: u64,
    total: Option<u64>,
    chunk: u64,
    in_chunk: u64,
    ended: bool,
}

impl Outgoing {
    /// Starts a message at its first octet. `chunk` is the most a chunk may carry.
    pub fn new(total: Option<u64>, chunk: u64) -> Self {
        Self::starting_at(0, total, chunk)
    }

    /// Starts in the middle of a message: `sent` octets went before.
    pub fn starting_at(sent: u64, total: Option<u64>, chunk: u64) -> Self {
        Self {
            sent,
            total,
            chunk: chunk.max(1),
            in_chunk: 0,
            ended: false,
        }
    }

    /// Returns how many octets of the message have been given out.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns how long the message is, where that is known.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Tells whether the last chunk was given out, or the message aborted.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Returns the range of a chunk that opens now and may be interrupted: `first-*/total`.
    pub fn open_range(&self) -> ByteRange {
        ByteRange::after(self.sent, None, self.total)
    }

    /// Opens a chunk whose octets are booked by [`Outgoing::advance`] as they leave.
    pub fn open(&mut self) -> ByteRange {
        self.in_chunk = 0;
        self.open_range()
    }

    /// Returns how many octets the open chunk may still take.
    pub fn room(&self) -> u64 {
        self.chunk - self.in_chunk
    }

    /// Books octets that left in the open chunk.
    pub fn advance(&mut self, octets: u64) {
        self.sent += octets;
        self.in_chunk += octets;
    }

    /// Cuts the next chunk off `available`; `last` says that nothing will follow those octets.
    ///
    /// Returns `None` when nothing is to be sent now. A message without octets is one chunk
    /// with an empty body.
    pub fn next_chunk(&mut self, available: &mut Bytes, last: bool) -> Option<Chunk> {
        if self.ended || (available.is_empty() && !last) {
            return None;
        }
        let octets = (available.len() as u64).min(self.chunk);
        let body = available.split_to(octets as usize);
        let ends = last && available.is_empty();
        let end = self.sent + octets;
        self.total = if ends { Some(end) } else { self.total };
        let range = ByteRange::after(self.sent, Some(end), self.total);
        self.sent = end;
        self.ended = ends;
        let flag = match ends {
            true => Continuation::Complete,
            false => Continuation::MoreChunks,
        };
        Some(Chunk { range, body, flag })
    }

    /// Gives the message up: a chunk without octets that tells the receiver so, unless the
    /// message has ended already.
    pub fn abort(&mut self) -> Option<Chunk> {
        if std::mem::replace(&mut self.ended, true) {
            return None;
        }
        Some(Chunk {
            range: self.open_range(),
            body: Bytes::new(),
            flag: Continuation::Aborted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(mut body: Bytes, chunk: u64) -> Vec<(String, Continuation)> {
        let mut message = Outgoing::new(Some(body.len() as u64), chunk);
        std::iter::from_fn(|| message.next_chunk(&mut body, true))
            .map(|chunk| (chunk.range.to_string(), chunk.flag))
            .collect()
    }

    #[test]
    fn message_is_cut_into_chunks_of_the_given_size() {
        let flags = [
            ("1-4/9".to_owned(), Continuation::MoreChunks),
            ("5-8/9".to_owned(), Continuation::MoreChunks),
            ("9-9/9".to_owned(), Continuation::Complete),
        ];
        assert_eq!(ranges("abcdEFGHi".into(), 4), flags);
    }

    #[test]
    fn empty_message_is_one_chunk() {
        let whole = [("1-0/0".to_owned(), Continuation::Complete)];
        assert_eq!(ranges(Bytes::new(), 4), whole);
    }

    #[test]
    fn unknown_length_is_told_by_the_last_chunk() {
        let mut message = Outgoing::new(None, 2048);
        let mut octets = Bytes::from_static(b"abc");
        let chunk = message.next_chunk(&mut octets, false).unwrap();
        assert_eq!(chunk.range.to_string(), "1-3/*");
        assert_eq!(message.next_chunk(&mut octets, false), None);
        let chunk = message.next_chunk(&mut octets, true).unwrap();
        assert_eq!(
            (chunk.range.to_string().as_str(), chunk.flag),
            ("4-3/3", Continuation::Complete)
        );
    }

    #[test]
    fn interrupted_chunk_continues_where_it_stopped() {
        let mut message = Outgoing::new(Some(5000), 4096);
        assert_eq!(message.open().to_string(), "1-*/5000");
        message.advance(3000);
        assert_eq!(message.room(), 1096);
        assert_eq!(message.open().to_string(), "3001-*/5000");
    }

    #[test]
    fn aborted_message_says_so_once() {
        let mut message = Outgoing::new(Some(10), 4);
        message.next_chunk(&mut "abcd".into(), false).unwrap();
        let chunk = message.abort().unwrap();
        assert_eq!(
            (chunk.range.to_string().as_str(), chunk.flag),
            ("5-*/10", Continuation::Aborted)
        );
        assert_eq!(message.abort(), None);
        assert_eq!(message.next_chunk(&mut "efgh".into(), true), None);
    }
}
