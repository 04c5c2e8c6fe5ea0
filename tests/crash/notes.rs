//! What the clients and the killer write down together.
use crate::{
    ledger::{Acknowledged, Delivery, Ledger, Seen, Verdict},
    octets::Digest,
    plan::{Plan, Planned},
};
use std::{
    collections::BTreeMap,
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
    refusals: Arc<Mutex<BTreeMap<String, u64>>>,
    enough: Arc<AtomicBool>,
}

impl Notes {
    pub fn new(plan: Plan) -> Self {
        Self {
            begun: Instant::now(),
            ledger: Arc::new(Mutex::new(Ledger::new(plan))),
            refusals: Arc::default(),
            enough: Arc::default(),
        }
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn sent(&self, message: &Planned, digest: Digest) {
        let at = self.begun.elapsed();
        self.ledger().sent(message, digest, at);
    }

    pub fn acknowledged(&self, message: &Planned, how: Acknowledged) {
        let at = self.begun.elapsed();
        self.ledger().acknowledged(message.number, how, at);
    }

    pub fn refused(&self, message: &Planned, why: &str) {
        self.ledger().refused(message.number, why);
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        *refusals.entry(why.to_owned()).or_default() += 1;
    }

    /// What senders were told instead of an acknowledgement, and how often.
    pub fn refusals(&self) -> BTreeMap<String, u64> {
        let refusals = self.refusals.lock();
        refusals.unwrap_or_else(PoisonError::into_inner).clone()
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
