use super::{AddressError, phone};
use crate::syntax::{percent, split::find_unquoted, token::trim};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr, sync::Arc};

/// The canonical address of a user. Cheap to clone; equal exactly where the user is the same.
///
/// Text form: `sip:user@domain` (host in lower case, no port, no parameters) or `tel:+number`.
/// `sips:`, `im:` and `pres:` name the same user and become `sip:`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(Arc<str>);

impl Address {
    /// Longest canonical address, in octets.
    pub const LIMIT: usize = 512;

    /// Parses a URI, a name-addr (`"Alice" <sip:alice@example.com>;tag=1`) or an addr-spec with
    /// header parameters.
    ///
    /// Errors: as named by [`AddressError`]; a URI without user part names no user.
    /// Source: RFC 3261 §10.3 step 5, §19.1.4; RFC 3966 §4.
    ///
    /// ```
    /// # use restante::identity::Address;
    /// let address = Address::parse("\"A\" <sips:%41lice@EXAMPLE.com:5061;lr>;tag=1")?;
    /// assert_eq!(address.as_str(), "sip:Alice@example.com");
    /// # Ok::<(), restante::identity::AddressError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let uri = inside_brackets(trim(text));
        let forbidden = |octet: u8| !octet.is_ascii_graphic() || b"<>\"\\".contains(&octet);
        if uri.bytes().any(forbidden) {
            return Err(AddressError::BadCharacter);
        }
        let (scheme, rest) = uri.split_once(':').ok_or(AddressError::NoScheme)?;
        let canonical = match scheme.to_ascii_lowercase().as_str() {
            "sip" | "sips" | "im" | "pres" => sip(rest)?,
            "tel" => format!("tel:{}", phone::canonical(rest)?),
            _ => return Err(AddressError::ForeignScheme),
        };
        if canonical.len() > Self::LIMIT {
            return Err(AddressError::TooLong { limit: Self::LIMIT });
        }
        Ok(Self(canonical.into()))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The user part of a SIP address, or the number of a tel address.
    pub fn user(&self) -> &str {
        let rest = self.rest();
        rest.rsplit_once('@').map_or(rest, |(user, _)| user)
    }

    /// The domain of a SIP address; nothing for a tel address.
    pub fn domain(&self) -> Option<&str> {
        self.rest().rsplit_once('@').map(|(_, domain)| domain)
    }

    /// Whether this is a `tel:` address.
    pub fn is_tel(&self) -> bool {
        self.0.starts_with("tel:")
    }

    fn rest(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, rest)| rest)
    }
}

fn inside_brackets(text: &str) -> &str {
    match find_unquoted(text, b'<') {
        Some(open) => {
            let rest = &text[open + 1..];
            trim(rest.find('>').map_or(rest, |close| &rest[..close]))
        }
        None => text,
    }
}

fn sip(rest: &str) -> Result<String, AddressError> {
    let (user, at) = rest.rsplit_once('@').ok_or(AddressError::NoUser)?;
    let user = user.split_once(':').map_or(user, |(user, _)| user);
    if user.is_empty() {
        return Err(AddressError::NoUser);
    }
    let host = at.split([';', '?']).next().unwrap_or_default();
    let user = percent::normalise(user, percent::is_unreserved);
    if user.contains('@') {
        return Err(AddressError::BadCharacter);
    }
    Ok(format!("sip:{user}@{}", domain(host)?))
}

fn domain(host: &str) -> Result<String, AddressError> {
    if let Some(rest) = host.strip_prefix('[') {
        let (inner, _) = rest.split_once(']').ok_or(AddressError::BadHost)?;
        let literal: std::net::Ipv6Addr = inner.parse().map_err(|_| AddressError::BadHost)?;
        return Ok(format!("[{literal}]"));
    }
    let name = host.split(':').next().unwrap_or_default();
    let name = name.strip_suffix('.').unwrap_or(name);
    let label_octet = |octet: u8| octet.is_ascii_alphanumeric() || b"-._".contains(&octet);
    let labels = |name: &str| name.split('.').all(|label| !label.is_empty());
    match labels(name) && name.bytes().all(label_octet) {
        true => Ok(name.to_ascii_lowercase()),
        false => Err(AddressError::BadHost),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Address({})", self.0)
    }
}

