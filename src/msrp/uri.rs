//! MSRP URIs and when two of them mean the same session.
use super::HeaderError;
use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    ops::Range,
    str::FromStr,
};

/// An `msrp` or `msrps` URI (RFC 4975 §6, §9). Keeps its text as it was read.
#[derive(Clone, Debug, Eq)]
pub struct Uri {
    text: Box<str>,
    secure: bool,
    userinfo: Option<Range<usize>>,
    host: Host,
    port: Option<u16>,
    session_id: Option<Range<usize>>,
    transport: Range<usize>,
}

/// The host of an MSRP URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A numeric address.
    Ip(IpAddr),
    /// A name, percent-decoded where the octet is unreserved, in lower case.
    Name(Box<str>),
}

impl Uri {
    /// Builds the URI of a session at a numeric address.
    pub fn for_session(secure: bool, at: SocketAddr, session_id: &str, transport: &str) -> Self {
        Self::build(secure, &at.to_string(), session_id, transport)
            .expect("a socket address and tokens make an URI")
    }

    /// Builds the URI of a session at `authority` (`host:port`).
    ///
    /// Errors: `Shape` if a part does not follow the grammar.
    pub fn build(
        secure: bool,
        authority: &str,
        session_id: &str,
        transport: &str,
    ) -> Result<Self, HeaderError> {
        let scheme = if secure { "msrps" } else { "msrp" };
        Self::parse(&format!("{scheme}://{authority}/{session_id};{transport}"))
    }

    /// Parses one URI.
    ///
    /// Shape: `msrp[s]://[userinfo@]host[:port][/session-id];transport[;param[=value]]…`.
    /// Errors: `Shape` for anything else; a numeric address needs its port.
    /// Source: RFC 4975 §6 and §9.
    pub fn parse(text: &str) -> Result<Self, HeaderError> {
        let scheme_end = text.find("://").ok_or(HeaderError::Shape)?;
        let secure = match &text[..scheme_end] {
            scheme if scheme.eq_ignore_ascii_case("msrp") => false,
            scheme if scheme.eq_ignore_ascii_case("msrps") => true,
            _ => return Err(HeaderError::Shape),
        };
        if !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(HeaderError::Shape);
        }
        let authority_start = scheme_end + 3;
        let authority_end = end_of(text, authority_start, &['/', ';']);
        let authority = &text[authority_start..authority_end];
        let userinfo = authority
            .rfind('@')
            .map(|at| authority_start..authority_start + at);
        let host_start = userinfo
            .as_ref()
            .map_or(authority_start, |user| user.end + 1);
        let (host, port) = parse_host(&text[host_start..authority_end])?;

        let session_end = end_of(text, authority_end, &[';']);
        let session_id = parse_session_id(text, authority_end..session_end)?;
        let transport_start = session_end + 1;
        let transport = transport_start..end_of(text, transport_start, &[';']);
        let name = text.get(transport.clone()).unwrap_or_default();
        if name.is_empty() || !name.bytes().all(|octet| octet.is_ascii_alphanumeric()) {
            return Err(HeaderError::Shape);
        }
        Ok(Self {
            text: text.into(),
            secure,
            userinfo,
            host,
            port,
            session_id,
            transport,
        })
    }

    /// Returns the text as it was read.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Tells whether the connection must be protected by TLS (`msrps`).
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Returns the user account the URI names, if any.
    pub fn userinfo(&self) -> Option<&str> {
        self.userinfo.clone().map(|range| &self.text[range])
    }

    /// Returns the host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the port. There is no default (RFC 4975 §6).
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns where to connect, if the host is numeric.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match (&self.host, self.port) {
            (Host::Ip(ip), Some(port)) => Some((*ip, port).into()),
            _ => None,
        }
    }

    /// Returns the session this URI names at its host.
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.clone().map(|range| &self.text[range])
    }

    /// Returns the transport parameter, such as `tcp` or `ws`.
    pub fn transport(&self) -> &str {
        &self.text[self.transport.clone()]
    }

    /// Returns the parameters after the transport, as name and value.
    pub fn params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let rest = &self.text[self.transport.end..];
        rest.split(';')
            .filter(|param| !param.is_empty())
            .map(|param| match param.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (param, None),
            })
    }
}

/// Returns the session id in the text of an URI without parsing the rest.
///
/// For look-ups on the data path: what it finds is compared as a whole afterwards.
pub fn session_id_of(text: &[u8]) -> Option<&[u8]> {
    let authority = memchr::memmem::find(text, b"://")? + 3;
    let slash = authority + memchr::memchr(b'/', &text[authority..])?;
    let rest = &text[slash + 1..];
    let end = memchr::memchr2(b';', b' ', rest).unwrap_or(rest.len());
    Some(&rest[..end])
}

/// Comparison by the rules of RFC 4975 §6.1.
impl PartialEq for Uri {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
            || (self.secure == other.secure
                && self.host == other.host
                && self.port == other.port
                && self.session_id() == other.session_id()
                && self.transport().eq_ignore_ascii_case(other.transport()))
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Uri {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        Self::parse(text)
    }
}

fn end_of(text: &str, from: usize, stops: &[char]) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    rest.find(stops).map_or(text.len(), |at| from + at)
}

