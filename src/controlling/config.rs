use crate::identity::Address;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::Duration};

/// What an operator may set for groups: the `[controlling]` table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Most members of one group.
    pub max_members: usize,
    /// Most groups there are, those of users included.
    pub max_groups: usize,
    /// Most groups that one user has made by calling several others at once.
    pub max_owned: usize,
    /// Who may send to a group that does not say: `members`, its `owner`, or `anybody`.
    pub senders: Senders,
    /// What becomes of the copies of absent members, where the group does not say: `defer` keeps
    /// them, `refuse` drops them and tells the sender who asked.
    pub absent: Absent,
    /// User part of the address that makes a group of those whom an INVITE or MESSAGE lists.
    pub factory: String,
    /// Whether users may make groups so.
    pub ad_hoc: bool,
    /// How long a group that a user made is kept after its last use.
    #[serde(with = "humantime_serde")]
    pub ad_hoc_lifetime: Duration,
    /// Whether participants may go by nicknames (RFC 7701 §7).
    pub nicknames: bool,
    /// Nicknames that nobody may have.
    pub reserved_nicknames: Vec<String>,
    /// How long a nickname that was given up is kept for whoever had it.
    #[serde(with = "humantime_serde")]
    pub nickname_quarantine: Duration,
    /// Whether participants may write to one another alone (RFC 7701 §6.2).
    pub private_messages: bool,
    /// Members of groups kept in memory, all groups together.
    pub cached_members: usize,
    /// Groups there are from the start.
    pub groups: Vec<GroupConfig>,
}

/// A group there is from the start: one of `[[controlling.groups]]`.
///
/// At every start it gets what is said here, and those members it lacks; it loses none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    /// The address which requests for the group go to.
    pub address: Address,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Address>,
    /// Who belongs to it.
    #[serde(default)]
    pub members: Vec<Address>,
    /// Who may send to it, if not as usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub senders: Option<Senders>,
    /// What becomes of the copies of absent members, if not as usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<Absent>,
    /// Whether one who is no member becomes one by calling it.
    #[serde(default)]
    pub open: bool,
}

/// Who may send to a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Senders {
    /// Its members and its owner.
    #[default]
    Members,
    /// Its owner alone.
    Owner,
    /// Everybody.
    Anybody,
}

/// What becomes of the copies of members who are not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Absent {
    /// They are kept until the member is back.
    #[default]
    Defer,
    /// They are not made; the sender is told so.
    Refuse,
}

impl Default for Config {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            max_members: 5000,
            max_groups: 1_000_000,
            max_owned: 1000,
            senders: Senders::default(),
            absent: Absent::default(),
            factory: "conference-factory".to_owned(),
            ad_hoc: true,
            ad_hoc_lifetime: 30 * DAY,
            nicknames: true,
            reserved_nicknames: Vec::new(),
            nickname_quarantine: Duration::from_secs(10 * 60),
            private_messages: true,
            cached_members: 500_000,
            groups: Vec::new(),
        }
    }
}

impl Config {
    /// The first value that cannot work, as (key, what it must be).
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let factory = Address::parse(&format!("sip:{}@localhost", self.factory));
        let wrong = [
            (
                !(1..=20_000).contains(&self.max_members),
                "controlling.max_members",
                "1 to 20000",
            ),
            (
                !factory.is_ok_and(|address| address.user() == self.factory),
                "controlling.factory",
                "the user part of a SIP address",
            ),
            (
                self.groups
                    .iter()
                    .any(|group| group.members.len() > self.max_members),
                "controlling.groups",
                "groups of at most `controlling.max_members` members",
            ),
        ];
        match wrong.into_iter().find(|(is_wrong, ..)| *is_wrong) {
            Some((_, key, expected)) => Err((key, expected)),
            None => Ok(()),
        }
    }
}

/// A word that names none of the ways there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("none of {0}")]
pub struct UnknownWord(&'static str);

impl Senders {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Members, Self::Owner, Self::Anybody];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::Owner => "owner",
            Self::Anybody => "anybody",
        }
    }
}

impl Absent {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Defer, Self::Refuse];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Defer => "defer",
            Self::Refuse => "refuse",
        }
    }
}

impl FromStr for Senders {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let mut all = Self::ALL.into_iter();
        all.find(|one| one.as_str() == word)
            .ok_or(UnknownWord("`members`, `owner`, `anybody`"))
    }
}

impl FromStr for Absent {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let mut all = Self::ALL.into_iter();
        all.find(|one| one.as_str() == word)
            .ok_or(UnknownWord("`defer`, `refuse`"))
    }
}

impl fmt::Display for Senders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factory_that_is_no_user_part_is_refused_by_its_key() {
        let config = Config {
            factory: "a@b".to_owned(),
            ..Config::default()
        };
        let (key, _) = config.check().unwrap_err();
        assert_eq!(key, "controlling.factory");
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn words_are_those_of_the_configuration() {
        for word in Senders::ALL {
            assert_eq!(word.to_string().parse(), Ok(word));
        }
        for word in Absent::ALL {
            assert_eq!(word.to_string().parse(), Ok(word));
        }
        assert!("nobody".parse::<Senders>().is_err());
    }
}
