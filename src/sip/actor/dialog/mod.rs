//! One INVITE dialog: the machines of [`crate::sip::dialog`], with time and messages.
mod asking;
mod callee;
mod caller;
mod handle;
mod inside;
mod news;
mod refresh;

pub use callee::{AnswerOptions, Refused};
pub use caller::InviteOptions;
pub use handle::DialogHandle;
pub use news::{DialogEvent, DialogNews, DialogNumber, EndReason, EndedBy, Extra, Reply};

use super::{
    Cancelled, ClientEvent, ClientEventKind, EndpointHandle, Target, handle::Seat,
    orders::DialogMail,
};
use crate::sip::{
    SharedResponder,
    codec::{Host, Message, NameAddr, Uri},
    dialog::{self, SessionTimer, Turns},
    transaction::{Peer, RequestId, ServerKey},
};
use actix::prelude::*;
use asking::Purpose;
use bytes::Bytes;
use callee::{Awaiting, Owed};
use caller::Calling;
use handle::Order;
use hashbrown::HashMap;
use std::time::Instant;

/// Mail and orders that may wait for one dialog.
const MAILBOX: usize = 64;

/// Runs one dialog opened by INVITE, as caller or as callee. Reached through a [`DialogHandle`].
///
/// Its user must have room for the news: if its mailbox is full, nobody can follow the dialog,
/// and the dialog hangs up. A user of many dialogs sets its mailbox accordingly.
pub struct Dialog {
    number: DialogNumber,
    endpoint: EndpointHandle,
    events: Recipient<DialogEvent>,
    contact: String,
    stage: Stage,
    state: Option<dialog::Dialog>,
    /// The neighbour the other end was heard through.
    flow: Option<Peer>,
    turns: Turns,
    session: SessionTimer,
    session_timer: Option<(Instant, SpawnHandle)>,
    /// Our latest session description, while a refresh may have to repeat it.
    description: Option<Bytes>,
    awaiting: Option<Awaiting>,
    /// Requests of ours within the dialog.
    requests: HashMap<RequestId, Purpose>,
    /// Requests of theirs the user has to answer.
    open: HashMap<ServerKey, Message>,
    responder: Option<SharedResponder>,
    /// The ACK of our latest re-INVITE, for when its 2xx comes again.
    last_ack: Option<(u32, Message)>,
    timer: Option<SpawnHandle>,
    told_last: bool,
    _seat: Seat,
}

enum Stage {
    /// Callee: theirs to be answered.
    Ringing(Owed),
    /// Caller: ours to be answered.
    Calling(Box<Calling>),
    /// Confirmed. The caller keeps the call, for repeated 2xx and those of other branches.
    Confirmed(Option<Box<Calling>>),
    /// Over for the user; a BYE may still wait for its answer.
    Leaving,
}

impl Dialog {
    fn new(
        endpoint: EndpointHandle,
        events: Recipient<DialogEvent>,
        contact: String,
        stage: Stage,
        seat: Seat,
    ) -> Self {
        let session = SessionTimer::new(endpoint.config().session_policy());
        Self {
            number: DialogNumber::next(),
            endpoint,
            events,
            contact,
            stage,
            state: None,
            flow: None,
            turns: Turns::default(),
            session,
            session_timer: None,
            description: None,
            awaiting: None,
            requests: HashMap::new(),
            open: HashMap::new(),
            responder: None,
            last_ack: None,
            timer: None,
            told_last: false,
            _seat: seat,
        }
    }

    fn tell(&mut self, news: DialogNews, ctx: &mut Context<Self>) {
        let event = DialogEvent {
            dialog: self.number,
            news,
        };
        match self.events.try_send(event) {
            Ok(()) => {}
            // nobody can follow this dialog any more: it must not go on unseen
            Err(SendError::Full(_)) => {
                self.endpoint.metrics().user_full.increment(1);
                self.hang_up(None, ctx);
            }
            Err(SendError::Closed(_)) => self.hang_up(None, ctx),
        }
    }

    /// The last news; the user always has room for it: it is one per dialog.
    fn tell_last(&mut self, news: DialogNews) {
        if !std::mem::replace(&mut self.told_last, true) {
            self.events.do_send(DialogEvent {
                dialog: self.number,
                news,
            });
        }
    }

