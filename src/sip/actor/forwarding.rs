//! How a shard forwards requests: for a flow that chooses the targets, or by itself within dialogs
//! that lead by us (RFC 3261 §16).
use super::{
    ClientEventKind, Endpoint, RequestFailed, Target,
    forwards::Forward,
    inbound::Watch,
    orders::{EndForward, Sink, TakeBack, TryTarget},
    outbound::{Forwarded, Kind, Outbound},
};
use crate::{
    clock, net,
    sip::{
        codec::{Builder, Message, Method, Name},
        proxy::{self, Context as Response, Hindrance, LoopMark, Onward, Step, Steps},
        transaction::{Peer, RequestId, ServerKey},
    },
};
use actix::prelude::*;
use std::time::{Duration, Instant};

/// Timer C: how long a forwarded INVITE may stay without a final response after the latest
/// provisional one. More than three minutes (RFC 3261 §16.6 item 11).
pub(super) const TIMER_C: Duration = Duration::from_secs(185);

/// The way of one branch.
struct Way {
    target: Target,
    /// Timer C.
    limit: Option<Duration>,
    /// Whether later requests of the dialog are to come by us.
    record: bool,
}

impl Endpoint {
    /// Whether a request that came by our Route ends here all the same.
    pub(super) fn is_for_us(&self, request: &Message) -> bool {
        let uri = request.uri().ok();
        let is_ours = uri
            .as_ref()
            .and_then(|uri| uri.as_sip())
            .is_some_and(|uri| self.ourselves.are(uri));
        is_ours && !request.has(Name::Route)
    }

    /// Sends a request within a dialog on that we only stand on the way of.
    pub(super) fn forward_inside(
        &mut self,
        key: ServerKey,
        request: Message,
        from: Peer,
        ctx: &mut Context<Self>,
    ) {
        let mark = LoopMark::of(&request, &self.shared.loop_key);
        if let Err(hindrance) = proxy::check(&request, mark) {
            self.metrics.refused(hindrance.kind());
            let response = hindered(&request, &hindrance);
            return self.respond(key, response);
        }
        let onward = Onward::default().apply(&request);
        let is_invite = request.is(&Method::Invite);
        let context = Response::alone(is_invite);
        let number = self.open(context, key, request, mark, from);
        if let Some(forward) = self.forwards.get_mut(number) {
            forward.attended = false;
        }
        let way = Way {
            target: Target::Message,
            limit: is_invite.then_some(TIMER_C),
            record: false,
        };
        self.branch(number, onward, way, ctx);
    }

    /// Sends the ACK of a 2xx on: no transaction, and nothing to be told.
    pub(super) fn forward_ack(&mut self, ack: &Message, ctx: &mut Context<Self>) {
        let mark = LoopMark::of(ack, &self.shared.loop_key);
        if let Err(hindrance) = proxy::check(ack, mark) {
            return self.metrics.refused(hindrance.kind());
        }
        let mut outbound = Outbound::new(Onward::default().apply(ack), Kind::Ack);
        outbound.forwarded = Some(Forwarded { mark, record: None });
        self.route(outbound, Target::Message, ctx);
    }

    /// Takes a request into the table; an INVITE is told at once that someone sees to it.
    fn open(
        &mut self,
        context: Response,
        key: ServerKey,
        request: Message,
        mark: LoopMark,
        from: Peer,
    ) -> usize {
        let trying = request
            .is(&Method::Invite)
            .then(|| Builder::response(&request, 100).build());
        let open = self.metrics.open_forward();
        let forward = Forward::new(context, key, request, mark, from.transport, open);
        let number = self.forwards.insert(forward);
        if let Some(trying) = trying {
            self.respond(key, trying);
            let before = self.invites.insert(key, Watch::Forward(number));
            if let Some(Watch::Nobody { cancelled: true }) = before {
                self.forward_cancelled(number);
            }
        }
        number
    }

    /// Tries one target.
    fn branch(&mut self, number: usize, onward: Message, way: Way, ctx: &mut Context<Self>) {
        let id = self.shared.next_request();
        let Some(forward) = self.forwards.get_mut(number) else {
            return;
        };
        forward.context.try_target(id, way.limit, clock::now());
        forward.branches += 1;
        let mut outbound = Outbound::new(onward, Kind::Request(id));
        outbound.forwarded = Some(Forwarded {
            mark: forward.mark,
            record: way.record.then_some(forward.came),
        });
        self.sinks.insert(id, Sink::Forward(number));
        self.route(outbound, way.target, ctx);
        self.forwards.settle(number);
    }

    /// Something became of a branch.
    pub(super) fn branch_told(&mut self, number: usize, id: RequestId, kind: ClientEventKind) {
        let Some(forward) = self.forwards.get_mut(number) else {
            return;
        };
        let steps = match kind {
            ClientEventKind::Response { message, .. } => {
                let response = message.without_top_via();
                forward.context.handle_response(id, response, clock::now())
            }
            ClientEventKind::TimedOut => forward.context.handle_silence(id),
            ClientEventKind::TransportFailed => forward.context.handle_unreachable(id, 503),
        };
        self.perform_steps(number, steps);
    }

