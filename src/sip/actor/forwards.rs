//! The requests of one shard that are being forwarded.
use crate::sip::{
    codec::Message,
    metrics::Open,
    proxy::{Context, LoopMark, Outcome},
    transaction::{ServerKey, Transport},
};
use hashbrown::HashMap;
use slab::Slab;
use std::{collections::BTreeSet, time::Instant};
use tokio::sync::oneshot;

/// The table of them. An entry lives as long as a branch of it does, or someone may try another.
#[derive(Default)]
pub(super) struct Forwards {
    table: Slab<Forward>,
    by_key: HashMap<ServerKey, usize>,
    /// Timer C of each.
    deadlines: BTreeSet<(Instant, usize)>,
}

pub(super) struct Forward {
    pub context: Context,
    pub key: ServerKey,
    pub mark: LoopMark,
    /// What its sender speaks.
    pub came: Transport,
    /// For the answers we make ourselves; let go with the final one.
    pub request: Option<Message>,
    /// Waits to be told how the target under way was tried.
    pub report: Option<oneshot::Sender<Outcome>>,
    /// Branches whose transactions live.
    pub branches: usize,
    /// Whoever forwards may still try another target.
    pub attended: bool,
    armed: Option<Instant>,
    _open: Open,
}

impl Forward {
    pub fn new(
        context: Context,
        key: ServerKey,
        request: Message,
        mark: LoopMark,
        came: Transport,
        open: Open,
    ) -> Self {
        Self {
            context,
            key,
            mark,
            came,
            request: Some(request),
            report: None,
            branches: 0,
            attended: true,
            armed: None,
            _open: open,
        }
    }
}

impl Forwards {
    pub fn insert(&mut self, forward: Forward) -> usize {
        let key = forward.key;
        let number = self.table.insert(forward);
        self.by_key.insert(key, number);
        number
    }

    pub fn find(&self, key: ServerKey) -> Option<usize> {
        self.by_key.get(&key).copied()
    }

    pub fn get_mut(&mut self, number: usize) -> Option<&mut Forward> {
        self.table.get_mut(number)
    }

    /// Brings the timer in line with the context, and forgets what is over.
    pub fn settle(&mut self, number: usize) {
        let Some(forward) = self.table.get_mut(number) else {
            return;
        };
        if forward.context.is_over() {
            forward.request = None;
        }
        let gone = forward.context.is_over() && forward.branches == 0 && !forward.attended;
        let next = forward.context.next_timeout();
        if next != forward.armed {
            if let Some(at) = std::mem::replace(&mut forward.armed, next) {
                self.deadlines.remove(&(at, number));
            }
            self.deadlines.extend(next.map(|at| (at, number)));
        }
        if gone {
            self.by_key.remove(&forward.key);
            self.table.remove(number);
        }
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// A request whose timer C is due at `now`.
    pub fn due(&self, now: Instant) -> Option<usize> {
        let (at, number) = self.deadlines.first()?;
        (*at <= now).then_some(*number)
    }
}
