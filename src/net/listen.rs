use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::{io, net::SocketAddr, time::Duration};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// Connections the kernel keeps for a listener that is busy.
const BACKLOG: i32 = 4096;
/// Kernel buffer of a UDP socket, in octets: a burst of signalling must fit while its arbiter works.
const UDP_BUFFER: usize = 4 * 1024 * 1024;

/// Listens on `addr` with SO_REUSEPORT, so that every arbiter can have its own listener there.
pub fn listen_tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = reusable(addr, Type::STREAM, Protocol::TCP)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Binds `addr` for datagrams, with SO_REUSEPORT and a large kernel buffer.
pub fn bind_udp(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = reusable(addr, Type::DGRAM, Protocol::UDP)?;
    // the kernel caps what it grants; less than asked for is no error
    let _ = socket.set_recv_buffer_size(UDP_BUFFER);
    let _ = socket.set_send_buffer_size(UDP_BUFFER);
    socket.bind(&addr.into())?;
    UdpSocket::from_std(socket.into())
}

/// Small writes go out at once, and a dead peer is found by the kernel in about a minute.
pub fn tune(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    SockRef::from(tcp).set_tcp_keepalive(&keepalive)
}

fn reusable(addr: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if kind == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.set_reuse_port(true)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}
