use super::{
    Cancelled, ClientEvent, ClientEventKind, Incoming, RequestFailed, Tap, Way,
    branches::Branches,
    connections::Connections,
    datagrams::Datagrams,
    directory::{Directory, connection_id},
    handle::Shared,
    orders::{
        AdmitDialog, Bind, CancelRequest, DialogMail, Drain, Lost, Received, ReleaseDialog,
        Respond, SendAck, Sink, Stop, Submit, WatchCancel, WriteFor,
    },
    outbound::{Kind, Outbound},
    sorter::Sorter,
    start::accepted,
    stream::{Farewell, Frames, Stream},
    wires::Wires,
};
use crate::{
    clock,
    net::{self, Inlet, StreamLimits},
    sip::{
        codec::{Builder, Message, Method, Name},
        metrics::Metrics,
        transaction::{ConnectionId, Dropped, Effect, Layer, Peer, RequestId, ServerKey},
    },
};
use actix::prelude::*;
use hashbrown::HashMap;
use std::{io, net::SocketAddr, rc::Rc, sync::Arc, time::Instant};
use tokio::net::TcpStream;

/// The transactions, sockets and dialog table of one shard. Reached through an
/// [`EndpointHandle`](super::EndpointHandle).
pub struct Endpoint {
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: Metrics,
    pub(super) layer: Layer,
    pub(super) wires: Wires,
    pub(super) branches: Branches,
    pub(super) sent_by: String,
    pub(super) sinks: HashMap<RequestId, Sink>,
    pub(super) connecting: HashMap<SocketAddr, Vec<Outbound>>,
    dialogs: HashMap<Box<str>, Recipient<DialogMail>>,
    invites: HashMap<ServerKey, Watch>,
    user: Recipient<Incoming>,
    tap: Option<Tap>,
    timer: Option<(Instant, SpawnHandle)>,
    streams: u64,
    datagrams: Option<Addr<Datagrams>>,
    pub(super) lookups: usize,
    draining: bool,
}

/// Who is told when an INVITE is cancelled.
enum Watch {
    Nobody { cancelled: bool },
    Somebody(Recipient<Cancelled>),
}

impl Endpoint {
    pub(super) fn new(
        shared: Arc<Shared>,
        directory: Directory,
        tap: Option<Tap>,
        user: Recipient<Incoming>,
    ) -> Self {
        let config = &shared.config;
        let layer = Layer::new(config.timers, config.max_transactions, net::random_token(8));
        let metrics = shared.metrics.clone();
        Self {
            layer,
            wires: Wires::new(shared.shard, directory, metrics.clone()),
            metrics,
            branches: Branches::new(),
            sent_by: shared.sent_by(),
            sinks: HashMap::new(),
            connecting: HashMap::new(),
            dialogs: HashMap::new(),
            invites: HashMap::new(),
            user,
            tap,
            timer: None,
            streams: 0,
            datagrams: None,
            lookups: 0,
            draining: false,
            shared,
        }
    }

    pub(super) fn perform_effects(&mut self, ctx: &mut Context<Self>) {
        loop {
            while let Some(effect) = self.layer.next_effect() {
                self.perform(effect, ctx);
            }
            let lost = self.wires.flush();
            if lost.is_empty() {
                break;
            }
            for connection in lost {
                self.layer.handle_connection_lost(connection, clock::now());
            }
        }
        let live = self.layer.servers() + self.layer.clients();
        self.metrics.transactions.set(live as f64);
        self.arm(ctx);
    }

