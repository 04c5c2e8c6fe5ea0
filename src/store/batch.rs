use super::Table;
use bytes::Bytes;

/// What becomes of one key: its new value, or `None` where it is deleted.
pub type Change = Option<Bytes>;

/// Changes that become visible together, or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    changes: Vec<(Table, Bytes, Change)>,
    octets: usize,
}

impl Batch {
    /// Adds one change. The later change of a key wins.
    pub fn push(&mut self, table: Table, key: Bytes, change: Change) {
        self.octets += key.len() + change.as_ref().map_or(0, Bytes::len);
        self.changes.push((table, key, change));
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Number of changes.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Octets of all keys and values.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// The changes in the order they were made.
    pub fn changes(&self) -> impl Iterator<Item = &(Table, Bytes, Change)> {
        self.changes.iter()
    }
}

impl From<Vec<(Table, Bytes, Change)>> for Batch {
    fn from(changes: Vec<(Table, Bytes, Change)>) -> Self {
        let octets = |(_, key, change): &(Table, Bytes, Change)| {
            key.len() + change.as_ref().map_or(0, Bytes::len)
        };
        let octets = changes.iter().map(octets).sum();
        Self { changes, octets }
    }
}
