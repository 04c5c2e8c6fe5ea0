//! Whether a request proves who sends it (RFC 3261 §22, RFC 8760).
use super::{Reply, Subscriber};
use crate::{
    digest::{Algorithm, Challenge, Credentials},
    identity::Address,
    sip::codec::{Message, Method, Name},
};

/// In which role the realm asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As registrar or end of a dialog: 401.
    Registrar,
    /// As proxy on the way: 407.
    Proxy,
}

/// What the realm thinks of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It comes from this subscriber.
    Ok(Address),
    /// It must prove who sends it; the answer says how.
    Challenge(Reply),
    /// It will not do, whoever sends it.
    Forbidden(Reply),
}

impl Kind {
    fn code(self) -> u16 {
        match self {
            Self::Registrar => 401,
            Self::Proxy => 407,
        }
    }

    fn challenge(self) -> Name {
        match self {
            Self::Registrar => Name::WwwAuthenticate,
            Self::Proxy => Name::ProxyAuthenticate,
        }
    }

    fn answer(self) -> Name {
        match self {
            Self::Registrar => Name::Authorization,
            Self::Proxy => Name::ProxyAuthorization,
        }
    }
}

/// The challenges for `nonce`, the preferred algorithm first (RFC 8760 §2.4).
pub(super) fn challenge(
    kind: Kind,
    realm: &str,
    algorithms: &[Algorithm],
    nonce: &str,
    stale: bool,
) -> Reply {
    let mut reply = Reply::new(kind.code());
    for &algorithm in algorithms {
        let challenge = Challenge {
            stale,
            ..Challenge::new(realm, nonce.to_owned(), algorithm)
        };
        reply = reply.with(kind.challenge(), challenge.to_string());
    }
    reply
}

/// Who claims to send `request`: the To of a REGISTER, else the preferred identity, else From.
pub(super) fn claimed(request: &Message) -> Result<Address, Reply> {
    let bad = || Reply::new(400).because("Bad Identity");
    let text = match request.method() {
        Some(Method::Register) => request.value(Name::To),
        _ => request
            .value(Name::PPreferredIdentity)
            .or_else(|| request.value(Name::From)),
    };
    Address::parse(&text.ok_or_else(bad)?).map_err(|_| bad())
}

/// The answers to challenges of this realm with one of `algorithms`, the strongest first.
pub(super) fn credentials(
    kind: Kind,
    request: &Message,
    realm: &str,
    algorithms: &[Algorithm],
) -> Vec<Credentials> {
    let mut found: Vec<Credentials> = request
        .values(kind.answer())
        .filter_map(|value| Credentials::parse(&value).ok())
        .filter(|credentials| credentials.realm == realm)
        .filter(|credentials| algorithms.contains(&credentials.algorithm.base()))
        .collect();
    found.sort_by_key(|credentials| credentials.algorithm.base() != Algorithm::Sha256);
    found
}

/// Whether `credentials` prove that `subscriber` sends a request with `method`.
///
/// The digest's URI may differ from the Request-URI, which proxies change (RFC 3261 §22.4,
/// item 6).
pub(super) fn is_proof(
    credentials: &Credentials,
    subscriber: &Subscriber,
    method: &str,
    realm: &str,
) -> bool {
    let is_named = credentials.username == subscriber.address.user();
    let ha1 = subscriber.ha1(credentials.algorithm, realm);
    is_named && ha1.is_some_and(|ha1| credentials.verify(method, ha1))
}