    fn perform(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Send {
                to,
                message,
                origin,
            } => self.send(to, message, origin, ctx),
            Effect::Incoming { key, request, from } => self.deliver(key, request, from),
            Effect::Cancelled { key } => self.cancelled(key),
            Effect::Ack { request, .. } => self.deliver_ack(request),
            Effect::Response { id, response, from } => {
                self.tell(
                    id,
                    ClientEventKind::Response {
                        message: response,
                        from,
                    },
                );
            }
            Effect::TimedOut { id } => self.tell(id, ClientEventKind::TimedOut),
            Effect::TransportFailed { id } => self.tell(id, ClientEventKind::TransportFailed),
            Effect::Ended { id } => drop(self.sinks.remove(&id)),
            Effect::Dropped(reason) => self.dropped(reason),
        }
    }

    fn dropped(&mut self, reason: Dropped) {
        self.metrics.dropped(reason);
        if reason == Dropped::Abandoned {
            // rare: a user forgot an INVITE for minutes
            self.invites
                .retain(|key, _| self.layer.reply_to(*key).is_some());
        }
    }

    fn send(
        &mut self,
        to: Peer,
        message: Message,
        origin: Option<RequestId>,
        ctx: &mut Context<Self>,
    ) {
        self.observe_sent(&to, &message);
        if self.wires.send(to, &message).is_ok() {
            return;
        }
        match origin {
            Some(id) => self.layer.handle_transport_error(id, clock::now()),
            None if message.is_request() => self.metrics.dropped(Dropped::Undeliverable),
            None => self.send_anew(to, message, ctx),
        }
    }

    /// The stream a request came on is gone: its response goes to where its Via says, over a new
    /// one (RFC 3261 §18.2.2).
    fn send_anew(&mut self, to: Peer, message: Message, ctx: &mut Context<Self>) {
        self.metrics.dropped(Dropped::Undeliverable);
        let port = message.via().map(|via| via.port_or_default());
        if let (true, Ok(port)) = (to.transport.is_reliable(), port) {
            let addr = SocketAddr::new(to.addr.ip(), port);
            let outbound = Outbound {
                message,
                kind: Kind::Response,
                by_length: false,
            };
            self.connect(outbound, addr, ctx);
        }
    }

    /// A new request: to its dialog, or to the user.
    fn deliver(&mut self, key: ServerKey, request: Message, from: Peer) {
        let method = request.method();
        let is_invite = method == Some(Method::Invite);
        if is_invite {
            self.invites.insert(key, Watch::Nobody { cancelled: false });
        }
        let tag = request
            .to()
            .ok()
            .and_then(|to| to.tag().map(Box::<str>::from));
        match tag {
            Some(tag) => self.deliver_inside(&tag, key, request, from),
            None if self.draining => self.refuse(key, &request, 503),
            None => self.deliver_outside(key, request, from),
        }
    }

    fn deliver_inside(&mut self, tag: &str, key: ServerKey, request: Message, from: Peer) {
        let Some(dialog) = self.dialogs.get(tag) else {
            // what else lives in dialogs is looked after by the user
            let elsewhere = [Method::Subscribe, Method::Notify, Method::Refer];
            return match elsewhere.iter().any(|method| request.is(method)) {
                true => self.deliver_outside(key, request, from),
                false => self.refuse(key, &request, 481),
            };
        };
        match dialog.try_send(DialogMail::Request {
            key,
            request,
            source: from,
        }) {
            Ok(()) => {}
            Err(SendError::Full(DialogMail::Request { request, .. })) => {
                self.metrics.user_full.increment(1);
                self.refuse(key, &request, 503);
            }
            Err(SendError::Closed(DialogMail::Request { request, .. })) => {
                self.refuse(key, &request, 481)
            }
            Err(_) => {}
        }
    }

    fn deliver_outside(&mut self, key: ServerKey, request: Message, from: Peer) {
        match self.user.try_send(Incoming {
            key,
            request,
            source: from,
        }) {
            Ok(()) => {}
            Err(SendError::Full(Incoming { request, .. })) => {
                self.metrics.user_full.increment(1);
                self.refuse(key, &request, 503);
            }
            Err(SendError::Closed(Incoming { request, .. })) => self.refuse(key, &request, 500),
        }
    }

    fn deliver_ack(&mut self, request: Message) {
        let to = request.to().ok();
        let dialog = to
            .as_ref()
            .and_then(|to| to.tag())
            .and_then(|tag| self.dialogs.get(tag));
        match dialog.map(|dialog| dialog.try_send(DialogMail::Ack(request))) {
            Some(Ok(())) => {}
            // the 2xx is repeated, and so is its ACK
            Some(Err(_)) => self.metrics.mailbox_full.increment(1),
            None => self.metrics.refused("stray_ack"),
        }
    }

    fn refuse(&mut self, key: ServerKey, request: &Message, code: u16) {
        let mut response = Builder::response(request, code).to_tag(&net::random_token(8));
        if code == 503 {
            response = response.header(Name::RetryAfter, "5");
        }
        self.respond(key, response.build());
    }

    fn respond(&mut self, key: ServerKey, response: Message) {
        if response.code().is_some_and(|code| code >= 200) {
            self.invites.remove(&key);
        }
        if self.layer.respond(key, response, clock::now()).is_err() {
            self.metrics.dropped(Dropped::Misplaced);
        }
    }

    fn cancelled(&mut self, key: ServerKey) {
        match self.invites.get_mut(&key) {
            // the watcher answers 487: one message per INVITE it took
            Some(Watch::Somebody(watcher)) => watcher.do_send(Cancelled { key }),
            Some(Watch::Nobody { cancelled }) => *cancelled = true,
            None => {}
        }
    }

    fn tell(&mut self, id: RequestId, kind: ClientEventKind) {
        let is_final = match &kind {
            ClientEventKind::Response { message, .. } => {
                message.code().is_some_and(|code| code >= 200)
            }
            _ => true,
        };
        match self.sinks.get_mut(&id) {
            Some(Sink::Actor { user, told }) => {
                let event = ClientEvent { id, kind };
                match is_final && !std::mem::replace(told, is_final) {
                    // one per request the user sent
                    true => user.do_send(event),
                    // provisional and repeated responses are as many as the peer likes
                    false if user.try_send(event).is_err() => self.metrics.user_full.increment(1),
                    false => {}
                }
            }
            Some(Sink::Once(_)) if is_final => {
                if let Some(Sink::Once(answer)) = self.sinks.remove(&id) {
                    // who asked may have gone
                    let _ = answer.send(outcome(kind));
                }
            }
            _ => {}
        }
    }

    pub(super) fn observe_sent(&self, to: &Peer, message: &Message) {
        if let Some(tap) = &self.tap {
            tap(Way::Sent, to, message);
        }
    }

    /// Keeps one timer, for the earliest deadline; one that is too early does no harm.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        let Some(next) = self.layer.next_timeout() else {
            return;
        };
        if let Some((armed, timer)) = self.timer {
            if armed <= next {
                return;
            }
            ctx.cancel_future(timer);
        }
        let wait = next.saturating_duration_since(clock::now());
        let timer = ctx.run_later(wait, |this, ctx| {
            this.timer = None;
            this.layer.handle_timeout(clock::now());
            this.perform_effects(ctx);
        });
        self.timer = Some((next, timer));
    }

    pub(super) fn next_connection(&mut self) -> ConnectionId {
        self.streams += 1;
        connection_id(self.shared.shard, self.streams)
    }

    pub(super) fn stream_limits(&self) -> StreamLimits {
        let queue = usize::try_from(self.shared.config.write_queue.as_u64()).unwrap_or(usize::MAX);
        StreamLimits {
            high_mark: queue / 4,
            low_mark: queue / 16,
            hard_limit: queue,
            ..StreamLimits::default()
        }
    }

    pub(super) fn start_stream(
        &mut self,
        inlet: Inlet<Frames>,
        peer: Peer,
        connection: ConnectionId,
        ctx: &Context<Self>,
    ) {
        let farewell = Farewell {
            endpoint: ctx.address(),
            connection,
        };
        Stream::start(inlet, peer, self.sorter(), self.metrics.clone(), farewell);
    }

    fn sorter(&self) -> Sorter {
        Sorter::new(self.shared.shards.clone(), self.wires.neighbours.clone())
    }

    fn bind(&mut self, listen: SocketAddr, ctx: &mut Context<Self>) -> io::Result<SocketAddr> {
        let (socket, listener) = super::start::bind(listen)?;
        let local = socket.local_addr()?;
        let socket = Rc::new(socket);
        // set once: a second Bind would find the port taken
        let _ = self.shared.local.set(local);
        self.sent_by = self.shared.sent_by();
        self.wires.socket = Some(socket.clone());
        let reader = Datagrams::start(
            socket,
            self.shared.config.limits,
            self.sorter(),
            self.metrics.clone(),
        );
        self.datagrams = Some(reader);
        ctx.add_stream(accepted(listener));
        Ok(local)
    }
}

