use super::{
    Algorithm, AuthError, Info,
    fields::{Fields, SCHEME, nonce_count, push_quoted, push_token},
};
use std::fmt;
use subtle::ConstantTimeEq;

/// The value of an `Authorization` or `Proxy-Authorization` header of scheme Digest.
///
/// Source: RFC 7616 §3.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The name the realm knows.
    pub username: String,
    /// The protection space, as challenged.
    pub realm: String,
    /// The nonce, as challenged.
    pub nonce: String,
    /// The Request-URI the client hashed. A server compares it with the real one.
    pub uri: String,
    /// The proof in hexadecimal.
    pub response: String,
    /// The algorithm of `response`.
    pub algorithm: Algorithm,
    /// The challenge's opaque text.
    pub opaque: Option<String>,
    /// The client's nonce; present with `qop=auth` and with the `-sess` algorithms.
    pub cnonce: Option<String>,
    /// How often the client used the nonce; present if and only if `qop=auth`.
    pub count: Option<u32>,
}

impl Credentials {
    /// Reads one header value.
    ///
    /// Errors: besides malformed text, `Qop` for `auth-int`, and `Missing` if `qop` comes
    /// without `nc` and `cnonce`.
    pub fn parse(text: &str) -> Result<Self, AuthError> {
        Self::read(text, None)
    }

    /// Reads one header value in which `uri` may be absent, because both sides know it from
    /// elsewhere. MSRP hashes the last URI of To-Path (RFC 4976 §9.1).
    ///
    /// Errors: those of [`Credentials::parse`].
    pub fn parse_for(uri: &str, text: &str) -> Result<Self, AuthError> {
        Self::read(text, Some(uri))
    }

    fn read(text: &str, uri: Option<&str>) -> Result<Self, AuthError> {
        let fields = Fields::parse(text)?;
        let algorithm = fields
            .get("algorithm")
            .map_or(Ok(Algorithm::Md5), Algorithm::parse)?;
        let count = match fields.get("qop") {
            Some(qop) if qop.eq_ignore_ascii_case("auth") => {
                let count = fields.get("nc").ok_or(AuthError::Missing("nc"))?;
                Some(nonce_count(count)?)
            }
            Some(_) => return Err(AuthError::Qop),
            None => None,
        };
        let cnonce = match count.is_some() || algorithm.is_session() {
            true => Some(fields.owned("cnonce")?),
            false => fields.get("cnonce").map(str::to_owned),
        };
        Ok(Self {
            username: fields.owned("username")?,
            realm: fields.owned("realm")?,
            nonce: fields.owned("nonce")?,
            uri: match (fields.get("uri"), uri) {
                (None, Some(known)) => known.to_owned(),
                _ => fields.owned("uri")?,
            },
            response: fields.owned("response")?,
            algorithm,
            opaque: fields.get("opaque").map(str::to_owned),
            cnonce,
            count,
        })
    }

    /// Whether `response` proves knowledge of the password behind `ha1`.
    ///
    /// `ha1` is the stored hash for [`Algorithm::base`] of `self.algorithm`. The comparison takes
    /// the same time wherever the texts differ. The caller judges nonce, count and `uri`.
    pub fn verify(&self, method: &str, ha1: &str) -> bool {
        let expected = self.expected(method, ha1);
        let given = self.response.to_ascii_lowercase();
        given.as_bytes().ct_eq(expected.as_bytes()).into()
    }

    /// What proves to the client that the server knows `ha1` too, and the nonce it may use next
    /// (RFC 7616 §3.5).
    ///
    /// `None` for answers without `qop`, whose proof RFC 7616 does not define.
    pub fn info(&self, ha1: &str, next_nonce: Option<String>) -> Option<Info> {
        Some(Info {
            next_nonce,
            proof: self.expected("", ha1),
            cnonce: self.cnonce.clone()?,
            count: self.count?,
        })
    }

    /// The header value without `uri`, as MSRP has it (RFC 4976 §7): its relays know the address
    /// from elsewhere.
    pub fn without_uri(&self) -> String {
        self.written(false)
    }

    fn written(&self, with_uri: bool) -> String {
        let mut text = String::with_capacity(320);
        text.push_str(SCHEME);
        push_quoted(&mut text, "username", &self.username);
        push_quoted(&mut text, "realm", &self.realm);
        push_quoted(&mut text, "nonce", &self.nonce);
        if with_uri {
            push_quoted(&mut text, "uri", &self.uri);
        }
        push_quoted(&mut text, "response", &self.response);
        push_token(&mut text, "algorithm", self.algorithm.as_str());
        if let Some(cnonce) = &self.cnonce {
            push_quoted(&mut text, "cnonce", cnonce);
        }
        if let Some(opaque) = &self.opaque {
            push_quoted(&mut text, "opaque", opaque);
        }
        if let Some(count) = self.count {
            push_token(&mut text, "qop", "auth");
            push_token(&mut text, "nc", &format!("{count:08x}"));
        }
        text
    }

