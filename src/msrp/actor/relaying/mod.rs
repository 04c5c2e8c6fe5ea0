//! The relay of RFC 4976: what comes for one of its URIs goes on to the next hop.
//!
//! A [`Lease`] is one relay URI, held by the connection whose client authenticated for it. A
//! [`Route`] is what a connection remembers of the way that requests between two ends take; the
//! paths are read once, when a flow begins. A SEND that is here as a whole is put together on
//! the far side from slices; one that is still coming is a [`Passage`]. Octets cross no mailbox:
//! the connection they came on writes them to the connection they leave by.

mod admission;
mod carried;
mod desk;
mod find;
mod intake;
mod moving;
mod passage;
mod report;
mod upkeep;

pub(super) use carried::Carried;
pub use desk::Desk;
pub(super) use desk::{MOVING, Place, TicketId};
pub(super) use find::Way;
pub(super) use intake::Step;
pub(super) use moving::MovingLease;
pub(super) use passage::Passage;
pub(super) use report::TIMED_OUT;
pub(super) use upkeep::Feeders;

use super::{link::Link, transaction::Relayed};
use crate::msrp::relay::route::Lines;
use bytes::Bytes;
use smallvec::SmallVec;
use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    rc::{Rc, Weak},
    sync::Arc,
    time::Instant,
};

/// What a connection keeps for the relay. Made when it is first needed: most of its clients do
/// nothing for most of the time.
#[derive(Default)]
pub(super) struct Relaying {
    routes: RefCell<HashMap<Bytes, Rc<Route>>>,
    leases: RefCell<SmallVec<[Rc<Lease>; 1]>>,
    /// Connections on which peers of this client were heard, by the URI they send from.
    heard: RefCell<HashMap<Bytes, Weak<Link>>>,
    /// Failed attempts to authenticate.
    pub(super) failures: Cell<u32>,
    /// SENDs of this connection that failed, whose REPORTs wait for it to take more.
    late: RefCell<VecDeque<(Relayed, u16)>>,
}

/// One relay URI that was given out, for as long as the connection of its client lives.
pub(super) struct Lease {
    pub(super) id: TicketId,
    until: Cell<Instant>,
    live: Cell<bool>,
    /// Another connection holds it now.
    moved: Cell<bool>,
    desk: Arc<Desk>,
    shard: usize,
    link: u64,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.moved.get() {
            self.desk.forget(&self.id, self.shard, self.link);
        }
    }
}

/// The way of the requests between two ends that come in on one connection.
pub(super) struct Route {
    /// The paths as they come in: whatever has the same goes the same way.
    pub(super) path_lines: Bytes,
    pub(super) lines: Lines,
    /// How many of the URIs in front are ours.
    pub(super) own: usize,
    /// Where they come from: answers and REPORTs go there.
    pub(super) from: Weak<Link>,
    /// Where they go.
    pub(super) out: Weak<Link>,
    leases: SmallVec<[Rc<Lease>; 2]>,
}

impl Route {
    /// Returns where its requests go, while they may.
    pub(super) fn out(&self) -> Option<Rc<Link>> {
        let may = self.leases.iter().all(|lease| lease.live.get());
        self.far_side().filter(|_| may)
    }

    /// Returns the connection that its requests took, even if they may no longer.
    fn far_side(&self) -> Option<Rc<Link>> {
        self.out.upgrade().filter(|out| !out.is_down())
    }
}

impl Lease {
    fn is_of(&self, id: &TicketId) -> bool {
        self.id == *id && self.live.get()
    }

    fn is_here(&self) -> bool {
        self.desk.is_at(&self.id, self.shard, self.link)
    }
}

impl Relaying {
    /// Returns the route that requests with these path lines took before, while it stands.
    pub(super) fn known(&self, path_lines: &[u8]) -> Option<Rc<Route>> {
        self.routes.borrow().get(path_lines).cloned()
    }

    /// Remembers a route; when there are too many, all others are looked for again.
    fn remember(&self, route: &Rc<Route>, most: usize) {
        let mut routes = self.routes.borrow_mut();
        if routes.len() >= most {
            routes.clear();
        }
        routes.insert(route.path_lines.clone(), route.clone());
    }

    /// Remembers on which connection `uri` was heard, unless it is heard on another one still:
    /// nobody takes a peer's place by naming its URI.
    pub(super) fn hear(&self, uri: &[u8], link: &Rc<Link>, most: usize) {
        let mut heard = self.heard.borrow_mut();
        if heard
            .get(uri)
            .and_then(Weak::upgrade)
            .is_some_and(|known| !known.is_down())
        {
            return;
        }
        if heard.len() >= most {
            heard.retain(|_, link| link.upgrade().is_some_and(|link| !link.is_down()));
        }
        if heard.len() < most {
            heard.insert(Bytes::copy_from_slice(uri), Rc::downgrade(link));
        }
    }

    fn heard_on(&self, uri: &[u8]) -> Option<Rc<Link>> {
        let link = self.heard.borrow().get(uri)?.upgrade()?;
        (!link.is_down()).then_some(link)
    }

    fn lease(&self, id: &TicketId) -> Option<Rc<Lease>> {
        let leases = self.leases.borrow();
        leases.iter().find(|lease| lease.is_of(id)).cloned()
    }

    /// Tells whether a client of the relay is here.
    pub(super) fn has_lease(&self) -> bool {
        !self.leases.borrow().is_empty()
    }

    /// Tells whether anything was relayed from or to this connection.
    pub(super) fn is_used(&self) -> bool {
        !self.routes.borrow().is_empty() || !self.heard.borrow().is_empty()
    }

    /// Ends the leases whose time is up, or whose client is back on another connection. Returns
    /// whether there was one.
    pub(super) fn tick(&self, now: Instant) -> bool {
        self.end_leases(|lease| lease.until.get() <= now || !lease.is_here())
    }

    /// Ends a lease whose client is back on another connection.
    pub(super) fn leave(&self, id: &TicketId) {
        self.end_leases(|lease| lease.id == *id);
    }

    /// Ends all leases; what was taken for them goes on.
    pub(super) fn end_all(&self) {
        self.end_leases(|_| true);
    }

    /// Tells whether REPORTs wait to be sent.
    pub(super) fn owes_reports(&self) -> bool {
        !self.late.borrow().is_empty()
    }

    fn end_leases(&self, is_over: impl Fn(&Lease) -> bool) -> bool {
        let mut leases = self.leases.borrow_mut();
        let before = leases.len();
        leases.retain(|lease| {
            lease.live.set(!is_over(lease));
            lease.live.get()
        });
        leases.len() < before
    }

    /// Ends all leases: the connection is gone, and they die with it (RFC 4976 §6.3).
    pub(super) fn end(&self) {
        for lease in self.leases.borrow_mut().drain(..) {
            lease.live.set(false);
        }
        self.routes.borrow_mut().clear();
        self.heard.borrow_mut().clear();
    }
}