fn outcome(kind: ClientEventKind) -> Result<Message, RequestFailed> {
    match kind {
        ClientEventKind::Response { message, .. } => Ok(message),
        ClientEventKind::TimedOut => Err(RequestFailed::TimedOut),
        ClientEventKind::TransportFailed => Err(RequestFailed::Transport),
    }
}

impl Actor for Endpoint {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(self.shared.config.mailbox);
    }
}

impl Handler<Received> for Endpoint {
    type Result = ();

    fn handle(&mut self, Received(batch): Received, ctx: &mut Context<Self>) {
        let now = clock::now();
        for (message, from) in batch {
            self.metrics.received(&message);
            if let Some(tap) = &self.tap {
                tap(Way::Received, &from, &message);
            }
            self.layer.handle_message(message, from, now);
        }
        self.perform_effects(ctx);
    }
}

impl StreamHandler<io::Result<(TcpStream, SocketAddr)>> for Endpoint {
    fn handle(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>, ctx: &mut Context<Self>) {
        match accepted {
            Ok(_) if self.wires.connections.len() >= self.shared.config.max_connections => {
                self.metrics.too_many_connections.increment(1);
            }
            Ok((tcp, addr)) => drop(self.open_stream(tcp, addr, ctx)),
            Err(_) => self.metrics.refused("accept_failed"),
        }
    }
}

