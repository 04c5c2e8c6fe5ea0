//! Channels to other servers. One is there for all calls of a sender to a receiver that go the
//! same way: a second call joins it, and it stays open for a while after the last one (spec:
//! offline messages, rule 1).
//!
//! A channel lives on the shard of the call that opened it; calls of other shards have their
//! session there too, and only their dialog at home.

mod entering;
mod guest;
mod opening;
mod serving;

pub(super) use entering::carry;

use crate::{identity::Address, neighbours::Hop};
use guest::{Guest, GuestId};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};
use tokio::sync::{
    mpsc::{self, UnboundedReceiver, UnboundedSender},
    oneshot,
};

/// Which channels to other servers are open, in the whole process.
#[derive(Clone, Default)]
pub struct Pool(Arc<Mutex<HashMap<Address, Ways>>>);

/// The channels for one receiver.
type Ways = HashMap<(Address, Hop), UnboundedSender<Order>>;

/// Whose channel it is: who sends, to whom, by which server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Way {
    sender: Address,
    recipient: Address,
    hop: Hop,
}

/// Why a call goes to another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goes {
    /// That one serves its receiver.
    Onward,
    /// That one keeps what our receiver misses.
    ToKeeper,
}

/// What a channel is asked for.
enum Order {
    /// A call wants to use it.
    Join(Box<Guest>),
    /// A call no longer does.
    Leave(GuestId),
    /// A call has another offer; the answer goes back.
    Again(GuestId, Vec<u8>, oneshot::Sender<Result<Vec<u8>, u16>>),
    /// The receiver is there now: calls are to find out.
    Retire,
}

/// The place of a channel in the pool, given back when it is dropped.
struct Entry {
    pool: Pool,
    way: Way,
    line: UnboundedSender<Order>,
}

/// A call's place on a channel, given back when it is dropped.
struct Ticket {
    line: UnboundedSender<Order>,
    guest: GuestId,
}

/// A channel that is still to be opened: what it will be asked for, and its place in the pool if
/// it has one.
type Vacancy = (Option<Entry>, UnboundedReceiver<Order>);

impl Pool {
    /// Brings a guest to the channel that goes its way; the caller opens it where there is none.
    fn enter(&self, way: &Way, guest: Box<Guest>) -> (Ticket, Option<Vacancy>) {
        let id = guest.id;
        let mut pool = self.0.lock();
        let ways = pool.entry(way.recipient.clone()).or_default();
        let to = (way.sender.clone(), way.hop.clone());
        let guest = match ways.get(&to) {
            None => guest,
            Some(line) => match line.send(Order::Join(guest)) {
                Ok(()) => return (ticket(line, id), None),
                // it has just ended
                Err(mpsc::error::SendError(Order::Join(guest))) => guest,
                Err(_) => return (ticket(line, id), None),
            },
        };
        let (line, orders) = mpsc::unbounded_channel();
        ways.insert(to, line.clone());
        // its receiver is in this function
        let _ = line.send(Order::Join(guest));
        let entry = Entry {
            pool: self.clone(),
            way: way.clone(),
            line: line.clone(),
        };
        (ticket(&line, id), Some((Some(entry), orders)))
    }

    /// A channel for one guest alone.
    fn apart(guest: Box<Guest>) -> (Ticket, Option<Vacancy>) {
        let id = guest.id;
        let (line, orders) = mpsc::unbounded_channel();
        // its receiver is in this function
        let _ = line.send(Order::Join(guest));
        (ticket(&line, id), Some((None, orders)))
    }

    /// Lets nobody join the channels to where messages for `recipient` are kept any more, and
    /// ends them as soon as they rest: `recipient` is there now, and the next call finds out.
    pub(super) fn retire(&self, recipient: &Address) {
        let ways = self.0.lock().remove(recipient);
        for line in ways.iter().flat_map(HashMap::values) {
            // one that has ended needs no telling
            let _ = line.send(Order::Retire);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut pool = self.pool.0.lock();
        let Some(ways) = pool.get_mut(&self.way.recipient) else {
            return;
        };
        let to = (self.way.sender.clone(), self.way.hop.clone());
        if ways
            .get(&to)
            .is_some_and(|line| line.same_channel(&self.line))
        {
            ways.remove(&to);
        }
        if ways.is_empty() {
            pool.remove(&self.way.recipient);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // a channel that has ended has nobody to let go
        let _ = self.line.send(Order::Leave(self.guest));
    }
}

fn ticket(line: &UnboundedSender<Order>, guest: GuestId) -> Ticket {
    Ticket {
        line: line.clone(),
        guest,
    }
}

/// The value of a Reason header.
fn reason(text: &str) -> Option<String> {
    Some(format!("SIP;cause=200;text=\"{text}\""))
}
