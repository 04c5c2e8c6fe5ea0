//! Who sends what to whom: a pure function of the run's options, so that two runs with the same
//! options (an `offline-send` and a later `retrieve`) speak of the same messages.
use crate::octets::{self, Numbers};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{ops::RangeInclusive, str::FromStr};

/// Beginning of every message id of a load generator's run.
const ID_PREFIX: &str = "lg-";

/// Number streams that belong to no message's content.
const RECEIVERS: u64 = 1 << 62;
const SIZES: u64 = 1 << 61;

/// How large the messages are, in octets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Sizes(RangeInclusive<u64>);

impl Sizes {
    /// Sizes from `smallest` to `largest`, every order of magnitude equally often; one size if
    /// they are the same.
    pub fn between(smallest: u64, largest: u64) -> Self {
        Self(smallest..=largest.max(smallest))
    }

    /// The largest size there will be.
    pub fn largest(&self) -> u64 {
        *self.0.end()
    }

    fn pick(&self, numbers: &mut Numbers) -> u64 {
        let (smallest, largest) = (*self.0.start(), *self.0.end());
        if smallest == largest {
            return smallest;
        }
        // real messages are mostly small and rarely huge: even in the logarithm
        let share = numbers.below(1 << 53) as f64 / (1_u64 << 53) as f64;
        let span = (largest as f64 + 1.0) / (smallest as f64).max(1.0);
        let drawn = (smallest as f64).max(1.0) * span.powf(share);
        (drawn as u64).clamp(smallest, largest)
    }
}

/// `2KiB`, or `1KiB..64KiB` for sizes between.
impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = |text: &str| {
            let parsed = text.trim().parse::<bytesize::ByteSize>();
            parsed.map_err(|error| format!("`{text}` is no size such as 2KiB: {error}"))
        };
        let (smallest, largest) = match text.split_once("..") {
            Some((smallest, largest)) => (size(smallest)?.0, size(largest)?.0),
            None => (size(text)?.0, size(text)?.0),
        };
        match smallest <= largest {
            true => Ok(Self(smallest..=largest)),
            false => Err(format!("`{text}` ends before it begins")),
        }
    }
}

impl std::fmt::Display for Sizes {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.start() == self.0.end() {
            true => write!(out, "{}B", self.0.start()),
            false => write!(out, "{}B..{}B", self.0.start(), self.0.end()),
        }
    }
}

impl From<Sizes> for String {
    fn from(sizes: Sizes) -> Self {
        sizes.to_string()
    }
}

impl TryFrom<String> for Sizes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The whole load of one run. Users are numbered: first those who send, then those who receive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Names the run and makes its contents.
    pub seed: u64,
    /// Users who send.
    pub senders: usize,
    /// Users who receive.
    pub receivers: usize,
    /// Messages in all.
    pub messages: u64,
    /// Their sizes.
    pub sizes: Sizes,
}

/// One message of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Its number, from 0.
    pub number: u64,
    /// The user who sends it.
    pub sender: usize,
    /// The user who is to receive it.
    pub receiver: usize,
    /// Its content's size, in octets.
    pub size: u64,
}

impl Plan {
    /// Message `number`: senders take turns, receivers are drawn.
    pub fn message(&self, number: u64) -> Planned {
        let drawn = Numbers::new(self.seed ^ RECEIVERS, number).below(self.receivers as u64);
        let size = self
            .sizes
            .pick(&mut Numbers::new(self.seed ^ SIZES, number));
        Planned {
            number,
            sender: (number % self.senders.max(1) as u64) as usize,
            receiver: self.senders + drawn as usize,
            size,
        }
    }

