use crate::{
    clock,
    identity::Address,
    policy::Standing,
    sip_core::{Amendment, Config, Subscriber, SubscriberError},
    store::{Handle, Readable, Record, Records, Scan, StoreError, Table, Txn, View},
};
use bytes::Bytes;
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::sync::Arc;

/// The users of ours, from any thread. Cheap to clone.
#[derive(Clone)]
pub struct Subscribers(Arc<Inner>);

struct Inner {
    store: Handle,
    domains: Vec<String>,
    realm: String,
    cache: Mutex<Cache>,
}

/// What was read lately, also that there is no such subscriber.
struct Cache {
    limit: usize,
    recent: HashMap<Address, Option<Arc<Subscriber>>>,
    older: HashMap<Address, Option<Arc<Subscriber>>>,
    /// Grows with every change, so that a read that started before it is not kept.
    changes: u64,
}

impl Subscribers {
    /// The subscribers in `store`.
    pub fn new(store: Handle, config: &Config) -> Self {
        Self(Arc::new(Inner {
            store,
            domains: config.domains.clone(),
            realm: config.realm().to_owned(),
            cache: Mutex::new(Cache {
                limit: config.cached_subscribers.max(2),
                recent: HashMap::new(),
                older: HashMap::new(),
                changes: 0,
            }),
        }))
    }

    /// Adds a subscriber.
    ///
    /// Errors: `Known`, `ForeignDomain`, `EmptyPassword`, `Store`.
    pub async fn add(
        &self,
        address: &Address,
        password: &str,
    ) -> Result<Subscriber, SubscriberError> {
        self.add_with(address, password, Amendment::default()).await
    }

    /// Adds a subscriber whose settings differ from the usual ones.
    ///
    /// Errors: `Known`, `ForeignDomain`, `EmptyPassword`, `Store`.
    pub async fn add_with(
        &self,
        address: &Address,
        password: &str,
        settings: Amendment,
    ) -> Result<Subscriber, SubscriberError> {
        check_password(password)?;
        let is_ours = |domain: &str| {
            let mut domains = self.0.domains.iter();
            domains.any(|ours| ours.eq_ignore_ascii_case(domain))
        };
        if !address.domain().is_none_or(is_ours) {
            return Err(SubscriberError::ForeignDomain(address.clone()));
        }
        let realm = &self.0.realm;
        let mut subscriber = Subscriber::new(address.clone(), password, realm, clock::wall());
        settings.apply(&mut subscriber);
        let added = subscriber.clone();
        let is_new = self
            .change(address, move |txn| {
                let key = key(&added.address);
                if txn.get(Table::Subscriber, &key)?.is_some() {
                    return Ok(false);
                }
                txn.put_record(Table::Subscriber, key, &added)?;
                Ok(true)
            })
            .await?;
        match is_new {
            true => Ok(subscriber),
            false => Err(SubscriberError::Known(address.clone())),
        }
    }

    /// Gives a subscriber another password. Errors: `Unknown`, `EmptyPassword`, `Store`.
    pub async fn set_password(
        &self,
        address: &Address,
        password: &str,
    ) -> Result<(), SubscriberError> {
        check_password(password)?;
        let (password, realm) = (password.to_owned(), self.0.realm.clone());
        self.update(address, move |subscriber| {
            subscriber.set_password(&password, &realm);
        })
        .await
    }

    /// Changes what is kept of a subscriber besides the password. Errors: `Unknown`, `Store`.
    pub async fn amend(
        &self,
        address: &Address,
        amendment: Amendment,
    ) -> Result<(), SubscriberError> {
        self.update(address, move |subscriber| amendment.apply(subscriber))
            .await
    }

    /// Removes a subscriber. Errors: `Unknown`, `Store`.
    pub async fn remove(&self, address: &Address) -> Result<(), SubscriberError> {
        let key = key(address);
        let was_known = self
            .change(address, move |txn| {
                let was_known = txn.get(Table::Subscriber, &key)?.is_some();
                txn.delete(Table::Subscriber, key);
                Ok(was_known)
            })
            .await?;
        match was_known {
            true => Ok(()),
            false => Err(SubscriberError::Unknown(address.clone())),
        }
    }

