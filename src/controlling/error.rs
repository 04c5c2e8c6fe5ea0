use crate::{identity::Address, store::StoreError};

/// Why a group does not take what somebody wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Only members may.
    #[error("not a member of the group")]
    NotMember,
    /// Only the owner may.
    #[error("not the owner of the group")]
    NotOwner,
    /// It has as many members as it may have.
    #[error("the group is full")]
    Full,
    /// Users may make no groups here.
    #[error("no groups are made here")]
    NoGroups,
}

impl Refusal {
    /// The SIP status code that says so.
    pub fn code(self) -> u16 {
        match self {
            Self::NotMember | Self::NotOwner | Self::NoGroups => 403,
            Self::Full => 486,
        }
    }

    /// Label value for metrics: one short word per variant.
    pub fn kind(self) -> &'static str {
        match self {
            Self::NotMember => "not_member",
            Self::NotOwner => "not_owner",
            Self::Full => "group_full",
            Self::NoGroups => "no_groups",
        }
    }
}

/// Why a group cannot be added or changed.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// There is one with this address.
    #[error("{0} is a group already")]
    Known(Address),
    /// There is none with this address.
    #[error("{0} is no group")]
    Unknown(Address),
    /// The address belongs to a domain that is not ours.
    #[error("{0} is in no domain of ours (`sip_core.domains`)")]
    ForeignDomain(Address),
    /// The address is one of the server's own functions.
    #[error("{0} is an address of the server itself")]
    Reserved(Address),
    /// One who is to leave does not belong to it.
    #[error("{member} is no member of {group}")]
    NotMember {
        /// Which group.
        group: Address,
        /// Who.
        member: Address,
    },
    /// It would have more members than it may have.
    #[error("a group has at most {0} members (`controlling.max_members`)")]
    TooManyMembers(usize),
    /// There are as many groups as there may be, or the owner has as many.
    #[error("there are {0} groups already (`controlling.max_groups`, `controlling.max_owned`)")]
    TooManyGroups(usize),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl GroupError {
    /// The reason as a word that stays the same.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Known(_) => "exists",
            Self::Unknown(_) => "unknown_group",
            Self::ForeignDomain(_) => "foreign_domain",
            Self::Reserved(_) => "reserved_address",
            Self::NotMember { .. } => "no_member",
            Self::TooManyMembers(_) => "too_many_members",
            Self::TooManyGroups(_) => "too_many_groups",
            Self::Store(error) => error.kind(),
        }
    }
}
