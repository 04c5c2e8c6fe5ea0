use crate::identity::Address;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};

/// Which mailboxes are being handed over, in the whole process: at most one drain each, however
/// often a device registers meanwhile.
#[derive(Clone, Default)]
pub struct Drains(Arc<Mutex<HashMap<Address, Asked>>>);

/// Whether somebody asked for the same drain while it ran.
#[derive(Default)]
struct Asked(bool);

impl Drains {
    /// Begins the drain of `recipient`, or `None` while another one is on its way: that one looks
    /// again before it ends.
    pub fn enter(&self, recipient: &Address) -> Option<Drain> {
        let mut running = self.0.lock();
        if let Some(asked) = running.get_mut(recipient) {
            asked.0 = true;
            return None;
        }
        running.insert(recipient.clone(), Asked::default());
        Some(Drain {
            drains: self.clone(),
            recipient: recipient.clone(),
            is_over: false,
        })
    }

    /// Whether the mailbox of `recipient` is being handed over.
    pub fn is_running(&self, recipient: &Address) -> bool {
        self.0.lock().contains_key(recipient)
    }
}

/// The right to hand over one mailbox; given back on drop.
pub struct Drain {
    drains: Drains,
    recipient: Address,
    is_over: bool,
}

impl Drain {
    /// Whether somebody asked for it while it ran.
    pub fn was_asked(&self) -> bool {
        let running = self.drains.0.lock();
        running.get(&self.recipient).is_some_and(|asked| asked.0)
    }

    /// Ends the drain, unless somebody asked for it while it ran: then it comes back, to look once
    /// more.
    pub fn finish(mut self) -> Option<Drain> {
        let mut running = self.drains.0.lock();
        let asked = running.get_mut(&self.recipient)?;
        let again = std::mem::take(&mut asked.0);
        if !again {
            // under the same lock: whoever asks from now on begins a drain of its own
            running.remove(&self.recipient);
            self.is_over = true;
        }
        drop(running);
        again.then_some(self)
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        if !self.is_over {
            self.drains.0.lock().remove(&self.recipient);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bob() -> Address {
        Address::parse("sip:bob@example.com").unwrap()
    }

    #[test]
    fn mailbox_is_drained_once_at_a_time() {
        let drains = Drains::default();
        let drain = drains.enter(&bob()).unwrap();
        assert!(drains.enter(&bob()).is_none() && drains.is_running(&bob()));
        drop(drain);
        assert!(!drains.is_running(&bob()));
        assert!(drains.enter(&bob()).is_some());
    }

    #[test]
    fn drain_asked_for_meanwhile_looks_again_before_it_ends() {
        let drains = Drains::default();
        let drain = drains.enter(&bob()).unwrap();
        assert!(drains.enter(&bob()).is_none());
        assert!(drain.was_asked());
        let drain = drain.finish().expect("somebody asked");
        assert!(!drain.was_asked());
        assert!(drain.finish().is_none());
        assert!(drains.enter(&bob()).is_some());
    }
}
