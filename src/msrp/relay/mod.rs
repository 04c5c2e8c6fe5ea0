//! The relay of RFC 4976: who may have a URI here, and what such a URI is.
//!
//! `gatekeeper` judges AUTH (§6.3, §9.1), and `verdict` is what it says; `seal` makes the URIs it grants, which prove by
//! themselves who granted them, and `keys` are what they are sealed with; `config` is what an
//! operator may set. All of it is a function of its arguments: time, random octets and the
//! passwords' hashes come in.
mod config;
mod gatekeeper;
mod keys;
pub mod route;
mod seal;
mod verdict;

pub use config::{Config, PlainAuth};
pub use gatekeeper::{Accounts, Channel, Claim, Found, Gatekeeper, Known, Opening, Unreadable};
pub use keys::{Key, KeyRing, KeyRingError};
pub use seal::{SealError, Sealer, Ticket, TicketId};
pub use verdict::{Bound, Grant, Verdict};
