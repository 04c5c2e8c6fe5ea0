use super::{Services, disposition, drain, fetching::NO_QUEUE, onward, precedence::is_behind};
use crate::{
    clock,
    deferred::{Facts, Refusal},
    identity::Address,
    participating::{
        facts::{Item, Origin},
        invitation,
    },
    policy::{Attempt, Next, after_attempt},
    sip::{
        actor::{Extra, Incoming, InviteOptions, RequestFailed, Target},
        codec::{Builder, Message, Method, Name},
    },
    sip_core::{Binding, Reply},
    trail,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::rc::Rc;
use tracing::Instrument;

/// A MESSAGE from one user to another: live where the receiver is there, kept where not.
///
/// While older messages of the same sender wait, a new one waits behind them.
pub(super) async fn message(
    services: Rc<Services>,
    incoming: Incoming,
    sender: Address,
    recipient: Address,
) {
    if is_not_to_wait(&incoming.request) {
        return hand(&services, &incoming, &sender, &recipient).await;
    }
    if let Some(notice) = disposition::notice(&services, &incoming.request) {
        return disposition::message(services, incoming, sender, Some(recipient), notice).await;
    }
    let request = &incoming.request;
    // whoever is away misses nothing by it: what waits is not looked at
    let is_there = !services.devices_of(&recipient).is_empty();
    let next = match is_there && is_behind(&services, request, &sender, &recipient).await {
        true => Err(Next::Defer("older messages wait")),
        false => deliver(&services, request, &sender, &recipient).await,
    };
    match next {
        Ok(()) => {
            services.metrics.live_pager.increment(1);
            tell_delivered(&incoming.request, &sender, &recipient);
            services.reply(&incoming, &Reply::new(200));
        }
        Err(Next::Pass(code)) => services.reply(&incoming, &Reply::new(code)),
        Err(Next::Defer(reason)) => {
            onward::defer_message(&services, &incoming, sender, recipient, reason).await;
        }
    }
}

/// For whoever follows a message: a device has it.
fn tell_delivered(request: &Message, sender: &Address, recipient: &Address) {
    if trail::enabled() {
        let (sender, recipient) = (sender.clone(), recipient.clone());
        let facts = facts_of(request, sender, recipient);
        let step = trail::message("deliver", &facts.message_id, facts.sender, facts.recipient);
        step.ended("delivered", "by MESSAGE, at once");
    }
}

/// What a MESSAGE tells of itself.
fn facts_of(request: &Message, sender: Address, recipient: Address) -> Facts {
    let origin = Origin::of(request, sender, recipient, clock::wall());
    let content_type = request.value(Name::ContentType).unwrap_or_default();
    let message_id = format!("{}-{}", request.call_id(), cseq(request));
    origin.facts(&Item {
        message_id: &message_id,
        content_type: &content_type,
        size: request.body().len() as u64,
        success_report: false,
        prefix: request.body(),
    })
}

/// Whether a MESSAGE is not to be kept: it is kept already, by who sends it (RFC 3841 §9.1).
pub(super) fn is_not_to_wait(request: &Message) -> bool {
    let wishes = request.list(Name::RequestDisposition);
    let mut wishes = wishes.iter();
    wishes.any(|wish| wish.trim().eq_ignore_ascii_case(NO_QUEUE))
}

/// Hands a MESSAGE to the devices of the receiver, and says what came of it.
async fn hand(services: &Rc<Services>, incoming: &Incoming, sender: &Address, to: &Address) {
    let code = match deliver(services, &incoming.request, sender, to).await {
        Ok(()) => {
            services.metrics.live_pager.increment(1);
            tell_delivered(&incoming.request, sender, to);
            200
        }
        Err(Next::Pass(code)) => code,
        Err(Next::Defer(_)) => 480,
    };
    services.reply(incoming, &Reply::new(code));
}

/// Sends the MESSAGE to every device of the receiver; the first 2xx is enough.
pub(super) async fn deliver(
    services: &Rc<Services>,
    request: &Message,
    sender: &Address,
    recipient: &Address,
) -> Result<(), Next> {
    let bindings = services.devices_of(recipient);
    let sent = bindings.iter().map(|binding| {
        let onward = onward(services, request, binding, sender, recipient);
        async move { (binding, exchange(services, onward, binding).await) }
    });
    let mut answers = sent.collect::<FuturesUnordered<_>>();
    let mut seen = Vec::new();
    while let Some((binding, answer)) = answers.next().await {
        let is_taken = matches!(answer, Ok(200..300));
        let is_there = answer.is_ok_and(|code| !is_away(code));
        drain::heard_of(services, recipient, binding, is_there);
        seen.push(answer);
        if is_taken {
            break;
        }
    }
    best(seen)
}

/// Sends a MESSAGE to one device: the code it answers with.
///
/// Errors: also `TimedOut`, if it is silent for `participating.message_timeout`.
pub(super) async fn exchange(
    services: &Services,
    request: Message,
    binding: &Binding,
) -> Result<u16, RequestFailed> {
    let answer = exchange_with_server(services, request, binding);
    let answer = tokio::time::timeout(services.config.message_timeout, answer).await;
    answer.unwrap_or(Err(RequestFailed::TimedOut))
}

/// Sends a MESSAGE to a server that answers for the receiver's devices: the code it answers with.
///
/// No limit but the transaction's: it may be waiting for a device that takes the message in the end.
pub(super) async fn exchange_with_server(
    services: &Services,
    request: Message,
    binding: &Binding,
) -> Result<u16, RequestFailed> {
    let method = request.method();
    let span = trail::outgoing(method.as_ref().map_or("request", Method::as_str));
    let exchange = async {
        let answer = services.endpoint.exchange(request, target(binding)).await;
        let code = answer.map(|answer| answer.code().unwrap_or(500));
        trail::answered(*code.as_ref().unwrap_or(&408));
        code
    };
    exchange.instrument(span).await
}

/// Whether a device that answers so is not there.
pub(super) fn is_away(code: u16) -> bool {
    matches!(after_attempt(Attempt::Refused(code)), Next::Defer(_))
}

/// The best of what the devices answered: a 2xx, else the first that says the receiver is there
/// and will not have it, else that it is away.
fn best(answers: Vec<Result<u16, RequestFailed>>) -> Result<(), Next> {
    let mut verdict = after_attempt(Attempt::NoBinding);
    for answer in answers {
        let attempt = match answer {
            Ok(200..300) => return Ok(()),
            Ok(code) => Attempt::Refused(code),
            Err(_) => Attempt::NoAnswer,
        };
        if !matches!(verdict, Next::Pass(_)) {
            verdict = after_attempt(attempt);
        }
    }
    Err(verdict)
}

/// The same request as this server sends it to one device.
pub(super) fn onward(
    services: &Services,
    request: &Message,
    binding: &Binding,
    sender: &Address,
    recipient: &Address,
) -> Message {
    let method = request.method().unwrap_or(Method::Message);
    let builder = addressed(services, method, binding, sender, recipient);
    let builder = invitation::along(builder, request);
    match request.value(Name::ContentType) {
        Some(content_type) => {
            let body = request.body().clone();
            let body = disposition::recording(services, sender, &content_type, body);
            builder.body(content_type.as_bytes(), body)
        }
        None => builder,
    }
    .build()
}

/// The start of a request of ours to one device, outside a dialog.
pub(super) fn addressed(
    services: &Services,
    method: Method,
    binding: &Binding,
    sender: &Address,
    recipient: &Address,
) -> Builder {
    let from = format!("<{sender}>;tag={}", services.endpoint.new_tag());
    let cseq = format!("1 {}", method.as_str());
    let mut builder = invitation::request(method, &binding.contact.to_string(), sender, recipient)
        .header(Name::From, from)
        .header(Name::CallId, services.endpoint.new_call_id())
        .header(Name::CSeq, cseq);
    for proxy in &binding.path {
        builder = builder.header(Name::Route, proxy);
    }
    match told_to(binding) {
        Some(trace) => builder.header(Name::Traceparent, trace),
        None => builder,
    }
}

/// Which trace a request belongs to, for another server of ours. It is nothing to a device.
fn told_to(binding: &Binding) -> Option<String> {
    trail::traceparent().filter(|_| is_server(binding))
}

fn is_server(binding: &Binding) -> bool {
    // a port of 0: nobody was ever heard from there
    binding.source.addr.port() == 0
}

/// The INVITE of ours to one device: its Contact and Path, the way it is reached, how long it may
/// ring.
pub(super) fn call_to(
    services: &Services,
    binding: &Binding,
    recipient: &Address,
    from: &str,
    contact: String,
    mut extra: Extra,
) -> InviteOptions {
    if let Some(trace) = told_to(binding) {
        extra = extra.header(Name::Traceparent.as_str(), trace);
    }
    InviteOptions {
        to: format!("<{recipient}>"),
        routes: binding.path.clone(),
        extra,
        target: target(binding),
        ring_timeout: Some(services.config.ring_timeout),
        ..InviteOptions::new(binding.contact.to_string(), format!("<{from}>"), contact)
    }
}

/// The way to one device: the stream it opened, or what its contact says.
pub(super) fn target(binding: &Binding) -> Target {
    match binding.path.is_empty() && !is_server(binding) {
        true => Target::Flow(binding.source),
        false => Target::Message,
    }
}

/// Stores the MESSAGE; 202 only when it is on disk (RFC 3428 §7).
pub(super) async fn keep(
    services: &Rc<Services>,
    incoming: &Incoming,
    sender: Address,
    recipient: Address,
    reason: &'static str,
) {
    let request = &incoming.request;
    let facts = facts_of(request, sender, recipient);
    tracing::debug!(
        target: trail::TARGET,
        message_id = facts.message_id,
        call_id = %request.call_id(),
        sender = %facts.sender,
        recipient = %facts.recipient,
        reason,
        "deferred"
    );
    match services
        .deferred
        .accept(facts, request.body().clone())
        .await
    {
        Ok(_) => {
            services.metrics.kept_pager.increment(1);
            services.reply(incoming, &Reply::new(202));
        }
        Err(refusal) => services.refuse(incoming, &refusal_reply(&refusal), refusal.kind()),
    }
}

fn cseq(request: &Message) -> u32 {
    request.cseq().map_or(0, |cseq| cseq.number)
}

/// What a refusal of the deferred function looks like in SIP: its status, and in a Warning which
/// limit was met (RFC 3261 §20.43, code 399).
pub(super) fn refusal_reply(refusal: &Refusal) -> Reply {
    let warning = format!("399 restante \"{}\"", refusal.to_string().replace('"', "'"));
    let reply = Reply::new(refusal.status()).with(Name::Warning, warning);
    match refusal.status() {
        503 => reply.with(Name::RetryAfter, "5"),
        _ => reply,
    }
}

/// OPTIONS for a user: asked of the device that is tried first.
pub(super) async fn options(
    services: Rc<Services>,
    incoming: Incoming,
    sender: Address,
    recipient: Address,
) {
    let bindings = services.devices_of(&recipient);
    let Some(binding) = bindings.first() else {
        return services.reply(&incoming, &Reply::new(480));
    };
    let onward = onward(&services, &incoming.request, binding, &sender, &recipient);
    match services.endpoint.exchange(onward, target(binding)).await {
        Ok(answer) => {
            let code = answer.code().unwrap_or(500);
            let mut reply =
                Builder::response(&incoming.request, code).to_tag(&services.endpoint.new_tag());
            for name in [
                Name::Accept,
                Name::Allow,
                Name::Supported,
                Name::AcceptEncoding,
            ] {
                reply = reply.copy(&answer, name);
            }
            services.respond(&incoming, reply.build());
        }
        Err(_) => services.reply(&incoming, &Reply::new(408)),
    }
}
