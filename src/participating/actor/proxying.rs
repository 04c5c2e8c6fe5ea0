//! A server that does not participate: requests go on as they are, and this server stays on the
//! way of what follows (flows S2, S4 and R3; RFC 3261 §16).
use super::{Services, call::Call, deposit, disposition, drain, pager, precedence::is_behind};
use crate::{
    identity::Address,
    neighbours::Role,
    participating::{Participation, routing::Route},
    policy::{Attempt, Next, after_attempt},
    sip::{
        actor::{Incoming, Proxied, Target},
        codec::{Method, Name},
        proxy::{Onward, Outcome},
    },
    sip_core::{Binding, Reply},
    trail,
};
use std::{rc::Rc, time::Duration};

/// Whether a request that takes `route` goes on as it is.
///
/// A server that participates makes calls and messages its own, and lets everything else pass:
/// what opens a subscription elsewhere, for one.
pub(super) fn concerns(services: &Services, incoming: &Incoming, route: &Route) -> bool {
    let method = incoming.request.method();
    let may_be_ours = matches!(
        method,
        Some(Method::Invite | Method::Message | Method::Options)
    );
    let (mode, is_core) = match services.neighbours.is_core_only() {
        true => (Participation::Proxy, true),
        false => (services.config.mode, false),
    };
    match (route, mode) {
        (Route::Onward(..), Participation::Proxy) => true,
        (Route::Onward(..), Participation::B2bua) => !may_be_ours,
        // notifications are booked where they may be kept
        (Route::Subscriber(_), Participation::Proxy) if is_notice(services, incoming) => false,
        (Route::Subscriber(_), Participation::Proxy) => may_be_ours || is_core,
        _ => false,
    }
}

fn is_notice(services: &Services, incoming: &Incoming) -> bool {
    services.neighbours.plays(Role::Deferred)
        && incoming.request.is(&Method::Message)
        && disposition::notice(services, &incoming.request).is_some()
}

/// Sends a request on that takes `route`.
pub(super) async fn forward(
    services: Rc<Services>,
    incoming: Incoming,
    sender: Address,
    route: Route,
) {
    let onward = changed(&services, &incoming, &sender);
    let proxied = match services.endpoint.forward(incoming) {
        Ok(proxied) => proxied,
        Err(hindrance) => return services.metrics.refused(hindrance.kind()),
    };
    match route {
        Route::Onward(_, hop) => {
            let onward = Onward {
                routes: hop.route().into_iter().collect(),
                ..onward
            };
            let mut proxied = proxied;
            proxied.try_target(&onward, Target::Message, None).await;
        }
        Route::Subscriber(recipient) => {
            let at_home = AtHome {
                services,
                onward,
                sender,
                recipient,
            };
            at_home.serve(proxied).await;
        }
        _ => {}
    }
}

/// What is changed whichever way a request goes: who proved to be its sender is asserted, unless
/// a neighbour who is believed says it already.
fn changed(services: &Services, incoming: &Incoming, sender: &Address) -> Onward {
    let is_believed = services.neighbours.trusts(incoming.source.addr.ip())
        && incoming.request.has(Name::PAssertedIdentity);
    Onward {
        asserted: (!is_believed).then(|| format!("<{sender}>")),
        realm: Some(services.core.realm().to_owned()),
        record_route: true,
        trace: trail::traceparent(),
        ..Onward::default()
    }
}

/// A request for a subscriber whose home is here.
struct AtHome {
    services: Rc<Services>,
    onward: Onward,
    sender: Address,
    recipient: Address,
}

impl AtHome {
    async fn serve(self, mut proxied: Proxied) {
        let services = &self.services;
        let request = proxied.request();
        let bindings = services.devices_of(&self.recipient);
        let is_kept = !request.is(&Method::Options) && !pager::is_not_to_wait(request);
        // what waits elsewhere is none of our business
        let waits = !bindings.is_empty()
            && is_kept
            && services.neighbours.plays(Role::Deferred)
            && is_behind(services, request, &self.sender, &self.recipient).await;
        let next = match waits {
            true => Some(Next::Defer("older messages wait")),
            false => self.try_devices(&mut proxied, &bindings).await,
        };
        match next {
            Some(Next::Defer(reason)) if is_kept => self.defer(proxied, reason).await,
            Some(Next::Defer(_)) => self.refuse(proxied).await,
            // what the devices said goes back by itself
            Some(Next::Pass(_)) | None => {}
        }
    }

    /// Nobody is there, and nobody keeps it: the sender is told, also where all were silent.
    async fn refuse(&self, proxied: Proxied) {
        if let Some(incoming) = proxied.take_back().await {
            self.services.reply(&incoming, &Reply::new(480));
        }
    }

    /// Tries the devices one after the other; `None` if the sender has its answer.
    async fn try_devices(&self, proxied: &mut Proxied, bindings: &[Binding]) -> Option<Next> {
        let services = &self.services;
        let limit = limit(services, proxied);
        let mut verdict = after_attempt(Attempt::NoBinding);
        for binding in bindings {
            let onward = Onward {
                uri: Some(binding.contact.to_string()),
                routes: binding.path.clone(),
                ..self.onward.clone()
            };
            let target = pager::target(binding);
            let outcome = proxied.try_target(&onward, target, Some(limit)).await;
            if outcome == Outcome::Cancelled {
                return None;
            }
            let tried = attempt(outcome);
            let is_there = tried.is_none_or(|it| matches!(after_attempt(it), Next::Pass(_)));
            drain::heard_of(services, &self.recipient, binding, is_there);
            verdict = after_attempt(tried?);
        }
        Some(verdict)
    }

    /// The deferred function takes it: here, or at the server that plays it.
    async fn defer(self, mut proxied: Proxied, reason: &'static str) {
        if self.services.neighbours.plays(Role::Deferred) {
            return Box::pin(self.keep(proxied, reason)).await;
        }
        let Some(hop) = self.services.neighbours.at(Role::Deferred) else {
            return self.refuse(proxied).await;
        };
        tracing::debug!(target: trail::TARGET, call_id = %proxied.request().call_id(), reason, "request diverted");
        let onward = Onward {
            routes: hop.route().into_iter().collect(),
            ..self.onward
        };
        proxied.try_target(&onward, Target::Message, None).await;
        drain::mail_for(&self.services, &self.recipient);
    }

    async fn keep(self, proxied: Proxied, reason: &'static str) {
        let Self {
            services,
            sender,
            recipient,
            ..
        } = self;
        let Some(incoming) = proxied.take_back().await else {
            return;
        };
        if incoming.request.is(&Method::Message) {
            return Box::pin(pager::keep(&services, &incoming, sender, recipient, reason)).await;
        }
        if let Some(call) = Call::begin(&services, incoming, sender, recipient) {
            Box::pin(deposit::deposit(call, reason)).await;
        }
    }
}

/// How long a device may take.
fn limit(services: &Services, proxied: &Proxied) -> Duration {
    match proxied.request().is(&Method::Invite) {
        true => services.config.ring_timeout,
        false => services.config.message_timeout,
    }
}

/// What a try says about the receiver; `None` if the sender has its answer.
fn attempt(outcome: Outcome) -> Option<Attempt> {
    match outcome {
        Outcome::Relayed(_) | Outcome::Cancelled => None,
        Outcome::Refused(code) => Some(Attempt::Refused(code)),
        Outcome::RangOut => Some(Attempt::TimerCancelled),
        Outcome::Silent | Outcome::Unreachable => Some(Attempt::NoAnswer),
    }
}
