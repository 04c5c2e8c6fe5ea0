use super::{
    Endpoint, EndpointHandle, Incoming, backlog::Backlog, directory::Directory, handle::Shared,
    orders::Bind,
};
use crate::{
    net::{self, Port, Shards},
    overload::Valve,
    sip::{Config, codec::Message, metrics::Metrics, transaction::Peer},
};
use actix::prelude::*;
use futures_util::stream;
use std::{
    hash::RandomState,
    io,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize},
    },
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// Sees every message that passes, as it stands on the wire. Must be quick: it runs on the shard.
pub type Tap = Arc<dyn Fn(Way, &Peer, &Message) + Send + Sync>;

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From a neighbour to us.
    Received,
    /// From us to a neighbour; once more for each retransmission.
    Sent,
}

/// Why SIP does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A configuration value makes no sense.
    #[error("`{key}` must be {expected}")]
    Config {
        /// The full name of the key.
        key: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// The sockets cannot be bound.
    #[error("`sip.listen` = {listen}: {error}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// A shard has stopped before it began.
    #[error("a shard has stopped")]
    Stopped,
}

/// How often a free port is looked for that both UDP and TCP can have.
const PORT_TRIES: usize = 16;
/// How long accepting rests after a failure, such as too many open files.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// As [`start_guarded`], with nothing refused but what cannot be served.
pub async fn start<F>(
    shards: &Shards,
    config: &Config,
    tap: Option<Tap>,
    user: F,
) -> Result<Vec<EndpointHandle>, StartError>
where
    F: Fn(EndpointHandle) -> Recipient<Incoming> + Clone + Send + 'static,
{
    start_guarded(shards, config, tap, None, user).await
}

/// Starts one endpoint per shard: first the actors, then the sockets, all on one port.
///
/// `user` is called on each shard's own thread with the handle of its endpoint, and gives the
/// recipient of that shard's [`Incoming`] requests; it may start actors there. Give that actor a
/// mailbox for as many requests as one read may bring (`set_mailbox_capacity`; actix's default is
/// 16): what does not fit is answered 503. `valve` is asked which requests are let in at all. Use [`Shards::current_only`] for one endpoint on the
/// calling arbiter.
pub async fn start_guarded<F>(
    shards: &Shards,
    config: &Config,
    tap: Option<Tap>,
    valve: Option<Valve>,
    user: F,
) -> Result<Vec<EndpointHandle>, StartError>
where
    F: Fn(EndpointHandle) -> Recipient<Incoming> + Clone + Send + 'static,
{
    if let Err((key, expected)) = config.check() {
        return Err(StartError::Config { key, expected });
    }
    let directory = Directory::default();
    let loop_key = RandomState::new();
    let mut handles = Vec::with_capacity(shards.len());
    for shard in 0..shards.len() {
        let shared = Arc::new(Shared {
            shard,
            shards: shards.clone(),
            config: config.clone(),
            metrics: Metrics::register(shard),
            local: OnceLock::new(),
            dialogs: AtomicUsize::new(0),
            requests: AtomicU64::new(1),
            backlog: Backlog::default(),
            loop_key: loop_key.clone(),
            valve: valve.clone(),
        });
        let (directory, tap, user) = (directory.clone(), tap.clone(), user.clone());
        let started = shards.run_on(shard, move || async move {
            create(shared, directory, tap, user)
        });
        handles.push(started.await.ok_or(StartError::Stopped)?);
    }
    bind_all(config.listen, &handles).await?;
    Ok(handles)
}

fn create<F>(shared: Arc<Shared>, directory: Directory, tap: Option<Tap>, user: F) -> EndpointHandle
where
    F: Fn(EndpointHandle) -> Recipient<Incoming>,
{
    let shared_with_handle = shared.clone();
    let addr = Endpoint::create(move |ctx| {
        let user = user(EndpointHandle::new(ctx.address(), shared.clone()));
        Endpoint::new(shared, directory, tap, user)
    });
    EndpointHandle::new(addr, shared_with_handle)
}

async fn bind_all(mut listen: SocketAddr, handles: &[EndpointHandle]) -> Result<(), StartError> {
    let endpoints: Vec<_> = handles.iter().map(|handle| handle.addr().clone()).collect();
    for endpoint in &endpoints {
        let order = Bind {
            listen,
            endpoints: endpoints.clone(),
            backlogs: handles.iter().map(EndpointHandle::backlog).collect(),
        };
        let bound = endpoint
            .send(order)
            .await
            .map_err(|_| StartError::Stopped)?;
        // the others share the port the first one found
        listen = bound.map_err(|error| StartError::Listen { listen, error })?;
    }
    Ok(())
}

/// Binds one port for both transports: the first shard claims it, the others share it.
pub(super) fn bind(listen: SocketAddr, shard: usize) -> io::Result<(UdpSocket, TcpListener)> {
    let port = if shard == 0 { Port::Claim } else { Port::Share };
    let mut tries = if listen.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let socket = net::bind_udp(listen, port)?;
        match net::listen_tcp(socket.local_addr()?, port) {
            Ok(listener) => return Ok((socket, listener)),
            Err(error) if tries == 0 => return Err(error),
            Err(_) => {}
        }
    }
}

/// The connections that arrive at `listener`.
pub(super) fn accepted(
    listener: TcpListener,
) -> impl futures_util::Stream<Item = io::Result<(TcpStream, SocketAddr)>> {
    stream::unfold(listener, |listener| async move {
        let accepted = listener.accept().await;
        if accepted.is_err() {
            tokio::time::sleep(ACCEPT_REST).await;
        }
        Some((accepted, listener))
    })
}
