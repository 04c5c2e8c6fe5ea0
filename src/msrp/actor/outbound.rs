//! A chunk of ours on its way out: one for the session, as many SENDs on the wire as fairness
//! and the largest chunk ask for.
use super::{SendError, SessionEvent, link::Link, session::State, transaction::Transaction};
use crate::msrp::{
    ByteRange, Continuation, Outgoing, OutgoingHead, OutgoingId, chunker::INTERRUPTIBLE,
};
use bytes::Bytes;
use std::rc::Rc;

/// What the next SEND of an open chunk is made of.
pub(super) struct Stream {
    head: OutgoingHead,
    place: Outgoing,
    has_body: bool,
    started: bool,
}

impl Stream {
    fn new(head: OutgoingHead, max_chunk: u64) -> Self {
        let range = head.byte_range;
        let offset = range.map_or(0, |range| range.offset());
        let total = range.and_then(|range| range.total);
        Self {
            has_body: !head.content_type.is_empty(),
            place: Outgoing::starting_at(offset, total, max_chunk),
            started: false,
            head,
        }
    }
}

impl State {
    /// Opens a chunk. Nothing is written before its first octets are there.
    pub(super) fn begin(&self, head: OutgoingHead) -> OutgoingId {
        let id = self.machine.borrow_mut().start(head.failure_report);
        let max_chunk = self.board.config.max_chunk.as_u64();
        let stream = Stream::new(head, max_chunk);
        self.streams.borrow_mut().insert(id, stream);
        self.spoke.set(true);
        id
    }

    /// Writes body octets of an open chunk.
    pub(super) fn body(&self, id: OutgoingId, mut octets: Bytes) -> Result<(), SendError> {
        let link = self.link()?;
        let mut streams = self.streams.borrow_mut();
        let stream = streams.get_mut(&id).ok_or(SendError::Closed)?;
        while !octets.is_empty() {
            if stream.place.room() == 0 && link.is_open(self.number, id) {
                link.end_send(Continuation::MoreChunks);
            }
            if !link.is_open(self.number, id) {
                let range = stream.place.open();
                self.open_send(&link, id, stream, range);
            }
            let room = stream.place.room().min(octets.len() as u64);
            // bounded by the length, so it fits
            link.body(octets.split_to(room as usize));
            stream.place.advance(room);
        }
        Ok(())
    }

    /// Ends a chunk.
    pub(super) fn end(
        self: &Rc<Self>,
        id: OutgoingId,
        flag: Continuation,
    ) -> Result<(), SendError> {
        let link = self.link()?;
        let stream = self.streams.borrow_mut().remove(&id);
        let mut stream = stream.ok_or(SendError::Closed)?;
        let is_open = link.is_open(self.number, id);
        let is_done = stream.started && flag == Continuation::MoreChunks;
        if !is_open && !is_done {
            let mut range = stream.place.open();
            if flag == Continuation::Complete {
                range.last = Some(range.offset());
                range.total = range.total.or(range.last);
            }
            self.open_send(&link, id, &mut stream, range);
        }
        if is_open || link.is_open(self.number, id) {
            link.end_send(flag);
        }
        self.ended(id);
        Ok(())
    }

    /// Sends a chunk whose octets are all here: one SEND if it is short enough.
    pub(super) fn send_whole(
        self: &Rc<Self>,
        head: OutgoingHead,
        pieces: &[Bytes],
        flag: Continuation,
    ) -> Result<OutgoingId, SendError> {
        let link = self.link()?;
        let octets = pieces.iter().map(|piece| piece.len() as u64).sum();
        let id = self.begin(head);
        if octets > self.board.config.max_chunk.as_u64() {
            for piece in pieces {
                self.body(id, piece.clone())?;
            }
            self.end(id, flag)?;
            return Ok(id);
        }
        let stream = self.streams.borrow_mut().remove(&id);
        let mut stream = stream.ok_or(SendError::Closed)?;
        let range = whole_range(&stream.place, octets, flag);
        self.open_send(&link, id, &mut stream, range);
        if stream.has_body {
            for piece in pieces {
                link.body(piece.clone());
            }
        }
        link.end_send(flag);
        self.ended(id);
        Ok(id)
    }

    fn open_send(&self, link: &Rc<Link>, id: OutgoingId, stream: &mut Stream, range: ByteRange) {
        let transaction = Transaction {
            session: self.number,
            outgoing: id,
            failure_report: stream.head.failure_report,
        };
        stream.started = true;
        self.machine.borrow_mut().handle_sent(id);
        let remote = self.remote.borrow();
        let paths = (remote.as_ref(), self.local_text.as_ref());
        link.open_send(transaction, paths, &stream.head, range, stream.has_body);
    }

    fn ended(self: &Rc<Self>, id: OutgoingId) {
        let fate = self.machine.borrow_mut().handle_ended(id);
        if let Some(code) = fate {
            self.push(SessionEvent::Response {
                transaction: id,
                code,
            });
        }
    }
}

/// The range of a chunk that leaves whole. From 2048 octets on it says that it might have been
/// interrupted (RFC 4975 §7.1.1).
fn whole_range(place: &Outgoing, octets: u64, flag: Continuation) -> ByteRange {
    let end = place.sent() + octets;
    let last = (octets <= INTERRUPTIBLE && flag != Continuation::Aborted).then_some(end);
    let total = match flag {
        Continuation::Complete => Some(end),
        _ => place.total(),
    };
    ByteRange::after(place.sent(), last, total)
}
