use super::Shards;
use crate::clock;
use metrics::{Gauge, Histogram, Unit, describe_gauge, describe_histogram, gauge, histogram};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How often an arbiter's turn is asked for.
const EVERY: Duration = Duration::from_millis(10);
/// How long the worst lag is shown, at least; at most twice as long.
const SHOWN: Duration = Duration::from_secs(10);

const LAG: &str = "restante_arbiter_lag_seconds";
const WORST: &str = "restante_arbiter_lag_worst_seconds";

/// How late each arbiter serves what is due: the time that everything else on it takes in between.
///
/// A task on each arbiter asks for a turn a hundred times a second and notes when it gets it.
/// Cheap to clone; read from any thread.
#[derive(Clone)]
pub struct Pulse(Arc<Heart>);

struct Heart {
    began: Instant,
    beats: Vec<Beat>,
}

/// What is known of one arbiter. Units: microseconds.
#[derive(Default)]
struct Beat {
    lag: AtomicU64,
    /// When the next turn is due, since the pulse began.
    due: AtomicU64,
}

impl Pulse {
    /// Watches every arbiter of `shards` for as long as it lives. What is measured stands in
    /// `/metrics` too.
    pub fn start(shards: &Shards) -> Self {
        describe_histogram!(LAG, Unit::Seconds, "How late an arbiter serves what is due");
        describe_gauge!(
            WORST,
            Unit::Seconds,
            "The latest that an arbiter served what was due, in the last ten seconds"
        );
        let beats = (0..shards.len()).map(|_| Beat::default()).collect();
        let began = clock::now();
        let pulse = Self(Arc::new(Heart { began, beats }));
        for shard in 0..shards.len() {
            let heart = pulse.0.clone();
            shards.spawn_on(shard, move || beat(heart, shard));
        }
        pulse
    }

    /// How late `shard` is: at its last turn, or by now if it owes one for longer.
    pub fn lag(&self, shard: usize) -> Duration {
        let Some(beat) = self.0.beats.get(shard) else {
            return Duration::ZERO;
        };
        let last = Duration::from_micros(beat.lag.load(Ordering::Relaxed));
        last.max(self.overdue(beat))
    }

    /// How late the latest arbiter is. One that does not answer any more is later and later.
    pub fn worst(&self) -> Duration {
        let lags = (0..self.0.beats.len()).map(|shard| self.lag(shard));
        lags.max().unwrap_or_default()
    }

    /// The shards that are later than `limit`.
    pub fn later_than(&self, limit: Duration) -> Vec<usize> {
        let shards = 0..self.0.beats.len();
        shards.filter(|shard| self.lag(*shard) > limit).collect()
    }

    fn overdue(&self, beat: &Beat) -> Duration {
        let due = Duration::from_micros(beat.due.load(Ordering::Relaxed));
        let now = clock::now().saturating_duration_since(self.0.began);
        match due.is_zero() {
            // it has not begun yet
            true => Duration::ZERO,
            false => now.saturating_sub(due),
        }
    }
}

async fn beat(heart: Arc<Heart>, shard: usize) {
    let Some(beat) = heart.beats.get(shard) else {
        return;
    };
    let label = shard.to_string();
    let lags: Histogram = histogram!(LAG, "shard" => label.clone());
    let mut shown = Worst::new(gauge!(WORST, "shard" => label), clock::now());
    loop {
        let due = clock::now() + EVERY;
        let since = due.saturating_duration_since(heart.began);
        beat.due.store(clock::micros(since), Ordering::Relaxed);
        tokio::time::sleep_until(due.into()).await;
        let now = clock::now();
        let lag = now.saturating_duration_since(due);
        beat.lag.store(clock::micros(lag), Ordering::Relaxed);
        lags.record(lag);
        shown.take(lag, now);
    }
}

/// The worst lag of this span of time and of the one before.
struct Worst {
    gauge: Gauge,
    now: Duration,
    before: Duration,
    until: Instant,
}

impl Worst {
    fn new(gauge: Gauge, now: Instant) -> Self {
        Self {
            gauge,
            now: Duration::ZERO,
            before: Duration::ZERO,
            until: now + SHOWN,
        }
    }

    fn take(&mut self, lag: Duration, now: Instant) {
        if now >= self.until {
            self.before = std::mem::take(&mut self.now);
            self.until = now + SHOWN;
        }
        self.now = self.now.max(lag);
        self.gauge.set(self.now.max(self.before).as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn arbiter_that_is_held_up_is_late_and_seen_to_be_while_it_still_is() {
        const HELD: Duration = Duration::from_secs(1);
        let shards = Shards::start(1);
        let pulse = Pulse::start(&shards);
        // the first turn was given: the pulse has begun
        while pulse.0.beats[0].due.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        shards.spawn_on(0, || async { std::thread::sleep(HELD) });
        let end = clock::now() + Duration::from_secs(30);
        while pulse.worst() < HELD / 10 {
            assert!(clock::now() < end, "never seen to be late");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        shards.arbiter(0).stop();
    }

    #[test]
    fn worst_lag_is_shown_for_a_while_and_then_forgotten() {
        let start = Instant::now();
        let mut worst = Worst::new(Gauge::noop(), start);
        let second = Duration::from_secs(1);
        worst.take(second, start + second);
        worst.take(Duration::ZERO, start + second * 11);
        assert_eq!(worst.now.max(worst.before), second);
        worst.take(Duration::ZERO, start + second * 22);
        assert_eq!(worst.now.max(worst.before), Duration::ZERO);
    }
}
