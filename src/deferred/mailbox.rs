use super::{Facts, Priority, keys};
use crate::{
    identity::Address,
    store::{Readable, Record, RecordError, Records, StoreError, Table},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What waits for one receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Messages; dispositions are not counted.
    pub count: u64,
    /// Octets of their contents.
    pub octets: u64,
    /// Notifications of what became of the receiver's own messages.
    pub notifications: u64,
    /// No message has a lower sequence; `None` where nothing waits.
    pub head: Option<u64>,
}

impl Waiting {
    /// Whether nothing at all waits.
    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.notifications == 0
    }
}

/// What waits in all mailboxes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Messages and notifications.
    pub messages: u64,
    /// Octets of their contents.
    pub octets: u64,
}

impl Record for Totals {
    const VERSION: u8 = 1;
}

/// The counters of a mailbox, written with every change of it. It stays when the mailbox is
/// empty, so that no sequence is given twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MailboxRecord {
    /// Sequence of the next message, minus one.
    pub(super) last: u64,
    /// No message has a lower sequence.
    pub(super) head: u64,
    pub(super) count: u64,
    pub(super) octets: u64,
    pub(super) notifications: u64,
    pub(super) notification_octets: u64,
    /// Messages of each priority, the lowest first.
    pub(super) by_priority: [u64; 3],
    /// Messages of each sender, by the sender's mark.
    pub(super) by_sender: Vec<(u32, u32)>,
    /// The receiver is to be warned, or was, that it is nearly full.
    pub(super) warning: Warned,
    /// Messages there were when it became nearly full.
    pub(super) warned_at: u64,
}

/// How far the receiver was warned of a mailbox that is nearly full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Warned {
    /// There is no reason to.
    #[default]
    No,
    /// There is, and it was not told yet.
    Due,
    /// It was told.
    Told,
}

impl Record for MailboxRecord {
    const VERSION: u8 = 2;

    fn migrate(version: u8, body: &[u8]) -> Result<Self, RecordError> {
        const KIND: &str = "MailboxRecord";
        /// The counters as they were before senders and priorities were counted.
        #[derive(Deserialize)]
        struct First {
            last: u64,
            head: u64,
            count: u64,
            octets: u64,
        }
        if version != 1 {
            return Err(RecordError::Version {
                kind: KIND,
                version,
            });
        }
        let first: First = postcard::from_bytes(body)
            .map_err(|source| RecordError::Body { kind: KIND, source })?;
        // what was not counted then is counted when the store is taken over
        Ok(Self {
            last: first.last,
            head: first.head,
            count: first.count,
            octets: first.octets,
            ..Self::default()
        })
    }
}

impl MailboxRecord {
    pub(super) fn waiting(&self) -> Waiting {
        Waiting {
            count: self.count,
            octets: self.octets,
            notifications: self.notifications,
            head: (self.live() > 0).then_some(self.head),
        }
    }

    /// Messages and notifications.
    fn live(&self) -> u64 {
        self.count + self.notifications
    }

    /// Takes in a message; its sequence.
    pub(super) fn add(&mut self, facts: &Facts) -> u64 {
        self.last += 1;
        if self.live() == 0 {
            self.head = self.last;
        }
        self.count_in(facts);
        self.last
    }

    /// Counts a message that has its sequence already.
    pub(super) fn count_in(&mut self, facts: &Facts) {
        if facts.is_notification() {
            self.notifications += 1;
            self.notification_octets += facts.size;
            return;
        }
        self.count += 1;
        self.octets += facts.size;
        self.by_priority[facts.priority as usize] += 1;
        let mark = mark(&facts.sender);
        match self.by_sender.iter_mut().find(|(of, _)| *of == mark) {
            Some((_, count)) => *count += 1,
            None => self.by_sender.push((mark, 1)),
        }
    }

    /// Lets a message go. Returns whether messages above the head may be missing, so that the new
    /// head must be looked for.
    pub(super) fn remove(&mut self, sequence: u64, facts: &Facts) -> bool {
        if facts.is_notification() {
            self.notifications = self.notifications.saturating_sub(1);
            self.notification_octets = self.notification_octets.saturating_sub(facts.size);
        } else {
            self.count_out(facts);
        }
        if sequence != self.head {
            return false;
        }
        self.head += 1;
        let left = (self.last + 1).saturating_sub(self.head);
        if self.live() == 0 {
            self.head = self.last + 1;
        }
        self.live() > 0 && left > self.live()
    }

