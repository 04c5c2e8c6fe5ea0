//! Offer and answer for message media (RFC 3264, RFC 4975 §8 and §14.4, RFC 6135, RFC 6714,
//! RFC 8122, RFC 8866).
//!
//! `description` reads and writes whole session descriptions (the `sdp-types` crate underneath),
//! `media` is one `m=message` line with what stands under it, `negotiation` makes offers and
//! answers and decides who connects, `cema` where to, `path` reads as much of an MSRP URI as that
//! needs.
//! Everything here is pure.
mod cema;
mod chatroom;
mod description;
mod direction;
mod error;
mod fingerprint;
mod media;
mod negotiation;
pub mod path;
mod security;
mod setup;

pub use cema::{Anchor, Names, lines_match, unknown_names};
pub use chatroom::Chatroom;
pub use description::SessionDescription;
pub use direction::Direction;
pub use error::{Refusal, SdpError};
pub use fingerprint::{Fingerprint, HashFunction, NoFingerprint};
pub use media::MessageMedia;
pub use negotiation::{Answer, Conclusion, LocalMedia, Role, answer, conclude, offer};
pub use security::Security;
pub use setup::Setup;

/// Reads a session description.
///
/// Errors: [`SdpError`] if the text is no SDP at all; a description without message media is fine
/// here and refused by [`answer`].
/// Source: RFC 8866 §5.
pub fn parse(body: &[u8]) -> Result<SessionDescription, SdpError> {
    SessionDescription::parse(body)
}
