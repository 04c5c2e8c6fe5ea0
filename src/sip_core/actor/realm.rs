use super::Subscribers;
use crate::{
    clock::{self, Timestamp},
    digest::{Algorithm, Credentials, NonceSealer, NonceState, ReplayWindow, Use},
    sip::codec::{Message, Method, Name},
    sip_core::{Config, Kind, Reply, Verdict, judge, metrics::Metrics},
    store::{Handle, Readable, StoreError, Table, Txn},
};
use parking_lot::Mutex;
use std::sync::Arc;

/// The digest realm, from any thread. Cheap to clone.
#[derive(Clone)]
pub struct Realm(Arc<Inner>);

struct Inner {
    subscribers: Subscribers,
    name: String,
    authenticate: bool,
    algorithms: Vec<Algorithm>,
    sealer: NonceSealer,
    window: Mutex<ReplayWindow>,
    metrics: Metrics,
}

const KEY: &[u8] = b"sip_core/nonce_key";

impl Realm {
    /// Opens the realm. The key of its nonces is kept in `store`, so that a device need not ask
    /// its user again after a restart.
    pub async fn open(
        store: &Handle,
        subscribers: Subscribers,
        config: &Config,
    ) -> Result<Self, StoreError> {
        let key = store.write(nonce_key).await?;
        Ok(Self(Arc::new(Inner {
            subscribers,
            name: config.realm().to_owned(),
            authenticate: config.authenticate,
            algorithms: config
                .algorithms
                .iter()
                .map(|&digest| digest.into())
                .collect(),
            sealer: NonceSealer::new(key, config.nonce_lifetime),
            window: Mutex::new(ReplayWindow::new(config.nonces)),
            metrics: Metrics::register(),
        })))
    }

    /// Judges who sends `request`.
    pub async fn check(&self, request: &Message, kind: Kind) -> Verdict {
        let claimed = match judge::claimed(request) {
            Ok(claimed) => claimed,
            Err(reply) => return Verdict::Forbidden(reply),
        };
        let subscriber = match self.0.subscribers.get(&claimed).await {
            Ok(subscriber) => subscriber,
            Err(error) => {
                tracing::warn!(%error, "a subscriber could not be read");
                let busy = Reply::new(503).with(Name::RetryAfter, "5");
                return Verdict::Forbidden(busy);
            }
        };
        if !self.0.authenticate {
            return Verdict::Ok(claimed);
        }
        let now = clock::wall();
        let method = request.method().unwrap_or(Method::Register);
        let credentials = judge::credentials(kind, request, &self.0.name, &self.0.algorithms);
        let Some(given) = credentials.first() else {
            return self.challenge(kind, now, "none");
        };
        let is_proof = subscriber.is_some_and(|subscriber| {
            judge::is_proof(given, &subscriber, method.as_str(), &self.0.name)
        });
        match self.judge(given, is_proof, now) {
            Ok(()) => {
                self.0.metrics.proven.increment(1);
                Verdict::Ok(claimed)
            }
            Err(reason) => self.challenge(kind, now, reason),
        }
    }

    /// Why the proof does not count, if it does not.
    fn judge(
        &self,
        given: &Credentials,
        is_proof: bool,
        now: Timestamp,
    ) -> Result<(), &'static str> {
        let state = self.0.sealer.check(&given.nonce, now.millis());
        match state {
            NonceState::Forged => Err("forged"),
            _ if !is_proof => Err("wrong"),
            NonceState::Stale => Err("stale"),
            NonceState::Fresh { issued } => match given.count {
                // RFC 2069 clients have no count: their nonce lives, but is not protected
                None => Ok(()),
                Some(count) => {
                    let mut window = self.0.window.lock();
                    match window.book(&given.nonce, issued, count) {
                        Use::Accepted => Ok(()),
                        Use::Forgotten => Err("stale"),
                        Use::Replayed => Err("replayed"),
                    }
                }
            },
        }
    }

    fn challenge(&self, kind: Kind, now: Timestamp, reason: &'static str) -> Verdict {
        self.0.metrics.challenged(reason);
        // the password was right, only the nonce must be a new one
        let stale = matches!(reason, "stale" | "replayed");
        // a salt need not be secret, only different
        let salt = getrandom::u64().unwrap_or_default();
        let nonce = self.0.sealer.issue(now.millis(), salt);
        let (name, algorithms) = (&self.0.name, &self.0.algorithms);
        Verdict::Challenge(judge::challenge(kind, name, algorithms, &nonce, stale))
    }
}

fn nonce_key(txn: &mut Txn<'_>) -> Result<[u8; 32], StoreError> {
    let known = txn.get(Table::Meta, KEY)?;
    if let Some(key) = known.and_then(|octets| <[u8; 32]>::try_from(&octets[..]).ok()) {
        return Ok(key);
    }
    let mut key = [0; 32];
    let random = getrandom::fill(&mut key);
    random.map_err(|_| StoreError::Abandoned("the system has no random numbers"))?;
    txn.put(Table::Meta, KEY, key.to_vec());
    Ok(key)
}
