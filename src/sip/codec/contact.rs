//! The values of the Contact headers of one message.
use super::NameAddr;

/// What the Contact headers of a message say (RFC 3261 §20.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// `*`: all bindings; only in a REGISTER that removes them (RFC 3261 §10.2.2).
    Star,
    /// Addresses in their order; empty if there is no Contact header.
    List(Vec<NameAddr>),
}

impl Contacts {
    /// The addresses; none for `*`.
    pub fn list(&self) -> &[NameAddr] {
        match self {
            Self::Star => &[],
            Self::List(list) => list,
        }
    }

    /// The first address.
    pub fn first(&self) -> Option<&NameAddr> {
        self.list().first()
    }
}
