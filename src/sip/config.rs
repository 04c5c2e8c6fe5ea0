use super::{codec::Limits, dialog::SessionPolicy, transaction::Timers};
use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, time::Duration};

/// What an operator may set for SIP: the `[sip]` table. Counts are per shard.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where UDP and TCP are listened to; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Host name or address, without port, that neighbours reach us by. Needed where `listen` is
    /// an unspecified address such as `0.0.0.0`; otherwise the address itself.
    pub advertise: Option<String>,
    /// Server transactions of one shard, and as many client transactions. Over UDP each stays for
    /// 32 s behind its answer: 500000 bear 7800 calls a second.
    pub max_transactions: usize,
    /// INVITE dialogs.
    pub max_dialogs: usize,
    /// Streams.
    pub max_connections: usize,
    /// Orders and batches waiting for the endpoint.
    pub mailbox: usize,
    /// Messages waiting for one connection to be made.
    pub max_pending: usize,
    /// Octets queued for a neighbour that does not read; a stream with more is given up.
    pub write_queue: ByteSize,
    /// How long a connection may take to be made.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How long an INVITE of ours may ring before it is cancelled.
    #[serde(with = "humantime_serde")]
    pub ring_timeout: Duration,
    /// How long a session of a dialog of ours lasts unless it is refreshed, at half of this time;
    /// the other end may ask for less. Whole seconds; 0 asks for no refreshes (RFC 4028).
    #[serde(with = "humantime_serde")]
    pub session_expires: Duration,
    /// The shortest session interval the other end may ask for: 422 below it. Whole seconds.
    #[serde(with = "humantime_serde")]
    pub min_session_expires: Duration,
    /// Requests with more octets than this go over a stream (RFC 3261 §18.1.1).
    pub max_datagram: usize,
    /// How large messages may be.
    pub limits: Limits,
    /// Retransmission timers.
    pub timers: Timers,
    /// How servers are found by their names.
    pub dns: Dns,
}

/// How servers are found by their names (RFC 3263): the `[sip.dns]` table.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// Whether names are looked up with NAPTR and SRV. Otherwise they stand for the addresses the
    /// system has for them.
    pub enabled: bool,
    /// Name servers with their ports; those of the system if there are none.
    pub nameservers: Vec<SocketAddr>,
    /// How long one name server may take for one answer.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// How often a question is asked again.
    pub attempts: usize,
    /// Answers that are kept, each as long as it says.
    pub max_cached: u64,
    /// How long a server that failed is tried after all others of its name; one that says
    /// Retry-After rests as long as that.
    #[serde(with = "humantime_serde")]
    pub rest: Duration,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            enabled: true,
            nameservers: Vec::new(),
            timeout: Duration::from_secs(2),
            attempts: 1,
            max_cached: 1_024,
            rest: Duration::from_secs(30),
        }
    }
}

impl Dns {
    /// How long everything that is to be asked for one request may take together.
    pub fn limit(&self) -> Duration {
        let tries = u32::try_from(self.attempts).unwrap_or(u32::MAX);
        self.timeout.saturating_mul(tries.saturating_add(2))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 5060).into(),
            advertise: None,
            max_transactions: 500_000,
            max_dialogs: 50_000,
            max_connections: 20_000,
            mailbox: 4_096,
            max_pending: 256,
            write_queue: ByteSize::mib(1),
            connect_timeout: Duration::from_secs(5),
            ring_timeout: Duration::from_secs(180),
            session_expires: Duration::from_secs(1_800),
            min_session_expires: Duration::from_secs(90),
            max_datagram: 1_300,
            limits: Limits::default(),
            timers: Timers::default(),
            dns: Dns::default(),
        }
    }
}

impl Config {
    /// Whether every value makes sense.
    ///
    /// Errors: the first key whose value does not, and what would be right.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let faults = [
            (
                self.listen.ip().is_unspecified() && self.advertise.is_none(),
                ("sip.advertise", "set, because sip.listen names no address"),
            ),
            (
                self.max_transactions == 0,
                ("sip.max_transactions", "at least 1"),
            ),
            (self.mailbox == 0, ("sip.mailbox", "at least 1")),
            (
                self.timers.t1 < Duration::from_millis(1),
                ("sip.timers.t1", "at least 1ms"),
            ),
            (
                self.timers.t2 < self.timers.t1,
                ("sip.timers.t2", "at least sip.timers.t1"),
            ),
            (
                self.min_session_expires < self.timers.least_session(),
                (
                    "sip.min_session_expires",
                    "at least 90s, or 180 times another sip.timers.t1",
                ),
            ),
            (
                !self.session_expires.is_zero() && self.session_expires < self.min_session_expires,
                (
                    "sip.session_expires",
                    "0s or at least sip.min_session_expires",
                ),
            ),
        ];
        let fault = faults.into_iter().find(|(wrong, _)| *wrong);
        fault.map_or(Ok(()), |(_, fault)| Err(fault))
    }

    /// What the dialogs of this endpoint want of session timers.
    pub fn session_policy(&self) -> SessionPolicy {
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let wanted = seconds(self.session_expires);
        SessionPolicy {
            wanted: (wanted > 0).then_some(wanted),
            least: seconds(self.min_session_expires),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_make_sense_and_senseless_values_are_named() {
        assert_eq!(Config::default().check(), Ok(()));
        let everywhere = Config {
            listen: ([0, 0, 0, 0], 5060).into(),
            ..Config::default()
        };
        assert_eq!(
            everywhere.check().map_err(|(key, _)| key),
            Err("sip.advertise")
        );
        let mut hasty = Config::default();
        hasty.timers.t1 = Duration::ZERO;
        assert_eq!(hasty.check().map_err(|(key, _)| key), Err("sip.timers.t1"));
        for (expires, least, key) in [
            (1_800, 89, "sip.min_session_expires"),
            (89, 90, "sip.session_expires"),
        ] {
            let restless = Config {
                session_expires: Duration::from_secs(expires),
                min_session_expires: Duration::from_secs(least),
                ..Config::default()
            };
            assert_eq!(restless.check().map_err(|(key, _)| key), Err(key));
        }
    }
}
