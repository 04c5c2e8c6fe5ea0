//! Users as people type them.
use crate::identity::{Address, AddressError};

/// The domain of a user typed without one; the server serves it by default.
const HOME: &str = "localhost";

/// Reads `alice`, `alice@example.com`, `+49…` or a full URI.
///
/// Errors: those of the address, if it is none in any of these spellings.
pub(super) fn parse(text: &str) -> Result<Address, AddressError> {
    let is_number = text.strip_prefix('+').is_some_and(|rest| {
        rest.chars()
            .all(|c| c.is_ascii_digit() || "-. ()".contains(c))
    });
    if is_number {
        Address::parse(&format!("tel:{}", text.replace(' ', "")))
    } else if text.contains(':') {
        Address::parse(text)
    } else if text.contains('@') {
        Address::parse(&format!("sip:{text}"))
    } else {
        Address::parse(&format!("sip:{text}@{HOME}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_spellings_name_the_same_user_as_the_uri() {
        for (short, full) in [
            ("alice", "sip:alice@localhost"),
            ("alice@EXAMPLE.com", "sip:alice@example.com"),
            ("sip:alice@example.com", "sip:alice@example.com"),
            ("+49 170-123", "tel:+49170123"),
        ] {
            assert_eq!(parse(short).unwrap().as_str(), full);
        }
        assert!(parse("").is_err());
    }
}
