//! How a participant of a chat room asks to be called (RFC 7701 §7.1).
use super::Head;
use crate::syntax::quoted::{quote, unquote};

/// The header field that carries it.
pub const USE_NICKNAME: &str = "Use-Nickname";

/// Longest nickname, in octets without its quotes.
const LIMIT: usize = 1023;

/// A NICKNAME request without a `Use-Nickname` that can be read: 424.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no quoted nickname of at most 1023 octets")]
pub struct BadNickname;

impl BadNickname {
    /// The status code that says so.
    pub const fn status(self) -> u16 {
        424
    }
}

/// Returns what a NICKNAME request asks for; nothing if its sender wants to have none any more.
///
/// Shape: `Use-Nickname: "…"`, with `\` before `"` and `\`.
/// Errors: `BadNickname` for every other shape, and for more than 1023 octets.
/// Source: RFC 7701 §7.1, §7.3.
pub fn wanted(head: &Head) -> Result<Option<String>, BadNickname> {
    let value = head.text(USE_NICKNAME).ok_or(BadNickname)?;
    if !is_quoted(value) {
        return Err(BadNickname);
    }
    let nickname = unquote(value);
    match nickname.len() {
        0 => Ok(None),
        1..=LIMIT => Ok(Some(nickname.into_owned())),
        _ => Err(BadNickname),
    }
}

/// Writes the value of `Use-Nickname`; an empty one for who wants to have none any more.
pub fn value(nickname: Option<&str>) -> String {
    quote(nickname.unwrap_or_default())
}

/// Whether a text is one quoted string: it ends where its first quote is closed.
fn is_quoted(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('"') else {
        return false;
    };
    let mut characters = inner.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '"' => return place + 1 == inner.len(),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msrp::{HeadBuilder, Method};
    use proptest::prelude::*;

    const TO: &str = "msrp://chat.example.com:12763/kjhd37s2s20w2a;tcp";
    const FROM: &str = "msrp://client.atlanta.example.com:7654/jshA7weztas;tcp";

    fn request(value: &str) -> Head {
        let head = HeadBuilder::request("d93kswow", Method::Nickname, TO, FROM);
        head.field(USE_NICKNAME, value).build(false).unwrap()
    }

    #[test]
    fn example_of_rfc7701_is_read() {
        let head = request("\"Alice the great\"");
        assert_eq!(head.method(), Some(Method::Nickname));
        assert_eq!(wanted(&head), Ok(Some("Alice the great".to_owned())));
    }

    #[test]
    fn empty_one_gives_the_nickname_up() {
        assert_eq!(wanted(&request("\"\"")), Ok(None));
        assert_eq!(value(None), "\"\"");
    }

    #[test]
    fn what_is_not_one_quoted_string_is_malformed() {
        let long = format!("\"{}\"", "a".repeat(1024));
        for text in [
            "",
            "Alice",
            "\"Alice",
            "Alice\"",
            "\"a\" \"b\"",
            "\"a\\\"",
            &long,
        ] {
            assert_eq!(wanted(&request(text)), Err(BadNickname), "{text}");
        }
        let none = HeadBuilder::request("d93kswow", Method::Nickname, TO, FROM);
        assert_eq!(wanted(&none.build(false).unwrap()), Err(BadNickname));
    }

    proptest! {
        #[test]
        fn written_nickname_reads_back(nickname in "[!-~éß ]{1,40}") {
            let head = request(&value(Some(&nickname)));
            prop_assert_eq!(wanted(&head), Ok(Some(nickname)));
        }

        #[test]
        fn garbage_never_panics(text in "[\"\\\\a é]{0,12}") {
            let _ = wanted(&request(&text));
        }
    }
}
