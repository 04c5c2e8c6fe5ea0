//! Connections of ours: one to each neighbour, shared by the sessions that lead there.
use super::{CloseReason, link::Link, listener, session::State, switchboard::Switchboard};
use std::{
    io,
    net::SocketAddr,
    rc::{Rc, Weak},
};

/// Whom a connection of ours leads to. Sessions that the peer keeps on different shards (the
/// first two digits of a session id, where it is one of ours) do not share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Neighbour {
    pub(super) addr: SocketAddr,
    pub(super) shard: Option<[u8; 2]>,
}

/// How far a connection is.
pub(super) enum Way {
    /// Being made, for these sessions.
    Opening(Vec<Rc<State>>),
    Open(Weak<Link>),
}

impl Switchboard {
    /// Brings a session to its neighbour.
    pub(super) fn connect(self: &Rc<Self>, state: &Rc<State>, neighbour: Neighbour) {
        let mut outbound = self.outbound.borrow_mut();
        match outbound.get_mut(&neighbour) {
            Some(Way::Opening(sessions)) => return sessions.push(state.clone()),
            Some(Way::Open(link)) => {
                if let Some(link) = link.upgrade().filter(|link| !link.is_down()) {
                    drop(outbound);
                    return state.bind(&link);
                }
            }
            None => {}
        }
        outbound.insert(neighbour.clone(), Way::Opening(vec![state.clone()]));
        drop(outbound);
        let board = self.clone();
        actix_rt::spawn(async move {
            let link = listener::connect(&board, neighbour.addr).await;
            board.connected(neighbour, link);
        });
    }

    pub(super) fn forget_way(&self, link: &Link) {
        self.outbound.borrow_mut().retain(|_, way| match way {
            Way::Opening(_) => true,
            Way::Open(open) => open
                .upgrade()
                .is_some_and(|open| open.number != link.number),
        });
    }

    fn connected(&self, neighbour: Neighbour, link: io::Result<Rc<Link>>) {
        let way = self.outbound.borrow_mut().remove(&neighbour);
        let Some(Way::Opening(sessions)) = way else {
            return;
        };
        match link {
            Ok(link) => {
                let way = Way::Open(Rc::downgrade(&link));
                self.outbound.borrow_mut().insert(neighbour, way);
                for session in sessions.iter().filter(|session| !session.is_over()) {
                    session.bind(&link);
                }
            }
            Err(error) => {
                tracing::debug!(peer = %neighbour.addr, %error, "MSRP connection not made");
                self.metrics.closed(CloseReason::ConnectFailed.kind());
                for session in sessions {
                    session.lost(CloseReason::ConnectFailed);
                }
            }
        }
        self.run();
    }
}

/// Returns the digits of a session id that name its shard.
pub(super) fn shard_digits(id: &str) -> Option<[u8; 2]> {
    let digits: [u8; 2] = id.as_bytes().get(..2)?.try_into().ok()?;
    digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)
}
