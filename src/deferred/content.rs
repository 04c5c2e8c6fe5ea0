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
