//! Offer and answer for message media (RFC 3264, RFC 4975 §8, RFC 6135, RFC 8866).
//!
//! `description` reads and writes whole session descriptions (the `sdp-types` crate underneath),
//! `media` is one `m=message` line with what stands under it, `negotiation` makes offers and
//! answers and decides who connects, `path` reads as much of an MSRP URI as that needs.
//! Everything here is pure.
mod description;
mod error;
mod media;
mod negotiation;
pub mod path;

pub use description::SessionDescription;
pub use error::{Refusal, SdpError};
pub use media::{Direction, MessageMedia, Setup};
pub use negotiation::{Answer, LocalMedia, Role, answer, offer, offerer_role};

/// Reads a session description.
///
/// Errors: [`SdpError`] if the text is no SDP at all; a description without message media is fine
/// here and refused by [`answer`].
/// Source: RFC 8866 §5.
pub fn parse(body: &[u8]) -> Result<SessionDescription, SdpError> {
    SessionDescription::parse(body)
}