    /// The proof these parameters demand for a request with `method`.
    pub(super) fn expected(&self, method: &str, ha1: &str) -> String {
        let algorithm = self.algorithm;
        let (nonce, uri) = (self.nonce.as_bytes(), self.uri.as_bytes());
        let cnonce = self.cnonce.as_deref().unwrap_or_default().as_bytes();
        let session;
        let secret = match algorithm.is_session() {
            true => {
                session = algorithm.hash(&[ha1.as_bytes(), nonce, cnonce]);
                session.as_bytes()
            }
            false => ha1.as_bytes(),
        };
        let ha2 = algorithm.hash(&[method.as_bytes(), uri]);
        match self.count {
            Some(count) => {
                let count = format!("{count:08x}");
                let parts = [
                    secret,
                    nonce,
                    count.as_bytes(),
                    cnonce,
                    b"auth",
                    ha2.as_bytes(),
                ];
                algorithm.hash(&parts)
            }
            None => algorithm.hash(&[secret, nonce, ha2.as_bytes()]),
        }
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written(true))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Account, Challenge, ha1};
    use super::*;
    use proptest::prelude::*;

    // RFC 2617 §3.5
    const RFC_2617: &str = "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
        nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", qop=auth, \
        nc=00000001, cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", \
        opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";

    #[test]
    fn answer_of_rfc_2617_proves_its_password_and_no_other() {
        let credentials = Credentials::parse(RFC_2617).unwrap();
        let secret = |password| ha1(Algorithm::Md5, "Mufasa", "testrealm@host.com", password);
        assert!(credentials.verify("GET", &secret("Circle Of Life")));
        assert!(!credentials.verify("GET", &secret("circle of life")));
        assert!(!credentials.verify("POST", &secret("Circle Of Life")));
    }

    #[test]
    fn nonce_count_is_hexadecimal() {
        let text = RFC_2617.replace("nc=00000001", "nc=0000010a");
        assert_eq!(Credentials::parse(&text).unwrap().count, Some(0x10a));
        for wrong in ["nc=1", "nc=+0000001", "nc=0000000g", "nc=000000001"] {
            let text = RFC_2617.replace("nc=00000001", wrong);
            assert_eq!(
                Credentials::parse(&text),
                Err(AuthError::NonceCount),
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_digest_cannot_do_without_is_demanded() {
        for name in [
            "username", "realm", "nonce", "uri", "response", "nc", "cnonce",
        ] {
            let text = RFC_2617.replace(&format!(" {name}="), " x-other=");
            assert_eq!(Credentials::parse(&text), Err(AuthError::Missing(name)));
        }
    }

    #[test]
    fn integrity_protection_is_refused() {
        let text = RFC_2617.replace("qop=auth", "qop=auth-int");
        assert_eq!(Credentials::parse(&text), Err(AuthError::Qop));
    }

    #[test]
    fn address_may_be_known_from_elsewhere() {
        let text = RFC_2617.replace(" uri=\"/dir/index.html\",", "");
        let credentials = Credentials::parse_for("/dir/index.html", &text).unwrap();
        assert_eq!(Ok(credentials), Credentials::parse(RFC_2617));
        let named = Credentials::parse_for("/elsewhere", RFC_2617).unwrap();
        assert_eq!(named.uri, "/dir/index.html");
    }

    #[test]
    fn info_hashes_no_method_and_proves_the_password_to_the_client() {
        let credentials = Credentials::parse(RFC_2617).unwrap();
        let secret = ha1(
            Algorithm::Md5,
            "Mufasa",
            "testrealm@host.com",
            "Circle Of Life",
        );
        let info = credentials.info(&secret, None).unwrap();
        assert_eq!(info.proof, credentials.expected("", &secret));
        assert!(info.is_proof(&credentials, &secret));
        let other = credentials.info("another", None).unwrap();
        assert!(!other.is_proof(&credentials, &secret));
    }

    proptest! {
        #[test]
        fn what_a_client_writes_a_server_verifies(
            user in "[ -~]{1,20}", realm in "[ -~]{1,20}", password in "[ -~]{0,20}",
            nonce in "[!-~]{1,30}", algorithm in 0usize..6, qop in any::<bool>(), count in 1u32..,
        ) {
            let name = ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"];
            let algorithm = Algorithm::parse(name[algorithm]).unwrap();
            let mut challenge = Challenge::new(&realm, nonce, algorithm);
            challenge.qop_auth = qop;
            let account = Account { user: user.clone(), password: password.clone() };
            let answer = challenge.answer(&account, "REGISTER", "sip:example.com", "c1", count);
            let read = Credentials::parse(&answer.to_string()).unwrap();
            prop_assert_eq!(&read, &answer);
            prop_assert!(read.verify("REGISTER", &ha1(algorithm, &user, &realm, &password)));
            prop_assert!(!read.verify("INVITE", &ha1(algorithm, &user, &realm, &password)));
        }

        #[test]
        fn garbage_never_panics(text in "\\PC*") {
            let _ = Credentials::parse(&format!("Digest {text}"));
            let _ = Challenge::parse(&format!("Digest {text}"));
        }
    }
}
