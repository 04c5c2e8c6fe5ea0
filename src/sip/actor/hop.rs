use crate::sip::{
    codec::{Host, Message, Name, SipUri, Uri},
    locate::Named,
    transaction::{Peer, Transport},
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where a request goes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hop {
    /// An address.
    Known(Peer),
    /// A name that has to be looked up.
    Named(Named),
    /// Nowhere we can send to: `tel:`, or a transport we do not speak.
    Nowhere,
}

/// Reads the next hop off the topmost Route, or the Request-URI (RFC 3261 §8.1.2).
pub(super) fn next_hop(request: &Message) -> Hop {
    let route = request
        .list(Name::Route)
        .first()
        .map(|route| route.to_string());
    let uri = match route {
        Some(route) => crate::sip::codec::NameAddr::parse(&route).map(|route| route.uri),
        None => request.uri(),
    };
    match uri {
        Ok(Uri::Sip(uri)) => of_uri(&uri),
        _ => Hop::Nowhere,
    }
}

fn of_uri(uri: &SipUri) -> Hop {
    let transport = match uri.transport() {
        Some(name) => Transport::parse(name),
        None if uri.secure => Some(Transport::Tls),
        None => Some(Transport::Udp),
    };
    let Some(transport @ (Transport::Udp | Transport::Tcp)) = transport else {
        return Hop::Nowhere;
    };
    if uri.secure {
        return Hop::Nowhere;
    }
    let port = uri.port.unwrap_or(transport.default_port());
    let maddr = uri
        .params
        .get("maddr")
        .and_then(|host| Host::parse(host).ok());
    let host = maddr.as_ref().unwrap_or(&uri.host);
    match host {
        Host::Name(name) if name.eq_ignore_ascii_case("localhost") => {
            known(Ipv4Addr::LOCALHOST.into(), port, transport)
        }
        Host::Name(name) => Hop::Named(Named {
            host: name.clone(),
            port: uri.port,
            transport: uri.transport().map(|_| transport),
        }),
        Host::V4(address) => known((*address).into(), port, transport),
        Host::V6(address) => known((*address).into(), port, transport),
    }
}

fn known(ip: IpAddr, port: u16, transport: Transport) -> Hop {
    Hop::Known(Peer {
        addr: SocketAddr::new(ip, port),
        transport,
        connection: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::codec::{Builder, Method};

    fn hop(uri: &str, route: Option<&str>) -> Hop {
        let request = Builder::request(Method::Options, uri);
        let request = route
            .into_iter()
            .fold(request, |request, route| request.header(Name::Route, route));
        next_hop(&request.build())
    }

    #[test]
    fn request_uri_names_address_port_and_transport() {
        let udp = Hop::Known(Peer::udp(([192, 0, 2, 1], 5060).into()));
        assert_eq!(hop("sip:bob@192.0.2.1", None), udp);
        let tcp = Hop::Known(Peer::tcp(([192, 0, 2, 1], 5070).into()));
        assert_eq!(hop("sip:bob@192.0.2.1:5070;transport=TCP", None), tcp);
        let local = Hop::Known(Peer::udp(([127, 0, 0, 1], 5060).into()));
        assert_eq!(hop("sip:localhost", None), local);
    }

    #[test]
    fn topmost_route_goes_before_the_request_uri() {
        let udp = Hop::Known(Peer::udp(([192, 0, 2, 9], 5060).into()));
        assert_eq!(
            hop(
                "sip:bob@192.0.2.1",
                Some("<sip:192.0.2.9;lr>, <sip:x.example;lr>")
            ),
            udp
        );
    }

    #[test]
    fn names_are_looked_up_and_the_unreachable_is_nowhere() {
        let named = |port, transport| {
            Hop::Named(Named {
                host: "example.com".into(),
                port,
                transport,
            })
        };
        let tcp = Some(Transport::Tcp);
        assert_eq!(
            hop("sip:bob@example.com;transport=tcp", None),
            named(None, tcp)
        );
        assert_eq!(
            hop("sip:bob@example.com:5070", None),
            named(Some(5070), None)
        );
        for uri in [
            "tel:+491234",
            "sips:bob@192.0.2.1",
            "sip:bob@192.0.2.1;transport=sctp",
        ] {
            assert_eq!(hop(uri, None), Hop::Nowhere, "{uri}");
        }
    }
}
