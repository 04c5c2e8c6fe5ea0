//! What the relays of all shards share: the keys that seal their URIs, who may have one, and
//! where each client is connected.
use crate::{
    clock,
    msrp::{
        Head,
        relay::{
            Accounts, Channel, Claim, Config, Found, Gatekeeper, Opening, SealError, Sealer,
            Ticket, Verdict,
        },
    },
    net,
};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use std::{collections::HashMap, sync::Arc};

/// The relay of a process. Each switchboard that is given it relays for the clients which
/// authenticate there.
pub struct Desk {
    pub(in crate::msrp::actor) config: Config,
    sealer: RwLock<Arc<Sealer>>,
    gatekeeper: Mutex<Gatekeeper>,
    pub(super) accounts: Arc<dyn Accounts>,
    places: Mutex<HashMap<TicketId, Place>>,
}

/// Names a relay URI that was given out.
pub(in crate::msrp::actor) type TicketId = [u8; 12];

/// The number of a connection on its way from one shard to another.
pub(in crate::msrp::actor) const MOVING: u64 = 0;

/// Where the client of a relay URI is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::msrp::actor) struct Place {
    pub(in crate::msrp::actor) shard: usize,
    /// The connection, by the number its shard gave it.
    pub(in crate::msrp::actor) link: u64,
    /// The URI that stands behind the relay's in the path to the client.
    pub(in crate::msrp::actor) hop: Bytes,
}

impl Desk {
    /// Opens a relay under `config`: `sealer` makes its URIs, `accounts` tells who may have one.
    pub fn new(
        config: Config,
        sealer: Sealer,
        gatekeeper: Gatekeeper,
        accounts: Arc<dyn Accounts>,
    ) -> Arc<Self> {
        Arc::new(Self {
            config,
            sealer: RwLock::new(Arc::new(sealer)),
            gatekeeper: Mutex::new(gatekeeper),
            accounts,
            places: Mutex::default(),
        })
    }

    /// Seals and opens with other keys from now on.
    pub fn set_sealer(&self, sealer: Sealer) {
        *self.sealer.write() = Arc::new(sealer);
    }

    /// Returns the shard that holds the client of a relay URI, if this is one and its client is
    /// here.
    pub(in crate::msrp::actor) fn shard_of(&self, session_id: &[u8]) -> Option<usize> {
        let ticket = self.open(session_id).ok()?;
        self.place(&ticket.id).map(|place| place.shard)
    }

    /// Reads an AUTH for this relay.
    pub(super) fn read_auth(&self, head: &Head, channel: &Channel) -> Opening {
        let gatekeeper = self.gatekeeper.lock();
        gatekeeper.open(head, channel, clock::wall(), net::random_u64())
    }

    /// Judges an AUTH that claims to come from one of these accounts.
    pub(super) fn judge(&self, claim: &Claim, found: &Found) -> Verdict {
        let mut gatekeeper = self.gatekeeper.lock();
        gatekeeper.judge(claim, found, clock::wall(), net::random_u64())
    }

    /// Opens the session id of a relay URI.
    pub(in crate::msrp::actor) fn open(&self, session_id: &[u8]) -> Result<Ticket, SealError> {
        let sealer = self.sealer.read().clone();
        sealer.open(session_id, seconds())
    }

    /// Makes the session id of a new relay URI, which lives no longer than the configured
    /// lifetime.
    pub(in crate::msrp::actor) fn seal(
        &self,
        shard: usize,
        id: TicketId,
        owner: u64,
    ) -> (Ticket, String) {
        let ticket = Ticket {
            id,
            owner,
            not_after: seconds() + self.config.uri_lifetime.as_secs(),
        };
        let sealer = self.sealer.read().clone();
        let session_id = sealer.seal(shard, &ticket);
        (ticket, session_id)
    }

    /// Returns where the client of a relay URI is connected.
    pub(in crate::msrp::actor) fn place(&self, id: &TicketId) -> Option<Place> {
        self.places.lock().get(id).cloned()
    }

    /// Notes where the client of a relay URI is connected; returns where it was before.
    pub(super) fn settle(&self, id: TicketId, place: Place) -> Option<Place> {
        self.places.lock().insert(id, place)
    }

    /// Tells whether the client of a relay URI is on that connection.
    pub(super) fn is_at(&self, id: &TicketId, shard: usize, link: u64) -> bool {
        let places = self.places.lock();
        let place = places.get(id);
        place.is_some_and(|place| (place.shard, place.link) == (shard, link))
    }

    /// Notes that a client left that connection, unless it is on another one by now.
    pub(super) fn forget(&self, id: &TicketId, shard: usize, link: u64) {
        let mut places = self.places.lock();
        if places
            .get(id)
            .is_some_and(|place| (place.shard, place.link) == (shard, link))
        {
            places.remove(id);
        }
    }
}

/// Returns the time that relay URIs are sealed with.
pub(super) fn seconds() -> u64 {
    clock::wall().millis() / 1000
}
