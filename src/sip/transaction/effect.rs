use super::Peer;
use crate::sip::codec::Message;

/// Names a server transaction of one [`Layer`](super::Layer), for as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerKey {
    pub(super) index: u32,
    pub(super) serial: u32,
}

/// Names a client transaction. Chosen by who sends the request; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// What the caller must do next, in this order. The table itself sends and tells nothing.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Give `message` to the transport.
    Send {
        /// The neighbour.
        to: Peer,
        /// The octets.
        message: Message,
        /// The client transaction to fail if the transport cannot.
        origin: Option<RequestId>,
    },
    /// A new request, to be answered with [`Layer::respond`](super::Layer::respond).
    Incoming {
        /// The transaction to answer in.
        key: ServerKey,
        /// The request, its Via stamped with where it came from.
        request: Message,
        /// The neighbour it came from.
        from: Peer,
    },
    /// The INVITE of this transaction was cancelled and waits for its 487. CANCEL itself is
    /// answered already.
    Cancelled {
        /// The INVITE's transaction.
        key: ServerKey,
    },
    /// An ACK for a 2xx, which belongs to a dialog.
    Ack {
        /// The ACK.
        request: Message,
        /// The neighbour it came from.
        from: Peer,
    },
    /// A response to a request of ours.
    Response {
        /// The request.
        id: RequestId,
        /// The response.
        response: Message,
        /// The neighbour the request went to.
        from: Peer,
    },
    /// No final response came within 64*T1.
    TimedOut {
        /// The request.
        id: RequestId,
    },
    /// The transport lost the request or the way back.
    TransportFailed {
        /// The request.
        id: RequestId,
    },
    /// Nothing more will be told about this request. Follows every request exactly once.
    Ended {
        /// The request.
        id: RequestId,
    },
    /// Something was let go without a word to the user.
    Dropped(Dropped),
}

/// Why a message or a transaction was let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// A message whose Via, CSeq or other matching header cannot be read.
    Unreadable,
    /// A request beyond the bound of the table; answered 503 (ACK excepted).
    Full,
    /// A response that belongs to no request of ours (RFC 6026 §8.9).
    StrayResponse,
    /// A message that matches a transaction which has no use for it any more.
    Misplaced,
    /// A request the user never answered.
    Abandoned,
    /// A response of ours the transport could not send.
    Undeliverable,
}

impl Dropped {
    /// Label value for metrics: one short word per variant.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Full => "full",
            Self::StrayResponse => "stray_response",
            Self::Misplaced => "misplaced",
            Self::Abandoned => "abandoned",
            Self::Undeliverable => "undeliverable",
        }
    }
}
