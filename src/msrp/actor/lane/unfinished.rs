//! Messages of which some chunks have passed and the last one has not.
use crate::msrp::{Continuation, FailureReport, OutgoingHead};
use bytes::Bytes;
use std::collections::HashMap;

/// Most messages of one sender that are followed. Who has more of them open at once is not helped
/// to give them up one by one: they end with the session.
const MOST: usize = 256;

/// The messages a far side waits for more of, and what giving one up looks like.
#[derive(Default)]
pub(super) struct Unfinished(HashMap<Bytes, OutgoingHead>);

impl Unfinished {
    /// Notes that a chunk of a message has ended.
    pub(super) fn note(&mut self, head: &OutgoingHead, flag: Continuation) {
        match flag {
            Continuation::MoreChunks if self.0.len() < MOST => {
                if let Some(known) = self.0.get_mut(&head.message_id) {
                    known.byte_range = head.byte_range;
                    return;
                }
                let end = end_of(head);
                self.0.insert(end.message_id.clone(), end);
            }
            Continuation::MoreChunks => {}
            Continuation::Complete | Continuation::Aborted => {
                self.remove(&head.message_id);
            }
        }
    }

    pub(super) fn has(&self, message_id: &[u8]) -> bool {
        !self.0.is_empty() && self.0.contains_key(message_id)
    }

    pub(super) fn remove(&mut self, message_id: &[u8]) -> Option<OutgoingHead> {
        match self.0.is_empty() {
            true => None,
            false => self.0.remove(message_id),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &Bytes> {
        self.0.keys()
    }
}

impl IntoIterator for Unfinished {
    type Item = OutgoingHead;
    type IntoIter = std::collections::hash_map::IntoValues<Bytes, OutgoingHead>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_values()
    }
}

/// The SEND without a body that gives the message of `head` up. It holds copies: a slice would
/// keep its whole read buffer alive.
fn end_of(head: &OutgoingHead) -> OutgoingHead {
    let mut end = OutgoingHead::new(Bytes::copy_from_slice(&head.message_id), "");
    end.byte_range = head.byte_range;
    end.failure_report = FailureReport::No;
    end
}
