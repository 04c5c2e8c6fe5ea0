//! Requests of the other end within the dialog.
use super::{Dialog, DialogNews, EndedBy, Reply, Stage};
use crate::sip::{
    codec::{Message, Method, Name},
    dialog::DialogId,
    transaction::{Peer, ServerKey},
};
use actix::prelude::*;

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
        if let Err(too_small) = self.session.judge(&request) {
            let reply = Reply::new(422).header("Min-SE", too_small.least.to_string());
            return self.respond(key, &request, &reply);
        }
        // nothing to be agreed on: it refreshes session and target
        if request.is(&Method::Update) && request.body().is_empty() {
            return self.agree(key, &request, &Reply::new(200), ctx);
        }
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
        if reply.code >= 200 {
            self.open.remove(&key);
        }
        if !Self::is_offer(&request) || reply.code < 200 {
            return self.respond(key, &request, reply);
        }
        self.turns.end_theirs();
        match reply.is_success() {
            true => self.agree(key, &request, reply, ctx),
            false => self.respond(key, &request, reply),
        }
    }

    /// Accepts a re-INVITE or UPDATE.
    fn agree(&mut self, key: ServerKey, request: &Message, reply: &Reply, ctx: &mut Context<Self>) {
        let draft = reply.draft(request, &self.local_tag(), &self.contact);
        let response = self.accept_session(request, reply, draft, ctx).build();
        self.endpoint.respond(key, response.clone());
        if let Some(state) = &mut self.state {
            state.refresh_target(request);
        }
        if request.is(&Method::Invite) {
            self.await_ack(key, request, response, ctx);
        }
    }

    fn respond(&self, key: ServerKey, request: &Message, reply: &Reply) {
        let response = reply.build(request, &self.local_tag(), &self.contact);
        self.endpoint.respond(key, response);
    }
}
