//! The trail of one message through all rooms: lines of the log, and spans for a collector of
//! traces. Both have one target, [`TARGET`], and one level, DEBUG: where neither the log nor an
//! exporter asks for it, a span or a line costs a look at one flag.
//!
//! Fields have one name everywhere: `message_id`, `call_id`, `sender`, `recipient`, `state`,
//! `reason`, `code`.
//!
//! - A *call* (or another request) is a trace from the server that saw it first to the last one:
//!   our servers tell each other by the header field `Traceparent` (W3C Trace Context, level 1).
//! - A *message* is a trace of its own, by all servers that keep it or hand it over, today or next
//!   week: its trace id is made of its message id, so nothing has to be remembered.
//! - Both are linked with each other.
mod context;
mod span;

pub use context::{next_trace_id, trace_id};
pub use span::{
    Step, answered, between, enabled, handover, message, outgoing, request, traceparent,
};

/// The target of all lines and spans here: `log.filter = "info,restante::trail=debug"`.
pub const TARGET: &str = "restante::trail";
