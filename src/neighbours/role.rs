use serde::{Deserialize, Serialize};

/// A function that a node may play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Registrar, location and digest realm of our domains.
    SipCore,
    /// Home IM server of the subscribers of our domains.
    Participating,
    /// Owner of the group addresses of our domains.
    Controlling,
    /// Keeps what subscribers of our domains have missed.
    Deferred,
}

impl Role {
    /// Every one of them: what a node plays that stands alone.
    pub const ALL: [Self; 4] = [
        Self::SipCore,
        Self::Participating,
        Self::Controlling,
        Self::Deferred,
    ];
}