    /// A request failed before the transaction table knew it.
    pub(super) fn untold(&mut self, sink: Sink, id: RequestId, why: RequestFailed) {
        let Sink::Forward(number) = sink else {
            return sink.fail(id, why);
        };
        let Some(forward) = self.forwards.get_mut(number) else {
            return;
        };
        forward.branches -= 1;
        let code = match why {
            RequestFailed::TooLarge => 513,
            _ => 503,
        };
        let steps = forward.context.handle_unreachable(id, code);
        self.perform_steps(number, steps);
    }

    /// Nothing more will be told about a request.
    pub(super) fn ended(&mut self, id: RequestId) {
        self.failover.forget(id);
        if let Some(Sink::Forward(number)) = self.sinks.remove(&id) {
            if let Some(forward) = self.forwards.get_mut(number) {
                forward.branches -= 1;
            }
            self.forwards.settle(number);
        }
    }

    /// Cancels a request of ours, also one that still waits for its connection.
    pub(super) fn cancel(&mut self, name: RequestId) {
        let id = self.failover.current(name);
        self.failover.settle(id);
        let is_known = self.layer.cancel(id, clock::now());
        if !is_known && let Some(sink) = self.sinks.remove(&id) {
            self.failover.forget(id);
            self.untold(sink, name, RequestFailed::Transport);
        }
    }

    /// The sender of a forwarded INVITE cancelled it.
    pub(super) fn forward_cancelled(&mut self, number: usize) {
        if let Some(forward) = self.forwards.get_mut(number) {
            let steps = forward.context.handle_cancel();
            self.perform_steps(number, steps);
        }
    }

    pub(super) fn handle_forward_timeouts(&mut self, now: Instant) {
        while let Some(number) = self.forwards.due(now) {
            if let Some(forward) = self.forwards.get_mut(number) {
                let steps = forward.context.handle_timeout(now);
                self.perform_steps(number, steps);
            }
        }
    }

    fn perform_steps(&mut self, number: usize, steps: Steps) {
        for step in steps {
            let Some(forward) = self.forwards.get_mut(number) else {
                return;
            };
            let key = forward.key;
            match step {
                Step::Relay(response) => self.respond(key, response),
                Step::Cancel(id) => self.cancel(id),
                Step::Report(outcome) => {
                    // who forwards may have gone
                    let report = forward.report.take();
                    report.map(|report| report.send(outcome));
                }
                Step::Conclude => {
                    let best = forward.context.take_best();
                    let request = forward.request.take();
                    let tag = net::random_token(8);
                    let response = request.and_then(|request| {
                        best.response(&request, request.is(&Method::Invite), &tag)
                    });
                    response
                        .into_iter()
                        .for_each(|response| self.respond(key, response));
                }
                Step::AnswerCancelled => {
                    if let Some(request) = forward.request.take() {
                        let tag = net::random_token(8);
                        let response = Builder::response(&request, 487).to_tag(&tag);
                        self.respond(key, response.build());
                    }
                }
            }
        }
        self.forwards.settle(number);
    }
}

/// The answer to a request that may not go on.
pub(super) fn hindered(request: &Message, hindrance: &Hindrance) -> Message {
    let response = Builder::response(request, hindrance.status()).to_tag(&net::random_token(8));
    match hindrance {
        Hindrance::Extension(unknown) => {
            let unknown = unknown.join(", ");
            response.header(Name::Unsupported, unknown).build()
        }
        _ => response.build(),
    }
}

impl Handler<TryTarget> for Endpoint {
    type Result = ();

    fn handle(&mut self, order: TryTarget, ctx: &mut Context<Self>) {
        let number = match self.forwards.find(order.key) {
            Some(number) => number,
            None => {
                let context = Response::attended(order.request.is(&Method::Invite));
                self.open(context, order.key, order.request, order.mark, order.source)
            }
        };
        let forward = self.forwards.get_mut(number);
        if let Some(forward) = forward.filter(|forward| forward.context.may_try()) {
            forward.report = Some(order.report);
            let way = Way {
                target: order.target,
                limit: order.limit,
                record: order.record,
            };
            self.branch(number, order.onward, way, ctx);
        }
        self.perform_effects(ctx);
    }
}

impl Handler<EndForward> for Endpoint {
    type Result = ();

    fn handle(&mut self, order: EndForward, ctx: &mut Context<Self>) {
        let number = self.forwards.find(order.key);
        match number.and_then(|number| self.forwards.get_mut(number)) {
            Some(forward) => {
                forward.attended = false;
                let steps = forward.context.finish();
                self.perform_steps(number.unwrap_or_default(), steps);
            }
            None if order.is_over => {}
            // nothing was tried
            None => {
                let response = Builder::response(&order.request, 480).to_tag(&net::random_token(8));
                self.respond(order.key, response.build());
            }
        }
        self.perform_effects(ctx);
    }
}

impl Handler<TakeBack> for Endpoint {
    type Result = bool;

    fn handle(&mut self, TakeBack(key): TakeBack, ctx: &mut Context<Self>) -> bool {
        let Some(number) = self.forwards.find(key) else {
            return true;
        };
        let Some(forward) = self.forwards.get_mut(number) else {
            return false;
        };
        forward.attended = false;
        let (may_answer, steps) = forward.context.leave();
        self.perform_steps(number, steps);
        if may_answer && let Some(watch) = self.invites.get_mut(&key) {
            *watch = Watch::Nobody { cancelled: false };
        }
        self.perform_effects(ctx);
        may_answer
    }
}
