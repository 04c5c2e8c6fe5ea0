//! What stands between a socket and its stream.
use super::{
    receive::read_slice,
    tls::{Peer, Sealed, Session},
    web::Web,
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
    /// The same, in frames.
    framed: Vec<u8>,
    sealed: Sealed,
}

/// The layers of one stream, from the socket up: TLS, then WebSocket.
#[derive(Default)]
pub(super) struct Layers {
    tls: Option<Session>,
    web: Option<Web>,
}

impl Layers {
    pub(super) fn over(tls: Session) -> Self {
        Self {
            tls: Some(tls),
            web: None,
        }
    }

    /// Puts a WebSocket on what is there.
    pub(super) fn carry(&mut self, web: Web) {
        self.web = Some(web);
    }

    pub(super) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    pub(super) fn peer(&self) -> Option<&Peer> {
        self.tls.as_ref()?.peer()
    }

    /// Takes octets that came before the stream was made.
    pub(super) fn take_early(&mut self) -> BytesMut {
        match (&mut self.tls, &self.web) {
            (Some(tls), None) => tls.take_early(),
            _ => BytesMut::new(),
        }
    }

    /// Whether the peer said that it sends no more.
    pub(super) fn has_ended(&self) -> bool {
        self.tls.as_ref().is_some_and(Session::has_ended)
            || self.web.as_ref().is_some_and(Web::has_ended)
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
        SCRATCH.with_borrow_mut(|scratch| {
            let before = input.len();
            loop {
                let came = match &mut self.web {
                    None => self.read(tcp, input, most, scratch, &mut give)?,
                    Some(_) => self.read_frames(tcp, input, most, scratch, &mut give)?,
                };
                if !came {
                    return Ok(0);
                }
                if input.len() > before || self.has_ended() {
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
        SCRATCH.with_borrow_mut(|scratch| {
            let mut batch = std::mem::take(&mut scratch.batch);
            batch.clear();
            let mut outcome = Ok(());
            for part in parts.drain(..) {
                for piece in part.chunks(BATCH) {
                    if batch.len() + piece.len() > BATCH {
                        outcome = outcome.and_then(|()| self.send(&batch, scratch, &mut give));
                        batch.clear();
                    }
                    batch.extend_from_slice(piece);
                }
            }
            if !batch.is_empty() {
                outcome = outcome.and_then(|()| self.send(&batch, scratch, &mut give));
            }
            scratch.batch = batch;
            outcome
        })
    }

    /// Tells the peer that nothing more comes.
    pub(super) fn farewell(
        &mut self,
        mut give: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        SCRATCH.with_borrow_mut(|Scratch { framed, sealed, .. }| {
            framed.clear();
            sealed.clear();
            if let Some(web) = &mut self.web {
                web.farewell(framed);
            }
            match &mut self.tls {
                None => give(framed),
                Some(tls) => {
                    if !framed.is_empty() {
                        tls.seal(framed, sealed)?;
                    }
                    tls.farewell(sealed)?;
                    give(sealed.octets())
                }
            }
        })
    }

    /// One read below the WebSocket, appended to `opened`; `false` at the end of the file.
    fn read(
        &mut self,
        tcp: &TcpStream,
        opened: &mut BytesMut,
        most: usize,
        Scratch { wire, sealed, .. }: &mut Scratch,
        give: &mut impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<bool> {
        let rest = self.tls.as_ref().map_or(&[][..], Session::rest);
        let length = read_behind(rest, tcp, wire, most)?;
        if length == 0 {
            return Ok(false);
        }
        let Some(tls) = &mut self.tls else {
            opened.extend_from_slice(&wire[..length]);
            return Ok(true);
        };
        sealed.clear();
        let outcome = tls.open(&mut wire[..length], opened, sealed);
        if !sealed.octets().is_empty() {
            give(sealed.octets())?;
        }
        outcome.map(|()| true)
    }

    fn read_frames(
        &mut self,
        tcp: &TcpStream,
        input: &mut BytesMut,
        most: usize,
        scratch: &mut Scratch,
        give: &mut impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<bool> {
        let Some(mut web) = self.web.take() else {
            return Ok(false);
        };
        let came = self.read(tcp, web.raw(), most, scratch, give);
        let mut answers = Vec::new();
        let outcome = came.and_then(|came| web.open(input, &mut answers).map(|()| came));
        self.web = Some(web);
        if !answers.is_empty() {
            self.seal(&answers, &mut scratch.sealed, give)?;
        }
        outcome
    }

    fn send(
        &mut self,
        octets: &[u8],
        Scratch { framed, sealed, .. }: &mut Scratch,
        give: &mut impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(web) = &mut self.web else {
            return self.seal(octets, sealed, give);
        };
        framed.clear();
        web.wrap(octets, framed);
        self.seal(framed, sealed, give)
    }

    fn seal(
        &mut self,
        octets: &[u8],
        sealed: &mut Sealed,
        give: &mut impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return give(octets);
        };
        sealed.clear();
        tls.seal(octets, sealed)?;
        give(sealed.octets())
    }
}

/// Fills the front of `wire` with what is unfinished and what comes after it. Returns how much
/// stands there; 0 at the end of the file.
fn read_behind(rest: &[u8], tcp: &TcpStream, wire: &mut Vec<u8>, most: usize) -> io::Result<usize> {
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
