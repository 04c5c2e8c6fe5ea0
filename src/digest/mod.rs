//! Digest authentication (RFC 7616), as SIP (RFC 3261 §22, RFC 8760) and MSRP (RFC 4976 §9.1)
//! share it.
//!
//! Pure: what the clock and the random source give comes in as arguments. A server issues a
//! [`Challenge`] with a nonce of its [`NonceSealer`], reads [`Credentials`], asks the sealer and
//! a [`ReplayWindow`] about the nonce, and calls [`Credentials::verify`] with the stored HA1. A
//! client picks the [`strongest`] of several challenges and lets its [`Account`] answer it.
mod algorithm;
mod challenge;
mod credentials;
mod error;
mod fields;
mod info;
mod nonce;
mod replay;

pub use algorithm::{Algorithm, StoredAlgorithm, ha1};
pub use challenge::{Account, Challenge, strongest};
pub use credentials::Credentials;
pub use error::AuthError;
pub use info::Info;
pub use nonce::{NonceSealer, NonceState};
pub use replay::{ReplayWindow, Use};
