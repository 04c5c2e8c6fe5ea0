use crate::telemetry::trace::Record;
use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

/// What an operator may set for the HEP collector: the `[hep]` table.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The collector: `udp:host:port` or `tcp:host:port`. Nothing is sent if not set.
    pub collector: Option<String>,
    /// The number by which the collector knows this node.
    pub capture_id: u32,
    /// The key that the collector asks for, in plain text.
    pub password: Option<String>,
    /// What is sent.
    pub send: Vec<Protocol>,
    /// The protocol type that MSRP is given: HEP has none for it.
    pub msrp_type: u8,
    /// What MSRP is known by at the collector.
    pub correlate_msrp: Correlate,
    /// Octets that may wait for the collector; what is more is left out and counted.
    pub queue: ByteSize,
}

/// What the collector can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Every SIP message.
    Sip,
    /// Every MSRP request and response, without what the request carries.
    Msrp,
}

/// What MSRP is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Correlate {
    /// The Call-ID of the call that made the session, as far as this node has seen it.
    Call,
    /// The session: the last part of our URI, or else of the far end's.
    Session,
    /// The Message-ID, where one is told.
    Message,
}

/// Where the collector is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Collector {
    Udp(String),
    Tcp(String),
}

/// What goes to the collector.
#[derive(Clone, Copy, Debug)]
pub(in crate::telemetry) struct Wanted {
    sip: bool,
    msrp: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            collector: None,
            capture_id: 1,
            password: None,
            send: vec![Protocol::Sip, Protocol::Msrp],
            msrp_type: 100,
            correlate_msrp: Correlate::Call,
            queue: ByteSize::mib(16),
        }
    }
}

impl Config {
    /// Checks that the values make sense together.
    ///
    /// Errors: the key that does not, and what it must be.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let expected = "udp:host:port or tcp:host:port";
        let wrong = self.collector.is_some() && self.target().is_none();
        match wrong {
            true => Err(("hep.collector", expected)),
            false if self.send.is_empty() => Err(("hep.send", "a list of sip, msrp, or both")),
            false => Ok(()),
        }
    }

    /// Where the collector is; `None` too where it cannot be read.
    pub(super) fn target(&self) -> Option<Collector> {
        let (transport, place) = self.collector.as_deref()?.split_once(':')?;
        let (host, port) = place.rsplit_once(':')?;
        let is_place = !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
        match transport {
            "udp" if is_place => Some(Collector::Udp(place.to_owned())),
            "tcp" if is_place => Some(Collector::Tcp(place.to_owned())),
            _ => None,
        }
    }

    /// What goes to the collector.
    pub(in crate::telemetry) fn wanted(&self) -> Wanted {
        Wanted {
            sip: self.send.contains(&Protocol::Sip),
            // the calls are needed to know what MSRP belongs to
            msrp: self.send.contains(&Protocol::Msrp),
        }
    }
}

impl Wanted {
    /// Whether `record` is for the collector, or tells it what later ones belong to.
    pub fn takes(self, record: &Record) -> bool {
        match record.is_sip() {
            true => self.sip || self.msrp,
            false => self.msrp,
        }
    }

    /// Whether `record` is sent to the collector.
    pub(super) fn sends(self, record: &Record) -> bool {
        match record.is_sip() {
            true => self.sip,
            false => self.msrp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(collector: &str) -> Result<(), (&'static str, &'static str)> {
        let config = Config {
            collector: Some(collector.into()),
            ..Config::default()
        };
        config.check()
    }

    #[test]
    fn collector_is_a_transport_a_host_and_a_port() {
        for good in ["udp:homer.example.com:9060", "tcp:[2001:db8::1]:9061"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "homer:9060",
            "udp:homer",
            "tls:homer:9060",
            "udp::9060",
            "tcp:homer:0",
        ] {
            assert_eq!(check(bad).unwrap_err().0, "hep.collector", "{bad}");
        }
    }
}
