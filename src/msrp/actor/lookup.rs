//! Where the hosts are that MSRP URIs and descriptions name.
use std::{
    io,
    net::{IpAddr, SocketAddr},
};
use tokio::net::lookup_host;

/// Most hosts that are looked up together: a description must not make this end ask for many.
const MOST: usize = 4;

/// Returns the first address of `host`, with `port`.
///
/// Errors: `NotFound` where it has none, and those of the resolver.
pub async fn address_of(host: &str, port: u16) -> io::Result<SocketAddr> {
    let mut found = lookup_host((host, port)).await?;
    found.next().ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Returns all addresses of the first few `hosts`; those that cannot be found are left out.
pub async fn addresses_of(hosts: impl Iterator<Item = String>) -> Vec<(String, IpAddr)> {
    let mut known = Vec::new();
    for host in hosts.take(MOST) {
        let found = lookup_host((host.as_str(), 0)).await;
        let found = found.into_iter().flatten();
        known.extend(found.map(|addr| (host.clone(), addr.ip())));
    }
    known
}
