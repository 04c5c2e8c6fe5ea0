use crate::identity::Address;
use parking_lot::RwLock;
use std::{collections::HashMap, sync::Arc};

/// Which subscriptions watch each mailbox, over all shards: so that a change of a mailbox that
/// nobody watches costs no more than this look.
#[derive(Clone, Default)]
pub struct Watchers(Arc<RwLock<HashMap<Address, Vec<String>>>>);

/// Counts one subscription for as long as it lives.
pub struct Watch {
    watchers: Watchers,
    mailbox: Address,
    contact: String,
}

impl Watchers {
    /// The device at `contact` begins to watch `mailbox`, unless `limit` mailboxes are watched.
    pub fn watch(&self, mailbox: &Address, contact: &str, limit: usize) -> Option<Watch> {
        let mut watched = self.0.write();
        if watched.len() >= limit && !watched.contains_key(mailbox) {
            return None;
        }
        let contacts = watched.entry(mailbox.clone()).or_default();
        contacts.push(contact.to_owned());
        Some(Watch {
            watchers: self.clone(),
            mailbox: mailbox.clone(),
            contact: contact.to_owned(),
        })
    }

    /// Whether anybody watches `mailbox`.
    pub fn has(&self, mailbox: &Address) -> bool {
        self.0.read().contains_key(mailbox)
    }

    /// Whether the device at `contact` watches `mailbox`.
    pub fn is_watched_by(&self, mailbox: &Address, contact: &str) -> bool {
        let watched = self.0.read();
        let contacts = watched.get(mailbox);
        contacts.is_some_and(|contacts| contacts.iter().any(|one| one == contact))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.watchers.0.write();
        if let Some(contacts) = watched.get_mut(&self.mailbox) {
            if let Some(at) = contacts.iter().position(|one| *one == self.contact) {
                contacts.swap_remove(at);
            }
            if contacts.is_empty() {
                watched.remove(&self.mailbox);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailbox_is_watched_until_its_last_subscription_ends() {
        let watchers = Watchers::default();
        let bob = Address::parse("sip:bob@example.com").unwrap();
        let eve = Address::parse("sip:eve@example.com").unwrap();
        let first = watchers.watch(&bob, "sip:b@desk", 1).unwrap();
        let second = watchers.watch(&bob, "sip:b@phone", 1).unwrap();
        assert!(watchers.watch(&eve, "sip:e@desk", 1).is_none());
        drop(first);
        assert!(watchers.has(&bob) && watchers.is_watched_by(&bob, "sip:b@phone"));
        assert!(!watchers.is_watched_by(&bob, "sip:b@desk"));
        drop(second);
        assert!(!watchers.has(&bob));
    }
}
