//! Takes SUBSCRIBE for a mailbox or a group, and what refreshes or ends it.
use super::{
    Services,
    notifying::{part, watch_over},
    pages::Page,
    subscriptions::{Subject, Subscription, Subscriptions},
};
use crate::{
    clock,
    identity::Address,
    participating::routing::Package,
    profile::event,
    sip::{
        actor::{Incoming, Target},
        codec::{Builder, Message, Name},
        dialog::Dialog,
    },
    sip_core::Reply,
};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::sync::Notify;

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
    let limit = services.config.max_subscriptions;
    let watchers = &services.watchers;
    let Some(watch) = watchers.watch(&mailbox, &contact_of(&incoming.request), limit) else {
        return services.refuse(&incoming, &crowded(), "max_subscriptions");
    };
    let subject = Subject::Mailbox {
        page: page_of(&incoming.request),
        _watch: watch,
    };
    begin(services, table, incoming, (mailbox, package), |_| subject).await;
}

/// Takes a SUBSCRIBE for a group. Only those may look who belong to it.
pub(super) async fn subscribe_to_group(
    services: Rc<Services>,
    table: Subscriptions,
    incoming: Incoming,
    watcher: Address,
    address: Address,
) {
    let group = match services.groups.get(&address).await {
        Ok(Some(group)) => group,
        Ok(None) => return services.refuse(&incoming, &Reply::new(404), "no_group"),
        Err(_) => return services.refuse(&incoming, &Reply::new(500), "store"),
    };
    if !group.has(&watcher) && !group.is_owner(&watcher) {
        return services.refuse(&incoming, &Reply::new(403), "not_member");
    }
    if table.len() >= services.config.max_subscriptions {
        return services.refuse(&incoming, &crowded(), "max_subscriptions");
    }
    let conferences = services.conferences.clone();
    let subject = |wake: &Arc<Notify>| Subject::Conference {
        watcher: RefCell::new(conferences.watch(&group, wake.clone())),
        wants_all: Cell::new(true),
    };
    let watched = (address, Package::Conference);
    begin(services, table, incoming, watched, subject).await;
}

/// Takes a SUBSCRIBE within a dialog: a refresh, or the end. Answers 481 where there is none.
pub(super) fn refresh(services: &Services, table: &Subscriptions, incoming: &Incoming, tag: &str) {
    let Some(subscription) = table.find(tag) else {
        return services.refuse(incoming, &Reply::new(481), "no_such_subscription");
    };
    {
        let mut dialog = subscription.dialog.borrow_mut();
        if let Err(error) = dialog.handle_request(&incoming.request) {
            return services.refuse(incoming, &Reply::new(error.status()), error.kind());
        }
        dialog.refresh_target(&incoming.request);
    }
    subscription.target.set(Target::Flow(incoming.source));
    let granted = granted(services, &incoming.request);
    subscription.until.set(clock::now() + granted);
    if let Subject::Conference { wants_all, .. } = &subscription.subject {
        wants_all.set(true);
    }
    let accepted = accepted(services, incoming, &subscription, granted, tag);
    services.respond(incoming, accepted);
    subscription.wake.notify_one();
}

fn crowded() -> Reply {
    Reply::new(503).with(Name::RetryAfter, "30")
}

/// Accepts a subscription and notifies until it ends.
async fn begin(
    services: Rc<Services>,
    table: Subscriptions,
    incoming: Incoming,
    (address, package): (Address, Package),
    subject: impl FnOnce(&Arc<Notify>) -> Subject,
) {
    let tag = services.endpoint.new_tag();
    let dialog = match Dialog::callee(&incoming.request, &tag) {
        Ok(dialog) => dialog,
        Err(error) => {
            return services.refuse(&incoming, &Reply::new(error.status()), error.kind());
        }
    };
    let granted = granted(&services, &incoming.request);
    let wake = Arc::<Notify>::default();
    let subscription = Rc::new(Subscription {
        dialog: RefCell::new(dialog),
        target: Cell::new(Target::Flow(incoming.source)),
        until: Cell::new(clock::now() + granted),
        subject: subject(&wake),
        wake,
        package,
        _open: services.metrics.open_subscription(),
        address,
    });
    let accepted = accepted(&services, &incoming, &subscription, granted, &tag);
    services.respond(&incoming, accepted);
    // the dialog stands with the 200: confirmed before the first NOTIFY
    let _ = subscription.dialog.borrow_mut().confirm(None);
    let _entered = table.enter(tag, &subscription);
    tokio::select! {
        () = watch_over(&services, &subscription) => {}
        () = services.shutdown.begun() => part(&services, &subscription, table.len()).await,
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
    subscription: &Subscription,
    granted: Duration,
    tag: &str,
) -> Message {
    Builder::response(&incoming.request, 200)
        .to_tag(tag)
        .header(Name::Contact, subscription.contact(services))
        .header(Name::Expires, granted.as_secs().to_string())
        .build()
}
