//! One part of a load: so many messages after one pattern.
use super::{Planned, Sizes};
use crate::octets::Numbers;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Number streams that belong to no message's content.
const RECEIVERS: u64 = 1 << 62;
const SIZES: u64 = 1 << 61;

/// One part of a load. Its users are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Users who send; in groups, the first so many of each.
    pub senders: usize,
    /// Users who receive.
    pub receivers: usize,
    /// Messages in all, or more than there will be where time ends the part.
    pub messages: u64,
    /// Their sizes.
    pub sizes: Sizes,
    /// Who sends to whom.
    pub pattern: Pattern,
}

/// Who sends to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// First come the users who send, then those who receive.
    Apart,
    /// Everybody sends to anybody else.
    Mutual,
    /// Groups of `size` users; in each the first `online` are there and send, and all others of
    /// the group receive.
    Groups {
        /// Members of one group.
        size: usize,
        /// How many of them are there.
        online: usize,
    },
}

impl Part {
    /// Senders and receivers who are different users.
    pub fn apart(senders: usize, receivers: usize, messages: u64, sizes: Sizes) -> Self {
        Self {
            senders,
            receivers,
            messages,
            sizes,
            pattern: Pattern::Apart,
        }
    }

    /// Message `number` of this part: senders take turns, receivers are drawn.
    pub(super) fn message(&self, seed: u64, number: u64) -> Planned {
        let drawn =
            |limit: usize| Numbers::new(seed ^ RECEIVERS, number).below(limit as u64) as usize;
        let turn = |count: usize| (number % count.max(1) as u64) as usize;
        let (sender, receiver, group) = match self.pattern {
            Pattern::Apart => {
                let receiver = self.senders + drawn(self.receivers);
                (turn(self.senders), receiver, None)
            }
            Pattern::Mutual => {
                let sender = turn(self.senders);
                let other = sender + 1 + drawn(self.senders.saturating_sub(1));
                (sender, other % self.senders.max(1), None)
            }
            Pattern::Groups { size, online } => {
                let turn = turn(self.groups() * online);
                let group = turn % self.groups().max(1);
                let sender = group * size + turn / self.groups().max(1);
                let first = group * size + usize::from(sender == group * size);
                (sender, first, Some(group))
            }
        };
        Planned {
            number,
            sender,
            receiver,
            group,
            size: self.sizes.pick(&mut Numbers::new(seed ^ SIZES, number)),
        }
    }

    /// All users there are.
    pub fn users(&self) -> usize {
        match self.pattern {
            Pattern::Apart => self.senders + self.receivers,
            Pattern::Mutual => self.senders.max(self.receivers),
            Pattern::Groups { size, .. } => self.groups() * size,
        }
    }

    /// How many groups there are.
    pub fn groups(&self) -> usize {
        match self.pattern {
            Pattern::Groups { size, .. } => self.receivers / size.max(1),
            Pattern::Apart | Pattern::Mutual => 0,
        }
    }

    /// The members of `group`.
    pub fn members(&self, group: usize) -> Range<usize> {
        match self.pattern {
            Pattern::Groups { size, .. } => group * size..(group + 1) * size,
            Pattern::Apart | Pattern::Mutual => 0..0,
        }
    }

    /// Whether `user` sends.
    pub fn sends(&self, user: usize) -> bool {
        match self.pattern {
            Pattern::Apart | Pattern::Mutual => user < self.senders,
            Pattern::Groups { size, online } => user < self.users() && user % size < online,
        }
    }

    /// Whether `user` is away while others send, and receives afterwards.
    pub fn is_away(&self, user: usize) -> bool {
        match self.pattern {
            Pattern::Apart => (self.senders..self.users()).contains(&user),
            Pattern::Mutual => false,
            Pattern::Groups { size, online } => user < self.users() && user % size >= online,
        }
    }

    /// What decides which thread plays `user`: where it sends, its place in the order of turns.
    pub fn lane(&self, user: usize) -> usize {
        match self.pattern {
            Pattern::Groups { size, online } if user % size < online => {
                user % size * self.groups() + user / size
            }
            _ => user,
        }
    }

    /// How many senders take turns.
    pub fn turns(&self) -> usize {
        match self.pattern {
            Pattern::Apart | Pattern::Mutual => self.senders,
            Pattern::Groups { online, .. } => self.groups() * online,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use std::collections::BTreeSet;

    fn plan(pattern: Pattern, senders: usize, receivers: usize) -> Plan {
        let part = Part {
            senders,
            receivers,
            messages: 200,
            sizes: Sizes::between(1, 9),
            pattern,
        };
        Plan::of(42, part)
    }

    #[test]
    fn apart_every_message_has_one_sender_and_a_receiver_who_does_not_send() {
        let plan = plan(Pattern::Apart, 3, 4);
        for message in plan.all() {
            assert!(message.sender < 3, "{message:?}");
            assert!((3..7).contains(&message.receiver), "{message:?}");
        }
        let reached: BTreeSet<usize> = plan.all().map(|message| message.receiver).collect();
        assert_eq!(reached.len(), 4);
        let part = &plan.parts[0];
        assert_eq!(part.users(), 7);
        assert!(part.sends(2) && !part.sends(3) && part.is_away(3) && !part.is_away(7));
    }

    #[test]
    fn mutual_everybody_sends_and_nobody_to_himself() {
        let plan = plan(Pattern::Mutual, 5, 5);
        assert!(plan.all().all(|message| message.sender != message.receiver));
        let reached: BTreeSet<_> = plan.all().map(|m| (m.sender, m.receiver)).collect();
        assert_eq!(reached.len(), 20, "every pair in both ways");
        assert_eq!(plan.users(), 5);
    }

    #[test]
    fn group_message_is_for_all_members_but_its_sender_who_is_there() {
        let pattern = Pattern::Groups { size: 4, online: 2 };
        let plan = plan(pattern, 4, 9);
        let part = &plan.parts[0];
        assert_eq!((part.groups(), part.members(1), part.turns()), (2, 4..8, 4));
        let mut senders = BTreeSet::new();
        let lanes = plan
            .all()
            .map(|message| (message.number % 4, message.sender));
        assert!(
            lanes
                .into_iter()
                .all(|(turn, sender)| part.lane(sender) as u64 == turn)
        );
        for message in plan.all() {
            let group = message.group.unwrap();
            let copies: Vec<usize> = plan.receivers_of(&message).collect();
            assert_eq!(copies.len(), 3, "{message:?}");
            assert_eq!(copies[0], message.receiver);
            assert!(!copies.contains(&message.sender));
            assert!(
                copies
                    .iter()
                    .all(|member| part.members(group).contains(member))
            );
            assert!(part.sends(message.sender) && !part.is_away(message.sender));
            senders.insert(message.sender);
        }
        assert_eq!(senders.into_iter().collect::<Vec<_>>(), [0, 1, 4, 5]);
        assert!(part.is_away(2) && part.is_away(7) && !part.is_away(8));
    }
}
