use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What an operator may set for overload control: the `[overload]` table.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether anything is refused for want of capacity. Draining is answered either way.
    pub enabled: bool,
    /// How long a request may wait for its turn while the server is busy. While even the shortest
    /// wait is longer, a growing share of what is new is refused.
    #[serde(with = "humantime_serde")]
    pub target_delay: Duration,
    /// The same for what waits for the threads of the store.
    #[serde(with = "humantime_serde")]
    pub store_delay: Duration,
    /// Requests of one shard that may wait for their turn.
    pub max_waiting: usize,
    /// Transactions and reads that may wait for the threads of the store before new work waits
    /// outside. Few are answered soon after another, so that refusals get their turn in between;
    /// many share a sync.
    pub store_queue: usize,
    /// Resident memory that is not to be exceeded: above nine tenths of it a growing share of what
    /// is new is refused, above all of it everything new. By default three quarters of what the
    /// machine has, or the control group if that is less.
    pub max_memory: Option<ByteSize>,
    /// A datagram whose request waited longer in the kernel is dropped: its sender repeats it.
    #[serde(with = "humantime_serde")]
    pub stale_after: Duration,
    /// The shortest and the longest time that a refused client is told to wait (Retry-After).
    /// Whole seconds; each refusal takes one in between, so that they do not all come back
    /// together.
    #[serde(with = "humantime_serde")]
    pub retry_after_min: Duration,
    /// See `retry_after_min`.
    #[serde(with = "humantime_serde")]
    pub retry_after_max: Duration,
    /// Namespaces of Resource-Priority (RFC 4412) that let a request of a trusted neighbour pass
    /// whatever the load.
    pub priority: Vec<String>,
    /// Whether trusted neighbours that know RFC 7339 are told what share to hold back, and are
    /// listened to when they tell.
    pub feedback: bool,
    /// How long what a neighbour is told counts. Milliseconds on the wire.
    #[serde(with = "humantime_serde")]
    pub feedback_validity: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            target_delay: Duration::from_millis(200),
            store_delay: Duration::from_millis(250),
            max_waiting: 4_096,
            store_queue: 256,
            max_memory: None,
            stale_after: Duration::from_millis(500),
            retry_after_min: Duration::from_secs(2),
            retry_after_max: Duration::from_secs(10),
            priority: ["esnet", "ets", "wps"].map(str::to_owned).to_vec(),
            feedback: true,
            feedback_validity: Duration::from_millis(500),
        }
    }
}

impl Config {
    /// Whether every value makes sense.
    ///
    /// Errors: the first key whose value does not, and what would be right.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let delays = [
            ("overload.target_delay", self.target_delay),
            ("overload.store_delay", self.store_delay),
            ("overload.stale_after", self.stale_after),
            ("overload.feedback_validity", self.feedback_validity),
        ];
        let least = Duration::from_millis(1);
        if let Some((key, _)) = delays.into_iter().find(|(_, delay)| *delay < least) {
            return Err((key, "at least 1ms"));
        }
        let is_too_small = self.max_memory.is_some_and(|most| most < ByteSize::mib(8));
        let second = Duration::from_secs(1);
        let wrong = [
            (self.max_waiting == 0, "overload.max_waiting", "at least 1"),
            (self.store_queue == 0, "overload.store_queue", "at least 1"),
            (is_too_small, "overload.max_memory", "at least 8MiB"),
            (
                self.retry_after_min < second,
                "overload.retry_after_min",
                "at least 1s",
            ),
            (
                self.retry_after_max < self.retry_after_min,
                "overload.retry_after_max",
                "at least overload.retry_after_min",
            ),
        ];
        match wrong.into_iter().find(|(is_wrong, ..)| *is_wrong) {
            Some((_, key, expected)) => Err((key, expected)),
            None => Ok(()),
        }
    }

    /// What a refused client is told to wait: `chance`, evenly spread over all numbers, chooses.
    pub(super) fn retry_after(&self, chance: u32) -> u64 {
        let (least, most) = (
            self.retry_after_min.as_secs(),
            self.retry_after_max.as_secs(),
        );
        let span = most.saturating_sub(least) + 1;
        least + ((u64::from(chance) * span) >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_make_sense_and_a_senseless_value_is_named() {
        assert_eq!(Config::default().check(), Ok(()));
        let config = Config {
            retry_after_max: Duration::from_secs(1),
            ..Config::default()
        };
        let expected = "at least overload.retry_after_min";
        assert_eq!(config.check(), Err(("overload.retry_after_max", expected)));
    }

    #[test]
    fn refused_clients_are_spread_over_the_whole_range_and_nowhere_else() {
        let config = Config::default();
        assert_eq!(config.retry_after(0), 2);
        assert_eq!(config.retry_after(u32::MAX / 2), 6);
        assert_eq!(config.retry_after(u32::MAX), 10);
    }
}
