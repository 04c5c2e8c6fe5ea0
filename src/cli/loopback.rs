//! Addresses of the loopback network that nobody else on this machine uses: what several servers
//! of one demo or test listen on, each at the usual ports of an address of its own.
use std::{
    io,
    net::{IpAddr, Ipv4Addr, UdpSocket},
};

/// Who holds this port of the first address has the network.
const CLAIM: u16 = 5059;

/// A network of addresses, `127.x.y.0/24`. It is free again when dropped.
#[derive(Debug)]
pub struct Loopback {
    prefix: [u8; 3],
    _claim: UdpSocket,
}

impl Loopback {
    /// A network that nobody has.
    ///
    /// Errors: the last refusal, if all are taken.
    pub fn claim() -> io::Result<Self> {
        let start = std::process::id().wrapping_mul(7);
        let mut refusal = io::Error::from(io::ErrorKind::AddrInUse);
        for step in 0..u32::from(u16::MAX) {
            let [.., x, y] = start.wrapping_add(step).to_be_bytes();
            // 127.0.y.z is left to those who listen where they like
            let prefix = [127, x.max(1), y];
            match UdpSocket::bind((Ipv4Addr::new(127, prefix[1], y, 1), CLAIM)) {
                Ok(claim) => {
                    return Ok(Self {
                        prefix,
                        _claim: claim,
                    });
                }
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    /// The address of a host in it.
    pub fn ip(&self, host: u8) -> IpAddr {
        let [a, b, c] = self.prefix;
        Ipv4Addr::new(a, b, c, host).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_given_out_once() {
        let (one, other) = (Loopback::claim().unwrap(), Loopback::claim().unwrap());
        assert_ne!(one.ip(1), other.ip(1));
        assert!(one.ip(200).is_loopback());
    }
}