    /// The subscriber with this address.
    pub async fn get(&self, address: &Address) -> Result<Option<Arc<Subscriber>>, StoreError> {
        let changes = {
            let mut cache = self.0.cache.lock();
            if let Some(known) = cache.get(address) {
                return Ok(known);
            }
            cache.changes
        };
        let key = key(address);
        let read = move |view: &View<'_>| view.record::<Subscriber>(Table::Subscriber, &key);
        let found = self.0.store.read(read).await?.map(Arc::new);
        let mut cache = self.0.cache.lock();
        if cache.changes == changes {
            cache.put(address.clone(), found.clone());
        }
        Ok(found)
    }

    /// The subscribers who log in as `user`, spelt as it is: one in each of our domains, or a
    /// telephone number.
    pub async fn named(&self, user: &str) -> Result<Vec<Arc<Subscriber>>, StoreError> {
        let domains = self.0.domains.iter();
        let spellings = domains.map(|domain| format!("sip:{user}@{domain}"));
        let mut found = Vec::new();
        for spelling in spellings.chain([format!("tel:{user}")]) {
            let address = Address::parse(&spelling);
            let Some(address) = address.ok().filter(|address| address.user() == user) else {
                continue;
            };
            found.extend(self.get(&address).await?);
        }
        Ok(found)
    }

    /// What the deferred function wants to know of a receiver.
    pub async fn standing(&self, address: &Address) -> Result<Standing, StoreError> {
        let subscriber = self.get(address).await?;
        Ok(subscriber.map_or(Standing::Unknown, |subscriber| subscriber.standing()))
    }

    /// What the deferred function wants to know of a receiver, within a look or a transaction of
    /// its own.
    pub fn standing_in(
        &self,
        store: &dyn Readable,
        address: &Address,
    ) -> Result<Standing, StoreError> {
        let known = self.0.cache.lock().get(address);
        let subscriber = match known {
            Some(known) => known,
            None => {
                let found = store.record::<Subscriber>(Table::Subscriber, &key(address))?;
                found.map(Arc::new)
            }
        };
        Ok(subscriber.map_or(Standing::Unknown, |subscriber| subscriber.standing()))
    }

    /// At most `limit` subscribers behind `after`, in the order of their addresses.
    pub async fn list(
        &self,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<Subscriber>, StoreError> {
        let from = match after {
            Some(after) => [after.as_str().as_bytes(), &[0]].concat(),
            None => vec![0],
        };
        let read = move |view: &View<'_>| {
            let found = view.scan(Scan {
                table: Table::Subscriber,
                from: &from,
                until: &[0xff],
                limit,
                reverse: false,
            })?;
            let mut page = Vec::with_capacity(found.len());
            for (_, octets) in found {
                page.push(Subscriber::decode(&octets)?);
            }
            Ok(page)
        };
        self.0.store.read(read).await
    }

    async fn update(
        &self,
        address: &Address,
        change: impl FnOnce(&mut Subscriber) + Send + 'static,
    ) -> Result<(), SubscriberError> {
        let key = key(address);
        let was_known = self
            .change(address, move |txn| {
                let Some(mut subscriber) = txn.record::<Subscriber>(Table::Subscriber, &key)?
                else {
                    return Ok(false);
                };
                change(&mut subscriber);
                txn.put_record(Table::Subscriber, key, &subscriber)?;
                Ok(true)
            })
            .await?;
        match was_known {
            true => Ok(()),
            false => Err(SubscriberError::Unknown(address.clone())),
        }
    }

    async fn change<R: Send + 'static>(
        &self,
        address: &Address,
        work: impl FnOnce(&mut Txn<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let outcome = self.0.store.write(work).await;
        self.0.cache.lock().forget(address);
        outcome
    }
}

impl Cache {
    fn get(&mut self, address: &Address) -> Option<Option<Arc<Subscriber>>> {
        if let Some(known) = self.recent.get(address) {
            return Some(known.clone());
        }
        let known = self.older.remove(address)?;
        self.put(address.clone(), known.clone());
        Some(known)
    }

    fn put(&mut self, address: Address, subscriber: Option<Arc<Subscriber>>) {
        if self.recent.len() >= self.limit / 2 {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(address, subscriber);
    }

    fn forget(&mut self, address: &Address) {
        self.recent.remove(address);
        self.older.remove(address);
        self.changes += 1;
    }
}

fn key(address: &Address) -> Bytes {
    Bytes::copy_from_slice(address.as_str().as_bytes())
}

fn check_password(password: &str) -> Result<(), SubscriberError> {
    match password.is_empty() {
        true => Err(SubscriberError::EmptyPassword),
        false => Ok(()),
    }
}
