use super::{Services, call::Call, deposit, drain, inviting, pager, pool};
use crate::{
    identity::Address,
    neighbours::{Hop, Role},
    participating::invitation,
    sip::{
        actor::{Incoming, InviteOptions, RequestFailed, Target},
        codec::{Builder, Message, Method, Name},
    },
    sip_core::Reply,
    trail,
};
use std::rc::Rc;

/// A request that another server is to serve: the one that plays what is asked for, or one on the
/// way to the domain it is for.
pub(super) async fn serve(
    services: Rc<Services>,
    incoming: Incoming,
    sender: Address,
    recipient: Address,
    hop: Hop,
) {
    match incoming.request.method() {
        Some(Method::Invite) => {
            if let Some(call) = Call::begin(&services, incoming, sender, recipient) {
                pool::carry(call, &hop, pool::Goes::Onward).await;
            }
        }
        _ => exchange(&services, &incoming, &sender, &recipient, &hop).await,
    }
}

/// The deferred function takes the call: here, or at the server that plays it.
pub(super) async fn defer(call: Call, reason: &'static str) {
    match call.services.neighbours.plays(Role::Deferred) {
        true => Box::pin(deposit::deposit(call, reason)).await,
        false => Box::pin(divert(call, reason)).await,
    }
}

async fn divert(call: Call, reason: &'static str) {
    let services = call.services.clone();
    let Some(hop) = services.neighbours.at(Role::Deferred) else {
        return call.refuse(&nobody_keeps(), "role_not_played");
    };
    tracing::debug!(target: trail::TARGET, call_id = %call.request.call_id(), reason, "call diverted");
    pool::carry(call, hop, pool::Goes::ToKeeper).await;
}

/// The deferred function takes the MESSAGE: here, or at the server that plays it.
pub(super) async fn defer_message(
    services: &Rc<Services>,
    incoming: &Incoming,
    sender: Address,
    recipient: Address,
    reason: &'static str,
) {
    if services.neighbours.plays(Role::Deferred) {
        return pager::keep(services, incoming, sender, recipient, reason).await;
    }
    match services.neighbours.at(Role::Deferred) {
        Some(hop) => {
            exchange(services, incoming, &sender, &recipient, hop).await;
            drain::mail_for(services, &recipient);
        }
        None => services.refuse(incoming, &nobody_keeps(), "role_not_played"),
    }
}

fn nobody_keeps() -> Reply {
    let warning = "399 restante \"nobody keeps messages here (server.roles, neighbours.deferred)\"";
    Reply::new(480).with(Name::Warning, warning)
}

/// What the next server said, as this one says it (RFC 3261 §16.7 maps nothing but its own 503:
/// that one server is overloaded does not mean that this one is).
pub(super) fn passed_back(code: u16, answer: Option<Message>) -> Reply {
    let mut reply = Reply::new(if code == 503 { 500 } else { code });
    let said = |name| answer.as_ref().and_then(|answer| answer.value(name));
    for name in [Name::Warning, Name::RetryAfter] {
        if let Some(value) = said(name) {
            reply = reply.with(name, value);
        }
    }
    reply
}

/// The INVITE as this server sends it to the next one: a dialog and an offer of its own.
pub(super) fn invite(call: &Call, hop: &Hop, offer: Vec<u8>) -> InviteOptions {
    let (contact, mut extra) = inviting::told(call, offer);
    if let Some(trace) = trail::traceparent() {
        extra = extra.header(Name::Traceparent.as_str(), trace);
    }
    InviteOptions {
        routes: hop.route().into_iter().collect(),
        extra,
        target: Target::Message,
        max_forwards: call.max_forwards(),
        ..InviteOptions::new(
            call.recipient.as_str(),
            format!("<{}>", call.sender),
            contact,
        )
    }
}

/// Passes a request that opens no dialog on, and the answer back.
async fn exchange(
    services: &Rc<Services>,
    incoming: &Incoming,
    sender: &Address,
    recipient: &Address,
    hop: &Hop,
) {
    match pass_on(services, &incoming.request, sender, recipient, hop).await {
        Ok(answer) => {
            let code = answer.code().unwrap_or(500);
            let reply = passed_back(code, Some(answer));
            match code {
                200..300 => services.reply(incoming, &reply),
                _ => services.refuse(incoming, &reply, "next_server"),
            }
        }
        Err(_) => services.refuse(incoming, &Reply::new(408), "next_server"),
    }
}

/// Passes a request that opens no dialog on; the answer. It keeps its Call-ID and number: what has
/// no other id is known by them, also when it is sent again.
pub(super) async fn pass_on(
    services: &Services,
    request: &Message,
    sender: &Address,
    recipient: &Address,
    hop: &Hop,
) -> Result<Message, RequestFailed> {
    let method = request.method().unwrap_or(Method::Message);
    let number = request.cseq().map_or(1, |cseq| cseq.number);
    let cseq = format!("{number} {}", method.as_str());
    let mut onward = Builder::request(method, recipient.as_str())
        .header(
            Name::MaxForwards,
            invitation::onward_hops(request).to_string(),
        )
        .header(Name::To, format!("<{recipient}>"))
        .header(Name::PAssertedIdentity, format!("<{sender}>"))
        .header(
            Name::From,
            format!("<{sender}>;tag={}", services.endpoint.new_tag()),
        )
        .header(Name::CallId, request.call_id().as_bytes())
        .header(Name::CSeq, cseq);
    if let Some(route) = hop.route() {
        onward = onward.header(Name::Route, route);
    }
    if let Some(trace) = trail::traceparent() {
        onward = onward.header(Name::Traceparent, trace);
    }
    onward = invitation::along(onward, request);
    if let Some(content_type) = request.value(Name::ContentType) {
        onward = onward.body(content_type.as_bytes(), request.body().clone());
    }
    let endpoint = &services.endpoint;
    endpoint.exchange(onward.build(), Target::Message).await
}
