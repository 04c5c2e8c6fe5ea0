//! Where in the octets of a message its parts are. One pass, no copies.
use super::{Limits, Method, Name, ParseError, lex};
use memchr::{memchr, memchr2};
use std::ops::Range;

/// Room for the fields of most messages.
const USUAL_FIELDS: usize = 16;

/// Positions in the head of one message. Small, since it is moved a few times; and kept for half a
/// minute with every answered transaction.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub start: Start,
    pub fields: Vec<Field>,
    pub content_length: ContentLength,
    /// Length of the head, its empty line included.
    pub head: usize,
}

/// What the first line says.
#[derive(Clone, Debug)]
pub(super) enum Start {
    Request {
        method: Method,
        uri: Range<u32>,
        version: Range<u32>,
        /// Whether something stands where only single spaces may be.
        loose: bool,
    },
    Response {
        code: u16,
        reason: Range<u32>,
        version: Range<u32>,
    },
}

/// One header field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub name: Name,
    /// Whether the value runs over several lines.
    pub folded: bool,
    /// Where the field begins; it ends where the next one begins.
    pub line: u32,
    pub name_end: u32,
    /// The value without the white space around it.
    pub value: u32,
    pub value_end: u32,
}

/// What Content-Length says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentLength {
    Absent,
    Octets(usize),
    Unusable,
}

impl Index {
    /// Reads a head. `octets` begins with the start line and holds at least the empty line.
    pub fn of(octets: &[u8], limits: &Limits) -> Result<Self, ParseError> {
        let (max_field, max_head) = (limits.field(), limits.head());
        let first = line_end(octets, 0, max_field)?;
        let mut index = Self {
            start: Start::of(&octets[..first])?,
            fields: Vec::with_capacity(USUAL_FIELDS),
            content_length: ContentLength::Absent,
            head: 0,
        };
        let mut at = first + 2;
        while !octets[at..].starts_with(b"\r\n") {
            let (field, next) = Field::at(octets, at, max_field)?;
            if index.fields.len() >= limits.max_fields {
                let limit = limits.max_fields;
                return Err(ParseError::TooManyFields { limit });
            }
            if field.name == Name::ContentLength {
                index.note_content_length(&octets[field.value_range()]);
            }
            index.fields.push(field);
            at = next;
            if at > max_head {
                return Err(ParseError::HeadTooLong { limit: max_head });
            }
        }
        index.head = at + 2;
        Ok(index)
    }

    // a second one, equal or not, leaves no way to know the length (RFC 4475 §3.3.9)
    fn note_content_length(&mut self, value: &[u8]) {
        let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse().ok());
        self.content_length = match (self.content_length, number) {
            (ContentLength::Absent, Some(octets)) if is_number => ContentLength::Octets(octets),
            _ => ContentLength::Unusable,
        };
    }

    /// Octets the body must have: what Content-Length says, or `None` if there is none.
    pub fn announced(&self, limits: &Limits) -> Result<Option<usize>, ParseError> {
        match self.content_length {
            ContentLength::Absent => Ok(None),
            ContentLength::Unusable => Err(ParseError::ContentLength),
            ContentLength::Octets(octets) if octets > limits.body() => {
                let limit = limits.body();
                Err(ParseError::BodyTooLong { limit })
            }
            ContentLength::Octets(octets) => Ok(Some(octets)),
        }
    }
}

impl Start {
    fn of(line: &[u8]) -> Result<Self, ParseError> {
        if line
            .get(..4)
            .is_some_and(|name| name.eq_ignore_ascii_case(b"SIP/"))
        {
            Self::response(line)
        } else {
            Self::request(line)
        }
    }

    // Request-Line: RFC 3261 §25.1; what is between the first and the last space is the URI
    fn request(line: &[u8]) -> Result<Self, ParseError> {
        let trimmed = line.trim_ascii_end();
        let space = memchr(b' ', trimmed).ok_or(ParseError::StartLine)?;
        let last_space = memchr::memrchr(b' ', trimmed).ok_or(ParseError::StartLine)?;
        let method = Method::from_bytes(&trimmed[..space]).ok_or(ParseError::StartLine)?;
        let version = &trimmed[last_space + 1..];
        let between = trimmed
            .get(space + 1..last_space)
            .ok_or(ParseError::StartLine)?;
        let uri = between.trim_ascii();
        let is_sip = version
            .get(..4)
            .is_some_and(|name| name.eq_ignore_ascii_case(b"SIP/"));
        if !is_sip || uri.is_empty() || std::str::from_utf8(uri).is_err() {
            return Err(ParseError::StartLine);
        }
        let uri_at = space + 1 + (between.len() - between.trim_ascii_start().len());
        Ok(Self::Request {
            method,
            uri: range(uri_at, uri_at + uri.len()),
            version: range(last_space + 1, trimmed.len()),
            loose: trimmed.len() != line.len() || uri.len() != between.len(),
        })
    }

