use crate::{
    content::deferred_list::Entry,
    deferred::{Envelope, Facts, Kind},
    identity::Address,
};
use serde::{Deserialize, Serialize};

/// How waiting messages are put together into the channels that hand them over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channels {
    /// One channel per sender, one after the other, with the sender in Referred-By: what RCS
    /// clients know stored messages by.
    #[default]
    PerSender,
    /// All through one channel.
    Together,
}

/// What a channel is opened for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Messages of one sender.
    From(Address),
    /// Messages to one group, whoever sent them.
    Group(Address),
    /// Notifications of what became of messages; of all senders, and nothing else.
    Notifications,
    /// Whatever waits.
    Mailbox,
}

/// Messages that go through one channel, in their order.
#[derive(Clone, Debug)]
pub struct Batch<M = Envelope> {
    /// What the channel is for.
    pub purpose: Purpose,
    /// The messages.
    pub messages: Vec<M>,
}

impl Batch {
    /// Puts a page of a mailbox together into batches, in the order of their oldest messages. The
    /// messages of a batch keep the order of the page.
    pub fn of(page: Vec<Envelope>, channels: Channels) -> Vec<Self> {
        Self::grouped(page, |envelope| Purpose::of(&envelope.facts, channels))
    }
}

impl Batch<Entry> {
    /// The same for a page of a mailbox that another server keeps.
    pub fn of_entries(page: Vec<Entry>, channels: Channels) -> Vec<Self> {
        Self::grouped(page, |entry| Purpose::of_entry(entry, channels))
    }
}

impl<M> Batch<M> {
    fn grouped(page: Vec<M>, purpose_of: impl Fn(&M) -> Purpose) -> Vec<Self> {
        let mut batches: Vec<Self> = Vec::new();
        for message in page {
            let purpose = purpose_of(&message);
            let batch = batches.iter_mut().find(|batch| batch.purpose == purpose);
            match batch {
                Some(batch) => batch.messages.push(message),
                None => batches.push(Self {
                    purpose,
                    messages: vec![message],
                }),
            }
        }
        batches
    }
}

impl Purpose {
    fn of(facts: &Facts, channels: Channels) -> Self {
        let is_notification = facts.kind == Kind::Notification;
        let (group, sender) = (facts.group.as_ref(), Some(&facts.sender));
        Self::told(channels, is_notification, group, sender)
    }

    fn of_entry(entry: &Entry, channels: Channels) -> Self {
        let (group, sender) = (entry.group.as_ref(), entry.from.as_ref());
        Self::told(channels, entry.is_notification, group, sender)
    }

    fn told(
        channels: Channels,
        is_notification: bool,
        group: Option<&Address>,
        sender: Option<&Address>,
    ) -> Self {
        match (channels, is_notification, group, sender) {
            (Channels::Together, ..) | (_, false, None, None) => Self::Mailbox,
            (_, true, ..) => Self::Notifications,
            (_, _, Some(group), _) => Self::Group(group.clone()),
            (_, _, None, Some(sender)) => Self::From(sender.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(user: &str) -> Address {
        Address::parse(&format!("sip:{user}@example.com")).unwrap()
    }

    fn waiting(number: u64, sender: &str, change: impl FnOnce(&mut Facts)) -> (u64, Facts) {
        let mut facts = Facts::new(address(sender), address("bob"), "id");
        change(&mut facts);
        (number, facts)
    }

    fn page() -> Vec<(u64, Facts)> {
        vec![
            waiting(3, "alice", |_| {}),
            waiting(4, "eve", |_| {}),
            waiting(5, "alice", |facts| facts.kind = Kind::Notification),
            waiting(6, "alice", |_| {}),
            waiting(7, "eve", |facts| facts.group = Some(address("club"))),
            waiting(8, "carol", |facts| facts.kind = Kind::Notification),
            waiting(9, "alice", |facts| facts.group = Some(address("club"))),
        ]
    }

    fn batches(channels: Channels) -> Vec<(Purpose, Vec<u64>)> {
        let batches = Batch::grouped(page(), |(_, facts)| Purpose::of(facts, channels));
        let told = batches.into_iter().map(|batch| {
            let numbers = batch.messages.iter().map(|(number, _)| *number);
            (batch.purpose, numbers.collect())
        });
        told.collect()
    }

    #[test]
    fn each_sender_has_a_channel_and_so_have_groups_and_notifications() {
        let expected = [
            (Purpose::From(address("alice")), vec![3, 6]),
            (Purpose::From(address("eve")), vec![4]),
            (Purpose::Notifications, vec![5, 8]),
            (Purpose::Group(address("club")), vec![7, 9]),
        ];
        assert_eq!(batches(Channels::PerSender), expected);
    }

    #[test]
    fn one_channel_may_take_everything() {
        let all = vec![3, 4, 5, 6, 7, 8, 9];
        assert_eq!(batches(Channels::Together), [(Purpose::Mailbox, all)]);
    }
}
