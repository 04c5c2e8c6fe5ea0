//! How a request of ours finds its way: next hop, transport, connection.
use super::{
    ClientEventKind, Endpoint, RequestFailed, Target,
    hop::{Hop, next_hop},
    orders::Sink,
    stream::Frames,
};
use crate::{
    clock, net,
    sip::{
        codec::{Message, Method, Name},
        feedback::ASKED,
        proxy::{LoopMark, record_routes},
        transaction::{Peer, RequestId, Transport},
    },
};
use actix::prelude::*;
use std::{io, net::SocketAddr};
use tokio::net::TcpStream;

/// What is left of a datagram for the Via we add, and for a Record-Route.
const VIA_ROOM: usize = 144;
const RECORD_ROOM: usize = 60;
/// The longest UDP payload over IPv4.
const LONGEST_DATAGRAM: usize = 65_507;

/// A message that waits for its way.
#[derive(Clone)]
pub(super) struct Outbound {
    pub message: Message,
    pub kind: Kind,
    /// It would go by UDP but for its length.
    pub by_length: bool,
    /// It is not our own request, but one that goes on.
    pub forwarded: Option<Forwarded>,
}

/// What our Via and Record-Route tell of a request that goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forwarded {
    pub mark: LoopMark,
    /// Later requests of the dialog are to come by us, who were reached over this transport.
    pub record: Option<Transport>,
}

impl Outbound {
    pub fn new(message: Message, kind: Kind) -> Self {
        Self {
            message,
            kind,
            by_length: false,
            forwarded: None,
        }
    }

    /// Octets it has on the wire, at most.
    fn length(&self) -> usize {
        let is_recorded = self.forwarded.is_some_and(|it| it.record.is_some());
        let record = if is_recorded { RECORD_ROOM } else { 0 };
        self.message.octets().len() + VIA_ROOM + record
    }

    /// Whether it goes by UDP all the same where TCP is refused (RFC 3261 §18.1.1). Never a
    /// MESSAGE: nothing keeps those from congesting the way (RFC 3428 §8).
    fn falls_back(&self) -> bool {
        self.by_length && !self.message.is(&Method::Message) && self.length() <= LONGEST_DATAGRAM
    }

