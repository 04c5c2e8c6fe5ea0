//! What is collected for one connection until it is written.
use super::transaction::Whose;
use crate::msrp::{
    Continuation, OutgoingId, encoding,
    hop::{Hop, TransactionId},
};
use bytes::{Bytes, BytesMut};
use std::cell::RefCell;

/// Below this a body is copied next to its head; above, it goes out as a slice. Measured: an
/// extra piece of a vectored write costs more than copying up to 4 KiB.
const COPY_BELOW: usize = 4096;
/// A buffer begins with this much room.
const ROOM: usize = 16 * 1024;
/// Buffers that grew beyond this are not kept.
const LARGEST: usize = 512 * 1024;
/// Buffers kept for the next batch: one connection is answered, one or two are written to.
const KEPT: usize = 4;

thread_local! {
    /// What the connections of this arbiter put their output together in, one batch after the
    /// other: the memory is warm, and a connection that says nothing holds none.
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// Octets that wait for the end of the batch.
#[derive(Default)]
pub(super) struct Out {
    buffer: BytesMut,
    pub(super) parts: Vec<Bytes>,
    /// Octets of the stream up to the end of what is collected.
    pub(super) position: u64,
    pub(super) collected: usize,
    pub(super) open: Option<OpenChunk>,
}

/// A SEND of ours whose end-line is not written yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenChunk {
    pub(super) session: u64,
    pub(super) outgoing: OutgoingId,
    pub(super) id: TransactionId,
    pub(super) has_body: bool,
}

impl Out {
    /// Collects body octets.
    pub(super) fn append(&mut self, octets: Bytes) {
        self.count(octets.len());
        if octets.len() < COPY_BELOW {
            self.room().extend_from_slice(&octets);
        } else {
            self.seal();
            self.parts.push(octets);
        }
    }

    /// Ends the open SEND, if there is one.
    pub(super) fn end(&mut self, flag: Continuation, in_flight: &RefCell<Hop<Whose>>) {
        let Some(open) = self.open.take() else {
            return;
        };
        self.put(|buffer| {
            encoding::put_end(buffer, &open.id.to_octets(), open.has_body, flag);
        });
        in_flight.borrow_mut().handle_ended(open.id, self.position);
    }

    /// Collects what `put` writes, and returns it.
    pub(super) fn put(&mut self, put: impl FnOnce(&mut BytesMut)) -> &[u8] {
        let buffer = self.room();
        let start = buffer.len();
        put(buffer);
        self.count(self.buffer.len() - start);
        &self.buffer[start..]
    }

    /// Ends the collecting: everything is in `parts`. [`Out::rest`] follows when it is written.
    pub(super) fn finish(&mut self) {
        self.seal();
        self.collected = 0;
    }

    /// Gives the buffer to whoever writes next.
    pub(super) fn rest(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        let is_useful = (1..=LARGEST).contains(&buffer.capacity());
        SPARE.with_borrow_mut(|spare| {
            if is_useful && spare.len() < KEPT {
                spare.push(buffer);
            }
        });
    }

    fn room(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() == 0 {
            let mut spare = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
            // what is queued somewhere holds its memory
            self.buffer = match spare.try_reclaim(ROOM) {
                true => spare,
                false => BytesMut::with_capacity(ROOM),
            };
        }
        &mut self.buffer
    }

    fn count(&mut self, octets: usize) {
        self.position += octets as u64;
        self.collected += octets;
    }

    /// Makes a part of what stands in `buffer`.
    fn seal(&mut self) {
        if !self.buffer.is_empty() {
            self.parts.push(self.buffer.split().freeze());
        }
    }
}
