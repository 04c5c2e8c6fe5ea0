use crate::sip::codec::Uri;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The neighbour a request goes to next.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hop(Option<String>);

/// Why a text names no neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAHop {
    /// It is no SIP URI.
    #[error("no SIP URI, such as sip:192.0.2.1:5060;transport=tcp")]
    Uri,
    /// It names a user.
    #[error("a server, without a user")]
    User,
}

impl Hop {
    /// Whatever the Request-URI's domain itself says (RFC 3263).
    pub fn by_domain() -> Self {
        Self(None)
    }

    /// The neighbour at `uri`.
    ///
    /// Errors: [`NotAHop`].
    pub fn parse(uri: &str) -> Result<Self, NotAHop> {
        match Uri::parse(uri) {
            Ok(Uri::Sip(sip)) if sip.user.is_some() => Err(NotAHop::User),
            Ok(Uri::Sip(_)) => Ok(Self(Some(uri.to_owned()))),
            _ => Err(NotAHop::Uri),
        }
    }

    /// The address of the neighbour, where it is written down as one.
    pub fn address(&self) -> Option<IpAddr> {
        let Ok(Uri::Sip(uri)) = Uri::parse(self.0.as_ref()?) else {
            return None;
        };
        uri.host.address()
    }

    /// The value of the Route header that leads there; none where the Request-URI does.
    pub fn route(&self) -> Option<String> {
        let uri = self.0.as_ref()?;
        let is_loose = uri.split(';').skip(1).any(|param| param == "lr");
        let lr = if is_loose { "" } else { ";lr" };
        Some(format!("<{uri}{lr}>"))
    }
}

impl TryFrom<String> for Hop {
    type Error = NotAHop;

    fn try_from(uri: String) -> Result<Self, NotAHop> {
        Self::parse(&uri)
    }
}

impl From<Hop> for String {
    fn from(hop: Hop) -> Self {
        hop.0.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hop_is_a_server_by_its_uri() {
        let route = |uri| Hop::parse(uri).map(|hop| hop.route());
        assert_eq!(route("sip:a:5070"), Ok(Some("<sip:a:5070;lr>".to_owned())));
        assert_eq!(route("sip:a;lr"), Ok(Some("<sip:a;lr>".to_owned())));
        assert_eq!(route("sip:bob@a"), Err(NotAHop::User));
        assert_eq!(route("a:5070"), Err(NotAHop::Uri));
        assert_eq!(route("tel:+4930"), Err(NotAHop::Uri));
        assert_eq!(Hop::by_domain().route(), None);
    }
}
