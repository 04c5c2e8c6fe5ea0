//! The ways into a switchboard, and what its sessions are called from outside.
use super::{Entry, Exchange};
use crate::{
    msrp::{Config, Uri},
    net,
};
use std::{io, net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;

/// Where a switchboard listens, and the authority of the URIs it gives out.
pub(super) struct Ports {
    /// Plain TCP first.
    entries: Vec<(Entry, SocketAddr)>,
    authority: String,
    /// As `authority`, for who comes by TLS; empty if nobody can.
    secure_authority: String,
    fallback: SocketAddr,
}

impl Ports {
    /// Listens where the configuration says.
    ///
    /// Errors: an address cannot be listened on.
    pub fn open(
        exchange: &Arc<Exchange>,
        config: &Config,
    ) -> io::Result<(Self, Vec<(Entry, TcpListener)>)> {
        let mut entries = Vec::new();
        let mut listeners = Vec::new();
        for entry in Entry::ALL {
            if let Some(wanted) = entry.wanted(config) {
                let (listener, bound) = listen(exchange, entry, wanted)?;
                entries.push((entry, bound));
                listeners.push((entry, listener));
            }
        }
        let authority_of = |wanted| {
            let found = entries.iter().find(|(entry, _)| *entry == wanted);
            // a port that is advertised is the one without TLS
            let advertised = config.advertise.as_deref().map(|host| match wanted {
                Entry::Tls => without_port(host),
                _ => host,
            });
            found.map(|(_, bound)| authority(advertised, *bound))
        };
        let ports = Self {
            authority: authority_of(Entry::Tcp).unwrap_or_default(),
            secure_authority: authority_of(Entry::Tls).unwrap_or_default(),
            fallback: config.listen,
            entries,
        };
        Ok((ports, listeners))
    }

    /// All ways in, and where they are.
    pub fn entries(&self) -> &[(Entry, SocketAddr)] {
        &self.entries
    }

    /// Where one comes in by `entry`, if one can.
    pub fn at(&self, entry: Entry) -> Option<SocketAddr> {
        let found = self.entries.iter().find(|(known, _)| *known == entry);
        found.map(|(_, bound)| *bound)
    }

    /// Where plain TCP comes in.
    pub fn plain(&self) -> SocketAddr {
        self.at(Entry::Tcp).unwrap_or(self.fallback)
    }

    /// The URI of the session `id`.
    pub fn uri(&self, id: &str) -> Uri {
        Uri::build(false, &self.authority, id, "tcp")
            .unwrap_or_else(|_| Uri::for_session(false, self.plain(), id, "tcp"))
    }

    /// The `msrps` URI of the session `id`; `None` where nobody can come by TLS.
    pub fn secure_uri(&self, id: &str) -> Option<Uri> {
        let at = self.at(Entry::Tls)?;
        let uri = Uri::build(true, &self.secure_authority, id, "tcp");
        Some(uri.unwrap_or_else(|_| Uri::for_session(true, at, id, "tcp")))
    }
}

/// Listens where the first switchboard of the process does.
fn listen(
    exchange: &Exchange,
    entry: Entry,
    wanted: SocketAddr,
) -> io::Result<(TcpListener, SocketAddr)> {
    let outcome = exchange.listen_once(entry, wanted, |addr, port| {
        if entry.is_secure() && exchange.credentials().is_none() {
            return Err(io::Error::other("there is no certificate to show"));
        }
        let listener = net::listen_tcp(addr, port)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    });
    outcome.map_err(|error| {
        let text = format!("`{}` = {wanted}: {error}", entry.key());
        io::Error::new(error.kind(), text)
    })
}

fn authority(advertise: Option<&str>, listen: SocketAddr) -> String {
    match advertise {
        None => listen.to_string(),
        Some(host) if without_port(host) == host => format!("{host}:{}", listen.port()),
        Some(host) => host.to_owned(),
    }
}

/// Returns the host of a `host:port`, or all of it where it names no port.
fn without_port(host: &str) -> &str {
    let Some((name, port)) = host.rsplit_once(':') else {
        return host;
    };
    let is_name = host.starts_with('[') || !name.contains(':');
    match is_name && port.parse::<u16>().is_ok() {
        true => name,
        false => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advertised_port_is_the_one_without_tls() {
        let listen = SocketAddr::from(([127, 0, 0, 1], 2856));
        for (advertised, plain, secure) in [
            (
                "relay.example.com",
                "relay.example.com:2856",
                "relay.example.com:2856",
            ),
            (
                "relay.example.com:9",
                "relay.example.com:9",
                "relay.example.com:2856",
            ),
            ("[2001:db8::1]:9", "[2001:db8::1]:9", "[2001:db8::1]:2856"),
            ("[2001:db8::1]", "[2001:db8::1]:2856", "[2001:db8::1]:2856"),
        ] {
            assert_eq!(authority(Some(advertised), listen), plain);
            assert_eq!(authority(Some(without_port(advertised)), listen), secure);
        }
    }
}
