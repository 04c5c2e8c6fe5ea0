use crate::identity::Address;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Notify;

/// Which members have a live leg to which of our groups, in the whole process: what waits for
/// them in these groups is the legs' business, and nobody else's.
#[derive(Clone, Default)]
pub struct Legs(Arc<Inner>);

#[derive(Default)]
struct Inner {
    groups: Mutex<HashMap<Address, Live>>,
    /// Members who are to be called although nothing waits for them, by their mailboxes.
    invited: Mutex<HashMap<Address, Vec<Invitation>>>,
    numbers: AtomicU64,
}

/// The live legs of one group, by the mailbox of the member; of several of one member the last one
/// is the one that is served.
type Live = HashMap<Address, Vec<Entry>>;

struct Entry {
    number: u64,
    /// A person is there: a server that only keeps messages is no company.
    is_present: bool,
    wake: Arc<Notify>,
}

/// One who is to be called into a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Which group.
    pub group: Address,
    /// Who wants it.
    pub by: Address,
}

/// One live leg, for as long as it lives.
pub struct Seat {
    legs: Legs,
    group: Address,
    mailbox: Address,
    number: u64,
    wake: Arc<Notify>,
}

impl Legs {
    /// Enters a leg of the member with `mailbox`.
    pub fn enter(&self, group: &Address, mailbox: &Address, is_present: bool) -> Seat {
        let number = self.0.numbers.fetch_add(1, Ordering::Relaxed);
        let wake = Arc::<Notify>::default();
        let mut groups = self.0.groups.lock();
        let live = groups.entry(group.clone()).or_default();
        live.entry(mailbox.clone()).or_default().push(Entry {
            number,
            is_present,
            wake: wake.clone(),
        });
        Seat {
            legs: self.clone(),
            group: group.clone(),
            mailbox: mailbox.clone(),
            number,
            wake,
        }
    }

    /// Whether a leg serves what waits in `mailbox` for its owner as a member of `group`.
    pub fn serves(&self, group: &Address, mailbox: &Address) -> bool {
        let groups = self.0.groups.lock();
        groups
            .get(group)
            .is_some_and(|live| live.contains_key(mailbox))
    }

    /// Wakes the leg that serves a member, if there is one: something has come. Says whether.
    pub fn wake(&self, group: &Address, mailbox: &Address) -> bool {
        let groups = self.0.groups.lock();
        let legs = groups.get(group).and_then(|live| live.get(mailbox));
        let serving = legs.and_then(|legs| legs.last());
        serving.inspect(|leg| leg.wake.notify_one()).is_some()
    }

    /// Notes that the member with `mailbox` is to be called.
    pub fn invite(&self, mailbox: &Address, invitation: Invitation) {
        let mut invited = self.0.invited.lock();
        let invitations = invited.entry(mailbox.clone()).or_default();
        if !invitations.contains(&invitation) {
            invitations.push(invitation);
        }
    }

    /// What the member with `mailbox` is to be called into now: groups where somebody is.
    pub fn invitations(&self, mailbox: &Address) -> Vec<Invitation> {
        let mut invited = self.0.invited.lock().remove(mailbox).unwrap_or_default();
        invited.retain(|one| self.present(&one.group) > 0 && !self.serves(&one.group, mailbox));
        invited
    }

    /// How many people are in `group` now.
    fn present(&self, group: &Address) -> usize {
        let groups = self.0.groups.lock();
        groups.get(group).map_or(0, |live| present(live).count())
    }

    fn leave(&self, seat: &Seat) {
        let mut groups = self.0.groups.lock();
        let Some(live) = groups.get_mut(&seat.group) else {
            return;
        };
        if let Some(legs) = live.get_mut(&seat.mailbox) {
            legs.retain(|leg| leg.number != seat.number);
            if legs.is_empty() {
                live.remove(&seat.mailbox);
            }
        }
        // those that are left see whether they are to go on, and take over what was not served
        live.values()
            .flatten()
            .for_each(|leg| leg.wake.notify_one());
        if live.is_empty() {
            groups.remove(&seat.group);
        }
    }
}

fn present(live: &Live) -> impl Iterator<Item = &Address> {
    let with_people = |(mailbox, legs): (_, &Vec<Entry>)| {
        let is_present = legs.iter().any(|leg| leg.is_present);
        is_present.then_some(mailbox)
    };
    live.iter().filter_map(with_people)
}

impl Seat {
    /// Resolves when something has come, or somebody has left.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Whether this is the leg that serves its member.
    pub fn is_serving(&self) -> bool {
        let groups = self.legs.0.groups.lock();
        let legs = groups.get(&self.group);
        let legs = legs.and_then(|live| live.get(&self.mailbox));
        let last = legs.and_then(|legs| legs.last());
        last.is_some_and(|leg| leg.number == self.number)
    }

    /// Whether anybody else is there.
    pub fn has_company(&self) -> bool {
        let groups = self.legs.0.groups.lock();
        let live = groups.get(&self.group);
        live.is_some_and(|live| present(live).any(|mailbox| *mailbox != self.mailbox))
    }

    /// Whose mailbox it serves.
    pub fn mailbox(&self) -> &Address {
        &self.mailbox
    }

    /// In which group.
    pub fn group(&self) -> &Address {
        &self.group
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.legs.leave(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn address(user: &str) -> Address {
        Address::parse(&format!("sip:{user}@example.com")).unwrap()
    }

    #[test]
    fn last_leg_of_a_member_serves_and_an_older_one_takes_over() {
        let (legs, club, bob) = (Legs::default(), address("club"), address("bob"));
        let first = legs.enter(&club, &bob, true);
        let second = legs.enter(&club, &bob, true);
        assert!(legs.serves(&club, &bob) && !first.is_serving() && second.is_serving());
        assert!(legs.wake(&club, &bob));
        assert!(first.woken().now_or_never().is_none());
        assert!(second.woken().now_or_never().is_some());
        drop(second);
        assert!(first.is_serving() && first.woken().now_or_never().is_some());
        drop(first);
        assert!(!legs.serves(&club, &bob) && !legs.wake(&club, &bob));
        assert!(legs.0.groups.lock().is_empty());
    }

    #[test]
    fn member_alone_or_with_servers_has_no_company() {
        let (legs, club) = (Legs::default(), address("club"));
        let bob = legs.enter(&club, &address("bob"), true);
        let _desk = legs.enter(&club, &address("bob"), true);
        let _server = legs.enter(&club, &address("carol"), false);
        assert!(!bob.has_company());
        let eve = legs.enter(&club, &address("eve"), true);
        assert!(bob.has_company() && legs.present(&club) == 2);
        let _ = bob.woken().now_or_never();
        drop(eve);
        assert!(!bob.has_company() && bob.woken().now_or_never().is_some());
    }
}
