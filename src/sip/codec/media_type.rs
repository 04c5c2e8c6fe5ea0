//! Media types: `type/subtype;parameters`.
use super::{Params, SyntaxError, lex};
use std::fmt;

/// The value of a Content-Type header (RFC 3261 §20.15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// `type/subtype` in lower case.
    essence: String,
    /// Parameters such as `charset` or `boundary`.
    pub params: Params,
}

impl MediaType {
    /// Reads a media type.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let text = lex::trim(text);
        let params_at = lex::find(text, b';').unwrap_or(text.len());
        let (main, sub) = lex::cut(&text[..params_at], b'/').ok_or(SyntaxError::MediaType)?;
        let (main, sub) = (lex::trim(main), lex::trim(sub));
        if !lex::is_token(main.as_bytes()) || !lex::is_token(sub.as_bytes()) {
            return Err(SyntaxError::MediaType);
        }
        Ok(Self {
            essence: format!("{main}/{sub}").to_ascii_lowercase(),
            params: Params::parse(&text[params_at..])?,
        })
    }

    /// `type/subtype` in lower case, without parameters.
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// Whether this is that `type/subtype`, in any letter case.
    pub fn is(&self, essence: &str) -> bool {
        self.essence.eq_ignore_ascii_case(essence)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.essence, self.params)
    }
}
