//! Via: the way a request came, and its response goes back.
use super::{Host, Params, SyntaxError, lex};
use memchr::memchr2;
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// One Via value (RFC 3261 §20.42).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// The transport as written: `UDP`, `TCP`, `TLS`, `WS`, `WSS` or any other token.
    pub transport: Box<str>,
    /// Host of the sent-by.
    pub host: Host,
    /// Port of the sent-by, if it names one.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport` and others.
    pub params: Params,
}

impl Via {
    /// What every branch of RFC 3261 begins with.
    pub const MAGIC_COOKIE: &str = "z9hG4bK";

    /// A value without parameters.
    pub fn new(transport: &str, host: Host, port: Option<u16>) -> Self {
        Self {
            transport: transport.into(),
            host,
            port,
            params: Params::new(),
        }
    }

    /// Reads one value.
    ///
    /// Shape: `SIP/2.0/UDP host:port;branch=…`, white space around `/`, `:`, `;` and `=` allowed.
    /// Errors: `SentProtocol`, `Host`, `Port` or `Parameter`.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let text = lex::trim(text);
        let (transport, rest) = parse_sent_protocol(text)?;
        let params_at = lex::find(rest, b';').unwrap_or(rest.len());
        let (host, port) = Host::parse_with_port(lex::trim(&rest[..params_at]))?;
        Ok(Self {
            transport: transport.into(),
            host,
            port,
            params: Params::parse(&rest[params_at..])?,
        })
    }

    /// The branch, which names the transaction.
    pub fn branch(&self) -> Option<&str> {
        self.params
            .get("branch")
            .filter(|branch| !branch.is_empty())
    }

    /// The address the request really came from; IPv6 with or without brackets (RFC 5118 §4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        bare.unwrap_or(text).parse().ok()
    }

    /// `rport` (RFC 3581): `None` if absent, `Some(None)` if it is there to be filled in.
    pub fn rport(&self) -> Option<Option<u16>> {
        let text = self.params.get("rport")?;
        Some(text.parse().ok())
    }

    /// The port of the sent-by, or the default one of the transport.
    pub fn port_or_default(&self) -> u16 {
        let is_secure = ["TLS", "WSS", "TLS-SCTP"]
            .iter()
            .any(|secure| self.transport.eq_ignore_ascii_case(secure));
        self.port.unwrap_or(if is_secure { 5061 } else { 5060 })
    }

    /// Writes down where the request really came from.
    ///
    /// `received` is added where the sent-by differs from the source or is a name (RFC 3261
    /// §18.2.1); where `rport` is asked for, both are filled in (RFC 3581 §4). Returns whether
    /// anything changed.
    pub fn stamp(&mut self, source: SocketAddr) -> bool {
        let wants_port = self.params.contains("rport");
        let differs = self.host.address() != Some(source.ip().to_canonical())
            && self.host.address() != Some(source.ip());
        if wants_port {
            self.params.set("rport", &source.port().to_string());
        }
        if wants_port || differs {
            self.params
                .set("received", &source.ip().to_canonical().to_string());
        }
        wants_port || differs
    }
}

// sent-protocol LWS: RFC 3261 §25.1
fn parse_sent_protocol(text: &str) -> Result<(&str, &str), SyntaxError> {
    let (name, rest) = lex::cut(text, b'/').ok_or(SyntaxError::SentProtocol)?;
    let (version, rest) = lex::cut(rest, b'/').ok_or(SyntaxError::SentProtocol)?;
    let rest = lex::trim(rest);
    if !lex::trim(name).eq_ignore_ascii_case("SIP") || lex::trim(version) != "2.0" {
        return Err(SyntaxError::SentProtocol);
    }
    let end = memchr2(b' ', b'\t', rest.as_bytes()).ok_or(SyntaxError::SentProtocol)?;
    let transport = &rest[..end];
    if !lex::is_token(transport.as_bytes()) {
        return Err(SyntaxError::SentProtocol);
    }
    Ok((transport, lex::trim(&rest[end..])))
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.params.fmt(f)
    }
}
