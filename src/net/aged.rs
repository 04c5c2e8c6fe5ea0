use crate::clock;
use nix::{
    cmsg_space,
    sys::{
        socket::{
            ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt,
            sockopt::ReceiveTimestampns,
        },
        time::TimeSpec,
    },
};
use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    os::fd::AsRawFd,
    time::Duration,
};
use tokio::{io::Interest, net::UdpSocket};

/// An age beyond this one is a clock that was set.
const OLDEST: Duration = Duration::from_secs(60);

/// A datagram that was read.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// How many octets of the buffer are its.
    pub length: usize,
    /// Who sent it.
    pub source: SocketAddr,
    /// How long it waited in the kernel.
    pub age: Duration,
}

/// Has the kernel note when each datagram reached it. Without that, none has waited.
pub(super) fn note_arrivals(socket: &impl std::os::fd::AsFd) {
    // what it is good for works without
    let _ = setsockopt(socket, ReceiveTimestampns, &true);
}

/// Waits for the next datagram.
pub async fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
    loop {
        socket.readable().await?;
        let taken = socket.try_io(Interest::READABLE, || take(socket, buffer));
        match taken {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            taken => return taken,
        }
    }
}

fn take(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
    let mut parts = [IoSliceMut::new(buffer)];
    let mut space = cmsg_space!(TimeSpec);
    let flags = MsgFlags::MSG_DONTWAIT;
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let source = message.address.as_ref().and_then(address);
    let source = source.ok_or_else(|| io::Error::other("a datagram without a sender"))?;
    let at = message.cmsgs()?.find_map(|note| match note {
        ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
        _ => None,
    });
    let now = Duration::from_micros(clock::system_micros());
    let age = at.map_or(Duration::ZERO, |at| now.saturating_sub(at));
    Ok(Received {
        length: message.bytes,
        source,
        age: if age > OLDEST { Duration::ZERO } else { age },
    })
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let four = storage.as_sockaddr_in();
    let six = storage.as_sockaddr_in6();
    four.map(|it| SocketAddr::V4((*it).into()))
        .or_else(|| six.map(|it| SocketAddr::V6((*it).into())))
}

#[cfg(test)]
mod tests {
    use super::super::{Port, bind_udp};
    use super::*;

    const WAIT: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn datagram_that_waited_in_the_kernel_says_how_long() {
        let any = ([127, 0, 0, 1], 0).into();
        let ours = bind_udp(any, Port::Claim).unwrap();
        let theirs = bind_udp(any, Port::Claim).unwrap();
        let to = ours.local_addr().unwrap();
        let mut buffer = [0; 100];
        let mut old = None;
        // the kernel begins to stamp some time after it was asked to
        for _ in 0..50 {
            theirs.send_to(b"old", to).await.unwrap();
            std::thread::sleep(WAIT);
            let seen = receive(&ours, &mut buffer).await.unwrap();
            if seen.age >= WAIT {
                old = Some(seen);
                break;
            }
        }
        let old = old.expect("the kernel stamps what arrives");
        theirs.send_to(b"young!", to).await.unwrap();
        let young = receive(&ours, &mut buffer).await.unwrap();
        assert_eq!(&buffer[..young.length], b"young!");
        assert_eq!(old.source, theirs.local_addr().unwrap());
        assert!(young.age < old.age, "{young:?} after {old:?}");
    }
}
