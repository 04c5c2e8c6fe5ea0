//! The client's side of digest authentication, apart from the server's code on purpose: two
//! readings of the standard have to agree. Source: RFC 7616, RFC 4976 §9.1.
use md5::{Digest as _, Md5};
use sha2::Sha256;

/// Who we are at a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: String,
}

/// What a relay asks us to prove with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    has_auth: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Md5,
    Sha256,
}

/// What one answer to a challenge is made for.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Who we are.
    pub credentials: &'a Credentials,
    /// The method of the request.
    pub method: &'a str,
    /// The digest-uri: the rightmost URI of the To-Path.
    pub uri: &'a str,
    /// Whether the answer names the digest-uri; RFC 4976 has no such parameter, RFC 2617 wants it.
    pub names_uri: bool,
    /// Our own nonce.
    pub cnonce: &'a str,
}

impl Challenge {
    /// The challenge in the value of a WWW-Authenticate; none if it is none we can answer.
    pub fn parse(value: &str) -> Option<Self> {
        let parameters = value.strip_prefix("Digest ")?;
        let algorithm = match parameter(parameters, "algorithm") {
            None => Algorithm::Md5,
            Some(name) if name.eq_ignore_ascii_case("MD5") => Algorithm::Md5,
            Some(name) if name.eq_ignore_ascii_case("SHA-256") => Algorithm::Sha256,
            Some(_) => return None,
        };
        let qop = parameter(parameters, "qop");
        let has_auth = qop.is_some_and(|all| all.split(',').any(|one| one.trim() == "auth"));
        Some(Self {
            realm: parameter(parameters, "realm")?,
            nonce: parameter(parameters, "nonce")?,
            opaque: parameter(parameters, "opaque"),
            algorithm,
            has_auth,
        })
    }

    /// The value of the Authorization that answers it.
    pub fn answer(&self, attempt: &Attempt<'_>) -> String {
        let Attempt {
            credentials: Credentials { user, password },
            method,
            uri,
            cnonce,
            ..
        } = attempt;
        let Self { realm, nonce, .. } = self;
        let secret = self.hash(&format!("{user}:{realm}:{password}"));
        let request = self.hash(&format!("{method}:{uri}"));
        let response = match self.has_auth {
            true => format!("{secret}:{nonce}:00000001:{cnonce}:auth:{request}"),
            false => format!("{secret}:{nonce}:{request}"),
        };
        let response = self.hash(&response);
        let mut value = format!("Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\"");
        if attempt.names_uri {
            value.push_str(&format!(", uri=\"{uri}\""));
        }
        if self.has_auth {
            value.push_str(&format!(", qop=auth, nc=00000001, cnonce=\"{cnonce}\""));
        }
        if self.algorithm == Algorithm::Sha256 {
            value.push_str(", algorithm=SHA-256");
        }
        if let Some(opaque) = &self.opaque {
            value.push_str(&format!(", opaque=\"{opaque}\""));
        }
        value + &format!(", response=\"{response}\"")
    }

    fn hash(&self, text: &str) -> String {
        let octets: Vec<u8> = match self.algorithm {
            Algorithm::Md5 => Md5::digest(text).to_vec(),
            Algorithm::Sha256 => Sha256::digest(text).to_vec(),
        };
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

/// The value of the parameter `name`, without its quotes; a comma inside quotes is no end.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let mut is_quoted = false;
    let mut parts = parameters.split(|symbol| {
        is_quoted ^= symbol == '"';
        symbol == ',' && !is_quoted
    });
    parts.find_map(|part| {
        let (found, value) = part.trim().split_once('=')?;
        let is_it = found.trim().eq_ignore_ascii_case(name);
        is_it.then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials {
            user: "Mufasa".to_owned(),
            password: "Circle of Life".to_owned(),
        }
    }

    #[test]
    fn both_algorithms_are_answered() {
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let credentials = credentials();
        for (algorithm, length) in [("MD5", 32), ("SHA-256", 64)] {
            let value = format!(
                "Digest realm=\"a, b\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                 nonce=\"{nonce}\", opaque=\"xyz\""
            );
            let challenge = Challenge::parse(&value).unwrap();
            let answer = challenge.answer(&Attempt {
                credentials: &credentials,
                method: "AUTH",
                uri: "msrp://r;tcp",
                names_uri: true,
                cnonce: "f2",
            });
            assert_eq!(parameter(&answer[7..], "realm").unwrap(), "a, b");
            assert_eq!(parameter(&answer[7..], "opaque").unwrap(), "xyz");
            assert_eq!(parameter(&answer[7..], "response").unwrap().len(), length);
        }
    }

    #[test]
    fn answer_is_the_hash_the_standard_describes() {
        // RFC 2617 §3.5, with our method: the first hash is the example's own
        let challenge =
            Challenge::parse("Digest realm=\"testrealm@host.com\", nonce=\"n\"").unwrap();
        let secret = challenge.hash("Mufasa:testrealm@host.com:Circle Of Life");
        assert_eq!(secret, "939e7578ed9e3c518a452acee763bce9");
        let credentials = credentials();
        let answer = challenge.answer(&Attempt {
            credentials: &credentials,
            method: "AUTH",
            uri: "msrp://r;tcp",
            names_uri: false,
            cnonce: "f2",
        });
        assert!(
            !answer.contains("uri=") && !answer.contains("qop"),
            "{answer}"
        );
    }

    #[test]
    fn challenge_we_cannot_answer_is_none() {
        assert_eq!(Challenge::parse("Basic realm=\"x\""), None);
        assert_eq!(Challenge::parse("Digest realm=\"x\""), None);
        let other = "Digest realm=\"x\", nonce=\"y\", algorithm=SHA-512-256";
        assert_eq!(Challenge::parse(other), None);
    }
}
