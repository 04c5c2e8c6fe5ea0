use crate::{
    net::{Gate, Outlet, Pressure},
    sip::{codec::Message, transaction::ConnectionId},
};
use bytes::Bytes;
use hashbrown::HashMap;
use std::{cell::Cell, net::SocketAddr, rc::Rc};

/// The streams of one shard, and what is to be written to each in one go.
#[derive(Default)]
pub(super) struct Connections {
    lines: HashMap<ConnectionId, Line>,
    waiting: Vec<ConnectionId>,
}

struct Line {
    addr: SocketAddr,
    outlet: Outlet,
    gate: Gate,
    batch: Vec<Bytes>,
    /// The peer does not read: its stream is not read either, until its queue is low.
    choked: Rc<Cell<bool>>,
    /// Other shards that wrote to this stream, one bit each.
    writers: u64,
}

impl Connections {
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn insert(&mut self, id: ConnectionId, addr: SocketAddr, outlet: Outlet, gate: Gate) {
        let line = Line {
            addr,
            outlet,
            gate,
            batch: Vec::new(),
            choked: Rc::default(),
            writers: 0,
        };
        self.lines.insert(id, line);
    }

    /// Forgets a stream; its address and the shards that wrote to it come back.
    pub fn remove(&mut self, id: ConnectionId) -> Option<(SocketAddr, u64)> {
        let line = self.lines.remove(&id)?;
        Some((line.addr, line.writers))
    }

    pub fn is_open(&self, id: ConnectionId) -> bool {
        self.lines
            .get(&id)
            .is_some_and(|line| !line.outlet.closed())
    }

    /// Queues `message` for the next [`flush`](Self::flush). False if the stream is gone.
    pub fn push(&mut self, id: ConnectionId, message: &Message, writer: Option<usize>) -> bool {
        let Some(line) = self.lines.get_mut(&id).filter(|line| !line.outlet.closed()) else {
            return false;
        };
        line.writers |= writer.map_or(0, |shard| 1 << (shard % 64));
        if line.batch.is_empty() {
            self.waiting.push(id);
        }
        line.batch.push(message.octets().clone());
        true
    }

    /// One write per stream.
    pub fn flush(&mut self) {
        for id in self.waiting.drain(..) {
            if let Some(line) = self.lines.get_mut(&id)
                && line.outlet.write(&mut line.batch) == Pressure::High
            {
                line.choke();
            }
        }
    }

    pub fn close_all(&mut self) {
        for line in self.lines.values() {
            line.outlet.close();
        }
    }
}

impl Line {
    fn choke(&self) {
        if self.choked.replace(true) {
            return;
        }
        self.gate.close();
        let (outlet, gate, choked) = (self.outlet.clone(), self.gate.clone(), self.choked.clone());
        actix_rt::spawn(async move {
            outlet.when_low().await;
            choked.set(false);
            gate.open();
        });
    }
}
