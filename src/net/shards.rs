use actix_rt::{Arbiter, ArbiterHandle};
use std::sync::Arc;
use tokio::sync::oneshot;

/// The arbiters that share the work: one single-threaded runtime each, nothing shared.
///
/// What belongs to one call or one session runs on one of them; `of` tells which.
#[derive(Clone)]
pub struct Shards(Arc<[ArbiterHandle]>);

impl Shards {
    /// Starts `count` arbiters (at least one). Must be called inside an actix system.
    pub fn start(count: usize) -> Self {
        Self((0..count.max(1)).map(start).collect())
    }

    /// One shard: the calling arbiter. For clients and tests.
    pub fn current_only() -> Self {
        Self(Arc::new([Arbiter::current()]))
    }

    /// How many shards there are; never zero.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The shard that owns `key`: the same for the same key and count, in every process.
    pub fn of(&self, key: &[u8]) -> usize {
        let count = self.0.len() as u64;
        // bounded by the count, so it fits
        (fnv1a(key) % count) as usize
    }

    /// The arbiter of shard `index`.
    pub fn arbiter(&self, index: usize) -> &ArbiterHandle {
        &self.0[index]
    }

    /// Runs what `start` makes on shard `index`. Does nothing if that arbiter has stopped.
    pub fn spawn_on<S, F>(&self, index: usize, start: S)
    where
        S: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + 'static,
    {
        self.0[index].spawn_fn(move || {
            actix_rt::spawn(start());
        });
    }

    /// Runs what `start` makes on shard `index` and waits for its result; `None` if that arbiter
    /// stopped before.
    pub async fn run_on<S, F, R>(&self, index: usize, start: S) -> Option<R>
    where
        S: FnOnce() -> F + Send + 'static,
        F: Future<Output = R> + 'static,
        R: Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        self.spawn_on(index, move || async move {
            // a caller that went away wants no answer
            let _ = answer.send(start().await);
        });
        result.await.ok()
    }
}

/// Starts an arbiter whose thread operators know by its number.
fn start(index: usize) -> ArbiterHandle {
    let arbiter = Arbiter::new().handle();
    arbiter.spawn_fn(move || {
        // where there is no such file, the thread keeps the name it has
        let _ = std::fs::write("/proc/thread-self/comm", format!("arbiter-{index}"));
    });
    arbiter
}

/// FNV-1a, 64 bits: stable across processes, unlike the standard library's hasher.
fn fnv1a(key: &[u8]) -> u64 {
    key.iter().fold(0xcbf2_9ce4_8422_2325, |hash, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)
    })
}
