//! What a device has received.
use crate::{
    clock::Timestamp,
    content::{cpim::Dispositions, imdn::Imdn},
    identity::Address,
};
use bytes::Bytes;
use std::{
    collections::{HashSet, VecDeque},
    path::PathBuf,
    rc::Rc,
};

/// How a message travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// In one SIP MESSAGE.
    Pager,
    /// In MSRP chunks.
    Msrp,
}

/// Where the octets of a received message are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// In memory.
    Bytes(Bytes),
    /// In a file of the spool directory; it belongs to whoever took the message.
    File(PathBuf),
}

/// A received message, its CPIM wrapper taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Who sent it, if that is told.
    pub from: Option<Address>,
    /// The sender's identifier of the message; the Call-ID where there is none.
    pub message_id: String,
    /// When it was sent.
    pub date: Option<Timestamp>,
    /// Its MIME type.
    pub content_type: String,
    /// Its subject.
    pub subject: Option<String>,
    /// Its octets, counted.
    pub size: u64,
    /// SHA-256 of its octets.
    pub sha256: [u8; 32],
    /// Its octets.
    pub body: Body,
    /// How it travelled.
    pub channel: Channel,
    /// What its sender wants to be told.
    pub dispositions: Dispositions,
}

impl Received {
    /// The disposition notifications in this message: what became of messages sent before.
    /// Nothing where it is another message, or its octets are in a file.
    pub fn notifications(&self) -> Vec<Imdn> {
        match &self.body {
            Body::Bytes(octets) => Imdn::all_in(&self.content_type, octets),
            Body::File(_) => Vec::new(),
        }
    }
}

/// Identifiers of messages that came in before; the oldest are forgotten, all with capacity 0.
#[derive(Debug)]
pub(super) struct Seen {
    capacity: usize,
    order: VecDeque<Rc<str>>,
    ids: HashSet<Rc<str>>,
}

impl Seen {
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            order: VecDeque::new(),
            ids: HashSet::new(),
        }
    }

    /// Notes an identifier; `false` if it was there.
    pub fn note(&mut self, id: &str) -> bool {
        let id: Rc<str> = id.into();
        if !self.ids.insert(id.clone()) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifier_is_new_once_until_it_is_forgotten() {
        let mut seen = Seen::new(2);
        assert!(seen.note("a") && !seen.note("a") && seen.note("b"));
        assert!(seen.note("c"), "pushes out the oldest");
        assert!(!seen.note("b") && !seen.note("c") && seen.note("a"));
    }

    #[test]
    fn without_capacity_every_identifier_is_new() {
        let mut seen = Seen::new(0);
        assert!(seen.note("a") && seen.note("a"));
    }
}
