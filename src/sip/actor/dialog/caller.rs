//! The end that calls.
use super::{
    Dialog, DialogEvent, DialogHandle, DialogNews, Extra, Stage, asking::with_allow, with_tag,
};
use crate::{
    clock,
    digest::Account,
    sip::{
        Responder, SharedResponder,
        actor::{Busy, ClientEvent, ClientEventKind, EndpointHandle, Target},
        codec::{Builder, Message, Method, Name},
        dialog::{self, Call, SessionTimer, Verdict},
        transaction::RequestId,
    },
};
use actix::prelude::*;
use std::time::Duration;

/// An INVITE to be.
#[derive(Clone, Debug)]
pub struct InviteOptions {
    /// The Request-URI.
    pub uri: String,
    /// The value of From, without tag.
    pub from: String,
    /// The value of To.
    pub to: String,
    /// The value of our Contact header, such as `<sip:alice@192.0.2.1:5060>;+g.oma.sip-im`.
    pub contact: String,
    /// The values of Route headers, in order.
    pub routes: Vec<String>,
    /// Further headers and the body.
    pub extra: Extra,
    /// Where it goes.
    pub target: Target,
    /// The Call-ID; it must belong to the endpoint's shard. A fresh one if `None`.
    pub call_id: Option<String>,
    /// Who answers a digest challenge, if one comes.
    pub account: Option<Account>,
    /// The same for a user with many requests: challenges met before are answered at once, and
    /// every use of a nonce is counted once. Goes before `account`.
    pub responder: Option<SharedResponder>,
    /// How long it may ring before it is cancelled; the configured time if `None`.
    pub ring_timeout: Option<Duration>,
    /// Hops it may still take: fewer than the call that it goes on from had.
    pub max_forwards: u32,
}

/// Hops a new request may take (RFC 3261 §8.1.1.6).
const MAX_FORWARDS: u32 = 70;

impl InviteOptions {
    /// An INVITE to `uri`, which is also To, going where the Request-URI says.
    pub fn new(
        uri: impl Into<String>,
        from: impl Into<String>,
        contact: impl Into<String>,
    ) -> Self {
        let uri = uri.into();
        Self {
            to: format!("<{uri}>"),
            uri,
            from: from.into(),
            contact: contact.into(),
            routes: Vec::new(),
            extra: Extra::new(),
            target: Target::Message,
            call_id: None,
            account: None,
            responder: None,
            ring_timeout: None,
            max_forwards: MAX_FORWARDS,
        }
    }
}

/// An INVITE of ours on its way.
pub(super) struct Calling {
    draft: Builder,
    target: Target,
    number: u32,
    id: RequestId,
    call: Call,
    /// What the signed request carried, for its ACK.
    invite: Message,
    attempts: u32,
    /// Why we cancelled: the status the user is told.
    cancelled: Option<u16>,
}

/// Rounds of challenge and answer for one call.
const MAX_ATTEMPTS: u32 = 4;

impl Dialog {
    /// Calls. `events` is told what happens; the user goes on through the handle.
    ///
    /// Errors: the bound on dialogs is reached; nothing was sent.
    pub fn invite(
        endpoint: &EndpointHandle,
        options: InviteOptions,
        events: Recipient<DialogEvent>,
    ) -> Result<DialogHandle, Busy> {
        let mut seat = endpoint.admit()?;
        let tag = endpoint.new_tag();
        let draft = draft(endpoint, &options, &tag);
        let responder = responder(&options);
        let mut session = SessionTimer::new(endpoint.config().session_policy());
        let invite = attempt(endpoint, &draft, 1, &mut session, responder.as_ref());
        let call = Call::new(invite.clone()).map_err(|_| Busy)?;
        let ring = options
            .ring_timeout
            .unwrap_or(endpoint.config().ring_timeout);
        let mut number = None;
        let addr = Self::create(|ctx| {
            seat.take(&tag, ctx.address().recipient());
            let id = endpoint.request(invite.clone(), options.target, ctx.address().recipient());
            ctx.run_later(ring, |this, _| this.ring_out());
            let calling = Calling {
                draft,
                target: options.target,
                number: 1,
                id,
                call,
                invite,
                attempts: 0,
                cancelled: None,
            };
            let stage = Stage::Calling(Box::new(calling));
            let mut dialog = Self::new(endpoint.clone(), events, options.contact, stage, seat);
            dialog.responder = responder;
            dialog.session = session;
            dialog.description = options.extra.description();
            number = Some(dialog.number);
            dialog
        });
        let number = number.expect("create calls its argument before it returns");
        Ok(DialogHandle::new(number, addr))
    }

