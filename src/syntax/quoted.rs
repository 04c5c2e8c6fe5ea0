//! `quoted-string` of RFC 3261 §25.1.
use std::borrow::Cow;

/// Writes a text as `quoted-string`; `"` and `\` are escaped, line ends become spaces.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\r' | '\n' => out.push(' '),
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

/// Reads a `quoted-string`; a text without quotes is returned as it is.
pub fn unquote(text: &str) -> Cow<'_, str> {
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let Some(inner) = inner else {
        return Cow::Borrowed(text);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next()),
            _ => out.push(character),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn display_name_with_quotes_is_escaped() {
        assert_eq!(quote(r#"The "Boss""#), r#""The \"Boss\"""#);
        assert_eq!(unquote(r#""J Rosenberg \\\"""#), r#"J Rosenberg \""#);
        assert_eq!(unquote("plain"), "plain");
    }

    proptest! {
        #[test]
        fn quoted_text_reads_back(text in "[^\r\n]*") {
            let quoted = quote(&text);
            prop_assert_eq!(unquote(&quoted), text);
        }

        #[test]
        fn garbage_never_panics(text in r#"[\\"a]*"#) {
            unquote(&text);
        }
    }
}
