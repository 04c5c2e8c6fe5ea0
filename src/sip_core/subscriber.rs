use crate::{
    clock::Timestamp,
    digest::{Algorithm, ha1},
    identity::Address,
    policy::{Handing, Settings, Standing},
    store::{Record, RecordError, StoreError},
};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// A user of ours. The password is not kept, only what proves its knowledge within one realm.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscriber {
    /// Who it is.
    pub address: Address,
    /// Whether messages are kept for them while they are offline.
    pub deferral: bool,
    /// What they want of their mailbox.
    pub settings: Settings,
    /// Since when they are known.
    pub created: Timestamp,
    pub(super) realm: String,
    pub(super) md5: String,
    pub(super) sha256: String,
}

impl Record for Subscriber {
    const VERSION: u8 = 2;

    fn migrate(version: u8, body: &[u8]) -> Result<Self, RecordError> {
        match version {
            1 => FirstSubscriber::read(body).map(Self::from),
            version => Err(RecordError::Version {
                kind: "Subscriber",
                version,
            }),
        }
    }
}

/// A subscriber as the first release wrote it: without settings.
#[derive(Serialize, Deserialize)]
struct FirstSubscriber {
    address: Address,
    deferral: bool,
    created: Timestamp,
    realm: String,
    md5: String,
    sha256: String,
}

impl FirstSubscriber {
    fn read(body: &[u8]) -> Result<Self, RecordError> {
        postcard::from_bytes(body).map_err(|source| RecordError::Body {
            kind: "Subscriber",
            source,
        })
    }
}

impl From<FirstSubscriber> for Subscriber {
    fn from(first: FirstSubscriber) -> Self {
        Self {
            address: first.address,
            deferral: first.deferral,
            settings: Settings::default(),
            created: first.created,
            realm: first.realm,
            md5: first.md5,
            sha256: first.sha256,
        }
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("address", &self.address)
            .field("deferral", &self.deferral)
            .field("settings", &self.settings)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

impl Subscriber {
    pub(super) fn new(address: Address, password: &str, realm: &str, created: Timestamp) -> Self {
        let mut subscriber = Self {
            address,
            deferral: true,
            settings: Settings::default(),
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
            true => Standing::Accepts(self.settings.clone()),
            false => Standing::Refuses,
        }
    }
}

/// What is to be changed of a subscriber; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amendment {
    /// Whether messages are kept for them while they are offline.
    pub deferral: Option<bool>,
    /// The class of service of their mailbox; an inner `None` is the default one.
    pub class: Option<Option<Arc<str>>>,
    /// How what waits is handed over.
    pub handing: Option<Handing>,
}

impl Amendment {
    pub(super) fn apply(self, subscriber: &mut Subscriber) {
        let settings = &mut subscriber.settings;
        settings.class = self.class.unwrap_or_else(|| settings.class.clone());
        settings.handing = self.handing.unwrap_or(settings.handing);
        subscriber.deferral = self.deferral.unwrap_or(subscriber.deferral);
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
    fn subscriber_of_the_first_release_has_a_mailbox_of_the_default_class() {
        // what the first release wrote for bob with the password `secret`
        let octets = hex::decode(concat!(
            "01",
            "117369703a626f62406c6f63616c686f7374",
            "01",
            "e807",
            "096c6f63616c686f7374",
            "026d35",
            "04736861",
            "32"
        ))
        .unwrap();
        let read = Subscriber::decode(&octets).unwrap();
        assert_eq!(read.address.as_str(), "sip:bob@localhost");
        assert_eq!(read.created, Timestamp::from_millis(1000));
        assert_eq!(read.settings, Settings::default());
        assert_eq!(read.ha1(Algorithm::Md5, "localhost"), Some("m5"));
        assert_eq!(read.ha1(Algorithm::Sha256, "localhost"), Some("sha2"));
        let again = Subscriber::decode(&read.encode().unwrap()).unwrap();
        assert_eq!(again, read);
    }

    #[test]
    fn amendment_changes_only_what_it_names() {
        let address = Address::parse("sip:bob@localhost").unwrap();
        let mut bob = Subscriber::new(address, "secret", "localhost", Timestamp::EPOCH);
        let class = |name: &str| Some(Arc::from(name));
        Amendment {
            class: Some(class("gold")),
            handing: Some(Handing::Hold),
            ..Amendment::default()
        }
        .apply(&mut bob);
        Amendment::default().apply(&mut bob);
        let held = Settings {
            class: class("gold"),
            handing: Handing::Hold,
        };
        assert_eq!(bob.standing(), Standing::Accepts(held));
        Amendment {
            class: Some(None),
            deferral: Some(false),
            ..Amendment::default()
        }
        .apply(&mut bob);
        assert_eq!(bob.settings.class, None);
        assert_eq!(bob.standing(), Standing::Refuses);
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
