use super::{
    TARGET,
    context::{parse, trace_id, with_trace_id, written},
};
use opentelemetry::{Context, trace::TraceContextExt};
use std::fmt::Display;
use tracing::{Level, Span, debug, debug_span, field::Empty, span_enabled};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Whether anybody asks for spans.
pub fn enabled() -> bool {
    span_enabled!(target: TARGET, Level::DEBUG)
}

/// Begins to serve a request, in the trace that its `Traceparent` tells of.
pub fn request(method: &str, call_id: &str, told: Option<&str>) -> Span {
    let span = debug_span!(
        target: TARGET,
        parent: None,
        "request",
        otel.name = %format_args!("SIP {method}"),
        otel.kind = "server",
        otel.status_code = Empty,
        method,
        call_id,
        sender = Empty,
        recipient = Empty,
        code = Empty,
    );
    if let Some(before) = told.and_then(parse) {
        // refused only by a span that nobody asks for
        let _ = span.set_parent(Context::new().with_remote_span_context(before));
    }
    span
}

/// Begins a request of our own, as a part of what this thread is at.
pub fn outgoing(method: &str) -> Span {
    debug_span!(
        target: TARGET,
        "outgoing",
        otel.name = %format_args!("SIP {method}"),
        otel.kind = "client",
        otel.status_code = Empty,
        method,
        code = Empty,
    )
}

/// Begins to hand over what waits for `recipient`.
pub fn handover(recipient: impl Display, waiting: u64) -> Span {
    debug_span!(
        target: TARGET,
        parent: None,
        "handover",
        otel.name = "hand over a mailbox",
        %recipient,
        waiting,
    )
}

/// Notes on the span in force which code its request was answered with.
pub fn answered(code: u16) {
    if enabled() {
        let span = Span::current();
        span.record("code", code);
        if code >= 500 {
            span.record("otel.status_code", "ERROR");
        }
    }
}

/// The `Traceparent` for a request that this thread sends now; `None` where nobody traces.
pub fn traceparent() -> Option<String> {
    match enabled() {
        true => written(&Span::current().context()),
        false => None,
    }
}

/// Notes on the span in force between whom its request goes.
pub fn between(sender: impl Display, recipient: Option<impl Display>) {
    if enabled() {
        let span = Span::current();
        span.record("sender", sender.to_string());
        if let Some(recipient) = recipient {
            span.record("recipient", recipient.to_string());
        }
    }
}

/// A step in the life of a message: a span from its beginning until this is dropped, and a line
/// when its end is told. Nothing where nobody asks.
#[derive(Debug)]
pub struct Step(Option<Box<Known>>);

#[derive(Debug)]
struct Known {
    span: Span,
    step: &'static str,
    message_id: String,
    sender: String,
    recipient: String,
}

/// Begins a step in the life of a message, in the trace of the message, and links it with what
/// this thread is at.
pub fn message(
    step: &'static str,
    message_id: &str,
    sender: impl Display,
    recipient: impl Display,
) -> Step {
    if !enabled() {
        return Step(None);
    }
    let (sender, recipient) = (sender.to_string(), recipient.to_string());
    let span = debug_span!(
        target: TARGET,
        parent: None,
        "message",
        otel.name = step,
        message_id,
        sender,
        recipient,
        state = Empty,
        reason = Empty,
    );
    let begun = with_trace_id(trace_id(message_id), || span.context());
    let around = Span::current();
    if !around.is_disabled() {
        span.add_link(around.context().span().span_context().clone());
        around.add_link(begun.span().span_context().clone());
    }
    let message_id = message_id.to_owned();
    Step(Some(Box::new(Known {
        span,
        step,
        message_id,
        sender,
        recipient,
    })))
}

impl Step {
    /// Tells how the step ended: the state the message is in now, and why.
    pub fn ended(&self, state: impl Display, reason: impl Display) {
        let Some(known) = &self.0 else { return };
        let (state, reason) = (state.to_string(), reason.to_string());
        known.span.record("state", &state);
        known.span.record("reason", &reason);
        debug!(
            target: TARGET,
            parent: &known.span,
            message_id = known.message_id,
            sender = known.sender,
            recipient = known.recipient,
            state,
            reason,
            "{}",
            known.step,
        );
    }
}
