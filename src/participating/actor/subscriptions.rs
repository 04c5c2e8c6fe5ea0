//! The subscriptions of one shard: found by their dialog, and by what they watch.
use super::{Services, focus::Watcher, pages::Page};
use crate::{
    identity::Address,
    participating::{invitation, metrics::Open, routing::Package, watchers::Watch},
    sip::{actor::Target, dialog::Dialog},
};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::Instant,
};
use tokio::sync::Notify;

/// The subscriptions of one shard; clones are the same ones.
#[derive(Clone, Default)]
pub(super) struct Subscriptions(Rc<RefCell<Table>>);

#[derive(Default)]
struct Table {
    /// By the tag this server gave their dialogs.
    by_tag: HashMap<String, Rc<Subscription>>,
    /// By what they watch.
    by_address: HashMap<Address, Vec<Rc<Subscription>>>,
}

/// One subscription (RFC 6665): the dialog, and what its flow is to do next.
pub(super) struct Subscription {
    /// What is watched.
    pub address: Address,
    pub package: Package,
    pub subject: Subject,
    pub dialog: RefCell<Dialog>,
    pub target: Cell<Target>,
    pub until: Cell<Instant>,
    pub wake: Arc<Notify>,
    pub _open: Open,
}

/// What a subscription tells of.
pub(super) enum Subject {
    Mailbox {
        page: Page,
        _watch: Watch,
    },
    Conference {
        watcher: RefCell<Watcher>,
        /// Whether all is to be told again, as after a refresh (RFC 4575 §5.2).
        wants_all: Cell<bool>,
    },
}

/// Removes a subscription from the table however its flow ends.
pub(super) struct Entered {
    table: Subscriptions,
    tag: String,
}

impl Subscriptions {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.borrow().by_tag.len()
    }

    /// Keeps a subscription for as long as the value returned lives.
    pub fn enter(&self, tag: String, subscription: &Rc<Subscription>) -> Entered {
        self.0.borrow_mut().enter(&tag, subscription);
        Entered {
            table: self.clone(),
            tag,
        }
    }

    /// Tells whoever watches `mailbox` that it has changed.
    pub fn changed(&self, mailbox: &Address) {
        let table = self.0.borrow();
        for subscription in table.by_address.get(mailbox).into_iter().flatten() {
            subscription.wake.notify_one();
        }
    }

    /// The subscription whose dialog has this tag of ours.
    pub fn find(&self, tag: &str) -> Option<Rc<Subscription>> {
        self.0.borrow().by_tag.get(tag).cloned()
    }
}

impl Subscription {
    /// Where its requests within the dialog are to be sent.
    pub fn contact(&self, services: &Services) -> String {
        invitation::contact(self.address.user(), &services.endpoint.sent_by(), true)
    }
}

impl Table {
    fn enter(&mut self, tag: &str, subscription: &Rc<Subscription>) {
        let watching = self.by_address.entry(subscription.address.clone());
        watching.or_default().push(subscription.clone());
        self.by_tag.insert(tag.to_owned(), subscription.clone());
    }

    fn remove(&mut self, tag: &str) {
        let Some(gone) = self.by_tag.remove(tag) else {
            return;
        };
        if let Some(watching) = self.by_address.get_mut(&gone.address) {
            watching.retain(|one| !Rc::ptr_eq(one, &gone));
            if watching.is_empty() {
                self.by_address.remove(&gone.address);
            }
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.table.0.borrow_mut().remove(&self.tag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock,
        participating::{metrics::Metrics, watchers::Watchers},
        sip::{
            codec::{Limits, Message},
            transaction::Peer,
        },
    };
    use futures_util::FutureExt;

    /// A subscription for the mailbox of `address`.
    fn subscription(address: &Address) -> Rc<Subscription> {
        let request = "SUBSCRIBE sip:us@127.0.0.1 SIP/2.0\r\nCall-ID: 1@x\r\nCSeq: 1 SUBSCRIBE\r\n\
            From: <sip:one@x>;tag=a\r\nTo: <sip:one@x>\r\nContact: <sip:one@127.0.0.1:9>\r\n\
            Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1\r\n\r\n";
        let request = Message::parse(request.into(), &Limits::default()).unwrap();
        let watch = Watchers::default().watch(address, "sip:one@x", 1).unwrap();
        let source = Peer::udp("127.0.0.1:9".parse().unwrap());
        Rc::new(Subscription {
            address: address.clone(),
            package: Package::Summary,
            subject: Subject::Mailbox {
                page: Page::default(),
                _watch: watch,
            },
            dialog: RefCell::new(Dialog::callee(&request, "b").unwrap()),
            target: Cell::new(Target::Flow(source)),
            until: Cell::new(clock::now()),
            wake: Arc::default(),
            _open: Metrics::register().open_subscription(),
        })
    }

    /// Whether the subscription was told of a change since it was last asked.
    fn was_told(subscription: &Subscription) -> bool {
        subscription.wake.notified().now_or_never().is_some()
    }

    #[test]
    fn change_is_told_to_those_who_watch_the_mailbox_until_they_go() {
        let [alice, bob] = ["sip:alice@x", "sip:bob@x"].map(|uri| Address::parse(uri).unwrap());
        let [desk, phone, other] = [&alice, &alice, &bob].map(subscription);
        let table = Subscriptions::default();
        let of_desk = table.enter("desk".into(), &desk);
        let of_phone = table.enter("phone".into(), &phone);
        let _of_other = table.enter("other".into(), &other);
        table.changed(&alice);
        assert_eq!(
            [&desk, &phone, &other].map(|it| was_told(it)),
            [true, true, false]
        );
        drop(of_desk);
        table.changed(&alice);
        assert_eq!([&desk, &phone].map(|it| was_told(it)), [false, true]);
        drop(of_phone);
        assert_eq!(table.len(), 1);
        let kept = table.0.borrow().by_address.len();
        assert_eq!(kept, 1, "nobody is left of who watched the other mailbox");
    }
}
