use super::Channels;
use crate::sdp::Security;
use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a server takes part in the calls and messages that pass it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Participation {
    /// It makes them its own: a dialog, a session description and a channel for each side.
    #[default]
    B2bua,
    /// It sends them on, and stays on the way: one dialog and one channel from end to end.
    Proxy,
}

/// What becomes of a channel to another server after its last use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterUse {
    /// It waits for another one.
    Keep,
    /// It ends at once.
    Disconnect,
}

/// What an operator may set for the participating function: the `[participating]` table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether calls and messages are made this server's own, or go on as they are.
    pub mode: Participation,
    /// How long a device may ring before the caller's message is deferred.
    #[serde(with = "humantime_serde")]
    pub ring_timeout: Duration,
    /// How long a device may take to answer a MESSAGE before it counts as away. Less than the 32 s
    /// after which its sender has given up.
    #[serde(with = "humantime_serde")]
    pub message_timeout: Duration,
    /// How long a device may take to connect its MSRP channel once the INVITE is answered.
    #[serde(with = "humantime_serde")]
    pub bind_timeout: Duration,
    /// A channel on which nothing has moved for this long is ended.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// What becomes of a channel to the server that keeps messages when its last call has ended.
    pub after_use: AfterUse,
    /// How long such a channel waits for another call of the same sender to the same receiver.
    #[serde(with = "humantime_serde")]
    pub channel_linger: Duration,
    /// Open calls in the whole process; an INVITE beyond them is refused with 503.
    pub max_sessions: usize,
    /// Messages that one channel may be receiving at the same time.
    pub max_interleaved: usize,
    /// Octets of one channel on their way to the store before its reader is paused.
    pub inbound_window: ByteSize,
    /// Octets of one channel that may wait for their 200 while waiting messages are handed over.
    pub outbound_window: ByteSize,
    /// How long after a login its waiting messages are offered.
    #[serde(with = "humantime_serde")]
    pub push_delay: Duration,
    /// Mailboxes handed over at the same time in the whole process; others wait in line.
    pub max_drains: usize,
    /// Messages of one mailbox handed over per second, at most; 0 is as fast as it goes.
    pub drain_rate: u32,
    /// How waiting messages are put together into channels.
    pub channels: Channels,
    /// How long a device may be silent before the next one of the same user is tried as well.
    #[serde(with = "humantime_serde")]
    pub head_start: Duration,
    /// How long a device is left alone that did not take what waits; doubled each time.
    #[serde(with = "humantime_serde")]
    pub push_retry: Duration,
    /// The longest time it is left alone.
    #[serde(with = "humantime_serde")]
    pub push_retry_max: Duration,
    /// Failures in a row after which a device is left alone until it registers again.
    pub push_attempts: u32,
    /// Lifetime granted to a subscription for a mailbox, at most.
    #[serde(with = "humantime_serde")]
    pub max_subscription: Duration,
    /// Subscriptions held in the whole process; a SUBSCRIBE beyond them is refused with 503.
    pub max_subscriptions: usize,
    /// Entries in one deferred list.
    pub list_page: usize,
    /// Most waiting notifications that travel as one message through a channel, where its reader
    /// takes that (`multipart/mixed`); 1 lets each travel alone.
    pub max_aggregation: usize,
    /// Whether notifications are to come back by this server: it puts its address as
    /// `IMDN-Record-Route` on messages that ask for them and leave by MESSAGE or from the mailbox.
    pub imdn_record_route: bool,
    /// Whether offers and answers say `a=msrp-cema`: middleboxes may change addresses (RFC 6714).
    pub cema: bool,
    /// Whether channels have TLS; with it, devices are known by the fingerprints they announce.
    pub media_security: Security,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Participation::default(),
            ring_timeout: Duration::from_secs(20),
            message_timeout: Duration::from_secs(10),
            bind_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(300),
            after_use: AfterUse::Keep,
            channel_linger: Duration::from_secs(30),
            max_sessions: 20_000,
            max_interleaved: 16,
            inbound_window: ByteSize::kib(512),
            outbound_window: ByteSize::kib(512),
            push_delay: Duration::from_millis(100),
            max_drains: 256,
            drain_rate: 0,
            channels: Channels::PerSender,
            head_start: Duration::from_secs(2),
            push_retry: Duration::from_secs(5),
            push_retry_max: Duration::from_secs(300),
            push_attempts: 10,
            max_subscription: Duration::from_secs(3600),
            max_subscriptions: 100_000,
            list_page: 200,
            max_aggregation: 10,
            imdn_record_route: false,
            cema: true,
            media_security: Security::Optional,
        }
    }
}