impl AsRef<str> for Address {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(text: &str) -> String {
        Address::parse(text).unwrap().to_string()
    }

    #[test]
    fn every_spelling_of_a_user_is_one_address() {
        for spelling in [
            "sip:Alice@example.com",
            "SIP:Alice@EXAMPLE.com;x=y",
            "sips:%41lice@example.com:5061",
            "\"A <b>\" <sip:Alice@example.com;transport=tcp>;tag=77",
            "<sip:Alice:secret@example.com?Subject=x>",
            " im:Alice@example.com. ",
            "pres:Alice@Example.com",
        ] {
            assert_eq!(canonical(spelling), "sip:Alice@example.com", "{spelling}");
        }
    }

    #[test]
    fn user_part_is_case_sensitive_and_keeps_reserved_escapes() {
        assert_ne!(canonical("sip:Alice@h"), canonical("sip:alice@h"));
        assert_eq!(canonical("sip:a%3bb@h"), "sip:a%3Bb@h");
        assert_eq!(canonical("sip:a;b=c@h"), "sip:a;b=c@h");
    }

    #[test]
    fn telephone_number_loses_its_separators() {
        assert_eq!(canonical("tel:+49-(151).234"), "tel:+49151234");
        assert_eq!(canonical("tel:+1-800;EXT=12;tk=on"), "tel:+1800;ext=12");
        assert_eq!(
            canonical("tel:7042;phone-context=Example.com"),
            "tel:7042;phone-context=example.com"
        );
    }

    #[test]
    fn parts_are_readable() {
        let alice = Address::parse("sip:alice@[2001:DB8::1]:5070").unwrap();
        assert_eq!(alice.user(), "alice");
        assert_eq!(alice.domain(), Some("[2001:db8::1]"));
        let number = Address::parse("tel:+49151").unwrap();
        assert_eq!((number.user(), number.domain()), ("+49151", None));
        assert!(number.is_tel() && !alice.is_tel());
    }

    #[test]
    fn text_without_user_is_refused_by_name() {
        use AddressError::*;
        for (text, error) in [
            ("alice", NoScheme),
            ("mailto:a@b", ForeignScheme),
            ("sip:example.com", NoUser),
            ("sip:@example.com", NoUser),
            ("sip:a@", BadHost),
            ("sip:a@[::1", BadHost),
            ("sip:a@h/x", BadHost),
            ("tel:", BadNumber),
            ("tel:+49x", BadNumber),
            ("sip:a b@h", BadCharacter),
            ("sip:a\r\nVia: x@h", BadCharacter),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text:?}");
        }
        let long = format!("sip:{}@h", "a".repeat(600));
        assert!(matches!(Address::parse(&long), Err(TooLong { .. })));
    }

    #[test]
    fn serde_form_is_the_text() {
        let alice = Address::parse("sip:Alice@H").unwrap();
        let text = serde_json::to_string(&alice).unwrap();
        assert_eq!(text, "\"sip:Alice@h\"");
        assert_eq!(serde_json::from_str::<Address>(&text).unwrap(), alice);
    }

    proptest! {
        #[test]
        fn canonical_text_parses_to_itself(text in "(sip|tel|im):[a-zA-Z%0-9;+.-]{1,12}(@[a-zA-Z.0-9]{1,9})?") {
            if let Ok(address) = Address::parse(&text) {
                prop_assert_eq!(Address::parse(address.as_str()).unwrap(), address);
            }
        }

        #[test]
        fn garbage_never_panics(text in "\\PC*") {
            let _ = Address::parse(&text);
        }

        #[test]
        fn near_garbage_never_panics(text in "[<>\"siptel:@;%\\[\\]+0-9é ]*") {
            let _ = Address::parse(&text);
        }
    }
}
