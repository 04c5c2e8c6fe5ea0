//! Tells trusted neighbours what share of their requests to hold back, and heeds what they tell
//! (RFC 7339).
use super::{ClientEventKind, Endpoint, outbound::Outbound};
use crate::{
    clock, net,
    overload::{Class, Valve},
    sip::{
        codec::{Builder, Message, Name},
        feedback::{Feedback, Sequence, Throttle, is_asked_for},
        transaction::{Peer, RequestId},
    },
};
use std::{net::IpAddr, time::Instant};

/// Neighbours whose word is kept; beyond that those go that count no longer.
const MOST: usize = 1_024;

impl Endpoint {
    /// The valve, where feedback passes between us and this address.
    pub(super) fn listens_to(&self, address: IpAddr) -> Option<&Valve> {
        let valve = self.shared.valve.as_ref()?;
        (valve.config().feedback && valve.trusts(address)).then_some(valve)
    }

    /// Heeds what a response says of the load of who sent it; says ours in the Via of a request
    /// whose sender wants to know.
    pub(super) fn exchange_feedback(
        &mut self,
        message: Message,
        from: Peer,
        now: Instant,
    ) -> Message {
        match message.is_request() {
            true => self.with_feedback(message, from),
            false => {
                self.heed(&message, from, now);
                message
            }
        }
    }

    fn with_feedback(&self, request: Message, from: Peer) -> Message {
        let via = request.raw(Name::Via).unwrap_or_default();
        if memchr::memmem::find(via, b"oc-algo").is_none() {
            return request;
        }
        let Some(valve) = self.listens_to(from.addr.ip()) else {
            return request;
        };
        match request.via() {
            Ok(mut via) if is_asked_for(&via) => {
                let feedback = Feedback {
                    loss: valve.loss(self.shared.shard),
                    validity: valve.config().feedback_validity,
                    sequence: Sequence::of_micros(clock::system_micros()),
                };
                feedback.write(&mut via);
                request.with_top_via_stamped(&via)
            }
            _ => request,
        }
    }

    /// Takes what a neighbour says of its load in a response.
    fn heed(&mut self, response: &Message, from: Peer, now: Instant) {
        let via = response.raw(Name::Via).unwrap_or_default();
        if memchr::memmem::find(via, b"oc-seq").is_none()
            || self.listens_to(from.addr.ip()).is_none()
        {
            return;
        }
        let Some(feedback) = response.via().ok().as_ref().and_then(Feedback::read) else {
            return;
        };
        if self.throttles.len() >= MOST {
            self.throttles.retain(|_, throttle| !throttle.is_over(now));
        }
        let has_room = self.throttles.len() < MOST;
        match self.throttles.get_mut(&from.addr) {
            Some(throttle) => throttle.take(feedback, now),
            None if has_room => {
                self.throttles
                    .insert(from.addr, Throttle::new(feedback, now));
            }
            None => {}
        }
    }

    /// Whether a request is held back because its receiver asked for that.
    pub(super) fn is_held_back(&self, request: &Message, to: Peer) -> bool {
        if self.throttles.is_empty() {
            return false;
        }
        let Some(throttle) = self.throttles.get(&to.addr) else {
            return false;
        };
        throttle.holds_back(net::random_u32(), clock::now())
            && self.class_of(request, to) != Class::Ongoing
    }

    /// Tells who sent the request what the neighbour would have said: 503. It does not have to
    /// rest for that.
    pub(super) fn hold_back(&mut self, id: RequestId, outbound: &Outbound, to: Peer) {
        if let Some(valve) = &self.shared.valve {
            valve.metrics().held_back.increment(1);
        }
        let request = self.signed(outbound, to);
        let message = Builder::response(&request, 503)
            .to_tag(&net::random_token(8))
            .header(Name::RetryAfter, "0")
            .build();
        self.tell(id, ClientEventKind::Response { message, from: to });
        self.ended(id);
    }
}
