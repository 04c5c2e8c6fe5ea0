//! How a lane ends, and what becomes of messages that do not reach their end.
use super::{Lane, NO_SESSION, Passing, unfinished::Unfinished};
use crate::msrp::{Continuation, OutgoingHead, OutgoingId};
use bytes::Bytes;

impl Lane {
    /// Tells whether the far side waits for more of this message.
    pub(in crate::msrp::actor) fn has_begun(&self, message_id: &[u8]) -> bool {
        let current = self.current.as_ref();
        self.unfinished.has(message_id)
            || current.is_some_and(|passing| passing.head.message_id == message_id)
    }

    /// Returns the messages that the far side waits for more of.
    pub(in crate::msrp::actor) fn begun(&self) -> impl Iterator<Item = &Bytes> {
        let current = self
            .current
            .as_ref()
            .map(|passing| &passing.head.message_id);
        self.unfinished.ids().chain(current)
    }

    /// Gives a message up that comes anew by another way: the far side forgets what it has of it,
    /// and who sends it here is asked to stop.
    pub(in crate::msrp::actor) fn give_up(&mut self, message_id: &[u8], code: u16) {
        let is_it = |passing: &mut Passing| passing.head.message_id == message_id;
        if let Some(passing) = self.current.take_if(is_it) {
            self.abort_open(&passing);
            self.from.respond(passing.chunk, code);
        }
        if let Some(head) = self.unfinished.remove(message_id) {
            self.abort(head);
        }
    }

    /// Tells whether nothing is on its way: nothing open, nothing unfinished, nothing unanswered.
    pub(in crate::msrp::actor) fn is_quiet(&self) -> bool {
        self.current.is_none()
            && self.early.is_empty()
            && self.unfinished.is_empty()
            && self.unanswered().next().is_none()
    }

    /// Returns what was sent on and will be answered yet: silence means success to what wants to
    /// hear of errors only.
    pub(in crate::msrp::actor) fn unanswered(&self) -> impl Iterator<Item = OutgoingId> {
        let sent = self.under_way.keys().copied();
        sent.filter(|id| !self.quiet.contains(id))
    }

    /// The far side is over: whoever waits for its answer gets ours.
    pub(in crate::msrp::actor) fn lose_way(&mut self) {
        self.lost = true;
        self.open_way();
        let current = self.current.take().map(|passing| passing.chunk);
        let waiting = self.under_way.drain().map(|(_, chunk)| chunk);
        for chunk in waiting.chain(current) {
            self.from.respond(chunk, NO_SESSION);
        }
        self.quiet.clear();
        self.unfinished = Unfinished::default();
    }

    /// The near side is over: what it left unfinished is given up.
    pub(in crate::msrp::actor) fn lose_source(&mut self) {
        if let Some(passing) = self.current.take() {
            self.abort_open(&passing);
        }
        for head in std::mem::take(&mut self.unfinished) {
            self.abort(head);
        }
        self.early.clear();
        self.under_way.clear();
        self.quiet.clear();
    }

    /// Ends the open chunk so that its message is given up with it.
    pub(super) fn abort_open(&mut self, passing: &Passing) {
        if let Some(id) = passing.outgoing {
            self.unfinished.remove(&passing.head.message_id);
            // without a far side there is nobody to tell
            let _ = self.to.end(id, Continuation::Aborted);
        }
    }

    /// Gives a message up between two of its chunks.
    fn abort(&mut self, head: OutgoingHead) {
        let begun = self.to.begin_regardless(head);
        // without a far side there is nobody to tell
        let _ = begun.and_then(|id| self.to.end(id, Continuation::Aborted));
    }
}