/// `session-id = 1*( unreserved / "+" / "=" / "/" )`
fn parse_session_id(text: &str, range: Range<usize>) -> Result<Option<Range<usize>>, HeaderError> {
    if range.is_empty() {
        return Ok(None);
    }
    let id = range.start + 1..range.end;
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~+=/".contains(&octet);
    if id.is_empty() || !text[id.clone()].bytes().all(allowed) {
        return Err(HeaderError::Shape);
    }
    Ok(Some(id))
}

fn parse_host(text: &str) -> Result<(Host, Option<u16>), HeaderError> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(HeaderError::Shape)?;
            let ip: Ipv6Addr = address.parse().map_err(|_| HeaderError::Shape)?;
            (Host::Ip(ip.into()), port.strip_prefix(':'))
        }
        None => {
            let (name, port) = match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            };
            let name = normalise(name);
            if name.is_empty() {
                return Err(HeaderError::Shape);
            }
            match name.parse::<IpAddr>() {
                Ok(ip) => (Host::Ip(ip), port),
                Err(_) => (Host::Name(name.to_ascii_lowercase().into()), port),
            }
        }
    };
    let port = match port {
        Some(digits) if digits.bytes().all(|octet| octet.is_ascii_digit()) => {
            Some(digits.parse().map_err(|_| HeaderError::Shape)?)
        }
        Some(_) => return Err(HeaderError::Shape),
        None => None,
    };
    match (&name, port) {
        (Host::Ip(_), None) => Err(HeaderError::Shape),
        _ => Ok((name, port)),
    }
}

/// Decodes percent-encoded unreserved octets (RFC 3986 §6.2.2.2).
fn normalise(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return text.into();
    }
    let octets = text.as_bytes();
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    while at < octets.len() {
        let decoded = (octets[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            .filter(|octet| octet.is_ascii_alphanumeric() || b"-._~".contains(octet));
        out.push(decoded.unwrap_or(octets[at]).into());
        at += if decoded.is_some() { 3 } else { 1 };
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        Uri::parse(one).unwrap() == Uri::parse(other).unwrap()
    }

    #[test]
    fn parts_of_an_uri_are_read() {
        let uri = Uri::parse("msrps://bob@[2001:db8::9]:8493/as/f+d=4;tcp;a=b;flag").unwrap();
        assert!(uri.is_secure());
        assert_eq!(uri.userinfo(), Some("bob"));
        assert_eq!(
            uri.socket_addr(),
            Some("[2001:db8::9]:8493".parse().unwrap())
        );
        assert_eq!(uri.session_id(), Some("as/f+d=4"));
        assert_eq!(uri.transport(), "tcp");
        assert_eq!(
            uri.params().collect::<Vec<_>>(),
            [("a", Some("b")), ("flag", None)]
        );
        assert_eq!(
            session_id_of(uri.as_str().as_bytes()),
            Some(&b"as/f+d=4"[..])
        );
    }

    #[test]
    fn relay_uri_has_no_session() {
        let uri = Uri::parse("msrps://relay.example.com;tcp").unwrap();
        assert_eq!((uri.session_id(), uri.port()), (None, None));
        assert_eq!(uri.host(), &Host::Name("relay.example.com".into()));
    }

    #[test]
    fn built_uri_reads_back() {
        let uri = Uri::for_session(false, "[::1]:2855".parse().unwrap(), "00ab", "tcp");
        assert_eq!(uri.as_str(), "msrp://[::1]:2855/00ab;tcp");
    }

    #[test]
    fn texts_against_the_grammar_are_refused() {
        for text in [
            "",
            "msrp:",
            "sip://h:1/a;tcp",
            "msrp://h:1/a",
            "msrp://h:1/;tcp",
            "msrp:///a;tcp",
            "msrp://h:x/a;tcp",
            "msrp://h:70000/a;tcp",
            "msrp://192.0.2.1/a;tcp",
            "msrp://[::1/a;tcp",
            "msrp://h:1/a b;tcp",
            "msrp://h:1/a%41;tcp",
            "msrp://h:1/a;",
            "msrp://h:1/\u{e4};tcp",
        ] {
            assert!(Uri::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn comparison_follows_the_six_rules() {
        let base = "msrp://Host.example.com:8493/asfd34;tcp";
        assert!(same(base, "MSRP://hOST.example.com:8493/asfd34;TCP"));
        assert!(same(
            base,
            "msrp://alice@host.ex%61mple.com:8493/asfd34;tcp"
        ));
        assert!(same(base, "msrp://host.example.com:8493/asfd34;tcp;x=y"));
        assert!(same("msrp://[::1]:1/a;tcp", "msrp://[0:0::1]:1/a;tcp"));
        assert!(!same(base, "msrps://host.example.com:8493/asfd34;tcp"));
        assert!(!same(base, "msrp://host.example.com:8494/asfd34;tcp"));
        assert!(!same(base, "msrp://host.example.com/asfd34;tcp"));
        assert!(!same(base, "msrp://host.example.com:8493/ASFD34;tcp"));
        assert!(!same(base, "msrp://host.example.com:8493;tcp"));
        assert!(!same(base, "msrp://host.example.com:8493/asfd34;ws"));
    }
}
