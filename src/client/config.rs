use crate::sdp::Security;
use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, path::PathBuf, time::Duration};

/// How the devices of one host behave.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address the host's sockets are bound to; the ports are free ones.
    pub bind: IpAddr,
    /// MSRP relays that channels go through, the nearest one first, each as
    /// `msrp://host[:port];tcp`. They know the user by the same name and password.
    pub relays: Vec<String>,
    /// Whether offers say `a=msrp-cema`: middleboxes may change addresses (RFC 6714).
    pub cema: bool,
    /// Whether channels have TLS: with a certificate that the host makes for itself. Channels
    /// through relays have as much of it as the relays' URIs say.
    pub media_security: Security,
    /// Lifetime a registration asks for.
    #[serde(with = "humantime_serde")]
    pub registration: Duration,
    /// Lifetime a subscription asks for.
    #[serde(with = "humantime_serde")]
    pub subscription: Duration,
    /// How long a called party may take to answer an INVITE.
    #[serde(with = "humantime_serde")]
    pub answer_timeout: Duration,
    /// How long a success report may stay away after the last chunk was answered.
    #[serde(with = "humantime_serde")]
    pub report_timeout: Duration,
    /// How long a called party may send nothing at all.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// How long a call stays open behind its message, for the next one to the same receiver; with 0
    /// every message has a call of its own.
    #[serde(with = "humantime_serde")]
    pub linger: Duration,
    /// Octets of one SEND.
    pub chunk: ByteSize,
    /// How many SENDs may wait for their responses.
    pub window: usize,
    /// Messages up to this size go as one MESSAGE, larger ones by MSRP: over UDP it bounds the
    /// whole request, over a stream its body (RFC 3428 §8).
    pub pager_limit: ByteSize,
    /// Largest message taken, as `a=max-size` says.
    pub max_size: ByteSize,
    /// Bodies up to this size stay in memory; larger ones go to a file in `spool`.
    pub in_memory: ByteSize,
    /// Directory of large received bodies.
    pub spool: PathBuf,
    /// Whether a spooled body is forced to the disk before its receipt is confirmed.
    pub sync: bool,
    /// Received messages the application has not taken yet, per device; more are refused.
    pub inbox: usize,
    /// Message identifiers remembered per device to recognise duplicates; with 0 the application
    /// sees every delivery.
    pub remembered: usize,
    /// Whether `delivered` is told to senders who asked for it.
    pub notify_delivery: bool,
    /// Whether nothing but notifications is taken: messages are left to the user's other devices.
    pub only_notifications: bool,
    /// How often a send is tried before it counts as failed.
    pub attempts: u32,
    /// Pause before the second attempt; doubled for each further one.
    #[serde(with = "humantime_serde")]
    pub retry_pause: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: IpAddr::from([127, 0, 0, 1]),
            relays: Vec::new(),
            cema: true,
            media_security: Security::Optional,
            registration: Duration::from_secs(3600),
            subscription: Duration::from_secs(3600),
            answer_timeout: Duration::from_secs(60),
            report_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(300),
            linger: Duration::ZERO,
            chunk: ByteSize::kib(64),
            window: 8,
            pager_limit: ByteSize::b(1300),
            max_size: ByteSize::gib(1),
            in_memory: ByteSize::kib(256),
            spool: std::env::temp_dir(),
            sync: true,
            inbox: 1024,
            remembered: 1024,
            notify_delivery: true,
            only_notifications: false,
            attempts: 3,
            retry_pause: Duration::from_millis(500),
        }
    }
}

impl Config {
    /// Octets of one SEND; never zero.
    pub(super) fn chunk_octets(&self) -> usize {
        usize::try_from(self.chunk.as_u64())
            .unwrap_or(64 * 1024)
            .max(1)
    }
}
