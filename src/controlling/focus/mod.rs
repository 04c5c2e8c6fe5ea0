//! A group in session: which devices of its members are there, what they are called, whom a
//! message is for, and what those are told who watch (RFC 4353, RFC 4575, RFC 7701).
//!
//! ```text
//!             dial_out      alert
//!   (absent) ─────────▶ dialing-out ─────▶ alerting
//!      │                     │ connect        │ connect
//!      │ dial_in             ▼                ▼        hold
//!      └──────────────────▶ connected ◀──────────────────▶ on-hold
//!                            │ boot        resume            │ boot
//!                            └────────▶ disconnecting ◀──────┘
//!   disconnect, from every state ──▶ disconnected
//! ```
mod addressee;
mod document;
mod endpoint;
mod nicknames;
mod roster;
mod steps;

pub use addressee::{Addressee, Turned};
pub use document::Watch;
pub use endpoint::{Abilities, EndpointId, Step};
pub use nicknames::NicknameRefusal;
pub use roster::Focus;

#[cfg(test)]
mod tests;
