//! What the operator's desk can do, whichever way the order came: over the admin API, or from a
//! command line that opened the store itself.
use super::view::{
    BindingView, EntryView, NewPassword, NewSubscriber, Page, PageRequest, Purged, QueueView,
    StepView, SubscriberView, TraceView,
};
use crate::{
    clock,
    deferred::{Deferred, Envelope},
    identity::{Address, AddressError},
    sip_core::{Amendment, Location, Subscriber, SubscriberError, Subscribers},
    store::StoreError,
};

/// Why an order is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The address names no user.
    #[error("`{given}` is no address of a user: {reason}")]
    Address {
        /// What was given.
        given: String,
        /// What is wrong with it.
        reason: AddressError,
    },
    /// The subscriber cannot be added, changed or found.
    #[error(transparent)]
    Subscriber(#[from] SubscriberError),
    /// Nothing is known of such a message.
    #[error("nothing is known of a message `{0}`")]
    UnknownMessage(String),
    /// There is no such page.
    #[error("`after` must be the `next` of another page, got `{0}`")]
    After(String),
    /// The document or the query cannot be read.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// There is nothing at this path.
    #[error("nothing here; see the admin API's list of paths")]
    NoSuchPath,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ServiceError {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Address { .. } | Self::After(_) | Self::Unreadable(_) => 400,
            Self::UnknownMessage(_) | Self::NoSuchPath => 404,
            Self::Subscriber(error) => match error {
                SubscriberError::Known(_) => 409,
                SubscriberError::Unknown(_) => 404,
                SubscriberError::ForeignDomain(_) | SubscriberError::EmptyPassword => 400,
                SubscriberError::Store(error) => status_of(error),
            },
            Self::Store(error) => status_of(error),
        }
    }

    /// The reason as a word that stays the same.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Address { .. } => "bad_address",
            Self::UnknownMessage(_) => "unknown_message",
            Self::After(_) => "bad_page",
            Self::Unreadable(_) => "unreadable",
            Self::NoSuchPath => "no_such_path",
            Self::Subscriber(error) => match error {
                SubscriberError::Known(_) => "exists",
                SubscriberError::Unknown(_) => "unknown_subscriber",
                SubscriberError::ForeignDomain(_) => "foreign_domain",
                SubscriberError::EmptyPassword => "empty_password",
                SubscriberError::Store(error) => error.kind(),
            },
            Self::Store(error) => error.kind(),
        }
    }
}

/// Busy and closing stores answer later; anything else is our fault.
fn status_of(error: &StoreError) -> u16 {
    match error {
        StoreError::Busy | StoreError::Closed => 503,
        _ => 500,
    }
}

/// The functions behind the desk. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Who may log in.
    pub subscribers: Subscribers,
    /// Where they are.
    pub location: Location,
    /// What waits for them.
    pub deferred: Deferred,
}

type Outcome<T> = Result<T, ServiceError>;

impl Services {
    /// Adds a subscriber.
    ///
    /// Errors: as [`ServiceError`] names them.
    pub async fn add_subscriber(&self, new: NewSubscriber) -> Outcome<SubscriberView> {
        let address = address(&new.address)?;
        let added = self.subscribers.add(&address, &new.password).await?;
        if new.deferral {
            return Ok(self.described(&added));
        }
        let refuse = Amendment {
            deferral: Some(false),
            ..Amendment::default()
        };
        self.subscribers.amend(&address, refuse).await?;
        self.subscriber(&new.address).await
    }

    /// A page of all subscribers.
    ///
    /// Errors: as [`ServiceError`] names them.
    pub async fn subscribers(&self, page: &PageRequest) -> Outcome<Page<SubscriberView>> {
        let after = page.after.as_deref().map(address).transpose()?;
        let limit = page.limit();
        let found = self.subscribers.list(after.as_ref(), limit).await?;
        let items: Vec<_> = found.iter().map(|one| self.described(one)).collect();
        let next = (items.len() == limit).then(|| items.last().map(|last| last.address.clone()));
        let next = next.flatten();
        Ok(Page { items, next })
    }

    /// One subscriber.
    ///
    /// Errors: as [`ServiceError`] names them.
    pub async fn subscriber(&self, given: &str) -> Outcome<SubscriberView> {
        let address = address(given)?;
        let found = self.subscribers.get(&address).await?;
        let subscriber = found.ok_or(SubscriberError::Unknown(address))?;
        Ok(self.described(&subscriber))
    }

