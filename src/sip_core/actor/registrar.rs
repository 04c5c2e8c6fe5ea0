use super::{Location, Realm, RegistrationChanged, Subscribers};
use crate::{
    clock::{self, Timestamp},
    identity::Address,
    sip::{
        codec::{Contacts, Message, Name, Uri},
        transaction::Peer,
    },
    sip_core::{
        Binding, Config, Kind, Reply, Verdict,
        register::{self, Registered},
        third_party,
    },
};

/// The registrar (RFC 3261 §10.3), from any thread. Cheap to clone.
#[derive(Clone)]
pub struct Registrar {
    realm: Realm,
    subscribers: Subscribers,
    location: Location,
    config: std::sync::Arc<Config>,
}

/// What came of a REGISTER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handled {
    /// The answer; send it first.
    pub reply: Reply,
    /// What to tell those who care, if something changed or was refreshed.
    pub news: Option<RegistrationChanged>,
}

impl Registrar {
    /// A registrar for the domains of `config`.
    pub fn new(realm: Realm, subscribers: Subscribers, location: Location, config: Config) -> Self {
        Self {
            realm,
            subscribers,
            location,
            config: config.into(),
        }
    }

    /// Handles a REGISTER that came from `source`. The answer is given when it is on disk.
    pub async fn handle(&self, request: &Message, source: Peer) -> Handled {
        let handled = self.decide(request, source).await.unwrap_or_else(|reply| {
            let news = None;
            Handled { reply, news }
        });
        self.location.metrics().answered(handled.reply.code);
        handled
    }

    /// Handles a third-party REGISTER of an outer core at `source`, by which that core says that
    /// one of its users is there, or gone. The caller has made sure that it is a core to be
    /// believed.
    pub async fn handle_third_party(&self, request: &Message, source: Peer) -> Handled {
        let told = self.take_over(request, source).await;
        let handled = told.unwrap_or_else(|reply| Handled { reply, news: None });
        self.location.metrics().answered(handled.reply.code);
        handled
    }

    async fn take_over(&self, request: &Message, source: Peer) -> Result<Handled, Reply> {
        let subject = request.value(Name::To).unwrap_or_default();
        let address = Address::parse(&subject).map_err(|_| Reply::new(400).because("Bad To"))?;
        if !address
            .domain()
            .is_some_and(|domain| self.config.is_ours(domain))
        {
            return Err(Reply::new(404).because("Not A Domain Of Ours"));
        }
        let now = clock::wall();
        let (told, config, user) = (request.detached(), self.config.clone(), address.clone());
        let decide = move |current| {
            third_party::apply(&told, source, &user, current, now, &config).map(Some)
        };
        let (before, after) = self.change(&address, now, decide).await?;
        tracing::debug!(%address, registered = !after.is_empty(), core = %source.addr, "told by a core");
        let expires = after.iter().map(|one| one.expires_at.since(now).as_secs());
        let reply = Reply::new(200).with(Name::Expires, expires.max().unwrap_or(0).to_string());
        let news = Some(news(address, &before, &after));
        Ok(Handled { reply, news })
    }

    /// Changes bindings durably: those before and after.
    async fn change(
        &self,
        address: &Address,
        now: Timestamp,
        decide: impl FnOnce(Vec<Binding>) -> Result<Option<Vec<Binding>>, Reply> + Send + 'static,
    ) -> Result<(Vec<Binding>, Vec<Binding>), Reply> {
        let changed = self.location.change(address, now, decide).await;
        changed.map_err(|error| {
            tracing::warn!(%error, "a registration could not be stored");
            Reply::new(503)
        })?
    }

    async fn decide(&self, request: &Message, source: Peer) -> Result<Handled, Reply> {
        self.check_domain(request)?;
        let address = match self.realm.check(request, Kind::Registrar).await {
            Verdict::Ok(address) => address,
            Verdict::Challenge(reply) | Verdict::Forbidden(reply) => return Err(reply),
        };
        self.check_subscriber(&address).await?;
        let now = clock::wall();
        let (asked, config) = (request.detached(), self.config.clone());
        let decide = move |current| {
            let Registered {
                bindings,
                is_changed,
            } = register::apply(&asked, source, current, now, &config)?;
            Ok(is_changed.then_some(bindings))
        };
        let (before, after) = self.change(&address, now, decide).await?;
        let contacts = request.contacts();
        let is_query = matches!(contacts, Ok(Contacts::List(list)) if list.is_empty());
        tracing::debug!(%address, bindings = after.len(), "registration answered");
        let news = (!is_query).then(|| news(address, &before, &after));
        let reply = register::answer(request, &after, now, &self.config);
        Ok(Handled { reply, news })
    }

    /// The Request-URI names a domain of ours, or this very server by its address (step 1).
    fn check_domain(&self, request: &Message) -> Result<(), Reply> {
        let uri = request.uri().map_err(|_| Reply::new(400))?;
        let Uri::Sip(uri) = uri else {
            return Err(Reply::new(416));
        };
        let is_address = uri.host.address().is_some();
        match is_address || self.config.is_ours(&uri.host.to_string()) {
            true => Ok(()),
            false => Err(Reply::new(404).because("Not A Domain Of Ours")),
        }
    }

    /// The address of record belongs to a subscriber (step 5).
    async fn check_subscriber(&self, address: &Address) -> Result<(), Reply> {
        match self.subscribers.get(address).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(Reply::new(404)),
            Err(_) => Err(Reply::new(503)),
        }
    }
}

fn news(address: Address, before: &[Binding], after: &[Binding]) -> RegistrationChanged {
    RegistrationChanged {
        address,
        registered: !after.is_empty(),
        first: before.is_empty() && !after.is_empty(),
    }
}
