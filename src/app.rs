//! Assembly: starts the actors of a server bottom-up and stops them top-down.
mod accounts;
mod key_file;
mod relay;
mod reload;

pub use accounts::SubscriberAccounts;
pub use key_file::{KeyFile, KeyFileError};

use crate::{
    clock,
    config::Config,
    controlling::{GroupTimer, Groups},
    deferred::{Deferred, Directory, Interest, MailboxChanged, Queue},
    http::{self, AdminToken, Ports, Readiness, State},
    identity::outbox,
    msrp::actor::{Desk, Entry, Exchange, Switchboard, load_credentials},
    neighbours::Neighbours,
    net::Shards,
    participating::{
        self, Conferences, Devices, Drains, Home, Legs, Pool, Watchers,
        actor::{Parts, Server, Services},
    },
    policy::{Settings, Standing},
    sip::{self, actor::EndpointHandle},
    sip_core::{BindingTimer, Location, Realm, Registrar, Subscribers},
    store::{self, Drain, Store, StoreError},
    telemetry::{self, Recorder, trace::Trace},
};
use actix::prelude::*;
use reload::Reloaders;
use std::{
    cell::RefCell,
    error::Error,
    io::Write,
    net::SocketAddr,
    process::ExitCode,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The ways into MSRP, and where they are.
type MsrpAt = Vec<(Entry, SocketAddr)>;
type Outcome<T> = Result<T, Box<dyn Error>>;

thread_local! {
    /// The switchboard of the shard that runs on this thread.
    static SWITCHBOARD: RefCell<Option<Rc<Switchboard>>> = const { RefCell::new(None) };
}

/// Runs a server until SIGTERM or Ctrl-C, then drains it.
///
/// Errors: what keeps it from starting, naming the key or the folder to look at.
pub fn serve(config: Config) -> Outcome<ExitCode> {
    telemetry::init(&config.log)?;
    let recorder = Recorder::install()?;
    recorder.keep_up()?;
    actix_rt::System::new().block_on(async {
        // taken first: an early one must not end the process
        let hangup = signal(SignalKind::hangup())?;
        let node = Node::start(config, recorder).await?;
        node.announce()?;
        node.run_until_told(hangup).await?;
        node.drain().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// A running server.
struct Node {
    config: Config,
    shards: Shards,
    endpoints: Vec<EndpointHandle>,
    msrp: MsrpAt,
    http: http::Server,
    readiness: Readiness,
    store: Addr<Store>,
    sessions: Arc<AtomicUsize>,
    reloaders: Reloaders,
    _clock: clock::Keeper,
}

impl Node {
    /// Starts everything, bottom-up.
    async fn start(config: Config, recorder: Recorder) -> Outcome<Self> {
        std::fs::create_dir_all(&config.server.data)
            .map_err(|error| format!("`server.data` {:?}: {error}", config.server.data))?;
        let clock = clock::keep(&config.server.data, config.server.clock_settle)?;
        let token = AdminToken::load_or_make(&config.server.data)?;
        let (handle, threads) = store::open(&config.server.store_folder(), &config.store)?;
        let store = Store::new(handle.clone(), Some(threads)).start();
        let services = services(&config, handle).await?;
        let parts = functions(&config, services.clone()).await?;
        let readiness = Readiness::default();
        let ports = Ports {
            render_metrics: Arc::new(move || recorder.render()),
            readiness: readiness.clone(),
            token,
            services,
        };
        let http = http::start(&config.http, ports)?;
        let shards = Shards::start(match config.server.shards {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        });
        let mut reloaders = Reloaders::default();
        let desk = relay::open(&config, &parts.subscribers, &mut reloaders)?;
        let trace = Trace::open(&config.trace, config.sip.listen)?;
        let msrp = start_msrp(&shards, &config, desk, trace.clone(), &mut reloaders).await?;
        let sessions = parts.sessions.clone();
        let endpoints = start_sip(&shards, &config, parts, trace).await?;
        readiness.set(State::Ready);
        Ok(Self {
            config,
            shards,
            endpoints,
            msrp,
            http,
            readiness,
            store,
            sessions,
            reloaders,
            _clock: clock,
        })
    }

    /// Tells on standard output that requests are served, and where.
    fn announce(&self) -> Outcome<()> {
        let sip = self.endpoints[0].local_addr();
        let http = self.http.address();
        let msrp: Vec<_> = self
            .msrp
            .iter()
            .map(|(entry, at)| format!("{}={at}", entry.name()))
            .collect();
        let msrp = msrp.join(" ");
        let mut out = std::io::stdout().lock();
        writeln!(out, "ready sip={sip} {msrp} http={http}")?;
        out.flush()?;
        tracing::info!(%sip, %msrp, %http, shards = self.shards.len(), "ready");
        Ok(())
    }

    /// Waits for SIGTERM or Ctrl-C; SIGHUP reads anew what can be read anew.
    async fn run_until_told(&self, mut hangup: Signal) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                _ = hangup.recv() => self.reloaders.run(),
            }
        }
    }

    /// Takes nothing new, lets what is under way end within the grace time, then stops all,
    /// top-down.
    async fn drain(self) {
        const LOOK: Duration = Duration::from_millis(50);
        self.readiness.set(State::Draining);
        tracing::info!(sessions = self.sessions.load(Ordering::Relaxed), "draining");
        for endpoint in &self.endpoints {
            endpoint.drain();
        }
        let end = clock::now() + self.config.server.grace;
        while self.sessions.load(Ordering::Relaxed) > 0 && clock::now() < end {
            tokio::time::sleep(LOOK).await;
        }
        for endpoint in &self.endpoints {
            endpoint.stop();
        }
        for shard in 0..self.shards.len() {
            let stopped = self.shards.run_on(shard, || async {
                if let Some(board) = SWITCHBOARD.take() {
                    board.stop();
                }
            });
            stopped.await;
        }
        self.http.stop().await;
        if let Err(error) = self.store.send(Drain).await {
            tracing::error!(%error, "the store could not be told to end");
        }
        for shard in 0..self.shards.len() {
            self.shards.arbiter(shard).stop();
        }
        tracing::info!("stopped");
    }
}

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

fn neighbours(config: &Config) -> Neighbours {
    Neighbours::new(&config.server.roles, &config.neighbours)
}

/// The functions that all shards share.
async fn functions(config: &Config, services: http::Services) -> Result<Parts, StoreError> {
    let core = &config.sip_core;
    let http::Services {
        subscribers,
        location,
        deferred,
        groups,
        store,
        ..
    } = services;
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
        sessions: Arc::default(),
    })
}

