//! Who may have a URI of this relay.
use super::{Bound, Config, Grant, PlainAuth, Verdict};
use crate::{
    clock::Timestamp,
    digest::{
        Algorithm, AuthError, Challenge, Credentials, NonceSealer, NonceState, ReplayWindow, Use,
    },
    msrp::{Head, uri::Host},
};
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};

/// Where the relay asks for the passwords' hashes.
pub trait Accounts: Send + Sync {
    /// Finds the accounts that log in as `user`, spelt as it is, with their hashes for
    /// `algorithm` in the relay's realm. None is found: nobody is called so.
    ///
    /// What is known already is ready at the first poll. Errors: nobody can say now.
    fn find(&self, user: &str, algorithm: Algorithm) -> BoxFuture<'static, Found>;
}

/// The accounts that one name may mean.
pub type Found = Result<Vec<Known>, Unreadable>;

/// An account that may be meant.
#[derive(Clone, PartialEq, Eq)]
pub struct Known {
    /// Its address, which no other account has.
    pub address: String,
    /// What [`crate::digest::ha1`] makes of its password.
    pub ha1: String,
}

/// The accounts cannot be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the accounts cannot be read now")]
pub struct Unreadable;

/// How an AUTH came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Over TCP without TLS.
    Plain {
        /// From this machine.
        is_loopback: bool,
    },
    /// Over TLS, from whoever it is.
    Protected,
    /// Over TLS, with a certificate from an issuer we trust for these hosts. It is a relay's
    /// where the nearest URI of From-Path names one of them (RFC 4976 §6.3).
    Proven {
        /// From the certificate's subjectAltName.
        hosts: Vec<String>,
    },
}

impl Channel {
    /// The trusted relay that sends what comes from `from`, if it is one.
    fn relay(&self, from: &Host) -> Option<String> {
        let Self::Proven { hosts } = self else {
            return None;
        };
        let name = match from {
            Host::Name(name) => name.to_string(),
            Host::Ip(ip) => ip.to_string(),
        };
        let is_it = hosts.iter().any(|host| host.eq_ignore_ascii_case(&name));
        is_it.then_some(name)
    }

    /// Whether a client may prove itself over it.
    fn is_open(&self, plain: PlainAuth) -> bool {
        match (self, plain) {
            (Self::Protected | Self::Proven { .. }, _) | (_, PlainAuth::Always) => true,
            (Self::Plain { is_loopback }, PlainAuth::Loopback) => *is_loopback,
            (Self::Plain { .. }, PlainAuth::Never) => false,
        }
    }
}

/// What an AUTH comes to before the accounts are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// They need not be asked.
    Settled(Verdict),
    /// It claims to come from one of them: [`Gatekeeper::judge`] goes on.
    Claimed(Claim),
}

/// An answer to a challenge, not judged yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    given: Credentials,
    expires: Option<u64>,
}

impl Claim {
    /// Who it claims to be.
    pub fn user(&self) -> &str {
        &self.given.username
    }

    /// Which hash proves it.
    pub fn algorithm(&self) -> Algorithm {
        self.given.algorithm
    }
}

/// Judges AUTH requests (RFC 4976 §6.3 and §9.1).
///
/// Its nonces are its own: an answer to another gatekeeper's challenge is taken as a stale one,
/// if its password is right.
pub struct Gatekeeper {
    realm: String,
    algorithms: Vec<Algorithm>,
    plain: PlainAuth,
    default_expires: u64,
    min_expires: u64,
    max_expires: u64,
    sealer: NonceSealer,
    window: ReplayWindow,
}

impl Gatekeeper {
    /// Guards `realm`. `nonce_key` must come from a source nobody can predict.
    pub fn new(config: &Config, realm: &str, nonce_key: [u8; 32]) -> Self {
        let algorithms = config.algorithms.iter();
        Self {
            realm: realm.to_owned(),
            algorithms: algorithms.map(|&stored| stored.into()).collect(),
            plain: config.plain_auth,
            default_expires: config.expires.as_secs(),
            min_expires: config.min_expires.as_secs(),
            max_expires: config.max_expires.as_secs(),
            sealer: NonceSealer::new(nonce_key, config.nonce_lifetime),
            window: ReplayWindow::new(config.nonces),
        }
    }

    /// Reads an AUTH whose To-Path ends at this relay.
    ///
    /// `salt` makes the nonce of a challenge differ from all others; it need not be secret.
    pub fn open(&self, head: &Head, channel: &Channel, now: Timestamp, salt: u64) -> Opening {
        match self.read(head, channel) {
            Ok(Some(claim)) => Opening::Claimed(claim),
            Ok(None) => Opening::Settled(self.challenge(now, salt, false, false)),
            Err(verdict) => Opening::Settled(verdict),
        }
    }

