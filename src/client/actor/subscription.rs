//! SUBSCRIBE and the NOTIFYs it brings (RFC 6665), for the own mailbox.
use super::{
    device::Summaries,
    state::{State, success},
};
use crate::{
    client::{
        ClientError,
        request::{self, Ids},
    },
    content::{deferred_list::DeferredList, message_summary::MessageSummary},
    profile::event,
    sip::codec::{Message, Name},
};
use actix_rt::task::JoinHandle;
use std::{
    cell::RefCell,
    collections::HashMap,
    rc::{Rc, Weak},
    time::Duration,
};
use tokio::{sync::mpsc, time::timeout};

/// How long the NOTIFY of a fetch may stay away (RFC 6665 §4.1.2.4, Timer N).
const NOTIFY_TIMEOUT: Duration = Duration::from_secs(32);
/// NOTIFYs not looked at yet; more are answered and dropped, the next one tells the state anyway.
const UNREAD: usize = 16;

/// The subscriptions of a device, by Call-ID.
#[derive(Default)]
pub(super) struct Subscriptions(RefCell<HashMap<String, mpsc::Sender<Message>>>);

impl Subscriptions {
    /// Hands a NOTIFY to its subscription; `false` if there is none.
    pub fn notify(&self, request: &Message) -> bool {
        let subscriptions = self.0.borrow();
        let Some(subscription) = subscriptions.get(request.call_id().as_ref()) else {
            return false;
        };
        // a state that nobody looked at is told again by the next NOTIFY
        let _ = subscription.try_send(request.clone());
        true
    }
}

/// A subscription; it is forgotten when this is dropped, and its NOTIFYs are answered 481 then,
/// which ends it (RFC 6665 §4.1.3).
pub(super) struct Watch {
    device: Weak<State>,
    call_id: String,
    notifications: mpsc::Receiver<Message>,
    refresh: Option<JoinHandle<()>>,
}

impl Watch {
    fn new(device: &Rc<State>, call_id: &str) -> Self {
        let (sender, notifications) = mpsc::channel(UNREAD);
        let mut subscriptions = device.subscriptions.0.borrow_mut();
        subscriptions.insert(call_id.to_owned(), sender);
        Self {
            device: Rc::downgrade(device),
            call_id: call_id.to_owned(),
            notifications,
            refresh: None,
        }
    }

    /// The next summary; `None` when the subscription is over.
    pub async fn next(&mut self) -> Option<MessageSummary> {
        loop {
            let notify = self.notifications.recv().await?;
            if let Ok(summary) = MessageSummary::parse(notify.body()) {
                return Some(summary);
            }
            if is_terminated(&notify) {
                return None;
            }
        }
    }

    /// The first NOTIFY with a body.
    async fn first(&mut self, name: &'static str) -> Result<Message, ClientError> {
        let wait = async {
            while let Some(notify) = self.notifications.recv().await {
                if !notify.body().is_empty() || is_terminated(&notify) {
                    return Some(notify);
                }
            }
            None
        };
        let notify = timeout(NOTIFY_TIMEOUT, wait).await;
        notify.ok().flatten().ok_or(ClientError::TimedOut(name))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(refresh) = self.refresh.take() {
            refresh.abort();
        }
        if let Some(device) = self.device.upgrade() {
            device.subscriptions.0.borrow_mut().remove(&self.call_id);
        }
    }
}

pub(super) async fn watch_summary(device: &Rc<State>) -> Result<Summaries, ClientError> {
    let lifetime = device.config().subscription;
    let ids = device.ids();
    let mut watch = Watch::new(device, &ids.call_id);
    let granted = subscribe(device, event::MESSAGE_SUMMARY, lifetime, ids.clone(), None).await?;
    let task = keep(Rc::downgrade(device), lifetime, ids, granted);
    watch.refresh = Some(actix_rt::spawn(task));
    Ok(Summaries(watch))
}

pub(super) async fn fetch_summary(device: &Rc<State>) -> Result<MessageSummary, ClientError> {
    let notify = fetch(device, event::MESSAGE_SUMMARY, "summary").await?;
    MessageSummary::parse(notify.body()).map_err(|error| unusable("summary", &error))
}

