//! Joins any number of near sessions to one far session: what comes in on any of them goes out on
//! the one channel there is to the neighbour (spec: offline messages, rule 1).
//!
//! Who hears what: the answer to a SEND goes to the session it came from, a REPORT to the one that
//! sent the message, a message of the far side to the session that spoke last. A near session that
//! ends in the middle of a message gives that message up on the far side, where the channel stays.

mod reports;
mod strands;

use super::{CloseReason, SessionEvent, SessionHandle, Sink};
use actix::prelude::*;
use bytes::Bytes;
use std::{cell::RefCell, rc::Rc};
use strands::Strands;

/// Names a near session of a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Strand(u64);

/// What a trunk tells its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub enum TrunkEvent {
    /// The far side has its connection.
    Bound,
    /// All that was sent on has its answer, and nothing is unfinished.
    Rested,
    /// A near session is over; what it had not finished is given up.
    Left {
        /// Which one.
        strand: Strand,
        /// Why.
        reason: CloseReason,
    },
    /// The far side is over, so the trunk is. What was under way the near sides have been told;
    /// their sessions are left to the owner to close.
    Ended {
        /// Why.
        reason: CloseReason,
    },
}

/// What went through since the session joined, both ways together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// SENDs that ended.
    pub chunks: u64,
    /// Body octets.
    pub octets: u64,
}

/// Near sessions that share a far one. Octets move inside the sessions' sinks; all of them are on
/// one shard.
pub struct Trunk {
    strands: Rc<RefCell<Strands>>,
}

/// What a session of the trunk tells to.
struct End {
    /// None is the far side.
    strand: Option<Strand>,
    strands: Rc<RefCell<Strands>>,
}

impl Trunk {
    /// Makes a trunk of an open session, which nobody has joined yet.
    pub fn over(far: &SessionHandle, owner: Recipient<TrunkEvent>) -> Self {
        let strands = Rc::new(RefCell::new(Strands::over(far, owner)));
        far.set_sink(Box::new(End {
            strand: None,
            strands: strands.clone(),
        }));
        Self { strands }
    }

    /// Joins an open session. Every SEND it brings gets these header lines (`Name: value`) on its
    /// way. It leaves when it is closed.
    pub fn join(&self, near: &SessionHandle, lines: Vec<Bytes>) -> Strand {
        let strand = self.strands.borrow_mut().join(near, lines);
        near.set_sink(Box::new(End {
            strand: Some(strand),
            strands: self.strands.clone(),
        }));
        strand
    }

    /// Returns what has gone through for a near session; nothing if it has left.
    pub fn moved(&self, strand: Strand) -> Moved {
        self.strands.borrow().moved(strand)
    }

    /// Tells whether nothing is on its way: no message is unfinished and no SEND unanswered, nor
    /// one of a session that has left.
    pub fn is_quiet(&self) -> bool {
        self.strands.borrow().is_quiet()
    }
}

impl Sink for End {
    fn handle(&mut self, events: &mut Vec<SessionEvent>, _: &SessionHandle) {
        let mut strands = self.strands.borrow_mut();
        match self.strand {
            Some(strand) => strands.take_near(strand, events),
            None => strands.take_far(events),
        }
    }
}
