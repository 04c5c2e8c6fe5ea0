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
    /// Name of this node in the trace; the address where SIP is listened to if empty.
    pub node: String,
    /// Largest file; nothing is added to one that has it.
    pub max_size: ByteSize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            file: None,
            node: String::new(),
            max_size: ByteSize::gib(1),
        }
    }
}