    fn ended(&mut self, by: EndedBy, reason: Option<String>) {
        self.tell_last(DialogNews::Ended(EndReason { by, reason }));
    }

    /// Stops once nothing is waited for.
    fn leave(&mut self, ctx: &mut Context<Self>) {
        self.stage = Stage::Leaving;
        if self.requests.values().all(|purpose| purpose.done) {
            ctx.stop();
        }
    }

    fn hang_up(&mut self, reason: Option<String>, ctx: &mut Context<Self>) {
        match &mut self.stage {
            Stage::Ringing(_) => self.reply(&Reply::new(603), ctx),
            Stage::Calling(_) => self.cancel_call(),
            Stage::Confirmed(_) => match &mut self.awaiting {
                // RFC 3261 §15: not before the ACK
                Some(awaiting) => awaiting.bye = Some(reason),
                None => self.send_bye(EndedBy::Local, reason, ctx),
            },
            Stage::Leaving => {}
        }
    }

    /// The way to the other end: over the stream it was heard on, if that leads to where the
    /// dialog points, otherwise as the dialog says.
    fn target(&self) -> Target {
        match &self.state {
            Some(state) => self.way_to(&state.next_hop()),
            None => Target::Message,
        }
    }

    fn way_to(&self, hop: &str) -> Target {
        match self.flow.filter(|flow| flow.transport.is_reliable()) {
            Some(flow) if address_of(hop) == Some(flow.addr.ip()) => Target::Flow(flow),
            _ => Target::Message,
        }
    }

    fn sign(&mut self, request: crate::sip::codec::Builder) -> Message {
        match &self.responder {
            Some(responder) => self.endpoint.signed(&mut responder.lock(), request),
            None => request.build(),
        }
    }
}

fn address_of(uri: &str) -> Option<std::net::IpAddr> {
    match Uri::parse(uri).ok()? {
        Uri::Sip(uri) => match uri.host {
            Host::Name(name) if name.eq_ignore_ascii_case("localhost") => {
                Some([127, 0, 0, 1].into())
            }
            host => host.address(),
        },
        _ => None,
    }
}

/// `value` as an address with a tag: `"A" <sip:a@b>;tag=t`.
fn with_tag(value: &str, tag: &str) -> String {
    match NameAddr::parse(value) {
        // a bare address with parameters of its own would swallow the tag
        Ok(address) if !value.contains('<') => format!("<{}>;tag={tag}", address.uri),
        _ => format!("{value};tag={tag}"),
    }
}

impl Actor for Dialog {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<Order> for Dialog {
    type Result = ();

    fn handle(&mut self, order: Order, ctx: &mut Context<Self>) {
        match order {
            Order::Reply(reply) => self.reply(&reply, ctx),
            Order::Answer(key, reply) => self.answer_inside(key, &reply, ctx),
            Order::Request(method, extra) => self.request_inside(method, &extra, ctx),
            Order::HangUp(reason) => self.hang_up(reason, ctx),
        }
    }
}

impl Handler<DialogMail> for Dialog {
    type Result = ();

    fn handle(&mut self, mail: DialogMail, ctx: &mut Context<Self>) {
        match mail {
            DialogMail::Request {
                key,
                request,
                source,
            } => self.handle_request(key, request, source, ctx),
            DialogMail::Ack(ack) => self.handle_ack(ack, ctx),
        }
    }
}

impl Handler<ClientEvent> for Dialog {
    type Result = ();

    fn handle(&mut self, event: ClientEvent, ctx: &mut Context<Self>) {
        if let ClientEventKind::Response { from, .. } = &event.kind {
            self.flow = Some(*from);
        }
        match self.requests.contains_key(&event.id) {
            true => self.handle_response_inside(event, ctx),
            false => self.handle_call_event(event, ctx),
        }
    }
}

impl Handler<Cancelled> for Dialog {
    type Result = ();

    fn handle(&mut self, Cancelled { key }: Cancelled, ctx: &mut Context<Self>) {
        self.handle_cancelled(key, ctx);
    }
}
