//! What the clients and the killer write down together.
use crate::{
    ledger::{Acknowledged, Delivery, Ledger, Seen, Verdict},
    octets::Digest,
    plan::{Plan, Planned},
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// The notes of one test; clones are the same notes.
#[derive(Clone)]
pub struct Notes {
    begun: Instant,
    ledger: Arc<Mutex<Ledger>>,
    enough: Arc<AtomicBool>,
}

impl Notes {
    pub fn new(plan: Plan) -> Self {
        Self {
            begun: Instant::now(),
            ledger: Arc::new(Mutex::new(Ledger::new(plan))),
            enough: Arc::default(),
        }
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn sent(&self, message: &Planned, digest: Digest) {
        self.ledger().sent(message, digest);
    }

    pub fn acknowledged(&self, message: &Planned, how: Acknowledged) {
        let at = self.begun.elapsed();
        self.ledger().acknowledged(message.number, how, at);
    }

    pub fn refused(&self, message: &Planned, why: &str) {
        self.ledger().refused(message.number, why);
    }

    pub fn delivered(&self, delivery: &Delivery<'_>) -> Seen {
        let at = self.begun.elapsed();
        self.ledger().delivered(delivery, at)
    }

    pub fn broke(&self) {
        let at = self.begun.elapsed();
        self.ledger().broke(at);
    }

    pub fn verdict(&self) -> Verdict {
        self.ledger().verdict()
    }

    /// From now on no sender begins a new message.
    pub fn say_enough(&self) {
        self.enough.store(true, Ordering::Relaxed);
    }

    pub fn is_enough(&self) -> bool {
        self.enough.load(Ordering::Relaxed)
    }
}
