//! The sockets of an endpoint, and the streams that come and go.
use super::{
    Endpoint,
    datagrams::Datagrams,
    directory::connection_id,
    sorter::Sorter,
    start::{self, accepted},
    stream::{Farewell, Frames, Stream},
};
use crate::{
    clock,
    net::{Inlet, StreamLimits},
    sip::transaction::{ConnectionId, Peer},
};
use actix::prelude::*;
use std::{io, net::SocketAddr, rc::Rc};
use tokio::net::TcpStream;

impl Endpoint {
    pub(super) fn next_connection(&mut self) -> ConnectionId {
        self.streams += 1;
        connection_id(self.shared.shard, self.streams)
    }

    pub(super) fn stream_limits(&self) -> StreamLimits {
        let queue = usize::try_from(self.shared.config.write_queue.as_u64()).unwrap_or(usize::MAX);
        StreamLimits {
            high_mark: queue / 4,
            low_mark: queue / 16,
            hard_limit: queue,
            ..StreamLimits::default()
        }
    }

    pub(super) fn start_stream(
        &mut self,
        inlet: Inlet<Frames>,
        peer: Peer,
        connection: ConnectionId,
        ctx: &Context<Self>,
    ) {
        let farewell = Farewell {
            endpoint: ctx.address(),
            connection,
        };
        Stream::start(inlet, peer, self.sorter(), self.metrics.clone(), farewell);
    }

    fn sorter(&self) -> Sorter {
        let doors = self.wires.neighbours.iter().cloned();
        let doors = doors.zip(self.wires.backlogs.iter().cloned());
        Sorter::new(self.shared.shards.clone(), doors.collect(), clock::now())
    }

    pub(super) fn bind(
        &mut self,
        listen: SocketAddr,
        ctx: &mut Context<Self>,
    ) -> io::Result<SocketAddr> {
        let (socket, listener) = start::bind(listen, self.shared.shard)?;
        let local = socket.local_addr()?;
        let socket = Rc::new(socket);
        // set once: a second Bind would find the port taken
        let _ = self.shared.local.set(local);
        self.sent_by = self.shared.sent_by();
        self.ourselves = self.shared.ourselves();
        self.wires.socket = Some(socket.clone());
        let reader = Datagrams::start(
            socket,
            self.shared.config.limits,
            self.sorter(),
            self.metrics.clone(),
            self.shared.valve.clone(),
        );
        self.datagrams = Some(reader);
        ctx.add_stream(accepted(listener));
        Ok(local)
    }
}

impl StreamHandler<io::Result<(TcpStream, SocketAddr)>> for Endpoint {
    fn handle(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>, ctx: &mut Context<Self>) {
        match accepted {
            Ok(_) if self.wires.connections.len() >= self.shared.config.max_connections => {
                self.metrics.too_many_connections.increment(1);
            }
            Ok((tcp, addr)) => drop(self.open_stream(tcp, addr, ctx)),
            Err(_) => self.metrics.refused("accept_failed"),
        }
    }
}
