//! The subscribers, as the relay asks for them.
use crate::{
    digest::Algorithm,
    msrp::relay::{Accounts, Found, Known, Unreadable},
    sip_core::{Config, Subscribers},
};
use futures_util::future::BoxFuture;

/// Lets subscribers use the relay with the name and the password they register with.
pub struct SubscriberAccounts {
    subscribers: Subscribers,
    realm: String,
}

impl SubscriberAccounts {
    /// The accounts of `subscribers` in the realm that `config` names.
    pub fn new(subscribers: Subscribers, config: &Config) -> Self {
        Self {
            subscribers,
            realm: config.realm().to_owned(),
        }
    }
}

impl Accounts for SubscriberAccounts {
    fn find(&self, user: &str, algorithm: Algorithm) -> BoxFuture<'static, Found> {
        let (subscribers, realm) = (self.subscribers.clone(), self.realm.clone());
        let user = user.to_owned();
        Box::pin(async move {
            let named = subscribers.named(&user).await.map_err(|error| {
                tracing::warn!(%error, "subscribers could not be read");
                Unreadable
            })?;
            let known = named.iter().filter_map(|subscriber| {
                Some(Known {
                    address: subscriber.address.to_string(),
                    ha1: subscriber.ha1(algorithm, &realm)?.to_owned(),
                })
            });
            Ok(known.collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        digest::ha1,
        identity::Address,
        store::{self, Handle, Memory},
    };
    use futures_util::FutureExt;
    use std::sync::Arc;

    async fn accounts() -> SubscriberAccounts {
        let store = store::Config::default();
        let engine = Arc::new(Memory::default());
        let (handle, _threads) = Handle::start(engine, &store, store::abort()).unwrap();
        let config = Config {
            domains: vec!["one.example".into(), "two.example".into()],
            ..Config::default()
        };
        let subscribers = Subscribers::new(handle, &config);
        for (address, password) in [
            ("sip:alice@one.example", "wonder"),
            ("sip:alice@two.example", "looking-glass"),
            ("tel:+49301234567", "berlin"),
        ] {
            let address = Address::parse(address).unwrap();
            subscribers.add(&address, password).await.unwrap();
        }
        SubscriberAccounts::new(subscribers, &config)
    }

    fn addresses(found: Found) -> Vec<String> {
        let known = found.unwrap().into_iter();
        known.map(|known| known.address).collect()
    }

    #[actix_rt::test]
    async fn every_subscriber_of_that_name_is_found_with_the_hash_of_the_realm() {
        let accounts = accounts().await;
        let found = accounts.find("alice", Algorithm::Sha256).await.unwrap();
        let hash = |password| ha1(Algorithm::Sha256, "alice", "one.example", password);
        let expected = [
            ("sip:alice@one.example", hash("wonder")),
            ("sip:alice@two.example", hash("looking-glass")),
        ];
        for (known, (address, ha1)) in found.iter().zip(expected) {
            assert_eq!((known.address.as_str(), &known.ha1), (address, &ha1));
        }
        let number = accounts.find("+49301234567", Algorithm::Md5).await;
        assert_eq!(addresses(number), ["tel:+49301234567"]);
    }

    #[actix_rt::test]
    async fn names_are_taken_as_they_are_spelt() {
        let accounts = accounts().await;
        for name in [
            "Alice",
            "%61lice",
            "alice@one.example",
            "alice:x",
            "bob",
            "",
            "a b",
        ] {
            let found = accounts.find(name, Algorithm::Md5).await;
            assert_eq!(addresses(found), [""; 0], "{name}");
        }
    }

    #[actix_rt::test]
    async fn known_name_is_ready_at_once() {
        let accounts = accounts().await;
        accounts.find("alice", Algorithm::Md5).await.unwrap();
        let again = accounts.find("alice", Algorithm::Md5).now_or_never();
        assert_eq!(again.map(|found| found.unwrap().len()), Some(2));
    }
}
