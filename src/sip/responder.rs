use super::codec::{Builder, Message, Method, Name};
use crate::digest::{Account, Challenge, strongest};
use parking_lot::Mutex;
use std::sync::Arc;

/// Answers the challenges one account meets, and remembers them so that later requests need no
/// second round.
#[derive(Clone, Debug)]
pub struct Responder {
    account: Account,
    known: Vec<Known>,
}

/// One account's answers, shared by all who make requests for it.
pub type SharedResponder = Arc<Mutex<Responder>>;

#[derive(Clone, Debug)]
struct Known {
    /// The header the answer goes into.
    header: Name,
    /// Whether the registrar asked; `None` for a proxy, which sees every request.
    registrar: Option<bool>,
    challenge: Challenge,
    /// How often the nonce was used.
    count: u32,
}

/// Realms remembered at most; the oldest is forgotten.
const MAX_REALMS: usize = 8;

impl Responder {
    /// Nothing is known yet.
    pub fn new(account: Account) -> Self {
        Self {
            account,
            known: Vec::new(),
        }
    }

    /// Takes the challenge of a 401 or 407.
    ///
    /// `None` if there is none this house can answer; otherwise whether the refused answer was
    /// only stale. A second challenge that is not stale means that the password is wrong.
    pub fn learn(&mut self, response: &Message) -> Option<bool> {
        let code = response.code()?;
        let (asks, header) = match code {
            401 => (Name::WwwAuthenticate, Name::Authorization),
            407 => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
            _ => return None,
        };
        let challenge = strongest(response.values(asks))?;
        let stale = challenge.stale;
        let method = response.method().filter(|_| code == 401);
        let registrar = method.map(|method| method == Method::Register);
        self.known.retain(|known| {
            (known.header, known.registrar) != (header, registrar)
                || known.challenge.realm != challenge.realm
        });
        if self.known.len() >= MAX_REALMS {
            self.known.remove(0);
        }
        self.known.push(Known {
            header,
            registrar,
            challenge,
            count: 0,
        });
        Some(stale)
    }

    /// Adds an answer for every challenge that a request with `method` may meet. `cnonce` is a
    /// fresh random text.
    ///
    /// What the registrar asked is answered in REGISTER only, and the other way round: a message
    /// has to fit into a datagram.
    pub fn sign(&mut self, request: Builder, method: &str, uri: &str, cnonce: &str) -> Builder {
        let register = method == Method::Register.as_str();
        let own = self
            .known
            .iter_mut()
            .filter(|known| known.registrar.is_none_or(|asked| asked == register));
        own.fold(request, |request, known| {
            known.count = known.count.saturating_add(1);
            let answer = known
                .challenge
                .answer(&self.account, method, uri, cnonce, known.count);
            request.value(known.header, answer)
        })
    }

    /// Whether a challenge is known.
    pub fn is_ready(&self) -> bool {
        !self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Algorithm, Credentials, ha1};

    fn challenged(code: u16, header: Name, challenge: &Challenge) -> Message {
        let request = Builder::request(Method::Register, "sip:example.com").build();
        Builder::response(&request, code)
            .value(header, challenge)
            .build()
    }

    fn responder() -> Responder {
        Responder::new(Account {
            user: "alice".into(),
            password: "secret".into(),
        })
    }

    fn sign(responder: &mut Responder) -> Message {
        let request = Builder::request(Method::Register, "sip:example.com");
        responder
            .sign(request, "REGISTER", "sip:example.com", "c0ffee")
            .build()
    }

    #[test]
    fn later_requests_reuse_the_nonce_with_rising_counts() {
        let mut responder = responder();
        let challenge = Challenge::new("example.com", "n1".into(), Algorithm::Sha256);
        let refusal = challenged(401, Name::WwwAuthenticate, &challenge);
        assert_eq!(responder.learn(&refusal), Some(false));
        for count in 1..=3 {
            let request = sign(&mut responder);
            let value = request.value(Name::Authorization).unwrap();
            let credentials = Credentials::parse(&value).unwrap();
            assert_eq!(credentials.count, Some(count));
            let secret = ha1(Algorithm::Sha256, "alice", "example.com", "secret");
            assert!(credentials.verify("REGISTER", &secret));
        }
    }

    #[test]
    fn proxy_and_registrar_are_answered_side_by_side() {
        let mut responder = responder();
        let one = Challenge::new("example.com", "n1".into(), Algorithm::Md5);
        let two = Challenge::new("proxy.example.com", "n2".into(), Algorithm::Md5);
        responder.learn(&challenged(401, Name::WwwAuthenticate, &one));
        responder.learn(&challenged(407, Name::ProxyAuthenticate, &two));
        let request = sign(&mut responder);
        assert!(request.has(Name::Authorization) && request.has(Name::ProxyAuthorization));
    }

    #[test]
    fn fresh_nonce_of_a_known_realm_replaces_the_old_one() {
        let mut responder = responder();
        let mut challenge = Challenge::new("example.com", "n1".into(), Algorithm::Md5);
        responder.learn(&challenged(401, Name::WwwAuthenticate, &challenge));
        sign(&mut responder);
        challenge.nonce = "n2".into();
        challenge.stale = true;
        let refusal = challenged(401, Name::WwwAuthenticate, &challenge);
        assert_eq!(responder.learn(&refusal), Some(true));
        let request = sign(&mut responder);
        assert_eq!(request.values(Name::Authorization).count(), 1);
        let value = request.value(Name::Authorization).unwrap();
        let credentials = Credentials::parse(&value).unwrap();
        assert_eq!(
            (credentials.nonce.as_str(), credentials.count),
            ("n2", Some(1))
        );
    }

    #[test]
    fn response_without_a_challenge_teaches_nothing() {
        let request = Builder::request(Method::Register, "sip:example.com").build();
        let refusal = Builder::response(&request, 401).build();
        assert_eq!(responder().learn(&refusal), None);
    }
}
