use super::{
    Cancelled, ClientEventKind, Incoming, Tap, Way,
    branches::Branches,
    connections::Connections,
    datagrams::Datagrams,
    directory::Directory,
    failover::Failover,
    forwards::Forwards,
    handle::Shared,
    inbound::Watch,
    locator::Locator,
    orders::{
        AdmitDialog, Bind, CancelRequest, DialogMail, Drain, Lost, Received, ReleaseDialog,
        Respond, SendAck, Sink, Stop, Submit, WatchCancel, WriteFor,
    },
    outbound::{Kind, Outbound},
    wires::Wires,
};
use crate::{
    clock, net,
    overload::Refusals,
    sip::{
        codec::Message,
        feedback::Throttle,
        locate::Resting,
        metrics::Metrics,
        proxy::Ourselves,
        tally::Tally,
        transaction::{Dropped, Effect, Layer, Peer, RequestId, ServerKey},
    },
};
use actix::prelude::*;
use hashbrown::HashMap;
use std::{io, net::SocketAddr, rc::Rc, sync::Arc, time::Instant};

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
    pub(super) dialogs: HashMap<Box<str>, Recipient<DialogMail>>,
    pub(super) invites: HashMap<ServerKey, Watch>,
    pub(super) forwards: Forwards,
    pub(super) ourselves: Ourselves,
    pub(super) user: Recipient<Incoming>,
    tap: Option<Tap>,
    timer: Option<(Instant, SpawnHandle)>,
    pub(super) streams: u64,
    pub(super) datagrams: Option<Addr<Datagrams>>,
    pub(super) lookups: usize,
    pub(super) locator: Option<Rc<Locator>>,
    pub(super) failover: Failover,
    pub(super) resting: Resting,
    pub(super) draining: bool,
    tally: Tally,
    pub(super) refusals: Refusals,
    pub(super) throttles: HashMap<SocketAddr, Throttle>,
    pub(super) began: Instant,
    /// When the batch that is being worked on reached this process.
    pub(super) arrived: Instant,
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
            forwards: Forwards::default(),
            ourselves: shared.ourselves(),
            user,
            tap,
            timer: None,
            streams: 0,
            datagrams: None,
            lookups: 0,
            locator: None,
            failover: Failover::default(),
            resting: Resting::default(),
            draining: false,
            tally: Tally::register(),
            refusals: Refusals::default(),
            throttles: HashMap::new(),
            began: clock::now(),
            arrived: clock::now(),
            shared,
        }
    }

    pub(super) fn perform_effects(&mut self, ctx: &mut Context<Self>) {
        loop {
            while let Some(effect) = self.layer.next_effect() {
                self.perform(effect, ctx);
            }
            let lost = self.wires.flush();
            if !self.send_failed_over(ctx) && lost.is_empty() {
                break;
            }
            for connection in lost {
                self.layer.handle_connection_lost(connection, clock::now());
            }
        }
        for completed in self.layer.completed() {
            self.tally.completed(&completed);
        }
        self.metrics.servers.set(self.layer.servers() as f64);
        self.metrics.clients.set(self.layer.clients() as f64);
        self.arm(ctx);
    }

    fn perform(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Send {
                to,
                message,
                origin,
            } => self.send(to, message, origin, ctx),
            Effect::Incoming { key, request, from } => self.deliver(key, request, from, ctx),
            Effect::Cancelled { key } => self.cancelled(key),
            Effect::Ack { request, .. } => self.deliver_ack(request, ctx),
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
            Effect::Ended { id } => self.ended(id),
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
            self.connect(Outbound::new(message, Kind::Response), addr, ctx);
        }
    }

    pub(super) fn observe_sent(&self, to: &Peer, message: &Message) {
        if let Some(tap) = &self.tap {
            tap(Way::Sent, to, message);
        }
    }

    /// Keeps one timer, for the earliest deadline; one that is too early does no harm.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        let times = [self.layer.next_timeout(), self.forwards.next_timeout()];
        let Some(next) = times.into_iter().flatten().min() else {
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
            this.handle_forward_timeouts(clock::now());
            this.perform_effects(ctx);
        });
        self.timer = Some((next, timer));
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

    fn handle(&mut self, received: Received, ctx: &mut Context<Self>) {
        let Received {
            batch,
            arrived,
            ticket: _held_until_served,
        } = received;
        let now = clock::now();
        self.arrived = arrived;
        for (message, from) in batch {
            self.metrics.received(&message, from.transport);
            if let Some(tap) = &self.tap {
                tap(Way::Received, &from, &message);
            }
            let message = self.exchange_feedback(message, from, now);
            // what is refused anyway is not looked at any closer
            if self.is_let_in(&message, from, now) && self.is_valid(&message, from) {
                self.layer.handle_message(message, from, now);
            }
        }
        self.perform_effects(ctx);
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
        self.route(Outbound::new(order.ack, Kind::Ack), order.target, ctx);
        self.perform_effects(ctx);
    }
}

impl Handler<CancelRequest> for Endpoint {
    type Result = ();

    fn handle(&mut self, CancelRequest(id): CancelRequest, ctx: &mut Context<Self>) {
        self.cancel(id);
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
        self.wires.meet(order.endpoints, order.backlogs);
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
