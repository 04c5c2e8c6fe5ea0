use super::{
    Conferences, Legs,
    drains::Drains,
    pool::Pool,
    remote::Fetches,
    shutdown::{self, Shutdown},
};
use crate::{
    clock,
    controlling::Groups,
    deferred::{Deferred, Envelope},
    identity::{Address, outbox},
    msrp::actor::Switchboard,
    neighbours::{Hop, Neighbours, Role},
    overload::Valve,
    participating::{
        Config, Metrics,
        devices::{Devices, Rest},
        watchers::Watchers,
        ways::{Home, through},
    },
    policy::{self, Handing, backoff},
    sip::{
        actor::{EndpointHandle, Incoming},
        codec::{Message, Method, Name},
    },
    sip_core::{self, Binding, Location, Realm, Registrar, Reply, Subscribers},
    store::{self, StoreError},
    trail,
};
use std::{
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
};
use tracing::Span;

/// What all shards share: the functions the participating function works with.
#[derive(Clone)]
pub struct Parts {
    /// Keeps what cannot be delivered now.
    pub deferred: Deferred,
    /// Which groups there are.
    pub groups: Groups,
    /// Who our users are.
    pub subscribers: Subscribers,
    /// Where they are.
    pub location: Location,
    /// Takes REGISTER.
    pub registrar: Registrar,
    /// Proves who sends.
    pub realm: Realm,
    /// The `[participating]` table.
    pub config: Arc<Config>,
    /// The `[sip_core]` table.
    pub core: Arc<sip_core::Config>,
    /// What this node plays, and who plays the rest.
    pub neighbours: Arc<Neighbours>,
    /// The `[policy]` table.
    pub policy: Arc<policy::Config>,
    /// Handles of this room.
    pub metrics: Metrics,
    /// Which mailboxes are being handed over.
    pub drains: Drains,
    /// How their devices take it.
    pub devices: Devices,
    /// Which groups are in session.
    pub conferences: Conferences,
    /// Which members of groups have a live leg.
    pub legs: Legs,
    /// Which mailboxes are being watched.
    pub watchers: Watchers,
    /// The channels to other servers.
    pub pool: Pool,
    /// What is let in.
    pub valve: Valve,
    /// What everything is kept in.
    pub store: store::Handle,
    /// Calls open in the whole process.
    pub sessions: Arc<AtomicUsize>,
    /// The end of the server.
    pub shutdown: Shutdown,
}

/// What one shard's flows work with.
pub struct Services {
    pub(super) parts: Parts,
    pub(super) endpoint: EndpointHandle,
    pub(super) switchboard: Rc<Switchboard>,
    /// Lists of mailboxes elsewhere that are asked for.
    pub(super) fetches: Fetches,
}

impl std::ops::Deref for Services {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Services {
    /// Puts the shared parts and those of one shard together.
    pub fn new(
        mut parts: Parts,
        endpoint: EndpointHandle,
        switchboard: Rc<Switchboard>,
    ) -> Rc<Self> {
        parts.shutdown = parts.shutdown.on_shard();
        Rc::new(Self {
            parts,
            endpoint,
            switchboard,
            fetches: Fetches::default(),
        })
    }

    /// Resolves when a call is to end on which nothing moves, with its reason: to be asked anew
    /// whenever something has moved. One that is `busy` is in the middle of a message.
    pub(super) async fn idled(&self, busy: bool) -> &'static str {
        tokio::select! {
            () = tokio::time::sleep(self.config.idle_timeout) => {
                "SIP;cause=408;text=\"participating.idle_timeout\""
            }
            () = self.shutdown.rested(busy) => shutdown::REASON,
        }
    }

    /// The devices of `user`, in the order in which they are tried. Those of an outbox are its
    /// owner's, or else the server that takes over from there.
    pub(super) fn devices_of(&self, user: &Address) -> Vec<Binding> {
        let mut devices = match outbox::owner(user) {
            None => self.devices_at_home(user),
            Some(owner) => self.ways_to(user, &owner),
        };
        self.devices.arrange(user, &mut devices);
        devices
    }

    fn ways_to(&self, outbox: &Address, owner: &Address) -> Vec<Binding> {
        let hop = match self.home_of(owner) {
            Home::Here | Home::Nowhere => return Vec::new(),
            Home::Elsewhere(hop) => hop,
            Home::Divided(hop) => {
                let (now, mut devices) = (clock::now(), self.devices_at_home(owner));
                devices.retain(|one| self.devices.rest(outbox, one, now).is_none());
                match devices.is_empty() {
                    true => hop,
                    false => return devices,
                }
            }
        };
        through(owner, &hop).into_iter().collect()
    }

