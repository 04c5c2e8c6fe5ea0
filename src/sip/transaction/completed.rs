//! What became of transactions, for who counts them.
use crate::sip::codec::Method;
use std::time::{Duration, Instant};

/// A transaction that has its final response, or will never have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// Who asked.
    pub side: Side,
    /// What was asked.
    pub method: Method,
    /// How it ended.
    pub end: End,
    /// Time from the request to its end.
    pub took: Duration,
}

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// A neighbour: the response is ours.
    Server,
    /// We: the response is a neighbour's.
    Client,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// With a final response of this code.
    Answered(u16),
    /// Nobody answered in time.
    TimedOut,
    /// The request could not be sent, or the way back was lost.
    Failed,
}

/// A transaction that has no final response yet.
pub(super) struct Pending {
    method: Method,
    began: Instant,
}

impl Pending {
    pub fn new(method: Method, began: Instant) -> Self {
        Self { method, began }
    }

    pub fn complete(self, side: Side, end: End, now: Instant) -> Completed {
        Completed {
            side,
            method: self.method,
            end,
            took: now.saturating_duration_since(self.began),
        }
    }
}

impl Side {
    /// The label value for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}
