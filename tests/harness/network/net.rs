//! Addresses of the loopback network that no other test has.
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

/// Who holds this port of the first address has the network.
const CLAIM: u16 = 5059;

/// A network of addresses: `127.x.y.0/24`. It is free again when dropped.
pub struct Net {
    prefix: [u8; 3],
    _claim: UdpSocket,
}

impl Net {
    /// A network that nobody has.
    pub fn claim() -> Self {
        let start = std::process::id().wrapping_mul(7);
        for step in 0..u32::from(u16::MAX) {
            let [.., x, y] = start.wrapping_add(step).to_be_bytes();
            // 127.0.y.z is left to those who listen where they like
            let prefix = [127, x.max(1), y];
            let first = Ipv4Addr::new(prefix[0], prefix[1], prefix[2], 1);
            if let Ok(claim) = UdpSocket::bind((first, CLAIM)) {
                return Self {
                    prefix,
                    _claim: claim,
                };
            }
        }
        panic!("no network is free");
    }

    /// The address of a host in it.
    pub fn ip(&self, host: u8) -> IpAddr {
        let [a, b, c] = self.prefix;
        Ipv4Addr::new(a, b, c, host).into()
    }
}
