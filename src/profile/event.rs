//! SIP event packages.

/// Message waiting indication (RFC 3842).
pub const MESSAGE_SUMMARY: &str = "message-summary";
/// The list of deferred messages (OMA CPM Conversation Functions).
pub const DEFERRED_MESSAGES: &str = "deferred-messages";
/// Parameter of [`DEFERRED_MESSAGES`]: the page behind this mark, which the page before it named.
pub const AFTER: &str = "after";
/// Parameter of [`DEFERRED_MESSAGES`]: at most so many entries.
pub const LIMIT: &str = "limit";
/// Presence (RFC 3856).
pub const PRESENCE: &str = "presence";
/// Conference state (RFC 4575).
pub const CONFERENCE: &str = "conference";
/// Registration state (RFC 3680).
pub const REGISTRATION: &str = "reg";
