//! How large a message may be.
use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

/// What an operator may set for the size of SIP messages: the `[sip.limits]` table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Longest head: start line, header fields and empty line together.
    pub max_head: ByteSize,
    /// Longest header field, its continuation lines included.
    pub max_field: ByteSize,
    /// Largest number of header fields.
    pub max_fields: usize,
    /// Longest body.
    pub max_body: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_head: ByteSize::kib(32),
            max_field: ByteSize::kib(8),
            max_fields: 256,
            max_body: ByteSize::kib(128),
        }
    }
}

impl Limits {
    /// Largest head in octets.
    pub(super) fn head(&self) -> usize {
        octets(self.max_head)
    }

    /// Largest field in octets.
    pub(super) fn field(&self) -> usize {
        octets(self.max_field)
    }

    /// Largest body in octets.
    pub(super) fn body(&self) -> usize {
        octets(self.max_body)
    }
}

// positions inside a message are kept as 32 bit, so no limit may exceed a quarter of that
fn octets(size: ByteSize) -> usize {
    size.as_u64().min(1 << 30) as usize
}
