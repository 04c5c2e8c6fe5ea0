use super::{Services, pages::Page};
use crate::{
    clock,
    content::message_summary::{MULTIMEDIA_MESSAGE, MessageSummary},
    identity::Address,
    participating::{invitation, metrics::Open, routing::Package, watchers::Watch},
    profile::{event, mime},
    sip::{
        actor::{Incoming, Target},
        codec::{Builder, Message, Method, Name},
        dialog::Dialog,
    },
    sip_core::Reply,
};
use bytes::Bytes;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// The subscriptions of one shard, by the tag this server gave their dialogs.
#[derive(Clone, Default)]
pub(super) struct Subscriptions(Rc<RefCell<HashMap<String, Rc<Subscription>>>>);

/// One watch on a mailbox (RFC 6665): the dialog, and what its flow is to do next.
struct Subscription {
    mailbox: Address,
    package: Package,
    page: Page,
    dialog: RefCell<Dialog>,
    target: Cell<Target>,
    until: Cell<Instant>,
    wake: Notify,
    _watch: Watch,
    _open: Open,
}

/// Removes a subscription from the table however its flow ends.
struct Entered {
    table: Subscriptions,
    tag: String,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.table.0.borrow_mut().remove(&self.tag);
    }
}

/// Changes of a mailbox within this time go into one NOTIFY.
const PACE: Duration = Duration::from_millis(200);

impl Subscriptions {
    /// Tells whoever watches `mailbox` that it has changed.
    pub fn changed(&self, mailbox: &Address) {
        for subscription in self.0.borrow().values() {
            if subscription.mailbox == *mailbox {
                subscription.wake.notify_one();
            }
        }
    }

    /// Takes a SUBSCRIBE within a dialog: a refresh, or the end. Answers 481 where there is none.
    pub fn refresh(&self, services: &Services, incoming: &Incoming, tag: &str) {
        let known = self.0.borrow().get(tag).cloned();
        let Some(subscription) = known else {
            return services.refuse(incoming, &Reply::new(481), "no_such_subscription");
        };
        let checked = subscription
            .dialog
            .borrow_mut()
            .handle_request(&incoming.request);
        if let Err(error) = checked {
            return services.refuse(incoming, &Reply::new(error.status()), error.kind());
        }
        subscription
            .dialog
            .borrow_mut()
            .refresh_target(&incoming.request);
        subscription.target.set(Target::Flow(incoming.source));
        let granted = granted(services, &incoming.request);
        subscription.until.set(clock::now() + granted);
        services.respond(
            incoming,
            accepted(services, incoming, &subscription.mailbox, granted, tag),
        );
        subscription.wake.notify_one();
    }
}

/// Takes a SUBSCRIBE for a mailbox. Only its owner may look.
pub(super) async fn subscribe(
    services: Rc<Services>,
    table: Subscriptions,
    incoming: Incoming,
    watcher: Address,
    mailbox: Address,
    package: Package,
) {
    if watcher != mailbox {
        return services.refuse(&incoming, &Reply::new(403), "not_the_owner");
    }
    let tag = services.endpoint.new_tag();
    let dialog = match Dialog::callee(&incoming.request, &tag) {
        Ok(dialog) => dialog,
        Err(error) => {
            return services.refuse(&incoming, &Reply::new(error.status()), error.kind());
        }
    };
    let limit = services.config.max_subscriptions;
    let Some(watch) = services
        .watchers
        .watch(&mailbox, &contact_of(&incoming.request), limit)
    else {
        let reply = Reply::new(503).with(Name::RetryAfter, "30");
        return services.refuse(&incoming, &reply, "max_subscriptions");
    };
    let granted = granted(&services, &incoming.request);
    let subscription = Rc::new(Subscription {
        dialog: RefCell::new(dialog),
        target: Cell::new(Target::Flow(incoming.source)),
        until: Cell::new(clock::now() + granted),
        wake: Notify::new(),
        package,
        page: page_of(&incoming.request),
        _watch: watch,
        _open: services.metrics.open_subscription(),
        mailbox,
    });
    services.respond(
        &incoming,
        accepted(&services, &incoming, &subscription.mailbox, granted, &tag),
    );
    // the dialog stands with the 200: confirmed before the first NOTIFY
    let _ = subscription.dialog.borrow_mut().confirm(None);
    table
        .0
        .borrow_mut()
        .insert(tag.clone(), subscription.clone());
    let _entered = Entered { table, tag };
    watch_over(&services, &subscription).await;
}

