/// What a request is to a server that has too much to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Part of what was let in already, or urgent: always served, and at once.
    Ongoing,
    /// Frees resources or keeps a user reachable: a login, a retrieval, a notification that a
    /// message was read. Refused last.
    Retrieval,
    /// New messages and calls. Refused first.
    New,
}

impl Class {
    /// The classes that may be refused, in the order in which they are served.
    pub const REFUSABLE: [Self; 2] = [Self::Retrieval, Self::New];

    /// Label value for metrics.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Ongoing => "ongoing",
            Self::Retrieval => "retrieval",
            Self::New => "new",
        }
    }

    /// Its place in [`REFUSABLE`](Self::REFUSABLE); `None` for what is never refused.
    pub(super) fn place(self) -> Option<usize> {
        Self::REFUSABLE.iter().position(|class| *class == self)
    }
}
