use icu_normalizer::ComposingNormalizerBorrowed;

/// Longest nickname, in octets.
const LIMIT: usize = 1023;

/// How a participant wants to be called: shown as it was written, compared without case and
/// without what only looks different.
///
/// Source: RFC 7701 §7.1, RFC 7700 §2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nickname {
    text: String,
    key: String,
}

/// A text that is no nickname.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no nickname: empty, longer than 1023 octets, or with characters that cannot be seen")]
pub struct MalformedNickname;

impl Nickname {
    /// Prepares a nickname: spaces at its ends go, those within become one.
    ///
    /// Errors: `MalformedNickname` for one that is empty then, longer than 1023 octets, or has
    /// control characters or others that are not seen.
    pub fn parse(text: &str) -> Result<Self, MalformedNickname> {
        if text.len() > LIMIT || text.chars().any(is_unseen) {
            return Err(MalformedNickname);
        }
        let text = spaced(text);
        let key = key(&text);
        match key.is_empty() || key.chars().any(is_unseen) {
            true => Err(MalformedNickname),
            false => Ok(Self { text, key }),
        }
    }

    /// As it is to be shown.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What two nicknames have in common that must not be told apart.
    pub(super) fn key(&self) -> &str {
        &self.key
    }
}

/// Spaces of every kind become one blank each, none at the ends.
fn spaced(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// Compatibility forms become one, case goes; again until nothing changes, because one step may
/// make work for the other.
fn key(text: &str) -> String {
    const ROUNDS: usize = 3;
    let normal = ComposingNormalizerBorrowed::new_nfkc();
    let mut key = text.to_owned();
    for _ in 0..ROUNDS {
        let next = spaced(&normal.normalize(&normal.normalize(&key).to_lowercase()));
        if next == key {
            break;
        }
        key = next;
    }
    key
}

/// Control characters, and those that are there only to change how others look.
fn is_unseen(character: char) -> bool {
    let is_space = character.is_whitespace() && !character.is_control();
    let is_ignorable = matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}' | '\u{e0000}'..='\u{e0fff}'
    );
    !is_space && (character.is_control() || is_ignorable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn same(one: &str, other: &str) -> bool {
        let key = |text| Nickname::parse(text).unwrap().key;
        key(one) == key(other)
    }

    #[test]
    fn examples_of_rfc7700_are_the_same_where_it_says_so() {
        for (one, other) in [
            ("Foo", "foo"),
            ("  Foo  Bar ", "foo bar"),
            ("Henry \u{2163}", "henry iv"),
            ("\u{212b}ngstr\u{f6}m", "\u{e5}NGSTR\u{d6}M"),
            ("\u{3a3}", "\u{3c3}"),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
        assert!(!same("BOY", "B0Y"));
    }

    #[test]
    fn shown_text_keeps_its_case_and_loses_needless_spaces() {
        let alice = Nickname::parse(" Alice\u{a0} the  great ").unwrap();
        assert_eq!(alice.as_str(), "Alice the great");
    }

    #[test]
    fn text_that_cannot_be_seen_is_no_nickname() {
        let long = "a".repeat(1024);
        for text in [
            "",
            "  \u{a0}",
            "a\tb",
            "a\u{7}",
            "a\u{200b}b",
            "\u{202e}nimda",
            &long,
        ] {
            assert_eq!(Nickname::parse(text), Err(MalformedNickname), "{text:?}");
        }
        assert!(Nickname::parse(&long[1..]).is_ok());
    }

    proptest! {
        #[test]
        fn prepared_nickname_is_its_own_preparation(text in "\\PC{1,40}") {
            if let Ok(nickname) = Nickname::parse(&text) {
                let again = Nickname::parse(nickname.as_str());
                prop_assert_eq!(again.as_ref(), Ok(&nickname));
                let key = Nickname::parse(nickname.key());
                prop_assert_eq!(key.map(|it| it.key), Ok(nickname.key));
            }
        }
    }
}