    /// It rang too long: cancelled, and told as 408.
    fn ring_out(&mut self) {
        if let Stage::Calling(calling) = &mut self.stage {
            calling.cancelled.get_or_insert(408);
        }
        self.cancel_call();
    }

    pub(super) fn cancel_call(&mut self) {
        let Stage::Calling(calling) = &mut self.stage else {
            return;
        };
        calling.cancelled.get_or_insert(487);
        if calling.call.cancel() {
            self.endpoint.cancel(calling.id);
        }
    }

    pub(super) fn handle_call_event(&mut self, event: ClientEvent, ctx: &mut Context<Self>) {
        let calling = match &mut self.stage {
            Stage::Calling(calling) => calling,
            Stage::Confirmed(Some(calling)) => calling,
            _ => return,
        };
        if calling.id != event.id {
            return;
        }
        let cancelled = calling.cancelled;
        match event.kind {
            ClientEventKind::Response { message, .. } => self.handle_call_response(message, ctx),
            // once answered the call no longer depends on its transaction
            _ if matches!(self.stage, Stage::Confirmed(_)) => {}
            ClientEventKind::TimedOut => self.fail(cancelled.unwrap_or(408), None, ctx),
            ClientEventKind::TransportFailed => self.fail(503, None, ctx),
        }
    }

    fn handle_call_response(&mut self, response: Message, ctx: &mut Context<Self>) {
        if self.answer_challenge(&response, ctx) || self.ask_for_more(&response, ctx) {
            return;
        }
        let (Stage::Calling(calling) | Stage::Confirmed(Some(calling))) = &mut self.stage else {
            return;
        };
        match calling.call.handle_response(&response) {
            Verdict::Provisional => {
                if response.code() != Some(100) {
                    self.tell(DialogNews::Provisional(response), ctx);
                }
            }
            Verdict::Answered(state) => self.answered(*state, response, ctx),
            Verdict::Repeated(ack) => self.send_ack(ack),
            Verdict::Unwanted { ack, bye } => self.turn_away(ack, bye, ctx),
            Verdict::Failed => {
                let (code, cancelled) = (response.code().unwrap_or(500), calling.cancelled);
                let code = if code == 487 {
                    cancelled.unwrap_or(code)
                } else {
                    code
                };
                self.fail(code, Some(response), ctx);
            }
            Verdict::Broken(_) => self.fail(502, Some(response), ctx),
            Verdict::Ignored => {}
        }
    }

    /// Sends the INVITE once more, signed, if `response` is a challenge we can answer.
    fn answer_challenge(&mut self, response: &Message, ctx: &Context<Self>) -> bool {
        let (Stage::Calling(calling), Some(responder)) = (&mut self.stage, &self.responder) else {
            return false;
        };
        if calling.cancelled.is_some() || calling.attempts >= MAX_ATTEMPTS {
            return false;
        }
        match responder.lock().learn(response) {
            Some(stale) if stale || calling.attempts == 0 => {}
            _ => return false,
        }
        calling.attempts += 1;
        self.call_again(ctx)
    }

    /// Sends the INVITE once more with a longer session interval, if `response` asks for one
    /// (RFC 4028 §7.3).
    fn ask_for_more(&mut self, response: &Message, ctx: &Context<Self>) -> bool {
        let Stage::Calling(calling) = &self.stage else {
            return false;
        };
        let is_open = response.code() == Some(422) && calling.cancelled.is_none();
        is_open && self.session.handle_too_small(response) && self.call_again(ctx)
    }

