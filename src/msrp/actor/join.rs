//! Joins two sessions: what comes in on one goes out on the other, and the answer of the one
//! who took it is the answer the sender gets.
//!
//! Chunks are cut through: their octets leave as they come, and what an interrupted or oversized
//! chunk looks like on the far wire is the far wire's business. A side whose far side cannot
//! take more is not read. Octets move inside the sessions' sinks; the actor only counts, and
//! tells its owner.

use super::{
    CloseReason, SessionEvent, SessionHandle, Sink,
    lane::{Lane, Valve},
};
use actix::prelude::*;
use std::{cell::RefCell, rc::Rc, time::Duration};

/// How often an owner hears of progress.
const PROGRESS: Duration = Duration::from_secs(1);

/// One of the two joined sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first one given to [`Join::of`].
    A,
    /// The second one.
    B,
}

/// What a join tells its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub enum JoinEvent {
    /// One side has its connection now.
    Bound {
        /// Which one.
        side: Side,
    },
    /// Went through since the last time, in both directions together.
    Moved {
        /// SENDs that ended.
        chunks: u64,
        /// Body octets.
        octets: u64,
    },
    /// One side is over, so the join is. What was under way the other side has been told; its
    /// session is left to the owner to close.
    Ended {
        /// Whose session ended.
        side: Side,
        /// Why.
        reason: CloseReason,
    },
}

/// Counts what a join moves and tells its owner.
pub struct Join {
    lanes: Rc<RefCell<Lanes>>,
    owner: Recipient<JoinEvent>,
}

/// The two lanes of a join.
struct Lanes {
    /// From A to B, and from B to A.
    lanes: [Lane; 2],
    chunks: u64,
    octets: u64,
    ended: Option<Addr<Join>>,
}

/// What a session of the join tells to.
struct End {
    side: Side,
    lanes: Rc<RefCell<Lanes>>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Joined {
    side: Side,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Over {
    side: Side,
    reason: CloseReason,
}

impl Join {
    /// Joins two open sessions. They need not be bound yet: the little that one side sends early
    /// waits here until the other is there, the rest in its connection. Where both may come over
    /// one connection, let nobody send before the other side is bound.
    pub fn of(a: SessionHandle, b: SessionHandle, owner: Recipient<JoinEvent>) -> Addr<Self> {
        let lanes = Rc::new(RefCell::new(Lanes {
            lanes: [
                Lane::new(&Valve::of(&a), b.clone()),
                Lane::new(&Valve::of(&b), a.clone()),
            ],
            chunks: 0,
            octets: 0,
            ended: None,
        }));
        let join = Self {
            lanes: lanes.clone(),
            owner,
        };
        let join = join.start();
        lanes.borrow_mut().ended = Some(join.clone());
        for (side, session) in [(Side::A, &a), (Side::B, &b)] {
            session.set_sink(Box::new(End {
                side,
                lanes: lanes.clone(),
            }));
        }
        lanes.borrow_mut().check_ways();
        join
    }

    fn tell_progress(&mut self) {
        let (chunks, octets) = {
            let mut lanes = self.lanes.borrow_mut();
            (
                std::mem::take(&mut lanes.chunks),
                std::mem::take(&mut lanes.octets),
            )
        };
        if chunks > 0 || octets > 0 {
            // an owner that is gone or behind loses a figure, nothing else
            let _ = self.owner.try_send(JoinEvent::Moved { chunks, octets });
        }
    }
}

impl Actor for Join {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(PROGRESS, |join, _| join.tell_progress());
    }
}

impl Handler<Joined> for Join {
    type Result = ();

    fn handle(&mut self, Joined { side }: Joined, _: &mut Self::Context) {
        self.owner.do_send(JoinEvent::Bound { side });
    }
}

impl Handler<Over> for Join {
    type Result = ();

    fn handle(&mut self, Over { side, reason }: Over, ctx: &mut Self::Context) {
        self.tell_progress();
        self.owner.do_send(JoinEvent::Ended { side, reason });
        ctx.stop();
    }
}

impl Lanes {
    /// The lane that starts at `side`, and the one that ends there.
    fn lanes_of(&mut self, side: Side) -> (&mut Lane, &mut Lane) {
        let [from_a, from_b] = &mut self.lanes;
        match side {
            Side::A => (from_a, from_b),
            Side::B => (from_b, from_a),
        }
    }

    fn check_ways(&mut self) {
        for lane in &mut self.lanes {
            lane.check_way();
        }
    }

    fn take(&mut self, side: Side, event: SessionEvent) {
        let (outward, inward) = self.lanes_of(side);
        match event {
            SessionEvent::Head(inbound) => outward.take_head(inbound),
            SessionEvent::Body(chunk, octets) => {
                let count = octets.len() as u64;
                outward.take_body(chunk, octets);
                self.octets += count;
            }
            SessionEvent::End(chunk, flag) => {
                outward.take_end(chunk, flag);
                self.chunks += 1;
            }
            SessionEvent::Report(head) => outward.take_report(head),
            SessionEvent::Nickname(request) => outward.take_nickname(request),
            SessionEvent::Response { transaction, code } => {
                inward.take_response(transaction, code);
            }
            SessionEvent::Bound => {
                inward.open_way();
                if let Some(join) = &self.ended {
                    join.do_send(Joined { side });
                }
            }
            SessionEvent::Writable => inward.open_way(),
            SessionEvent::Full => inward.block_way(),
            SessionEvent::Closed(reason) => {
                inward.lose_way();
                outward.lose_source();
                if let Some(join) = self.ended.take() {
                    join.do_send(Over { side, reason });
                }
            }
        }
    }
}

impl Sink for End {
    fn handle(&mut self, events: &mut Vec<SessionEvent>, _: &SessionHandle) {
        let mut lanes = self.lanes.borrow_mut();
        for event in events.drain(..) {
            lanes.take(self.side, event);
        }
        lanes.lanes_of(self.side).0.pass_on();
    }
}
