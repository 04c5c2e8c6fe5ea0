use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// How long nothing may move on a channel before it counts as done, once the server is to end.
const REST: Duration = Duration::from_secs(1);

/// What a Reason header says of a call that ends because the server does.
pub(super) const REASON: &str = "SIP;cause=503;text=\"server shuts down\"";

/// The end of the server, as its flows learn of it: first they begin nothing new and end what they
/// are at, then they break it off. Clones share one end.
///
/// Each shard has one of its own below that of the process, so that flows that wait for it meet
/// nobody of another thread.
#[derive(Clone, Default)]
pub struct Shutdown {
    begun: CancellationToken,
    over: CancellationToken,
    tasks: Arc<AtomicUsize>,
    /// The tasks of all shards.
    counts: Arc<Mutex<Vec<Arc<AtomicUsize>>>>,
}

/// Counts one task that the server should not end without, for as long as it lives.
pub(super) struct Task(Arc<AtomicUsize>);

impl Shutdown {
    /// That of one shard.
    pub(super) fn on_shard(&self) -> Self {
        let tasks = Arc::<AtomicUsize>::default();
        self.counts.lock().push(tasks.clone());
        Self {
            begun: self.begun.child_token(),
            over: self.over.child_token(),
            tasks,
            counts: self.counts.clone(),
        }
    }

    /// Nothing new is to begin from now on.
    pub fn begin(&self) {
        self.begun.cancel();
    }

    /// What is still under way is to be broken off.
    pub fn break_off(&self) {
        self.begun.cancel();
        self.over.cancel();
    }

    /// How many tasks are under way, on all shards.
    pub fn tasks(&self) -> usize {
        let counts = self.counts.lock();
        counts.iter().map(|one| one.load(Ordering::Relaxed)).sum()
    }

    /// Counts a task of this shard.
    pub(super) fn task(&self) -> Task {
        self.tasks.fetch_add(1, Ordering::Relaxed);
        Task(self.tasks.clone())
    }

    /// Whether nothing new is to begin.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Whether what is under way is to be broken off.
    pub(super) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Resolves when nothing new is to begin.
    pub(super) async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Resolves when what is under way is to be broken off.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }

    /// Resolves when a channel is to end on which nothing moves: to be asked anew when something
    /// has. One in the middle of a message is `busy` and left alone until all is broken off.
    pub(super) async fn rested(&self, busy: bool) {
        self.begun().await;
        match busy {
            true => self.over().await,
            false => {
                // broken off or rested: the same for who waits
                let _ = tokio::time::timeout(REST, self.over()).await;
            }
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn tasks_of_all_shards_are_counted_until_they_end() {
        let shutdown = Shutdown::default();
        let (one, other) = (shutdown.on_shard(), shutdown.on_shard());
        let first = one.task();
        let second = other.task();
        assert_eq!(shutdown.tasks(), 2);
        drop(first);
        assert_eq!(shutdown.tasks(), 1);
        drop(second);
        assert_eq!(shutdown.tasks(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn channel_at_rest_ends_soon_and_a_busy_one_when_all_is_broken_off() {
        let shutdown = Shutdown::default();
        let shard = shutdown.on_shard();
        assert!(shard.rested(false).now_or_never().is_none() && !shard.has_begun());
        shutdown.begin();
        assert!(shard.has_begun());
        let begun = tokio::time::Instant::now();
        shard.rested(false).await;
        assert_eq!(begun.elapsed(), REST);
        let mut busy = Box::pin(shard.rested(true));
        tokio::time::sleep(REST * 10).await;
        assert!((&mut busy).now_or_never().is_none());
        shutdown.break_off();
        busy.await;
        shard.rested(false).await;
    }
}
