use crate::identity::Address;
use parking_lot::RwLock;
use std::{collections::HashMap, sync::Arc};

/// How many subscriptions watch each mailbox, over all shards: so that a change of a mailbox that
/// nobody watches costs no more than this look.
#[derive(Clone, Default)]
pub struct Watchers(Arc<RwLock<HashMap<Address, usize>>>);

/// Counts one subscription for as long as it lives.
pub struct Watch {
    watchers: Watchers,
    mailbox: Address,
}

impl Watchers {
    /// Begins to watch `mailbox`, unless there are `limit` watches in all.
    pub fn watch(&self, mailbox: &Address, limit: usize) -> Option<Watch> {
        let mut counts = self.0.write();
        if counts.len() >= limit && !counts.contains_key(mailbox) {
            return None;
        }
        *counts.entry(mailbox.clone()).or_default() += 1;
        Some(Watch {
            watchers: self.clone(),
            mailbox: mailbox.clone(),
        })
    }

    /// Whether anybody watches `mailbox`.
    pub fn has(&self, mailbox: &Address) -> bool {
        self.0.read().contains_key(mailbox)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut counts = self.watchers.0.write();
        if let Some(count) = counts.get_mut(&self.mailbox) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.mailbox);
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
        let first = watchers.watch(&bob, 1).unwrap();
        let second = watchers.watch(&bob, 1).unwrap();
        assert!(watchers.watch(&eve, 1).is_none());
        drop(first);
        assert!(watchers.has(&bob));
        drop(second);
        assert!(!watchers.has(&bob));
    }
}