    /// All messages, in the order of their numbers.
    pub fn all(&self) -> impl Iterator<Item = Planned> + '_ {
        (0..self.messages).map(|number| self.message(number))
    }

    /// The messages of one sender, in the order of sending.
    pub fn of_sender(&self, sender: usize) -> impl Iterator<Item = Planned> + '_ {
        let numbers = (sender as u64..self.messages).step_by(self.senders.max(1));
        numbers.map(|number| self.message(number))
    }

    /// All users there are.
    pub fn users(&self) -> usize {
        self.senders + self.receivers
    }

    /// The content of `message`.
    pub fn content(&self, message: &Planned) -> Bytes {
        octets::content(self.seed, message.number, message.size as usize)
    }

    /// The id under which message `number` travels, and by which its life can be traced.
    pub fn message_id(&self, number: u64) -> String {
        format!("{ID_PREFIX}{:016x}-{number}", self.seed)
    }

    /// The number behind a message id; `None` if the message is none of this run.
    pub fn number(&self, message_id: &str) -> Option<u64> {
        let (seed, number) = message_id.strip_prefix(ID_PREFIX)?.split_once('-')?;
        let ours = u64::from_str_radix(seed, 16) == Ok(self.seed);
        let number = number.parse().ok()?;
        (ours && number < self.messages).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn plan() -> Plan {
        Plan {
            seed: 42,
            senders: 3,
            receivers: 4,
            messages: 100,
            sizes: Sizes::between(1, 2048),
        }
    }

    #[test]
    fn every_message_has_one_sender_and_a_receiver_who_does_not_send() {
        let plan = plan();
        for message in plan.all() {
            assert!(message.sender < 3, "{message:?}");
            assert!((3..7).contains(&message.receiver), "{message:?}");
        }
        let reached: BTreeSet<usize> = plan.all().map(|message| message.receiver).collect();
        assert_eq!(reached.len(), 4);
    }

    #[test]
    fn senders_share_the_messages_without_rest() {
        let plan = plan();
        let mut numbers: Vec<u64> = (0..3)
            .flat_map(|sender| plan.of_sender(sender).map(|message| message.number))
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
        assert!(plan.of_sender(1).all(|message| message.sender == 1));
    }

    #[test]
    fn same_options_make_the_same_plan() {
        assert!(plan().all().eq(plan().all()));
        let other = Plan { seed: 43, ..plan() };
        assert!(!plan().all().eq(other.all()));
    }

    #[test]
    fn message_id_leads_back_to_the_number() {
        let plan = plan();
        assert_eq!(plan.number(&plan.message_id(99)), Some(99));
        assert_eq!(plan.number(&plan.message_id(100)), None);
        let other = Plan {
            seed: 43,
            ..plan.clone()
        };
        assert_eq!(plan.number(&other.message_id(1)), None);
        assert_eq!(plan.number("imdn-17"), None);
    }

    /// An MSRP Message-ID has 4 to 32 characters of a small alphabet (RFC 4975 section 9).
    #[test]
    fn message_id_is_an_ident_of_msrp() {
        let plan = Plan {
            seed: u64::MAX,
            messages: u64::MAX,
            ..plan()
        };
        let id = plan.message_id(999_999_999_999);
        assert!(id.len() <= 32, "{id}");
        assert!(
            id.bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        );
    }

    #[test]
    fn sizes_are_read_as_one_size_or_a_range() {
        assert_eq!("2KiB".parse(), Ok(Sizes::between(2048, 2048)));
        assert_eq!("1..1KiB".parse(), Ok(Sizes::between(1, 1024)));
        assert!("2KiB..1KiB".parse::<Sizes>().is_err());
        assert!("many".parse::<Sizes>().is_err());
        let sizes = Sizes::between(1, 1024);
        assert_eq!(sizes.to_string().parse(), Ok(sizes));
    }

    #[test]
    fn drawn_sizes_keep_to_their_range() {
        let sizes: Vec<u64> = plan().all().map(|message| message.size).collect();
        assert!(sizes.iter().all(|size| (1..=2048).contains(size)));
        assert!(sizes.iter().any(|size| *size < 8));
        let large = sizes.iter().filter(|size| **size >= 256).count();
        assert!(
            (15..45).contains(&large),
            "{large} of 100 in the upper 3 of 11 octaves"
        );
    }
}
