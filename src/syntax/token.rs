//! `token` of RFC 3261 §25.1 (MSRP and MIME use the same or a narrower set).

/// Whether an octet may stand in a `token`.
///
/// Source: RFC 3261 §25.1.
pub fn is_token_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&octet)
}

/// Whether a text is a `token`: at least one octet, all of them from the token set.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_octet)
}

/// Removes the linear white space at both ends (`SP`, `HTAB`, and line ends left by folding).
pub fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_refuses_separators_and_emptiness() {
        assert!(is_token("INVITE") && is_token("z9hG4bK-._~!%*+`'"));
        for wrong in ["", "a b", "a;b", "a\"", "é", "a=b", "a/b"] {
            assert!(!is_token(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn trim_takes_only_linear_white_space() {
        assert_eq!(trim(" \t a b\u{a0}\r\n "), "a b\u{a0}");
    }
}
