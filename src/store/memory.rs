use super::{
    Batch, Change, Durability, Engine, Readable, Scan, StoreError, Table, perishable::Horizon,
};
use crate::clock::Timestamp;
use bytes::Bytes;
use parking_lot::{RwLock, RwLockReadGuard};
use std::{collections::BTreeMap, ops::Bound};

type Keyspaces = [BTreeMap<Bytes, Bytes>; Table::ALL.len()];

/// The store's contract over memory. Nothing survives the process.
#[derive(Default)]
pub struct Memory {
    state: RwLock<State>,
    horizon: Horizon,
}

#[derive(Default)]
struct State {
    keyspaces: Keyspaces,
    /// What commits since the last sync replaced, to play a power failure.
    unsynced: Vec<(Table, Bytes, Change)>,
    syncs: u64,
}

impl Memory {
    /// How often it was asked to sync.
    pub fn syncs(&self) -> u64 {
        self.state.read().syncs
    }

    /// Forgets everything committed after the last sync, as a power failure would.
    pub fn lose_power(&self) {
        let mut state = self.state.write();
        while let Some((table, key, before)) = state.unsynced.pop() {
            state.set(table, key, before);
        }
    }
}

impl State {
    fn set(&mut self, table: Table, key: Bytes, change: Change) -> Change {
        let keyspace = &mut self.keyspaces[table.index()];
        match change {
            Some(value) => keyspace.insert(key, value),
            None => keyspace.remove(&key),
        }
    }

    fn range(&self, scan: Scan<'_>) -> Vec<(Bytes, Bytes)> {
        if scan.from >= scan.until {
            return Vec::new();
        }
        let bounds = (Bound::Included(scan.from), Bound::Excluded(scan.until));
        let entries = self.keyspaces[scan.table.index()].range::<[u8], _>(bounds);
        let owned = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        if scan.reverse {
            entries.rev().take(scan.limit).map(owned).collect()
        } else {
            entries.take(scan.limit).map(owned).collect()
        }
    }
}

struct Picture<'a>(RwLockReadGuard<'a, State>);

impl Readable for Picture<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.0.keyspaces[table.index()].get(key).cloned())
    }

    fn scan(&self, scan: Scan<'_>) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        Ok(self.0.range(scan))
    }

    fn keys(&self, scan: Scan<'_>) -> Result<Vec<Bytes>, StoreError> {
        let entries = self.0.range(scan);
        Ok(entries.into_iter().map(|(key, _)| key).collect())
    }
}

impl Engine for Memory {
    fn view(&self) -> Box<dyn Readable + '_> {
        Box::new(Picture(self.state.read()))
    }

    fn commit(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        let mut state = self.state.write();
        for (table, key, change) in batch.changes() {
            let before = state.set(*table, key.clone(), change.clone());
            state.unsynced.push((*table, key.clone(), before));
        }
        if durability == Durability::Durable {
            state.unsynced.clear();
            state.syncs += 1;
        }
        Ok(())
    }

    fn reclaim(&self, table: Table) -> Result<(), StoreError> {
        if table.is_perishable() {
            let mut state = self.state.write();
            state.keyspaces[table.index()].retain(|_, value| !self.horizon.is_past(value));
        }
        Ok(())
    }

    fn set_horizon(&self, now: Timestamp) {
        self.horizon.set(now);
    }

    fn space(&self) -> u64 {
        let state = self.state.read();
        let octets = |(key, value): (&Bytes, &Bytes)| key.len() + value.len();
        let keyspaces = state.keyspaces.iter();
        keyspaces.flatten().map(octets).sum::<usize>() as u64
    }

    fn free(&self) -> Option<u64> {
        None
    }
}
