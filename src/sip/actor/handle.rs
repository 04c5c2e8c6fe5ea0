use super::{
    Cancelled, ClientEvent, Endpoint,
    backlog::Backlog,
    orders::{
        AdmitDialog, CancelRequest, DialogMail, Drain, ReleaseDialog, Respond, SendAck, Sink, Stop,
        Submit, WatchCancel,
    },
};
use crate::{
    net::{self, Shards},
    overload::Valve,
    sip::{
        Config, Responder,
        codec::{Builder, Message},
        metrics::{Metrics, Open},
        proxy::Ourselves,
        transaction::{Peer, RequestId, ServerKey, Transport},
    },
};
use actix::prelude::*;
use std::{
    hash::RandomState,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};
use tokio::sync::oneshot;

/// The way to the [`Endpoint`] of one shard. Cheap to clone.
///
/// It may be used from any thread, but belongs to its shard: requests go out from there.
#[derive(Clone)]
pub struct EndpointHandle {
    addr: Addr<Endpoint>,
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub shard: usize,
    pub shards: Shards,
    pub config: Config,
    pub metrics: Metrics,
    pub local: OnceLock<SocketAddr>,
    pub dialogs: AtomicUsize,
    pub requests: AtomicU64,
    pub backlog: Backlog,
    /// The key of the marks by which we know what we have forwarded.
    pub loop_key: RandomState,
    /// What is let in, where that is somebody's business.
    pub valve: Option<Valve>,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// Where the topmost Route, or else the Request-URI, says.
    Message,
    /// To this neighbour. Over streams: the connection named, any open one to the address, or a
    /// new one.
    Peer(Peer),
    /// To this neighbour while its connection is open, otherwise as `Message`. The way to a
    /// registered client: the connection it opened (RFC 5626 in spirit).
    Flow(Peer),
}

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestFailed {
    /// No final response within 64*T1.
    #[error("no answer in time")]
    TimedOut,
    /// It could not be sent, or the connection broke.
    #[error("transport failed")]
    Transport,
    /// It does not fit into a datagram, and the neighbour takes no stream. 513 says so to who
    /// asked for it (RFC 3261 §21.5.7).
    #[error("too large for UDP, and the neighbour takes no TCP")]
    TooLarge,
    /// The endpoint has stopped.
    #[error("endpoint has stopped")]
    Stopped,
}

/// The bound on dialogs is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many dialogs")]
pub struct Busy;

impl EndpointHandle {
    pub(super) fn new(addr: Addr<Endpoint>, shared: Arc<Shared>) -> Self {
        Self { addr, shared }
    }

    pub(super) fn addr(&self) -> &Addr<Endpoint> {
        &self.addr
    }

    /// The index of the shard.
    pub fn shard(&self) -> usize {
        self.shared.shard
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Where UDP and TCP are listened to.
    ///
    /// Before the sockets are bound, that is while [`start`](super::start) still runs, this is
    /// the configured address.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local_addr()
    }

    /// `host:port` as neighbours reach us.
    pub fn sent_by(&self) -> String {
        self.shared.sent_by()
    }

    /// A Contact URI for `user` at this endpoint, without angle brackets.
    pub fn contact_uri(&self, user: Option<&str>, transport: Transport) -> String {
        let at = user.map(|user| format!("{user}@")).unwrap_or_default();
        let transport = match transport {
            Transport::Udp => String::new(),
            stream => format!(";transport={}", stream.as_str().to_ascii_lowercase()),
        };
        format!("sip:{at}{}{transport}", self.sent_by())
    }

    /// A fresh Call-ID whose dialogs and transactions belong to this shard.
    pub fn new_call_id(&self) -> String {
        loop {
            let id = net::random_token(16);
            if self.shared.shards.of(id.as_bytes()) == self.shared.shard {
                return id;
            }
        }
    }

    /// Whether this shard is the one of what is known by `key`.
    pub fn owns(&self, key: &[u8]) -> bool {
        self.shared.shards.of(key) == self.shared.shard
    }

    /// A fresh From or To tag.
    pub fn new_tag(&self) -> String {
        net::random_token(8)
    }

    /// Answers a request. A response that comes too late is dropped and counted.
    pub fn respond(&self, key: ServerKey, response: Message) {
        // bounded by the requests that were let in
        let _ticket = self.shared.backlog.ticket();
        self.addr.do_send(Respond {
            key,
            response,
            _ticket,
        });
    }

    /// Sends a request without Via; the endpoint adds its own. `events` is told what becomes of
    /// it: at least one final response, `TimedOut` or `TransportFailed`, always.
    pub fn request(
        &self,
        request: Message,
        target: Target,
        events: Recipient<ClientEvent>,
    ) -> RequestId {
        let sink = Sink::Actor {
            user: events,
            told: false,
        };
        self.submit(request, target, sink)
    }

    /// Sends a request without Via and waits for its final response. For every method but INVITE.
    pub async fn exchange(
        &self,
        request: Message,
        target: Target,
    ) -> Result<Message, RequestFailed> {
        let (answer, result) = oneshot::channel();
        self.submit(request, target, Sink::Once(answer));
        result.await.unwrap_or(Err(RequestFailed::Stopped))
    }

