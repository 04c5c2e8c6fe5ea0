use super::{Batch, Change, Readable, Scan, StoreError, Table};
use bytes::Bytes;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::{collections::BTreeMap, hash::BuildHasher};

/// Longest key, in octets.
const MAX_KEY: usize = 4 * 1024;

/// A frozen picture of the store for one read closure.
pub struct View<'a>(pub(super) Box<dyn Readable + 'a>);

impl Readable for View<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.0.get(table, key)
    }

    fn scan(&self, scan: Scan<'_>) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.0.scan(scan)
    }

    fn keys(&self, scan: Scan<'_>) -> Result<Vec<Bytes>, StoreError> {
        self.0.keys(scan)
    }
}

/// Writes that are not committed yet, over a picture of what is.
///
/// Each transaction of a group has its own layer, so that one that fails leaves nothing behind.
pub struct Txn<'a> {
    below: &'a dyn Readable,
    /// What the group wrote, once per key.
    group: Vec<(Table, Bytes, Change)>,
    /// Where in `group` a key stands, by its hash.
    places: HashTable<usize>,
    hasher: DefaultHashBuilder,
    /// What the running transaction replaced in `group`, to undo it.
    undo: Vec<(usize, Change)>,
    /// How much of `group` was there before the running transaction.
    kept: usize,
    key_too_long: bool,
}

impl<'a> Txn<'a> {
    pub(super) fn new(below: &'a dyn Readable) -> Self {
        Self {
            below,
            group: Vec::new(),
            places: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            undo: Vec::new(),
            kept: 0,
            key_too_long: false,
        }
    }

    /// Sets the value of `key`. The octets are kept as they are until the commit.
    pub fn put(&mut self, table: Table, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.change(table, key.into(), Some(value.into()));
    }

    /// Removes `key`, whether it is there or not.
    pub fn delete(&mut self, table: Table, key: impl Into<Bytes>) {
        self.change(table, key.into(), None);
    }

    fn change(&mut self, table: Table, key: Bytes, change: Change) {
        if key.is_empty() || key.len() > MAX_KEY {
            self.key_too_long = true;
            return;
        }
        let (group, hasher) = (&mut self.group, &self.hasher);
        let hash = hasher.hash_one((table, &*key));
        let is_key = |&place: &usize| group[place].0 == table && group[place].1 == key;
        let place = self.places.find(hash, is_key).copied();
        match place {
            Some(place) => {
                let before = std::mem::replace(&mut group[place].2, change);
                if place < self.kept {
                    self.undo.push((place, before));
                }
            }
            None => {
                group.push((table, key, change));
                let hash_of = |&place: &usize| hasher.hash_one((group[place].0, &*group[place].1));
                self.places.insert_unique(hash, group.len() - 1, hash_of);
            }
        }
    }

    /// What the group made of `key`, if anything.
    fn changed(&self, table: Table, key: &[u8]) -> Option<&Change> {
        let hash = self.hasher.hash_one((table, key));
        let is_key = |&place: &usize| self.group[place].0 == table && self.group[place].1 == key;
        let place = self.places.find(hash, is_key)?;
        Some(&self.group[*place].2)
    }

