use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The base values all timers are made of (RFC 3261 table 4, RFC 6026 §8.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timers {
    /// Estimate of the round trip; the first interval of every retransmission. Default 500 ms.
    #[serde(with = "humantime_serde")]
    pub t1: Duration,
    /// Longest interval between retransmissions. Default 4 s.
    #[serde(with = "humantime_serde")]
    pub t2: Duration,
    /// How long a message may stay in the network. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
        }
    }
}

impl Timers {
    /// When a transaction without an answer is given up: timers B, F, H, L and M.
    pub fn give_up(&self) -> Duration {
        self.t1 * 64
    }

    /// How long an INVITE may stay undecided after its latest provisional response. Users end
    /// theirs long before; this keeps one who forgot from filling the table. Like timer C of
    /// proxies (RFC 3261 §16.6), more than 3 minutes.
    pub fn undecided(&self) -> Duration {
        Duration::from_secs(600)
    }

    /// How soon `100 Trying` must be out if the user is silent (RFC 3261 §17.2.1).
    pub fn trying(&self) -> Duration {
        Duration::from_millis(200)
    }

    /// The shortest session interval that leaves time to refresh at its half: 90 s where T1 is the
    /// standard's (RFC 4028 §4), in whole seconds.
    pub fn least_session(&self) -> Duration {
        let least = self.t1 * 180;
        Duration::from_secs(least.as_millis().div_ceil(1_000) as u64)
    }

    /// Timer D: how long repeated final responses to INVITE are acknowledged.
    pub(super) fn d(&self, reliable: bool) -> Duration {
        unless(reliable, self.give_up().max(Duration::from_secs(32)))
    }

    /// Timer I: how long repeated ACKs are absorbed.
    pub(super) fn i(&self, reliable: bool) -> Duration {
        unless(reliable, self.t4)
    }

    /// Timer J: how long repeated requests are answered from memory.
    pub(super) fn j(&self, reliable: bool) -> Duration {
        unless(reliable, self.give_up())
    }

    /// Timer K: how long repeated responses are absorbed.
    pub(super) fn k(&self, reliable: bool) -> Duration {
        unless(reliable, self.t4)
    }
}

fn unless(reliable: bool, wait: Duration) -> Duration {
    if reliable { Duration::ZERO } else { wait }
}
