//! Whose message it was that a REPORT tells of.
use super::Strand;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};

/// Messages that are remembered; the oldest are forgotten first.
const MOST: usize = 512;

/// The near sessions by the messages they sent last.
#[derive(Default)]
pub(super) struct Reports {
    senders: HashMap<Bytes, Strand>,
    order: VecDeque<Bytes>,
}

impl Reports {
    /// Notes who sends a message.
    pub(super) fn note(&mut self, message_id: &[u8], strand: Strand) {
        if let Some(sender) = self.senders.get_mut(message_id) {
            *sender = strand;
            return;
        }
        if self.order.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.senders.remove(&oldest);
        }
        // a slice would keep its whole read buffer alive
        let id = Bytes::copy_from_slice(message_id);
        self.order.push_back(id.clone());
        self.senders.insert(id, strand);
    }

    /// Returns who sent a message, if that is known.
    pub(super) fn sender(&self, message_id: &[u8]) -> Option<Strand> {
        self.senders.get(message_id).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_sender_is_remembered_and_the_oldest_message_forgotten() {
        let mut reports = Reports::default();
        reports.note(b"m0", Strand(1));
        reports.note(b"m0", Strand(2));
        assert_eq!(reports.sender(b"m0"), Some(Strand(2)));
        for number in 1..=MOST {
            reports.note(format!("m{number}").as_bytes(), Strand(3));
        }
        assert_eq!(reports.sender(b"m0"), None);
        assert_eq!(reports.sender(b"m1"), Some(Strand(3)));
        assert_eq!(reports.senders.len(), MOST);
    }
}
