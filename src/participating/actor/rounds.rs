//! How far what was begun has come: rounds of flows, and the messengers that end them.
use crate::{clock, overload::Valve, store};
use std::{cell::Cell, rc::Rc, time::Duration};
use tokio::sync::Notify;

/// Flows begun in one round.
pub(super) const STARTS: usize = 8;
/// Rounds that may be under way.
const ROUNDS: usize = 8;
/// How long a messenger rests whom the store did not take.
const AGAIN: Duration = Duration::from_millis(1);

/// Counts the flows that are begun on one arbiter.
///
/// A round is over when its messenger is back from the store, who stands in line with the answers
/// that flows wait for. An arbiter serves what its own tasks wake before what other threads do:
/// who waits for the store would starve beside a line that begins more in every turn.
pub(super) struct Rounds(Rc<State>);

struct State {
    store: store::Handle,
    valve: Valve,
    /// Flows begun in the round that begins.
    begun: Cell<usize>,
    under_way: Cell<usize>,
    /// Told when one is over.
    over: Notify,
}

impl Rounds {
    pub fn new(store: store::Handle, valve: Valve) -> Self {
        Self(Rc::new(State {
            store,
            valve,
            begun: Cell::new(0),
            under_way: Cell::new(0),
            over: Notify::new(),
        }))
    }

    /// Whether so many are under way that no flow is to be begun.
    pub fn are_full(&self) -> bool {
        self.0.under_way.get() >= ROUNDS
    }

    /// Resolves when a round is over, at once if one was since the last call.
    pub async fn one_is_over(&self) {
        self.0.over.notified().await;
    }

    /// Counts a flow that was begun; the last one of a round sends the messenger.
    pub fn count(&self) {
        let state = &self.0;
        state.begun.set((state.begun.get() + 1) % STARTS);
        if state.begun.get() == 0 {
            state.under_way.set(state.under_way.get() + 1);
            actix_rt::spawn(send_messenger(state.clone()));
        }
    }
}

async fn send_messenger(state: Rc<State>) {
    let sent = clock::now();
    if state.store.pass().await.is_err() {
        // its queue is full, or it ends
        tokio::time::sleep(AGAIN).await;
    }
    let took = clock::now().saturating_duration_since(sent);
    state.valve.metrics().round.record(took);
    state.under_way.set(state.under_way.get() - 1);
    state.over.notify_one();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        overload,
        store::{Config, Memory},
    };
    use std::sync::{Arc, mpsc};

    /// A store whose only reader reads until it is told otherwise.
    fn busy_store() -> (store::Handle, store::Threads, mpsc::Sender<()>) {
        let config = Config {
            readers: 1,
            ..Config::default()
        };
        let engine = Arc::new(Memory::default());
        let (handle, threads) = store::Handle::start(engine, &config, store::abort()).unwrap();
        let (enough, is_enough) = mpsc::channel();
        let reading = handle.clone();
        actix_rt::spawn(async move {
            let read = reading.read(move |_| {
                // whoever is gone has had enough
                let _ = is_enough.recv();
                Ok(())
            });
            read.await.unwrap();
        });
        (handle, threads, enough)
    }

    #[actix_rt::test]
    async fn no_more_is_begun_than_comes_round() {
        let (store, _threads, enough) = busy_store();
        tokio::task::yield_now().await;
        let valve = Valve::new(overload::Config::default(), 1, |_| false);
        let rounds = Rounds::new(store, valve);
        for begun in 0..ROUNDS * STARTS {
            assert!(!rounds.are_full(), "after {begun}");
            rounds.count();
        }
        assert!(rounds.are_full());
        let waited = tokio::time::timeout(Duration::from_millis(50), rounds.one_is_over());
        assert!(waited.await.is_err(), "a messenger overtook a read");
        enough.send(()).unwrap();
        rounds.one_is_over().await;
        assert!(!rounds.are_full());
    }
}
