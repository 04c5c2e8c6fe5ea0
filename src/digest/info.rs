use super::{
    AuthError, Credentials,
    fields::{Fields, nonce_count, push_quoted, push_token},
};
use std::fmt;
use subtle::ConstantTimeEq;

/// The value of an `Authentication-Info` header: what the server says to an answer it accepted.
///
/// Source: RFC 7616 §3.5, RFC 4976 §9.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// The nonce of the client's next answer, which then needs no challenge.
    pub next_nonce: Option<String>,
    /// The proof that the server knows the password's hash (`rspauth`), in hexadecimal.
    pub proof: String,
    /// The client's nonce, given back.
    pub cnonce: String,
    /// The count of the answer, given back.
    pub count: u32,
}

impl Info {
    /// Reads one header value.
    ///
    /// Errors: `Missing` names what is absent but `nextnonce` and `qop`; `Qop` for another
    /// quality than `auth`.
    pub fn parse(text: &str) -> Result<Self, AuthError> {
        let fields = Fields::list(text)?;
        let is_auth = |qop: &str| qop.eq_ignore_ascii_case("auth");
        if !fields.get("qop").is_none_or(is_auth) {
            return Err(AuthError::Qop);
        }
        let count = fields.get("nc").ok_or(AuthError::Missing("nc"))?;
        Ok(Self {
            next_nonce: fields.get("nextnonce").map(str::to_owned),
            proof: fields.owned("rspauth")?,
            cnonce: fields.owned("cnonce")?,
            count: nonce_count(count)?,
        })
    }

    /// Whether this proves, in answer to `sent`, that the server knows `ha1`.
    pub fn is_proof(&self, sent: &Credentials, ha1: &str) -> bool {
        let is_answer =
            Some(self.cnonce.as_str()) == sent.cnonce.as_deref() && Some(self.count) == sent.count;
        let expected = sent.expected("", ha1);
        let given = self.proof.to_ascii_lowercase();
        is_answer && bool::from(given.as_bytes().ct_eq(expected.as_bytes()))
    }
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(240);
        if let Some(nonce) = &self.next_nonce {
            push_quoted(&mut text, "nextnonce", nonce);
        }
        push_quoted(&mut text, "rspauth", &self.proof);
        push_quoted(&mut text, "cnonce", &self.cnonce);
        push_token(&mut text, "nc", &format!("{:08x}", self.count));
        push_token(&mut text, "qop", "auth");
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 4976 §5.1
    const RFC_4976: &str = "nextnonce=\"40f2e879449675f288476d772627370a\", \
        rspauth=\"7327570c586207eca2afae94fc20903d\", cnonce=\"0a4f113b\", nc=00000001, qop=auth";

    #[test]
    fn example_of_rfc_4976_is_read_and_written_octet_for_octet() {
        let info = Info::parse(RFC_4976).unwrap();
        let nonce = info.next_nonce.as_deref();
        assert_eq!(nonce, Some("40f2e879449675f288476d772627370a"));
        assert_eq!((info.cnonce.as_str(), info.count), ("0a4f113b", 1));
        assert_eq!(info.to_string(), RFC_4976);
    }

    #[test]
    fn text_that_proves_nothing_is_refused() {
        for (name, error) in [
            ("rspauth", AuthError::Missing("rspauth")),
            ("cnonce", AuthError::Missing("cnonce")),
            ("nc", AuthError::Missing("nc")),
        ] {
            let text = RFC_4976.replace(&format!(" {name}="), " x-other=");
            assert_eq!(Info::parse(&text), Err(error));
        }
        let text = RFC_4976.replace("qop=auth", "qop=auth-int");
        assert_eq!(Info::parse(&text), Err(AuthError::Qop));
    }

    #[test]
    fn what_the_client_sent_cannot_break_out_of_its_quotes() {
        let mut info = Info::parse(RFC_4976).unwrap();
        info.cnonce = "a\", nextnonce=\"evil".into();
        assert_eq!(Info::parse(&info.to_string()), Ok(info));
    }
}