/// One page of the list: behind the mark `after`, with at most `limit` entries.
pub(super) async fn fetch_page(
    device: &Rc<State>,
    after: Option<&str>,
    limit: Option<usize>,
) -> Result<DeferredList, ClientError> {
    let mut package = event::DEFERRED_MESSAGES.to_owned();
    if let Some(after) = after {
        package = format!("{package};{}={after}", event::AFTER);
    }
    if let Some(limit) = limit {
        package = format!("{package};{}={limit}", event::LIMIT);
    }
    let notify = fetch(device, &package, "list").await?;
    match notify.body().is_empty() {
        true => Ok(DeferredList::default()),
        false => DeferredList::parse(notify.body()).map_err(|error| unusable("list", &error)),
    }
}

/// The whole list, page after page.
pub(super) async fn fetch_list(device: &Rc<State>) -> Result<DeferredList, ClientError> {
    let mut list = fetch_page(device, None, None).await?;
    while let Some(next) = list.terms.next.take() {
        let page = fetch_page(device, Some(&next), None).await?;
        list.entries.extend(page.entries);
        list.terms.next = page.terms.next;
    }
    Ok(list)
}

/// SUBSCRIBE with no lifetime: one NOTIFY with the state (RFC 6665 §4.4.3).
async fn fetch(
    device: &Rc<State>,
    package: &str,
    name: &'static str,
) -> Result<Message, ClientError> {
    let ids = device.ids();
    let mut watch = Watch::new(device, &ids.call_id);
    subscribe(device, package, Duration::ZERO, ids, None).await?;
    watch.first(name).await
}

/// What a subscription knows of its dialog.
struct Granted {
    lifetime: Duration,
    to: String,
    target: String,
}

async fn subscribe(
    device: &Rc<State>,
    package: &str,
    lifetime: Duration,
    ids: Ids,
    dialog: Option<&Granted>,
) -> Result<Granted, ClientError> {
    const NAME: &str = "subscription";
    let contact = format!("<{}>", device.contact);
    let response = device
        .exchange(NAME, ids, |ids| {
            let uri = dialog.map_or(device.address.as_str(), |dialog| &dialog.target);
            let seconds = lifetime.as_secs();
            let request = request::subscribe(uri, &device.address, &contact, package, seconds, ids);
            match dialog {
                Some(dialog) => request.replace(Name::To, &dialog.to),
                None => request,
            }
        })
        .await?;
    success(NAME, &response)?;
    let seconds = response.expires().map_or(lifetime.as_secs(), u64::from);
    let contacts = response.contacts().ok();
    let target =
        contacts.and_then(|contacts| contacts.first().map(|contact| contact.uri.to_string()));
    Ok(Granted {
        lifetime: Duration::from_secs(seconds),
        to: response.value(Name::To).unwrap_or_default().into_owned(),
        target: target.unwrap_or_else(|| device.address.to_string()),
    })
}

/// Refreshes a subscription in its dialog until that fails.
async fn keep(device: Weak<State>, lifetime: Duration, mut ids: Ids, mut granted: Granted) {
    loop {
        tokio::time::sleep((granted.lifetime / 2).max(Duration::from_secs(1))).await;
        let Some(device) = device.upgrade() else {
            return;
        };
        ids.number += 5;
        let again = Box::pin(subscribe(
            &device,
            event::MESSAGE_SUMMARY,
            lifetime,
            ids.clone(),
            Some(&granted),
        ))
        .await;
        match again {
            Ok(again) => granted = again,
            Err(error) => {
                tracing::debug!(%error, target = %granted.target, "subscription not refreshed");
                return;
            }
        }
    }
}

fn is_terminated(notify: &Message) -> bool {
    notify.value(Name::SubscriptionState).is_some_and(|state| {
        state
            .trim_start()
            .to_ascii_lowercase()
            .starts_with("terminated")
    })
}

fn unusable(request: &'static str, error: &dyn std::fmt::Display) -> ClientError {
    ClientError::Answer {
        request,
        why: error.to_string(),
    }
}
