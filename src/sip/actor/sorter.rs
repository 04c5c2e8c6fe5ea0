use super::{Endpoint, backlog::Backlog, orders::Received};
use crate::{
    net::Shards,
    sip::{codec::Message, transaction::Peer},
};
use actix::prelude::*;
use std::time::Instant;

/// Sorts the messages of one read by the shard that owns their Call-ID.
pub(super) struct Sorter {
    shards: Shards,
    endpoints: Vec<(Addr<Endpoint>, Backlog)>,
    batches: Vec<Batch>,
}

/// What one shard gets next.
struct Batch {
    messages: Vec<(Message, Peer)>,
    /// When the first of them reached this process.
    arrived: Instant,
}

impl Sorter {
    pub fn new(shards: Shards, endpoints: Vec<(Addr<Endpoint>, Backlog)>, now: Instant) -> Self {
        let batch = |_| Batch {
            messages: Vec::new(),
            arrived: now,
        };
        let batches = endpoints.iter().map(batch).collect();
        Self {
            shards,
            endpoints,
            batches,
        }
    }

    /// Takes a message that reached this process at `arrived`.
    pub fn push(&mut self, message: Message, from: Peer, arrived: Instant) {
        let shard = match self.endpoints.len() {
            1 => 0,
            _ => self.shards.of(message.call_id().as_bytes()),
        };
        let batch = &mut self.batches[shard];
        if batch.messages.is_empty() {
            batch.arrived = arrived;
        }
        batch.messages.push((message, from));
    }

    /// Hands every batch over. True if one was not taken because its shard is full: it stays
    /// here, in order, and goes first next time.
    pub fn flush(&mut self) -> bool {
        let mut full = false;
        for (batch, (endpoint, backlog)) in self.batches.iter_mut().zip(&self.endpoints) {
            if batch.messages.is_empty() {
                continue;
            }
            let arrived = batch.arrived;
            let order = Received {
                batch: std::mem::take(&mut batch.messages),
                arrived,
                ticket: backlog.ticket(),
            };
            match endpoint.try_send(order) {
                // a stopped endpoint has no use for messages
                Ok(()) | Err(SendError::Closed(_)) => {}
                Err(SendError::Full(Received { batch: kept, .. })) => {
                    batch.messages = kept;
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
            .map(|batch| batch.messages.drain(..).count())
            .sum()
    }
}
