//! Tells a subscriber what has changed, and that it is over.
use super::{
    Services,
    pages::Page,
    subscriptions::{Subject, Subscription},
};
use crate::{
    clock,
    content::message_summary::{MULTIMEDIA_MESSAGE, MessageSummary},
    identity::Address,
    participating::routing::Package,
    profile::mime,
    sip::codec::{Builder, Method, Name},
    store::StoreError,
};
use bytes::Bytes;
use std::{rc::Rc, time::Duration};

/// Changes of a mailbox within this time go into one NOTIFY.
const PACE: Duration = Duration::from_millis(200);
/// Subscribers of one shard that are told in a second that the server ends.
const PARTINGS_PER_SECOND: f64 = 2000.0;
/// When they are to subscribe anew. Units: seconds.
const SUBSCRIBE_AGAIN: std::ops::RangeInclusive<u32> = 5..=15;

/// What the next NOTIFY says.
enum Report {
    Document(&'static str, Bytes),
    /// There is nothing new to tell.
    Nothing,
    /// What was watched is no more.
    Over,
}

/// Notifies at once, after every change, and at the end.
pub(super) async fn watch_over(services: &Rc<Services>, subscription: &Subscription) {
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
/// many; `crowd` is how many.
///
/// Source: RFC 6665 §4.1.3.
pub(super) async fn part(services: &Rc<Services>, subscription: &Subscription, crowd: usize) {
    let span = crowd as f64 / PARTINGS_PER_SECOND;
    tokio::time::sleep(Duration::from_secs_f64(rand::random::<f64>() * span)).await;
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
        .header(Name::Contact, subscription.contact(services))
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
