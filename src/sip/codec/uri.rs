//! Addresses: `sip:` and `sips:` in full, `tel:`, others as text.
use super::{Host, Params, SyntaxError, TelUri, lex};
use std::{borrow::Cow, fmt, str::FromStr};

/// A URI as it stands in a request line or in a header.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Uri {
    /// `sip:` or `sips:` (RFC 3261 §19.1)
    Sip(SipUri),
    /// `tel:` (RFC 3966)
    Tel(TelUri),
    /// Any other scheme, as it came: `im:`, `pres:`, `urn:`, `msrp:` …
    Other(Box<str>),
}

/// A `sip:` or `sips:` URI (RFC 3261 §19.1). Its parts are kept as they came, escapes included.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SipUri {
    /// Whether the scheme is `sips`.
    pub secure: bool,
    /// User part, still escaped.
    pub user: Option<String>,
    /// Password, still escaped.
    pub password: Option<String>,
    /// Host part.
    pub host: Host,
    /// Port, if the URI names one.
    pub port: Option<u16>,
    /// URI parameters.
    pub params: Params,
    /// Headers after `?`, still escaped.
    pub headers: Vec<(String, String)>,
}

impl Uri {
    /// Reads a URI that stands alone (not a `name-addr`).
    ///
    /// Errors: `Scheme`, `User`, `Host`, `Port`, `Parameter`, `UriHeaders` name the part that
    /// breaks its rule; `Uri` means characters that no URI may have.
    /// Source: RFC 3261 §25.1, RFC 3966 §3.
    ///
    /// ```
    /// # use restante::sip::codec::Uri;
    /// let uri = Uri::parse("sip:bob@[2001:db8::10]:5070;transport=tcp")?;
    /// assert_eq!(uri.to_string(), "sip:bob@[2001:db8::10]:5070;transport=tcp");
    /// # Ok::<(), restante::sip::codec::SyntaxError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let is_uri_octet = |octet: u8| octet.is_ascii_graphic() && !b"<>\"".contains(&octet);
        let (scheme, rest) = lex::cut(text, b':').ok_or(SyntaxError::Scheme)?;
        let is_scheme_octet = |octet: u8| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet);
        if !scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            || !scheme.bytes().all(is_scheme_octet)
        {
            return Err(SyntaxError::Scheme);
        }
        if rest.is_empty() || !rest.bytes().all(is_uri_octet) {
            return Err(SyntaxError::Uri);
        }
        if scheme.eq_ignore_ascii_case("sip") {
            SipUri::parse_rest(false, rest).map(Self::Sip)
        } else if scheme.eq_ignore_ascii_case("sips") {
            SipUri::parse_rest(true, rest).map(Self::Sip)
        } else if scheme.eq_ignore_ascii_case("tel") {
            TelUri::parse_rest(rest).map(Self::Tel)
        } else {
            Ok(Self::Other(text.into()))
        }
    }

    /// The scheme in lower case.
    pub fn scheme(&self) -> Cow<'_, str> {
        match self {
            Self::Sip(uri) if uri.secure => "sips".into(),
            Self::Sip(_) => "sip".into(),
            Self::Tel(_) => "tel".into(),
            Self::Other(text) => match text.split_once(':') {
                Some((scheme, _)) => scheme.to_ascii_lowercase().into(),
                None => "".into(),
            },
        }
    }

    /// This as a SIP URI, if it is one.
    pub fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            _ => None,
        }
    }

    /// Whether both name the same resource (RFC 3261 §19.1.4, RFC 3966 §4).
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sip(one), Self::Sip(two)) => one.equivalent(two),
            (Self::Tel(one), Self::Tel(two)) => {
                one.canonical_number() == two.canonical_number() && one.params == two.params
            }
            (Self::Other(one), Self::Other(two)) => one == two,
            _ => false,
        }
    }
}

impl SipUri {
    /// `sip:host` without anything else.
    pub fn new(host: Host) -> Self {
        Self {
            secure: false,
            user: None,
            password: None,
            host,
            port: None,
            params: Params::new(),
            headers: Vec::new(),
        }
    }

