//! The session timer of the dialog, and offers that wait for their turn.
use super::{
    Dialog, EndedBy, Extra, Reply, Stage,
    asking::{Errand, Purpose, with_allow},
};
use crate::{
    clock, net,
    sip::{
        actor::RequestFailed,
        codec::{Builder, Message, Method, Name},
        dialog::{SessionDue, Turns},
    },
};
use actix::prelude::*;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// How often one offer waits for its turn before its user is told 491.
const MAX_GLARES: u32 = 5;
/// The Reason of a BYE because nobody refreshed the session.
const LAPSED: &str = "SIP;cause=408;text=\"session expired\"";

impl Dialog {
    /// Adds to our 2xx to an INVITE or UPDATE what it says of the session, which begins anew.
    pub(super) fn accept_session(
        &mut self,
        request: &Message,
        reply: &Reply,
        draft: Builder,
        ctx: &mut Context<Self>,
    ) -> Builder {
        let draft = with_allow(draft, reply.extra()).header(Name::Supported, "timer");
        let draft = self.session.accept(request, draft, clock::now());
        self.described(reply.extra().description());
        self.arm_session(ctx);
        draft
    }

    /// Remembers our latest session description as long as a refresh may have to repeat it.
    pub(super) fn described(&mut self, description: Option<Bytes>) {
        let latest = description.or(self.description.take());
        self.description = latest.filter(|_| self.session.repeats_the_offer());
    }

    /// Keeps one timer, for the next thing to do; one that is too early does no harm.
    pub(super) fn arm_session(&mut self, ctx: &mut Context<Self>) {
        let Some(next) = self.session.next_timeout() else {
            return;
        };
        if let Some((armed, timer)) = self.session_timer {
            if armed <= next {
                return;
            }
            ctx.cancel_future(timer);
        }
        let wait = next.saturating_duration_since(clock::now());
        let timer = ctx.run_later(wait, |this, ctx| {
            this.session_timer = None;
            this.handle_session_timeout(ctx);
        });
        self.session_timer = Some((next, timer));
    }

    fn handle_session_timeout(&mut self, ctx: &mut Context<Self>) {
        if !matches!(self.stage, Stage::Confirmed(_)) {
            return;
        }
        match self.session.handle_timeout(clock::now()) {
            Some(SessionDue::Refresh) => self.refresh(ctx),
            Some(SessionDue::Lapse) => {
                return self.send_bye(EndedBy::Timeout, Some(LAPSED.to_owned()), ctx);
            }
            None => {}
        }
        self.arm_session(ctx);
    }

    /// Refreshes the session: by UPDATE, or by a re-INVITE with the description that stands
    /// (RFC 4028 §7.4).
    fn refresh(&mut self, ctx: &mut Context<Self>) {
        let purpose = match (self.session.method(), &self.description) {
            (Method::Invite, Some(description)) => {
                let extra = Extra::new().body("application/sdp", description.clone());
                Purpose::new(Method::Invite, extra, Errand::Refresh)
            }
            // without an offer the 2xx would have one, for us to answer
            _ => Purpose::new(Method::Update, Extra::new(), Errand::Refresh),
        };
        self.begin(purpose, ctx);
    }

    /// Another offer is open.
    pub(super) fn wait_for_turn(&mut self, purpose: Purpose, ctx: &mut Context<Self>) {
        if purpose.glares < MAX_GLARES {
            return self.begin_later(purpose, ctx);
        }
        let Some(state) = &self.state else { return };
        let request = state.clone().request(purpose.method.clone());
        let outcome = Ok(Builder::response(&request.build(), 491).build());
        self.conclude(&purpose, outcome, ctx);
    }

    /// The offers of both ends crossed: each waits, one longer than the other (RFC 3261 §14.1).
    fn begin_later(&mut self, mut purpose: Purpose, ctx: &mut Context<Self>) {
        let Some(state) = &self.state else { return };
        let wait = Turns::retry_after(state.side(), net::random_u64());
        purpose.glares += 1;
        ctx.run_later(wait, |this, ctx| {
            if matches!(this.stage, Stage::Confirmed(_)) {
                this.begin(purpose, ctx);
            }
        });
    }

    /// Whether a refusal of our re-INVITE or UPDATE is dealt with, or will be.
    pub(super) fn try_again(
        &mut self,
        purpose: &Purpose,
        outcome: &Result<Message, RequestFailed>,
        ctx: &mut Context<Self>,
    ) -> bool {
        let Ok(response) = outcome else { return false };
        let is_refresh = purpose.errand == Errand::Refresh;
        match response.code() {
            Some(491) if purpose.is_refresh() && purpose.glares < MAX_GLARES => {
                self.begin_later(purpose.clone(), ctx);
            }
            Some(422) if purpose.is_refresh() && self.session.handle_too_small(response) => {
                self.begin(purpose.clone(), ctx);
            }
            Some(405 | 501) if is_refresh && purpose.method == Method::Update => {
                self.session.forget_update();
                if self.description.is_some() {
                    self.refresh(ctx);
                }
            }
            Some(500 | 503) if is_refresh => match retry_after(response, clock::now()) {
                Some(at) => {
                    self.session.refresh_at(at);
                    self.arm_session(ctx);
                }
                None => return false,
            },
            _ => return false,
        }
        true
    }
}

/// When the other end wants to be asked again: not at once, or two ends could keep each other busy.
fn retry_after(response: &Message, now: Instant) -> Option<Instant> {
    const LONGEST: u32 = 3_600;
    let seconds = response.retry_after()?.clamp(1, LONGEST);
    Some(now + Duration::from_secs(seconds.into()))
}
