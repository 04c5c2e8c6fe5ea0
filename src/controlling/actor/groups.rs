use super::{cache::Cache, registry::Registry, writing};
use crate::{
    clock,
    controlling::{
        Amendment, Config, Group, GroupError, Head, Member, Origin, metrics::Metrics, record,
    },
    identity::Address,
    net::random_token,
    store::{Handle, StoreError, Txn, View},
};
use actix::prelude::*;
use parking_lot::{Mutex, RwLock};
use std::{sync::Arc, time::Duration};

/// The groups there are, from any thread. Cheap to clone.
#[derive(Clone)]
pub struct Groups(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Handle,
    pub(super) config: Config,
    pub(super) metrics: Metrics,
    pub(super) domains: Vec<String>,
    pub(super) registry: RwLock<Registry>,
    pub(super) cache: Mutex<Cache>,
    pub(super) listeners: RwLock<Vec<Recipient<GroupChanged>>>,
}

/// A group has changed, or is gone.
#[derive(Clone, Debug, Message, PartialEq, Eq)]
#[rtype(result = "()")]
pub struct GroupChanged {
    /// Which group.
    pub address: Address,
    /// As it is now; nothing if it is gone.
    pub group: Option<Arc<Group>>,
}

/// Random octets in the address of a group that a user makes.
const ADDRESS_ENTROPY: usize = 12;
/// A use is written down if the last one that was is older.
const USED_STEP: Duration = Duration::from_secs(24 * 60 * 60);

impl Groups {
    /// Tells each of `listeners` of every change from now on.
    pub fn tell(&self, listeners: Vec<Recipient<GroupChanged>>) {
        self.0.listeners.write().extend(listeners);
    }

    /// The `[controlling]` table.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Whether this is the address of a group. Costs no look into the store.
    pub fn is_group(&self, address: &Address) -> bool {
        self.0.registry.read().has(address)
    }

    /// Whether requests to this address make a group of those they list.
    pub fn is_factory(&self, address: &Address) -> bool {
        address.user() == self.0.config.factory && self.is_ours(address)
    }

    /// How many groups there are.
    pub fn count(&self) -> usize {
        self.0.registry.read().len()
    }

    /// The group with this address.
    pub async fn get(&self, address: &Address) -> Result<Option<Arc<Group>>, StoreError> {
        if !self.is_group(address) {
            return Ok(None);
        }
        let changes = {
            let mut cache = self.0.cache.lock();
            if let Some(known) = cache.get(address) {
                return Ok(Some(known));
            }
            cache.changes()
        };
        let wanted = address.clone();
        let read = self.0.store.read(move |view| record::read(view, &wanted));
        let Some(found) = read.await?.map(Arc::new) else {
            return Ok(None);
        };
        self.0.cache.lock().put_if_fresh(found.clone(), changes);
        Ok(Some(found))
    }