    /// Judges `claim`, now that the accounts it may mean are known.
    pub fn judge(&mut self, claim: &Claim, found: &Found, now: Timestamp, salt: u64) -> Verdict {
        let Ok(known) = found else {
            return Verdict::Unavailable;
        };
        let given = &claim.given;
        let Some(known) = known.iter().find(|known| given.verify("AUTH", &known.ha1)) else {
            return self.challenge(now, salt, false, true);
        };
        if !self.is_first_use(given, now) {
            return self.challenge(now, salt, true, false);
        }
        let next_nonce = self.sealer.issue(now.millis(), salt);
        let info = given.info(&known.ha1, Some(next_nonce));
        let info = info.map(|info| info.to_string());
        self.grant(claim.expires, owner(&known.address), info)
    }

    /// What the AUTH claims; `None` if it must be challenged.
    fn read(&self, head: &Head, channel: &Channel) -> Result<Option<Claim>, Verdict> {
        let to = head.to_path().map_err(|_| Verdict::Bad)?;
        let from = head.from_path().map_err(|_| Verdict::Bad)?;
        let [uri] = to.uris() else {
            return Err(Verdict::Bad);
        };
        let expires = expires(head)?;
        if let Some(relay) = channel.relay(from.first().host()) {
            return Err(self.grant(expires, owner(&relay), None));
        }
        if !channel.is_open(self.plain) {
            return Err(Verdict::Forbidden);
        }
        for (name, value) in head.fields() {
            if !name.eq_ignore_ascii_case(b"Authorization") {
                continue;
            }
            let value = std::str::from_utf8(value).map_err(|_| Verdict::Bad)?;
            let given = match Credentials::parse_for(uri.as_str(), value) {
                // another scheme, Basic above all, proves nothing
                Err(AuthError::Scheme | AuthError::Algorithm) => continue,
                Err(_) => return Err(Verdict::Bad),
                Ok(given) => given,
            };
            if given.realm != self.realm || !self.algorithms.contains(&given.algorithm) {
                continue;
            }
            let is_same = |named: &str| named.parse().is_ok_and(|named| *uri == named);
            // without a count there was no `qop`, which RFC 4976 §9.1 demands
            return match given.count.is_some() && is_same(&given.uri) {
                true => Ok(Some(Claim { given, expires })),
                false => Err(Verdict::Bad),
            };
        }
        Ok(None)
    }

    /// Whether the nonce is good, and its count new. Only for a proven password.
    fn is_first_use(&mut self, given: &Credentials, now: Timestamp) -> bool {
        match (self.sealer.check(&given.nonce, now.millis()), given.count) {
            (NonceState::Fresh { issued }, Some(count)) => {
                self.window.book(&given.nonce, issued, count) == Use::Accepted
            }
            _ => false,
        }
    }

    fn grant(&self, expires: Option<u64>, owner: u64, info: Option<String>) -> Verdict {
        let expires = expires.unwrap_or(self.default_expires);
        if expires < self.min_expires {
            return Verdict::OutOfBounds(Bound::Min(self.min_expires));
        }
        if expires > self.max_expires {
            return Verdict::OutOfBounds(Bound::Max(self.max_expires));
        }
        Verdict::Granted(Grant {
            owner,
            expires,
            info,
        })
    }

    fn challenge(&self, now: Timestamp, salt: u64, stale: bool, is_failure: bool) -> Verdict {
        let nonce = self.sealer.issue(now.millis(), salt);
        let values = self.algorithms.iter().map(|&algorithm| {
            let challenge = Challenge::new(&self.realm, nonce.clone(), algorithm);
            Challenge { stale, ..challenge }.to_string()
        });
        Verdict::Challenge {
            values: values.collect(),
            is_failure,
        }
    }
}

/// The life an AUTH asks for. Shape: `1*DIGIT` (RFC 4976 §7); more than can be counted is more
/// than anyone allows.
fn expires(head: &Head) -> Result<Option<u64>, Verdict> {
    let Some(value) = head.value("Expires") else {
        return Ok(None);
    };
    let digits = std::str::from_utf8(value).map_err(|_| Verdict::Bad)?;
    match !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) {
        true => Ok(Some(digits.parse().unwrap_or(u64::MAX))),
        false => Err(Verdict::Bad),
    }
}

fn owner(address: &str) -> u64 {
    let hash = Sha256::digest(address.as_bytes());
    let (first, _) = hash.split_first_chunk().expect("a hash is 32 octets");
    u64::from_be_bytes(*first)
}

#[cfg(test)]
mod tests;
