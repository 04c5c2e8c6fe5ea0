//! Measures what no request shows, and says so in the log: memory, and how far the store is
//! behind.
use super::{Class, Law, Reason, Valve, law::INTERVAL, valve::memory_bound};
use crate::clock;
use std::time::{Duration, Instant};

/// How long it must have lasted before the log says so.
const WORTH_TELLING: Duration = Duration::from_millis(200);
/// How long nothing must have been refused before the log calls it over.
const CALM: Duration = Duration::from_secs(2);
/// How often memory is looked at, in intervals.
const MEMORY_EVERY: u32 = 4;

/// What is measured, by those who can.
pub struct Sources {
    /// Resident memory of this process, in octets.
    pub resident: Box<dyn Fn() -> Option<u64> + Send>,
    /// The memory it could have, in octets.
    pub available: u64,
    /// How long what waits for the store's threads has to, at least, since the last call.
    pub store: Box<dyn Fn() -> Duration + Send>,
    /// How late the latest arbiter is.
    pub lag: Box<dyn Fn() -> Duration + Send>,
}

/// Watches over `valve` on the calling arbiter, for as long as that lives.
pub fn watch(valve: Valve, sources: Sources) {
    let most = memory_bound(valve.config().max_memory, sources.available);
    tracing::info!(
        max_memory = most,
        target_delay = ?valve.config().target_delay,
        enabled = valve.config().enabled,
        "overload control"
    );
    actix_rt::spawn(run(valve, sources, most));
}

#[expect(clippy::cast_precision_loss, reason = "2^53 octets are enough")]
async fn run(valve: Valve, sources: Sources, most: u64) {
    let mut store = Law::new(valve.config().store_delay);
    let mut spell = Spell::default();
    let mut before = clock::now();
    for round in 0u32.. {
        tokio::time::sleep(INTERVAL).await;
        let now = clock::now();
        let delay = (sources.store)();
        store.update(delay, now.saturating_duration_since(before));
        before = now;
        valve.set_store(store.share());
        valve.metrics().store_delay.set(delay.as_secs_f64());
        if round % MEMORY_EVERY == 0
            && let Some(resident) = (sources.resident)()
        {
            let used = resident as f64 / most.max(1) as f64;
            valve.set_memory(used);
            valve.metrics().memory.set(used);
        }
        spell.look(&valve, (sources.lag)(), now);
    }
}

/// A time of overload, from its first refusal on.
#[derive(Default)]
struct Spell {
    began: Option<Instant>,
    last: Option<Instant>,
    is_told: bool,
}

impl Spell {
    fn look(&mut self, valve: &Valve, lag: Duration, now: Instant) {
        match valve.narrowest() {
            Some(narrowest) => self.goes_on(valve, narrowest, lag, now),
            None => self.look_for_calm(valve, now),
        }
    }

    fn goes_on(
        &mut self,
        valve: &Valve,
        (class, reason, share): (Class, Reason, f64),
        lag: Duration,
        now: Instant,
    ) {
        let began = *self.began.get_or_insert(now);
        self.last = Some(now);
        valve.metrics().active.set(1.0);
        if !self.is_told && now.saturating_duration_since(began) >= WORTH_TELLING {
            self.is_told = true;
            tracing::warn!(
                reason = reason.kind(),
                limit = reason.limit(),
                class = class.kind(),
                let_in = format!("{:.0}%", share * 100.0),
                arbiter_lag = ?lag,
                hint = hint(reason),
                "overloaded: new work is refused"
            );
        }
    }

    fn look_for_calm(&mut self, valve: &Valve, now: Instant) {
        let (Some(began), Some(last)) = (self.began, self.last) else {
            return;
        };
        valve.metrics().active.set(0.0);
        if now.saturating_duration_since(last) < CALM {
            return;
        }
        if self.is_told {
            let lasted = last.saturating_duration_since(began);
            tracing::info!(?lasted, "no longer overloaded: everything is let in");
        }
        *self = Self::default();
    }
}

/// What an operator can do about it.
fn hint(reason: Reason) -> &'static str {
    match reason {
        Reason::Draining => "the server is being stopped",
        Reason::Delay => "the processors are busy: add nodes or cores, or let neighbours send less",
        Reason::Store => "the disk is slow to sync or busy: look at restante_store_sync_seconds",
        Reason::Memory => "raise overload.max_memory, or lower the windows and caches",
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn overload_begins_with_the_first_refusal_and_ends_when_it_has_been_calm_for_a_while() {
        let valve = Valve::new(Config::default(), 1, |_| false);
        let start = Instant::now();
        let mut spell = Spell::default();
        let mut look = |later, valve: &Valve| {
            spell.look(valve, Duration::ZERO, start + Duration::from_millis(later));
            (spell.began.is_some(), spell.is_told)
        };
        assert_eq!(look(0, &valve), (false, false));
        valve.set_line(0, [1.0, 0.5]);
        assert_eq!(valve.narrowest().map(|it| it.0), Some(Class::New));
        assert_eq!(look(100, &valve), (true, false));
        assert_eq!(look(400, &valve), (true, true));
        valve.set_line(0, [1.0, 1.0]);
        assert_eq!(look(1_500, &valve), (true, true));
        assert_eq!(look(2_500, &valve), (false, false));
    }
}
