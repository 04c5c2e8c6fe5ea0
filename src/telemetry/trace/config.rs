use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What an operator may set for the trace of the wire: the `[trace]` table.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// File that every SIP message and every MSRP head is written to, one JSON object a line. It
    /// holds the contents of MESSAGE requests. No trace if not set.
    pub file: Option<PathBuf>,
    /// Largest file; nothing is added to one that has it.
    pub max_size: ByteSize,
    /// Octets that may wait for the disk; what is more is left out and counted.
    pub queue: ByteSize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            file: None,
            max_size: ByteSize::gib(1),
            queue: ByteSize::mib(16),
        }
    }
}