    /// Gives a subscriber a new password.
    ///
    /// Errors: as [`ServiceError`] names them.
    pub async fn set_password(&self, given: &str, new: NewPassword) -> Outcome<SubscriberView> {
        let address = address(given)?;
        self.subscribers
            .set_password(&address, &new.password)
            .await?;
        self.subscriber(given).await
    }

    /// Removes a subscriber; what waits for them stays.
    ///
    /// Errors: as [`ServiceError`] names them.
    pub async fn remove_subscriber(&self, given: &str) -> Outcome<SubscriberView> {
        let view = self.subscriber(given).await?;
        let address = address(given)?;
        self.subscribers.remove(&address).await?;
        Ok(view)
    }

    /// A page of the recipients for whom something waits.
    ///
    /// Errors: as [`ServiceError`] names them.
    pub async fn queues(&self, page: &PageRequest) -> Outcome<Page<QueueView>> {
        let after = page.after.as_deref().map(address).transpose()?;
        let limit = page.limit();
        let found = self.deferred.mailboxes(after.as_ref(), limit).await?;
        let next = full(&found, limit).map(|(recipient, _)| recipient.to_string());
        let items = found.into_iter().map(|(recipient, waiting)| QueueView {
            recipient: recipient.to_string(),
            count: waiting.count,
            octets: waiting.octets,
        });
        let items = items.collect();
        Ok(Page { items, next })
    }

    /// A page of what waits for one recipient.
    ///
    /// Errors: as [`ServiceError`] names them.
    pub async fn queue(&self, given: &str, page: &PageRequest) -> Outcome<Page<EntryView>> {
        let recipient = address(given)?;
        let after = match &page.after {
            None => 0,
            Some(text) => text
                .parse()
                .map_err(|_| ServiceError::After(text.clone()))?,
        };
        let limit = page.limit();
        let found = self.deferred.list(&recipient, after, limit).await?;
        let last = found.iter().map(|envelope| envelope.sequence).max();
        let next = full(&found, limit).and(last).map(|last| last.to_string());
        let items = found.iter().map(entry).collect();
        Ok(Page { items, next })
    }

    /// Removes all that waits for one recipient.
    ///
    /// Errors: as [`ServiceError`] names them.
    pub async fn purge(&self, given: &str) -> Outcome<Purged> {
        let recipient = address(given)?;
        let messages = self
            .deferred
            .purge(&recipient, "purged by an operator")
            .await?;
        tracing::info!(%recipient, messages, "queue purged by an operator");
        Ok(Purged { messages })
    }

    /// The life of a message.
    ///
    /// Errors: as [`ServiceError`] names them.
    pub async fn trace(&self, message_id: &str) -> Outcome<TraceView> {
        let steps = self.deferred.trace(message_id).await?;
        if steps.is_empty() {
            return Err(ServiceError::UnknownMessage(message_id.to_owned()));
        }
        let steps = steps.into_iter().map(|step| StepView {
            at: step.at.to_rfc3339(),
            recipient: step.recipient.to_string(),
            state: step.state.to_string(),
            reason: step.reason,
        });
        let (message_id, steps) = (message_id.to_owned(), steps.collect());
        Ok(TraceView { message_id, steps })
    }

    fn described(&self, subscriber: &Subscriber) -> SubscriberView {
        let bindings = self.location.bindings(&subscriber.address, clock::wall());
        SubscriberView {
            address: subscriber.address.to_string(),
            deferral: subscriber.deferral,
            created: subscriber.created.to_rfc3339(),
            bindings: bindings
                .iter()
                .map(|binding| BindingView {
                    contact: binding.contact.to_string(),
                    expires: binding.expires_at.to_rfc3339(),
                })
                .collect(),
        }
    }
}

fn address(given: &str) -> Outcome<Address> {
    Address::parse(given).map_err(|reason| ServiceError::Address {
        given: given.to_owned(),
        reason,
    })
}

/// The last of a page that is full, so that there may be a next one.
fn full<T>(found: &[T], limit: usize) -> Option<&T> {
    found.last().filter(|_| found.len() >= limit)
}

fn entry(envelope: &Envelope) -> EntryView {
    let facts = &envelope.facts;
    EntryView {
        sequence: envelope.sequence,
        message_id: facts.message_id.clone(),
        sender: facts.sender.to_string(),
        content_type: facts.content_type.clone(),
        size: facts.size,
        state: envelope.state.to_string(),
        stored: envelope.stored_at.to_rfc3339(),
        expires: envelope.expires_at.to_rfc3339(),
        attempts: u64::from(envelope.attempts),
    }
}
