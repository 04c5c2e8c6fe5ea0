use super::{
    EndpointHandle, Incoming, Target,
    forwarding::{TIMER_C, hindered},
    orders::{EndForward, TakeBack, TryTarget},
};
use crate::sip::{
    codec::{Message, Method},
    proxy::{self, Hindrance, LoopMark, Onward, Outcome},
};
use std::time::Duration;
use tokio::sync::oneshot;

/// A request that someone forwards: to one target after the other, until one of them takes it.
///
/// The endpoint does the rest of what a stateful proxy must (RFC 3261 §16): responses, CANCEL,
/// timer C, repeated 2xx, and what comes later within a dialog that leads by us. A refusal is told
/// *before* it goes back, so that another target may be tried, or the request answered otherwise.
/// When this is dropped the best refusal goes back.
pub struct Proxied {
    endpoint: EndpointHandle,
    incoming: Incoming,
    mark: LoopMark,
    is_over: bool,
}

impl EndpointHandle {
    /// Takes a request to forward it.
    ///
    /// Errors: why it may not go on (RFC 3261 §16.3); it is answered then.
    pub fn forward(&self, incoming: Incoming) -> Result<Proxied, Hindrance> {
        let mark = LoopMark::of(&incoming.request, self.loop_key());
        if let Err(hindrance) = proxy::check(&incoming.request, mark) {
            self.respond(incoming.key, hindered(&incoming.request, &hindrance));
            return Err(hindrance);
        }
        Ok(Proxied {
            endpoint: self.clone(),
            incoming,
            mark,
            is_over: false,
        })
    }
}

impl Proxied {
    /// The request as it was received.
    pub fn request(&self) -> &Message {
        &self.incoming.request
    }

    /// Tries one target and waits until its final response has gone back, or it has none to give.
    ///
    /// `limit` is how long the target may stay undecided, an INVITE from its latest provisional
    /// response on: if `None`, timer C (185 s) for INVITE, and for others as long as their
    /// transaction lives.
    pub async fn try_target(
        &mut self,
        onward: &Onward,
        target: Target,
        limit: Option<Duration>,
    ) -> Outcome {
        let request = &self.incoming.request;
        let (report, outcome) = oneshot::channel();
        let order = TryTarget {
            key: self.incoming.key,
            request: request.clone(),
            source: self.incoming.source,
            mark: self.mark,
            onward: onward.apply(request),
            target,
            limit: limit.or_else(|| request.is(&Method::Invite).then_some(TIMER_C)),
            record: onward.record_route && opens_dialog(request),
            report,
        };
        if self.endpoint.addr().try_send(order).is_err() {
            self.endpoint.metrics().mailbox_full.increment(1);
            return Outcome::Unreachable;
        }
        // without a report the sender was answered meanwhile: it cancelled
        let outcome = outcome.await.unwrap_or(Outcome::Cancelled);
        self.is_over = matches!(outcome, Outcome::Relayed(_) | Outcome::Cancelled);
        outcome
    }

    /// Gives the request back to be answered otherwise; nothing of what was tried goes back any
    /// more. `None` if it has its answer already.
    pub async fn take_back(mut self) -> Option<Incoming> {
        let order = TakeBack(self.incoming.key);
        let is_open = self.endpoint.addr().send(order).await.unwrap_or(false);
        self.is_over = is_open;
        is_open.then(|| self.incoming.clone())
    }
}

/// Whether later requests follow the way of this one.
fn opens_dialog(request: &Message) -> bool {
    let opens = [Method::Invite, Method::Subscribe, Method::Refer];
    opens.iter().any(|method| request.is(method))
}

impl Drop for Proxied {
    fn drop(&mut self) {
        // also after the last word: the endpoint waits for this to forget the request
        let order = EndForward {
            key: self.incoming.key,
            request: self.incoming.request.clone(),
            is_over: self.is_over,
        };
        self.endpoint.addr().do_send(order);
    }
}
