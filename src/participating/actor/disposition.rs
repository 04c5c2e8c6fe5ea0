use super::{Services, onward, pager, remote};
use crate::{
    clock,
    deferred::{Facts, Refusal},
    identity::Address,
    neighbours::Hop,
    participating::{
        facts::{Item, Origin},
        invitation,
        notice::{Notice, recording_route},
        ways::Home,
    },
    policy::Next,
    profile::mime,
    sip::{
        actor::Incoming,
        codec::{Builder, Message, Method, Name},
    },
    sip_core::Reply,
    trail,
};
use bytes::Bytes;
use std::rc::Rc;

/// What became of a notification.
enum Passed {
    /// A device has it.
    Live,
    /// It waits, on disk.
    Kept,
}

/// Why a notification goes no further.
enum Lost {
    /// The device it is for will not have it.
    Declined(u16),
    /// It may not be kept.
    Refused(Refusal),
}

/// The notification in a MESSAGE, if it carries one.
pub(super) fn notice(services: &Services, request: &Message) -> Option<Notice> {
    let content_type = request.value(Name::ContentType)?;
    Notice::of(&content_type, request.body(), &services.core.domains)
}

/// A MESSAGE to the function that notifications come back by.
pub(super) async fn returned(services: Rc<Services>, incoming: Incoming, sender: Address) {
    match notice(&services, &incoming.request) {
        Some(Notice { next: None, .. }) => {
            let reply = Reply::new(404).because("No Recipient In Notification");
            services.refuse(&incoming, &reply, "no_recipient");
        }
        Some(notice) => message(services, incoming, sender, None, notice).await,
        None => {
            let reply = Reply::new(415).with(Name::Accept, mime::CPIM);
            services.refuse(&incoming, &reply, "content_type");
        }
    }
}

/// A MESSAGE with a notification to `recipient`: live where that one is there, kept where not. It
/// belongs to no conversation, so it waits behind nothing.
pub(super) async fn message(
    services: Rc<Services>,
    incoming: Incoming,
    sender: Address,
    recipient: Option<Address>,
    notice: Notice,
) {
    let recipient = recipient.filter(|_| !notice.came_by_us);
    let Some(recipient) = recipient.or(notice.next) else {
        let reply = Reply::new(404).because("No Recipient In Notification");
        return services.refuse(&incoming, &reply, "no_recipient");
    };
    let request = Builder::request(Method::Message, recipient.as_str())
        .copy(&incoming.request, Name::MaxForwards)
        .copy(&incoming.request, Name::CallId)
        .copy(&incoming.request, Name::CSeq);
    let request = invitation::along(request, &incoming.request);
    match pass_on(&services, request, sender, recipient, notice.content).await {
        Ok(Passed::Live) => services.reply(&incoming, &Reply::new(200)),
        Ok(Passed::Kept) => services.reply(&incoming, &Reply::new(202)),
        Err(Lost::Declined(code)) => services.reply(&incoming, &Reply::new(code)),
        Err(Lost::Refused(refusal)) => {
            services.refuse(&incoming, &pager::refusal_reply(&refusal), refusal.kind());
        }
    }
}

/// The first octets of a waiting message as they leave for a device: with this server on the way
/// of its notifications, where that is configured.
pub(super) fn recorded(services: &Services, facts: &Facts, content: Bytes) -> Bytes {
    match facts.dispositions.is_empty() {
        true => content,
        false => recording(services, &facts.sender, &facts.content_type, content),
    }
}

/// The content of a message of `sender`, likewise.
pub(super) fn recording(
    services: &Services,
    sender: &Address,
    content_type: &str,
    content: Bytes,
) -> Bytes {
    if !services.config.imdn_record_route {
        return content;
    }
    let domain = services.domain_of(sender);
    recording_route(content_type, &content, &domain).unwrap_or(content)
}

