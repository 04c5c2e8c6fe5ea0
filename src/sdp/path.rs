//! What offer and answer need of the MSRP URIs in `a=path` (RFC 4975 §6, §8.2).

/// Where the first hop of a path listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Host name or address, IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether the scheme is `msrps`.
    pub tls: bool,
}

/// The first hop of a path: the one to connect to.
///
/// `None` if the text does not start with an MSRP URI that has an explicit port.
/// Source: RFC 4975 §8.3.
pub fn first_hop(path: &str) -> Option<Hop> {
    hop(path.split_whitespace().next()?)
}

/// The last hop of a path: the end point itself.
pub fn end_point(path: &str) -> Option<Hop> {
    hop(path.split_whitespace().last()?)
}

/// Every hop of a path that has a host and a port.
pub fn hops(path: &str) -> impl Iterator<Item = Hop> + '_ {
    path.split_whitespace().filter_map(hop)
}

fn hop(uri: &str) -> Option<Hop> {
    let (scheme, rest) = uri.split_once("://")?;
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "msrp" => false,
        "msrps" => true,
        _ => return None,
    };
    let authority = rest.split(['/', ';']).next()?;
    let host_port = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host_port)| host_port);
    let (host, port) = host_port.rsplit_once(':')?;
    let literal = host.strip_prefix('[');
    let host = match literal {
        Some(inner) => inner.strip_suffix(']')?,
        None => host,
    };
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._".contains(&octet);
    let v6 = literal.is_some() && host.parse::<std::net::Ipv6Addr>().is_ok();
    (v6 || (literal.is_none() && !host.is_empty() && host.bytes().all(plain))).then_some(())?;
    Some(Hop {
        host: host.to_owned(),
        port: port.parse().ok()?,
        tls,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(path: &str) -> Option<(String, u16, bool)> {
        first_hop(path).map(|hop| (hop.host, hop.port, hop.tls))
    }

    #[test]
    fn leftmost_uri_is_the_one_to_connect_to() {
        let path = "msrps://relay.example.com:9892/98cj;tcp msrp://a@[2001:db8::1]:7654/x;tcp";
        assert_eq!(found(path), Some(("relay.example.com".into(), 9892, true)));
        assert_eq!(
            end_point(path).map(|hop| hop.host),
            Some("2001:db8::1".into())
        );
    }

    #[test]
    fn uri_without_port_is_no_hop() {
        for wrong in [
            "",
            "msrp://host/x;tcp",
            "http://host:1/x",
            "msrp://:1/x",
            "msrp://[::1:1/x",
            "msrp://h:66000/x",
        ] {
            assert_eq!(found(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(text in "(msrps?://)?[\\[\\]:@/;a-f0-9 é.]*") {
            first_hop(&text);
        }
    }
}