    fn count_out(&mut self, facts: &Facts) {
        self.count = self.count.saturating_sub(1);
        self.octets = self.octets.saturating_sub(facts.size);
        let of_priority = &mut self.by_priority[facts.priority as usize];
        *of_priority = of_priority.saturating_sub(1);
        let mark = mark(&facts.sender);
        if let Some(at) = self.by_sender.iter().position(|(of, _)| *of == mark) {
            self.by_sender[at].1 = self.by_sender[at].1.saturating_sub(1);
            if self.by_sender[at].1 == 0 {
                self.by_sender.swap_remove(at);
            }
        }
    }

    /// Forgets the warning when the mailbox has emptied well below the level of it.
    pub(super) fn calm_down(&mut self) {
        if self.warning != Warned::No && self.count <= self.warned_at * 3 / 4 {
            self.warning = Warned::No;
        }
    }

    /// Messages of one sender.
    pub(super) fn of_sender(&self, sender: &Address) -> u64 {
        let mark = mark(sender);
        let found = self.by_sender.iter().find(|(of, _)| *of == mark);
        found.map_or(0, |(_, count)| u64::from(*count))
    }

    /// The lowest priority of which something waits.
    pub(super) fn lowest(&self) -> Option<Priority> {
        let order = [Priority::Low, Priority::Normal, Priority::High];
        let mut waiting = order.into_iter().zip(self.by_priority);
        waiting
            .find(|(_, count)| *count > 0)
            .map(|(lowest, _)| lowest)
    }
}

/// A sender, in four octets: two of the same mark share their share.
fn mark(sender: &Address) -> u32 {
    let digest = Sha256::digest(sender.as_str());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

pub(super) const TOTALS: &[u8] = b"deferred/totals";

/// What waits in all mailboxes.
pub(super) fn totals(store: &(impl Readable + ?Sized)) -> Result<Totals, StoreError> {
    Ok(store.record(Table::Meta, TOTALS)?.unwrap_or_default())
}

/// The counters of one mailbox.
pub(super) fn mailbox(
    store: &(impl Readable + ?Sized),
    recipient: &Address,
) -> Result<MailboxRecord, StoreError> {
    let key = keys::mailbox(recipient);
    Ok(store.record(Table::Mailbox, &key)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(sender: &str, size: u64) -> Facts {
        let address = |user| Address::parse(&format!("sip:{user}@example.com")).unwrap();
        Facts {
            size,
            ..Facts::new(address(sender), address("bob"), "id")
        }
    }

    #[test]
    fn head_moves_on_by_itself_as_long_as_messages_leave_in_order() {
        let mut mailbox = MailboxRecord::default();
        for _ in 0..4 {
            mailbox.add(&facts("alice", 10));
        }
        assert!(!mailbox.remove(1, &facts("alice", 10)));
        assert_eq!(mailbox.waiting().head, Some(2));
        assert!(!mailbox.remove(3, &facts("alice", 10)));
        assert!(mailbox.remove(2, &facts("alice", 10)), "3 is missing above");
        assert!(!mailbox.remove(4, &facts("alice", 10)));
        assert_eq!(mailbox.waiting(), Waiting::default());
        assert_eq!(mailbox.add(&facts("alice", 1)), 5);
        assert_eq!(mailbox.waiting().head, Some(5));
    }

    #[test]
    fn senders_are_counted_apart_and_forgotten_when_nothing_of_them_waits() {
        let mut mailbox = MailboxRecord::default();
        for sender in ["alice", "carol", "alice"] {
            mailbox.add(&facts(sender, 5));
        }
        let alice = facts("alice", 5).sender;
        assert_eq!(mailbox.of_sender(&alice), 2);
        mailbox.remove(1, &facts("alice", 5));
        mailbox.remove(3, &facts("alice", 5));
        assert_eq!(mailbox.of_sender(&alice), 0);
        assert_eq!(mailbox.by_sender.len(), 1);
        assert_eq!((mailbox.count, mailbox.octets), (1, 5));
    }

    #[test]
    fn counters_of_the_first_release_are_read() {
        // last 300, head 2, count 5, octets 70
        let octets = [1, 0xac, 2, 2, 5, 70];
        let mailbox = MailboxRecord::decode(&octets).unwrap();
        let found = (mailbox.last, mailbox.head, mailbox.count, mailbox.octets);
        assert_eq!(found, (300, 2, 5, 70));
    }
}
