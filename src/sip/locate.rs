//! Which server a name stands for (RFC 3263): what to ask the DNS, and in which order its answers
//! are tried. Pure: the endpoint asks.
use super::transaction::{Peer, Transport};
use std::{
    cmp::Reverse,
    collections::HashMap,
    time::{Duration, Instant},
};

/// A next hop that is named, not addressed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Named {
    /// The host name.
    pub host: Box<str>,
    /// The port, if one was given.
    pub port: Option<u16>,
    /// The transport, if one was given.
    pub transport: Option<Transport>,
}

/// What the DNS is asked first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The addresses of the host itself: there is nothing left to choose.
    Addresses {
        /// Where its server listens.
        port: u16,
        /// How it is spoken to.
        transport: Transport,
    },
    /// The servers of the services (SRV).
    Servers(Service),
    /// Which services there are (NAPTR).
    Services,
}

/// Servers of one transport: the name to ask SRV for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// How they are spoken to.
    pub transport: Transport,
    /// The name, such as `_sip._tcp.example.com`.
    pub name: String,
}

/// A NAPTR record (RFC 2915).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Lower ones go first.
    pub order: u16,
    /// Among those of the same order, lower ones go first.
    pub preference: u16,
    /// `s` for a replacement to be asked SRV for.
    pub flags: String,
    /// The service, such as `SIP+D2T`.
    pub service: String,
    /// The name that stands for it.
    pub replacement: String,
}

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lower ones go first.
    pub priority: u16,
    /// The share of requests among those of the same priority.
    pub weight: u16,
    /// Where the server listens.
    pub port: u16,
    /// Its host; `.` says that there is none.
    pub target: String,
}

/// Transports we speak, the one we like best first.
const OURS: [Transport; 2] = [Transport::Udp, Transport::Tcp];

impl Named {
    /// What to ask first (§4.1, §4.2).
    pub fn question(&self) -> Question {
        match (self.port, self.transport) {
            (Some(port), transport) => Question::Addresses {
                port,
                transport: transport.unwrap_or(Transport::Udp),
            },
            (None, Some(transport)) => Question::Servers(self.service(transport)),
            (None, None) => Question::Services,
        }
    }

    /// Where to go if the DNS knows of no service: the host itself.
    pub fn itself(&self) -> (u16, Transport) {
        let transport = self.transport.unwrap_or(Transport::Udp);
        (self.port.unwrap_or(transport.default_port()), transport)
    }

    /// The services to be asked for where NAPTR names none (§4.1).
    pub fn usual_services(&self) -> Vec<Service> {
        OURS.map(|transport| self.service(transport)).into()
    }

    fn service(&self, transport: Transport) -> Service {
        let label = transport.as_str().to_ascii_lowercase();
        Service {
            transport,
            name: format!("_sip._{label}.{}", self.host),
        }
    }
}

/// The services of these records that we speak, the best first (§4.1).
pub fn services(mut records: Vec<Naptr>) -> Vec<Service> {
    records.sort_by_key(|record| (record.order, record.preference));
    let service = |record: Naptr| {
        let transport = match record.service.to_ascii_uppercase().as_str() {
            "SIP+D2U" => Transport::Udp,
            "SIP+D2T" => Transport::Tcp,
            _ => return None,
        };
        let is_terminal = record.flags.eq_ignore_ascii_case("s");
        is_terminal.then_some(Service {
            transport,
            name: record.replacement,
        })
    };
    records.into_iter().filter_map(service).collect()
}

/// Host and port of each server, in the order to be tried: by priority, and by chance among
/// equals, according to their weights (RFC 2782).
///
/// `random` gives a number between 0 and its argument, both included.
pub fn servers(records: Vec<Srv>, mut random: impl FnMut(u32) -> u32) -> Vec<(String, u16)> {
    let mut left: Vec<Srv> = records
        .into_iter()
        .filter(|record| !record.target.is_empty() && record.target != ".")
        .collect();
    // those without weight stand first, to have a small chance at all
    left.sort_by_key(|record| (record.priority, record.weight > 0));
    let mut ordered = Vec::with_capacity(left.len());
    while let Some(first) = left.first() {
        let equals = left.partition_point(|record| record.priority <= first.priority);
        let total = left[..equals].iter().map(|record| u32::from(record.weight));
        let mut mark = random(total.sum());
        let chosen = left[..equals].iter().position(|record| {
            let weight = u32::from(record.weight);
            let is_it = mark <= weight;
            mark = mark.saturating_sub(weight);
            is_it
        });
        let server = left.remove(chosen.unwrap_or_default());
        ordered.push((server.target, server.port));
    }
    ordered
}

/// Servers that failed lately: they are tried after all others, until their time is over.
#[derive(Debug, Default)]
pub struct Resting(HashMap<(std::net::SocketAddr, Transport), Instant>);

/// Resting servers that are remembered.
const MOST: usize = 1_024;

impl Resting {
    /// The server failed at `now`, and rests for `pause`.
    pub fn rest(&mut self, server: Peer, pause: Duration, now: Instant) {
        if self.0.len() >= MOST {
            self.0.retain(|_, until| *until > now);
        }
        if self.0.len() < MOST {
            self.0.insert((server.addr, server.transport), now + pause);
        }
    }

    /// Puts those that rest behind the others; otherwise the order stays.
    pub fn order(&self, servers: &mut [Peer], now: Instant) {
        servers.sort_by_key(|server| {
            let until = self.0.get(&(server.addr, server.transport));
            Reverse(until.is_none_or(|until| *until <= now))
        });
    }
}

/// Puts streams before datagrams: for a request that is too long for one.
pub fn prefer_streams(servers: &mut [Peer]) {
    servers.sort_by_key(|server| !server.transport.is_reliable());
}

#[cfg(test)]
mod tests;