    fn parse_rest(secure: bool, text: &str) -> Result<Self, SyntaxError> {
        let (userinfo, rest) = match lex::cut(text, b'@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, text),
        };
        let (user, password) = userinfo.map(parse_userinfo).transpose()?.unzip();
        let (rest, headers) = match lex::cut(rest, b'?') {
            Some((rest, headers)) => (rest, parse_headers(headers)?),
            None => (rest, Vec::new()),
        };
        let params_at = lex::find(rest, b';').unwrap_or(rest.len());
        let (host, port) = Host::parse_with_port(&rest[..params_at])?;
        Ok(Self {
            secure,
            user,
            password: password.flatten(),
            host,
            port,
            params: Params::parse_in_uri(&rest[params_at..])?,
            headers,
        })
    }

    /// The user part with its escapes resolved; lossy where that is not UTF-8.
    pub fn user_unescaped(&self) -> Option<Cow<'_, str>> {
        let user = self.user.as_deref()?;
        Some(match lex::unescape(user) {
            Cow::Borrowed(_) => Cow::Borrowed(user),
            Cow::Owned(octets) => Cow::Owned(String::from_utf8_lossy(&octets).into_owned()),
        })
    }

    /// The `transport` parameter, if there is one.
    pub fn transport(&self) -> Option<&str> {
        self.params.get("transport")
    }

    /// The port, or the default one of the scheme.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.secure { 5061 } else { 5060 })
    }

    /// Whether both name the same resource. Not transitive, as the RFC says itself.
    ///
    /// Source: RFC 3261 §19.1.4.
    pub fn equivalent(&self, other: &Self) -> bool {
        let unescaped =
            |text: &Option<String>| text.as_deref().map(|text| lex::unescape(text).into_owned());
        self.secure == other.secure
            && unescaped(&self.user) == unescaped(&other.user)
            && unescaped(&self.password) == unescaped(&other.password)
            && self.host == other.host
            && self.port == other.port
            && params_match(&self.params, &other.params)
            && params_match(&other.params, &self.params)
            && headers_match(&self.headers, &other.headers)
    }
}

// user, password: RFC 3261 §25.1
fn parse_userinfo(text: &str) -> Result<(String, Option<String>), SyntaxError> {
    let (user, password) = match lex::cut(text, b':') {
        Some((user, password)) => (user, Some(password)),
        None => (text, None),
    };
    let is_valid = !user.is_empty()
        && lex::is_escaped_text(user, b"&=+$,;?/")
        && password.is_none_or(|password| lex::is_escaped_text(password, b"&=+$,"));
    if is_valid {
        Ok((user.into(), password.map(Into::into)))
    } else {
        Err(SyntaxError::User)
    }
}

// headers: RFC 3261 §25.1
fn parse_headers(text: &str) -> Result<Vec<(String, String)>, SyntaxError> {
    const ALLOWED: &[u8] = b"[]/?:+$";
    text.split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').ok_or(SyntaxError::UriHeaders)?;
            let is_valid = !name.is_empty()
                && lex::is_escaped_text(name, ALLOWED)
                && lex::is_escaped_text(value, ALLOWED);
            if is_valid {
                Ok((name.into(), value.into()))
            } else {
                Err(SyntaxError::UriHeaders)
            }
        })
        .collect()
}

// every parameter of `one` is in `two` with the same value, or is one that may be missing there
fn params_match(one: &Params, two: &Params) -> bool {
    const NEVER_ALONE: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];
    let same = |a: &str, b: &str| lex::unescape(a).eq_ignore_ascii_case(&lex::unescape(b));
    one.iter().all(|(name, value)| match two.get(name) {
        Some(other) => same(value.unwrap_or(""), other),
        None => !NEVER_ALONE
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known)),
    })
}

fn headers_match(one: &[(String, String)], two: &[(String, String)]) -> bool {
    let sorted = |headers: &[(String, String)]| {
        let mut pairs: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), lex::unescape(value).into_owned()))
            .collect();
        pairs.sort();
        pairs
    };
    one.len() == two.len() && sorted(one) == sorted(two)
}

impl FromStr for Uri {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        Self::parse(text)
    }
}

impl From<SipUri> for Uri {
    fn from(uri: SipUri) -> Self {
        Self::Sip(uri)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(uri) => uri.fmt(f),
            Self::Tel(uri) => uri.fmt(f),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "sips:" } else { "sip:" })?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if let Some(password) = &self.password {
                write!(f, ":{password}")?;
            }
            f.write_str("@")?;
        }
        self.host.fmt(f)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.params.fmt(f)?;
        let mut separator = '?';
        for (name, value) in &self.headers {
            write!(f, "{separator}{name}={value}")?;
            separator = '&';
        }
        Ok(())
    }
}
