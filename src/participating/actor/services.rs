use super::drains::Drains;
use crate::{
    clock,
    controlling::Groups,
    deferred::Deferred,
    identity::Address,
    msrp::actor::Switchboard,
    neighbours::Neighbours,
    participating::{
        Config, Metrics,
        devices::{Devices, Rest},
        watchers::Watchers,
    },
    policy::{self, Handing, backoff},
    sip::{
        actor::{EndpointHandle, Incoming},
        codec::Message,
    },
    sip_core::{self, Binding, Location, Realm, Registrar, Reply, Subscribers},
    store::StoreError,
};
use std::{
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
};

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

    /// The devices of `user`, in the order in which they are tried.
    pub(super) fn devices_of(&self, user: &Address) -> Vec<Binding> {
        let mut devices = self.location.bindings(user, clock::wall());
        self.devices.arrange(user, &mut devices);
        devices
    }

    /// Lets a device of `user` rest that did not answer, or broke off: longer each time, and
    /// after the last try until it registers again.
    pub(super) fn rest(&self, user: &Address, device: &Binding) {
        let config = &self.config;
        let failures = self.devices.failures(user, device).saturating_add(1);
        let rest = match failures >= config.push_attempts {
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
