use crate::{
    deferred::{ContentId, MailboxChanged, history::Passed, ledger::Changed},
    identity::Address,
};
use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// What is left to do behind the back of those who may not wait: it is found again on disk after
/// a crash, and done by the queue actor until then.
#[derive(Debug, Default)]
pub(super) struct Chores {
    list: Mutex<List>,
    wake: Notify,
}

/// A transfer that ended without a word: the place of its message, how often it was tried, and
/// what happened.
pub(super) type Broken = ((Address, u64), u32, Vec<Passed>);

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct List {
    /// Contents to remove.
    pub(super) contents: Vec<ContentId>,
    /// Transfers that ended without a word, to be written down.
    pub(super) broken: Vec<Broken>,
    /// Mailboxes that changed, told once however often they did.
    pub(super) changed: HashMap<Address, MailboxChanged>,
}

impl Chores {
    pub(super) fn remove(&self, content: ContentId) {
        self.list.lock().contents.push(content);
        self.wake.notify_one();
    }

    pub(super) fn broken(&self, place: (Address, u64), attempts: u32, steps: Vec<Passed>) {
        self.list.lock().broken.push((place, attempts, steps));
        self.wake.notify_one();
    }

    pub(super) fn changed(&self, changed: Changed) {
        let news = MailboxChanged {
            recipient: changed.recipient,
            waiting: changed.waiting,
            arrived: changed.arrived,
            warn: changed.warn,
        };
        self.tell(news);
    }

    pub(super) fn tell(&self, news: MailboxChanged) {
        let mut list = self.list.lock();
        match list.changed.get_mut(&news.recipient) {
            Some(told) => {
                told.waiting = news.waiting;
                told.arrived |= news.arrived;
                told.warn |= news.warn;
            }
            None => {
                list.changed.insert(news.recipient.clone(), news);
            }
        }
        drop(list);
        self.wake.notify_one();
    }

    /// How much there is to do.
    pub(super) fn len(&self) -> usize {
        let list = self.list.lock();
        list.contents.len() + list.broken.len() + list.changed.len()
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
