//! Who sends what to whom: a pure function of the run's options, so that two runs with the same
//! options (an `offline-send` and a later `retrieve`) speak of the same messages.
mod part;
mod sizes;

pub use part::{Part, Pattern};
pub use sizes::Sizes;

use crate::octets;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Beginning of every message id of a load generator's run.
const ID_PREFIX: &str = "lg-";

/// Numbers that belong to one part of a plan: more than it ever sends.
pub const PART_SPAN: u64 = 1_000_000_000;

/// The whole load of one run: its parts, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Names the run and makes its contents.
    pub seed: u64,
    /// What is sent, part by part.
    pub parts: Vec<Part>,
}

/// One message of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Its number, from 0; from `PART_SPAN` in the second part, and so on.
    pub number: u64,
    /// The user who sends it.
    pub sender: usize,
    /// The user who is to receive it; where a group is, the first of its members who are.
    pub receiver: usize,
    /// The group it is for, if it is for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<usize>,
    /// Its content's size, in octets.
    pub size: u64,
}

impl Plan {
    /// A plan of one part.
    #[allow(dead_code, reason = "tests have plans of one part")]
    pub fn of(seed: u64, part: Part) -> Self {
        Self {
            seed,
            parts: vec![part],
        }
    }

    /// Message `number` of the run.
    pub fn message(&self, number: u64) -> Planned {
        let (index, within) = (number / PART_SPAN, number % PART_SPAN);
        let part = &self.parts[index as usize];
        let mut message = part.message(self.seed.wrapping_add(index), within);
        message.number = number;
        message
    }

    /// The first number of part `index`.
    pub fn first(index: usize) -> u64 {
        index as u64 * PART_SPAN
    }

    /// All messages, in the order of their numbers.
    pub fn all(&self) -> impl Iterator<Item = Planned> + '_ {
        self.parts.iter().enumerate().flat_map(|(index, part)| {
            let numbers = Self::first(index)..Self::first(index) + part.messages;
            numbers.map(|number| self.message(number))
        })
    }

    /// The messages of one sender of the first part, in the order of sending.
    #[allow(dead_code, reason = "the crash test's clients send so")]
    pub fn of_sender(&self, sender: usize) -> impl Iterator<Item = Planned> + '_ {
        let part = &self.parts[0];
        let numbers = (sender as u64..part.messages).step_by(part.senders.max(1));
        numbers.map(|number| self.message(number))
    }

    /// The users who are to receive a copy of `message`.
    pub fn receivers_of(&self, message: &Planned) -> impl Iterator<Item = usize> + use<> {
        let part = &self.parts[(message.number / PART_SPAN) as usize];
        let members = match message.group {
            Some(group) => part.members(group),
            None => message.receiver..message.receiver + 1,
        };
        let sender = message.group.map(|_| message.sender);
        members.filter(move |member| Some(*member) != sender)
    }

    /// All users there are.
    pub fn users(&self) -> usize {
        self.parts.iter().map(Part::users).max().unwrap_or_default()
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
        let number: u64 = number.parse().ok()?;
        let part = self.parts.get((number / PART_SPAN) as usize)?;
        (ours && number % PART_SPAN < part.messages).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn plan() -> Plan {
        Plan::of(42, Part::apart(3, 4, 100, Sizes::between(1, 2048)))
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
            ..plan()
        };
        let id = plan.message_id(99_999_999);
        assert!((4..=32).contains(&id.len()), "{id}");
        assert!(
            id.chars()
                .all(|sign| sign.is_ascii_alphanumeric() || sign == '-')
        );
        assert!(id.starts_with(char::is_alphabetic));
    }

    #[test]
    fn parts_have_numbers_contents_and_receivers_of_their_own() {
        let mut plan = plan();
        plan.parts.push(plan.parts[0].clone());
        let all: Vec<Planned> = plan.all().collect();
        let numbers: BTreeSet<u64> = all.iter().map(|message| message.number).collect();
        assert_eq!((all.len(), numbers.len()), (200, 200));
        assert_eq!(all[100].number, PART_SPAN);
        assert_eq!(
            plan.number(&plan.message_id(PART_SPAN + 99)),
            Some(PART_SPAN + 99)
        );
        assert_eq!(plan.number(&plan.message_id(PART_SPAN + 100)), None);
        let receivers = |from: usize| {
            let part = &all[from..from + 100];
            part.iter()
                .map(|message| message.receiver)
                .collect::<Vec<_>>()
        };
        assert_ne!(receivers(0), receivers(100));
        assert!(plan.message_id(99 * PART_SPAN + 5).len() <= 32);
    }
}
