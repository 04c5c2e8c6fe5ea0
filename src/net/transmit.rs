//! Writing a socket without asking in vain.
use bytes::{Buf, Bytes};
use smallvec::SmallVec;
use std::io::{self, IoSlice};
use tokio::{io::Interest, net::TcpStream};

/// How many pieces go into one system call.
const PIECES_PER_WRITE: usize = 64;

/// Gives `parts` to the socket, as many as one system call takes.
pub(super) fn send<'a>(
    tcp: &TcpStream,
    mut parts: impl Iterator<Item = &'a Bytes>,
) -> io::Result<usize> {
    let Some(first) = parts.next() else {
        return Ok(0);
    };
    let mut pieces: SmallVec<[IoSlice<'_>; PIECES_PER_WRITE]> = SmallVec::new();
    let mut offered = first.len();
    for part in parts.take(PIECES_PER_WRITE - 1) {
        if pieces.is_empty() {
            pieces.push(IoSlice::new(first));
        }
        offered += part.len();
        pieces.push(IoSlice::new(part));
    }
    filled(tcp, offered, || match pieces.is_empty() {
        true => tcp.try_write(first),
        false => tcp.try_write_vectored(&pieces),
    })
}

/// Gives `octets` to the socket.
pub(super) fn send_slice(tcp: &TcpStream, octets: &[u8]) -> io::Result<usize> {
    filled(tcp, octets.len(), || tcp.try_write(octets))
}

/// A write that takes less than was offered has filled the socket. Readiness is cleared at once:
/// the next write waits for room instead of asking in vain.
fn filled(
    tcp: &TcpStream,
    offered: usize,
    write: impl FnOnce() -> io::Result<usize>,
) -> io::Result<usize> {
    let mut outcome = Err(io::ErrorKind::WouldBlock.into());
    // around the write, so that news which come meanwhile are not cleared
    let _ = tcp.try_io(Interest::WRITABLE, || {
        outcome = write();
        match &outcome {
            Ok(taken) if *taken < offered => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    });
    outcome
}

/// Takes `octets` off the front of `parts`.
pub(super) fn drop_front(parts: &mut Vec<Bytes>, mut octets: usize) {
    let mut whole = 0;
    for part in parts.iter_mut() {
        if part.len() > octets {
            part.advance(octets);
            break;
        }
        octets -= part.len();
        whole += 1;
    }
    parts.drain(..whole);
}
