//! `tel:` URIs.
use super::{Params, SyntaxError, lex};
use std::fmt;

/// A `tel:` URI (RFC 3966).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TelUri {
    /// The number as written, with its visual separators.
    pub number: String,
    /// Parameters such as `phone-context`.
    pub params: Params,
}

impl TelUri {
    pub(super) fn parse_rest(text: &str) -> Result<Self, SyntaxError> {
        let params_at = lex::find(text, b';').unwrap_or(text.len());
        let number = &text[..params_at];
        let digits = number.strip_prefix('+').unwrap_or(number);
        let is_phone_digit = |octet: u8| octet.is_ascii_hexdigit() || b"*#-.()".contains(&octet);
        if !digits.bytes().all(is_phone_digit) || !digits.bytes().any(|o| !b"-.()".contains(&o)) {
            return Err(SyntaxError::User);
        }
        Ok(Self {
            number: number.into(),
            params: Params::parse_in_uri(&text[params_at..])?,
        })
    }

    /// The number without visual separators: `+49-30.12` is `+493012` (RFC 3966 §5.1.1).
    pub fn canonical_number(&self) -> String {
        let is_separator = |character| "-.()".contains(character);
        self.number
            .chars()
            .filter(|character| !is_separator(*character))
            .map(|character| character.to_ascii_lowercase())
            .collect()
    }
}

impl fmt::Display for TelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tel:{}{}", self.number, self.params)
    }
}
