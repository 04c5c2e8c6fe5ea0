use crate::{
    controlling::{Head, Origin},
    identity::Address,
};
use hashbrown::{HashMap, HashSet};

/// Which addresses are groups, and how many groups each user has made: all of it in memory,
/// because every request asks.
#[derive(Default)]
pub(super) struct Registry {
    groups: HashSet<Address>,
    made: HashMap<Address, usize>,
}

impl Registry {
    pub(super) fn has(&self, address: &Address) -> bool {
        self.groups.contains(address)
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// How many groups this user has made.
    pub(super) fn made_by(&self, user: &Address) -> usize {
        self.made.get(user).copied().unwrap_or_default()
    }

    pub(super) fn add(&mut self, head: &Head) {
        if self.groups.insert(head.address.clone())
            && let Some(maker) = maker(head)
        {
            *self.made.entry(maker.clone()).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, head: &Head) {
        if !self.groups.remove(&head.address) {
            return;
        }
        let Some(maker) = maker(head) else { return };
        if let Some(count) = self.made.get_mut(maker) {
            *count -= 1;
            if *count == 0 {
                self.made.remove(maker);
            }
        }
    }
}

/// The user who made the group, if it was a user.
fn maker(head: &Head) -> Option<&Address> {
    let owner = head.owner.as_ref();
    owner.filter(|_| head.origin == Origin::AdHoc)
}
