//! Assembly: starts the actors of a server bottom-up and stops them top-down.
mod accounts;
mod draining;
mod figures;
mod functions;
mod key_file;
mod ports;
mod relay;
mod reload;
mod signals;
mod supervisor;

pub use accounts::SubscriberAccounts;
pub use functions::services;
pub use key_file::{KeyFile, KeyFileError};

use crate::{
    clock,
    config::Config,
    http::{self, AdminToken, Ports, Readiness, State},
    net::{self, Pulse, Shards},
    overload::{self, Valve},
    participating::actor::Shutdown,
    sip::actor::EndpointHandle,
    store::{self, Store},
    telemetry::{self, Recorder, trace::Trace},
};
use actix::prelude::*;
use functions::{functions, shard_count};
use ports::{MsrpAt, start_msrp, start_sip};
use reload::Reloaders;
use signals::{Signals, Told};
use std::{
    error::Error,
    io::Write,
    process::ExitCode,
    sync::{Arc, atomic::AtomicUsize},
};
use supervisor::Supervisor;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Runs a server until SIGTERM or Ctrl-C, or until standard input closes where that counts, then
/// drains it.
///
/// Errors: what keeps it from starting, naming the key or the folder to look at.
pub fn serve(config: Config, stdin_counts: bool) -> Outcome<ExitCode> {
    let recorder = Recorder::install()?;
    let telemetry = telemetry::init(&config)?;
    let open_files = net::raise_open_files();
    tracing::debug!(open_files, "limit raised");
    recorder.keep_up()?;
    actix_rt::System::new().block_on(async {
        let mut signals = Signals::listen(stdin_counts)?;
        let mut node = Node::start(config, recorder).await?;
        node.announce()?;
        node.run_until_told(&mut signals).await;
        node.drain(&mut signals).await;
        telemetry.stop();
        Ok(ExitCode::SUCCESS)
    })
}

/// Has the valve told of the memory and of what waits for the store.
fn watch_load(valve: &Valve, store: store::Handle, pulse: Pulse) {
    let sources = overload::actor::Sources {
        resident: Box::new(telemetry::resident_memory),
        available: telemetry::available_memory(),
        store: Box::new(move || store.lag()),
        lag: Box::new(move || pulse.worst()),
    };
    overload::actor::watch(valve.clone(), sources);
}

/// A running server.
struct Node {
    config: Config,
    shards: Shards,
    pulse: Pulse,
    endpoints: Vec<EndpointHandle>,
    msrp: MsrpAt,
    http: http::Server,
    readiness: Readiness,
    store: Addr<Store>,
    sessions: Arc<AtomicUsize>,
    shutdown: Shutdown,
    reloaders: Reloaders,
    supervisor: Supervisor,
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
        let behind = handle.clone();
        let services = services(&config, handle).await?;
        let parts = functions(&config, services.clone()).await?;
        let readiness = Readiness::default();
        let figures = recorder.clone();
        figures::of_functions(&recorder, &services, &readiness);
        let ports = Ports {
            render_metrics: Arc::new(move || figures.render()),
            readiness: readiness.clone(),
            token,
            services,
        };
        let http = http::start(&config.http, ports)?;
        let shards = Shards::start(shard_count(&config));
        figures::limits(&config, shards.len());
        let pulse = Pulse::start(&shards);
        watch_load(&parts.valve, behind, pulse.clone());
        let mut reloaders = Reloaders::default();
        let desk = relay::open(&config, &parts.subscribers, &mut reloaders)?;
        let trace = Trace::open(&config)?;
        let msrp = start_msrp(&shards, &config, desk, trace.clone(), &mut reloaders).await?;
        let (sessions, shutdown) = (parts.sessions.clone(), parts.shutdown.clone());
        let endpoints = start_sip(&shards, &config, parts, trace).await?;
        figures::of_endpoints(&recorder, &endpoints);
        readiness.set(State::Ready);
        Ok(Self {
            config,
            shards,
            pulse,
            endpoints,
            msrp,
            http,
            readiness,
            store,
            sessions,
            shutdown,
            reloaders,
            supervisor: Supervisor::default(),
            _clock: clock,
        })
    }

    /// Tells on standard output, and the service manager, that requests are served, and where.
    fn announce(&mut self) -> Outcome<()> {
        let sip = self.endpoints[0].local_addr();
        let http = self.http.address();
        let msrp: Vec<_> = self
            .msrp
            .iter()
            .map(|(entry, at)| format!("{}={at}", entry.name()))
            .collect();
        let msrp = msrp.join(" ");
        let places = format!("sip={sip} {msrp} http={http}");
        let mut out = std::io::stdout().lock();
        writeln!(out, "ready {places}")?;
        out.flush()?;
        tracing::info!(%sip, doors = %msrp, %http, shards = self.shards.len(), "ready");
        let status = format!("serving {places}");
        self.supervisor.ready(&self.pulse, &status);
        Ok(())
    }

    /// Waits for SIGTERM or Ctrl-C; SIGHUP reads anew what can be read anew.
    async fn run_until_told(&self, signals: &mut Signals) {
        while signals.next().await == Told::Reload {
            self.supervisor.reloading();
            self.reloaders.run();
            self.supervisor.ready_again();
        }
    }
}
