//! What is refused at the door, before it has cost a transaction: everything new while the server
//! ends, a share of it while it has too much to do.
use super::{Endpoint, refusal::refusal};
use crate::{
    clock,
    overload::{Class, Reason, Valve},
    sip::{
        admission::{classify, is_inside},
        codec::{Message, Method, Name, validate},
        transaction::{Dropped, Peer},
    },
};
use std::{
    hash::{BuildHasher, Hash, Hasher},
    time::Instant,
};

/// How long a request that is sent again with the same Call-ID meets the same chance, in seconds.
const SAME_CHANCE: u64 = 8;

/// What a request is to a server that has too much to do: its priority counts where who sent it is
/// trusted.
pub(super) fn class_of(valve: Option<&Valve>, request: &Message, from: Peer) -> Class {
    let believed = valve.filter(|valve| valve.trusts(from.addr.ip()));
    let priority = believed.map_or(&[][..], |valve| &valve.config().priority);
    classify(request, priority)
}

impl Endpoint {
    /// Whether a message is let in. One that is not has its answer.
    pub(super) fn is_let_in(&mut self, message: &Message, from: Peer, now: Instant) -> bool {
        let valve = self.shared.valve.as_ref();
        let is_open = !self.draining && valve.is_none_or(|valve| valve.is_open());
        if (is_open && self.refusals.is_empty()) || !message.is_request() {
            return true;
        }
        let class = self.class_of(message, from);
        if !self.is_refusable(class, message) {
            return true;
        }
        let name = self.name_of(message);
        let refused = match self.refusals.knows(name, now) {
            // it was sent again before its refusal arrived
            true => Some(Reason::Delay),
            false => self.judge(class, message, now),
        };
        let Some(reason) = refused.filter(|_| !self.layer.knows(message)) else {
            return true;
        };
        if !from.transport.is_reliable() {
            self.refusals.note(name, now);
        }
        if let Some(valve) = &self.shared.valve {
            valve.metrics().refused(class, reason);
            let waited = clock::now().saturating_duration_since(self.arrived);
            valve.metrics().refusal.record(waited);
        }
        self.turn_away(message, from);
        false
    }

    /// Whether a message obeys the grammar. A request that does not has its answer.
    pub(super) fn is_valid(&mut self, message: &Message, from: Peer) -> bool {
        let Err(invalid) = validate(message) else {
            return true;
        };
        self.metrics.refused(invalid.kind());
        if let Some((to, response)) = refusal(message, invalid.status(), from) {
            self.answer(to, &response.build());
        }
        false
    }

    /// What a request is to a server that has too much to do.
    pub(super) fn class_of(&self, request: &Message, from: Peer) -> Class {
        class_of(self.shared.valve.as_ref(), request, from)
    }

    fn is_refusable(&self, class: Class, request: &Message) -> bool {
        if class != Class::Ongoing {
            return true;
        }
        // who ends has no time even for what is urgent; another server has
        let is_begun = [Method::Ack, Method::Cancel, Method::Bye, Method::Prack];
        self.draining && !is_inside(request) && !is_begun.iter().any(|method| request.is(method))
    }

    /// Why the request is refused, if it is.
    fn judge(&self, class: Class, request: &Message, now: Instant) -> Option<Reason> {
        if self.draining {
            return Some(Reason::Draining);
        }
        let valve = self.shared.valve.as_ref()?;
        // the same for a request that comes again with the answer to a challenge
        let age = now.saturating_duration_since(self.began).as_secs() / SAME_CHANCE;
        let mut hasher = self.shared.loop_key.build_hasher();
        request.call_id().hash(&mut hasher);
        age.hash(&mut hasher);
        let chance = (hasher.finish() >> 32) as u32;
        valve.admit(self.shared.shard, class, chance).err()
    }

    /// What tells a request from others, repetitions left out.
    fn name_of(&self, request: &Message) -> u64 {
        let mut hasher = self.shared.loop_key.build_hasher();
        request.call_id().hash(&mut hasher);
        request.raw(Name::CSeq).hash(&mut hasher);
        request.raw(Name::Via).hash(&mut hasher);
        hasher.finish()
    }

    /// Answers 503 outside any transaction.
    fn turn_away(&mut self, request: &Message, from: Peer) {
        let Some((to, response)) = refusal(request, 503, from) else {
            return self.metrics.dropped(Dropped::Unreadable);
        };
        let wait = self.shared.retry_after().to_string();
        self.answer(to, &response.header(Name::RetryAfter, wait).build());
    }

    /// Sends a response outside any transaction.
    fn answer(&mut self, to: Peer, response: &Message) {
        self.observe_sent(&to, response);
        if self.wires.send(to, response).is_err() {
            // who gets no answer asks again
            self.metrics.dropped(Dropped::Undeliverable);
        }
    }
}
