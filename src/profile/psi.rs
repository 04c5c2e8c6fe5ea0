//! User parts of the functions' own addresses (public service identities), and special senders.

/// The deferred message function: `sip:deferred@domain`.
pub const DEFERRED: &str = "deferred";
/// The deletion function: `sip:delete@domain`.
pub const DELETE: &str = "delete";
/// Where notifications come back to that go by this server: `sip:imdn@domain` (RFC 5438 §6.5).
pub const IMDN: &str = "imdn";
/// Asserted by a server that hands over stored disposition notifications or stored messages.
pub const STANDFW: &str = "rcse-standfw";
/// The address of a sender who hides (RFC 3323 §4.1.1.3).
pub const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";
