//! The operator's office: the desk of the running server, or the store itself while none runs.
use super::desk::{Desk, DeskError};
use crate::{
    app,
    config::Config,
    http::{
        ServiceError, Services,
        view::{
            EntryView, NewPassword, NewSubscriber, Page, PageRequest, Purged, QueueView,
            SubscriberView, TraceView,
        },
    },
    identity::Address,
    store::{self, StoreError, Threads},
};
use actix_rt::{System, SystemRunner};
/// Where the orders of the operator are carried out.
pub(super) enum Office {
    /// By the running server.
    Desk(Desk),
    /// Here, over the store that no server holds.
    Store(Box<OpenStore>),
}

/// The store, opened by this command.
pub(super) struct OpenStore {
    system: SystemRunner,
    services: Services,
    threads: Option<Threads>,
}

/// Why an order is not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum OfficeError {
    /// The server did not do it.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// The functions did not do it.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Some process holds the store, but it cannot be spoken to.
    #[error("{desk}, and yet some process holds the store: does its `http.listen` differ?")]
    Held {
        /// How the way to the server ended.
        desk: DeskError,
    },
}

type Outcome<T> = Result<T, OfficeError>;

impl Office {
    /// Goes to the running server; if none answers, opens the store of `config`.
    ///
    /// Errors: `Held` if the store is in use all the same.
    pub(super) fn open(config: &Config) -> Outcome<Self> {
        match Desk::open(config) {
            Ok(desk) => Ok(Self::Desk(desk)),
            Err(desk @ DeskError::Nobody(_)) => match OpenStore::open(config) {
                Err(OfficeError::Store(StoreError::InUse)) => Err(OfficeError::Held { desk }),
                outcome => Ok(Self::Store(Box::new(outcome?))),
            },
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn add_subscriber(&self, new: NewSubscriber) -> Outcome<SubscriberView> {
        match self {
            Self::Desk(desk) => Ok(desk.add_subscriber(&new)?),
            Self::Store(store) => store.run(|services| services.add_subscriber(new)),
        }
    }

    pub(super) fn subscribers(&self) -> Outcome<Vec<SubscriberView>> {
        match self {
            Self::Desk(desk) => Ok(desk.subscribers()?),
            Self::Store(store) => {
                store.all(async |services, page| services.subscribers(&page).await)
            }
        }
    }

    pub(super) fn subscriber(&self, user: &Address) -> Outcome<SubscriberView> {
        match self {
            Self::Desk(desk) => Ok(desk.subscriber(user.as_str())?),
            Self::Store(store) => store.run(|services| services.subscriber(user.as_str())),
        }
    }

    pub(super) fn set_password(&self, user: &Address, new: NewPassword) -> Outcome<SubscriberView> {
        match self {
            Self::Desk(desk) => Ok(desk.set_password(user.as_str(), &new)?),
            Self::Store(store) => store.run(|services| services.set_password(user.as_str(), new)),
        }
    }

    pub(super) fn remove_subscriber(&self, user: &Address) -> Outcome<SubscriberView> {
        match self {
            Self::Desk(desk) => Ok(desk.remove_subscriber(user.as_str())?),
            Self::Store(store) => store.run(|services| services.remove_subscriber(user.as_str())),
        }
    }

    pub(super) fn queues(&self) -> Outcome<Vec<QueueView>> {
        match self {
            Self::Desk(desk) => Ok(desk.queues()?),
            Self::Store(store) => store.all(async |services, page| services.queues(&page).await),
        }
    }

    pub(super) fn queue(&self, recipient: &Address) -> Outcome<Vec<EntryView>> {
        let recipient = recipient.as_str();
        match self {
            Self::Desk(desk) => Ok(desk.queue(recipient)?),
            Self::Store(store) => {
                store.all(async |services, page| services.queue(recipient, &page).await)
            }
        }
    }

    pub(super) fn purge(&self, recipient: &Address) -> Outcome<Purged> {
        match self {
            Self::Desk(desk) => Ok(desk.purge(recipient.as_str())?),
            Self::Store(store) => store.run(|services| services.purge(recipient.as_str())),
        }
    }

    pub(super) fn trace(&self, message_id: &str) -> Outcome<TraceView> {
        match self {
            Self::Desk(desk) => Ok(desk.trace(message_id)?),
            Self::Store(store) => store.run(|services| services.trace(message_id)),
        }
    }
}

impl OpenStore {
    fn open(config: &Config) -> Outcome<Self> {
        let folder = config.server.store_folder();
        if !folder.exists() {
            eprintln!(
                "no server answers; a new store is made in {}",
                folder.display()
            );
        }
        let system = System::new();
        let (handle, threads) = store::open(&folder, &config.store)?;
        let services = system.block_on(app::services(config, handle))?;
        Ok(Self {
            system,
            services,
            threads: Some(threads),
        })
    }

    fn run<'a, T, F>(&'a self, order: impl FnOnce(&'a Services) -> F) -> Outcome<T>
    where
        F: Future<Output = Result<T, ServiceError>>,
    {
        Ok(self.system.block_on(order(&self.services))?)
    }

    /// All pages of a list.
    fn all<T>(
        &self,
        fetch: impl AsyncFn(&Services, PageRequest) -> Result<Page<T>, ServiceError>,
    ) -> Outcome<Vec<T>> {
        self.system.block_on(async {
            let mut items = Vec::new();
            let mut request = PageRequest::default();
            loop {
                let page = fetch(&self.services, request).await?;
                items.extend(page.items);
                if page.next.is_none() {
                    return Ok(items);
                }
                request = PageRequest {
                    after: page.next,
                    limit: None,
                };
            }
        })
    }
}

/// The store's threads finish what is queued, so that nothing promised is lost.
impl Drop for OpenStore {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.stop();
        }
    }
}