    // Status-Line: RFC 3261 §25.1; a missing reason phrase may miss its space, too
    fn response(line: &[u8]) -> Result<Self, ParseError> {
        let space = memchr(b' ', line).ok_or(ParseError::StartLine)?;
        let rest = &line[space + 1..];
        let end = memchr(b' ', rest).unwrap_or(rest.len());
        let digits = &rest[..end];
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(ParseError::StartLine);
        }
        let code = std::str::from_utf8(digits)
            .ok()
            .and_then(|text| text.parse().ok());
        let code = code.filter(|code| digits.len() == 3 && (100..700).contains(code));
        let reason_at = (space + 1 + end + 1).min(line.len());
        Ok(Self::Response {
            code: code.ok_or(ParseError::StatusCode)?,
            reason: range(reason_at, line.len()),
            version: range(0, space),
        })
    }
}

impl Field {
    /// Reads the field at `at`, and says where the next one begins.
    fn at(octets: &[u8], at: usize, limit: usize) -> Result<(Self, usize), ParseError> {
        let mut end = line_end(octets, at, limit)?;
        let line = &octets[at..end];
        let colon = memchr(b':', line).ok_or(ParseError::FieldLine)?;
        let name = line[..colon].trim_ascii_end();
        if !lex::is_token(name) {
            return Err(ParseError::FieldLine);
        }
        let mut folded = false;
        while matches!(octets.get(end + 2), Some(b' ' | b'\t')) {
            folded = true;
            end = line_end(octets, end + 2, limit)?;
            if end - at > limit {
                return Err(ParseError::FieldTooLong { limit });
            }
        }
        let (value, value_end) = trim(octets, at + colon + 1, end);
        let field = Self {
            name: Name::from_bytes(name),
            folded,
            line: position(at),
            name_end: position(at + name.len()),
            value: position(value),
            value_end: position(value_end),
        };
        Ok((field, end + 2))
    }

    pub fn name_range(&self) -> Range<usize> {
        self.line as usize..self.name_end as usize
    }

    pub fn value_range(&self) -> Range<usize> {
        self.value as usize..self.value_end as usize
    }

    /// The same field `by` octets further on.
    pub fn shifted(mut self, by: i64) -> Self {
        for at in [
            &mut self.line,
            &mut self.name_end,
            &mut self.value,
            &mut self.value_end,
        ] {
            *at = (i64::from(*at) + by) as u32;
        }
        self
    }
}

/// Where the line at `at` ends: the position of its CRLF.
fn line_end(octets: &[u8], at: usize, limit: usize) -> Result<usize, ParseError> {
    let rest = &octets[at..];
    let Some(length) = memchr2(b'\r', b'\n', rest) else {
        return Err(if rest.len() > limit {
            ParseError::FieldTooLong { limit }
        } else {
            ParseError::HeadUnfinished
        });
    };
    match (rest[length], rest.get(length + 1)) {
        _ if length > limit => Err(ParseError::FieldTooLong { limit }),
        (b'\r', Some(b'\n')) => Ok(at + length),
        (b'\r', None) => Err(ParseError::HeadUnfinished),
        _ => Err(ParseError::BareLineBreak),
    }
}

fn trim(octets: &[u8], mut from: usize, mut to: usize) -> (usize, usize) {
    while from < to && lex::is_lws(octets[from]) {
        from += 1;
    }
    while from < to && lex::is_lws(octets[to - 1]) {
        to -= 1;
    }
    (from, to)
}

// limits keep every position far below 32 bits
fn position(at: usize) -> u32 {
    at as u32
}

fn range(from: usize, to: usize) -> Range<u32> {
    position(from)..position(to)
}
