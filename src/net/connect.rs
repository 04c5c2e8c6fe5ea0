use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::net::{TcpSocket, TcpStream};

/// Connects to `to` within `limit`, from the address `own` that we listen on, so that a neighbour
/// knows us by it.
///
/// The system chooses where `own` is no address one could send to `to` from: an unspecified one,
/// one of the other family, or one that only reaches this machine. Errors: also `TimedOut`.
pub async fn connect_tcp(own: IpAddr, to: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let socket = match to {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(own) = source(own, to.ip()) {
        match socket.bind(SocketAddr::new(own, 0)) {
            // all ports of `own` are taken; the system itself shares them between neighbours
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            bound => bound?,
        }
    }
    match tokio::time::timeout(limit, socket.connect(to)).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// The address to send from, unless the system has to choose.
fn source(own: IpAddr, to: IpAddr) -> Option<IpAddr> {
    let is_fit = !own.is_unspecified()
        && own.is_ipv4() == to.is_ipv4()
        && (!own.is_loopback() || to.is_loopback());
    is_fit.then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn stream_comes_from_the_address_we_listen_on() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let own = ip("127.0.57.3");
        let limit = Duration::from_secs(5);
        let (made, accepted) = tokio::join!(connect_tcp(own, to, limit), listener.accept());
        let (_made, (_, from)) = (made.unwrap(), accepted.unwrap());
        assert_eq!(from.ip(), own);
    }

    #[test]
    fn address_that_cannot_reach_the_neighbour_is_left_to_the_system() {
        let public = ip("192.0.2.1");
        assert_eq!(source(public, ip("198.51.100.7")), Some(public));
        assert_eq!(source(ip("0.0.0.0"), public), None);
        assert_eq!(source(ip("127.0.0.1"), public), None);
        assert_eq!(source(ip("::1"), ip("127.0.0.1")), None);
    }
}
