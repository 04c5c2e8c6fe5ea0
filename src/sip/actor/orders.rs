//! What the endpoint is told, and what it tells.
use super::{
    Endpoint, RequestFailed, Target,
    backlog::{Backlog, Ticket},
};
use crate::{
    overload::Class,
    sip::{
        codec::Message,
        proxy::{LoopMark, Outcome},
        transaction::{ConnectionId, Peer, RequestId, ServerKey},
    },
};
use actix::prelude::*;
use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// News for the transaction user: a request outside any INVITE dialog of this endpoint.
///
/// It is to be answered with [`EndpointHandle::respond`](super::EndpointHandle::respond), an
/// INVITE also through [`Dialog::answer`](super::Dialog::answer). Never ACK or CANCEL.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Incoming {
    /// The transaction to answer in.
    pub key: ServerKey,
    /// The request; its Via says where it came from.
    pub request: Message,
    /// The neighbour it came from.
    pub source: Peer,
    /// What it is to a server that has too much to do.
    pub class: Class,
    /// When it reached this process.
    pub arrived: Instant,
}

/// News for who watches an INVITE: it was cancelled and waits for its 487.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Cancelled {
    /// The INVITE's transaction.
    pub key: ServerKey,
}

/// News for who sent a request.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct ClientEvent {
    /// The request.
    pub id: RequestId,
    /// What became of it.
    pub kind: ClientEventKind,
}

/// What became of a request. Provisional responses may come before the last word; to an INVITE
/// several 2xx may come.
#[derive(Clone, Debug)]
pub enum ClientEventKind {
    /// A response.
    Response {
        /// The response, our Via on top.
        message: Message,
        /// The neighbour the request went to.
        from: Peer,
    },
    /// No final response within 64*T1.
    TimedOut,
    /// It could not be sent, or the stream that would bring the answer is gone.
    TransportFailed,
}

/// What the dialog actor is told by the endpoint.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) enum DialogMail {
    Request {
        key: ServerKey,
        request: Message,
        source: Peer,
    },
    Ack(Message),
}

/// Who waits for the answer to a request.
pub(super) enum Sink {
    Actor {
        user: Recipient<ClientEvent>,
        /// The last word was told; what still comes are repetitions.
        told: bool,
    },
    Once(oneshot::Sender<Result<Message, RequestFailed>>),
    /// A branch of a request that is forwarded.
    Forward(usize),
}

impl Sink {
    /// The request failed before the transaction table knew it.
    pub fn fail(self, id: RequestId, why: RequestFailed) {
        let kind = ClientEventKind::TransportFailed;
        match self {
            // the user's own request: it made room for the answer when it asked
            Self::Actor { user, .. } => user.do_send(ClientEvent { id, kind }),
            Self::Once(answer) => drop(answer.send(Err(why))),
            // never leaves its endpoint
            Self::Forward(_) => {}
        }
    }
}

/// Messages of one read, all of this shard.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Received {
    pub batch: Vec<(Message, Peer)>,
    /// When the first of them reached this process.
    pub arrived: Instant,
    pub ticket: Ticket,
}

/// Octets for streams of this shard, from another one.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct WriteFor {
    pub from: usize,
    pub items: Vec<(ConnectionId, Message)>,
}

/// A stream is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Lost(pub ConnectionId);

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Respond {
    pub key: ServerKey,
    pub response: Message,
    pub _ticket: Ticket,
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Submit {
    pub id: RequestId,
    pub request: Message,
    pub target: Target,
    pub sink: Sink,
    pub _ticket: Ticket,
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct SendAck {
    pub ack: Message,
    pub target: Target,
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct CancelRequest(pub RequestId);

/// Forward a request to one target.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct TryTarget {
    pub key: ServerKey,
    /// As it was received.
    pub request: Message,
    pub source: Peer,
    pub mark: LoopMark,
    /// As it goes on.
    pub onward: Message,
    pub target: Target,
    pub limit: Option<Duration>,
    pub record: bool,
    pub report: oneshot::Sender<Outcome>,
}

/// There is no further target.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct EndForward {
    pub key: ServerKey,
    pub request: Message,
    /// The request has its answer, or someone else gives it.
    pub is_over: bool,
}

/// Who forwarded a request wants to answer it; false if it has its answer.
#[derive(Message)]
#[rtype(result = "bool")]
pub(super) struct TakeBack(pub ServerKey);

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct WatchCancel {
    pub key: ServerKey,
    pub watcher: Recipient<Cancelled>,
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct AdmitDialog {
    pub tag: Box<str>,
    pub mail: Recipient<DialogMail>,
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct ReleaseDialog(pub Box<str>);

/// Bind the sockets and begin to read.
#[derive(Message)]
#[rtype(result = "io::Result<SocketAddr>")]
pub(super) struct Bind {
    pub listen: SocketAddr,
    pub endpoints: Vec<Addr<Endpoint>>,
    /// Of each of them, how much waits.
    pub backlogs: Vec<Backlog>,
}

/// Refuse new work from now on, finish what is begun.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Drain;

/// Close everything.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Stop;
