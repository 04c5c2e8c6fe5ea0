//! Where MSRP meets sockets, timers and arbiters.
//!
//! A [`Switchboard`] per shard knows its sessions; a hop actor per connection owns the stream
//! and hands each session, once per read, what came for it. Sinks answer in the same call: on
//! one shard no octet goes through a mailbox. What sessions write while a read is worked on
//! leaves in one vectored write per connection.

mod bypass;
mod decode;
mod entry;
mod exchange;
mod flow;
mod handle;
mod hop;
mod join;
mod lane;
mod link;
mod listener;
mod lookup;
mod neighbours;
mod nickname;
mod opening;
mod outbound;
mod output;
mod parting;
mod ports;
mod relaying;
mod seen;
mod session;
mod switchboard;
mod transaction;
mod trunk;
mod work;

pub use entry::{Entry, load_credentials};
pub use exchange::Exchange;
pub use handle::SessionHandle;
pub use join::{Join, JoinEvent, Side};
pub use lookup::{address_of, addresses_of};
pub use nickname::NicknameRequest;
pub use relaying::Desk;
pub use seen::{Direction, Seen};
pub use switchboard::Switchboard;
pub use trunk::{Moved, Strand, Trunk, TrunkEvent};

use super::{ChunkToken, Continuation, Head, OutgoingId, Path};
use bytes::Bytes;
use std::net::SocketAddr;

/// What a session is opened with.
pub struct OpenSession {
    /// From [`Switchboard::new_session_id`].
    pub local_id: String,
    /// The peer's path from its `a=path`; may follow by [`SessionHandle::set_remote`].
    pub remote_path: Option<Path>,
    /// Who makes the connection.
    pub role: Role,
    /// Media types taken, as in `a=accept-types`; empty takes everything.
    pub accept_types: Vec<String>,
    /// Octets of the longest message taken, as in `a=max-size`.
    pub max_size: Option<u64>,
    /// Where the session's events go.
    pub sink: Box<dyn Sink>,
}

/// Who makes the connection (RFC 4975 §5.4, RFC 6135).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The peer.
    Passive,
    /// We do, to this address.
    Active(SocketAddr),
}

/// Takes what happens on a session.
pub trait Sink {
    /// Called on the session's arbiter, once per read that brought something for it. Never
    /// blocks: what takes longer is spawned, and [`SessionHandle::pause`] holds the peer
    /// meanwhile. Events left in the vector are dropped.
    fn handle(&mut self, events: &mut Vec<SessionEvent>, session: &SessionHandle);
}

/// A SEND that came in.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// Names it until it is answered.
    pub chunk: ChunkToken,
    /// Its header fields.
    pub head: Head,
}

/// What happened on a session.
#[derive(Clone, Debug)]
pub enum SessionEvent {
    /// The session has its connection: it can send.
    Bound,
    /// A SEND opens. Checked already: media type and announced size are acceptable.
    Head(Inbound),
    /// Some of its body.
    Body(ChunkToken, Bytes),
    /// It ends and wants its answer, unless it was answered before. A chunk that grew over the
    /// session's limit ends `Aborted` here: it was answered 413.
    End(ChunkToken, Continuation),
    /// The fate of a chunk of ours, where its Failure-Report lets it be known: the first error
    /// at once (408 for silence), 200 when all of it was taken. No event follows for it.
    Response {
        /// The chunk.
        transaction: OutgoingId,
        /// The status.
        code: u16,
    },
    /// A REPORT came in.
    Report(Head),
    /// The peer asks for a nickname. One that is dropped is answered 501.
    Nickname(NicknameRequest),
    /// Output queued up on the connection: stop what feeds it until `Writable`.
    Full,
    /// Output flows again.
    Writable,
    /// The session is over: the last event. Chunks of ours without a `Response` have failed.
    Closed(CloseReason),
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Closed here.
    Local,
    /// The peer closed the connection.
    PeerClosed,
    /// The connection broke.
    Broken,
    /// The peer sent something that is not MSRP.
    Framing,
    /// Nobody came to bind the session.
    BindTimeout,
    /// No connection to the peer could be made.
    ConnectFailed,
    /// The peer showed another certificate than the one that was announced, or than one of an
    /// issuer we trust.
    Certificate,
    /// The peer refused the request that was to bind the session: 481, 506 or another status.
    Refused(u16),
    /// The peer took nothing of what was queued for it.
    Stalled,
    /// The connection's actor failed.
    Internal,
}

impl CloseReason {
    /// Returns the label value for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::PeerClosed => "peer_closed",
            Self::Broken => "broken",
            Self::Framing => "framing",
            Self::BindTimeout => "bind_timeout",
            Self::ConnectFailed => "connect_failed",
            Self::Certificate => "certificate",
            Self::Refused(_) => "refused",
            Self::Stalled => "stalled",
            Self::Internal => "internal",
        }
    }
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The connection's queue is over its high mark; `Writable` follows.
    #[error("output is queued up")]
    Full,
    /// The session has no connection yet; `Bound` follows.
    #[error("session is not bound yet")]
    NotBound,
    /// The session is over.
    #[error("session is closed")]
    Closed,
}
