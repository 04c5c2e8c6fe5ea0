//! The end that was called.
use super::{Dialog, DialogEvent, DialogHandle, DialogNews, EndedBy, Reply, Stage};
use crate::{
    clock,
    sip::{
        actor::{EndpointHandle, Incoming},
        codec::{Builder, Message, Method, Name},
        dialog::{self, Acceptance, Overdue, SessionTimer, TooSmall},
        transaction::ServerKey,
    },
};
use actix::prelude::*;

/// How an INVITE is going to be answered.
#[derive(Clone, Debug)]
pub struct AnswerOptions {
    /// The value of our Contact header, such as `<sip:bob@192.0.2.1:5060>;+g.oma.sip-im`.
    pub contact: String,
}

/// The INVITE could not become a dialog, and is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("INVITE refused with {status}")]
pub struct Refused {
    /// The status it was answered with.
    pub status: u16,
}

/// An INVITE that someone waits to see answered. If its dialog dies, it is answered all the same.
pub(super) struct Owed {
    endpoint: EndpointHandle,
    key: ServerKey,
    request: Message,
    tag: String,
    paid: bool,
}

impl Owed {
    fn respond(&mut self, response: Message) {
        self.paid |= response.code().is_some_and(|code| code >= 200);
        self.endpoint.respond(self.key, response);
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if !self.paid {
            let response = Builder::response(&self.request, 500).to_tag(&self.tag);
            self.endpoint.respond(self.key, response.build());
        }
    }
}

/// A 2xx of ours whose ACK has not come.
pub(super) struct Awaiting {
    acceptance: Acceptance,
    key: ServerKey,
    response: Message,
    /// The user hung up meanwhile, with this Reason.
    pub bye: Option<Option<String>>,
}

impl Dialog {
    /// Takes an INVITE from outside any dialog into a dialog of its own.
    ///
    /// `events` is told what happens from now on; the user answers through the handle. Errors:
    /// the INVITE can open no dialog, or the bound on dialogs is reached; it is answered then.
    pub fn answer(
        endpoint: &EndpointHandle,
        incoming: Incoming,
        options: AnswerOptions,
        events: Recipient<DialogEvent>,
    ) -> Result<DialogHandle, Refused> {
        let Incoming {
            key,
            request,
            source,
            ..
        } = incoming;
        let tag = endpoint.new_tag();
        let refuse = |status| {
            let response = Builder::response(&request, status).to_tag(&tag);
            endpoint.respond(key, response.build());
            Refused { status }
        };
        let state =
            dialog::Dialog::callee(&request, &tag).map_err(|error| refuse(error.status()))?;
        let mut session = SessionTimer::new(endpoint.config().session_policy());
        if let Err(too_small) = session.judge(&request) {
            return Err(refuse_interval(endpoint, key, &request, &tag, too_small));
        }
        let mut seat = endpoint.admit().map_err(|_| refuse(503))?;
        let owed = Owed {
            endpoint: endpoint.clone(),
            key,
            request: request.detached(),
            tag: tag.clone(),
            paid: false,
        };
        let mut number = None;
        let addr = Self::create(|ctx| {
            seat.take(&tag, ctx.address().recipient());
            endpoint.watch_cancel(key, ctx.address().recipient());
            let limit = endpoint.config().timers.undecided();
            ctx.run_later(limit, |this, ctx| this.ring_out_unanswered(ctx));
            let stage = Stage::Ringing(owed);
            let mut dialog = Self::new(endpoint.clone(), events, options.contact, stage, seat);
            dialog.state = Some(state);
            dialog.flow = Some(source);
            dialog.session = session;
            number = Some(dialog.number);
            dialog
        });
        let number = number.expect("create calls its argument before it returns");
        Ok(DialogHandle::new(number, addr))
    }

    /// The user forgot the call.
    fn ring_out_unanswered(&mut self, ctx: &mut Context<Self>) {
        if let Stage::Ringing(_) = self.stage {
            self.end_early(480);
            self.ended(EndedBy::Timeout, None);
            self.leave(ctx);
        }
    }

    pub(super) fn reply(&mut self, reply: &Reply, ctx: &mut Context<Self>) {
        let Stage::Ringing(owed) = &mut self.stage else {
            return;
        };
        let draft = reply.draft(&owed.request, &owed.tag, &self.contact);
        match reply.code {
            ..200 => owed.respond(draft.build()),
            200..300 => self.accept(reply, draft, ctx),
            _ => {
                owed.respond(draft.build());
                self.ended(EndedBy::Local, None);
                self.leave(ctx);
            }
        }
    }

