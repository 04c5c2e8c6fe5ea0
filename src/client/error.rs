use std::{io, path::PathBuf};

/// Why a device could not do what it was asked to. Refusals by the other side are no errors but
/// outcomes, except where nothing can be done without them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No socket could be opened.
    #[error("cannot open a socket on {bind}")]
    Socket {
        /// The address that was asked for.
        bind: std::net::IpAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody answered in time.
    #[error("no answer to {0}")]
    TimedOut(&'static str),
    /// The connection could not be made or broke.
    #[error("connection for {0} failed")]
    Connection(&'static str),
    /// Name and password were refused, or the challenge is none we can answer.
    #[error("name or password refused ({code})")]
    Unauthorized {
        /// The status of the last response.
        code: u16,
    },
    /// The server refused.
    #[error("{request} refused: {code} {reason}")]
    Refused {
        /// What was asked for.
        request: &'static str,
        /// The status.
        code: u16,
        /// The reason phrase.
        reason: String,
    },
    /// A pager message that does not fit into one request.
    #[error("message is too large for a pager message ({size} octets, limit {limit})")]
    TooLargeForPager {
        /// Octets of the whole request.
        size: usize,
        /// Octets allowed.
        limit: usize,
    },
    /// A request does not fit into a datagram, and the server takes no TCP.
    #[error("{0} is too large for UDP, and the server takes no TCP")]
    TooLargeForUdp(&'static str),
    /// A file to be sent cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The other side answered with something that makes no sense.
    #[error("unusable answer to {request}: {why}")]
    Answer {
        /// What was asked for.
        request: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The host has been stopped.
    #[error("the host has been stopped")]
    Stopped,
}

impl ClientError {
    /// Whether the same thing may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::TimedOut(_) | Self::Connection(_) => true,
            Self::Refused { code, .. } => is_transient_status(*code),
            _ => false,
        }
    }
}

/// Whether a request refused with this status may be tried again unchanged (RFC 3261 §21).
pub(super) fn is_transient_status(code: u16) -> bool {
    matches!(code, 408 | 491 | 500 | 502..=504)
}
