//! Splitting at a separator that may also stand inside quotes or angle brackets.

/// Splits at `separator` where it stands outside `"…"` and `<…>`.
///
/// The pieces are not trimmed and may be empty; there is always at least one. An unclosed quote
/// or bracket runs to the end.
pub fn outside(text: &str, separator: u8) -> Outside<'_> {
    Outside {
        rest: Some(text),
        separator,
    }
}

/// Finds `wanted` where it stands outside `"…"` (but angle brackets count as plain text).
pub fn find_unquoted(text: &str, wanted: u8) -> Option<usize> {
    let mut scan = Scan::default();
    text.bytes()
        .position(|octet| scan.takes(octet) && octet == wanted)
}

/// The pieces of [`outside`].
#[derive(Clone, Debug)]
pub struct Outside<'a> {
    rest: Option<&'a str>,
    separator: u8,
}

impl<'a> Iterator for Outside<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest?;
        match separator_at(text, self.separator) {
            Some(at) => {
                self.rest = Some(&text[at + 1..]);
                Some(&text[..at])
            }
            None => self.rest.take(),
        }
    }
}

fn separator_at(text: &str, separator: u8) -> Option<usize> {
    let mut scan = Scan::default();
    let mut angle = false;
    text.bytes().position(|octet| {
        let plain = scan.takes(octet);
        match octet {
            b'<' if plain => angle = true,
            b'>' if plain => angle = false,
            _ => {}
        }
        plain && !angle && octet == separator
    })
}

/// Tells octets outside quotes from those inside.
#[derive(Default)]
struct Scan {
    quoted: bool,
    escaped: bool,
}

impl Scan {
    fn takes(&mut self, octet: u8) -> bool {
        if std::mem::take(&mut self.escaped) {
            return false;
        }
        match octet {
            b'"' => {
                self.quoted = !self.quoted;
                false
            }
            b'\\' if self.quoted => {
                self.escaped = true;
                false
            }
            _ => !self.quoted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commas_inside_quotes_and_brackets_do_not_split() {
        let contacts = r#""A, \"B\"" <sip:a@h;x=1,2>;q=1, <sip:b@h>"#;
        let pieces: Vec<_> = outside(contacts, b',').collect();
        assert_eq!(pieces, [r#""A, \"B\"" <sip:a@h;x=1,2>;q=1"#, " <sip:b@h>"]);
    }

    #[test]
    fn empty_text_is_one_empty_piece() {
        assert_eq!(outside("", b',').collect::<Vec<_>>(), [""]);
        assert_eq!(outside("a,", b',').collect::<Vec<_>>(), ["a", ""]);
    }

    #[test]
    fn quoted_octet_is_not_found() {
        assert_eq!(find_unquoted(r#""<" <sip:a>"#, b'<'), Some(4));
        assert_eq!(find_unquoted(r#""<"#, b'<'), None);
    }

    proptest! {
        #[test]
        fn pieces_join_to_the_text(text in r#"[a,"<>\\é]*"#) {
            let joined = outside(&text, b',').collect::<Vec<_>>().join(",");
            prop_assert_eq!(joined, text);
        }
    }
}
