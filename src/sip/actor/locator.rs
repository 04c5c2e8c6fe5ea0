//! Asks the DNS which servers a name stands for, in the order of [`locate`](crate::sip::locate).
use crate::{
    net,
    sip::{
        Dns,
        locate::{self, Named, Naptr, Question, Srv},
        transaction::{Peer, Transport},
    },
};
use hickory_resolver::{
    TokioResolver,
    config::{LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::{RData, RecordType},
};
use std::net::{IpAddr, SocketAddr};

/// Servers of one name that are tried at most.
const MOST: usize = 8;

/// What one endpoint knows of names: the answers of the DNS, kept as long as they are good for.
pub(super) struct Locator {
    /// None where the system's own way of finding addresses has to do.
    resolver: Option<TokioResolver>,
    is_v4: bool,
}

impl Locator {
    /// Looks for servers that can be reached from `own`.
    pub fn new(dns: &Dns, own: IpAddr) -> Self {
        let is_v4 = own.is_ipv4();
        Self {
            resolver: dns.enabled.then(|| resolver(dns, is_v4)).flatten(),
            is_v4,
        }
    }

    /// The servers of `named`, in the order to be tried; none if nobody knows any.
    pub async fn locate(&self, named: &Named) -> Vec<Peer> {
        let asked = match &self.resolver {
            Some(resolver) => self.ask(resolver, named).await,
            None => return self.ask_system(named).await,
        };
        let mut servers = match asked {
            Ok(servers) => servers,
            Err(error) => {
                tracing::debug!(host = %named.host, %error, "no answer of the DNS");
                self.ask_system(named).await
            }
        };
        servers.truncate(MOST);
        servers
    }

    async fn ask(&self, resolver: &TokioResolver, named: &Named) -> Result<Vec<Peer>, NetError> {
        let services = match named.question() {
            Question::Addresses { port, transport } => {
                return self.addresses(resolver, &named.host, port, transport).await;
            }
            Question::Servers(service) => vec![service],
            Question::Services => match locate::services(naptr(resolver, &named.host).await?) {
                found if found.is_empty() => named.usual_services(),
                found => found,
            },
        };
        let (mut servers, mut is_known) = (Vec::new(), false);
        for service in services {
            let records = srv(resolver, &service.name).await?;
            is_known |= !records.is_empty();
            for (host, port) in locate::servers(records, random) {
                let found = self.addresses(resolver, &host, port, service.transport);
                // a server without address is passed over
                servers.extend(found.await.unwrap_or_default());
            }
        }
        if is_known {
            return Ok(servers);
        }
        let (port, transport) = named.itself();
        self.addresses(resolver, &named.host, port, transport).await
    }

    async fn addresses(
        &self,
        resolver: &TokioResolver,
        host: &str,
        port: u16,
        transport: Transport,
    ) -> Result<Vec<Peer>, NetError> {
        match resolver.lookup_ip(absolute(host)).await {
            Ok(found) => {
                let peer = |ip| peer(SocketAddr::new(ip, port), transport);
                Ok(found.iter().map(peer).collect())
            }
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Without the DNS: the addresses the system has for the host.
    async fn ask_system(&self, named: &Named) -> Vec<Peer> {
        let (port, transport) = named.itself();
        let found = tokio::net::lookup_host((named.host.as_ref(), port)).await;
        found
            .into_iter()
            .flatten()
            .filter(|addr| addr.is_ipv4() == self.is_v4)
            .map(|addr| peer(addr, transport))
            .collect()
    }
}

fn resolver(dns: &Dns, is_v4: bool) -> Option<TokioResolver> {
    let mut builder = match dns.nameservers.is_empty() {
        true => TokioResolver::builder_tokio(),
        false => {
            let servers = dns.nameservers.iter().map(nameserver).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            let provider = TokioRuntimeProvider::default();
            Ok(TokioResolver::builder_with_config(config, provider))
        }
    }
    .inspect_err(|error| tracing::warn!(%error, "no DNS: the system has no usable name servers"))
    .ok()?;
    let options = builder.options_mut();
    options.timeout = dns.timeout;
    options.attempts = dns.attempts;
    options.cache_size = dns.max_cached;
    options.ip_strategy = match is_v4 {
        true => LookupIpStrategy::Ipv4Only,
        false => LookupIpStrategy::Ipv6Only,
    };
    builder
        .build()
        .inspect_err(|error| tracing::warn!(%error, "no DNS: the resolver does not start"))
        .ok()
}

fn nameserver(addr: &SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(addr.ip());
    for connection in &mut server.connections {
        connection.port = addr.port();
    }
    server
}

async fn naptr(resolver: &TokioResolver, host: &str) -> Result<Vec<Naptr>, NetError> {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let record = |data: RData| match data {
        RData::NAPTR(naptr) => Some(Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            service: text(&naptr.services),
            replacement: naptr.replacement.to_ascii(),
        }),
        _ => None,
    };
    let found = records(resolver, host, RecordType::NAPTR).await?;
    Ok(found.into_iter().filter_map(record).collect())
}

async fn srv(resolver: &TokioResolver, name: &str) -> Result<Vec<Srv>, NetError> {
    let record = |data: RData| match data {
        RData::SRV(srv) => Some(Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: srv.target.to_ascii(),
        }),
        _ => None,
    };
    let found = records(resolver, name, RecordType::SRV).await?;
    Ok(found.into_iter().filter_map(record).collect())
}

async fn records(
    resolver: &TokioResolver,
    name: &str,
    kind: RecordType,
) -> Result<Vec<RData>, NetError> {
    match resolver.lookup(absolute(name), kind).await {
        Ok(found) => {
            let answers = found.answers().iter();
            Ok(answers.map(|record| record.data.clone()).collect())
        }
        Err(error) if error.is_no_records_found() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The name as it stands, with no search list of the system's tried on it.
fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

fn peer(addr: SocketAddr, transport: Transport) -> Peer {
    Peer {
        addr,
        transport,
        connection: None,
    }
}

/// A number between 0 and `most`.
fn random(most: u32) -> u32 {
    let number = net::random_u64() % (u64::from(most) + 1);
    u32::try_from(number).unwrap_or(most)
}
