use crate::{deferred::ContentId, identity::Address};
use hashbrown::HashSet;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// What is left to do behind the back of those who may not wait: it is found again on disk after
/// a crash, and done by the queue actor until then.
#[derive(Debug, Default)]
pub(super) struct Chores {
    list: Mutex<List>,
    wake: Notify,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct List {
    /// Contents to remove.
    pub(super) contents: Vec<ContentId>,
    /// Transfers that ended without a word.
    pub(super) releases: Vec<(Address, u64)>,
    /// Mailboxes that changed, told once however often they did.
    pub(super) changed: HashSet<Address>,
    /// Those of them where a message arrived.
    pub(super) arrived: HashSet<Address>,
}

impl Chores {
    pub(super) fn remove(&self, content: ContentId) {
        self.list.lock().contents.push(content);
        self.wake.notify_one();
    }

    pub(super) fn release(&self, recipient: Address, sequence: u64) {
        self.list.lock().releases.push((recipient, sequence));
        self.wake.notify_one();
    }

    pub(super) fn changed(&self, recipient: &Address, arrived: bool) {
        let mut list = self.list.lock();
        list.changed.insert(recipient.clone());
        if arrived {
            list.arrived.insert(recipient.clone());
        }
        drop(list);
        self.wake.notify_one();
    }

    /// All there is to do now.
    pub(super) fn take(&self) -> List {
        std::mem::take(&mut *self.list.lock())
    }

    /// Waits until there may be something to do.
    pub(super) async fn wait(&self) {
        self.wake.notified().await;
    }
}
