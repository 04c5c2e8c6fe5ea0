use super::{
    Endpoint,
    backlog::Backlog,
    connections::Connections,
    directory::{Directory, owner},
    orders::{Lost, WriteFor},
};
use crate::sip::{
    codec::Message,
    metrics::Metrics,
    transaction::{ConnectionId, Peer, Transport},
};
use actix::prelude::*;
use std::{io, rc::Rc};
use tokio::net::UdpSocket;

/// Everything an endpoint sends over: its UDP socket, its streams, and the way to the streams of
/// the other shards.
pub(super) struct Wires {
    pub shard: usize,
    pub socket: Option<Rc<UdpSocket>>,
    pub connections: Connections,
    pub directory: Directory,
    pub neighbours: Vec<Addr<Endpoint>>,
    pub backlogs: Vec<Backlog>,
    pub metrics: Metrics,
    foreign: Vec<Vec<(ConnectionId, Message)>>,
}

/// A message that could not be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsendable;

impl Wires {
    pub fn new(shard: usize, directory: Directory, metrics: Metrics) -> Self {
        Self {
            shard,
            socket: None,
            connections: Connections::default(),
            directory,
            neighbours: Vec::new(),
            backlogs: Vec::new(),
            metrics,
            foreign: Vec::new(),
        }
    }

    pub fn meet(&mut self, neighbours: Vec<Addr<Endpoint>>, backlogs: Vec<Backlog>) {
        self.foreign = neighbours.iter().map(|_| Vec::new()).collect();
        self.neighbours = neighbours;
        self.backlogs = backlogs;
    }

    /// Sends now (datagrams) or with the next [`flush`](Self::flush) (streams).
    pub fn send(&mut self, to: Peer, message: &Message) -> Result<(), Unsendable> {
        match (to.transport, to.connection) {
            (Transport::Udp, _) => self.send_datagram(to, message)?,
            (_, Some(connection)) => self.send_stream(connection, message)?,
            (_, None) => return Err(Unsendable),
        }
        self.metrics.sent(message, to.transport);
        Ok(())
    }

    fn send_datagram(&self, to: Peer, message: &Message) -> Result<(), Unsendable> {
        let socket = self.socket.as_ref().ok_or(Unsendable)?;
        match socket.try_send_to(message.octets(), to.addr) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // as if lost on the way: who needs it repeats it
                self.metrics.unsent.increment(1);
                Ok(())
            }
            Err(_) => Err(Unsendable),
        }
    }

    fn send_stream(
        &mut self,
        connection: ConnectionId,
        message: &Message,
    ) -> Result<(), Unsendable> {
        let shard = owner(connection);
        if shard == self.shard {
            let taken = self.connections.push(connection, message, None);
            return if taken { Ok(()) } else { Err(Unsendable) };
        }
        let batch = self.foreign.get_mut(shard).ok_or(Unsendable)?;
        batch.push((connection, message.clone()));
        Ok(())
    }

    /// Writes what was queued. Streams of other shards whose shard is full come back: what was
    /// for them is lost.
    pub fn flush(&mut self) -> Vec<ConnectionId> {
        self.connections.flush();
        let mut lost = Vec::new();
        for (batch, neighbour) in self.foreign.iter_mut().zip(&self.neighbours) {
            if batch.is_empty() {
                continue;
            }
            let order = WriteFor {
                from: self.shard,
                items: std::mem::take(batch),
            };
            match neighbour.try_send(order) {
                Ok(()) => {}
                Err(SendError::Full(order) | SendError::Closed(order)) => {
                    self.metrics
                        .mailbox_full
                        .increment(order.items.len() as u64);
                    lost.extend(order.items.into_iter().map(|(connection, _)| connection));
                }
            }
        }
        lost
    }

    /// Whether `connection` is open, as far as is known here.
    pub fn is_open(&self, peer: Peer) -> bool {
        let Some(connection) = peer.connection else {
            return false;
        };
        match owner(connection) == self.shard {
            true => self.connections.is_open(connection),
            false => self.directory.find(peer.addr) == Some(connection),
        }
    }

    /// Writes for another shard; tells it of streams that are gone.
    pub fn write_for(&mut self, order: WriteFor) {
        for (connection, message) in order.items {
            if !self
                .connections
                .push(connection, &message, Some(order.from))
                && let Some(neighbour) = self.neighbours.get(order.from)
            {
                // one notice per message that came: bounded by what was sent
                neighbour.do_send(Lost(connection));
            }
        }
        self.connections.flush();
    }

    /// Forgets a stream of this shard and tells the shards that wrote to it.
    pub fn forget(&mut self, connection: ConnectionId) {
        let Some((addr, writers)) = self.connections.remove(connection) else {
            return;
        };
        self.directory.closed(addr, connection);
        for (shard, neighbour) in self.neighbours.iter().enumerate() {
            if writers & (1 << (shard % 64)) != 0 {
                neighbour.do_send(Lost(connection));
            }
        }
    }
}
