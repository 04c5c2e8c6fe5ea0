use bytes::{BufMut, BytesMut};
use std::{cell::RefCell, io};
use tokio::{io::Interest, net::TcpStream};

/// The shared buffer is exchanged when less than this is left of it, and it can't be reused.
const LEAST: usize = MOVABLE + 4 * 1024;
/// An unfinished frame up to this long moves to the shared buffer for the next read. A longer
/// one grows where it is: copied for each read, it would cost its square.
const MOVABLE: usize = 8 * 1024;

thread_local! {
    /// What the streams of this arbiter are read into, one after the other. Frames are slices of
    /// it; when all of them are gone it is used again from its start, so that a busy arbiter
    /// allocates nothing and an idle stream holds nothing.
    static SHARED: RefCell<BytesMut> = RefCell::default();
}

/// Appends to `input` what one read of `tcp` gives, at most `most` octets; 0 at the end of the
/// file.
///
/// Errors: `WouldBlock`, and those of the socket.
pub(super) fn receive(tcp: &TcpStream, input: &mut BytesMut, most: usize) -> io::Result<usize> {
    if input.len() > MOVABLE {
        input.reserve(most);
        return receive_into(tcp, input, most);
    }
    SHARED.with_borrow_mut(|shared| {
        make_room(shared, MOVABLE + most);
        shared.extend_from_slice(input);
        let outcome = receive_into(tcp, shared, most);
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

/// A read that gives less than was offered has drained the socket. Readiness is cleared at once:
/// the next read waits for news instead of asking in vain.
fn receive_into(tcp: &TcpStream, buffer: &mut BytesMut, most: usize) -> io::Result<usize> {
    let mut buffer = buffer.limit(most);
    let offered = buffer.chunk_mut().len();
    let mut outcome = Err(io::ErrorKind::WouldBlock.into());
    // around the read, so that news which come meanwhile are not cleared
    let _ = tcp.try_io(Interest::READABLE, || {
        outcome = tcp.try_read_buf(&mut buffer);
        match &outcome {
            Ok(length) if *length > 0 && *length < offered => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    });
    outcome
}
