//! Assembly: starts the actors of a server bottom-up and stops them top-down.
mod accounts;
mod functions;
mod key_file;
mod ports;
mod relay;
mod reload;

pub use accounts::SubscriberAccounts;
pub use functions::services;
pub use key_file::{KeyFile, KeyFileError};

use crate::{
    clock,
    config::Config,
    http::{self, AdminToken, Ports, Readiness, State},
    net::{Pulse, Shards},
    sip::actor::EndpointHandle,
    store::{self, Drain, Store},
    telemetry::{self, Recorder, trace::Trace},
};
use actix::prelude::*;
use functions::functions;
use ports::{MsrpAt, SWITCHBOARD, start_msrp, start_sip};
use reload::Reloaders;
use std::{
    error::Error,
    io::Write,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

type Outcome<T> = Result<T, Box<dyn Error>>;

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
    _pulse: Pulse,
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
        let pulse = Pulse::start(&shards);
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
            _pulse: pulse,
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
