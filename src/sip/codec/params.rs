//! Parameters: `;name=value;flag`.
use super::{SyntaxError, lex};
use std::{borrow::Cow, fmt};

/// An ordered list of parameters. Names are found in any letter case, values kept as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Params(Vec<Param>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Param {
    name: Box<str>,
    value: Option<Box<str>>,
}

/// More parameters than this in one place are no honest use.
const MOST: usize = 64;

impl Params {
    /// No parameters.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Reads header parameters (generic-param, RFC 3261 §25.1).
    ///
    /// Shape: `;name=value;flag`, white space around `;` and `=` allowed; may be empty.
    /// Errors: `Parameter` if one is empty, has characters it may not have, or is the 65th.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        Self::read(text, |name, value| {
            lex::is_token(name.as_bytes()) && value.is_none_or(is_header_value)
        })
    }

    /// Reads URI parameters (uri-parameter, RFC 3261 §25.1): no white space, no quotes.
    pub(super) fn parse_in_uri(text: &str) -> Result<Self, SyntaxError> {
        const ALLOWED: &[u8] = b"[]/:&+$";
        let params = Self::read(text, |name, value| {
            !name.is_empty()
                && lex::is_escaped_text(name, ALLOWED)
                && value.is_none_or(|value| lex::is_escaped_text(value, ALLOWED))
        })?;
        // no name may be there twice (RFC 3261 §19.1.1)
        let is_repeated = |at: usize| {
            let name = &params.0[at].name;
            params.0[..at]
                .iter()
                .any(|earlier| earlier.name.eq_ignore_ascii_case(name))
        };
        match (1..params.len()).any(is_repeated) {
            true => Err(SyntaxError::Parameter),
            false => Ok(params),
        }
    }

    fn read(
        text: &str,
        is_valid: impl Fn(&str, Option<&str>) -> bool,
    ) -> Result<Self, SyntaxError> {
        let text = lex::trim(text);
        if text.is_empty() {
            return Ok(Self::new());
        }
        let text = text.strip_prefix(';').ok_or(SyntaxError::Parameter)?;
        let mut params = Vec::with_capacity(4);
        for piece in lex::split(text, b';') {
            let (name, value) = match piece.split_once('=') {
                Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
                None => (piece, None),
            };
            if params.len() == MOST || !is_valid(name, value) {
                return Err(SyntaxError::Parameter);
            }
            params.push(Param {
                name: name.into(),
                value: value.map(Into::into),
            });
        }
        Ok(Self(params))
    }

    /// The value of the first parameter of this name, quotes included; empty for a flag.
    pub fn get(&self, name: &str) -> Option<&str> {
        let param = self.0.iter().find(|p| p.name.eq_ignore_ascii_case(name))?;
        Some(param.value.as_deref().unwrap_or(""))
    }

    /// The value of the first parameter of this name without its quotes.
    pub fn unquoted(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(lex::unquote)
    }

    /// Whether there is a parameter of this name, with or without a value.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Gives the parameter this value: in its old place, or at the end.
    pub fn set(&mut self, name: &str, value: &str) {
        self.put(name, Some(value.into()));
    }

    /// Adds the parameter without a value, or takes its value away.
    pub fn set_flag(&mut self, name: &str) {
        self.put(name, None);
    }

    fn put(&mut self, name: &str, value: Option<Box<str>>) {
        match self
            .0
            .iter_mut()
            .find(|p| p.name.eq_ignore_ascii_case(name))
        {
            Some(param) => param.value = value,
            None => self.0.push(Param {
                name: name.into(),
                value,
            }),
        }
    }

    /// The same list with this parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Takes every parameter of this name away.
    pub fn remove(&mut self, name: &str) {
        self.0
            .retain(|param| !param.name.eq_ignore_ascii_case(name));
    }

    /// Names and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|p| (&*p.name, p.value.as_deref()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn is_header_value(value: &str) -> bool {
    if value.starts_with('"') {
        return lex::quoted_length(value) == Ok(value.len());
    }
    lex::is_plain_value(value.as_bytes())
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|param| match &param.value {
            Some(value) => write!(f, ";{}={value}", param.name),
            None => write!(f, ";{}", param.name),
        })
    }
}