/// Starts the switchboard of every shard; they share one port, and the relay if there is one.
async fn start_msrp(
    shards: &Shards,
    config: &Config,
    desk: Option<Arc<Desk>>,
    trace: Option<Trace>,
    reloaders: &mut Reloaders,
) -> Outcome<MsrpAt> {
    let exchange = match desk {
        Some(desk) => Exchange::relaying(shards.len(), desk),
        None => Exchange::new(shards.len()),
    };
    let credentials =
        load_credentials(&config.msrp).map_err(|error| format!("`msrp.tls`: {error}"))?;
    if let Some(credentials) = credentials {
        exchange.protect(credentials.clone());
        reloaders.add("certificates", move || Ok(credentials.reload()?));
    }
    let mut at = MsrpAt::new();
    for shard in 0..shards.len() {
        let (exchange, config, trace) = (exchange.clone(), config.msrp.clone(), trace.clone());
        let started = shards.run_on(shard, move || async move {
            let board = Switchboard::start(shard, &exchange, &config)?;
            if let Some(trace) = trace {
                trace.watch(&board, shard);
            }
            let entries = board.entries();
            SWITCHBOARD.set(Some(board));
            Ok::<_, std::io::Error>(entries)
        });
        at = started.await.ok_or("a shard stopped before it began")??;
    }
    Ok(at)
}

/// Starts the SIP endpoint of every shard with the server that uses it, then what tells the
/// servers news.
async fn start_sip(
    shards: &Shards,
    config: &Config,
    parts: Parts,
    trace: Option<Trace>,
) -> Outcome<Vec<EndpointHandle>> {
    let servers: Arc<Mutex<Vec<Addr<Server>>>> = Arc::default();
    let (started, shared) = (servers.clone(), parts.clone());
    let tap = trace.as_ref().map(Trace::sip_tap);
    let endpoints = sip::actor::start(shards, &config.sip, tap, move |endpoint| {
        let board = SWITCHBOARD.with_borrow(Clone::clone);
        let board = board.expect("MSRP is started before SIP, on every shard");
        let is_first = endpoint.shard() == 0;
        let server = Server::new(Services::new(shared.clone(), endpoint, board)).start();
        if is_first {
            shared.groups.tell(vec![server.clone().recipient()]);
        }
        if let Ok(mut started) = started.lock() {
            started.push(server.clone());
        }
        server.recipient()
    })
    .await?;
    if let Some(trace) = trace {
        trace.sip_is_at(endpoints[0].local_addr());
    }
    let servers = servers
        .lock()
        .map(|started| started.clone())
        .unwrap_or_default();
    let listeners = servers.iter().map(|server| server.clone().recipient());
    let listeners: Vec<Recipient<MailboxChanged>> = listeners.collect();
    let first = servers.into_iter().take(1).map(Addr::recipient);
    let (location, watchers) = (parts.location.clone(), parts.watchers.clone());
    let interest: Interest = Arc::new(move |mailbox| {
        let is_asked_for = watchers.has(mailbox) || outbox::is_one(mailbox);
        is_asked_for || location.is_registered(mailbox, clock::wall())
    });
    Queue::new(parts.deferred, listeners, interest).start();
    GroupTimer::new(parts.groups).start();
    BindingTimer::new(parts.location, first.collect()).start();
    Ok(endpoints)
}
