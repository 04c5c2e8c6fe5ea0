//! The escapes of header values (RFC 3862 §2.3).
use std::borrow::Cow;

/// Escapes control characters and backslashes, as every header value must be.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text
        .chars()
        .any(|character| character.is_ascii_control() || character == '\\')
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            control if control.is_ascii_control() => {
                out.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

/// Reads escapes. An unknown one stands for the character after the backslash, a backslash at the
/// end for nothing.
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match rest.next() {
            Some('b') => out.push('\u{8}'),
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('u') => match code_unit(rest.as_str()) {
                Some(unit) => {
                    rest = rest.as_str()[4..].chars();
                    out.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                None => out.push('u'),
            },
            Some(other) => out.push(other),
            None => {}
        }
    }
    Cow::Owned(out)
}

fn code_unit(text: &str) -> Option<u32> {
    let digits = text.get(..4)?;
    let hex = digits.bytes().all(|octet| octet.is_ascii_hexdigit());
    hex.then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_escape_of_the_rfc_is_read() {
        assert_eq!(unescape(r#"\\\"\'\b\t\n\r\u0041\x\"#), "\\\"'\u{8}\t\n\rAx");
        assert_eq!(unescape(r"\u00"), "u00");
        assert_eq!(unescape(r"\ud800"), "\u{fffd}");
    }

    proptest! {
        #[test]
        fn escaped_text_reads_back_and_fits_a_line(text in ".*") {
            let escaped = escape(&text).into_owned();
            prop_assert!(!escaped.bytes().any(|octet| octet.is_ascii_control()));
            prop_assert_eq!(unescape(&escaped), text);
        }

        #[test]
        fn garbage_never_panics(text in r"[\\u0-9é]*") {
            unescape(&text);
        }
    }
}
