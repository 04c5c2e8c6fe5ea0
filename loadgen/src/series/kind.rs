//! What is counted.

/// A kind of event. Each has latencies of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A user logged in.
    Login,
    /// A login was refreshed.
    Refresh,
    /// A user logged out.
    Logout,
    /// A member made a group by calling the others together.
    Found,
    /// A member came into its group.
    Join,
    /// The sender of a message was told that it is safe.
    Accept,
    /// A receiver has a message.
    Deliver,
    /// A member has its copy of a message to a group.
    Group,
    /// The server refused something for now or for good (4xx, 5xx, 6xx).
    Refused,
    /// No answer came.
    Failed,
}

impl Kind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 10] = [
        Self::Login,
        Self::Refresh,
        Self::Logout,
        Self::Found,
        Self::Join,
        Self::Accept,
        Self::Deliver,
        Self::Group,
        Self::Refused,
        Self::Failed,
    ];

    /// Its name, in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Refresh => "refresh",
            Self::Logout => "logout",
            Self::Found => "found",
            Self::Join => "join",
            Self::Accept => "accept",
            Self::Deliver => "deliver",
            Self::Group => "group",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// What was counted and what its latency is, for readers of a report.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Login => "users logged in: from the first REGISTER to its 200",
            Self::Refresh => "logins refreshed: from the REGISTER to its 200",
            Self::Logout => "users logged out: from the REGISTER to its 200",
            Self::Found => "groups made by a member: from the INVITE to its 200",
            Self::Join => "members who came into their group: from the INVITE to its 200",
            Self::Accept => {
                "messages taken over: from the first request to the answer that it is safe"
            }
            Self::Deliver => "messages received: to the last octet at the receiver",
            Self::Group => "copies received by members of groups: to the last octet at the member",
            Self::Refused => "requests refused: from the request to the refusal",
            Self::Failed => "requests without an answer: from the request to the end of patience",
        }
    }

    /// Whether it is work done, and no refusal.
    pub fn is_success(self) -> bool {
        !matches!(self, Self::Refused | Self::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_of_a_kind_is_its_place() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place, "{kind:?}");
        }
    }

    #[test]
    fn names_differ() {
        let names: std::collections::BTreeSet<_> = Kind::ALL.map(Kind::name).into();
        assert_eq!(names.len(), Kind::ALL.len());
    }
}
