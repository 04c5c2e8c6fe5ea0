//! What listens: MSRP and SIP, on every shard.
use super::{Outcome, reload::Reloaders};
use crate::{
    clock,
    config::Config,
    controlling::GroupTimer,
    deferred::{Interest, MailboxChanged, Queue},
    identity::outbox,
    msrp::actor::{Desk, Entry, Exchange, Switchboard, load_credentials},
    net::Shards,
    participating::actor::{Parts, Server, Services},
    sip::{self, actor::EndpointHandle},
    sip_core::BindingTimer,
    telemetry::trace::Trace,
};
use actix::prelude::*;
use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, Mutex},
};

/// The ways into MSRP, and where they are.
pub(super) type MsrpAt = Vec<(Entry, SocketAddr)>;

thread_local! {
    /// The switchboard of the shard that runs on this thread.
    pub(super) static SWITCHBOARD: RefCell<Option<Rc<Switchboard>>> = const { RefCell::new(None) };
}

/// Starts the switchboard of every shard; they share one port, and the relay if there is one.
pub(super) async fn start_msrp(
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
pub(super) async fn start_sip(
    shards: &Shards,
    config: &Config,
    parts: Parts,
    trace: Option<Trace>,
) -> Outcome<Vec<EndpointHandle>> {
    let servers: Arc<Mutex<Vec<Addr<Server>>>> = Arc::default();
    let (started, shared) = (servers.clone(), parts.clone());
    let tap = trace.as_ref().map(Trace::sip_tap);
    let valve = Some(parts.valve.clone());
    let endpoints = sip::actor::start_guarded(shards, &config.sip, tap, valve, move |endpoint| {
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
