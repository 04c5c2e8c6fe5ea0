use crate::{
    clock::Timestamp,
    digest::{Algorithm, ha1},
    identity::Address,
    policy::Standing,
    store::{Record, StoreError},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A user of ours. The password is not kept, only what proves its knowledge within one realm.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscriber {
    /// Who it is.
    pub address: Address,
    /// Whether messages are kept for them while they are offline.
    pub deferral: bool,
    /// Since when they are known.
    pub created: Timestamp,
    pub(super) realm: String,
    pub(super) md5: String,
    pub(super) sha256: String,
}

impl Record for Subscriber {
    const VERSION: u8 = 1;
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("address", &self.address)
            .field("deferral", &self.deferral)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

impl Subscriber {
    pub(super) fn new(address: Address, password: &str, realm: &str, created: Timestamp) -> Self {
        let mut subscriber = Self {
            address,
            deferral: true,
            created,
            realm: String::new(),
            md5: String::new(),
            sha256: String::new(),
        };
        subscriber.set_password(password, realm);
        subscriber
    }

    pub(super) fn set_password(&mut self, password: &str, realm: &str) {
        let hash = |algorithm| ha1(algorithm, self.address.user(), realm, password);
        (self.md5, self.sha256) = (hash(Algorithm::Md5), hash(Algorithm::Sha256));
        self.realm = realm.to_owned();
    }

    /// The hash that proves the password in `realm`; `None` if it was set for another realm.
    pub fn ha1(&self, algorithm: Algorithm, realm: &str) -> Option<&str> {
        if self.realm != realm {
            return None;
        }
        match algorithm.base() {
            Algorithm::Md5 => Some(&self.md5),
            Algorithm::Sha256 => Some(&self.sha256),
            _ => None,
        }
    }

    /// What the deferred function wants to know of them.
    pub fn standing(&self) -> Standing {
        match self.deferral {
            true => Standing::Accepts,
            false => Standing::Refuses,
        }
    }
}

/// Why a subscriber cannot be added or changed.
#[derive(Debug, thiserror::Error)]
pub enum SubscriberError {
    /// There is one with this address.
    #[error("{0} is a subscriber already")]
    Known(Address),
    /// There is none with this address.
    #[error("{0} is no subscriber")]
    Unknown(Address),
    /// The address belongs to a domain that is not ours.
    #[error("{0} is in no domain of ours (`sip_core.domains`)")]
    ForeignDomain(Address),
    /// The password is empty.
    #[error("the password is empty")]
    EmptyPassword,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_is_nowhere_in_the_record() {
        let address = Address::parse("sip:bob@localhost").unwrap();
        let subscriber = Subscriber::new(address, "hunter-two", "localhost", Timestamp::EPOCH);
        let octets = subscriber.encode().unwrap();
        assert!(!octets.windows(10).any(|window| window == b"hunter-two"));
        assert!(!format!("{subscriber:?}").contains(&subscriber.md5));
    }

    #[test]
    fn hash_of_another_realm_proves_nothing() {
        let address = Address::parse("sip:bob@localhost").unwrap();
        let subscriber = Subscriber::new(address, "secret", "localhost", Timestamp::EPOCH);
        assert_eq!(subscriber.ha1(Algorithm::Md5, "example.com"), None);
        assert_eq!(
            subscriber.ha1(Algorithm::Md5, "localhost"),
            Some(ha1(Algorithm::Md5, "bob", "localhost", "secret").as_str())
        );
    }
}
