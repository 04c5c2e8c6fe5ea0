use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

/// What an operator may decide: the `[policy]` table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Up to this many waiting messages are handed over as SIP MESSAGE; more open a channel.
    pub pager_messages: u64,
    /// Up to this many octets in total are handed over as SIP MESSAGE.
    pub pager_total: ByteSize,
    /// Largest content that fits a SIP MESSAGE with all its header fields below 1300 octets.
    pub pager_content: ByteSize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            pager_messages: 5,
            pager_total: ByteSize::kib(4),
            pager_content: ByteSize::b(700),
        }
    }
}
