//! The challenges a device has met, so that the next request is proven at once.
use crate::sip::{
    auth::{Account, Challenge, strongest},
    codec::{Message, Name},
};

/// Who asks for a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asker {
    /// 401: the end point or registrar.
    Origin,
    /// 407: a proxy on the way.
    Proxy,
}

impl Asker {
    fn of(code: u16) -> Option<Self> {
        match code {
            401 => Some(Self::Origin),
            407 => Some(Self::Proxy),
            _ => None,
        }
    }

    fn challenge(self) -> Name {
        match self {
            Self::Origin => Name::WwwAuthenticate,
            Self::Proxy => Name::ProxyAuthenticate,
        }
    }

    fn credentials(self) -> Name {
        match self {
            Self::Origin => Name::Authorization,
            Self::Proxy => Name::ProxyAuthorization,
        }
    }
}

struct Met {
    asker: Asker,
    challenge: Challenge,
    used: u32,
}

/// Name and password of one device and the nonces it may use them with.
pub struct Wallet {
    account: Account,
    met: Vec<Met>,
}

/// Realms remembered; a device meets one or two.
const MOST_REALMS: usize = 8;

impl Wallet {
    /// A wallet that has met no challenge yet.
    pub fn new(user: &str, password: &str) -> Self {
        Self {
            account: Account {
                user: user.to_owned(),
                password: password.to_owned(),
            },
            met: Vec::new(),
        }
    }

    /// Keeps the challenges of a 401 or 407. `false` if there is none that can be answered.
    ///
    /// The caller bounds how often one request is tried: a wrong password is challenged each time.
    pub fn learn(&mut self, response: &Message) -> bool {
        let Some(asker) = response.code().and_then(Asker::of) else {
            return false;
        };
        let Some(challenge) = strongest(response.values(asker.challenge())) else {
            return false;
        };
        self.met
            .retain(|met| met.asker != asker || met.challenge.realm != challenge.realm);
        if self.met.len() >= MOST_REALMS {
            self.met.remove(0);
        }
        self.met.push(Met {
            asker,
            challenge,
            used: 0,
        });
        true
    }

    /// The credentials a request carries, one header for each realm met. Counts each nonce.
    ///
    /// Source: RFC 3261 §22.3 (credentials are cached per realm), RFC 7616 §3.4 (`nc`).
    pub fn prove(&mut self, method: &str, uri: &str, cnonce: &str) -> Vec<(Name, String)> {
        let account = &self.account;
        self.met
            .iter_mut()
            .map(|met| {
                met.used += 1;
                let proof = met.challenge.answer(account, method, uri, cnonce, met.used);
                (met.asker.credentials(), proof.to_string())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{
        auth::{Algorithm, Credentials, ha1},
        codec::{Builder, Method},
    };

    fn challenged(code: u16, nonce: &str) -> Message {
        let name = Asker::of(code).unwrap().challenge();
        let request = Builder::request(Method::Register, "sip:h").build();
        let md5 = Challenge::new("h", nonce.into(), Algorithm::Md5);
        let sha = Challenge::new("h", nonce.into(), Algorithm::Sha256);
        Builder::response(&request, code)
            .header(name, md5.to_string())
            .header(name, sha.to_string())
            .build()
    }

    fn proofs(wallet: &mut Wallet) -> Vec<(Name, Credentials)> {
        let headers = wallet.prove("REGISTER", "sip:h", "c");
        headers
            .into_iter()
            .map(|(name, value)| (name, Credentials::parse(&value).unwrap()))
            .collect()
    }

    #[test]
    fn fresh_wallet_proves_nothing() {
        assert!(
            Wallet::new("a", "p")
                .prove("REGISTER", "sip:h", "c")
                .is_empty()
        );
    }

    #[test]
    fn challenge_met_once_is_answered_ever_after_with_rising_count() {
        let mut wallet = Wallet::new("alice", "secret");
        assert!(wallet.learn(&challenged(401, "n1")));
        let secret = ha1(Algorithm::Sha256, "alice", "h", "secret");
        for count in 1..4 {
            let (name, proof) = proofs(&mut wallet).remove(0);
            assert_eq!((name, proof.count), (Name::Authorization, Some(count)));
            assert!(proof.verify("REGISTER", &secret));
        }
    }

    #[test]
    fn new_nonce_replaces_the_old_one_and_counts_anew() {
        let mut wallet = Wallet::new("alice", "secret");
        wallet.learn(&challenged(401, "n1"));
        proofs(&mut wallet);
        wallet.learn(&challenged(401, "n2"));
        let found = proofs(&mut wallet);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].1.nonce.as_str(), found[0].1.count),
            ("n2", Some(1))
        );
    }

    #[test]
    fn registrar_and_proxy_are_proven_side_by_side() {
        let mut wallet = Wallet::new("alice", "secret");
        wallet.learn(&challenged(401, "n1"));
        wallet.learn(&challenged(407, "n2"));
        let names: Vec<_> = proofs(&mut wallet)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, [Name::Authorization, Name::ProxyAuthorization]);
    }

    #[test]
    fn response_without_challenge_teaches_nothing() {
        let request = Builder::request(Method::Register, "sip:h").build();
        let mut wallet = Wallet::new("alice", "secret");
        assert!(!wallet.learn(&Builder::response(&request, 401).build()));
        assert!(!wallet.learn(&Builder::response(&request, 200).build()));
    }
}
