//! How connections come to be: accepted, made, or handed over by another shard.
use super::{
    Entry, entry::protect, exchange::Arrival, hop::HopActor, link::Link, switchboard::Switchboard,
};
use crate::{
    msrp::{DecodeError, Decoder, Frame},
    net::{self, Inlet, Liveness, ReadError, Wire, tls::Expect},
};
use futures_util::StreamExt;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    rc::Rc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

/// How long a listener rests when the system is out of descriptors.
const REST: Duration = Duration::from_millis(100);

/// Accepts connections for as long as the switchboard runs.
pub(super) async fn accept(board: Rc<Switchboard>, entry: Entry, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok(_) if board.is_crowded() => board.metrics.closed("too_many_connections"),
            Ok((tcp, peer)) => {
                let board = board.clone();
                let guest = board.receive_guest();
                actix_rt::spawn(async move {
                    greet(board, entry, tcp, peer).await;
                    drop(guest);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept MSRP connections");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Takes the connections that other shards hand over.
pub(super) async fn admit(board: Rc<Switchboard>, mut arrivals: mpsc::Receiver<Arrival>) {
    while let Some(arrival) = arrivals.recv().await {
        match arrival.stream.attach() {
            Ok(inlet) => {
                let link = start(&board, inlet, arrival.frames, false);
                link.settle_moved(arrival.leases);
            }
            Err(error) => {
                tracing::debug!(%error, "MSRP connection lost on its way to its shard");
                board.metrics.closed("broken");
            }
        }
    }
}

/// Makes a connection, by TLS if somebody certain is expected there.
pub(super) async fn connect(
    board: &Rc<Switchboard>,
    addr: SocketAddr,
    expect: Option<&Expect>,
) -> io::Result<Rc<Link>> {
    let (own, limit) = (board.listen_addr().ip(), board.config.connect_timeout);
    let made = timeout(limit, async {
        let tcp = net::connect_tcp(own, addr, limit).await?;
        tune(board, &tcp)?;
        protect(tcp, board.exchange.credentials(), expect).await
    });
    let wire = made
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(start(board, inlet(board, wire), Vec::new(), true))
}

/// Makes a connection to our own listener, for what belongs to another shard.
pub(super) async fn to_ourselves(board: &Switchboard) -> io::Result<Inlet<Decoder>> {
    let mut addr = board.listen_addr();
    if addr.ip().is_unspecified() {
        addr.set_ip(match addr.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let tcp = timeout(board.config.connect_timeout, TcpStream::connect(addr))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    tune(board, &tcp)?;
    Ok(inlet(board, tcp.into()))
}

/// Reads a connection's first request and brings it to the shard that owns its session.
async fn greet(board: Rc<Switchboard>, entry: Entry, tcp: TcpStream, peer: SocketAddr) {
    if tune(&board, &tcp).is_err() {
        return board.metrics.closed("broken");
    }
    let admitted = entry.admit(tcp, board.exchange.credentials());
    let wire = match timeout(board.config.bind_timeout, admitted).await {
        Ok(Ok(wire)) => wire,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "MSRP connection refused");
            return board.metrics.closed("handshake");
        }
        Err(_) => return board.metrics.closed("bind_timeout"),
    };
    let mut inlet = inlet(&board, wire);
    let first = timeout(board.config.bind_timeout, inlet.next()).await;
    let frames = match first {
        Ok(Some(Ok(frames))) => frames,
        Ok(Some(Err(error))) => return refuse(&board, peer, &error),
        Ok(None) => return board.metrics.closed("peer_closed"),
        Err(_) => return board.metrics.closed("bind_timeout"),
    };
    let first = frames.first().and_then(Frame::head);
    match first.and_then(|head| board.owner_of(head)) {
        Some(shard) if shard != board.shard && board.exchange.has_door(shard) => {
            let exchange = board.exchange.clone();
            let taken = inlet.detach().is_ok_and(|stream| {
                let arrival = Arrival {
                    stream,
                    frames,
                    leases: Vec::new(),
                };
                exchange.hand_over(shard, arrival)
            });
            if !taken {
                board.metrics.closed("not_handed_over");
            }
        }
        _ => {
            start(&board, inlet, frames, false);
        }
    }
}

fn tune(board: &Switchboard, tcp: &TcpStream) -> io::Result<()> {
    let liveness = Liveness {
        keepalive: board.config.keepalive,
        user_timeout: board.config.user_timeout,
    };
    net::tune(tcp, liveness)
}

fn inlet(board: &Switchboard, wire: Wire) -> Inlet<Decoder> {
    let max_head = usize::try_from(board.config.max_head.as_u64()).unwrap_or(usize::MAX);
    Inlet::new(wire, Decoder::new(max_head), board.limits())
}

pub(super) fn start(
    board: &Rc<Switchboard>,
    inlet: Inlet<Decoder>,
    frames: Vec<Frame>,
    ours: bool,
) -> Rc<Link> {
    let peer = inlet
        .peer_addr()
        .unwrap_or_else(|_| ([0, 0, 0, 0], 0).into());
    let link = Link::new(board.clone(), peer, inlet.outlet(), inlet.gate(), ours);
    board.add_link(&link);
    HopActor::start_with(link.clone(), inlet, frames);
    link
}

fn refuse(board: &Switchboard, peer: SocketAddr, error: &ReadError<DecodeError>) {
    tracing::debug!(%peer, %error, "MSRP connection refused");
    match error {
        ReadError::Io(_) => board.metrics.closed("broken"),
        ReadError::Decode(error) => {
            board.metrics.refused(error.kind());
            board.metrics.closed("framing");
        }
    }
}
