//! `"Display" <uri>;param=value`, the form of From, To, Contact, Route and their kind.
use super::{Params, SyntaxError, Uri, lex};
use std::{fmt, str::FromStr};

/// An address with its display name and header parameters (RFC 3261 §20.10, §25.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// Display name without quotes.
    pub display: Option<String>,
    /// The address.
    pub uri: Uri,
    /// Parameters of the header, not of the URI.
    pub params: Params,
}

impl NameAddr {
    /// An address without display name and parameters.
    pub fn new(uri: Uri) -> Self {
        Self {
            display: None,
            uri,
            params: Params::new(),
        }
    }

    /// Reads one address in either form.
    ///
    /// Shape: `"Display name" <uri>;params`, or `uri;params`. In the second form every parameter
    /// belongs to the header, and the URI may hold no `?` or `,` (RFC 3261 §20).
    /// Errors: `QuotedString`, `DisplayName`, `Brackets`, or what is wrong with URI or parameters.
    ///
    /// ```
    /// # use restante::sip::codec::NameAddr;
    /// let to = NameAddr::parse("\"Bob\" <sip:bob@biloxi.com>;tag=a6c85cf")?;
    /// assert_eq!((to.display.as_deref(), to.tag()), (Some("Bob"), Some("a6c85cf")));
    /// # Ok::<(), restante::sip::codec::SyntaxError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let text = lex::trim(text);
        let (display, rest) = parse_display(text)?;
        let Some(inner) = rest.strip_prefix('<') else {
            return parse_addr_spec(rest);
        };
        let (uri, params) = lex::cut(inner, b'>').ok_or(SyntaxError::Brackets)?;
        let params = lex::trim(params);
        if !params.is_empty() && !params.starts_with(';') {
            return Err(SyntaxError::Brackets);
        }
        Ok(Self {
            display,
            uri: Uri::parse(uri)?,
            params: Params::parse(params)?,
        })
    }

    /// The `tag` parameter, if it is there and not empty.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// A header parameter; empty for a flag.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name)
    }

    /// The `expires` parameter of a Contact in seconds. One that is no number that fits counts as
    /// 3600 (RFC 3261 §10.2.1.1).
    pub fn expires(&self) -> Option<u32> {
        let text = self.params.get("expires")?;
        Some(text.parse().unwrap_or(3600))
    }

    /// The `q` parameter of a Contact in thousandths; absent or malformed counts as 1.0.
    pub fn quality(&self) -> u16 {
        let parse = |text: &str| {
            let value: f32 = text.parse().ok()?;
            (0.0..=1.0)
                .contains(&value)
                .then(|| (value * 1000.0).round() as u16)
        };
        self.params.get("q").and_then(parse).unwrap_or(1000)
    }
}

// the display name before `<`, and what follows it; a bare address comes back whole
fn parse_display(text: &str) -> Result<(Option<String>, &str), SyntaxError> {
    if text.starts_with('"') {
        let length = lex::quoted_length(text)?;
        let rest = lex::trim(&text[length..]);
        if !rest.starts_with('<') {
            return Err(SyntaxError::Brackets);
        }
        return Ok((Some(lex::unquote(&text[..length]).into_owned()), rest));
    }
    let Some(angle) = lex::find(text, b'<') else {
        return Ok((None, text));
    };
    let display = lex::trim(&text[..angle]);
    let mut words = display.split([' ', '\t']).filter(|word| !word.is_empty());
    if !words.all(|word| lex::is_token(word.as_bytes())) {
        return Err(SyntaxError::DisplayName);
    }
    let display = (!display.is_empty()).then(|| display.to_owned());
    Ok((display, &text[angle..]))
}

fn parse_addr_spec(text: &str) -> Result<NameAddr, SyntaxError> {
    let params_at = lex::find(text, b';').unwrap_or(text.len());
    let uri = text[..params_at].trim_end();
    if uri.contains(['?', ',']) {
        return Err(SyntaxError::Brackets);
    }
    Ok(NameAddr {
        display: None,
        uri: Uri::parse(uri)?,
        params: Params::parse(&text[params_at..])?,
    })
}

impl From<Uri> for NameAddr {
    fn from(uri: Uri) -> Self {
        Self::new(uri)
    }
}

impl FromStr for NameAddr {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        Self::parse(text)
    }
}

/// Always in the form with angle brackets, which is right in every header.
impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write!(f, "{} ", lex::quote(display))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}
