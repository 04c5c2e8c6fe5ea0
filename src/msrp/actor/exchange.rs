//! How a connection reaches the shard that owns its session.
use super::{
    Entry,
    relaying::{Desk, MovingLease},
};
use crate::{
    msrp::{Decoder, Frame},
    net::{Detached, Port, tls::Credentials},
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};
use tokio::sync::mpsc;

/// Connections that may wait for another shard to take them.
const WAITING: usize = 1024;

/// A connection that belongs to another shard, with what it sent so far.
pub(super) struct Arrival {
    pub(super) stream: Detached<Decoder>,
    pub(super) frames: Vec<Frame>,
    pub(super) leases: Vec<MovingLease>,
}

/// What the switchboards of one process share: a door to each of them, and the address where
/// all of them listen.
pub struct Exchange {
    doors: Mutex<Vec<Option<mpsc::Sender<Arrival>>>>,
    listen: Mutex<HashMap<Entry, SocketAddr>>,
    credentials: OnceLock<Arc<Credentials>>,
    desk: Option<Arc<Desk>>,
}

impl Exchange {
    /// Makes an exchange for `shards` switchboards that relay nothing.
    pub fn new(shards: usize) -> Arc<Self> {
        Self::with(shards, None)
    }

    /// Makes an exchange for `shards` switchboards that relay for the clients `desk` admits.
    pub fn relaying(shards: usize, desk: Arc<Desk>) -> Arc<Self> {
        Self::with(shards, Some(desk))
    }

    fn with(shards: usize, desk: Option<Arc<Desk>>) -> Arc<Self> {
        Arc::new(Self {
            doors: Mutex::new(vec![None; shards.max(1)]),
            listen: Mutex::default(),
            credentials: OnceLock::new(),
            desk,
        })
    }

    /// Gives all switchboards that start from now on certificates to show and to believe.
    pub fn protect(&self, credentials: Arc<Credentials>) {
        // who does it twice means the first
        let _ = self.credentials.set(credentials);
    }

    pub(super) fn credentials(&self) -> Option<&Arc<Credentials>> {
        self.credentials.get()
    }

    pub(super) fn desk(&self) -> Option<&Arc<Desk>> {
        self.desk.as_ref()
    }

    /// Opens the door of `shard`.
    pub(super) fn open_door(&self, shard: usize) -> mpsc::Receiver<Arrival> {
        let (door, arrivals) = mpsc::channel(WAITING);
        if let Some(place) = self.doors.lock().get_mut(shard) {
            *place = Some(door);
        }
        arrivals
    }

    /// Tells whether `shard` takes connections.
    pub(super) fn has_door(&self, shard: usize) -> bool {
        self.doors.lock().get(shard).is_some_and(Option::is_some)
    }

    /// Hands a connection to `shard`; `false` if its door is shut or crowded, and the
    /// connection is dropped.
    pub(super) fn hand_over(&self, shard: usize, arrival: Arrival) -> bool {
        let door = self.doors.lock().get(shard).cloned().flatten();
        door.is_some_and(|door| door.try_send(arrival).is_ok())
    }

    /// Binds with `bind` where the first switchboard got its address: a free port (0) becomes
    /// the same port for all.
    pub(super) fn listen_once<L>(
        &self,
        entry: Entry,
        wanted: SocketAddr,
        bind: impl FnOnce(SocketAddr, Port) -> std::io::Result<(L, SocketAddr)>,
    ) -> std::io::Result<(L, SocketAddr)> {
        let mut listen = self.listen.lock();
        let (listener, bound) = match listen.get(&entry) {
            Some(bound) => bind(*bound, Port::Share)?,
            None => bind(wanted, Port::Claim)?,
        };
        listen.insert(entry, bound);
        Ok((listener, bound))
    }
}
