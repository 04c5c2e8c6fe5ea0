//! `name=value` lists of the digest headers (RFC 7235 §2.1): tokens and quoted strings.
use super::AuthError;
use std::borrow::Cow;

/// The parameters of one challenge or of one set of credentials, in order.
pub(super) struct Fields<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl<'a> Fields<'a> {
    /// Reads `Digest name=value, …`.
    pub fn parse(text: &'a str) -> Result<Self, AuthError> {
        let text = text.trim();
        let end = text
            .find([' ', '\t', '\r', '\n'])
            .ok_or(AuthError::Scheme)?;
        match text[..end].eq_ignore_ascii_case("Digest") {
            true => Self::list(&text[end..]),
            false => Err(AuthError::Scheme),
        }
    }

    /// Reads `name=value, …` without a scheme before it.
    pub fn list(text: &'a str) -> Result<Self, AuthError> {
        let mut fields: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(10);
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches([' ', '\t', '\r', '\n', ',']);
            if rest.is_empty() {
                return Ok(Self(fields));
            }
            let (name, value, after) = field(rest)?;
            if fields
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
            {
                return Err(AuthError::Repeated);
            }
            fields.push((name, value));
            rest = after;
        }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    pub fn owned(&self, name: &'static str) -> Result<String, AuthError> {
        self.get(name)
            .map(str::to_owned)
            .ok_or(AuthError::Missing(name))
    }
}

fn field(text: &str) -> Result<(&str, Cow<'_, str>, &str), AuthError> {
    let (name, rest) = text.split_once('=').ok_or(AuthError::Shape)?;
    let name = name.trim_end();
    if name.is_empty()
        || !name
            .bytes()
            .all(|octet| octet.is_ascii_graphic() && octet != b',')
    {
        return Err(AuthError::Shape);
    }
    let rest = rest.trim_start();
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => {
            let end = rest.find(',').unwrap_or(rest.len());
            (Cow::Borrowed(rest[..end].trim_end()), &rest[end..])
        }
    };
    let rest = rest.trim_start();
    match rest.is_empty() || rest.starts_with(',') {
        true => Ok((name, value, rest)),
        false => Err(AuthError::Shape),
    }
}

/// Reads up to the closing quote of a string whose opening quote is gone already.
fn unquote(text: &str) -> Result<(Cow<'_, str>, &str), AuthError> {
    let mut plain = String::new();
    let mut start = 0;
    let mut octets = text.bytes().enumerate();
    while let Some((at, octet)) = octets.next() {
        match octet {
            b'"' if plain.is_empty() => {
                return Ok((Cow::Borrowed(&text[start..at]), &text[at + 1..]));
            }
            b'"' => {
                plain.push_str(&text[start..at]);
                return Ok((Cow::Owned(plain), &text[at + 1..]));
            }
            b'\\' => {
                plain.push_str(&text[start..at]);
                start = at + 1;
                octets.next();
            }
            _ => {}
        }
    }
    Err(AuthError::Shape)
}

/// What the lists of a challenge and of credentials open with.
pub(super) const SCHEME: &str = "Digest ";

/// Reads the eight hexadecimal digits of `nc`.
pub(super) fn nonce_count(text: &str) -> Result<u32, AuthError> {
    if text.len() != 8 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(AuthError::NonceCount);
    }
    u32::from_str_radix(text, 16).map_err(|_| AuthError::NonceCount)
}

/// Appends `, name="value"` with what must be escaped escaped.
pub(super) fn push_quoted(out: &mut String, name: &str, value: &str) {
    push_name(out, name);
    out.push('"');
    for letter in value.chars() {
        if matches!(letter, '"' | '\\') {
            out.push('\\');
        }
        // a line break would end the header field
        if !letter.is_control() {
            out.push(letter);
        }
    }
    out.push('"');
}

/// Appends `, name=value` for a value that is a token.
pub(super) fn push_token(out: &mut String, name: &str, value: &str) {
    push_name(out, name);
    out.push_str(value);
}

fn push_name(out: &mut String, name: &str) {
    if !(out.is_empty() || out == SCHEME) {
        out.push_str(", ");
    }
    out.push_str(name);
    out.push('=');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_escapes_and_odd_spacing_are_read() {
        let text = "digest\trealm = \"a \\\"b\\\" , c\" ,, nc=00000001 , qop=auth";
        let fields = Fields::parse(text).unwrap();
        assert_eq!(fields.get("REALM"), Some("a \"b\" , c"));
        assert_eq!(
            (fields.get("nc"), fields.get("qop")),
            (Some("00000001"), Some("auth"))
        );
    }

    #[test]
    fn another_scheme_is_not_ours() {
        assert_eq!(
            Fields::parse("Basic Zm9vOmJhcg==").err(),
            Some(AuthError::Scheme)
        );
    }

    #[test]
    fn repeated_parameter_is_refused() {
        let text = "Digest nonce=\"a\", Nonce=\"b\"";
        assert_eq!(Fields::parse(text).err(), Some(AuthError::Repeated));
    }

    #[test]
    fn escape_at_the_very_start_keeps_the_letter() {
        let fields = Fields::parse(r#"Digest realm="\a\\""#).unwrap();
        assert_eq!(fields.get("realm"), Some(r"a\"));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(text in "\\PC*", tail in "[ -~]{0,60}") {
            let _ = Fields::parse(&text);
            let _ = Fields::parse(&format!("Digest {text}"));
            let _ = Fields::parse(&format!("Digest {tail}"));
        }

        #[test]
        fn what_is_quoted_is_read_back(value in "[ -~äß]{0,40}") {
            let mut text = SCHEME.to_owned();
            push_quoted(&mut text, "realm", &value);
            push_token(&mut text, "nc", "00000001");
            let fields = Fields::parse(&text).unwrap();
            prop_assert_eq!(fields.get("realm"), Some(value.as_str()));
        }
    }
}
