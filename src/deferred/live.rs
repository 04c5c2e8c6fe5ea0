//! What is under way with waiting messages in this run of the server: offered, on its way, or
//! about to be taken out. A restart forgets it, and whatever was under way waits again.
//!
//! A message is taken out of its mailbox only while it is entered here, and its entry is removed
//! only after the commit. So whoever has read a page of the mailbox learns from this table alone
//! whether a message of the page is still there ([`Live::watch`]).
use super::{State, history::Passed};
use crate::identity::Address;
use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;

/// All mailboxes in which something is under way.
#[derive(Debug, Default)]
pub(super) struct Live(Mutex<HashMap<Address, Mailbox>>);

#[derive(Debug, Default)]
struct Mailbox {
    messages: HashMap<u64, Entry>,
    /// Those who hand messages over from it.
    watches: usize,
    /// What was taken out since the first of them began.
    gone: HashSet<u64>,
}

#[derive(Debug)]
struct Entry {
    state: State,
    /// How often a transfer began.
    attempts: u32,
    steps: Vec<Passed>,
    /// Its removal was decided by a transaction.
    is_taken: bool,
    /// Removals and transfers that are not settled yet.
    holders: u32,
}

impl Entry {
    fn new(attempts: u32) -> Self {
        Self {
            state: State::Stored,
            attempts,
            steps: Vec::new(),
            is_taken: false,
            holders: 0,
        }
    }
}

impl Mailbox {
    fn is_idle(&self) -> bool {
        self.messages.is_empty() && self.watches == 0
    }
}

impl Live {
    /// Somebody is about to read the mailbox: what is taken out from now on is noted.
    pub(super) fn watch(&self, recipient: &Address) {
        let mut mailboxes = self.0.lock();
        mailboxes.entry_ref(recipient).or_default().watches += 1;
    }

    /// What was read until now is not needed any more, and the mailbox is about to be read again.
    pub(super) fn renew(&self, recipient: &Address) {
        self.change(recipient, |mailbox| {
            if mailbox.watches == 1 {
                mailbox.gone.clear();
            }
        });
    }

    /// What was read is not needed any more.
    pub(super) fn unwatch(&self, recipient: &Address) {
        self.change(recipient, |mailbox| {
            mailbox.watches = mailbox.watches.saturating_sub(1);
            if mailbox.watches == 0 {
                mailbox.gone.clear();
            }
        });
    }

    /// Begins a transfer of a message that was transferred `attempts` times in earlier runs; how
    /// often with this one. `None` if it is on its way already, being taken out, or gone.
    pub(super) fn begin(
        &self,
        (recipient, sequence): (&Address, u64),
        attempts: u32,
        step: Passed,
    ) -> Option<u32> {
        let mut mailboxes = self.0.lock();
        let mailbox = mailboxes.entry_ref(recipient).or_default();
        if mailbox.gone.contains(&sequence) {
            return None;
        }
        let entry = mailbox.messages.entry(sequence);
        let entry = entry.or_insert_with(|| Entry::new(attempts));
        if entry.holders > 0 || entry.is_taken {
            return None;
        }
        entry.state = State::Transferring;
        entry.holders = 1;
        entry.attempts += 1;
        entry.steps.push(step);
        Some(entry.attempts)
    }

    /// Books that the receiver was told of a message; false if it is more than waiting already.
    pub(super) fn offer(&self, (recipient, sequence): (&Address, u64), step: Passed) -> bool {
        let mut mailboxes = self.0.lock();
        let mailbox = mailboxes.entry_ref(recipient).or_default();
        let entry = mailbox.messages.entry(sequence);
        let entry = entry.or_insert_with(|| Entry::new(0));
        let is_waiting = entry.state == State::Stored && entry.holders == 0;
        if is_waiting {
            entry.state = State::Offered;
            entry.steps.push(step);
        }
        is_waiting
    }

    /// Enters a message that is about to be taken out, however it stands.
    pub(super) fn hold(&self, (recipient, sequence): (&Address, u64)) {
        let mut mailboxes = self.0.lock();
        let mailbox = mailboxes.entry_ref(recipient).or_default();
        let entry = mailbox.messages.entry(sequence);
        entry.or_insert_with(|| Entry::new(0)).holders += 1;
    }

    /// Within a transaction: decides that a message which is held is taken out, and returns what
    /// happened to it so far. `None` if another transaction has decided so before.
    pub(super) fn take(&self, (recipient, sequence): (&Address, u64)) -> Option<Vec<Passed>> {
        let mut mailboxes = self.0.lock();
        let entry = mailboxes.get_mut(recipient)?.messages.get_mut(&sequence)?;
        let was_taken = std::mem::replace(&mut entry.is_taken, true);
        (!was_taken).then(|| std::mem::take(&mut entry.steps))
    }

    /// Within a transaction: whether a message is on its way or being taken out.
    pub(super) fn is_busy(&self, (recipient, sequence): (&Address, u64)) -> bool {
        let mailboxes = self.0.lock();
        let entry = mailboxes
            .get(recipient)
            .and_then(|mailbox| mailbox.messages.get(&sequence));
        entry.is_some_and(|entry| entry.is_taken || entry.state == State::Transferring)
    }

