use super::{keys, ledger::Ledger};
use crate::store::{Readable, Scan, StoreError, Table};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Octets of one piece of a content, except the last.
pub const PIECE: usize = 64 * 1024;

/// Names one content. Never used twice, across restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContentId(pub(super) u64);

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Pieces of a content of `size` octets.
pub(super) fn pieces(size: u64) -> u32 {
    u32::try_from(size.div_ceil(PIECE as u64)).unwrap_or(u32::MAX)
}

/// Pieces removed in the transaction that takes the message; more are marked and removed later.
const FEW_PIECES: u32 = 16;
/// Pieces removed by one transaction of a sweep.
const SWEPT_PIECES: usize = 256;

impl Ledger<'_, '_> {
    /// Removes some pieces of `content` from `index` on; where to go on, or `None` when it and
    /// its marks are gone. A content without a mark belongs to a message and stays.
    pub(super) fn sweep(
        &mut self,
        content: ContentId,
        index: u32,
    ) -> Result<Option<u32>, StoreError> {
        let mark = keys::content(content);
        if self.txn.get(Table::Receiving, &mark)?.is_none()
            && self.txn.get(Table::Removing, &mark)?.is_none()
        {
            return Ok(None);
        }
        let keys = self.txn.keys(Scan {
            table: Table::Content,
            from: &keys::piece(content, index),
            until: &keys::pieces_end(content),
            limit: SWEPT_PIECES,
            reverse: false,
        })?;
        let last = keys.last().and_then(|key| key.last_chunk::<4>().copied());
        let is_done = keys.len() < SWEPT_PIECES;
        for key in keys {
            self.txn.delete(Table::Content, key);
        }
        if is_done {
            self.txn.delete(Table::Receiving, mark.clone());
            self.txn.delete(Table::Removing, mark);
        }
        let next = last.map_or(0, u32::from_be_bytes).saturating_add(1);
        Ok((!is_done).then_some(next))
    }

    /// Removes a content with its message: at once, or by a mark and later; then it is returned.
    pub(super) fn remove_content(&mut self, content: ContentId, size: u64) -> Option<ContentId> {
        let pieces = pieces(size);
        let leftover = pieces > FEW_PIECES;
        if leftover {
            let mark = keys::content(content);
            self.txn.put(Table::Removing, mark, Bytes::new());
        } else {
            for index in 0..pieces {
                self.txn.delete(Table::Content, keys::piece(content, index));
            }
        }
        leftover.then_some(content)
    }
}
