//! One canonical address of a user, whichever protocol named it.
//!
//! Covers the canonical form of RFC 3261 §10.3 (address of record) and the comparison rules of
//! RFC 3261 §19.1.4 and RFC 3966 §4, as far as they concern a user and not a device.
mod address;
mod error;
pub mod outbox;
mod phone;

pub use address::Address;
pub use error::AddressError;
