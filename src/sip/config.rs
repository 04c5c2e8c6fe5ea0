use super::{codec::Limits, transaction::Timers};
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
    /// Server transactions, and as many client transactions.
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
    /// Requests with more octets than this go over a stream (RFC 3261 §18.1.1).
    pub max_datagram: usize,
    /// How large messages may be.
    pub limits: Limits,
    /// Retransmission timers.
    pub timers: Timers,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 5060).into(),
            advertise: None,
            max_transactions: 100_000,
            max_dialogs: 50_000,
            max_connections: 20_000,
            mailbox: 4_096,
            max_pending: 256,
            write_queue: ByteSize::mib(1),
            connect_timeout: Duration::from_secs(5),
            ring_timeout: Duration::from_secs(180),
            max_datagram: 1_300,
            limits: Limits::default(),
            timers: Timers::default(),
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
        ];
        let fault = faults.into_iter().find(|(wrong, _)| *wrong);
        fault.map_or(Ok(()), |(_, fault)| Err(fault))
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
    }
}
