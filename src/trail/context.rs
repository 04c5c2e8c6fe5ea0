use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use sha2::{Digest, Sha256};
use std::cell::Cell;

thread_local! {
    static NEXT: Cell<Option<u128>> = const { Cell::new(None) };
}

/// Returns the id of the trace of a message, wherever and whenever it is asked for.
pub fn trace_id(message_id: &str) -> u128 {
    let digest = Sha256::digest(message_id.as_bytes());
    let head = digest.first_chunk().copied().unwrap_or([1; 16]);
    // zero is no id (W3C Trace Context §3.2.2.3)
    u128::from_be_bytes(head).max(1)
}

/// The id that the trace must have which begins now on this thread; any, if none is told.
pub fn next_trace_id() -> Option<u128> {
    NEXT.get()
}

/// Runs `begin`; a trace that begins in it has this id.
pub(super) fn with_trace_id<T>(id: u128, begin: impl FnOnce() -> T) -> T {
    NEXT.set(Some(id));
    let begun = begin();
    NEXT.set(None);
    begun
}

/// Parses a `traceparent` field.
///
/// Shape: `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`; later versions may have more behind.
/// `None` for anything else, and for ids that are zero.
/// Source: W3C Trace Context level 1, §3.2.
pub(super) fn parse(field: &str) -> Option<SpanContext> {
    let mut parts = field.trim().split('-');
    let version = parts
        .next()
        .filter(|text| text.len() == 2 && *text != "ff")?;
    let trace = parts.next().filter(|text| text.len() == 32)?;
    let span = parts.next().filter(|text| text.len() == 16)?;
    let flags = parts.next().filter(|text| text.len() == 2)?;
    let is_longer = parts.next().is_some();
    u8::from_str_radix(version, 16).ok()?;
    if version == "00" && is_longer {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

/// The `traceparent` field that tells of `context`.
pub(super) fn written(context: &opentelemetry::Context) -> Option<String> {
    let span = context.span();
    let known = span.span_context();
    let (trace, span, flags) = (known.trace_id(), known.span_id(), known.trace_flags());
    let flags = flags.to_u8();
    known
        .is_valid()
        .then(|| format!("00-{trace}-{span}-{flags:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::Context;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn example_of_the_recommendation_is_read_and_written() {
        let context = parse(EXAMPLE).unwrap();
        assert!(context.is_sampled() && context.is_remote());
        let context = Context::new().with_remote_span_context(context);
        assert_eq!(written(&context).as_deref(), Some(EXAMPLE));
        assert_eq!(written(&Context::new()), None);
    }

    #[test]
    fn later_version_may_tell_more_and_the_first_may_not() {
        let later = EXAMPLE.replacen("00", "01", 1) + "-more";
        assert!(parse(&later).is_some());
        assert!(parse(&format!("{EXAMPLE}-more")).is_none());
    }

    #[test]
    fn what_is_no_context_is_passed_over() {
        for field in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-x1",
        ] {
            assert_eq!(parse(field), None, "{field}");
        }
    }

    #[test]
    fn message_has_the_same_trace_everywhere() {
        assert_eq!(trace_id("m1"), trace_id("m1"));
        assert_ne!(trace_id("m1"), trace_id("m2"));
        assert_eq!(with_trace_id(7, next_trace_id), Some(7));
        assert_eq!(next_trace_id(), None);
    }
}
