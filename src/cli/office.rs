//! The operator's office: the desk of the running server, or the store itself while none runs.
use super::desk::{Desk, DeskError};
use crate::{
    app,
    config::Config,
    http::{
        ServiceError, Services,
        view::{
            EntryView, GroupChange, GroupView, JobView, LimitsView, MailboxView, MessageView,
            NewBackup, NewGroup, NewMember, NewPassword, NewSubscriber, Page, PageRequest, Paged,
            Purged, QueuesView, StoreView, SubscriberChange, SubscriberView, WhichCopies,
        },
    },
    identity::Address,
    store::{self, StoreError, Threads},
};
use actix_rt::{System, SystemRunner};
use std::time::Duration;

/// How often a job is looked at.
const LOOK: Duration = Duration::from_millis(100);

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

    pub(super) fn subscribers(&self) -> Outcome<Page<SubscriberView>> {
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

    pub(super) fn change_subscriber(
        &self,
        user: &Address,
        change: SubscriberChange,
    ) -> Outcome<SubscriberView> {
        let user = user.as_str();
        match self {
            Self::Desk(desk) => Ok(desk.change_subscriber(user, &change)?),
            Self::Store(store) => store.run(|services| services.change_subscriber(user, change)),
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

    pub(super) fn add_group(&self, new: NewGroup) -> Outcome<GroupView> {
        match self {
            Self::Desk(desk) => Ok(desk.add_group(&new)?),
            Self::Store(store) => store.run(|services| services.add_group(new)),
        }
    }

    pub(super) fn groups(&self) -> Outcome<Page<GroupView>> {
        match self {
            Self::Desk(desk) => Ok(desk.groups()?),
            Self::Store(store) => store.all(async |services, page| services.groups(&page).await),
        }
    }

    pub(super) fn group(&self, group: &Address) -> Outcome<GroupView> {
        match self {
            Self::Desk(desk) => Ok(desk.group(group.as_str())?),
            Self::Store(store) => store.run(|services| services.group(group.as_str())),
        }
    }

    pub(super) fn change_group(&self, group: &Address, change: GroupChange) -> Outcome<GroupView> {
        let group = group.as_str();
        match self {
            Self::Desk(desk) => Ok(desk.change_group(group, &change)?),
            Self::Store(store) => store.run(|services| services.change_group(group, change)),
        }
    }

    pub(super) fn join_group(
        &self,
        group: &Address,
        members: Vec<NewMember>,
    ) -> Outcome<GroupView> {
        let group = group.as_str();
        match self {
            Self::Desk(desk) => Ok(desk.join_group(group, members)?),
            Self::Store(store) => store.run(|services| services.join_group(group, members)),
        }
    }

    pub(super) fn leave_group(&self, group: &Address, member: &Address) -> Outcome<GroupView> {
        let (group, member) = (group.as_str(), member.as_str());
        match self {
            Self::Desk(desk) => Ok(desk.leave_group(group, member)?),
            Self::Store(store) => store.run(|services| services.leave_group(group, member)),
        }
    }

    pub(super) fn remove_group(&self, group: &Address) -> Outcome<GroupView> {
        match self {
            Self::Desk(desk) => Ok(desk.remove_group(group.as_str())?),
            Self::Store(store) => store.run(|services| services.remove_group(group.as_str())),
        }
    }

    pub(super) fn queues(&self) -> Outcome<QueuesView> {
        match self {
            Self::Desk(desk) => Ok(desk.queues()?),
            Self::Store(store) => store.all(async |services, page| services.queues(&page).await),
        }
    }

    pub(super) fn queue(&self, recipient: &Address) -> Outcome<MailboxView> {
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

    pub(super) fn delete_entry(&self, recipient: &Address, sequence: u64) -> Outcome<EntryView> {
        let recipient = recipient.as_str();
        match self {
            Self::Desk(desk) => Ok(desk.delete_entry(recipient, sequence)?),
            Self::Store(store) => store.run(|services| services.delete_entry(recipient, sequence)),
        }
    }

    pub(super) fn message(&self, message_id: &str) -> Outcome<MessageView> {
        match self {
            Self::Desk(desk) => Ok(desk.message(message_id)?),
            Self::Store(store) => store.run(|services| services.message(message_id)),
        }
    }

    pub(super) fn delete_message(&self, message_id: &str, which: &WhichCopies) -> Outcome<Purged> {
        match self {
            Self::Desk(desk) => Ok(desk.delete_message(message_id, which)?),
            Self::Store(store) => store.run(|services| services.delete_message(message_id, which)),
        }
    }

    pub(super) fn classes(&self) -> Outcome<Vec<LimitsView>> {
        match self {
            Self::Desk(desk) => Ok(desk.classes()?),
            Self::Store(store) => store.run(async |services| Ok(services.classes())),
        }
    }

    pub(super) fn store(&self) -> Outcome<StoreView> {
        match self {
            Self::Desk(desk) => Ok(desk.store()?),
            Self::Store(store) => store.run(Services::store),
        }
    }

    pub(super) fn compact(&self) -> Outcome<JobView> {
        match self {
            Self::Desk(desk) => Ok(desk.begin_job("compact")?),
            Self::Store(store) => store.run(Services::compact),
        }
    }

    pub(super) fn verify(&self) -> Outcome<JobView> {
        match self {
            Self::Desk(desk) => Ok(desk.begin_job("verify")?),
            Self::Store(store) => store.run(Services::verify),
        }
    }

    pub(super) fn backup(&self, new: NewBackup) -> Outcome<JobView> {
        match self {
            Self::Desk(desk) => Ok(desk.backup(&new)?),
            Self::Store(store) => store.run(|services| services.backup(new)),
        }
    }

    /// How the job on the store stands, a moment later.
    pub(super) fn job(&self) -> Outcome<JobView> {
        match self {
            Self::Desk(desk) => {
                std::thread::sleep(LOOK);
                Ok(desk.job()?)
            }
            Self::Store(store) => store.run(async |services| {
                tokio::time::sleep(LOOK).await;
                services.job().await
            }),
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
    fn all<P: Paged>(
        &self,
        fetch: impl AsyncFn(&Services, PageRequest) -> Result<P, ServiceError>,
    ) -> Outcome<P> {
        self.system.block_on(async {
            let mut all = fetch(&self.services, PageRequest::default()).await?;
            while let Some(next) = all.take_next() {
                let request = PageRequest {
                    after: Some(next),
                    limit: None,
                };
                all.append(fetch(&self.services, request).await?);
            }
            Ok(all)
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
