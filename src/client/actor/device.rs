//! One device of one user.
use super::{
    Conference, DeferredLine, Host, conference, registration, retrieval, send,
    state::{State, success},
    subscription,
};
use crate::{
    client::{ClientError, Outgoing, Receipt, inbox::Received, request},
    content::{deferred_list::DeferredList, message_summary::MessageSummary},
    identity::Address,
    profile::{mime, psi},
    sip::{codec::Method, transaction::Peer},
};
use futures_util::Stream;
use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::mpsc;

/// Who a device is and where its server stands.
#[derive(Clone, Debug)]
pub struct DeviceConfig {
    /// The user.
    pub address: Address,
    /// The name the realm knows; the user part of the address if absent.
    pub user: Option<String>,
    /// The password; a device without one answers no challenge.
    pub password: Option<String>,
    /// The neighbour all requests go to.
    pub server: Peer,
}

/// One device of one user, on a host. Clones name the same device; the last one dropped ends it.
#[derive(Clone)]
pub struct Device(Rc<State>);

impl Device {
    /// A device that is not registered yet. It can receive at its Contact at once.
    pub fn new(host: &Host, config: DeviceConfig) -> Self {
        Self(State::open(host.0.clone(), config))
    }

    /// The user.
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// The URI this very device is reached at.
    pub fn contact(&self) -> &str {
        &self.0.contact
    }

    /// Logs in for `lifetime`, and again before that ends, until [`unregister`](Self::unregister)
    /// or drop. Returns the lifetime granted.
    pub async fn register(&self, lifetime: Duration) -> Result<Duration, ClientError> {
        registration::register(&self.0, lifetime).await
    }

    /// Logs out.
    pub async fn unregister(&self) -> Result<(), ClientError> {
        registration::unregister(&self.0).await
    }

    /// Sends a message. What fails for the moment is tried again with the same message id.
    ///
    /// Dropping the future gives the message up: an open channel is aborted and ended.
    /// Errors: `TooLargeForPager`, `Read`, or the last attempt's if all failed. A refusal for good
    /// is an [`Outcome`](crate::client::Outcome).
    pub async fn send(&self, outgoing: Outgoing) -> Result<Receipt, ClientError> {
        send::send(&self.0, &outgoing).await
    }

    /// The messages that come in; once per device, `None` afterwards.
    pub fn incoming(&self) -> Option<Incoming> {
        self.0.unread().map(Incoming)
    }

    /// How many messages came in again and were not shown again.
    pub fn duplicates(&self) -> u64 {
        self.0.duplicates()
    }

    /// Subscribes to the count of waiting messages, and again before it ends, as long as the
    /// result lives.
    pub async fn watch_summary(&self) -> Result<Summaries, ClientError> {
        subscription::watch_summary(&self.0).await
    }

    /// Asks once for the count of waiting messages.
    pub async fn summary(&self) -> Result<MessageSummary, ClientError> {
        subscription::fetch_summary(&self.0).await
    }

    /// One page of the list of deferred messages: behind the mark `after`, which the page before
    /// it named as `terms.next`, with at most `limit` entries.
    pub async fn deferred_page(
        &self,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<DeferredList, ClientError> {
        subscription::fetch_page(&self.0, after, limit).await
    }

    /// The list of deferred messages, all pages of it.
    pub async fn deferred_list(&self) -> Result<DeferredList, ClientError> {
        subscription::fetch_list(&self.0).await
    }

    /// Has deferred messages handed over; they come in like all others. Returns how many came,
    /// when the server has ended the channel.
    pub async fn deferred_fetch(&self, references: &[String]) -> Result<usize, ClientError> {
        retrieval::fetch(&self.0, references).await
    }

    /// Opens a channel to the deferred function, to list, fetch and delete over it. What is
    /// fetched comes in like all other messages.
    pub async fn deferred_line(&self) -> Result<DeferredLine, ClientError> {
        retrieval::open(&self.0).await
    }

    /// Deletes deferred messages.
    pub async fn deferred_delete(&self, references: &[String]) -> Result<(), ClientError> {
        let list = DeferredList::of_references(references.iter().cloned());
        self.delete(list).await
    }

    /// Takes back messages of this user that `recipient` has not been handed yet.
    ///
    /// Errors: `Refused` with 404 if none of them waits any more.
    pub async fn revoke(
        &self,
        recipient: &Address,
        references: &[String],
    ) -> Result<(), ClientError> {
        let mut list = DeferredList::of_references(references.iter().cloned());
        for entry in &mut list.entries {
            entry.to = Some(recipient.clone());
        }
        self.delete(list).await
    }

    /// Comes into a group: what its members send comes in like all other messages, as long as the
    /// result lives.
    pub async fn join(&self, group: &Address) -> Result<Conference, ClientError> {
        conference::join(&self.0, group).await
    }

    /// Makes a group of this user and `members`, and comes into it. `factory` is what makes groups
    /// at the server, such as `sip:conference-factory@example.com`.
    pub async fn call_together(
        &self,
        factory: &Address,
        members: &[Address],
        subject: Option<&str>,
    ) -> Result<Conference, ClientError> {
        conference::make(&self.0, factory, members, subject).await
    }

    async fn delete(&self, list: DeferredList) -> Result<(), ClientError> {
        let list = list.to_bytes();
        let domain = self.0.domain();
        let uri = format!("sip:{}@{domain}", psi::DELETE);
        let ids = self.0.ids();
        let response = self
            .0
            .exchange("deletion", ids, |ids| {
                request::request(Method::Message, &uri, &self.0.address, &uri, ids)
                    .body(mime::DEFERRED_LIST, list.clone())
            })
            .await?;
        success("deletion", &response)
    }
}

/// The messages a device receives.
pub struct Incoming(mpsc::Receiver<Box<Received>>);

impl Incoming {
    /// The next message; `None` when the device is gone.
    pub async fn next(&mut self) -> Option<Received> {
        self.0.recv().await.map(|received| *received)
    }

    /// A message that is here already.
    pub fn try_next(&mut self) -> Option<Received> {
        self.0.try_recv().ok().map(|received| *received)
    }
}

impl Stream for Incoming {
    type Item = Received;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        self.0
            .poll_recv(cx)
            .map(|next| next.map(|received| *received))
    }
}

/// The summaries a subscription brings.
pub struct Summaries(pub(super) subscription::Watch);

impl Summaries {
    /// The next summary; `None` when the subscription is over.
    pub async fn next(&mut self) -> Option<MessageSummary> {
        self.0.next().await
    }
}
