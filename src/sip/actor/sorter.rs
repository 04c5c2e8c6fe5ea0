use super::{Endpoint, backlog::Backlog, orders::Received};
use crate::{
    net::Shards,
    sip::{codec::Message, transaction::Peer},
};
use actix::prelude::*;

/// Sorts the messages of one read by the shard that owns their Call-ID.
pub(super) struct Sorter {
    shards: Shards,
    endpoints: Vec<(Addr<Endpoint>, Backlog)>,
    batches: Vec<Vec<(Message, Peer)>>,
}

impl Sorter {
    pub fn new(shards: Shards, endpoints: Vec<(Addr<Endpoint>, Backlog)>) -> Self {
        let batches = endpoints.iter().map(|_| Vec::new()).collect();
        Self {
            shards,
            endpoints,
            batches,
        }
    }

    pub fn push(&mut self, message: Message, from: Peer) {
        let shard = match self.endpoints.len() {
            1 => 0,
            _ => self.shards.of(message.call_id().as_bytes()),
        };
        self.batches[shard].push((message, from));
    }

    /// Hands every batch over. True if one was not taken because its shard is full: it stays
    /// here, in order, and goes first next time.
    pub fn flush(&mut self) -> bool {
        let mut full = false;
        for (batch, (endpoint, backlog)) in self.batches.iter_mut().zip(&self.endpoints) {
            if batch.is_empty() {
                continue;
            }
            match endpoint.try_send(Received(std::mem::take(batch), backlog.ticket())) {
                // a stopped endpoint has no use for messages
                Ok(()) | Err(SendError::Closed(_)) => {}
                Err(SendError::Full(Received(kept, _))) => {
                    *batch = kept;
                    full = true;
                }
            }
        }
        full
    }

    /// Lets go of what was not taken; returns how many messages that were.
    pub fn discard(&mut self) -> usize {
        self.batches
            .iter_mut()
            .map(|batch| batch.drain(..).count())
            .sum()
    }
}