    fn accept(&mut self, reply: &Reply, draft: Builder, ctx: &mut Context<Self>) {
        let Stage::Ringing(mut owed) = std::mem::replace(&mut self.stage, Stage::Confirmed(None))
        else {
            return;
        };
        let response = self
            .accept_session(&owed.request, reply, draft, ctx)
            .build();
        owed.respond(response.clone());
        if let Some(state) = &mut self.state {
            // at the callee there is no response to read anything from
            let _ = state.confirm(None);
        }
        self.await_ack(owed.key, &owed.request, response, ctx);
    }

    /// Repeats a 2xx to INVITE until its ACK comes.
    pub(super) fn await_ack(
        &mut self,
        key: ServerKey,
        invite: &Message,
        response: Message,
        ctx: &mut Context<Self>,
    ) {
        let Ok(cseq) = invite.cseq() else { return };
        let timers = self.endpoint.config().timers;
        let acceptance = Acceptance::start(cseq.number, &timers, clock::now());
        self.awaiting = Some(Awaiting {
            acceptance,
            key,
            response,
            bye: None,
        });
        self.arm(ctx);
    }

    fn arm(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let Some(awaiting) = &self.awaiting else {
            return;
        };
        let wait = awaiting
            .acceptance
            .next_timeout()
            .saturating_duration_since(clock::now());
        self.timer = Some(ctx.run_later(wait, |this, ctx| {
            this.timer = None;
            this.handle_overdue(ctx);
        }));
    }

    fn handle_overdue(&mut self, ctx: &mut Context<Self>) {
        let timers = self.endpoint.config().timers;
        let Some(awaiting) = &mut self.awaiting else {
            return;
        };
        match awaiting.acceptance.handle_timeout(&timers, clock::now()) {
            Some(Overdue::GiveUp) => {
                self.awaiting = None;
                return self.send_bye(EndedBy::Timeout, None, ctx);
            }
            Some(Overdue::Again) => self
                .endpoint
                .respond(awaiting.key, awaiting.response.clone()),
            None => {}
        }
        self.arm(ctx);
    }

    pub(super) fn handle_ack(&mut self, ack: Message, ctx: &mut Context<Self>) {
        let number = ack.cseq().map(|cseq| cseq.number);
        let fits = self.awaiting.as_ref().is_some_and(|awaiting| {
            number.is_ok_and(|number| awaiting.acceptance.is_acknowledged_by(number))
        });
        if !fits {
            return;
        }
        let awaiting = self.awaiting.take();
        self.arm(ctx);
        self.tell(DialogNews::Confirmed(ack), ctx);
        if let Some(reason) = awaiting.and_then(|awaiting| awaiting.bye) {
            self.send_bye(EndedBy::Local, reason, ctx);
        }
    }

    pub(super) fn handle_cancelled(&mut self, key: ServerKey, ctx: &mut Context<Self>) {
        match &mut self.stage {
            Stage::Ringing(owed) if owed.key == key => {
                let response = Reply::new(487).build(&owed.request, &owed.tag, &self.contact);
                owed.respond(response);
                self.tell_last(DialogNews::Cancelled);
                self.leave(ctx);
            }
            _ => self.handle_withdrawn(key, ctx),
        }
    }

    /// Answers an INVITE that is still open.
    pub(super) fn end_early(&mut self, code: u16) {
        if let Stage::Ringing(owed) = &mut self.stage {
            let response = Reply::new(code).build(&owed.request, &owed.tag, &self.contact);
            owed.respond(response);
        }
    }

    /// The tag of our responses; in a confirmed dialog the request carries it already.
    pub(super) fn local_tag(&self) -> String {
        let state = self.state.as_ref();
        state
            .map(|state| state.id().local_tag.to_string())
            .unwrap_or_default()
    }

    pub(super) fn is_offer(request: &Message) -> bool {
        request.is(&Method::Invite) || request.is(&Method::Update)
    }
}

/// The session would have to be refreshed more often than we want (RFC 4028 §9).
fn refuse_interval(
    endpoint: &EndpointHandle,
    key: ServerKey,
    invite: &Message,
    tag: &str,
    too_small: TooSmall,
) -> Refused {
    let response = Builder::response(invite, 422)
        .to_tag(tag)
        .value(Name::MinSe, too_small.least);
    endpoint.respond(key, response.build());
    Refused { status: 422 }
}
