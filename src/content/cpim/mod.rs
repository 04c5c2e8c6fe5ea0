//! `message/cpim`: a message with its own sender, recipients, date and identifier (RFC 3862),
//! and the disposition headers of RFC 5438 in it.
//!
//! A parsed message is a view on the octets it came in; nothing is copied and nothing is changed.
mod builder;
mod disposition;
mod escape;
mod head;
mod route;

pub use builder::CpimBuilder;
pub use disposition::Dispositions;
pub use escape::{escape, unescape};
pub use head::CpimHead;

use super::CpimError;
use crate::profile::mime;
use bytes::Bytes;

/// The MIME type of such a message.
pub const CONTENT_TYPE: &str = mime::CPIM;

/// The namespace of `From`, `To`, `DateTime` and the other headers of RFC 3862.
pub const CORE_NAMESPACE: &str = "urn:ietf:params:cpim-headers:";

/// A whole CPIM message.
#[derive(Clone, Debug)]
pub struct Cpim {
    /// Its headers.
    pub head: CpimHead,
    /// What it carries, of the type the head's `content_type` names.
    pub body: Bytes,
}

impl Cpim {
    /// Parses a whole message; head and body are slices of it.
    ///
    /// Errors: [`CpimError::Incomplete`] if it ends before its headers do.
    /// Source: RFC 3862 §2, §3.
    pub fn parse(message: &Bytes) -> Result<Self, CpimError> {
        let head = CpimHead::parse(message)?.ok_or(CpimError::Incomplete)?;
        let body = message.slice(head.body_offset()..);
        Ok(Self { head, body })
    }

    /// Parses the head from the first octets of a message, as they arrive; `None` until it is
    /// complete. The head's octets are copied, the body starts at its `body_offset`.
    pub fn parse_head(prefix: &[u8]) -> Result<Option<CpimHead>, CpimError> {
        match head::end(prefix)? {
            Some(end) => CpimHead::parse(&Bytes::copy_from_slice(&prefix[..end])),
            None => Ok(None),
        }
    }
}
