//! Parameters: `;name=value;flag`.
use super::{SyntaxError, lex};
use smallvec::SmallVec;
use std::{
    borrow::Cow,
    fmt,
    hash::{Hash, Hasher},
    ops::Range,
};

/// An ordered list of parameters. Names are found in any letter case, values kept as they came.
#[derive(Clone, Default)]
pub struct Params {
    /// What they are made of: as they came, what was set later behind it.
    text: String,
    places: SmallVec<[Place; 3]>,
}

/// Where a parameter stands in the text.
#[derive(Clone)]
struct Place {
    name: Range<u32>,
    value: Option<Range<u32>>,
}

/// More parameters than this in one place are no honest use.
const MOST: usize = 64;

impl Params {
    /// No parameters.
    pub fn new() -> Self {
        Self::default()
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
            let name = params.name(&params.places[at]);
            let mut earlier = params.places[..at].iter().map(|place| params.name(place));
            earlier.any(|earlier| earlier.eq_ignore_ascii_case(name))
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
        let mut params = Self::new();
        params.text.reserve_exact(text.len());
        for piece in lex::split(text, b';') {
            let (name, value) = match lex::cut(piece, b'=') {
                Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
                None => (piece, None),
            };
            if params.len() == MOST || !is_valid(name, value) {
                return Err(SyntaxError::Parameter);
            }
            params.push(name, value);
        }
        Ok(params)
    }

    /// The value of the first parameter of this name, quotes included; empty for a flag.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .iter()
            .find(|(one, _)| one.eq_ignore_ascii_case(name))?;
        Some(value.unwrap_or(""))
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
        self.put(name, Some(value));
    }

    /// Adds the parameter without a value, or takes its value away.
    pub fn set_flag(&mut self, name: &str) {
        self.put(name, None);
    }

    fn put(&mut self, name: &str, value: Option<&str>) {
        let known = |(one, _): (&str, _)| one.eq_ignore_ascii_case(name);
        let Some(at) = self.iter().position(known) else {
            return self.push(name, value);
        };
        self.places[at].value = value.map(|value| self.write(value));
    }

    fn push(&mut self, name: &str, value: Option<&str>) {
        let place = Place {
            name: self.write(name),
            value: value.map(|value| self.write(value)),
        };
        self.places.push(place);
    }

    /// Puts `part` behind the text; where it stands.
    #[expect(clippy::cast_possible_truncation, reason = "no header is that long")]
    fn write(&mut self, part: &str) -> Range<u32> {
        let from = self.text.len() as u32;
        self.text.push_str(part);
        from..self.text.len() as u32
    }

    fn text(&self, range: &Range<u32>) -> &str {
        &self.text[range.start as usize..range.end as usize]
    }

    fn name(&self, place: &Place) -> &str {
        self.text(&place.name)
    }

    /// The same list with this parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Takes every parameter of this name away.
    pub fn remove(&mut self, name: &str) {
        let Self { text, places } = self;
        places.retain(|place| {
            let range = place.name.start as usize..place.name.end as usize;
            !text[range].eq_ignore_ascii_case(name)
        });
    }

    /// Names and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.places.iter().map(|place| {
            let value = place.value.as_ref().map(|value| self.text(value));
            (self.name(place), value)
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Params {}

impl Hash for Params {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.iter().for_each(|param| param.hash(state));
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
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
        self.iter().try_for_each(|(name, value)| match value {
            Some(value) => write!(f, ";{name}={value}"),
            None => write!(f, ";{name}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_set_later_stand_in_the_old_place_and_count_as_if_they_had_come_so() {
        let mut params = Params::parse(";branch=z9hG4bK1;rport;ttl=1").unwrap();
        params.set("RPORT", "5060");
        params.set("received", "192.0.2.1");
        params.set_flag("ttl");
        assert_eq!(
            params.to_string(),
            ";branch=z9hG4bK1;rport=5060;ttl;received=192.0.2.1"
        );
        assert_eq!(Params::parse(&params.to_string()), Ok(params.clone()));
        params.remove("Branch");
        assert_eq!(params.to_string(), ";rport=5060;ttl;received=192.0.2.1");
        assert_eq!(
            (params.get("rport"), params.get("ttl")),
            (Some("5060"), Some(""))
        );
        assert_ne!(
            params,
            Params::parse(";rport;ttl;received=192.0.2.1").unwrap()
        );
    }
}
