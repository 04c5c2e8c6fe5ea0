//! `%HH` escapes of URIs (RFC 3986 §2.1, RFC 3261 §19.1.2).
use std::borrow::Cow;

/// Decodes every well-formed `%HH`; a stray `%` stays as it is.
///
/// Octets that are no UTF-8 after decoding become U+FFFD.
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let octets = decode_where(text.as_bytes(), |_| true);
    Cow::Owned(String::from_utf8_lossy(&octets).into_owned())
}

/// Brings escapes to one spelling: those `plain` allows are decoded, the others are written with
/// upper-case digits, so that two spellings of one text become equal.
///
/// `plain` must hold for ASCII octets only.
pub fn normalise(text: &str, plain: impl Fn(u8) -> bool) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let octets = decode_where(text.as_bytes(), |octet| octet.is_ascii() && plain(octet));
    Cow::Owned(String::from_utf8_lossy(&octets).into_owned())
}

/// Escapes every octet that `plain` does not allow; `plain` must hold for ASCII octets only.
pub fn encode(text: &str, plain: impl Fn(u8) -> bool) -> Cow<'_, str> {
    if text.bytes().all(&plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for octet in text.bytes() {
        match plain(octet) {
            true => out.push(char::from(octet)),
            false => out.push_str(&escaped(octet)),
        }
    }
    Cow::Owned(out)
}

/// `unreserved` of RFC 3261 §25.1: equal to their escaped form in every URI.
pub fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&octet)
}

fn decode_where(text: &[u8], wanted: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        match escape_at(rest) {
            Some(octet) => {
                match wanted(octet) {
                    true => out.push(octet),
                    false => out.extend_from_slice(escaped(octet).as_bytes()),
                }
                rest = &rest[3..];
            }
            None => {
                out.push(first);
                rest = tail;
            }
        }
    }
    out
}

fn escape_at(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else {
        return None;
    };
    let digit = |octet: u8| char::from(octet).to_digit(16);
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

fn escaped(octet: u8) -> String {
    format!("%{octet:02X}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn icsi_urn_is_decoded() {
        assert_eq!(decode("urn%3Aurn-7%3a3gpp"), "urn:urn-7:3gpp");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%4"), "%4");
    }

    #[test]
    fn two_spellings_of_one_user_become_equal() {
        let plain = is_unreserved;
        assert_eq!(normalise("%61lice%3b", plain), "alice%3B");
        assert_eq!(normalise("alice%3B", plain), "alice%3B");
    }

    proptest! {
        #[test]
        fn encoded_text_decodes_to_itself(text in ".*") {
            let encoded = encode(&text, is_unreserved).into_owned();
            prop_assert_eq!(decode(&encoded), text);
        }

        #[test]
        fn garbage_never_panics(text in "[%a-f0-9é]*") {
            decode(&text);
            normalise(&text, is_unreserved);
        }
    }
}