    /// The removal that was held for is settled: after the commit, or where it came to nothing.
    pub(super) fn settle(&self, (recipient, sequence): (&Address, u64)) {
        self.change(recipient, |mailbox| {
            let Some(entry) = mailbox.messages.get_mut(&sequence) else {
                return;
            };
            entry.holders = entry.holders.saturating_sub(1);
            let is_taken = entry.is_taken;
            let is_blank = entry.steps.is_empty() && entry.state == State::Stored;
            if entry.holders == 0 && (is_taken || is_blank) {
                mailbox.messages.remove(&sequence);
            }
            if is_taken && mailbox.watches > 0 {
                mailbox.gone.insert(sequence);
            }
        });
    }

    /// Ends a transfer that did not arrive: how often it was tried, and what happened to the
    /// message in this run. `None` if it was taken out meanwhile, or was not under way at all.
    pub(super) fn release(
        &self,
        (recipient, sequence): (&Address, u64),
        step: Passed,
    ) -> Option<(u32, Vec<Passed>)> {
        let mut released = None;
        self.change(recipient, |mailbox| {
            let Some(entry) = mailbox.messages.get_mut(&sequence) else {
                return;
            };
            if entry.state == State::Transferring {
                entry.holders = entry.holders.saturating_sub(1);
            }
            let was_waiting = std::mem::replace(&mut entry.state, State::Stored) == State::Stored;
            if !entry.is_taken && !was_waiting {
                entry.steps.push(step);
                released = Some((entry.attempts, std::mem::take(&mut entry.steps)));
            }
            if entry.holders == 0 {
                mailbox.messages.remove(&sequence);
            }
        });
        released
    }

    /// Where a message that waits stands in this run, and how often a transfer of it began, if
    /// anything is under way.
    pub(super) fn standing(&self, (recipient, sequence): (&Address, u64)) -> Option<(State, u32)> {
        let mailboxes = self.0.lock();
        let entry = mailboxes.get(recipient)?.messages.get(&sequence)?;
        Some((entry.state, entry.attempts))
    }

    /// What happened to a message in this run and is not written down yet.
    pub(super) fn steps(&self, (recipient, sequence): (&Address, u64)) -> Vec<Passed> {
        let mailboxes = self.0.lock();
        let entry = mailboxes
            .get(recipient)
            .and_then(|mailbox| mailbox.messages.get(&sequence));
        entry.map(|entry| entry.steps.clone()).unwrap_or_default()
    }

    /// How many messages are on their way.
    pub(super) fn transfers(&self) -> usize {
        let mailboxes = self.0.lock();
        let messages = mailboxes
            .values()
            .flat_map(|mailbox| mailbox.messages.values());
        let on_their_way = messages.filter(|entry| entry.state == State::Transferring);
        on_their_way.count()
    }

    fn change(&self, recipient: &Address, change: impl FnOnce(&mut Mailbox)) {
        let mut mailboxes = self.0.lock();
        let Some(mailbox) = mailboxes.get_mut(recipient) else {
            return;
        };
        change(mailbox);
        if mailbox.is_idle() {
            mailboxes.remove(recipient);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn bob() -> Address {
        Address::parse("sip:bob@example.com").unwrap()
    }

    fn step(state: State) -> Passed {
        Passed::new(Timestamp::EPOCH, state, "")
    }

    fn begin(live: &Live, sequence: u64) -> Option<u32> {
        live.begin((&bob(), sequence), 0, step(State::Transferring))
    }

    #[test]
    fn message_on_its_way_is_begun_once_and_again_after_its_release() {
        let (live, bob) = (Live::default(), bob());
        assert_eq!(begin(&live, 1), Some(1));
        assert_eq!((begin(&live, 1), live.transfers()), (None, 1));
        let (attempts, steps) = live.release((&bob, 1), step(State::Stored)).unwrap();
        assert_eq!((attempts, steps.len()), (1, 2));
        assert!(live.release((&bob, 1), step(State::Stored)).is_none());
        assert_eq!(
            live.begin((&bob, 1), attempts, step(State::Transferring)),
            Some(2)
        );
    }

    #[test]
    fn removal_is_decided_once_though_two_ask_for_it() {
        let (live, bob) = (Live::default(), bob());
        begin(&live, 1);
        live.hold((&bob, 1));
        assert_eq!(live.take((&bob, 1)).unwrap().len(), 1);
        assert!(live.take((&bob, 1)).is_none());
        live.settle((&bob, 1));
        live.settle((&bob, 1));
        assert!(live.0.lock().is_empty());
    }

    #[test]
    fn page_that_was_read_before_a_removal_knows_of_it() {
        let (live, bob) = (Live::default(), bob());
        live.watch(&bob);
        live.hold((&bob, 7));
        assert_eq!(begin(&live, 7), None, "being taken out");
        live.take((&bob, 7));
        live.settle((&bob, 7));
        assert_eq!(begin(&live, 7), None, "gone");
        live.unwatch(&bob);
        assert!(live.0.lock().is_empty());
    }

    #[test]
    fn removal_that_came_to_nothing_leaves_the_message_as_it_was() {
        let (live, bob) = (Live::default(), bob());
        live.hold((&bob, 7));
        live.settle((&bob, 7));
        assert!(live.0.lock().is_empty());
        assert_eq!(begin(&live, 7), Some(1));
    }
}