impl Handler<WriteFor> for Endpoint {
    type Result = ();

    fn handle(&mut self, order: WriteFor, _: &mut Context<Self>) {
        self.wires.write_for(order);
    }
}

impl Handler<Lost> for Endpoint {
    type Result = ();

    fn handle(&mut self, Lost(connection): Lost, ctx: &mut Context<Self>) {
        self.wires.forget(connection);
        self.layer.handle_connection_lost(connection, clock::now());
        self.perform_effects(ctx);
    }
}

impl Handler<Respond> for Endpoint {
    type Result = ();

    fn handle(&mut self, order: Respond, ctx: &mut Context<Self>) {
        self.respond(order.key, order.response);
        self.perform_effects(ctx);
    }
}

impl Handler<Submit> for Endpoint {
    type Result = ();

    fn handle(&mut self, order: Submit, ctx: &mut Context<Self>) {
        let owner = self.shared.shards.of(order.request.call_id().as_bytes());
        match self.wires.neighbours.get(owner) {
            // its answers will arrive there
            Some(neighbour) if owner != self.shared.shard => neighbour.do_send(order),
            _ => {
                self.submit(order.id, order.request, order.target, order.sink, ctx);
                self.perform_effects(ctx);
            }
        }
    }
}

impl Handler<SendAck> for Endpoint {
    type Result = ();

    fn handle(&mut self, order: SendAck, ctx: &mut Context<Self>) {
        let outbound = Outbound {
            message: order.ack,
            kind: Kind::Ack,
            by_length: false,
        };
        self.route(outbound, order.target, ctx);
        self.perform_effects(ctx);
    }
}

impl Handler<CancelRequest> for Endpoint {
    type Result = ();

    fn handle(&mut self, CancelRequest(id): CancelRequest, ctx: &mut Context<Self>) {
        self.layer.cancel(id, clock::now());
        self.perform_effects(ctx);
    }
}

impl Handler<WatchCancel> for Endpoint {
    type Result = ();

    fn handle(&mut self, order: WatchCancel, _: &mut Context<Self>) {
        let Some(watch) = self.invites.get_mut(&order.key) else {
            return;
        };
        if matches!(watch, Watch::Nobody { cancelled: true }) {
            order.watcher.do_send(Cancelled { key: order.key });
        }
        *watch = Watch::Somebody(order.watcher);
    }
}

impl Handler<AdmitDialog> for Endpoint {
    type Result = ();

    fn handle(&mut self, order: AdmitDialog, _: &mut Context<Self>) {
        self.dialogs.insert(order.tag, order.mail);
    }
}

impl Handler<ReleaseDialog> for Endpoint {
    type Result = ();

    fn handle(&mut self, ReleaseDialog(tag): ReleaseDialog, _: &mut Context<Self>) {
        self.dialogs.remove(&tag);
    }
}

impl Handler<Bind> for Endpoint {
    type Result = io::Result<SocketAddr>;

    fn handle(&mut self, order: Bind, ctx: &mut Context<Self>) -> io::Result<SocketAddr> {
        self.wires.meet(order.endpoints);
        self.bind(order.listen, ctx)
    }
}

impl Handler<Drain> for Endpoint {
    type Result = ();

    fn handle(&mut self, _: Drain, _: &mut Context<Self>) {
        self.draining = true;
    }
}

impl Handler<Stop> for Endpoint {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        self.wires.connections.close_all();
        if let Some(datagrams) = self.datagrams.take() {
            datagrams.do_send(Stop);
        }
        self.wires.connections = Connections::default();
        ctx.stop();
    }
}
