use crate::{clock, identity::Address, participating::Metrics};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Which mailboxes are being handed over, in the whole process: at most one drain each, however
/// often a device registers meanwhile, and so many at a time. Who finds all seats taken waits in
/// line.
#[derive(Clone)]
pub struct Drains(Arc<Inner>);

struct Inner {
    running: Mutex<HashMap<Address, Arc<Asked>>>,
    seats: Arc<Semaphore>,
    in_line: AtomicUsize,
}

/// Whether somebody asked for a drain while it ran.
#[derive(Default)]
struct Asked {
    again: AtomicBool,
    wake: Notify,
    /// Wakes who waits for a login.
    login: Notify,
}

/// Why a mailbox is to be handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// A device registered, or was heard of again.
    Login,
    /// Something waits.
    Mail,
}

impl Drains {
    /// Lets `seats` mailboxes be handed over at a time; at least one.
    pub fn new(seats: usize) -> Self {
        Self(Arc::new(Inner {
            running: Mutex::default(),
            seats: Arc::new(Semaphore::new(seats.clamp(1, Semaphore::MAX_PERMITS))),
            in_line: AtomicUsize::new(0),
        }))
    }

    /// Begins the drain of `recipient`, or `None` while another one is on its way: that one looks
    /// again before it ends.
    pub(super) fn enter(&self, recipient: &Address, occasion: Occasion) -> Option<Drain> {
        let mut running = self.0.running.lock();
        if let Some(asked) = running.get(recipient) {
            asked.again.store(true, Ordering::Relaxed);
            asked.wake.notify_one();
            if occasion == Occasion::Login {
                asked.login.notify_one();
            }
            return None;
        }
        let asked = Arc::<Asked>::default();
        running.insert(recipient.clone(), asked.clone());
        Some(Drain {
            drains: self.clone(),
            recipient: recipient.clone(),
            asked,
            is_over: false,
        })
    }

    /// Whether a mailbox is being handed over, or about to be.
    pub(super) fn is_running(&self, recipient: &Address) -> bool {
        self.0.running.lock().contains_key(recipient)
    }

    /// Waits in line for the right to hand a mailbox over.
    pub async fn seat(&self, metrics: &Metrics) -> Option<Seat> {
        let (waiting, since) = (InLine::new(&self.0, metrics), clock::now());
        let permit = self.0.seats.clone().acquire_owned().await;
        drop(waiting);
        metrics.drain_wait.record(since.elapsed());
        let permit = permit.ok()?;
        metrics.drains_running.increment(1);
        Some(Seat {
            metrics: metrics.clone(),
            since: clock::now(),
            _permit: permit,
        })
    }

    /// Whether others wait in line.
    pub fn is_crowded(&self) -> bool {
        self.0.in_line.load(Ordering::Relaxed) > 0
    }
}

/// The right to hand a mailbox over now; given back on drop.
pub struct Seat {
    metrics: Metrics,
    since: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.metrics.drains_running.decrement(1);
        self.metrics.drain_time.record(self.since.elapsed());
    }
}

/// Counts one who waits in line, for as long as it does.
struct InLine<'a>(&'a Inner, &'a Metrics);

impl<'a> InLine<'a> {
    fn new(inner: &'a Inner, metrics: &'a Metrics) -> Self {
        inner.in_line.fetch_add(1, Ordering::Relaxed);
        metrics.drains_waiting.increment(1);
        Self(inner, metrics)
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.in_line.fetch_sub(1, Ordering::Relaxed);
        self.1.drains_waiting.decrement(1);
    }
}

/// The right to hand over one mailbox; given back on drop.
pub struct Drain {
    drains: Drains,
    recipient: Address,
    asked: Arc<Asked>,
    is_over: bool,
}

impl Drain {
    /// Resolves when somebody asks for it while it runs.
    pub async fn asked(&self) {
        while !self.asked.again.load(Ordering::Relaxed) {
            self.asked.wake.notified().await;
        }
    }

    /// Resolves when a device registers while it runs.
    pub async fn login(&self) {
        self.asked.login.notified().await;
    }

    /// Takes note of those who asked until now.
    pub fn look_again(&self) {
        self.asked.again.store(false, Ordering::Relaxed);
    }

    /// Ends the drain, unless somebody asked for it while it ran: then it comes back, to look once
    /// more.
    pub fn finish(mut self) -> Option<Drain> {
        let drains = self.drains.clone();
        let mut running = drains.0.running.lock();
        let again = self.asked.again.swap(false, Ordering::Relaxed);
        if !again {
            // under the same lock: whoever asks from now on begins a drain of its own
            running.remove(&self.recipient);
            self.is_over = true;
        }
        drop(running);
        again.then_some(self)
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        if !self.is_over {
            self.drains.0.running.lock().remove(&self.recipient);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn bob() -> Address {
        Address::parse("sip:bob@example.com").unwrap()
    }

    #[test]
    fn mailbox_is_drained_once_at_a_time() {
        let drains = Drains::new(8);
        let drain = drains.enter(&bob(), Occasion::Mail).unwrap();
        assert!(drains.enter(&bob(), Occasion::Mail).is_none());
        drop(drain);
        assert!(drains.enter(&bob(), Occasion::Mail).is_some());
    }

    #[test]
    fn drain_asked_for_meanwhile_looks_again_before_it_ends() {
        let drains = Drains::new(8);
        let drain = drains.enter(&bob(), Occasion::Mail).unwrap();
        assert!(drain.asked().now_or_never().is_none());
        assert!(drains.enter(&bob(), Occasion::Mail).is_none());
        assert!(drain.asked().now_or_never().is_some());
        let drain = drain.finish().expect("somebody asked");
        assert!(drain.asked().now_or_never().is_none());
        assert!(drain.finish().is_none());
        assert!(drains.enter(&bob(), Occasion::Mail).is_some());
    }

    #[test]
    fn login_is_told_apart_from_mail() {
        let drains = Drains::new(8);
        let drain = drains.enter(&bob(), Occasion::Login).unwrap();
        assert!(drains.enter(&bob(), Occasion::Mail).is_none());
        assert!(drain.login().now_or_never().is_none());
        assert!(drains.enter(&bob(), Occasion::Login).is_none());
        assert!(drain.login().now_or_never().is_some());
    }

    #[actix::test]
    async fn who_finds_all_seats_taken_waits_in_line() {
        let (drains, metrics) = (Drains::new(1), Metrics::register());
        let first = drains.seat(&metrics).await;
        let mut second = Box::pin(drains.seat(&metrics));
        assert!((&mut second).now_or_never().is_none() && drains.is_crowded());
        drop(first);
        assert!(second.await.is_some() && !drains.is_crowded());
    }
}
