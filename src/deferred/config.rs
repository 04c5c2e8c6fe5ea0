use super::{ClassConfig, WhenFull};
use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// What an operator may set for deferred messages: the `[deferred]` table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Largest message, with the CPIM header around its content: 100 MiB fit.
    pub max_message: ByteSize,
    /// Most messages waiting for one receiver.
    pub max_messages: u64,
    /// Most octets waiting for one receiver.
    pub max_octets: ByteSize,
    /// Most messages being received at the same time, for all receivers.
    pub max_deposits: usize,
    /// Disk space that must stay free; below it no message is taken in.
    pub min_free: ByteSize,
    /// Octets of messages gone after which their space is given back to the file system, if they
    /// are also more than what waits.
    pub reclaim_after: ByteSize,
    /// Percent of `max_messages` that one sender may fill.
    pub max_share: u8,
    /// What a full mailbox does: `refuse` what comes, or `drop_oldest` of the lowest priority.
    pub when_full: WhenFull,
    /// Percent of messages or octets from which the receiver is warned; 0 for never.
    pub warn_at: u8,
    /// Most notifications (what became of messages) waiting for one receiver; they count as no
    /// messages.
    pub max_notifications: u64,
    /// Longest time a message waits, whatever its sender asked for.
    #[serde(with = "humantime_serde")]
    pub max_age: Duration,
    /// How long the life of a message can be traced, and a repeated submission is recognised,
    /// after the message is gone.
    #[serde(with = "humantime_serde")]
    pub remember: Duration,
    /// How often messages whose time is over are looked for.
    #[serde(with = "humantime_serde")]
    pub expire_every: Duration,
    /// Whether messages of high priority are handed over before older ones.
    pub priority_overtakes: bool,
    /// Classes of service, by name: what differs from the above for their subscribers.
    pub classes: BTreeMap<String, ClassConfig>,
}

impl Config {
    /// The first value that cannot work, as (key, what it must be).
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let classes = || self.classes.values();
        let percent = |value: Option<u8>| value.is_none_or(|value| value <= 100);
        let wrong = [
            (
                !(1..=100).contains(&self.max_share),
                "deferred.max_share",
                "1 to 100 percent",
            ),
            (
                self.warn_at > 100,
                "deferred.warn_at",
                "at most 100 percent",
            ),
            (
                self.classes.contains_key("default"),
                "deferred.classes",
                "classes of other names than `default`, which is `[deferred]` itself",
            ),
            (
                !classes().all(|class| {
                    percent(class.max_share) && percent(class.warn_at) && class.max_share != Some(0)
                }),
                "deferred.classes",
                "classes with max_share of 1 to 100 and warn_at of 0 to 100 percent",
            ),
            (
                classes().any(|class| class.max_messages == Some(0)),
                "deferred.classes",
                "classes with at least 1 in max_messages",
            ),
        ];
        match wrong.into_iter().find(|(is_wrong, ..)| *is_wrong) {
            Some((_, key, expected)) => Err((key, expected)),
            None => Ok(()),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            max_message: ByteSize::mib(101),
            max_messages: 1000,
            max_octets: ByteSize::mib(500),
            max_deposits: 1000,
            min_free: ByteSize::mib(256),
            reclaim_after: ByteSize::mib(128),
            max_share: 50,
            when_full: WhenFull::Refuse,
            warn_at: 90,
            max_notifications: 1000,
            max_age: 30 * DAY,
            remember: 7 * DAY,
            expire_every: Duration::from_secs(1),
            priority_overtakes: false,
            classes: BTreeMap::new(),
        }
    }
}