    /// Why it failed, where its stream could not be made.
    fn unconnected(&self) -> RequestFailed {
        match self.by_length {
            true => RequestFailed::TooLarge,
            false => RequestFailed::Transport,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of a client transaction; without Via yet.
    Request(RequestId),
    /// An ACK for a 2xx; without Via yet.
    Ack,
    /// A response whose stream is gone.
    Response,
}

impl Endpoint {
    pub(super) fn submit(
        &mut self,
        id: RequestId,
        message: Message,
        target: Target,
        sink: Sink,
        ctx: &mut Context<Self>,
    ) {
        self.sinks.insert(id, sink);
        self.route(Outbound::new(message, Kind::Request(id)), target, ctx);
    }

    pub(super) fn route(&mut self, outbound: Outbound, target: Target, ctx: &mut Context<Self>) {
        match target {
            Target::Peer(peer) => return self.dispatch(outbound, peer, ctx),
            Target::Flow(peer) if self.wires.is_open(peer) => {
                return self.dispatch(outbound, peer, ctx);
            }
            Target::Flow(_) | Target::Message => {}
        }
        match next_hop(&outbound.message) {
            Hop::Known(peer) => self.dispatch(outbound, peer, ctx),
            Hop::Named(named) => self.look_up(outbound, named, ctx),
            Hop::Nowhere => self.fail(outbound),
        }
    }

    /// Chooses the transport by length and finds or makes the connection.
    pub(super) fn dispatch(
        &mut self,
        mut outbound: Outbound,
        mut peer: Peer,
        ctx: &mut Context<Self>,
    ) {
        if peer.transport == Transport::Udp {
            if !self.is_too_long(&outbound) {
                return self.transmit(outbound, peer);
            }
            outbound.by_length = true;
            peer.transport = Transport::Tcp;
        }
        if !self.wires.is_open(peer) {
            peer.connection = self.wires.directory.find(peer.addr);
        }
        match peer.connection {
            Some(_) => self.transmit(outbound, peer),
            None if peer.transport == Transport::Tcp => self.connect(outbound, peer.addr, ctx),
            None => self.fail(outbound),
        }
    }

    pub(super) fn is_too_long(&self, outbound: &Outbound) -> bool {
        outbound.length() > self.shared.config.max_datagram
    }

    fn transmit(&mut self, outbound: Outbound, to: Peer) {
        let message = match outbound.kind {
            Kind::Response => outbound.message.clone(),
            // nobody waits for it any more
            Kind::Request(id) if !self.sinks.contains_key(&id) => return,
            Kind::Request(id) if self.is_held_back(&outbound.message, to) => {
                return self.hold_back(id, &outbound, to);
            }
            _ => self.signed(&outbound, to),
        };
        let taken = match outbound.kind {
            Kind::Request(id) => self.layer.request(id, message, to, clock::now()).is_ok(),
            _ => {
                self.observe_sent(&to, &message);
                self.wires.send(to, &message).is_ok()
            }
        };
        if !taken {
            self.fail(outbound);
        }
    }

    /// The message with what names us on it: Via, and Record-Route where we stay on the way.
    pub(super) fn signed(&mut self, outbound: &Outbound, to: Peer) -> Message {
        let transport = to.transport;
        let forwarded = outbound.forwarded;
        let mark = forwarded.map(|it| it.mark);
        let mut via = self.branches.next_via(transport, &self.sent_by, mark);
        if self.listens_to(to.addr.ip()).is_some() {
            via.push_str(ASKED);
        }
        let came = forwarded.and_then(|it| it.record);
        let records = came.map(|came| record_routes(&self.sent_by, came, transport));
        let records = records.iter().flatten();
        let mut fields = vec![(Name::Via, via.as_str())];
        fields.extend(records.map(|route| (Name::RecordRoute, route.as_str())));
        outbound.message.with_on_top(&fields)
    }

    pub(super) fn connect(
        &mut self,
        outbound: Outbound,
        addr: SocketAddr,
        ctx: &mut Context<Self>,
    ) {
        let bound = self.shared.config.max_pending;
        if let Some(waiting) = self.connecting.get_mut(&addr) {
            return match waiting.len() < bound {
                true => waiting.push(outbound),
                false => {
                    self.metrics.refused("pending_full");
                    self.fail(outbound);
                }
            };
        }
        if self.connecting.len() + self.wires.connections.len()
            >= self.shared.config.max_connections
        {
            self.metrics.too_many_connections.increment(1);
            return self.fail(outbound);
        }
        self.connecting.insert(addr, vec![outbound]);
        let limit = self.shared.config.connect_timeout;
        let made = net::connect_tcp(self.shared.local_addr().ip(), addr, limit).into_actor(self);
        ctx.spawn(made.map(move |result, this, ctx| this.connected(addr, result, ctx)));
    }

    fn connected(
        &mut self,
        addr: SocketAddr,
        result: io::Result<TcpStream>,
        ctx: &mut Context<Self>,
    ) {
        let waiting = self.connecting.remove(&addr).unwrap_or_default();
        match result {
            Ok(tcp) => {
                let peer = self.open_stream(tcp, addr, ctx);
                for outbound in waiting {
                    self.transmit(outbound, peer);
                }
            }
            Err(error) => {
                let refused = error.kind() == io::ErrorKind::ConnectionRefused;
                for outbound in waiting {
                    match refused && outbound.falls_back() {
                        true => self.transmit(outbound, Peer::udp(addr)),
                        false => self.fail_unconnected(outbound),
                    }
                }
            }
        }
        self.perform_effects(ctx);
    }

    /// Takes a new stream into service, whoever opened it.
    pub(super) fn open_stream(
        &mut self,
        tcp: TcpStream,
        addr: SocketAddr,
        ctx: &mut Context<Self>,
    ) -> Peer {
        let id = self.next_connection();
        let peer = Peer {
            addr,
            transport: Transport::Tcp,
            connection: Some(id),
        };
        // without these options the stream works, only less well
        let _ = net::tune(&tcp, net::Liveness::default());
        let (inlet, outlet) = net::open(
            tcp,
            Frames::new(self.shared.config.limits),
            self.stream_limits(),
        );
        self.wires
            .connections
            .insert(id, addr, outlet, inlet.gate());
        self.wires.directory.opened(addr, id);
        self.start_stream(inlet, peer, id, ctx);
        peer
    }

    fn fail_unconnected(&mut self, outbound: Outbound) {
        let why = outbound.unconnected();
        self.fail_for(outbound, why);
    }

    pub(super) fn fail(&mut self, outbound: Outbound) {
        self.fail_for(outbound, RequestFailed::Transport);
    }

    fn fail_for(&mut self, outbound: Outbound, why: RequestFailed) {
        match outbound.kind {
            Kind::Request(id) if self.fails_over(id, &ClientEventKind::TransportFailed) => {}
            Kind::Request(id) => {
                let name = self.failover.name_of(id);
                self.failover.forget(id);
                if let Some(sink) = self.sinks.remove(&id) {
                    self.untold(sink, name, why);
                }
            }
            Kind::Ack => self.metrics.refused("ack_unsent"),
            Kind::Response => self.metrics.refused("response_unsent"),
        }
    }
}
