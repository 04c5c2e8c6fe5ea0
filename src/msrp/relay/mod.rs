//! The relay of RFC 4976: who may have a URI here, and what such a URI is.
//!
//! `gatekeeper` judges AUTH (§6.3, §9.1); `seal` makes the URIs it grants, which prove by
//! themselves who granted them, and `keys` are what they are sealed with; `config` is what an
//! operator may set. All of it is a function of its arguments: time, random octets and the
//! passwords' hashes come in.
mod config;
mod keys;
mod seal;

pub use config::{Config, PlainAuth};
pub use keys::{Key, KeyRing, KeyRingError};
pub use seal::{SealError, Sealer, Ticket, TicketId};
