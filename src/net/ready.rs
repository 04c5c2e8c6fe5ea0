//! One read or write on a socket that said it is ready, without asking in vain afterwards.
use std::io;
use tokio::{io::Interest, net::TcpStream};

/// Reads or writes by `transfer`, to which `offered` octets are offered.
///
/// One that moves less has drained or filled the socket. Readiness is cleared at once: the next
/// one waits for news instead of asking in vain.
///
/// Errors: `WouldBlock`, and those of the socket.
pub(super) fn once(
    tcp: &TcpStream,
    interest: Interest,
    offered: usize,
    transfer: impl FnOnce() -> io::Result<usize>,
) -> io::Result<usize> {
    let mut outcome = Err(io::ErrorKind::WouldBlock.into());
    // around the transfer, so that news which come meanwhile are not cleared
    let _ = tcp.try_io(interest, || {
        outcome = transfer();
        match &outcome {
            // nothing at all is the end of the file, which stays ready
            Ok(moved) if *moved > 0 && *moved < offered => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    });
    outcome
}
