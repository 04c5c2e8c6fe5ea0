use super::{Services, channel::Unfit, feed::feed};
use crate::{
    clock,
    content::multipart::{self, Part},
    identity::Address,
    participating::{facts::Origin, invitation, metrics::Open},
    profile::mime,
    sdp::{self, SessionDescription},
    sip::{
        actor::{AnswerOptions, Dialog, DialogEvent, DialogHandle, DialogNews, Incoming, Reply},
        codec::{Message, Name},
    },
    sip_core, trail,
};
use bytes::Bytes;
use std::{rc::Rc, sync::atomic::Ordering};
use tokio::sync::mpsc::UnboundedReceiver;

/// An INVITE from one of our users, in a dialog of its own and not answered yet.
pub(super) struct Call {
    pub services: Rc<Services>,
    pub request: Message,
    pub sender: Address,
    pub recipient: Address,
    pub offer: SessionDescription,
    /// Bodies that came beside the offer.
    pub parts: Vec<Part>,
    /// A neighbour calls as the focus of a group, which is the sender.
    pub is_of_group: bool,
    pub dialog: DialogHandle,
    pub news: UnboundedReceiver<DialogEvent>,
    _seat: Seat,
}

/// One of the calls that the process may have open; given back however the call ends.
struct Seat {
    services: Rc<Services>,
    _open: Open,
}

impl Seat {
    fn take(services: &Rc<Services>) -> Option<Self> {
        let open = services.sessions.fetch_add(1, Ordering::Relaxed);
        let seat = Self {
            services: services.clone(),
            _open: services.metrics.open_session(),
        };
        (open < services.config.max_sessions).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.services.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Call {
    /// Takes an INVITE in, or answers why not.
    pub fn begin(
        services: &Rc<Services>,
        incoming: Incoming,
        sender: Address,
        recipient: Address,
    ) -> Option<Self> {
        let Some(seat) = Seat::take(services) else {
            let busy = sip_core::Reply::new(503).with(Name::RetryAfter, "5");
            services.refuse(&incoming, &busy, "max_sessions");
            return None;
        };
        let (offer, parts) = match bodies(&incoming.request) {
            Ok(bodies) => bodies,
            Err(refusal) => {
                services.refuse(&incoming, &refusal.reply, refusal.kind);
                return None;
            }
        };
        let (owner, news) = feed();
        let contact = invitation::contact(recipient.user(), &services.endpoint.sent_by(), false);
        let request = incoming.request.clone();
        let is_trusted = services.neighbours.trusts(incoming.source.addr.ip());
        let options = AnswerOptions { contact };
        let dialog = match Dialog::answer(&services.endpoint, incoming, options, owner) {
            Ok(dialog) => dialog,
            Err(refused) => {
                tracing::debug!(status = refused.status, "INVITE opens no dialog");
                services.metrics.refused("dialog");
                return None;
            }
        };
        Some(Self {
            services: services.clone(),
            is_of_group: is_trusted && invitation::is_focus(&request),
            request,
            sender,
            recipient,
            offer,
            parts,
            dialog,
            news,
            _seat: seat,
        })
    }

    /// The next news of the caller's dialog; `None` when it is over.
    pub async fn next(&mut self) -> Option<DialogNews> {
        match self.news.recv().await?.news {
            DialogNews::Ended(_) | DialogNews::Cancelled | DialogNews::Failed { .. } => None,
            news => Some(news),
        }
    }

    /// Hops that the call may still take where it goes on.
    pub fn max_forwards(&self) -> u32 {
        invitation::onward_hops(&self.request)
    }

    /// Refuses the call.
    pub fn refuse(&self, reply: &sip_core::Reply, kind: &'static str) {
        self.services.metrics.refused(kind);
        trail::answered(reply.code);
        tracing::debug!(code = reply.code, kind, call_id = %self.request.call_id(), "call refused");
        self.dialog.reject(to_dialog(reply));
    }

    /// Refuses the call because no channel can be made of its offer.
    pub fn refuse_unfit(&self, unfit: &Unfit) {
        let reply = sip_core::Reply::new(unfit.status());
        let reply = match unfit.warning() {
            Some(warning) => reply.with(Name::Warning, warning),
            None => reply,
        };
        self.refuse(&reply, unfit.kind());
    }

    /// What the call tells of the messages that come with it.
    pub fn origin(&self) -> Origin {
        let (sender, recipient) = (self.sender.clone(), self.recipient.clone());
        let origin = Origin::of(&self.request, sender, recipient, clock::wall());
        match self.is_of_group {
            true => origin.by_focus(&self.request),
            false => origin,
        }
    }

    /// Accepts the call with a session description. An automaton says so in its Contact: the
    /// caller learns that no person has the message yet. So does the focus of a group, which is
    /// asserted by its address.
    pub fn accept(&self, body: Vec<u8>, automaton: bool, focus: Option<&str>) {
        let user = self.recipient.user();
        let mut contact = invitation::contact(user, &self.services.endpoint.sent_by(), automaton);
        if focus.is_some() {
            contact = invitation::as_focus(contact);
        }
        let mut reply = Reply::new(200)
            .header(Name::Contact.as_str(), contact)
            .body(mime::SDP, body);
        if let Some(focus) = focus {
            reply = reply.header(Name::PAssertedIdentity.as_str(), focus);
        }
        trail::answered(200);
        self.dialog.accept(reply);
    }
}

/// The reply of the core, as a dialog sends it.
pub(super) fn to_dialog(reply: &sip_core::Reply) -> Reply {
    let mut answer = Reply::new(reply.code);
    if let Some(reason) = reply.reason {
        answer = answer.reason(reason);
    }
    let fields = reply.fields.iter();
    fields.fold(answer, |answer, (name, value)| {
        answer.header(name.as_str(), value)
    })
}

/// Why the bodies of an INVITE are of no use.
struct BadBody {
    reply: sip_core::Reply,
    kind: &'static str,
}

/// The session description of an INVITE, and what came beside it.
fn bodies(request: &Message) -> Result<(SessionDescription, Vec<Part>), BadBody> {
    let content_type = request.value(Name::ContentType).unwrap_or_default();
    let unsupported = || BadBody {
        reply: sip_core::Reply::new(415).with(Name::Accept, "application/sdp, multipart/mixed"),
        kind: "content_type",
    };
    let mut parts = Vec::new();
    let mut description: Option<Bytes> = None;
    if mime::is(&content_type, mime::SDP) {
        description = Some(request.body().clone());
    } else if mime::is(&content_type, mime::MULTIPART_MIXED) {
        let all = multipart::parse(&content_type, request.body()).map_err(|_| BadBody {
            reply: sip_core::Reply::new(400).because("Bad Multipart Body"),
            kind: "multipart",
        })?;
        for part in all {
            match mime::is(part.content_type(), mime::SDP) {
                true => description = Some(part.body),
                false => parts.push(part),
            }
        }
    }
    let offer = sdp::parse(&description.ok_or_else(unsupported)?).map_err(|error| BadBody {
        reply: sip_core::Reply::new(error.status()),
        kind: error.kind(),
    })?;
    Ok((offer, parts))
}
