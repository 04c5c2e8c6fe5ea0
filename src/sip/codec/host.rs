//! Hosts: names and addresses.
use super::SyntaxError;
use memchr::memchr;
use std::{
    fmt,
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// The host part of a URI or of a Via (RFC 3261 §25.1; IPv6 as RFC 5954 has it).
#[derive(Clone, Debug, Eq)]
pub enum Host {
    /// A host name, in the letter case it came in.
    Name(Box<str>),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address; written with brackets.
    V6(Ipv6Addr),
}

impl Host {
    /// Reads a host. IPv6 needs its brackets here.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(SyntaxError::Host)?;
            // the grammar of RFC 3261 asks for `:::` before an IPv4 tail (RFC 5118 §4.10)
            let address = inner
                .parse()
                .or_else(|_| inner.replacen(":::", "::", 1).parse());
            return address.map(Self::V6).map_err(|_| SyntaxError::Host);
        }
        if text.as_bytes().last().is_some_and(u8::is_ascii_digit)
            && let Ok(address) = text.parse()
        {
            return Ok(Self::V4(address));
        }
        if is_name(text) {
            Ok(Self::Name(text.into()))
        } else {
            Err(SyntaxError::Host)
        }
    }

    /// Splits `host`, `host:port` or `[v6]:port`; white space around the colon is allowed.
    pub(super) fn parse_with_port(text: &str) -> Result<(Self, Option<u16>), SyntaxError> {
        let octets = text.as_bytes();
        let from = memchr(b']', octets).unwrap_or(0);
        let colon = memchr(b':', &octets[from..]).map(|at| at + from);
        let Some(colon) = colon else {
            return Ok((Self::parse(text.trim_end())?, None));
        };
        let port = text[colon + 1..].trim_start();
        if port.is_empty() || port.len() > 5 || !port.bytes().all(|o| o.is_ascii_digit()) {
            return Err(SyntaxError::Port);
        }
        let port = port.parse().map_err(|_| SyntaxError::Port)?;
        Ok((Self::parse(text[..colon].trim_end())?, Some(port)))
    }

    /// The address, unless this is a name.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(address) => Some((*address).into()),
            Self::V6(address) => Some((*address).into()),
        }
    }
}

// hostname, with the underscore that real networks use; a name of digits only in its last label
// would be an address
fn is_name(text: &str) -> bool {
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"-._".contains(&octet);
    let last_label = text.trim_end_matches('.').rsplit('.').next();
    text.bytes().all(allowed)
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && last_label.is_some_and(|label| label.bytes().any(|octet| !octet.is_ascii_digit()))
}

/// Names are equal in any letter case.
impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(one), Self::Name(two)) => one.eq_ignore_ascii_case(two),
            (Self::V4(one), Self::V4(two)) => one == two,
            (Self::V6(one), Self::V6(two)) => one == two,
            _ => false,
        }
    }
}

impl Hash for Host {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Name(name) => name
                .bytes()
                .for_each(|o| state.write_u8(o.to_ascii_lowercase())),
            Self::V4(address) => address.hash(state),
            Self::V6(address) => address.hash(state),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl FromStr for Host {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        Self::parse(text)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}
