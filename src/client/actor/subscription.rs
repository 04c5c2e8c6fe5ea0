//! SUBSCRIBE and the NOTIFYs it brings (RFC 6665), for the own mailbox.
use super::{
    device::Summaries,
    state::{State, success},
};
use crate::{
    client::{
        ClientError,
        request::{self, Ids},
        termination::Termination,
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
    place: Place,
    notifications: mpsc::Receiver<Message>,
    keeper: Option<Keeper>,
    is_over: bool,
}

/// The Call-ID by which a subscription is known: another one after it was made anew.
type Place = Rc<RefCell<String>>;

/// The task that keeps a subscription.
struct Keeper {
    task: JoinHandle<()>,
    /// Where it is told that the server ended it, and how long to wait before it is made anew.
    ended: mpsc::Sender<Duration>,
}

impl Watch {
    fn new(device: &Rc<State>, call_id: &str) -> Self {
        let (sender, notifications) = mpsc::channel(UNREAD);
        let mut subscriptions = device.subscriptions.0.borrow_mut();
        subscriptions.insert(call_id.to_owned(), sender);
        Self {
            device: Rc::downgrade(device),
            place: Rc::new(RefCell::new(call_id.to_owned())),
            notifications,
            keeper: None,
            is_over: false,
        }
    }

    /// The next summary; `None` when the subscription is over. One that the server ends for a
    /// while is made anew.
    pub async fn next(&mut self) -> Option<MessageSummary> {
        while !self.is_over {
            let notify = self.notifications.recv().await?;
            match (Termination::of(&notify), &self.keeper) {
                (None, _) => {}
                (Some(Termination::Again(after)), Some(keeper)) => {
                    // one that is told already makes it anew
                    let _ = keeper.ended.try_send(after);
                }
                (Some(_), _) => self.is_over = true,
            }
            if let Ok(summary) = MessageSummary::parse(notify.body()) {
                return Some(summary);
            }
        }
        None
    }

    /// The first NOTIFY with a body.
    async fn first(&mut self, name: &'static str) -> Result<Message, ClientError> {
        let wait = async {
            while let Some(notify) = self.notifications.recv().await {
                if !notify.body().is_empty() || Termination::of(&notify).is_some() {
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
        if let Some(keeper) = self.keeper.take() {
            keeper.task.abort();
        }
        if let Some(device) = self.device.upgrade() {
            let mut subscriptions = device.subscriptions.0.borrow_mut();
            subscriptions.remove(self.place.borrow().as_str());
        }
    }
}

pub(super) async fn watch_summary(device: &Rc<State>) -> Result<Summaries, ClientError> {
    let lifetime = device.config().subscription;
    let ids = device.ids();
    let mut watch = Watch::new(device, &ids.call_id);
    let granted = subscribe(device, event::MESSAGE_SUMMARY, lifetime, ids.clone(), None).await?;
    let (ended, told) = mpsc::channel(1);
    let kept = Kept {
        device: Rc::downgrade(device),
        place: watch.place.clone(),
        lifetime,
        ids,
        granted,
    };
    let task = actix_rt::spawn(kept.keep(told));
    watch.keeper = Some(Keeper { task, ended });
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

/// A subscription that is refreshed in its dialog, and made anew where the server has ended or
/// forgotten it.
struct Kept {
    device: Weak<State>,
    place: Place,
    lifetime: Duration,
    ids: Ids,
    granted: Granted,
}

/// The longest pause between attempts to subscribe anew.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Kept {
    async fn keep(mut self, mut told: mpsc::Receiver<Duration>) {
        loop {
            let half = (self.granted.lifetime / 2).max(Duration::from_secs(1));
            let anew = tokio::select! {
                () = tokio::time::sleep(half) => None,
                after = told.recv() => after,
            };
            let kept = match anew {
                None => match self.refresh().await {
                    Err(error) => self.anew(Duration::ZERO).await.map_err(|_| error),
                    refreshed => refreshed,
                },
                Some(after) => self.anew(after).await,
            };
            if let Err(error) = kept {
                let target = &self.granted.target;
                tracing::debug!(%error, %target, "subscription not kept");
                return;
            }
        }
    }

    async fn refresh(&mut self) -> Result<(), ClientError> {
        let device = self.device.upgrade().ok_or(ClientError::Stopped)?;
        self.ids.number += 5;
        let (package, ids) = (event::MESSAGE_SUMMARY, self.ids.clone());
        let known = Some(&self.granted);
        self.granted = Box::pin(subscribe(&device, package, self.lifetime, ids, known)).await?;
        Ok(())
    }

    /// Subscribes in a new dialog, `after` a while, and again and again as long as that may help.
    async fn anew(&mut self, after: Duration) -> Result<(), ClientError> {
        tokio::time::sleep(after).await;
        let mut pause = None;
        loop {
            let device = self.device.upgrade().ok_or(ClientError::Stopped)?;
            let first = device.config().retry_pause;
            let ids = self.move_to(&device);
            let package = event::MESSAGE_SUMMARY;
            match Box::pin(subscribe(&device, package, self.lifetime, ids, None)).await {
                Err(error) if error.is_transient() => {}
                granted => {
                    self.granted = granted?;
                    return Ok(());
                }
            }
            drop(device);
            let wait = pause.map_or(first, |pause: Duration| (pause * 2).min(LONGEST_PAUSE));
            tokio::time::sleep(wait).await;
            pause = Some(wait);
        }
    }

    /// NOTIFYs come by another Call-ID from now on.
    fn move_to(&mut self, device: &State) -> Ids {
        self.ids = device.ids();
        let before = self.place.replace(self.ids.call_id.clone());
        let mut subscriptions = device.subscriptions.0.borrow_mut();
        if let Some(watch) = subscriptions.remove(&before) {
            subscriptions.insert(self.ids.call_id.clone(), watch);
        }
        self.ids.clone()
    }
}

fn unusable(request: &'static str, error: &dyn std::fmt::Display) -> ClientError {
    ClientError::Answer {
        request,
        why: error.to_string(),
    }
}
