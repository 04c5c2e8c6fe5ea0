//! Requests within the dialog, in both directions.
use super::{Dialog, DialogNews, EndedBy, Extra, Reply, Stage};
use crate::sip::{
    actor::{ClientEvent, ClientEventKind, RequestFailed, Target},
    codec::{Builder, Message, Method, Name},
    dialog::DialogId,
    transaction::{Peer, ServerKey},
};
use actix::prelude::*;

/// What a request of ours within the dialog is for.
pub(super) struct Purpose {
    method: Method,
    number: u32,
    extra: Extra,
    attempts: u32,
    /// A BYE that ends the branch of a fork: nobody is told.
    stray: bool,
    /// Answered; kept only to acknowledge a 2xx that comes again.
    pub(super) done: bool,
}

/// Rounds of challenge and answer for one request.
const MAX_ATTEMPTS: u32 = 4;

impl Dialog {
    pub(super) fn handle_request(
        &mut self,
        key: ServerKey,
        request: Message,
        source: Peer,
        ctx: &mut Context<Self>,
    ) {
        let id = DialogId::of_received(&request);
        let refused = match (&mut self.state, &self.stage) {
            (_, Stage::Leaving) if request.is(&Method::Bye) => Some(200),
            (None, _) | (_, Stage::Leaving) => Some(481),
            (Some(state), _) if Some(state.id()) != id.as_ref() => Some(481),
            (Some(state), _) => state
                .handle_request(&request)
                .err()
                .map(|error| error.status()),
        };
        if let Some(status) = refused {
            return self.respond(key, &request, &Reply::new(status));
        }
        self.flow = Some(source);
        match request.method() {
            Some(Method::Bye) => self.handle_bye(key, &request, ctx),
            Some(Method::Invite | Method::Update) => self.handle_offer(key, request, ctx),
            _ => {
                self.open.insert(key, request.clone());
                self.tell(DialogNews::Requested { key, request }, ctx);
            }
        }
    }

    fn handle_bye(&mut self, key: ServerKey, request: &Message, ctx: &mut Context<Self>) {
        self.respond(key, request, &Reply::new(200));
        // the caller may end an early dialog like that too (RFC 3261 §15)
        self.end_early(487);
        // RFC 3261 §15.1.2: what is still open is answered 487
        for (key, request) in std::mem::take(&mut self.open) {
            self.respond(key, &request, &Reply::new(487));
        }
        let reason = request
            .value(Name::Reason)
            .map(|reason| reason.into_owned());
        self.ended(EndedBy::Remote, reason);
        self.awaiting = None;
        self.leave(ctx);
    }

    fn handle_offer(&mut self, key: ServerKey, request: Message, ctx: &mut Context<Self>) {
        if let Err(refusal) = self.turns.begin_theirs() {
            let mut reply = Reply::new(refusal.status());
            if refusal.status() == 500 {
                reply = reply.header("Retry-After", "3");
            }
            return self.respond(key, &request, &reply);
        }
        if request.is(&Method::Invite) {
            self.endpoint.watch_cancel(key, ctx.address().recipient());
        }
        self.open.insert(key, request.clone());
        self.tell(DialogNews::Offered { key, request }, ctx);
    }

    /// Their re-INVITE was cancelled before it was answered.
    pub(super) fn handle_withdrawn(&mut self, key: ServerKey, ctx: &mut Context<Self>) {
        let Some(request) = self.open.remove(&key) else {
            return;
        };
        self.turns.end_theirs();
        self.respond(key, &request, &Reply::new(487));
        self.tell(DialogNews::Withdrawn { key }, ctx);
    }

    pub(super) fn answer_inside(&mut self, key: ServerKey, reply: &Reply, ctx: &mut Context<Self>) {
        let Some(request) = self.open.get(&key).cloned() else {
            return;
        };
        let response = reply.build(&request, &self.local_tag(), &self.contact);
        self.endpoint.respond(key, response.clone());
        if reply.code < 200 {
            return;
        }
        self.open.remove(&key);
        if !Self::is_offer(&request) {
            return;
        }
        self.turns.end_theirs();
        if reply.code >= 300 {
            return;
        }
        if let Some(state) = &mut self.state {
            state.refresh_target(&request);
        }
        if request.is(&Method::Invite) {
            self.await_ack(key, &request, response, ctx);
        }
    }

    fn respond(&self, key: ServerKey, request: &Message, reply: &Reply) {
        let response = reply.build(request, &self.local_tag(), &self.contact);
        self.endpoint.respond(key, response);
    }

    pub(super) fn request_inside(
        &mut self,
        method: Method,
        extra: &Extra,
        ctx: &mut Context<Self>,
    ) {
        if !matches!(self.stage, Stage::Confirmed(_)) {
            return;
        }
        if matches!(method, Method::Invite | Method::Update) && !self.turns.begin_ours() {
            return self.refuse_own_offer(method, extra, ctx);
        }
        self.send(method, extra.clone(), 0, ctx);
    }

    /// Another offer is open: the user is told what the other end would have said.
    fn refuse_own_offer(&mut self, method: Method, extra: &Extra, ctx: &mut Context<Self>) {
        let Some(state) = &mut self.state else { return };
        let request = extra.apply(state.clone().request(method.clone())).build();
        let outcome = Ok(Builder::response(&request, 491).build());
        self.tell(DialogNews::Responded { method, outcome }, ctx);
    }

