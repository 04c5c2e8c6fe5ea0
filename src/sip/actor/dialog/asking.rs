//! Requests of ours within the dialog.
use super::{Dialog, DialogNews, EndedBy, Extra, Stage};
use crate::{
    clock,
    sip::{
        actor::{ClientEvent, ClientEventKind, RequestFailed, Target},
        codec::{Builder, Message, Method, Name},
        transaction::RequestId,
    },
};
use actix::prelude::*;

/// What a request of ours within the dialog is for.
#[derive(Clone)]
pub(super) struct Purpose {
    pub method: Method,
    number: u32,
    pub extra: Extra,
    /// Challenges answered before.
    attempts: u32,
    /// Refusals for glare before, each of which was waited out.
    pub glares: u32,
    pub errand: Errand,
    /// Answered; kept only to acknowledge a 2xx that comes again.
    pub done: bool,
}

/// Who wants a request of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// The user, who is told what becomes of it.
    User,
    /// The session timer.
    Refresh,
    /// A BYE that ends the branch of a fork: nobody is told.
    Stray,
}

/// Rounds of challenge and answer for one request.
const MAX_ATTEMPTS: u32 = 4;

impl Purpose {
    pub fn new(method: Method, extra: Extra, errand: Errand) -> Self {
        Self {
            method,
            number: 0,
            extra,
            attempts: 0,
            glares: 0,
            errand,
            done: false,
        }
    }

    /// Whether it takes a turn: a body-less UPDATE changes nothing that an offer could cross.
    pub fn is_offer(&self) -> bool {
        match self.method {
            Method::Invite => true,
            Method::Update => self.extra.has_body(),
            _ => false,
        }
    }

    /// Whether it refreshes the session, whatever else it is for (RFC 4028 §7.2).
    pub fn is_refresh(&self) -> bool {
        matches!(self.method, Method::Invite | Method::Update)
    }
}

impl Dialog {
    pub(super) fn request_inside(
        &mut self,
        method: Method,
        extra: &Extra,
        ctx: &mut Context<Self>,
    ) {
        if !matches!(self.stage, Stage::Confirmed(_)) {
            return;
        }
        self.begin(Purpose::new(method, extra.clone(), Errand::User), ctx);
    }

    /// Sends a request as soon as it is our turn.
    pub(super) fn begin(&mut self, purpose: Purpose, ctx: &mut Context<Self>) {
        match !purpose.is_offer() || self.turns.begin_ours() {
            true => self.send(purpose, ctx),
            false => self.wait_for_turn(purpose, ctx),
        }
    }

    fn send(&mut self, mut purpose: Purpose, ctx: &Context<Self>) {
        let Some(state) = &mut self.state else { return };
        let mut builder = state
            .request(purpose.method.clone())
            .header(Name::Supported, "timer");
        purpose.number = state.local_seq();
        if has_contact(&purpose.method) {
            builder = builder.header(Name::Contact, &self.contact);
        }
        if purpose.is_refresh() {
            builder = self.session.ask(with_allow(builder, &purpose.extra));
        }
        let request = self.sign(purpose.extra.apply(builder));
        let id = self
            .endpoint
            .request(request, self.target(), ctx.address().recipient());
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
        self.send(Purpose::new(Method::Bye, extra, Errand::User), ctx);
        self.ended(by, reason);
        self.leave(ctx);
    }

    pub(super) fn send_stray_bye(&mut self, bye: Message, target: Target, ctx: &Context<Self>) {
        let id = self
            .endpoint
            .request(bye, target, ctx.address().recipient());
        let mut purpose = Purpose::new(Method::Bye, Extra::new(), Errand::Stray);
        purpose.attempts = MAX_ATTEMPTS;
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
        id: RequestId,
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
        self.conclude(&purpose, outcome, ctx);
        match self.stage {
            Stage::Leaving => self.leave(ctx),
            _ => {
                // a 2xx comes again for the latest one at most
                self.requests.retain(|_, earlier| !earlier.done);
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
        if purpose.is_offer() {
            self.turns.end_ours();
        }
        if matches!(self.stage, Stage::Leaving) {
            return self.leave(ctx);
        }
        if purpose.errand == Errand::Stray || self.try_again(&purpose, &outcome, ctx) {
            return;
        }
        let gone = match &outcome {
            // RFC 3261 §12.2.1.2
            Ok(response) => matches!(response.code(), Some(408 | 481)),
            Err(_) => true,
        };
        self.conclude(&purpose, outcome, ctx);
        if gone {
            self.send_bye(EndedBy::Error, None, ctx);
        }
    }

    /// A request of ours has its final response.
    pub(super) fn conclude(
        &mut self,
        purpose: &Purpose,
        outcome: Result<Message, RequestFailed>,
        ctx: &mut Context<Self>,
    ) {
        let accepted = outcome.as_ref().ok();
        let accepted = accepted.filter(|response| matches!(response.code(), Some(200..300)));
        if let (true, Some(response)) = (purpose.is_refresh(), accepted) {
            if let Some(state) = &mut self.state {
                state.refresh_target(response);
            }
            self.session.handle_success(response, clock::now());
            self.described(purpose.extra.description());
            self.arm_session(ctx);
        }
        if purpose.errand == Errand::User {
            let method = purpose.method.clone();
            self.tell(DialogNews::Responded { method, outcome }, ctx);
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
        let mut again = purpose.clone();
        again.attempts += 1;
        self.send(again, ctx);
        true
    }
}

fn has_contact(method: &Method) -> bool {
    matches!(
        method,
        Method::Invite | Method::Update | Method::Refer | Method::Subscribe
    )
}

/// Tells what we take, unless the user does (RFC 3261 §13.2.1).
pub(super) fn with_allow(builder: Builder, extra: &Extra) -> Builder {
    match extra.has(Name::Allow) {
        true => builder,
        false => builder.header(Name::Allow, ALLOW),
    }
}

/// What the users of dialogs take, in and out of them.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, UPDATE, OPTIONS, MESSAGE";
