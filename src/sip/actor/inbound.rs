//! How what arrived finds its people: the user, a dialog, or who sent the request.
use super::{
    Cancelled, ClientEvent, ClientEventKind, Endpoint, Incoming, RequestFailed,
    orders::{DialogMail, Sink},
};
use crate::{
    clock, net,
    sip::{
        codec::{Builder, Message, Method, Name},
        proxy,
        transaction::{Dropped, Peer, RequestId, ServerKey},
    },
};
use actix::prelude::*;

/// Who is told when an INVITE is cancelled.
pub(super) enum Watch {
    Nobody {
        cancelled: bool,
    },
    Somebody(Recipient<Cancelled>),
    /// It is being forwarded, as this number.
    Forward(usize),
}

impl Endpoint {
    /// A new request: to its dialog, on along its route, or to the user.
    pub(super) fn deliver(
        &mut self,
        key: ServerKey,
        request: Message,
        from: Peer,
        ctx: &mut Context<Self>,
    ) {
        if request.is(&Method::Invite) {
            self.invites.insert(key, Watch::Nobody { cancelled: false });
        }
        let arrived = proxy::arrive(&request, &self.ourselves);
        let came_by_route = arrived.is_some();
        let request = arrived.unwrap_or(request);
        let tag = request
            .to()
            .ok()
            .and_then(|to| to.tag().map(Box::<str>::from));
        match tag {
            Some(tag) if came_by_route && self.leads_on(&tag, &request) => {
                self.forward_inside(key, request, from, ctx);
            }
            Some(tag) => self.deliver_inside(&tag, key, request, from),
            None => self.deliver_outside(key, request, from),
        }
    }

    fn deliver_inside(&mut self, tag: &str, key: ServerKey, request: Message, from: Peer) {
        let Some(dialog) = self.dialogs.get(tag) else {
            // what else lives in dialogs is looked after by the user
            let elsewhere = [Method::Subscribe, Method::Notify, Method::Refer];
            return match elsewhere.iter().any(|method| request.is(method)) {
                true => self.deliver_outside(key, request, from),
                false => self.refuse(key, &request, 481),
            };
        };
        match dialog.try_send(DialogMail::Request {
            key,
            request,
            source: from,
        }) {
            Ok(()) => {}
            Err(SendError::Full(DialogMail::Request { request, .. })) => {
                self.metrics.user_full.increment(1);
                self.refuse(key, &request, 503);
            }
            Err(SendError::Closed(DialogMail::Request { request, .. })) => {
                self.refuse(key, &request, 481)
            }
            Err(_) => {}
        }
    }

    fn deliver_outside(&mut self, key: ServerKey, request: Message, from: Peer) {
        let incoming = Incoming {
            key,
            class: self.class_of(&request, from),
            request,
            source: from,
            arrived: self.arrived,
        };
        match self.user.try_send(incoming) {
            Ok(()) => {}
            Err(SendError::Full(Incoming { request, .. })) => {
                self.metrics.user_full.increment(1);
                self.refuse(key, &request, 503);
            }
            Err(SendError::Closed(Incoming { request, .. })) => self.refuse(key, &request, 500),
        }
    }

    /// Whether a request that came by our Route belongs to a dialog of others.
    fn leads_on(&self, tag: &str, request: &Message) -> bool {
        !self.dialogs.contains_key(tag) && !self.is_for_us(request)
    }

    pub(super) fn deliver_ack(&mut self, request: Message, ctx: &mut Context<Self>) {
        let to = request.to().ok();
        let tag = to.as_ref().and_then(|to| to.tag());
        let dialog = tag.and_then(|tag| self.dialogs.get(tag));
        if dialog.is_none()
            && let Some(arrived) = proxy::arrive(&request, &self.ourselves)
            && !self.is_for_us(&arrived)
        {
            return self.forward_ack(&arrived, ctx);
        }
        match dialog.map(|dialog| dialog.try_send(DialogMail::Ack(request))) {
            Some(Ok(())) => {}
            // the 2xx is repeated, and so is its ACK
            Some(Err(_)) => self.metrics.mailbox_full.increment(1),
            None => self.metrics.stray_ack.increment(1),
        }
    }

    fn refuse(&mut self, key: ServerKey, request: &Message, code: u16) {
        let mut response = Builder::response(request, code).to_tag(&net::random_token(8));
        if code == 503 {
            response = response.header(Name::RetryAfter, self.shared.retry_after().to_string());
        }
        self.respond(key, response.build());
    }

    pub(super) fn respond(&mut self, key: ServerKey, response: Message) {
        if response.code().is_some_and(|code| code >= 200) {
            self.invites.remove(&key);
        }
        if self.layer.respond(key, response, clock::now()).is_err() {
            self.metrics.dropped(Dropped::Misplaced);
        }
    }

    pub(super) fn cancelled(&mut self, key: ServerKey) {
        match self.invites.get_mut(&key) {
            // the watcher answers 487: one message per INVITE it took
            Some(Watch::Somebody(watcher)) => watcher.do_send(Cancelled { key }),
            Some(Watch::Nobody { cancelled }) => *cancelled = true,
            Some(Watch::Forward(number)) => {
                let number = *number;
                self.forward_cancelled(number);
            }
            None => {}
        }
    }

    pub(super) fn tell(&mut self, id: RequestId, kind: ClientEventKind) {
        if self.fails_over(id, &kind) {
            return;
        }
        let name = self.failover.name_of(id);
        if let Some(Sink::Forward(number)) = self.sinks.get(&id) {
            let number = *number;
            return self.branch_told(number, name, kind);
        }
        let is_final = match &kind {
            ClientEventKind::Response { message, .. } => {
                message.code().is_some_and(|code| code >= 200)
            }
            _ => true,
        };
        match self.sinks.get_mut(&id) {
            Some(Sink::Actor { user, told }) => {
                let event = ClientEvent { id: name, kind };
                match is_final && !std::mem::replace(told, is_final) {
                    // one per request the user sent
                    true => user.do_send(event),
                    // provisional and repeated responses are as many as the peer likes
                    false if user.try_send(event).is_err() => self.metrics.user_full.increment(1),
                    false => {}
                }
            }
            Some(Sink::Once(_)) if is_final => {
                if let Some(Sink::Once(answer)) = self.sinks.remove(&id) {
                    // who asked may have gone
                    let _ = answer.send(outcome(kind));
                }
            }
            _ => {}
        }
    }
}

fn outcome(kind: ClientEventKind) -> Result<Message, RequestFailed> {
    match kind {
        ClientEventKind::Response { message, .. } => Ok(message),
        ClientEventKind::TimedOut => Err(RequestFailed::TimedOut),
        ClientEventKind::TransportFailed => Err(RequestFailed::Transport),
    }
}
