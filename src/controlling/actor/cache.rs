use crate::{controlling::Group, identity::Address};
use hashbrown::HashMap;
use std::sync::Arc;

/// Groups read lately, bounded by how many members they have together.
pub(super) struct Cache {
    limit: usize,
    members: usize,
    recent: HashMap<Address, Arc<Group>>,
    older: HashMap<Address, Arc<Group>>,
    /// Grows with every change, so that a read that started before it is not kept.
    changes: u64,
}

impl Cache {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(2),
            members: 0,
            recent: HashMap::new(),
            older: HashMap::new(),
            changes: 0,
        }
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn get(&mut self, address: &Address) -> Option<Arc<Group>> {
        if let Some(known) = self.recent.get(address) {
            return Some(known.clone());
        }
        let known = self.older.remove(address)?;
        self.put(known.clone());
        Some(known)
    }

    /// Keeps a group that was read when so many `changes` had been seen, unless it is older than
    /// what is known by now.
    pub(super) fn put_if_fresh(&mut self, group: Arc<Group>, changes: u64) {
        if self.changes == changes {
            self.put(group);
        }
    }

    fn put(&mut self, group: Arc<Group>) {
        let weight = group.members.len() + 1;
        if self.members + weight > self.limit / 2 {
            self.older = std::mem::take(&mut self.recent);
            self.members = 0;
        }
        self.members += weight;
        self.recent.insert(group.address.clone(), group);
    }

    pub(super) fn forget(&mut self, address: &Address) {
        if let Some(gone) = self.recent.remove(address) {
            self.members -= gone.members.len() + 1;
        }
        self.older.remove(address);
        self.changes += 1;
    }
}
