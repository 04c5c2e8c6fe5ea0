//! How much may wait for a subscriber, by class of service.
use super::{
    Config, Limit, Refusal,
    mailbox::{MailboxRecord, Warned},
};
use bytesize::ByteSize;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

/// What a full mailbox does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// It refuses what comes; the sender is told.
    #[default]
    Refuse,
    /// It drops the oldest message of the lowest priority, never one more urgent than what comes.
    DropOldest,
}

impl fmt::Display for WhenFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refuse => "refuse",
            Self::DropOldest => "drop_oldest",
        })
    }
}

/// A table `[deferred.classes.NAME]`: what it does not say is as in `[deferred]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassConfig {
    /// Most messages waiting for one receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_messages: Option<u64>,
    /// Most octets waiting for one receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_octets: Option<ByteSize>,
    /// Largest message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_message: Option<ByteSize>,
    /// Percent of `max_messages` that one sender may fill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_share: Option<u8>,
    /// Longest time a message waits.
    #[serde(
        with = "humantime_serde::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub max_age: Option<Duration>,
    /// What a full mailbox does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_full: Option<WhenFull>,
    /// Percent of messages or octets from which the receiver is warned; 0 for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warn_at: Option<u8>,
}

/// A class of service: all that bounds one mailbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// Its name; nothing for the one that holds where none is named.
    pub name: Option<Arc<str>>,
    /// Most messages waiting.
    pub max_messages: u64,
    /// Most octets waiting.
    pub max_octets: ByteSize,
    /// Largest message.
    pub max_message: ByteSize,
    /// Percent of `max_messages` that one sender may fill.
    pub max_share: u8,
    /// Longest time a message waits, whatever its sender asked for.
    pub max_age: Duration,
    /// What a full mailbox does.
    pub when_full: WhenFull,
    /// Percent of messages or octets from which the receiver is warned; 0 for never.
    pub warn_at: u8,
}

impl Class {
    fn of(config: &Config) -> Self {
        Self {
            name: None,
            max_messages: config.max_messages,
            max_octets: config.max_octets,
            max_message: config.max_message,
            max_share: config.max_share,
            max_age: config.max_age,
            when_full: config.when_full,
            warn_at: config.warn_at,
        }
    }

    fn named(&self, name: &str, own: &ClassConfig) -> Self {
        Self {
            name: Some(name.into()),
            max_messages: own.max_messages.unwrap_or(self.max_messages),
            max_octets: own.max_octets.unwrap_or(self.max_octets),
            max_message: own.max_message.unwrap_or(self.max_message),
            max_share: own.max_share.unwrap_or(self.max_share),
            max_age: own.max_age.unwrap_or(self.max_age),
            when_full: own.when_full.unwrap_or(self.when_full),
            warn_at: own.warn_at.unwrap_or(self.warn_at),
        }
    }

    /// Whether a full mailbox makes room by itself.
    pub(super) fn drops(&self) -> bool {
        self.when_full == WhenFull::DropOldest
    }

    /// Most messages of one sender; at least one.
    pub(super) fn share(&self) -> u64 {
        match self.max_share {
            100.. => u64::MAX,
            percent => (self.max_messages.saturating_mul(percent.into()) / 100).max(1),
        }
    }

    pub(super) fn full(&self, limit: Limit, allowed: u64) -> Refusal {
        Refusal::Full {
            limit,
            allowed,
            class: self.name.clone(),
        }
    }

    /// How full a mailbox is, in percent of the nearer bound.
    pub fn level(&self, count: u64, octets: u64) -> u64 {
        let percent = |part: u64, whole: u64| match whole {
            0 => 100,
            _ => u64::try_from(u128::from(part) * 100 / u128::from(whole)).unwrap_or(u64::MAX),
        };
        percent(count, self.max_messages).max(percent(octets, self.max_octets.as_u64()))
    }

    /// Notes that a mailbox has come to the level of its warning; whether it is new.
    pub(super) fn crosses(&self, mailbox: &mut MailboxRecord) -> bool {
        let is_high = self.warn_at > 0
            && self.level(mailbox.count, mailbox.octets) >= u64::from(self.warn_at);
        let is_new = is_high && mailbox.warning == Warned::No;
        if is_new {
            mailbox.warning = Warned::Due;
            mailbox.warned_at = mailbox.count;
        }
        is_new
    }
}

/// All classes of service.
#[derive(Clone, Debug)]
pub struct Classes {
    usual: Arc<Class>,
    named: BTreeMap<String, Arc<Class>>,
    missed: Arc<Mutex<BTreeSet<String>>>,
}

/// Names of classes there are not that are remembered, so that each is warned of once.
const MISSED: usize = 100;

impl Classes {
    /// The classes of a configuration.
    pub fn new(config: &Config) -> Self {
        let usual = Class::of(config);
        let named = config.classes.iter();
        let named = named.map(|(name, own)| (name.clone(), Arc::new(usual.named(name, own))));
        Self {
            named: named.collect(),
            usual: Arc::new(usual),
            missed: Arc::default(),
        }
    }

    /// The class of this name; the usual one where none is named, or none has that name.
    pub fn of(&self, name: Option<&str>) -> &Arc<Class> {
        let Some(name) = name else {
            return &self.usual;
        };
        self.named.get(name).unwrap_or_else(|| {
            self.miss(name);
            &self.usual
        })
    }

    fn miss(&self, name: &str) {
        let mut missed = self.missed.lock();
        if missed.len() < MISSED && missed.insert(name.to_owned()) {
            tracing::warn!(
                class = name,
                "subscribers of a class that `deferred.classes` does not have: what holds for \
                 them is `[deferred]`"
            );
        }
    }

    /// Whether there is a class of this name.
    pub fn has(&self, name: &str) -> bool {
        self.named.contains_key(name)
    }

    /// The names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(text: &str) -> Classes {
        Classes::new(&toml::from_str(text).unwrap())
    }

    #[test]
    fn class_says_what_differs_and_takes_the_rest_from_the_usual_one() {
        let classes =
            classes("max_messages = 50\nwarn_at = 80\n[classes.gold]\nmax_messages = 500");
        let gold = classes.of(Some("gold"));
        assert_eq!((gold.max_messages, gold.warn_at), (500, 80));
        assert_eq!(gold.name.as_deref(), Some("gold"));
        assert_eq!(classes.of(Some("lead")).max_messages, 50);
        assert_eq!(classes.of(None).max_messages, 50);
        assert!(classes.has("gold") && !classes.has("lead"));
    }

    #[test]
    fn one_sender_may_fill_a_share_but_always_send_one() {
        let classes =
            classes("max_messages = 10\n[classes.a]\nmax_share = 25\n[classes.b]\nmax_share = 1");
        assert_eq!(classes.of(Some("a")).share(), 2);
        assert_eq!(classes.of(Some("b")).share(), 1);
        let all = Class {
            max_share: 100,
            ..Class::of(&Config::default())
        };
        assert_eq!(all.share(), u64::MAX);
    }

    #[test]
    fn level_is_that_of_the_nearer_bound() {
        let class = classes("max_messages = 10\nmax_octets = \"1000B\"")
            .of(None)
            .clone();
        assert_eq!(class.level(1, 900), 90);
        assert_eq!(class.level(9, 100), 90);
        assert_eq!(class.level(0, 0), 0);
    }
}
