//! The characters SIP's grammar is made of, and cutting text where quotes allow it.
use super::SyntaxError;
use memchr::{memchr, memchr2};
use std::borrow::Cow;

/// token (RFC 3261 §25.1).
const TOKEN: u8 = 1;
/// unreserved (RFC 3261 §25.1).
const UNRESERVED: u8 = 2;
/// What the value of a header parameter may be made of outside of quotes.
const VALUE: u8 = 4;

/// The classes each octet belongs to.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut octet = 0;
    while octet < 128 {
        let character = octet as u8;
        if character.is_ascii_alphanumeric() {
            classes[octet] = TOKEN | UNRESERVED;
        }
        if character.is_ascii_graphic() && !matches!(character, b'"' | b',' | b';' | b'<' | b'>') {
            classes[octet] |= VALUE;
        }
        octet += 1;
    }
    mark(
        mark(classes, b"-.!%*_+`'~", TOKEN),
        b"-_.!~*'()",
        UNRESERVED,
    )
};

const fn mark(mut classes: [u8; 256], octets: &[u8], class: u8) -> [u8; 256] {
    let mut at = 0;
    while at < octets.len() {
        classes[octets[at] as usize] |= class;
        at += 1;
    }
    classes
}

fn are(octets: &[u8], class: u8) -> bool {
    octets
        .iter()
        .all(|octet| CLASSES[usize::from(*octet)] & class != 0)
}

/// Whether this is a token (RFC 3261 §25.1).
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && are(text, TOKEN)
}

/// Whether this may be the value of a header parameter without quotes.
///
/// Wider than the grammar's token and host: real parameters carry URIs unquoted.
pub(super) fn is_plain_value(text: &[u8]) -> bool {
    !text.is_empty() && are(text, VALUE)
}

/// Whether every octet is one of `allowed`, unreserved, or part of a `%XX`.
pub(super) fn is_escaped_text(text: &str, allowed: &[u8]) -> bool {
    let octets = text.as_bytes();
    if are(octets, UNRESERVED) {
        return true;
    }
    let mut at = 0;
    while at < octets.len() {
        if octets[at] == b'%' {
            let digits = octets.get(at + 1..at + 3);
            if !digits.is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)) {
                return false;
            }
            at += 3;
        } else if are(&octets[at..=at], UNRESERVED) || allowed.contains(&octets[at]) {
            at += 1;
        } else {
            return false;
        }
    }
    true
}

/// Resolves every `%XX`, once. The result need not be UTF-8 nor free of NUL.
pub(super) fn unescape(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('%') {
        return Cow::Borrowed(text.as_bytes());
    }
    let octets = text.as_bytes();
    let mut plain = Vec::with_capacity(octets.len());
    let mut at = 0;
    while at < octets.len() {
        let pair = octets
            .get(at + 1..at + 3)
            .filter(|_| octets[at] == b'%')
            .and_then(|two| Some(hex_digit(two[0])? << 4 | hex_digit(two[1])?));
        plain.push(pair.unwrap_or(octets[at]));
        at += if pair.is_some() { 3 } else { 1 };
    }
    Cow::Owned(plain)
}

fn hex_digit(octet: u8) -> Option<u8> {
    (octet as char).to_digit(16).map(|digit| digit as u8)
}

/// Octets that fold or separate: SP, HTAB and the line ends of a folded line.
pub(super) fn is_lws(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

pub(super) fn trim(text: &str) -> &str {
    let octets = text.as_bytes();
    let is_text = |octet: &u8| !is_lws(*octet);
    match octets.iter().position(is_text) {
        None => "",
        Some(from) => {
            let to = octets
                .iter()
                .rposition(is_text)
                .map_or(from, |last| last + 1);
            &text[from..to]
        }
    }
}

/// `text` before and behind the first `separator`, an ASCII octet. As `split_once`, which searches
/// for characters and takes its time for it.
pub(super) fn cut(text: &str, separator: u8) -> Option<(&str, &str)> {
    let at = find(text, separator)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Position of the first `separator`, an ASCII octet.
pub(super) fn find(text: &str, separator: u8) -> Option<usize> {
    memchr(separator, text.as_bytes())
}

/// Position of the first `separator` outside of quoted strings and angle brackets.
pub(super) fn find_outside(text: &str, separator: u8) -> Option<usize> {
    let octets = text.as_bytes();
    let first = memchr(separator, octets)?;
    if memchr2(b'"', b'<', &octets[..first]).is_none() {
        return Some(first);
    }
    let (mut quoted, mut angled) = (false, false);
    let mut at = 0;
    while at < octets.len() {
        match octets[at] {
            b'\\' if quoted => at += 1,
            b'"' if !angled => quoted = !quoted,
            b'<' if !quoted => angled = true,
            b'>' if !quoted => angled = false,
            octet if octet == separator && !quoted && !angled => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The pieces of `text` between `separator`s, trimmed; quotes and angle brackets are respected.
pub(super) struct Split<'a> {
    rest: Option<&'a str>,
    separator: u8,
}

pub(super) fn split(text: &str, separator: u8) -> Split<'_> {
    Split {
        rest: Some(text),
        separator,
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest.take()?;
        let piece = match find_outside(rest, self.separator) {
            Some(at) => {
                self.rest = Some(&rest[at + 1..]);
                &rest[..at]
            }
            None => rest,
        };
        Some(trim(piece))
    }
}

/// Length of the quoted string `text` begins with, both quotes included.
pub(super) fn quoted_length(text: &str) -> Result<usize, SyntaxError> {
    let octets = text.as_bytes();
    let mut at = 1;
    while at < octets.len() {
        match octets[at] {
            b'\\' => at += 2,
            b'"' => return Ok(at + 1),
            _ => at += 1,
        }
    }
    Err(SyntaxError::QuotedString)
}

/// The text a quoted string stands for; anything else as it is.
pub(super) fn unquote(text: &str) -> Cow<'_, str> {
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    match inner {
        None => Cow::Borrowed(text),
        Some(inner) if !inner.contains('\\') => Cow::Borrowed(inner),
        Some(inner) => {
            let mut plain = String::with_capacity(inner.len());
            let mut characters = inner.chars();
            while let Some(character) = characters.next() {
                plain.extend(match character {
                    '\\' => characters.next(),
                    other => Some(other),
                });
            }
            Cow::Owned(plain)
        }
    }
}

/// `text` as a quoted string.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        // a line end inside quotes would end the header
        quoted.push(if matches!(character, '\r' | '\n') {
            ' '
        } else {
            character
        });
    }
    quoted.push('"');
    quoted
}
