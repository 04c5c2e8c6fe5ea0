//! What stands between a socket and its stream.
use super::{
    receive::read_slice,
    tls::{Peer, Sealed, Session},
};
use bytes::{Bytes, BytesMut};
use std::{cell::RefCell, io};
use tokio::net::TcpStream;

/// Plaintext sealed in one go: four full records.
const BATCH: usize = 64 * 1024;

thread_local! {
    /// Memory that all streams of this arbiter use in turn.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Default)]
struct Scratch {
    /// Records as they come from a socket.
    wire: Vec<u8>,
    /// Octets that make one batch.
    batch: Vec<u8>,
    sealed: Sealed,
}

/// The layers of one stream.
pub(super) struct Layers {
    tls: Session,
}

impl Layers {
    pub(super) fn over(tls: Session) -> Self {
        Self { tls }
    }

    pub(super) fn peer(&self) -> Option<&Peer> {
        self.tls.peer()
    }

    /// Takes octets that came before the stream was made.
    pub(super) fn take_early(&mut self) -> BytesMut {
        self.tls.take_early()
    }

    /// Whether the peer said that it sends no more.
    pub(super) fn has_ended(&self) -> bool {
        self.tls.has_ended()
    }

    /// Appends to `input` what reading `tcp` gives, at most `most` octets of it at a time; 0 at
    /// the end. What there is to answer goes to `give`.
    ///
    /// Errors: `WouldBlock`, those of the socket, and `InvalidData` for what the peer sends.
    pub(super) fn receive(
        &mut self,
        tcp: &TcpStream,
        input: &mut BytesMut,
        most: usize,
        mut give: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<usize> {
        SCRATCH.with_borrow_mut(|Scratch { wire, sealed, .. }| {
            let before = input.len();
            loop {
                let length = read_records(&mut self.tls, tcp, wire, most)?;
                if length == 0 {
                    return Ok(0);
                }
                sealed.clear();
                let outcome = self.tls.open(&mut wire[..length], input, sealed);
                if !sealed.octets().is_empty() {
                    give(sealed.octets())?;
                }
                outcome?;
                if input.len() > before || self.tls.has_ended() {
                    return Ok(input.len() - before);
                }
            }
        })
    }

    /// Wraps `parts`, leaving the vector empty, for `give` to send.
    pub(super) fn wrap(
        &mut self,
        parts: &mut Vec<Bytes>,
        mut give: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        SCRATCH.with_borrow_mut(|Scratch { batch, sealed, .. }| {
            batch.clear();
            for part in parts.drain(..) {
                let mut left = &part[..];
                while !left.is_empty() {
                    let (taken, others) = left.split_at(left.len().min(BATCH - batch.len()));
                    left = others;
                    if batch.is_empty() && taken.len() == BATCH {
                        send(&mut self.tls, taken, sealed, &mut give)?;
                        continue;
                    }
                    batch.extend_from_slice(taken);
                    if batch.len() == BATCH {
                        send(&mut self.tls, batch, sealed, &mut give)?;
                        batch.clear();
                    }
                }
            }
            match batch.is_empty() {
                true => Ok(()),
                false => send(&mut self.tls, batch, sealed, &mut give),
            }
        })
    }

    /// Tells the peer that nothing more comes.
    pub(super) fn farewell(
        &mut self,
        give: impl FnOnce(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        SCRATCH.with_borrow_mut(|Scratch { sealed, .. }| {
            sealed.clear();
            self.tls.farewell(sealed)?;
            give(sealed.octets())
        })
    }
}

fn send(
    tls: &mut Session,
    octets: &[u8],
    sealed: &mut Sealed,
    mut give: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    sealed.clear();
    tls.seal(octets, sealed)?;
    give(sealed.octets())
}

/// Fills the front of `wire` with an unfinished record and what comes after it. Returns how much
/// stands there; 0 at the end of the file.
fn read_records(
    tls: &mut Session,
    tcp: &TcpStream,
    wire: &mut Vec<u8>,
    most: usize,
) -> io::Result<usize> {
    let rest = tls.rest();
    let start = rest.len();
    if wire.len() < start + most {
        wire.resize(start + most, 0);
    }
    wire[..start].copy_from_slice(rest);
    match read_slice(tcp, &mut wire[start..start + most])? {
        0 => Ok(0),
        length => Ok(start + length),
    }
}
