use std::net::SocketAddr;

/// How messages travel to a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A plain stream.
    Tcp,
    /// A stream under TLS.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket under TLS (RFC 7118).
    Wss,
}

impl Transport {
    /// The name in a Via header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// Reads a Via transport or a `transport` URI parameter, without case.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];
        all.into_iter()
            .find(|transport| transport.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether nothing sent is lost while the connection lives: no retransmissions then.
    pub fn is_reliable(self) -> bool {
        self != Self::Udp
    }

    /// The port a URI without one means (RFC 3261 §18.1.1).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

/// One stream between us and a neighbour. Never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// Where a message came from or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// The neighbour's address as seen from here.
    pub addr: SocketAddr,
    /// How the message travels.
    pub transport: Transport,
    /// The stream, where there is one.
    pub connection: Option<ConnectionId>,
}

impl Peer {
    /// A neighbour reached by datagrams.
    pub fn udp(addr: SocketAddr) -> Self {
        Self {
            addr,
            transport: Transport::Udp,
            connection: None,
        }
    }

    /// A neighbour reached by plain streams; any open one, or a new one.
    pub fn tcp(addr: SocketAddr) -> Self {
        Self {
            addr,
            transport: Transport::Tcp,
            connection: None,
        }
    }
}
