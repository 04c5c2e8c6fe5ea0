use super::{
    Algorithm, AuthError, Credentials,
    fields::{Fields, SCHEME, push_quoted, push_token},
    ha1,
};
use std::fmt;

/// The value of a `WWW-Authenticate` or `Proxy-Authenticate` header of scheme Digest.
///
/// Source: RFC 7616 §3.3, RFC 8760 §2.7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The protection space the password belongs to.
    pub realm: String,
    /// The server's nonce, an opaque text.
    pub nonce: String,
    /// A text the client gives back unchanged.
    pub opaque: Option<String>,
    /// The algorithm of the answer.
    pub algorithm: Algorithm,
    /// Whether `qop="auth"` is offered; without it the answer is the one of RFC 2069.
    pub qop_auth: bool,
    /// The nonce of the refused answer was too old, its password may be right.
    pub stale: bool,
}

/// Who answers a challenge.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The name the realm knows, often the user part of the address.
    pub user: String,
    /// The password in clear.
    pub password: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Challenge {
    /// A fresh challenge with `qop="auth"`.
    pub fn new(realm: &str, nonce: String, algorithm: Algorithm) -> Self {
        Self {
            realm: realm.to_owned(),
            nonce,
            opaque: None,
            algorithm,
            qop_auth: true,
            stale: false,
        }
    }

    /// Reads one header value.
    ///
    /// Errors: `Scheme` for another scheme, `Algorithm` for one we do not compute, `Qop` if
    /// qualities are offered and `auth` is not among them.
    pub fn parse(text: &str) -> Result<Self, AuthError> {
        let fields = Fields::parse(text)?;
        let offered = fields.get("qop");
        let qop_auth = offered.is_some_and(|list| has_token(list, "auth"));
        if offered.is_some() && !qop_auth {
            return Err(AuthError::Qop);
        }
        Ok(Self {
            realm: fields.owned("realm")?,
            nonce: fields.owned("nonce")?,
            opaque: fields.get("opaque").map(str::to_owned),
            algorithm: fields
                .get("algorithm")
                .map_or(Ok(Algorithm::Md5), Algorithm::parse)?,
            qop_auth,
            stale: fields
                .get("stale")
                .is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    /// Answers with `account` for a request with `method` and Request-URI `uri`.
    ///
    /// `cnonce` is a fresh random text, `count` how often this nonce was used including now.
    pub fn answer(
        &self,
        account: &Account,
        method: &str,
        uri: &str,
        cnonce: &str,
        count: u32,
    ) -> Credentials {
        let needs_cnonce = self.qop_auth || self.algorithm.is_session();
        let mut credentials = Credentials {
            username: account.user.clone(),
            realm: self.realm.clone(),
            nonce: self.nonce.clone(),
            uri: uri.to_owned(),
            response: String::new(),
            algorithm: self.algorithm,
            opaque: self.opaque.clone(),
            cnonce: needs_cnonce.then(|| cnonce.to_owned()),
            count: self.qop_auth.then_some(count),
        };
        let secret = ha1(
            self.algorithm,
            &account.user,
            &self.realm,
            &account.password,
        );
        credentials.response = credentials.expected(method, &secret);
        credentials
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(160);
        text.push_str(SCHEME);
        push_quoted(&mut text, "realm", &self.realm);
        push_quoted(&mut text, "nonce", &self.nonce);
        if let Some(opaque) = &self.opaque {
            push_quoted(&mut text, "opaque", opaque);
        }
        push_token(&mut text, "algorithm", self.algorithm.as_str());
        if self.qop_auth {
            push_quoted(&mut text, "qop", "auth");
        }
        if self.stale {
            push_token(&mut text, "stale", "true");
        }
        f.write_str(&text)
    }
}

/// Picks the challenge of the strongest algorithm; among equals the topmost.
///
/// RFC 8760 §2.4 names the topmost unless local policy says otherwise; this policy keeps whoever
/// may reorder headers from choosing the weakest.
pub fn strongest<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Option<Challenge> {
    let readable = values
        .into_iter()
        .filter_map(|value| Challenge::parse(value.as_ref()).ok());
    readable.reduce(|best, other| {
        if other.algorithm > best.algorithm {
            other
        } else {
            best
        }
    })
}

fn has_token(list: &str, token: &str) -> bool {
    list.split(',')
        .any(|entry| entry.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7616 §3.9.1
    const NONCE: &str = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
    const OPAQUE: &str = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS";
    const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    fn example(algorithm: &str) -> String {
        format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
             algorithm={algorithm}, nonce=\"{NONCE}\", opaque=\"{OPAQUE}\""
        )
    }

    fn mufasa() -> Account {
        Account {
            user: "Mufasa".into(),
            password: "Circle of Life".into(),
        }
    }

    #[test]
    fn answers_equal_those_of_rfc_7616() {
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let challenge = Challenge::parse(&example(algorithm)).unwrap();
            let answer = challenge.answer(&mufasa(), "GET", "/dir/index.html", CNONCE, 1);
            assert_eq!(answer.response, response);
            assert_eq!(answer.opaque.as_deref(), Some(OPAQUE));
        }
    }

    #[test]
    fn challenge_without_qop_is_answered_as_rfc_2069_did() {
        let text =
            "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
        let challenge = Challenge::parse(text).unwrap();
        let account = Account {
            user: "Mufasa".into(),
            password: "CircleOfLife".into(),
        };
        let answer = challenge.answer(&account, "GET", "/dir/index.html", "x", 1);
        assert_eq!(answer.response, "1949323746fe6a43ef61f9606e7febea");
        assert_eq!((answer.cnonce, answer.count), (None, None));
    }

    #[test]
    fn strongest_readable_challenge_wins_whatever_the_order() {
        let unknown = example("AKAv2-SHA-999");
        let list = [
            unknown.as_str(),
            &example("MD5"),
            &example("SHA-256"),
            "Basic realm=\"x\"",
        ];
        assert_eq!(strongest(list).unwrap().algorithm, Algorithm::Sha256);
        assert_eq!(strongest([unknown.as_str()]), None);
    }

    #[test]
    fn offer_of_integrity_only_is_not_answered() {
        let text = "Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"";
        assert_eq!(Challenge::parse(text), Err(AuthError::Qop));
    }

    #[test]
    fn written_challenge_is_read_back() {
        let mut challenge = Challenge::new("local\"host", "abc".into(), Algorithm::Sha256);
        challenge.stale = true;
        challenge.opaque = Some("o\\p".into());
        assert_eq!(Challenge::parse(&challenge.to_string()), Ok(challenge));
    }
}