    fn send(&mut self, method: Method, extra: Extra, attempts: u32, ctx: &Context<Self>) {
        let Some(state) = &mut self.state else { return };
        let mut builder = state.request(method.clone());
        let number = state.local_seq();
        if matches!(
            method,
            Method::Invite | Method::Update | Method::Refer | Method::Subscribe
        ) {
            builder = builder.header(Name::Contact, &self.contact);
        }
        let request = self.sign(extra.apply(builder));
        let id = self
            .endpoint
            .request(request, self.target(), ctx.address().recipient());
        let purpose = Purpose {
            method,
            number,
            extra,
            attempts,
            stray: false,
            done: false,
        };
        self.requests.insert(id, purpose);
    }

    pub(super) fn send_bye(
        &mut self,
        by: EndedBy,
        reason: Option<String>,
        ctx: &mut Context<Self>,
    ) {
        let extra = reason
            .iter()
            .fold(Extra::new(), |extra, reason| extra.header("Reason", reason));
        self.send(Method::Bye, extra, 0, ctx);
        self.ended(by, reason);
        self.leave(ctx);
    }

    pub(super) fn send_stray_bye(&mut self, bye: Message, target: Target, ctx: &Context<Self>) {
        let id = self
            .endpoint
            .request(bye, target, ctx.address().recipient());
        let purpose = Purpose {
            method: Method::Bye,
            number: 0,
            extra: Extra::new(),
            attempts: MAX_ATTEMPTS,
            stray: true,
            done: false,
        };
        self.requests.insert(id, purpose);
    }

    pub(super) fn handle_response_inside(&mut self, event: ClientEvent, ctx: &mut Context<Self>) {
        let outcome = match event.kind {
            ClientEventKind::Response { message, .. }
                if message.code().is_some_and(|code| code < 200) =>
            {
                return;
            }
            ClientEventKind::Response { message, .. } => Ok(message),
            ClientEventKind::TimedOut => Err(RequestFailed::TimedOut),
            ClientEventKind::TransportFailed => Err(RequestFailed::Transport),
        };
        let Some(purpose) = self.requests.remove(&event.id) else {
            return;
        };
        if purpose.method == Method::Invite {
            return self.finish_offer(event.id, purpose, outcome, ctx);
        }
        self.finish(purpose, outcome, ctx);
    }

    /// A re-INVITE: every 2xx of it gets its ACK, also when it comes again.
    fn finish_offer(
        &mut self,
        id: crate::sip::transaction::RequestId,
        mut purpose: Purpose,
        outcome: Result<Message, RequestFailed>,
        ctx: &mut Context<Self>,
    ) {
        if purpose.done && outcome.is_err() {
            return;
        }
        let accepted = outcome
            .as_ref()
            .ok()
            .filter(|response| response.code().is_some_and(|code| code < 300));
        let Some(response) = accepted else {
            return self.finish(purpose, outcome, ctx);
        };
        let repeated = self
            .last_ack
            .as_ref()
            .filter(|(number, _)| *number == purpose.number);
        if let Some((_, ack)) = repeated {
            let ack = ack.clone();
            self.requests.insert(id, purpose);
            return self.send_ack(ack);
        }
        if let Some(state) = &mut self.state {
            state.refresh_target(response);
            let ack = state.ack(purpose.number).build();
            self.last_ack = Some((purpose.number, ack.clone()));
            self.send_ack(ack);
        }
        self.turns.end_ours();
        self.tell(
            DialogNews::Responded {
                method: Method::Invite,
                outcome,
            },
            ctx,
        );
        match self.stage {
            Stage::Leaving => self.leave(ctx),
            _ => {
                purpose.done = true;
                self.requests.insert(id, purpose);
            }
        }
    }

    fn finish(
        &mut self,
        purpose: Purpose,
        outcome: Result<Message, RequestFailed>,
        ctx: &mut Context<Self>,
    ) {
        if self.retry_signed(&purpose, &outcome, ctx) {
            return;
        }
        if matches!(purpose.method, Method::Invite | Method::Update) {
            self.turns.end_ours();
        }
        if matches!(self.stage, Stage::Leaving) || purpose.stray {
            if matches!(self.stage, Stage::Leaving) {
                self.leave(ctx);
            }
            return;
        }
        let gone = match &outcome {
            // RFC 3261 §12.2.1.2
            Ok(response) => matches!(response.code(), Some(408 | 481)),
            Err(_) => true,
        };
        self.tell(
            DialogNews::Responded {
                method: purpose.method,
                outcome,
            },
            ctx,
        );
        if gone {
            self.send_bye(EndedBy::Error, None, ctx);
        }
    }

    fn retry_signed(
        &mut self,
        purpose: &Purpose,
        outcome: &Result<Message, RequestFailed>,
        ctx: &Context<Self>,
    ) -> bool {
        let (Ok(response), Some(responder)) = (outcome, &self.responder) else {
            return false;
        };
        if purpose.attempts >= MAX_ATTEMPTS {
            return false;
        }
        match responder.lock().learn(response) {
            Some(stale) if stale || purpose.attempts == 0 => {}
            _ => return false,
        }
        self.send(
            purpose.method.clone(),
            purpose.extra.clone(),
            purpose.attempts + 1,
            ctx,
        );
        true
    }
}
