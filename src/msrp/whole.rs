//! A SEND that was read in one piece: start line, fields, body and end-line.
use super::{Continuation, Frame, Head};
use bytes::Bytes;

/// A body of this many octets or more is handed on in pieces, whole or not.
pub const WHOLE_BELOW: usize = 4096;

/// A SEND with a body that stood in the read buffer as a whole, as one slice of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    head: Head,
    body_length: u16,
    flag: Continuation,
}

impl Whole {
    /// `head` was read from a slice that goes on with a blank line, the body and its end-line.
    pub(super) fn new(head: Head, body_length: usize, flag: Continuation) -> Self {
        debug_assert!(body_length < WHOLE_BELOW);
        Self {
            head,
            body_length: body_length as u16,
            flag,
        }
    }

    /// Returns its start line and fields.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Returns the octets of the body.
    pub fn body(&self) -> &[u8] {
        &self.head.raw()[self.body_start()..self.body_end()]
    }

    /// Returns the octets of the body as a slice of the read buffer.
    pub fn body_bytes(&self) -> Bytes {
        self.head.raw().slice(self.body_start()..self.body_end())
    }

    /// Returns what the end-line says.
    pub fn flag(&self) -> Continuation {
        self.flag
    }

    /// Returns what a relay leaves as it is, in one slice: the field lines behind the paths, the
    /// blank line, and the body.
    pub fn payload(&self) -> &[u8] {
        &self.head.raw()[self.head.paths_end()..self.body_end()]
    }

    /// Returns everything but the end-line.
    pub(super) fn opening(&self) -> &[u8] {
        &self.head.raw()[..self.body_end()]
    }

    /// Takes it apart into what it would have been in pieces: a head, its body unless that is
    /// empty, and an end.
    pub fn split(self) -> impl Iterator<Item = Frame> {
        let body = (self.body_length > 0).then(|| Frame::Body(self.body_bytes()));
        let parts = [
            Some(Frame::Head(self.head)),
            body,
            Some(Frame::End(self.flag)),
        ];
        parts.into_iter().flatten()
    }

    fn body_start(&self) -> usize {
        self.head.octets().len() + 2
    }

    fn body_end(&self) -> usize {
        self.body_start() + usize::from(self.body_length)
    }
}