    /// Whether the running transaction wrote what no engine takes. A commit that fails ends the
    /// process, so this must be found before.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.key_too_long {
            true => Err(StoreError::Abandoned("a key is empty or longer than 4 KiB")),
            false => Ok(()),
        }
    }

    /// Keeps what the running transaction wrote.
    pub(super) fn keep(&mut self) {
        self.undo.clear();
        self.kept = self.group.len();
    }

    /// Forgets what the running transaction wrote.
    pub(super) fn roll_back(&mut self) {
        self.key_too_long = false;
        while self.group.len() > self.kept
            && let Some((table, key, _)) = self.group.pop()
        {
            let place = self.group.len();
            let hash = self.hasher.hash_one((table, &*key));
            if let Ok(entry) = self.places.find_entry(hash, |&other| other == place) {
                entry.remove();
            }
        }
        for (place, before) in self.undo.drain(..).rev() {
            self.group[place].2 = before;
        }
    }

    /// All that the group wrote, once per key.
    pub(super) fn into_batch(self) -> Batch {
        Batch::from(self.group)
    }

    /// The group's own changes in the range of `scan`, in any order.
    fn changes(&self, scan: &Scan<'_>) -> Vec<(Bytes, Change)> {
        let is_inside =
            |table: Table, key: &Bytes| table == scan.table && key >= scan.from && key < scan.until;
        let inside = self.group.iter().filter(|(t, k, _)| is_inside(*t, k));
        inside.map(|(_, k, c)| (k.clone(), c.clone())).collect()
    }

    /// Lays the group's changes over what `read` finds below.
    fn merge<T>(
        &self,
        scan: Scan<'_>,
        read: impl Fn(&dyn Readable, Scan<'_>) -> Result<Vec<T>, StoreError>,
        key_of: impl Fn(&T) -> &Bytes,
        make: impl Fn(Bytes, Bytes) -> T,
    ) -> Result<Vec<T>, StoreError> {
        let changes = self.changes(&scan);
        // every change below may hide one entry, so that many more are needed
        let limit = scan.limit.saturating_add(changes.len());
        let found = read(self.below, Scan { limit, ..scan })?;
        if changes.is_empty() {
            return Ok(found);
        }
        let mut merged: BTreeMap<Bytes, T> = found
            .into_iter()
            .map(|entry| (key_of(&entry).clone(), entry))
            .collect();
        for (key, change) in changes {
            match change {
                Some(value) => merged.insert(key.clone(), make(key, value)),
                None => merged.remove(&key),
            };
        }
        Ok(if scan.reverse {
            merged.into_values().rev().take(scan.limit).collect()
        } else {
            merged.into_values().take(scan.limit).collect()
        })
    }
}

impl Readable for Txn<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        match self.changed(table, key) {
            Some(change) => Ok(change.clone()),
            None => self.below.get(table, key),
        }
    }

    fn scan(&self, scan: Scan<'_>) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.merge(
            scan,
            |below, scan| below.scan(scan),
            |(key, _)| key,
            |key, value| (key, value),
        )
    }

    fn keys(&self, scan: Scan<'_>) -> Result<Vec<Bytes>, StoreError> {
        self.merge(
            scan,
            |below, scan| below.keys(scan),
            |key| key,
            |key, _| key,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Durability, Engine, Memory};

    fn filled() -> Memory {
        let memory = Memory::default();
        let mut batch = Batch::default();
        for key in ["a", "b", "c", "d"] {
            batch.push(Table::Meta, key.into(), Some("old".into()));
        }
        memory.commit(&batch, Durability::Durable).unwrap();
        memory
    }

    fn scan(limit: usize, reverse: bool) -> Scan<'static> {
        Scan {
            table: Table::Meta,
            from: b"a",
            until: b"z",
            limit,
            reverse,
        }
    }

    #[test]
    fn scan_sees_own_writes_and_not_own_deletes() {
        let memory = filled();
        let view = memory.view();
        let mut txn = Txn::new(&*view);
        txn.delete(Table::Meta, "a");
        txn.put(Table::Meta, "bb", "new");
        txn.delete(Table::Meta, "d");
        assert_eq!(txn.keys(scan(2, false)).unwrap(), ["b", "bb"]);
        assert_eq!(txn.keys(scan(9, true)).unwrap(), ["c", "bb", "b"]);
        assert_eq!(txn.get(Table::Meta, b"a").unwrap(), None);
    }

    #[test]
    fn failed_transaction_leaves_what_the_group_wrote_before_it() {
        let memory = filled();
        let view = memory.view();
        let mut txn = Txn::new(&*view);
        txn.put(Table::Meta, "a", "first");
        txn.keep();
        txn.put(Table::Meta, "a", "second");
        txn.put(Table::Meta, "a", "third");
        txn.delete(Table::Meta, "b");
        txn.put(Table::Meta, "new", "new");
        txn.roll_back();
        let batch = txn.into_batch();
        let changes: Vec<_> = batch.changes().cloned().collect();
        assert_eq!(
            changes,
            [(Table::Meta, Bytes::from("a"), Some(Bytes::from("first")))]
        );
    }

    #[test]
    fn empty_range_is_empty_even_where_its_ends_are_swapped() {
        let memory = filled();
        let view = memory.view();
        let mut txn = Txn::new(&*view);
        txn.put(Table::Meta, "b", "new");
        let swapped = Scan {
            from: b"z",
            until: b"a",
            ..scan(9, false)
        };
        assert!(txn.keys(swapped).unwrap().is_empty());
    }
}
