//! Where a request goes that names one of the relay's URIs.
use super::{Desk, Lease, MOVING, Place, Relaying, Route};
use crate::msrp::{
    Head, Uri,
    actor::{link::Link, neighbours::Neighbour},
    relay::{
        SealError,
        route::{Lines, first, split, uris},
    },
    uri::session_id_of,
};
use bytes::Bytes;
use smallvec::SmallVec;
use std::rc::Rc;

/// Relays a request has passed through before it is taken for one that goes in circles.
const MAX_HOPS: usize = 16;

/// What is known of a request's way.
pub(in crate::msrp::actor) enum Way {
    /// It goes on.
    Known(Rc<Route>),
    /// The connection it needs is being made.
    Opening(Neighbour),
    /// The next hop cannot be reached.
    Unreachable(Lines),
    /// It may not pass: the status, and the label value for metrics.
    Refused(u16, &'static str),
    /// Another shard holds the connection it goes to.
    Foreign(usize),
    /// The connection it came on had better be on that shard.
    Moves(usize),
    /// The connection it goes to is just changing its shard.
    Moving,
    /// It is none of the relay's.
    NotRelayed,
}

/// A walk along To-Path, over the URIs that are this relay's.
struct Walk<'a> {
    desk: &'a Desk,
    link: &'a Rc<Link>,
    to: &'a [u8],
    own: usize,
    leases: SmallVec<[Rc<Lease>; 2]>,
}

/// Where the walk along this relay's own URIs ends.
enum End {
    /// At the client of the last one of them.
    Client(Rc<Link>),
    /// At somebody else's URI, on the way out from a client of ours.
    Outside,
    /// At another shard, whose client it goes to.
    Shard(usize),
    /// At another shard, where this connection may move.
    Moves(usize),
    Moving,
    Refused(u16, &'static str),
    NotOurs,
}

impl Link {
    /// Finds the way of a request that came in on this connection.
    pub(in crate::msrp::actor) fn find_way(self: &Rc<Self>, head: &Head) -> Way {
        let Some(desk) = self.board.exchange.desk() else {
            return Way::NotRelayed;
        };
        let path_lines = head.path_lines();
        if let Some(route) = self.relaying().known(path_lines)
            && route.out().is_some()
        {
            return Way::Known(route);
        }
        let to = head.to_path_text().unwrap_or_default();
        let from = head.from_path_text().unwrap_or_default();
        let mut walk = Walk {
            desk,
            link: self,
            to,
            own: 0,
            leases: SmallVec::new(),
        };
        let end = walk.run();
        let out = match end {
            End::NotOurs => return Way::NotRelayed,
            End::Refused(code, reason) => return Way::Refused(code, reason),
            End::Shard(shard) => return Way::Foreign(shard),
            End::Moves(shard) => return Way::Moves(shard),
            End::Moving => return Way::Moving,
            _ if from.is_empty() => return Way::Refused(400, "path_order"),
            _ if uris(from).count() > MAX_HOPS => return Way::Refused(403, "relay_loop"),
            End::Client(link) => Some(link),
            End::Outside => None,
        };
        let Some(lines) = Lines::of(to, from, walk.own) else {
            return Way::Refused(481, "relay_itself");
        };
        let out = match out {
            Some(client) => {
                let most = desk.config.max_flows;
                client.relaying().hear(first(from), self, most);
                client
            }
            None => match self.reach(&lines) {
                Ok(link) => link,
                Err(way) => return way(lines),
            },
        };
        let route = Rc::new(Route {
            path_lines: Bytes::copy_from_slice(path_lines),
            lines,
            own: walk.own,
            from: Rc::downgrade(self),
            out: Rc::downgrade(&out),
            leases: walk.leases,
        });
        let relaying = self.relaying();
        relaying.remember(&route, desk.config.max_flows);
        self.keep();
        out.keep();
        Way::Known(route)
    }

    /// Returns the connection to the next hop outside, or what to do without one.
    fn reach(self: &Rc<Self>, lines: &Lines) -> Result<Rc<Self>, Box<dyn FnOnce(Lines) -> Way>> {
        if let Some(link) = self.relaying().heard_on(lines.next_hop()) {
            return Ok(link);
        }
        let uri = std::str::from_utf8(lines.next_hop()).ok();
        let neighbour = uri
            .and_then(|uri| Uri::parse(uri).ok())
            .and_then(|uri| Neighbour::of(&uri));
        let Some(neighbour) = neighbour else {
            return Err(Box::new(|_| Way::Refused(400, "bad_path")));
        };
        match self.board.way_to(&neighbour) {
            Some(Ok(link)) => Ok(link),
            Some(Err(())) => Err(Box::new(Way::Unreachable)),
            None => Err(Box::new(|_| Way::Opening(neighbour))),
        }
    }
}

impl Walk<'_> {
    fn run(&mut self) -> End {
        let Some(relaying) = self.link.relaying.get() else {
            // nobody authenticated here: what comes can only be for a client elsewhere
            return self.step(None);
        };
        match self.step(Some(relaying)) {
            // a request of our client may be for another client of ours
            End::Outside => match self.step(None) {
                End::Shard(shard) if self.own == 1 && self.link.can_move() => End::Moves(shard),
                End::NotOurs | End::Refused(..) | End::Shard(_) => End::Outside,
                end => end,
            },
            end => end,
        }
    }

    /// Takes the next URI of To-Path, if it is ours.
    fn step(&mut self, relaying: Option<&Relaying>) -> End {
        let rest = match self.own {
            0 => self.to,
            own => match split(self.to, own) {
                Some((_, rest)) => rest,
                None => return End::NotOurs,
            },
        };
        let Some(id) = session_id_of(first(rest)) else {
            return End::NotOurs;
        };
        let ticket = match self.desk.open(id) {
            Ok(ticket) => ticket,
            Err(SealError::NotSealed) => return End::NotOurs,
            Err(_) => return End::Refused(481, "relay_uri"),
        };
        let Some(place) = self.desk.place(&ticket.id) else {
            return End::Refused(481, "relay_client_away");
        };
        if let Some(lease) = relaying.and_then(|relaying| relaying.lease(&ticket.id)) {
            self.own += 1;
            self.leases.push(lease);
            return End::Outside;
        }
        let next = split(rest, 1).map(|(_, next)| first(next));
        if next != Some(place.hop.as_ref()) {
            return End::Refused(481, "relay_next_hop");
        }
        if place.shard != self.link.board.shard {
            return End::Shard(place.shard);
        }
        if place.link == MOVING {
            return End::Moving;
        }
        match self.client(&place, &ticket.id) {
            Some((client, lease)) => {
                self.own += 1;
                self.leases.push(lease);
                End::Client(client)
            }
            None => End::Refused(481, "relay_client_away"),
        }
    }

    fn client(&self, place: &Place, id: &super::TicketId) -> Option<(Rc<Link>, Rc<Lease>)> {
        let client = self.link.board.link(place.link)?;
        let lease = client.relaying.get()?.lease(id)?;
        Some((client, lease))
    }
}
