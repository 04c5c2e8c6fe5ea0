//! The ABNF shapes that SIP, MSRP, CPIM and SDP share (RFC 3261 §25.1, RFC 5234, RFC 3986).
//!
//! Plain functions over text and octets; nothing here knows a protocol.
pub mod percent;
pub mod quoted;
pub mod split;
pub mod token;