/// What the device of `owner` says on a channel by which messages are handed to it: notifications
/// of these go back to their senders. The MSRP status to answer with; what nobody will have is
/// taken and dropped.
pub(super) async fn heard(
    services: &Rc<Services>,
    owner: &Address,
    content_type: &str,
    body: Bytes,
) -> u16 {
    let Some(notice) = Notice::of(content_type, &body, &services.core.domains) else {
        return 200;
    };
    let Some(recipient) = notice.next else {
        return 400;
    };
    let request = Builder::request(Method::Message, recipient.as_str())
        .header(Name::CallId, services.endpoint.new_call_id())
        .header(Name::CSeq, "1 MESSAGE");
    match pass_on(services, request, owner.clone(), recipient, notice.content).await {
        Err(Lost::Refused(refusal @ (Refusal::Busy(_) | Refusal::Store(_)))) => {
            refusal.msrp_status()
        }
        _ => 200,
    }
}

/// Hands a notification to the devices of `recipient`, or keeps it; where that one is at home
/// elsewhere, that server does.
async fn pass_on(
    services: &Rc<Services>,
    request: Builder,
    sender: Address,
    recipient: Address,
    content: Bytes,
) -> Result<Passed, Lost> {
    let request = request.body(mime::CPIM, content).build();
    let passed = match services.home_of(&recipient) {
        Home::Here | Home::Divided(_) => {
            deliver_or_keep(services, &request, &sender, &recipient).await
        }
        Home::Elsewhere(hop) => hand_on(services, &request, &sender, &recipient, &hop).await,
        Home::Nowhere => Err(Lost::Declined(404)),
    };
    services.metrics.notifications(match &passed {
        Ok(Passed::Live) => "live",
        Ok(Passed::Kept) => "kept",
        Err(Lost::Declined(_)) => "declined",
        Err(Lost::Refused(_)) => "refused",
    });
    if let Err(Lost::Declined(code)) = passed {
        tracing::debug!(%sender, %recipient, code, "notification declined");
    }
    passed
}

async fn deliver_or_keep(
    services: &Rc<Services>,
    request: &Message,
    sender: &Address,
    recipient: &Address,
) -> Result<Passed, Lost> {
    let reason = match pager::deliver(services, request, sender, recipient).await {
        Ok(()) => return Ok(Passed::Live),
        Err(Next::Pass(code)) => return Err(Lost::Declined(code)),
        Err(Next::Defer(reason)) => reason,
    };
    if let Some(keeper) = remote::keeper(services, recipient) {
        return hand_on(services, request, sender, recipient, keeper).await;
    }
    let (sender, recipient) = (sender.clone(), recipient.clone());
    let kept = keep(services, request, sender, recipient, reason).await;
    kept.map(|()| Passed::Kept).map_err(Lost::Refused)
}

/// Leaves a notification to another server.
async fn hand_on(
    services: &Services,
    request: &Message,
    sender: &Address,
    recipient: &Address,
    hop: &Hop,
) -> Result<Passed, Lost> {
    let answer = onward::pass_on(services, request, sender, recipient, hop).await;
    match answer.ok().and_then(|answer| answer.code()).unwrap_or(408) {
        202 => Ok(Passed::Kept),
        200..300 => Ok(Passed::Live),
        408 | 503 => Err(Lost::Refused(Refusal::Busy("next server"))),
        code => Err(Lost::Declined(code)),
    }
}

async fn keep(
    services: &Services,
    request: &Message,
    sender: Address,
    recipient: Address,
    reason: &str,
) -> Result<(), Refusal> {
    let content = request.body().clone();
    let facts = Origin::of(request, sender, recipient, clock::wall()).facts(&Item {
        // where it has no id of its own
        message_id: &services.endpoint.new_tag(),
        content_type: mime::CPIM,
        size: content.len() as u64,
        success_report: false,
        prefix: &content,
    });
    tracing::debug!(
        target: trail::TARGET,
        message_id = facts.message_id,
        reason,
        "notification deferred"
    );
    services.deferred.accept(facts, content).await.map(|_| ())
}
