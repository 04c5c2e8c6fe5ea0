//! The thread that speaks to the collector.
use super::{
    Config,
    config::{Collector, Wanted},
    correlation::Correlations,
    packet::{Packet, SIP},
};
use crate::{
    clock,
    telemetry::trace::{Record, Sink, Way},
};
use metrics::{Counter, Unit, counter, describe_counter};
use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket},
    time::{Duration, Instant},
};

/// How long a collector may take to accept a connection, or octets.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a collector that cannot be reached is left alone.
const REST: Duration = Duration::from_secs(1);
/// Octets written to a stream together.
const BATCH: usize = 64 * 1024;
/// Most octets of a UDP datagram's payload.
const DATAGRAM: usize = 65_507;

/// Makes packets of records, and sends them.
pub(super) struct Sender {
    config: Config,
    collector: Collector,
    wanted: Wanted,
    own: Option<IpAddr>,
    correlations: Correlations,
    link: Option<Link>,
    /// When a broken link is tried again.
    retry: Instant,
    is_reached: bool,
    buffer: Vec<u8>,
    /// Packets in the buffer.
    waiting: u64,
    sent: Counter,
    lost: Counter,
}

enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Sender {
    /// What speaks to the collector of `config`; `None` if there is none.
    pub fn new(config: &Config, own: Option<IpAddr>) -> io::Result<Option<Self>> {
        let Some(collector) = config.target() else {
            return Ok(None);
        };
        describe_counter!(
            "restante_hep_sent_total",
            Unit::Count,
            "Messages that the HEP collector was sent"
        );
        Ok(Some(Self {
            config: config.clone(),
            wanted: config.wanted(),
            own,
            correlations: Correlations::new(config.correlate_msrp),
            link: None,
            retry: clock::now(),
            is_reached: true,
            buffer: Vec::new(),
            waiting: 0,
            sent: counter!("restante_hep_sent_total"),
            lost: counter!("restante_hep_lost_total"),
            collector,
        }))
    }

    /// Appends the packet of `record` to the buffer.
    fn encode(&mut self, record: &Record, correlation: Option<&str>) {
        let own = self.own_address(record);
        let (source, destination) = match record.way {
            Way::Sent => (own, record.peer),
            Way::Received => (record.peer, own),
        };
        let packet = Packet {
            is_stream: record.transport != "UDP",
            source,
            destination,
            at: record.at,
            kind: match record.is_sip() {
                true => SIP,
                false => self.config.msrp_type,
            },
            capture_id: self.config.capture_id,
            node: &record.node,
            password: self.config.password.as_deref(),
            correlation,
            payload: record.text.as_bytes(),
        };
        let limit = match self.collector {
            Collector::Udp(_) => DATAGRAM,
            Collector::Tcp(_) => usize::MAX,
        };
        packet.encode(limit, &mut self.buffer);
        self.waiting += 1;
    }

    /// This end of the wire.
    fn own_address(&self, record: &Record) -> SocketAddr {
        let nowhere: IpAddr = match record.peer {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let local = record.local.unwrap_or(SocketAddr::new(nowhere, 0));
        match (local.ip().is_unspecified(), self.own) {
            (true, Some(own)) => SocketAddr::new(own, local.port()),
            _ => local,
        }
    }

    /// Sends what stands in the buffer. False if it is lost.
    fn send(&mut self) -> bool {
        self.reconnect();
        let outcome = match &self.link {
            Some(Link::Udp(socket)) => socket.send(&self.buffer).map(drop),
            Some(Link::Tcp(stream)) => (&mut &*stream).write_all(&self.buffer),
            None => {
                self.give_up();
                return false;
            }
        };
        match outcome {
            Ok(()) => {
                self.sent.increment(self.waiting);
                self.buffer.clear();
                self.waiting = 0;
                true
            }
            Err(error) => {
                self.broke(&error);
                self.give_up();
                false
            }
        }
    }

    /// What stands in the buffer is lost. One of them is counted by whoever put it there.
    fn give_up(&mut self) {
        self.lost.increment(self.waiting.saturating_sub(1));
        self.buffer.clear();
        self.waiting = 0;
    }

    /// Makes the way to the collector anew where it was lost, and is to be tried again.
    fn reconnect(&mut self) {
        if self.link.is_some() || clock::now() < self.retry {
            return;
        }
        match self.connect() {
            Ok(link) => {
                if !self.is_reached {
                    tracing::info!(collector = ?self.collector, "the HEP collector is reached again");
                }
                self.is_reached = true;
                self.link = Some(link);
            }
            Err(error) => self.broke(&error),
        }
    }

    fn connect(&self) -> io::Result<Link> {
        let mut last = io::Error::other("the name has no address");
        let (Collector::Udp(place) | Collector::Tcp(place)) = &self.collector;
        for to in place.to_socket_addrs()? {
            let link = match self.collector {
                Collector::Udp(_) => open_udp(to).map(Link::Udp),
                Collector::Tcp(_) => open_tcp(to).map(Link::Tcp),
            };
            match link {
                Ok(link) => return Ok(link),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn broke(&mut self, error: &io::Error) {
        if self.is_reached {
            tracing::warn!(
                collector = ?self.collector, %error,
                "`hep.collector` cannot be reached; messages are not captured until it can"
            );
        }
        self.is_reached = false;
        self.link = None;
        self.retry = clock::now() + REST;
    }
}

impl Sink for Sender {
    fn put(&mut self, record: &Record) -> bool {
        let correlation = self.correlations.of(record);
        if !self.wanted.sends(record) {
            return true;
        }
        self.encode(record, correlation.as_deref());
        match self.collector {
            // a datagram each
            Collector::Udp(_) => self.send(),
            Collector::Tcp(_) if self.buffer.len() >= BATCH => self.send(),
            Collector::Tcp(_) => true,
        }
    }

    fn flush(&mut self) {
        if self.waiting > 0 && !self.send() {
            self.lost.increment(1);
        }
    }
}

fn open_udp(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(to)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn open_tcp(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
