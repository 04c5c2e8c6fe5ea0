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
/// Octets that wait for the end of the batch.
#[derive(Default)]
pub(super) struct Out {
    pub(super) buffer: BytesMut,
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
            self.buffer.extend_from_slice(&octets);
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
        let start = self.buffer.len();
        encoding::put_end(&mut self.buffer, &open.id.to_octets(), open.has_body, flag);
        self.count(self.buffer.len() - start);
        in_flight.borrow_mut().handle_ended(open.id, self.position);
    }

    /// Books octets written to `buffer`.
    pub(super) fn count(&mut self, octets: usize) {
        self.position += octets as u64;
        self.collected += octets;
    }

    /// Makes a part of what stands in `buffer`.
    pub(super) fn seal(&mut self) {
        if !self.buffer.is_empty() {
            self.parts.push(self.buffer.split().freeze());
        }
    }
}