    /// Like [`exchange`](Self::exchange), answering digest challenges (401, 407).
    ///
    /// `make` builds the request for each attempt, given the number of attempts before: with the
    /// same Call-ID and From tag, and a CSeq that much higher. Once a challenge is known, the
    /// first attempt answers it already. A refusal that is not `stale` after an answer is final.
    pub async fn exchange_as(
        &self,
        responder: &mut Responder,
        target: Target,
        mut make: impl FnMut(u32) -> Builder,
    ) -> Result<Message, RequestFailed> {
        const ATTEMPTS: u32 = 4;
        let mut attempt = 0;
        loop {
            let request = self.signed(responder, make(attempt));
            let response = self.exchange(request, target).await?;
            attempt += 1;
            let challenged = matches!(response.code(), Some(401 | 407)) && attempt < ATTEMPTS;
            match challenged.then(|| responder.learn(&response)).flatten() {
                // the first refusal may be of an old nonce, called stale or not
                Some(stale) if stale || attempt == 1 => {}
                _ => return Ok(response),
            }
        }
    }

    /// Adds answers for the challenges `responder` knows.
    pub(super) fn signed(&self, responder: &mut Responder, request: Builder) -> Message {
        if !responder.is_ready() {
            return request.build();
        }
        let bare = request.clone().build();
        let method = bare
            .method()
            .map_or_else(String::new, |method| method.as_str().to_owned());
        responder
            .sign(request, &method, bare.uri_text(), &net::random_token(8))
            .build()
    }

    fn submit(&self, request: Message, target: Target, sink: Sink) -> RequestId {
        let id = self.shared.next_request();
        let order = Submit {
            id,
            request,
            target,
            sink,
            _ticket: self.shared.backlog.ticket(),
        };
        match self.addr.try_send(order) {
            Ok(()) => {}
            Err(SendError::Full(order)) => {
                self.shared.metrics.mailbox_full.increment(1);
                order.sink.fail(id, RequestFailed::Transport);
            }
            Err(SendError::Closed(order)) => order.sink.fail(id, RequestFailed::Stopped),
        }
        id
    }

    /// Cancels an INVITE sent with [`request`](Self::request) as soon as the rules allow.
    pub fn cancel(&self, id: RequestId) {
        self.addr.do_send(CancelRequest(id));
    }

    /// Sends an ACK for a 2xx. The endpoint adds the Via.
    pub fn send_ack(&self, ack: Message, target: Target) {
        self.addr.do_send(SendAck { ack, target });
    }

    /// Has `watcher` told when the INVITE `key` is cancelled, at once if it was already.
    /// [`Dialog::answer`](super::Dialog::answer) does this by itself.
    pub fn watch_cancel(&self, key: ServerKey, watcher: Recipient<Cancelled>) {
        self.addr.do_send(WatchCancel { key, watcher });
    }

    /// Answers every new request 503 from now on; what is begun goes on.
    pub fn drain(&self) {
        if let Some(valve) = &self.shared.valve {
            valve.drain();
        }
        self.addr.do_send(Drain);
    }

    pub(super) fn backlog(&self) -> Backlog {
        self.shared.backlog.clone()
    }

    /// Shows how much waits in the endpoint's mailbox among the metrics.
    pub fn show(&self) {
        self.shared.backlog.show(self.shared.shard);
    }

    /// How many INVITE dialogs live on this shard.
    pub fn dialogs(&self) -> usize {
        self.shared.dialogs.load(Ordering::Relaxed)
    }

    /// Closes sockets and streams. Requests that wait for answers get none.
    pub fn stop(&self) {
        self.addr.do_send(Stop);
    }

    /// Seconds after which a client that is refused for want of room may come back.
    pub fn retry_after(&self) -> u64 {
        self.shared.retry_after()
    }

    pub(super) fn loop_key(&self) -> &RandomState {
        &self.shared.loop_key
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Books a place for a dialog, released when the guard is dropped.
    pub(super) fn admit(&self) -> Result<Seat, Busy> {
        let before = self.shared.dialogs.fetch_add(1, Ordering::Relaxed);
        let seat = Seat {
            handle: self.clone(),
            tag: None,
            _open: self.shared.metrics.open_dialog(),
        };
        if before >= self.shared.config.max_dialogs {
            self.shared.metrics.too_many_dialogs.increment(1);
            return Err(Busy);
        }
        Ok(seat)
    }
}

impl Shared {
    /// Seconds after which a refused client may come back, each time others.
    pub fn retry_after(&self) -> u64 {
        /// Where nothing else is configured.
        const SECONDS: u64 = 5;
        let valve = self.valve.as_ref();
        valve.map_or(SECONDS, |valve| valve.retry_after(net::random_u32()))
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.local.get().copied().unwrap_or(self.config.listen)
    }

    pub fn ourselves(&self) -> Ourselves {
        Ourselves::new(self.local_addr(), self.config.advertise.as_deref())
    }

    /// An id for a request of this shard. It stays unique when the request is passed on to the
    /// shard of its Call-ID.
    pub fn next_request(&self) -> RequestId {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        RequestId((self.shard as u64) << 48 | number)
    }

    pub fn sent_by(&self) -> String {
        let local = self.local_addr();
        match &self.config.advertise {
            Some(host) => format!("{host}:{}", local.port()),
            None => local.to_string(),
        }
    }
}

/// The place of one dialog: counted, and found by its local tag. Survives no panic of its actor.
pub(super) struct Seat {
    handle: EndpointHandle,
    tag: Option<Box<str>>,
    _open: Open,
}

impl Seat {
    /// In-dialog requests with `tag` in To go to `mail` from now on.
    pub fn take(&mut self, tag: &str, mail: Recipient<DialogMail>) {
        self.tag = Some(tag.into());
        self.handle.addr.do_send(AdmitDialog {
            tag: tag.into(),
            mail,
        });
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.handle.shared.dialogs.fetch_sub(1, Ordering::Relaxed);
        if let Some(tag) = self.tag.take() {
            self.handle.addr.do_send(ReleaseDialog(tag));
        }
    }
}
