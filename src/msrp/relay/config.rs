use crate::digest::StoredAlgorithm;
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};

/// What an operator may set for the relay: the `[msrp.relay]` table.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether subscribers may have URIs of ours relayed (RFC 4976).
    pub enabled: bool,
    /// Which AUTH is let in over a connection without TLS.
    pub plain_auth: PlainAuth,
    /// Life of a URI whose client does not say.
    #[serde(with = "humantime_serde")]
    pub expires: Duration,
    /// Shortest life of a URI; less is answered 423.
    #[serde(with = "humantime_serde")]
    pub min_expires: Duration,
    /// Longest life of a URI until it is refreshed; more is answered 423.
    #[serde(with = "humantime_serde")]
    pub max_expires: Duration,
    /// How long a URI can be refreshed at most; then its client needs another one.
    #[serde(with = "humantime_serde")]
    pub uri_lifetime: Duration,
    /// Keys that seal our URIs; `relay.keys` in `server.data` if not set.
    pub key_file: Option<PathBuf>,
    /// Digest algorithms offered, the preferred one first.
    pub algorithms: Vec<StoredAlgorithm>,
    /// How long a nonce may be used.
    #[serde(with = "humantime_serde")]
    pub nonce_lifetime: Duration,
    /// Nonces whose use is remembered, against replays.
    pub nonces: usize,
    /// Wrong answers to challenges after which a client's connection is closed.
    pub max_failures: usize,
    /// Most URIs granted over one connection.
    pub max_routes: usize,
    /// Most flows, each between two ends, that one connection remembers the way of.
    pub max_flows: usize,
    /// How long a connection is kept over which nothing is relayed.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
}

/// Which AUTH is let in over a connection without TLS. RFC 4976 §9.2 wants TLS always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlainAuth {
    /// None.
    Never,
    /// Those from this machine.
    Loopback,
    /// All of them.
    Always,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            plain_auth: PlainAuth::Loopback,
            expires: Duration::from_secs(30 * 60),
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(3600),
            uri_lifetime: Duration::from_secs(24 * 3600),
            key_file: None,
            algorithms: vec![StoredAlgorithm::Sha256, StoredAlgorithm::Md5],
            nonce_lifetime: Duration::from_secs(300),
            nonces: 100_000,
            max_failures: 3,
            max_routes: 10_000,
            max_flows: 10_000,
            idle_timeout: Duration::from_secs(3600),
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
                self.min_expires < Duration::from_secs(1) || self.min_expires > self.max_expires,
                (
                    "msrp.relay.min_expires",
                    "from 1s to msrp.relay.max_expires",
                ),
            ),
            (
                !(self.min_expires..=self.max_expires).contains(&self.expires),
                (
                    "msrp.relay.expires",
                    "between msrp.relay.min_expires and msrp.relay.max_expires",
                ),
            ),
            (
                self.uri_lifetime < self.max_expires,
                ("msrp.relay.uri_lifetime", "at least msrp.relay.max_expires"),
            ),
            (
                self.algorithms.is_empty(),
                ("msrp.relay.algorithms", "one algorithm or more"),
            ),
            (
                self.max_failures == 0,
                ("msrp.relay.max_failures", "at least 1"),
            ),
            (
                self.max_routes == 0,
                ("msrp.relay.max_routes", "at least 1"),
            ),
        ];
        let fault = faults.into_iter().find(|(wrong, _)| *wrong);
        fault.map_or(Ok(()), |(_, fault)| Err(fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(change: impl FnOnce(&mut Config)) -> Option<&'static str> {
        let mut config = Config::default();
        change(&mut config);
        config.check().err().map(|(key, _)| key)
    }

    #[test]
    fn defaults_make_sense_and_senseless_values_are_named() {
        assert_eq!(fault(|_| ()), None);
        let two_hours = Duration::from_secs(7200);
        for (change, key) in [
            (
                (|config: &mut Config| config.min_expires = Duration::from_secs(7200))
                    as fn(&mut Config),
                "msrp.relay.min_expires",
            ),
            (
                |config| config.min_expires = Duration::ZERO,
                "msrp.relay.min_expires",
            ),
            (
                |config| config.expires = Duration::from_secs(7200),
                "msrp.relay.expires",
            ),
            (
                |config| config.uri_lifetime = Duration::from_secs(60),
                "msrp.relay.uri_lifetime",
            ),
            (|config| config.algorithms.clear(), "msrp.relay.algorithms"),
        ] {
            assert_eq!(fault(change), Some(key));
        }
        assert_eq!(
            fault(|config| (config.expires, config.max_expires) = (two_hours, two_hours)),
            None
        );
    }
}