    fn call_again(&mut self, ctx: &Context<Self>) -> bool {
        let Stage::Calling(calling) = &mut self.stage else {
            return false;
        };
        calling.number += 1;
        let invite = attempt(
            &self.endpoint,
            &calling.draft,
            calling.number,
            &mut self.session,
            self.responder.as_ref(),
        );
        let Ok(call) = Call::new(invite.clone()) else {
            return false;
        };
        calling.call = call;
        calling.invite = invite.clone();
        calling.id = self
            .endpoint
            .request(invite, calling.target, ctx.address().recipient());
        true
    }

    fn answered(&mut self, state: dialog::Dialog, response: Message, ctx: &mut Context<Self>) {
        let Stage::Calling(mut calling) = std::mem::replace(&mut self.stage, Stage::Leaving) else {
            return;
        };
        // the ACK carries the credentials of its INVITE (RFC 3261 §13.2.2.4)
        let ack = state
            .ack(calling.number)
            .copy(&calling.invite, Name::Authorization)
            .copy(&calling.invite, Name::ProxyAuthorization)
            .build();
        calling.call.acknowledged(state.id(), ack.clone());
        // a confirmed call is not made again: its body need not be kept
        calling.draft = Builder::request(Method::Invite, "");
        self.state = Some(state);
        self.stage = Stage::Confirmed(Some(calling));
        self.send_ack(ack);
        self.session.handle_success(&response, clock::now());
        self.described(None);
        self.arm_session(ctx);
        self.tell(DialogNews::Answered(response), ctx);
    }

    pub(super) fn send_ack(&self, ack: Message) {
        self.endpoint.send_ack(ack, self.target());
    }

    /// A 2xx nobody wants: of another branch, or crossed by our CANCEL.
    fn turn_away(&mut self, ack: Message, bye: Message, ctx: &mut Context<Self>) {
        let target = match ack.has(Name::Route) {
            true => Target::Message,
            false => self.way_to(ack.uri_text()),
        };
        self.endpoint.send_ack(ack, target);
        self.send_stray_bye(bye, target, ctx);
        let cancelled = match &self.stage {
            Stage::Calling(calling) => calling.cancelled,
            _ => None,
        };
        if let Some(code) = cancelled {
            self.fail(code, None, ctx);
        }
    }

    fn fail(&mut self, code: u16, message: Option<Message>, ctx: &mut Context<Self>) {
        self.tell_last(DialogNews::Failed { code, message });
        self.leave(ctx);
    }
}

fn responder(options: &InviteOptions) -> Option<SharedResponder> {
    let own = |account: &Account| SharedResponder::new(Responder::new(account.clone()).into());
    let shared = options.responder.clone();
    shared.or_else(|| options.account.as_ref().map(own))
}

/// Everything of the INVITE but what differs from one attempt to the next.
fn draft(endpoint: &EndpointHandle, options: &InviteOptions, tag: &str) -> Builder {
    let builder = Builder::request(Method::Invite, &options.uri);
    let routes = options.routes.iter();
    let builder = routes.fold(builder, |builder, route| builder.header(Name::Route, route));
    let call_id = options
        .call_id
        .clone()
        .unwrap_or_else(|| endpoint.new_call_id());
    let builder = builder
        .header(Name::MaxForwards, options.max_forwards.to_string())
        .header(Name::From, with_tag(&options.from, tag))
        .header(Name::To, &options.to)
        .header(Name::CallId, call_id)
        .header(Name::Contact, &options.contact)
        .header(Name::Supported, "timer");
    options.extra.apply(with_allow(builder, &options.extra))
}

/// The INVITE with its CSeq, the session interval it asks for, and credentials if they are known.
fn attempt(
    endpoint: &EndpointHandle,
    draft: &Builder,
    number: u32,
    session: &mut SessionTimer,
    responder: Option<&SharedResponder>,
) -> Message {
    let cseq = format!("{number} INVITE");
    let invite = session.ask(draft.clone().header(Name::CSeq, cseq));
    match responder {
        Some(responder) => endpoint.signed(&mut responder.lock(), invite),
        None => invite.build(),
    }
}
