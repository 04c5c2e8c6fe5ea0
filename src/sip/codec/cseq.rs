//! CSeq: the number and method that order the requests of a dialog.
use super::{Method, SyntaxError, lex};
use std::fmt;

/// The value of a CSeq header (RFC 3261 §20.16).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Sequence number.
    pub number: u32,
    /// Method of the request.
    pub method: Method,
}

impl CSeq {
    /// A value of these two.
    pub fn new(number: u32, method: Method) -> Self {
        Self { number, method }
    }

    /// Reads a `CSeq` value.
    ///
    /// Shape: `number method`. Leading zeros are allowed.
    /// Errors: `Number` if the number does not fit 32 bits, `Token` if the method is none.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let text = lex::trim(text);
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let number = text[..digits].parse().map_err(|_| SyntaxError::Number)?;
        let rest = &text[digits..];
        if !rest.starts_with([' ', '\t', '\r']) {
            return Err(SyntaxError::Token);
        }
        let method = lex::trim(rest).parse()?;
        Ok(Self { number, method })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}
