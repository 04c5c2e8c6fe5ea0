//! Reading a socket without asking in vain and without memory of its own.
use super::ready;
use bytes::{BufMut, BytesMut};
use std::{cell::RefCell, io};
use tokio::{io::Interest, net::TcpStream};

/// An unfinished frame up to this long moves to the shared buffer for the next read. A longer
/// one grows where it is: copied for each read, it would cost its square.
const MOVABLE: usize = 8 * 1024;
/// The shared buffer is exchanged when less than this is left of it, and it can't be reused.
const LEAST: usize = MOVABLE + 4 * 1024;

thread_local! {
    /// What the streams of this arbiter are read into, one after the other. Frames are slices of
    /// it; when all of them are gone it is used again from its start, so that a busy arbiter
    /// allocates nothing and an idle stream holds nothing.
    static SHARED: RefCell<BytesMut> = RefCell::default();
}

/// Lets `read` append to `input`, whose octets move to the shared buffer for it.
pub(super) fn fill<R>(
    input: &mut BytesMut,
    most: usize,
    read: impl FnOnce(&mut BytesMut) -> R,
) -> R {
    if input.len() > MOVABLE {
        input.reserve(most);
        return read(input);
    }
    SHARED.with_borrow_mut(|shared| {
        make_room(shared, MOVABLE + most);
        shared.extend_from_slice(input);
        let outcome = read(shared);
        *input = shared.split();
        outcome
    })
}

/// Takes a short unfinished frame out of the shared buffer, which it would keep while the peer
/// thinks.
pub(super) fn settle(input: &mut BytesMut) {
    if input.len() <= MOVABLE {
        *input = BytesMut::from(&input[..]);
    }
}

fn make_room(shared: &mut BytesMut, wanted: usize) {
    let room = shared.capacity();
    if room < wanted && !shared.try_reclaim(wanted) && room < LEAST {
        *shared = BytesMut::with_capacity(wanted);
    }
}

/// Appends what one read of `tcp` gives, at most `most` octets; 0 at the end of the file.
///
/// Errors: `WouldBlock`, and those of the socket.
pub(super) fn read(tcp: &TcpStream, buffer: &mut BytesMut, most: usize) -> io::Result<usize> {
    let mut buffer = buffer.limit(most);
    let offered = buffer.chunk_mut().len();
    ready::once(tcp, Interest::READABLE, offered, || {
        tcp.try_read_buf(&mut buffer)
    })
}

/// Fills the front of `buffer` from `tcp`; 0 at the end of the file.
///
/// Errors: as [`read`].
pub(super) fn read_slice(tcp: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    ready::once(tcp, Interest::READABLE, buffer.len(), || {
        tcp.try_read(buffer)
    })
}