/// Notifies at once, after every change, and at the end.
async fn watch_over(services: &Rc<Services>, subscription: &Subscription) {
    loop {
        let left = subscription
            .until
            .get()
            .saturating_duration_since(clock::now());
        if !notify(services, subscription, left).await || left.is_zero() {
            return;
        }
        tokio::select! {
            () = subscription.wake.notified() => tokio::time::sleep(PACE).await,
            () = tokio::time::sleep(left) => {}
        }
    }
}

/// Sends one NOTIFY; false if the subscriber is gone.
async fn notify(services: &Rc<Services>, subscription: &Subscription, left: Duration) -> bool {
    let (content_type, body) = match document(services, subscription).await {
        Ok(document) => document,
        Err(error) => {
            tracing::warn!(%error, "mailbox could not be read for its subscriber");
            return false;
        }
    };
    let state = match left.as_secs() {
        0 => "terminated;reason=timeout".to_owned(),
        seconds => format!("active;expires={seconds}"),
    };
    let request = subscription
        .dialog
        .borrow_mut()
        .request(Method::Notify)
        .header(Name::Contact, contact(services, &subscription.mailbox))
        .header(Name::Event, subscription.package.as_str())
        .header(Name::SubscriptionState, state)
        .body(content_type, body)
        .build();
    let answer = services
        .endpoint
        .exchange(request, subscription.target.get())
        .await;
    answer.is_ok_and(|answer| matches!(answer.code(), Some(200..300)))
}

async fn document(
    services: &Services,
    subscription: &Subscription,
) -> Result<(&'static str, Bytes), crate::store::StoreError> {
    let mailbox = &subscription.mailbox;
    match subscription.package {
        Package::Summary => {
            let waiting = services.deferred.waiting(mailbox).await?;
            let count = waiting.count.try_into().unwrap_or(u32::MAX);
            let summary = MessageSummary::of_new(mailbox.as_str(), MULTIMEDIA_MESSAGE, count);
            Ok((mime::MESSAGE_SUMMARY, summary.to_bytes().into()))
        }
        Package::List => {
            let list = subscription.page.of_mailbox(services, mailbox).await?;
            Ok((mime::DEFERRED_LIST, list.to_bytes().into()))
        }
    }
}

/// Where the device is that subscribes.
fn contact_of(request: &Message) -> String {
    let contacts = request.contacts();
    let contact = contacts.as_ref().ok().and_then(|contacts| contacts.first());
    contact.map_or_else(String::new, |contact| contact.uri.to_string())
}

/// The page that the Event header of a SUBSCRIBE asks for.
fn page_of(request: &Message) -> Page {
    let event = request.value(Name::Event).unwrap_or_default();
    let parameter = |name| {
        let mut parameters = event.split(';').skip(1);
        let found = parameters.find_map(|one| one.trim().strip_prefix(name)?.strip_prefix('='));
        found.map(str::to_owned)
    };
    let limit = parameter(event::LIMIT).and_then(|limit| limit.parse().ok());
    Page::of(parameter(event::AFTER).as_deref(), limit)
}

fn granted(services: &Services, request: &Message) -> Duration {
    let longest = services.config.max_subscription;
    let asked = request
        .expires()
        .map(|seconds| Duration::from_secs(seconds.into()));
    asked.map_or(longest, |asked| asked.min(longest))
}

fn accepted(
    services: &Services,
    incoming: &Incoming,
    mailbox: &Address,
    granted: Duration,
    tag: &str,
) -> Message {
    Builder::response(&incoming.request, 200)
        .to_tag(tag)
        .header(Name::Contact, contact(services, mailbox))
        .header(Name::Expires, granted.as_secs().to_string())
        .build()
}

fn contact(services: &Services, mailbox: &Address) -> String {
    invitation::contact(mailbox.user(), &services.endpoint.sent_by(), true)
}
