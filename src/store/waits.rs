use crate::clock;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Nobody was served since the last look.
const NOBODY: u64 = u64::MAX;

/// How long those who wait for a thread of the store have to: the least of it since the last
/// look, because a queue that is empty now and then is no queue.
#[derive(Clone)]
pub(super) struct Waits(Arc<Inner>);

struct Inner {
    began: Instant,
    /// Units: microseconds.
    least: AtomicU64,
    /// When who is being served now began to be, since `began`; 0 while nobody is.
    serving: AtomicU64,
}

impl Waits {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            began: clock::now(),
            least: AtomicU64::new(NOBODY),
            serving: AtomicU64::new(0),
        }))
    }

    /// Notes that somebody who asked at `asked` is served now; a waiter only if others wait too.
    pub(super) fn serve(&self, asked: Instant, others: bool) {
        let now = clock::now();
        let waited = match others {
            true => now.saturating_duration_since(asked),
            false => Duration::ZERO,
        };
        self.0
            .least
            .fetch_min(clock::micros(waited), Ordering::Relaxed);
        let since = clock::micros(now.saturating_duration_since(self.0.began)).max(1);
        self.0.serving.store(since, Ordering::Relaxed);
    }

    /// Notes that nobody is served any more.
    pub(super) fn rest(&self) {
        self.0.serving.store(0, Ordering::Relaxed);
    }

    /// The shortest wait since the last call. Where nobody was served since, but somebody still
    /// is, the wait is at least as long as that takes.
    pub(super) fn take(&self) -> Duration {
        let least = self.0.least.swap(NOBODY, Ordering::Relaxed);
        if least != NOBODY {
            return Duration::from_micros(least);
        }
        match self.0.serving.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => {
                let now = clock::now().saturating_duration_since(self.0.began);
                now.saturating_sub(Duration::from_micros(since))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn wait_is_the_shortest_one_and_goes_on_while_somebody_is_served() {
        let waits = Waits::new();
        let second = Duration::from_secs(1);
        let asked = clock::now();
        tokio::time::advance(second).await;
        assert_eq!(waits.take(), Duration::ZERO);
        waits.serve(asked, true);
        waits.serve(asked + second / 2, true);
        assert_eq!(waits.take(), second / 2);
        tokio::time::advance(second).await;
        assert_eq!(waits.take(), second);
        waits.rest();
        assert_eq!(waits.take(), Duration::ZERO);
        waits.serve(asked, false);
        assert_eq!(waits.take(), Duration::ZERO);
    }
}
