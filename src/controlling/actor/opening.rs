//! From the store and the configuration, and the bounds of what is added later.
use super::{Groups, cache::Cache, groups::Inner};
use crate::{
    controlling::{
        Amendment, Config, Group, GroupConfig, GroupError, Member, Origin, metrics::Metrics,
    },
    profile::psi,
    store::Handle,
};
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;

/// Heads read at once.
const PAGE: usize = 1000;

impl Groups {
    /// The groups in `store`, with those that the configuration names. `domains` are ours.
    pub async fn open(
        store: Handle,
        config: Config,
        domains: Vec<String>,
    ) -> Result<Self, GroupError> {
        let groups = Self(Arc::new(Inner {
            store,
            domains,
            metrics: Metrics::register(),
            registry: RwLock::default(),
            cache: Mutex::new(Cache::new(config.cached_members)),
            listeners: RwLock::default(),
            config,
        }));
        let mut after = None;
        loop {
            let page = groups.list(after.as_ref(), PAGE).await?;
            let mut registry = groups.0.registry.write();
            page.iter().for_each(|head| registry.add(head));
            match page.last() {
                Some(last) => after = Some(last.address.clone()),
                None => break,
            }
        }
        for named in &groups.0.config.groups {
            groups.set_up(named).await?;
        }
        groups.show_count();
        Ok(groups)
    }

    /// Makes a group that the configuration names what is said there.
    async fn set_up(&self, named: &GroupConfig) -> Result<(), GroupError> {
        let mut group = self.blank(named.address.clone());
        let now = group.created;
        let members = named.members.iter().cloned();
        let members: Vec<_> = members.map(|it| Member::new(it, now)).collect();
        let rules = Amendment {
            subject: Some(named.subject.clone()),
            owner: Some(named.owner.clone()),
            senders: Some(named.senders.unwrap_or(group.senders)),
            absent: Some(named.absent.unwrap_or(group.absent)),
            open: Some(named.open),
        };
        if self.is_group(&named.address) {
            self.amend(&named.address, rules).await?;
            self.join(&named.address, members).await?;
            return Ok(());
        }
        rules.apply(&mut group.head);
        group.head.origin = Origin::Configured;
        group.members = members
            .into_iter()
            .map(|it| (it.address.clone(), it))
            .collect();
        self.add(group).await.map(drop)
    }

    /// Whether a group may be added.
    pub(super) fn check_new(&self, group: &Group) -> Result<(), GroupError> {
        let (config, address) = (&self.0.config, &group.address);
        if !self.is_ours(address) {
            return Err(GroupError::ForeignDomain(address.clone()));
        }
        let functions = [psi::DEFERRED, psi::DELETE, psi::IMDN, &config.factory];
        if functions.contains(&address.user()) {
            return Err(GroupError::Reserved(address.clone()));
        }
        if group.members.len() > config.max_members {
            return Err(GroupError::TooManyMembers(config.max_members));
        }
        let registry = self.0.registry.read();
        if registry.len() >= config.max_groups {
            return Err(GroupError::TooManyGroups(config.max_groups));
        }
        let owner = group.owner.as_ref();
        let maker = owner.filter(|_| group.origin == Origin::AdHoc);
        match maker.is_some_and(|user| registry.made_by(user) >= config.max_owned) {
            true => Err(GroupError::TooManyGroups(config.max_owned)),
            false => Ok(()),
        }
    }
}
