use super::{
    super::{Readable, Scan, StoreError, Table},
    keyspaces::Opened,
};
use bytes::Bytes;
use fjall::{Guard, Readable as _, Snapshot};
use std::sync::Arc;

/// What is committed at one moment.
pub(super) struct Picture {
    snapshot: Snapshot,
    opened: Arc<Opened>,
}

impl Picture {
    pub(super) fn new(opened: Arc<Opened>) -> Self {
        let snapshot = opened.database.snapshot();
        Self { snapshot, opened }
    }

    fn read<T>(
        &self,
        scan: Scan<'_>,
        take: impl Fn(Guard) -> fjall::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        if scan.from >= scan.until {
            return Ok(Vec::new());
        }
        let keyspace = self.opened.keyspace(scan.table);
        let entries = self.snapshot.range(keyspace, scan.from..scan.until);
        let found: fjall::Result<Vec<T>> = if scan.reverse {
            entries.rev().take(scan.limit).map(take).collect()
        } else {
            entries.take(scan.limit).map(take).collect()
        };
        Ok(found?)
    }
}

impl Readable for Picture {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self.snapshot.get(self.opened.keyspace(table), key)?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(&self, scan: Scan<'_>) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.read(scan, |entry| {
            let (key, value) = entry.into_inner()?;
            Ok((Bytes::copy_from_slice(&key), Bytes::copy_from_slice(&value)))
        })
    }

    fn keys(&self, scan: Scan<'_>) -> Result<Vec<Bytes>, StoreError> {
        self.read(scan, |entry| Ok(Bytes::copy_from_slice(&entry.key()?)))
    }
}

/// What can be seen while the engine is being opened again.
pub(super) struct Nothing;

impl Readable for Nothing {
    fn get(&self, _: Table, _: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Err(StoreError::NoRoom)
    }

    fn scan(&self, _: Scan<'_>) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        Err(StoreError::NoRoom)
    }

    fn keys(&self, _: Scan<'_>) -> Result<Vec<Bytes>, StoreError> {
        Err(StoreError::NoRoom)
    }
}
