//! The functions, each with what it needs of the store and of the others.
use crate::{
    clock,
    config::Config,
    controlling::Groups,
    deferred::{Deferred, Directory},
    http,
    identity::outbox,
    neighbours::Neighbours,
    overload::Valve,
    participating::{
        self, Conferences, Devices, Drains, Home, Legs, Pool, Watchers,
        actor::{Parts, Shutdown},
    },
    policy::{Settings, Standing},
    sip_core::{Location, Realm, Registrar, Subscribers},
    store::{self, StoreError},
};
use std::sync::Arc;

/// The functions behind the operator's desk, over `store` and without any port.
///
/// Errors: those of the store, and of groups the configuration names that cannot be.
pub async fn services(
    config: &Config,
    store: store::Handle,
) -> Result<http::Services, http::ServiceError> {
    let subscribers = Subscribers::new(store.clone(), &config.sip_core);
    let known = subscribers.clone();
    let (controlling, domains) = (config.controlling.clone(), config.sip_core.domains.clone());
    let groups = Groups::open(store.clone(), controlling, domains.clone()).await?;
    let (owned, around) = (groups.clone(), neighbours(config));
    let directory: Directory = Arc::new(move |store, address| match outbox::owner(address) {
        None => known.standing_in(store, address),
        Some(owner) => {
            let home = Home::of(&owner, &domains, &around);
            Ok(
                match home.needs_outbox() || owned.is_group(&owner) || owned.is_factory(&owner) {
                    true => Standing::Accepts(Settings::default()),
                    false => Standing::Unknown,
                },
            )
        }
    });
    let run = clock::wall().millis();
    Ok(http::Services {
        subscribers,
        location: Location::open(store.clone(), run).await?,
        deferred: Deferred::open(store.clone(), config.deferred.clone(), directory).await?,
        groups,
        store,
        jobs: http::Jobs::default(),
    })
}

/// How many shards the configuration asks for.
pub(super) fn shard_count(config: &Config) -> usize {
    match config.server.shards {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    }
}

fn neighbours(config: &Config) -> Neighbours {
    Neighbours::new(&config.server.roles, &config.neighbours)
}

/// The functions that all shards share.
pub(super) async fn functions(
    config: &Config,
    services: http::Services,
) -> Result<Parts, StoreError> {
    let core = &config.sip_core;
    let http::Services {
        subscribers,
        location,
        deferred,
        groups,
        store,
        ..
    } = services;
    let around = neighbours(config);
    let realm = Realm::open(&store, subscribers.clone(), core).await?;
    let registrar = Registrar::new(
        realm.clone(),
        subscribers.clone(),
        location.clone(),
        core.clone(),
    );
    Ok(Parts {
        deferred,
        groups,
        subscribers,
        location,
        registrar,
        realm,
        config: Arc::new(config.participating.clone()),
        core: Arc::new(core.clone()),
        neighbours: Arc::new(neighbours(config)),
        policy: Arc::new(config.policy.clone()),
        metrics: participating::Metrics::register(),
        drains: Drains::new(config.participating.max_drains),
        devices: Devices::default(),
        conferences: Conferences::new(&config.controlling),
        legs: Legs::default(),
        watchers: Watchers::default(),
        pool: Pool::default(),
        valve: Valve::new(
            config.overload.clone(),
            shard_count(config),
            move |address| around.trusts(address),
        ),
        store,
        sessions: Arc::default(),
        shutdown: Shutdown::default(),
    })
}
