use crate::sip::transaction::ConnectionId;
use hashbrown::HashMap;
use parking_lot::RwLock;
use std::{net::SocketAddr, sync::Arc};

/// Which stream leads to which address, over all shards.
///
/// A lock, but not on the hot path: it is taken when a stream opens or closes, and when a request
/// goes to an address without naming its stream.
#[derive(Clone, Default)]
pub(super) struct Directory(Arc<RwLock<HashMap<SocketAddr, ConnectionId>>>);

impl Directory {
    pub fn opened(&self, addr: SocketAddr, connection: ConnectionId) {
        self.0.write().insert(addr, connection);
    }

    pub fn closed(&self, addr: SocketAddr, connection: ConnectionId) {
        let mut table = self.0.write();
        if table.get(&addr) == Some(&connection) {
            table.remove(&addr);
        }
    }

    pub fn find(&self, addr: SocketAddr) -> Option<ConnectionId> {
        self.0.read().get(&addr).copied()
    }
}

const SHARD_BITS: u32 = 48;

/// The `number`th stream of `shard`.
pub(super) fn connection_id(shard: usize, number: u64) -> ConnectionId {
    ConnectionId((shard as u64) << SHARD_BITS | number)
}

/// The shard that owns a stream.
pub(super) fn owner(connection: ConnectionId) -> usize {
    // 16 bits are left
    (connection.0 >> SHARD_BITS) as usize
}
