//! Writing a socket without asking in vain.
use super::ready;
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
    ready::once(tcp, Interest::WRITABLE, offered, || {
        match pieces.is_empty() {
            true => tcp.try_write(first),
            false => tcp.try_write_vectored(&pieces),
        }
    })
}

/// Gives `octets` to the socket.
pub(super) fn send_slice(tcp: &TcpStream, octets: &[u8]) -> io::Result<usize> {
    ready::once(tcp, Interest::WRITABLE, octets.len(), || {
        tcp.try_write(octets)
    })
}

/// Writes all of `octets`, waiting where the socket is full: for what comes before an
/// [`super::Outlet`] stands.
pub(super) async fn write_all(tcp: &TcpStream, mut octets: &[u8]) -> io::Result<()> {
    while !octets.is_empty() {
        tcp.writable().await?;
        match tcp.try_write(octets) {
            Ok(taken) => octets = &octets[taken..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
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
