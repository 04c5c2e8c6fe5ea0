use super::aged::note_arrivals;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::{io, net::SocketAddr, time::Duration};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// Connections the kernel keeps for a listener that is busy.
const BACKLOG: i32 = 4096;
/// Kernel buffer of a UDP socket, in octets: a burst of signalling must fit while its arbiter works.
const UDP_BUFFER: usize = 4 * 1024 * 1024;

/// Whose port a socket is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Nobody's so far: the first socket of a process there. A port that another process listens
    /// on is refused, or not chosen if any free one (0) will do.
    Claim,
    /// Our own: one more socket, next to the one that claimed the port.
    Share,
}

/// Listens on `addr`, in a way that lets every arbiter have its own listener there
/// (SO_REUSEPORT).
pub fn listen_tcp(addr: SocketAddr, port: Port) -> io::Result<TcpListener> {
    let socket = bound(addr, port, Type::STREAM, Protocol::TCP)?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Binds `addr` for datagrams, with a large kernel buffer, in a way that lets every arbiter have
/// its own socket there (SO_REUSEPORT).
pub fn bind_udp(addr: SocketAddr, port: Port) -> io::Result<UdpSocket> {
    let socket = bound(addr, port, Type::DGRAM, Protocol::UDP)?;
    // the kernel caps what it grants; less than asked for is no error
    let _ = socket.set_recv_buffer_size(UDP_BUFFER);
    let _ = socket.set_send_buffer_size(UDP_BUFFER);
    note_arrivals(&socket);
    UdpSocket::from_std(socket.into())
}

/// How the kernel finds a peer that is gone without a word. Zero leaves a value to the system.
#[derive(Clone, Copy, Debug)]
pub struct Liveness {
    /// How long a stream may be silent before the kernel asks whether the peer is there; three
    /// more questions follow, each after a third of the time.
    pub keepalive: Duration,
    /// How long what was sent may stay without acknowledgement, or the peer's window closed.
    pub user_timeout: Duration,
}

impl Default for Liveness {
    fn default() -> Self {
        Self {
            keepalive: Duration::from_secs(30),
            user_timeout: Duration::ZERO,
        }
    }
}

/// Makes small writes go out at once, and lets the kernel look for a dead peer.
pub fn tune(tcp: &TcpStream, liveness: Liveness) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(tcp);
    if !liveness.user_timeout.is_zero() {
        socket.set_tcp_user_timeout(Some(liveness.user_timeout))?;
    }
    if liveness.keepalive.is_zero() {
        return Ok(());
    }
    let least = Duration::from_secs(1);
    let keepalive = TcpKeepalive::new()
        .with_time(liveness.keepalive.max(least))
        .with_interval((liveness.keepalive / 3).max(least))
        .with_retries(3);
    socket.set_tcp_keepalive(&keepalive)
}

fn bound(addr: SocketAddr, port: Port, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    // connections of an earlier life may still linger on a port of ours
    if kind == Type::STREAM && addr.port() != 0 {
        socket.set_reuse_address(true)?;
    }
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // set before, the kernel would let us in next to any other process of the same user
    if port == Port::Share {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&addr.into())?;
    if port == Port::Claim {
        socket.set_reuse_port(true)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

    #[tokio::test]
    async fn claimed_port_is_shared_by_its_owner_only() {
        let tcp = listen_tcp(ANY.into(), Port::Claim).unwrap();
        let addr = tcp.local_addr().unwrap();
        let second = listen_tcp(addr, Port::Share).unwrap();
        assert_eq!(second.local_addr().unwrap(), addr);
        assert!(listen_tcp(addr, Port::Claim).is_err());

        let udp = bind_udp(ANY.into(), Port::Claim).unwrap();
        let addr = udp.local_addr().unwrap();
        let second = bind_udp(addr, Port::Share).unwrap();
        assert_eq!(second.local_addr().unwrap(), addr);
        assert!(bind_udp(addr, Port::Claim).is_err());
    }

    #[tokio::test]
    async fn connections_are_spread_over_all_who_share_the_port() {
        let one = listen_tcp(ANY.into(), Port::Claim).unwrap();
        let addr = one.local_addr().unwrap();
        let two = listen_tcp(addr, Port::Share).unwrap();
        let mut taken = [0, 0];
        let mut open = Vec::new();
        for _ in 0..64 {
            open.push(TcpStream::connect(addr).await.unwrap());
            tokio::select! {
                accepted = one.accept() => { open.push(accepted.unwrap().0); taken[0] += 1; }
                accepted = two.accept() => { open.push(accepted.unwrap().0); taken[1] += 1; }
            }
        }
        assert!(taken[0] > 0 && taken[1] > 0, "{taken:?}");
    }
}
