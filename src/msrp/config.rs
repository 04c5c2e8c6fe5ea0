use super::relay;
use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// What an operator may set for the MSRP room: the `[msrp]` table.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where peers connect. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where peers connect that want TLS; nowhere if not set.
    pub tls_listen: Option<SocketAddr>,
    /// Where WebSocket clients connect without TLS, behind a proxy that ends it; nowhere if not
    /// set.
    pub ws_listen: Option<SocketAddr>,
    /// Where WebSocket clients connect with TLS; nowhere if not set.
    pub wss_listen: Option<SocketAddr>,
    /// Host (and port, where it differs) that our URIs name; the listening address if not set.
    pub advertise: Option<String>,
    /// Which To-Path names a session of ours.
    pub session_match: SessionMatch,
    /// Longest start line and header fields accepted.
    pub max_head: ByteSize,
    /// Most octets one SEND of ours carries; longer ones are cut.
    pub max_chunk: ByteSize,
    /// Most one read takes from a socket.
    pub read_size: ByteSize,
    /// Queued output of a stream above which its feeders are paused.
    pub high_mark: ByteSize,
    /// Queued output below which they go on.
    pub low_mark: ByteSize,
    /// Queued output at which a stream is given up.
    pub hard_limit: ByteSize,
    /// How long a SEND may wait for its response (RFC 4975 §7.1.1).
    #[serde(with = "humantime_serde")]
    pub response_timeout: Duration,
    /// How long a stream may be without a session, or a session without a stream, at its start.
    #[serde(with = "humantime_serde")]
    pub bind_timeout: Duration,
    /// How long a connection may take to be made.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How long a stream stays open after its last session left.
    #[serde(with = "humantime_serde")]
    pub linger: Duration,
    /// How long a peer may take nothing of what is queued for it before it counts as dead.
    #[serde(with = "humantime_serde")]
    pub stall_timeout: Duration,
    /// How long a stream may be silent before the system asks whether its peer is still there;
    /// zero: as the system does.
    #[serde(with = "humantime_serde")]
    pub keepalive: Duration,
    /// How long a peer's system may leave what was sent without acknowledgement before the
    /// stream counts as broken; zero: as the system does.
    #[serde(with = "humantime_serde")]
    pub user_timeout: Duration,
    /// Most streams of one shard; further ones are closed at once.
    pub max_connections: usize,
    /// Most SENDs of one session that may wait for our answer before its stream is paused.
    pub max_unanswered: usize,
    /// Most relayed SENDs that a next hop may owe answers to before its feeders are paused.
    pub max_in_flight: usize,
    /// Certificates.
    pub tls: Tls,
    /// The relay of RFC 4976.
    pub relay: relay::Config,
}

/// Which To-Path names a session of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionMatch {
    /// Our URI (RFC 4975 §6.1).
    Strict,
    /// Our URI; the session id alone where both sides speak CEMA, since a middlebox may have
    /// changed the rest (RFC 6714).
    Cema,
    /// The session id alone, for middleboxes that change paths and tell nobody.
    SessionId,
}

/// Whose certificates are shown and believed: the `[msrp.tls]` table. SIGHUP reads the files
/// anew; connections that are open go on as they began.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Our certificate and those of its issuers, PEM.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<PathBuf>,
    /// Issuers whose certificates are believed, PEM; nobody's if not set.
    pub trust: Option<PathBuf>,
    /// Whether who connects must show a certificate from one of them.
    pub require_client_certificate: bool,
    /// Hosts whose certificate from one of them makes its owner a relay that needs no password.
    pub relays: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 2855).into(),
            tls_listen: None,
            ws_listen: None,
            wss_listen: None,
            advertise: None,
            session_match: SessionMatch::Cema,
            max_head: ByteSize::kib(8),
            max_chunk: ByteSize::kib(64),
            read_size: ByteSize::kib(64),
            high_mark: ByteSize::kib(256),
            low_mark: ByteSize::kib(64),
            hard_limit: ByteSize::mib(4),
            response_timeout: Duration::from_secs(30),
            bind_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            linger: Duration::from_secs(2),
            stall_timeout: Duration::from_secs(30),
            keepalive: Duration::from_secs(30),
            user_timeout: Duration::from_secs(60),
            max_connections: 50_000,
            max_unanswered: 256,
            max_in_flight: 16_384,
            tls: Tls::default(),
            relay: relay::Config::default(),
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
                (
                    "msrp.advertise",
                    "set, because msrp.listen names no address",
                ),
            ),
            (
                self.tls_listen.is_some() && self.tls.certificate.is_none(),
                ("msrp.tls.certificate", "set, because msrp.tls_listen is"),
            ),
            (
                self.wss_listen.is_some() && self.tls.certificate.is_none(),
                ("msrp.tls.certificate", "set, because msrp.wss_listen is"),
            ),
            (
                self.tls.certificate.is_some() != self.tls.key.is_some(),
                ("msrp.tls.key", "set where msrp.tls.certificate is"),
            ),
            (
                !(512..=65_535).contains(&self.max_head.as_u64()),
                ("msrp.max_head", "512 B to 65535 B"),
            ),
            (
                self.max_chunk.as_u64() < 2048,
                ("msrp.max_chunk", "at least 2048 B"),
            ),
            (
                self.read_size.as_u64() < 1024,
                ("msrp.read_size", "at least 1024 B"),
            ),
            (
                self.low_mark > self.high_mark,
                ("msrp.low_mark", "at most msrp.high_mark"),
            ),
            (
                self.hard_limit.as_u64() < self.high_mark.as_u64().saturating_mul(4),
                ("msrp.hard_limit", "at least four times msrp.high_mark"),
            ),
            (
                self.hard_limit.as_u64()
                    < self
                        .high_mark
                        .as_u64()
                        .saturating_mul(2)
                        .saturating_add(self.read_size.as_u64().saturating_mul(8)),
                (
                    "msrp.hard_limit",
                    "at least twice msrp.high_mark and eight times msrp.read_size together",
                ),
            ),
            (
                self.max_connections == 0,
                ("msrp.max_connections", "at least 1"),
            ),
            (
                self.max_unanswered == 0,
                ("msrp.max_unanswered", "at least 1"),
            ),
        ];
        let fault = faults.into_iter().find(|(wrong, _)| *wrong);
        fault.map_or_else(|| self.relay.check(), |(_, fault)| Err(fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_make_sense_and_senseless_values_are_named() {
        assert_eq!(Config::default().check(), Ok(()));
        let inverted = Config {
            low_mark: ByteSize::mib(1),
            ..Config::default()
        };
        let fault = inverted.check().map_err(|(key, _)| key);
        assert_eq!(fault, Err("msrp.low_mark"));
    }
}
