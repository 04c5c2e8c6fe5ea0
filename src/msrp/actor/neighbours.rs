//! Connections of ours: one to each neighbour, shared by the sessions and the relayed flows that
//! lead there.
use super::{
    CloseReason, address_of, link::Link, listener, session::State, switchboard::Switchboard,
};
use crate::{
    clock,
    msrp::{Uri, relay::Sealer, uri::Host},
    net::tls::{Expect, is_unbelieved},
};
use std::{
    io,
    net::SocketAddr,
    rc::{Rc, Weak},
    time::{Duration, Instant},
};

/// How long a neighbour that could not be reached is not tried again for what is relayed.
const REST: Duration = Duration::from_secs(1);
/// The port of a relay whose URI names none (RFC 4976 §8).
const PORT: u16 = 2855;
/// Length of a session id of ours: the shard, then 128 random bits.
const SESSION_ID: usize = 34;

/// Whom a connection of ours leads to. Sessions that the peer keeps on different shards (the
/// first two digits of a session id, where it is one of ours) do not share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Neighbour {
    pub(super) place: Place,
    pub(super) shard: Option<[u8; 2]>,
    /// Who must be there, where TLS is to protect the connection.
    pub(super) expect: Option<Expect>,
}

/// Where a neighbour is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    At(SocketAddr),
    /// A host whose address is still to be looked up, and the port.
    Named(String, u16),
}

impl Neighbour {
    /// Returns whom `uri` leads to.
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        let port = uri.port().unwrap_or(PORT);
        let place = match uri.host() {
            Host::Ip(ip) => Place::At((*ip, port).into()),
            Host::Name(name) => Place::Named(name.to_string(), port),
        };
        let shard = uri.session_id().and_then(shard_digits);
        let expect = uri.is_secure().then(|| {
            Expect::Host(match uri.host() {
                Host::Ip(ip) => ip.to_string(),
                Host::Name(name) => name.to_string(),
            })
        });
        Some(Self {
            place,
            shard,
            expect,
        })
    }
}

impl Place {
    pub(super) async fn addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::At(addr) => Ok(*addr),
            Self::Named(host, port) => address_of(host, *port).await,
        }
    }
}

/// Who waits for a connection.
pub(super) enum Waiter {
    Session(Rc<State>),
    /// A connection whose relayed requests it is for.
    Feeder(Weak<Link>),
}

/// How far a connection is.
pub(super) enum Way {
    /// Being made, for these sessions.
    Opening(Vec<Waiter>),
    Open(Weak<Link>),
    /// It could not be made at that time.
    Failed(Instant),
}

impl Switchboard {
    /// Brings a session to its neighbour.
    pub(super) fn connect(self: &Rc<Self>, state: &Rc<State>, neighbour: Neighbour) {
        match self.way_to(&neighbour) {
            Some(Ok(link)) => state.bind(&link),
            _ => self.wait_for(neighbour, Waiter::Session(state.clone())),
        }
    }

    /// Makes a connection for what was relayed on `feeder`, which goes on when it stands or
    /// cannot be made.
    pub(super) fn open_way(self: &Rc<Self>, neighbour: Neighbour, feeder: &Rc<Link>) {
        self.wait_for(neighbour, Waiter::Feeder(Rc::downgrade(feeder)));
    }

    /// Returns the connection to a neighbour, or that it could not be made just now; `None`
    /// where it is still to be made.
    pub(super) fn way_to(&self, neighbour: &Neighbour) -> Option<Result<Rc<Link>, ()>> {
        match self.outbound.borrow().get(neighbour)? {
            Way::Opening(_) => None,
            Way::Open(link) => link.upgrade().filter(|link| !link.is_down()).map(Ok),
            Way::Failed(at) => (clock::now().duration_since(*at) < REST).then_some(Err(())),
        }
    }

    fn wait_for(self: &Rc<Self>, neighbour: Neighbour, waiter: Waiter) {
        let mut outbound = self.outbound.borrow_mut();
        if let Some(Way::Opening(waiting)) = outbound.get_mut(&neighbour) {
            return waiting.push(waiter);
        }
        outbound.insert(neighbour.clone(), Way::Opening(vec![waiter]));
        drop(outbound);
        let board = self.clone();
        actix_rt::spawn(async move {
            let link = match neighbour.place.addr().await {
                Ok(addr) => listener::connect(&board, addr, neighbour.expect.as_ref()).await,
                Err(error) => Err(error),
            };
            board.connected(neighbour, link);
        });
    }

    pub(super) fn forget_way(&self, link: &Link) {
        self.outbound.borrow_mut().retain(|_, way| match way {
            Way::Opening(_) | Way::Failed(_) => true,
            Way::Open(open) => open
                .upgrade()
                .is_some_and(|open| open.number != link.number),
        });
    }

    fn connected(&self, neighbour: Neighbour, link: io::Result<Rc<Link>>) {
        let way = self.outbound.borrow_mut().remove(&neighbour);
        let Some(Way::Opening(waiting)) = way else {
            return;
        };
        match link {
            Ok(link) => {
                let way = Way::Open(Rc::downgrade(&link));
                self.outbound.borrow_mut().insert(neighbour, way);
                for waiter in waiting {
                    match waiter {
                        Waiter::Session(session) if session.is_over() => {}
                        Waiter::Session(session) => session.bind(&link),
                        Waiter::Feeder(feeder) => resume(&feeder),
                    }
                }
            }
            Err(error) => {
                let reason = match is_unbelieved(&error) {
                    true => {
                        tracing::warn!(peer = ?neighbour.place, %error, "the peer's certificate is not the one announced, or nobody vouches for it");
                        CloseReason::Certificate
                    }
                    false => {
                        tracing::debug!(peer = ?neighbour.place, %error, "MSRP connection not made");
                        CloseReason::ConnectFailed
                    }
                };
                self.metrics.closed(reason.kind());
                let failed = Way::Failed(clock::now());
                self.outbound.borrow_mut().insert(neighbour, failed);
                for waiter in waiting {
                    match waiter {
                        Waiter::Session(session) => session.lost(reason),
                        Waiter::Feeder(feeder) => resume(&feeder),
                    }
                }
            }
        }
        self.run();
    }
}

fn resume(feeder: &Weak<Link>) {
    if let Some(feeder) = feeder.upgrade() {
        feeder.resume();
    }
}

/// Returns the digits of a session id that name its shard, if it is one of our making: a
/// session's or a relay URI's.
pub(super) fn shard_digits(id: &str) -> Option<[u8; 2]> {
    let is_session = id.len() == SESSION_ID && id.bytes().all(|octet| octet.is_ascii_hexdigit());
    if !is_session && !Sealer::is_sealed(id.as_bytes()) {
        return None;
    }
    let digits: [u8; 2] = id.as_bytes().get(..2)?.try_into().ok()?;
    digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)
}
