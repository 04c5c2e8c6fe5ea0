use super::{Services, focus::Watcher, pages::Page};
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
    store::StoreError,
};
use bytes::Bytes;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// The subscriptions of one shard, by the tag this server gave their dialogs.
#[derive(Clone, Default)]
pub(super) struct Subscriptions(Rc<RefCell<HashMap<String, Rc<Subscription>>>>);

/// One subscription (RFC 6665): the dialog, and what its flow is to do next.
struct Subscription {
    /// What is watched.
    address: Address,
    package: Package,
    subject: Subject,
    dialog: RefCell<Dialog>,
    target: Cell<Target>,
    until: Cell<Instant>,
    wake: Arc<Notify>,
    _open: Open,
}

/// What a subscription tells of.
enum Subject {
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

/// What the next NOTIFY says.
enum Report {
    Document(&'static str, Bytes),
    /// There is nothing new to tell.
    Nothing,
    /// What was watched is no more.
    Over,
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
/// Subscribers of one shard that are told in a second that the server ends.
const PARTINGS_PER_SECOND: f64 = 2000.0;
/// When they are to subscribe anew. Units: seconds.
const SUBSCRIBE_AGAIN: std::ops::RangeInclusive<u32> = 5..=15;

impl Subscriptions {
    /// Tells whoever watches `mailbox` that it has changed.
    pub fn changed(&self, mailbox: &Address) {
        for subscription in self.0.borrow().values() {
            if subscription.address == *mailbox {
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
        if let Subject::Conference { wants_all, .. } = &subscription.subject {
            wants_all.set(true);
        }
        services.respond(
            incoming,
            accepted(services, incoming, &subscription.address, granted, tag),
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
    if table.0.borrow().len() >= services.config.max_subscriptions {
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
    services.respond(
        &incoming,
        accepted(&services, &incoming, &subscription.address, granted, &tag),
    );
    // the dialog stands with the 200: confirmed before the first NOTIFY
    let _ = subscription.dialog.borrow_mut().confirm(None);
    table
        .0
        .borrow_mut()
        .insert(tag.clone(), subscription.clone());
    let entered = Entered { table, tag };
    tokio::select! {
        () = watch_over(&services, &subscription) => {}
        () = services.shutdown.begun() => part(&services, &subscription, &entered.table).await,
    }
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

/// Tells a subscriber that the server ends, and when to subscribe anew: spread out where there are
/// many.
///
/// Source: RFC 6665 §4.1.3.
async fn part(services: &Rc<Services>, subscription: &Subscription, table: &Subscriptions) {
    let crowd = table.0.borrow().len() as f64 / PARTINGS_PER_SECOND;
    tokio::time::sleep(Duration::from_secs_f64(rand::random::<f64>() * crowd)).await;
    let again = rand::random_range(SUBSCRIBE_AGAIN);
    let state = format!("terminated;reason=probation;retry-after={again}");
    let request = notification(services, subscription, state).build();
    let answer = services
        .endpoint
        .exchange(request, subscription.target.get());
    tokio::select! {
        // one that does not answer is gone as well
        _ = answer => {}
        () = services.shutdown.over() => {}
    }
}

/// A NOTIFY without a body.
fn notification(services: &Services, subscription: &Subscription, state: String) -> Builder {
    let mut dialog = subscription.dialog.borrow_mut();
    dialog
        .request(Method::Notify)
        .header(Name::Contact, contact(services, &subscription.address))
        .header(Name::Event, subscription.package.as_str())
        .header(Name::SubscriptionState, state)
}

/// Sends one NOTIFY; false if the subscriber is gone.
async fn notify(services: &Rc<Services>, subscription: &Subscription, left: Duration) -> bool {
    let report = match report(services, subscription).await {
        Ok(report) => report,
        Err(error) => {
            tracing::warn!(%error, "mailbox could not be read for its subscriber");
            return false;
        }
    };
    let state = match (&report, left.as_secs()) {
        (Report::Nothing, 1..) => return true,
        (Report::Over, _) => "terminated;reason=noresource".to_owned(),
        (_, 0) => "terminated;reason=timeout".to_owned(),
        (_, seconds) => format!("active;expires={seconds}"),
    };
    let is_over = matches!(report, Report::Over);
    let request = notification(services, subscription, state);
    let request = match report {
        Report::Document(content_type, body) => request.body(content_type, body),
        Report::Nothing | Report::Over => request,
    };
    let answer = services
        .endpoint
        .exchange(request.build(), subscription.target.get())
        .await;
    !is_over && answer.is_ok_and(|answer| matches!(answer.code(), Some(200..300)))
}

async fn report(services: &Services, subscription: &Subscription) -> Result<Report, StoreError> {
    match &subscription.subject {
        Subject::Mailbox { page, .. } => {
            let watched = (&subscription.address, subscription.package);
            let (content_type, body) = document(services, watched, page).await?;
            Ok(Report::Document(content_type, body))
        }
        Subject::Conference { watcher, wants_all } => {
            let mut watcher = watcher.borrow_mut();
            if watcher.is_over() {
                return Ok(Report::Over);
            }
            let told = match wants_all.take() {
                true => watcher.full(),
                false => watcher.changes(),
            };
            let told = told.map(|told| told.to_bytes().into());
            Ok(told.map_or(Report::Nothing, |body| {
                Report::Document(mime::CONFERENCE_INFO, body)
            }))
        }
    }
}

async fn document(
    services: &Services,
    (mailbox, package): (&Address, Package),
    page: &Page,
) -> Result<(&'static str, Bytes), StoreError> {
    match package {
        Package::Summary => {
            let waiting = services.deferred.waiting(mailbox).await?;
            let count = waiting.count.try_into().unwrap_or(u32::MAX);
            let summary = MessageSummary::of_new(mailbox.as_str(), MULTIMEDIA_MESSAGE, count);
            Ok((mime::MESSAGE_SUMMARY, summary.to_bytes().into()))
        }
        Package::List | Package::Conference => {
            let list = page.of_mailbox(services, mailbox).await?;
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
