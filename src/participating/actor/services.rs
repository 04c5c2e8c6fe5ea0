use crate::{
    clock,
    deferred::Deferred,
    identity::Address,
    msrp::actor::Switchboard,
    participating::{Config, Metrics, drains::Drains, watchers::Watchers},
    policy,
    sip::{
        actor::{EndpointHandle, Incoming},
        codec::Message,
    },
    sip_core::{self, Binding, Location, Realm, Registrar, Reply, Subscribers},
};
use std::{
    cmp::Reverse,
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
};

/// What all shards share: the functions the participating function works with.
#[derive(Clone)]
pub struct Parts {
    /// Keeps what cannot be delivered now.
    pub deferred: Deferred,
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
    /// The `[policy]` table.
    pub policy: Arc<policy::Config>,
    /// Handles of this room.
    pub metrics: Metrics,
    /// Which mailboxes are being handed over.
    pub drains: Drains,
    /// Which mailboxes are being watched.
    pub watchers: Watchers,
    /// Calls open in the whole process.
    pub sessions: Arc<AtomicUsize>,
}

/// What one shard's flows work with.
pub struct Services {
    pub(super) parts: Parts,
    pub(super) endpoint: EndpointHandle,
    pub(super) switchboard: Rc<Switchboard>,
}

impl std::ops::Deref for Services {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Services {
    /// Puts the shared parts and those of one shard together.
    pub fn new(parts: Parts, endpoint: EndpointHandle, switchboard: Rc<Switchboard>) -> Rc<Self> {
        Rc::new(Self {
            parts,
            endpoint,
            switchboard,
        })
    }

    /// The devices of `user`, the most wanted first; among equals the one heard of last, which is
    /// the likeliest to be there.
    pub(super) fn devices(&self, user: &Address) -> Vec<Binding> {
        let mut devices = self.location.bindings(user, clock::wall());
        devices.sort_by_key(|device| Reverse((device.q(), device.expires_at)));
        devices
    }

    /// Answers `incoming`.
    pub(super) fn reply(&self, incoming: &Incoming, reply: &Reply) {
        let tag = self.endpoint.new_tag();
        self.respond(incoming, reply.to_message(&incoming.request, &tag));
    }

    pub(super) fn respond(&self, incoming: &Incoming, response: Message) {
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
