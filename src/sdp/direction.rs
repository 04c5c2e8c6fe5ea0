/// Which way messages may travel (RFC 8866 §6.7, RFC 4975 §8.9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways; also where no attribute says otherwise.
    #[default]
    SendRecv,
    /// From the side that says so.
    SendOnly,
    /// Towards the side that says so.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The attribute's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [
            Self::SendRecv,
            Self::SendOnly,
            Self::RecvOnly,
            Self::Inactive,
        ]
        .into_iter()
        .find(|direction| direction.as_str() == name)
    }

    /// Whether the side that says this may send.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the side that says this may receive.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// What to answer to an offered direction, if this is what one would like oneself.
    ///
    /// Source: RFC 3264 §6.1.
    pub fn answer_to(self, offered: Self) -> Self {
        let sends = self.sends() && offered.receives();
        let receives = self.receives() && offered.sends();
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }
}
