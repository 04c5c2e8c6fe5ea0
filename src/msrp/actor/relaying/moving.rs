//! A client of the relay that sends to a client on another shard moves there, connection and all:
//! then what goes between them crosses no thread.
use super::{Lease, MOVING, Place, TicketId};
use crate::msrp::actor::{
    exchange::Arrival,
    hop::{HopActor, Move},
    link::Link,
};
use bytes::Bytes;
use std::{cell::Cell, rc::Rc, time::Instant};

/// A relay URI on its way to another shard, with its client's connection.
pub(in crate::msrp::actor) struct MovingLease {
    id: TicketId,
    hop: Bytes,
    until: Instant,
}

impl Link {
    /// Tells whether nothing but its relay URIs ties the connection to this shard.
    pub(super) fn can_move(&self) -> bool {
        let is_free = !self.has_sessions() && !self.ours && !self.stays.get();
        let is_used = self
            .relaying
            .get()
            .is_none_or(|relaying| relaying.is_used());
        is_free && !is_used && self.in_flight.borrow().in_flight() == 0 && self.is_flushed()
    }

    /// Holds the relay URIs that came with this connection from another shard.
    pub(in crate::msrp::actor) fn settle_moved(self: &Rc<Self>, leases: Vec<MovingLease>) {
        for MovingLease { id, hop, until } in leases {
            self.hold_lease(id, hop, until);
        }
    }

    /// Holds a relay URI for the client of this connection until then.
    pub(super) fn hold_lease(self: &Rc<Self>, id: TicketId, hop: Bytes, until: Instant) {
        let Some(desk) = self.board.exchange.desk() else {
            return;
        };
        let relaying = self.relaying();
        match relaying.lease(&id) {
            Some(lease) => lease.until.set(until),
            None => {
                let lease = Lease {
                    id,
                    until: Cell::new(until),
                    live: Cell::new(true),
                    moved: Cell::new(false),
                    desk: desk.clone(),
                    shard: self.board.shard,
                    link: self.number,
                };
                relaying.leases.borrow_mut().push(Rc::new(lease));
            }
        }
        let place = Place {
            shard: self.board.shard,
            link: self.number,
            hop,
        };
        let before = desk.settle(id, place);
        // a connection of another shard finds out when its timers are looked at
        if let Some(before) = before.filter(|before| before.shard == self.board.shard)
            && before.link != self.number
            && let Some(old) = self.board.link(before.link)
        {
            old.relaying().leave(&id);
        }
        self.keep();
    }

    /// Sends the relay URIs of this connection on their way to `shard`. Who looks for them
    /// meanwhile waits.
    fn send_leases(&self, shard: usize) -> Vec<MovingLease> {
        let (Some(desk), Some(relaying)) = (self.board.exchange.desk(), self.relaying.get()) else {
            return Vec::new();
        };
        let leases = std::mem::take(&mut *relaying.leases.borrow_mut());
        let mut moving = Vec::new();
        for lease in leases {
            if let Some(place) = desk.place(&lease.id) {
                let hop = place.hop.clone();
                desk.settle(
                    lease.id,
                    Place {
                        shard,
                        link: MOVING,
                        hop: hop.clone(),
                    },
                );
                moving.push(MovingLease {
                    id: lease.id,
                    hop,
                    until: lease.until.get(),
                });
            }
            lease.live.set(false);
            lease.moved.set(true);
        }
        moving
    }
}

impl HopActor {
    /// Takes the connection to another shard. Returns whether it is gone from here.
    pub(in crate::msrp::actor) fn move_to(&mut self, Move { shard }: Move) -> bool {
        let link = self.link.clone();
        if !link.can_move() || !link.outlet.release() {
            link.stays.set(true);
            return false;
        }
        let Some(inlet) = self.intake.take() else {
            return false;
        };
        let leases = link.send_leases(shard);
        link.retire();
        let frames = std::mem::take(&mut self.held);
        let exchange = &link.board.exchange;
        let taken = inlet.detach().is_ok_and(|stream| {
            let arrival = Arrival {
                stream,
                frames,
                leases,
            };
            exchange.hand_over(shard, arrival)
        });
        if !taken {
            link.board.metrics.closed("not_handed_over");
        }
        true
    }
}
