use crate::digest::StoredAlgorithm;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What an operator may set for the embedded SIP core: the `[sip_core]` table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Domains whose subscribers are ours.
    pub domains: Vec<String>,
    /// The realm of passwords; the first domain if empty. Passwords are stored hashed with it,
    /// so they must be set anew when it changes.
    pub realm: String,
    /// Whether requests must prove who sends them. Without it the sender is believed.
    pub authenticate: bool,
    /// Digest algorithms offered, the preferred one first. Old devices read nothing but the first
    /// challenge and know nothing but `MD5`: put it first for them, or leave it alone.
    pub algorithms: Vec<StoredAlgorithm>,
    /// How long a nonce may be used.
    #[serde(with = "humantime_serde")]
    pub nonce_lifetime: Duration,
    /// Nonces whose use is remembered, against replays.
    pub nonces: usize,
    /// Life of a binding whose device does not say.
    #[serde(with = "humantime_serde")]
    pub default_expires: Duration,
    /// Shortest life of a binding; less is answered 423.
    #[serde(with = "humantime_serde")]
    pub min_expires: Duration,
    /// Longest life of a binding; more is shortened.
    #[serde(with = "humantime_serde")]
    pub max_expires: Duration,
    /// Most bindings of one subscriber.
    pub max_bindings: usize,
    /// `Service-Route` given to registered devices; none if empty.
    pub service_route: String,
    /// Subscribers kept in memory.
    pub cached_subscribers: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            domains: vec!["localhost".to_owned()],
            realm: String::new(),
            authenticate: true,
            algorithms: vec![StoredAlgorithm::Sha256, StoredAlgorithm::Md5],
            nonce_lifetime: Duration::from_secs(300),
            nonces: 100_000,
            default_expires: Duration::from_secs(3600),
            min_expires: Duration::from_secs(10),
            max_expires: Duration::from_secs(24 * 3600),
            max_bindings: 10,
            service_route: String::new(),
            cached_subscribers: 100_000,
        }
    }
}

impl Config {
    /// The realm in force.
    pub fn realm(&self) -> &str {
        match (self.realm.as_str(), self.domains.first()) {
            ("", Some(domain)) => domain,
            (realm, _) => realm,
        }
    }

    /// Whether `domain` is one of ours.
    pub fn is_ours(&self, domain: &str) -> bool {
        let mut domains = self.domains.iter();
        domains.any(|ours| ours.eq_ignore_ascii_case(domain))
    }
}
