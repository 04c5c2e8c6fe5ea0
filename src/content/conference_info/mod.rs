//! `application/conference-info+xml`: who is in a conference (RFC 4575), with the nicknames of
//! RFC 6501 §4.6.5 as RFC 7701 §7.4 asks for them.
//!
//! A document tells all of a conference, or what changed since the one before;
//! [`ConferenceInfo::apply`] puts them together as a subscriber must. Sidebars are passed over.
mod coherence;
mod model;
mod read;
mod word;
mod write;

pub use coherence::Applied;
pub use model::{
    ConferenceInfo, ConferenceState, Description, Endpoint, Entry, Execution, Media, Medium, User,
    Users,
};
pub use word::{DisconnectionMethod, EndpointStatus, JoiningMethod, State};

const NAMESPACE: &str = "urn:ietf:params:xml:ns:conference-info";
const XCON_NAMESPACE: &str = "urn:ietf:params:xml:ns:xcon-conference-info";

#[cfg(test)]
mod tests;