    fn devices_at_home(&self, user: &Address) -> Vec<Binding> {
        self.location.bindings(user, clock::wall())
    }

    /// Where what is for `user` is handed over.
    pub(super) fn home_of(&self, user: &Address) -> Home {
        Home::of(user, &self.core.domains, &self.neighbours)
    }

    /// Where a copy for `member` waits: in the own mailbox of a subscriber, or until the member's
    /// own server takes it. `None` where no way leads there.
    pub(super) fn mailbox_of(&self, member: &Address) -> Option<Address> {
        match self.home_of(member) {
            Home::Here => Some(member.clone()),
            Home::Nowhere => None,
            Home::Divided(_) | Home::Elsewhere(_) => outbox::of(member),
        }
    }

    /// Whether a waiting message is the business of a leg.
    pub(super) fn is_served_live(&self, envelope: &Envelope) -> bool {
        let facts = &envelope.facts;
        let group = facts.group.as_ref();
        group.is_some_and(|group| self.legs.serves(group, &facts.recipient))
    }

    /// Whether the member with `mailbox` can be expected to take what is sent to `group` now.
    pub(super) fn is_there(&self, group: &Address, mailbox: &Address) -> bool {
        self.legs.serves(group, mailbox) || !self.devices_of(mailbox).is_empty()
    }

    /// The owner of the groups of our domains, where `address` may be one of them: nobody here
    /// has it.
    pub(super) async fn group_owner(&self, address: &Address) -> Option<&Hop> {
        let hop = self.neighbours.at(Role::Controlling)?;
        let is_unknown = matches!(self.subscribers.get(address).await, Ok(None));
        is_unknown.then_some(hop)
    }

    /// Whether `address` is a group that this node owns, or what makes one.
    pub(super) fn is_group(&self, address: &Address) -> bool {
        let groups = &self.groups;
        self.neighbours.plays(Role::Controlling)
            && (groups.is_group(address) || groups.is_factory(address))
    }

    /// Lets a device of `user` rest that did not answer, or broke off: longer each time, and
    /// after the last try until it registers again.
    pub(super) fn rest(&self, user: &Address, device: &Binding) {
        let config = &self.config;
        let failures = self.devices.failures(user, device).saturating_add(1);
        // a server does not register: it is tried again and again
        let gives_up = !outbox::is_one(user) && failures >= config.push_attempts;
        let rest = match gives_up {
            true => Rest::UntilRegistered,
            false => {
                let roll = rand::random::<f64>();
                let (first, longest) = (config.push_retry, config.push_retry_max);
                Rest::Until(clock::now() + backoff(failures, first, longest, roll))
            }
        };
        self.devices.failed(user, device, rest);
    }

    /// How what waits for `user` is to be handed over.
    pub(super) async fn handing(&self, user: &Address) -> Result<Handing, StoreError> {
        let subscriber = self.subscribers.get(user).await?;
        Ok(subscriber.map_or(Handing::Deliver, |known| known.settings.handing))
    }

    /// What is noted of the serving of `incoming`, where anybody asks.
    pub(super) fn span_of(&self, incoming: &Incoming) -> Span {
        if !trail::enabled() {
            return Span::none();
        }
        let request = &incoming.request;
        let is_told = self.neighbours.trusts(incoming.source.addr.ip());
        let told = request.value(Name::Traceparent).filter(|_| is_told);
        let method = request.method();
        let method = method.as_ref().map_or("request", Method::as_str);
        trail::request(method, &request.call_id(), told.as_deref())
    }

    /// Answers `incoming`.
    pub(super) fn reply(&self, incoming: &Incoming, reply: &Reply) {
        let tag = self.endpoint.new_tag();
        self.respond(incoming, reply.to_message(&incoming.request, &tag));
    }

    pub(super) fn respond(&self, incoming: &Incoming, response: Message) {
        trail::answered(response.code().unwrap_or(500));
        self.endpoint.respond(incoming.key, response);
    }

    /// Refuses `incoming`, counted by `kind`.
    pub(super) fn refuse(&self, incoming: &Incoming, reply: &Reply, kind: &'static str) {
        self.metrics.refused(kind);
        tracing::debug!(
            code = reply.code,
            kind,
            call_id = %incoming.request.call_id(),
            "request refused"
        );
        self.reply(incoming, reply);
    }

    /// The domain that names this server where a user of it does not: the sender's, or the first.
    pub(super) fn domain_of(&self, address: &Address) -> String {
        let own = address.domain().filter(|domain| self.core.is_ours(domain));
        let first = || {
            self.core
                .domains
                .first()
                .map_or("localhost", String::as_str)
        };
        own.unwrap_or_else(first).to_owned()
    }
}