    /// At most `limit` groups behind `after`, in the order of their addresses, without members.
    pub async fn list(
        &self,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<Head>, StoreError> {
        let after = after.cloned();
        let read = move |view: &View<'_>| record::list(view, after.as_ref(), limit);
        self.0.store.read(read).await
    }

    /// A group as an operator makes it, with the usual rules and no members. It is none before
    /// it is [added](Self::add).
    pub fn blank(&self, address: Address) -> Group {
        let now = clock::wall();
        let config = &self.0.config;
        let head = Head {
            address,
            subject: None,
            owner: None,
            senders: config.senders,
            absent: config.absent,
            open: false,
            origin: Origin::Administered,
            created: now,
            used: now,
            version: 0,
            size: 0,
        };
        let members = Default::default();
        Group { head, members }
    }

    /// Makes a group of `members` and of `owner`, who called them, in `domain`.
    ///
    /// Errors: `TooManyMembers`, `TooManyGroups`, `Store`.
    pub async fn make(
        &self,
        owner: &Address,
        domain: &str,
        subject: Option<String>,
        members: Vec<Member>,
    ) -> Result<Arc<Group>, GroupError> {
        let text = format!("sip:group-{}@{domain}", random_token(ADDRESS_ENTROPY));
        let address = Address::parse(&text)
            .ok()
            .filter(|address| self.is_ours(address))
            .ok_or_else(|| GroupError::ForeignDomain(owner.clone()))?;
        let mut group = self.blank(address);
        group.head.origin = Origin::AdHoc;
        group.head.owner = Some(owner.clone());
        group.head.subject = subject;
        let caller = Member::new(owner.clone(), group.created);
        let all = members.into_iter().chain([caller]);
        group.members = all.map(|it| (it.address.clone(), it)).collect();
        self.add(group).await
    }

    /// Adds a group.
    ///
    /// Errors: `Known`, `ForeignDomain`, `Reserved`, `TooManyMembers`, `TooManyGroups`, `Store`.
    pub async fn add(&self, mut group: Group) -> Result<Arc<Group>, GroupError> {
        self.check_new(&group)?;
        group.head.version = 1;
        group.head.size = group.members.len() as u64;
        let (address, new) = (group.address.clone(), group.clone());
        let is_new = self.change(&address, move |txn| writing::add(txn, &new));
        if !is_new.await? {
            return Err(GroupError::Known(address));
        }
        self.0.registry.write().add(&group);
        self.show_count();
        self.changed(&address)
            .await?
            .ok_or(GroupError::Unknown(address))
    }

    /// Changes what is kept of a group besides its members. Errors: `Unknown`, `Store`.
    pub async fn amend(
        &self,
        address: &Address,
        amendment: Amendment,
    ) -> Result<Arc<Group>, GroupError> {
        let group = address.clone();
        let work = move |txn: &mut Txn<'_>| writing::amend(txn, &group, amendment);
        let (before, now) = self.change(address, work).await??;
        {
            let mut registry = self.0.registry.write();
            registry.remove(&before);
            registry.add(&now);
        }
        self.known(address).await
    }

    /// Lets all of `members` belong to the group; who does already stays as they are.
    ///
    /// Errors: `Unknown`, `TooManyMembers` (then nobody is added), `Store`.
    pub async fn join(
        &self,
        address: &Address,
        members: Vec<Member>,
    ) -> Result<Arc<Group>, GroupError> {
        let (group, limit) = (address.clone(), self.0.config.max_members);
        let work = move |txn: &mut Txn<'_>| writing::join(txn, &group, members, limit);
        self.change(address, work).await??;
        self.known(address).await
    }

    /// Lets `member` belong to the group no more. A group that users made ends with its last
    /// member.
    ///
    /// Errors: `Unknown`, `NotMember`, `Store`.
    pub async fn leave(&self, address: &Address, member: &Address) -> Result<(), GroupError> {
        let (group, gone) = (address.clone(), member.clone());
        let work = move |txn: &mut Txn<'_>| writing::leave(txn, &group, &gone);
        let head = self.change(address, work).await??;
        if head.origin == Origin::AdHoc && head.size == 0 {
            return self.remove(address).await.map(drop);
        }
        self.changed(address).await?;
        Ok(())
    }

    /// Removes a group; what waits for its members stays. Errors: `Unknown`, `Store`.
    pub async fn remove(&self, address: &Address) -> Result<(), GroupError> {
        let group = address.clone();
        let work = move |txn: &mut Txn<'_>| writing::remove(txn, &group);
        let head = self.change(address, work).await??;
        self.0.registry.write().remove(&head);
        self.show_count();
        self.changed(address).await?;
        Ok(())
    }

    /// Notes that the group was used, so that it does not end. Writes at most once a day.
    pub async fn used(&self, group: &Group) -> Result<(), StoreError> {
        let now = clock::wall();
        let step = USED_STEP.min(self.0.config.ad_hoc_lifetime / 4);
        if group.origin != Origin::AdHoc || now.since(group.used) < step {
            return Ok(());
        }
        let address = group.address.clone();
        let work = move |txn: &mut Txn<'_>| writing::used(txn, &address, now);
        self.change(&group.address, work).await
    }

    pub(super) fn is_ours(&self, address: &Address) -> bool {
        let mut domains = self.0.domains.iter();
        let domain = address.domain();
        domain.is_some_and(|domain| domains.any(|ours| ours.eq_ignore_ascii_case(domain)))
    }

    async fn change<R: Send + 'static>(
        &self,
        address: &Address,
        work: impl FnOnce(&mut Txn<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let outcome = self.0.store.write(work).await;
        self.0.cache.lock().forget(address);
        outcome
    }

    async fn known(&self, address: &Address) -> Result<Arc<Group>, GroupError> {
        let group = self.changed(address).await?;
        group.ok_or_else(|| GroupError::Unknown(address.clone()))
    }

    /// Tells how a group is now, everybody who wants to know.
    async fn changed(&self, address: &Address) -> Result<Option<Arc<Group>>, StoreError> {
        let group = self.get(address).await?;
        let listeners = self.0.listeners.read().clone();
        for listener in listeners {
            let news = GroupChanged {
                address: address.clone(),
                group: group.clone(),
            };
            if listener.send(news).await.is_err() {
                self.0.metrics.news_lost.increment(1);
            }
        }
        Ok(group)
    }

    pub(super) fn show_count(&self) {
        self.0.metrics.groups.set(self.count() as f64);
    }
}
