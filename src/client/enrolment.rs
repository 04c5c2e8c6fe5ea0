//! How a client gets a URI at each relay of a chain, and keeps them (RFC 4976 §5.1). Pure:
//! responses and random texts come in, requests come out.
use super::ClientError;
use crate::{
    digest::{Account, Challenge, Credentials, Info, ha1, strongest},
    msrp::{Continuation, Head, Kind, Method, Path, Uri, encoding},
};
use bytes::{Bytes, BytesMut};
use std::time::Duration;

/// What a client asks its relays for.
#[derive(Clone, Debug)]
pub struct RelayLogin {
    /// Who asks.
    pub account: Account,
    /// The relays, the nearest one first, each as `msrp[s]://host[:port];tcp`.
    pub relays: Vec<Uri>,
    /// The client's own URI, where the last relay's neighbour brings what comes for it.
    pub own: Uri,
    /// The life to ask for; each relay has a default.
    pub expires: Option<Duration>,
}

/// The AUTH requests of one client, one after the other.
///
/// The first round begins without URIs; every further round extends those there are. An AUTH
/// goes to the next relay through the URIs that the ones before it granted.
#[derive(Debug)]
pub(super) struct Enrolment {
    login: RelayLogin,
    /// What was granted so far, the nearest relay first.
    granted: Vec<Granted>,
    /// The relay that is asked now.
    level: usize,
    /// How often it was asked in this round.
    tries: u32,
    /// The life it is asked for, in seconds.
    expires: Option<u64>,
    nonces: Vec<Option<Nonce>>,
    sent: Option<Sent>,
}

/// What is to be done after a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Another request.
    Send(Bytes),
    /// Nothing: every relay has said yes. The next round should begin after this time.
    Done(Duration),
}

#[derive(Debug)]
struct Granted {
    uri: Uri,
    expires: u64,
}

#[derive(Clone, Debug)]
struct Nonce {
    challenge: Challenge,
    /// How often it was used.
    count: u32,
}

#[derive(Debug)]
struct Sent {
    id: String,
    proof: Option<Credentials>,
}

/// How often one relay is asked in a round: without proof, with one, with another nonce, for
/// another life.
const TRIES: u32 = 4;

const NAME: &str = "AUTH";

impl Enrolment {
    /// Nothing is granted yet.
    pub fn new(login: RelayLogin) -> Self {
        Self {
            granted: Vec::new(),
            level: 0,
            tries: 0,
            expires: None,
            nonces: vec![None; login.relays.len()],
            sent: None,
            login,
        }
    }

    /// The first request of a round. `token` is a fresh random text of 4 to 32 letters and
    /// digits.
    ///
    /// Errors: `Answer` if there is no relay to ask.
    pub fn begin(&mut self, token: String) -> Result<Bytes, ClientError> {
        if self.login.relays.is_empty() {
            return Err(unusable("no relay is named"));
        }
        self.turn_to(0);
        Ok(self.ask(token))
    }

    /// Whether `response` answers the request that went out last.
    pub fn is_answered_by(&self, response: &Head) -> bool {
        let id = self.sent.as_ref().map(|sent| sent.id.as_bytes());
        response.code().is_some() && id == Some(response.transaction_id())
    }

    /// Takes the response to the request that went out last. `token` is as for
    /// [`Enrolment::begin`].
    ///
    /// Errors: `Unauthorized` for a wrong password or a challenge that cannot be answered,
    /// `Answer` for a relay that does not know the password or grants nothing, else `Refused`.
    pub fn handle(&mut self, response: &Head, token: String) -> Result<Step, ClientError> {
        let Some(sent) = self.sent.take() else {
            return Err(unusable("nothing was asked"));
        };
        match response.code() {
            Some(200) => self.grant(response, &sent)?,
            Some(401) if self.tries < TRIES => self.learn(response, &sent)?,
            Some(423) if self.tries < TRIES => self.expires = Some(bound(response)?),
            _ => return Err(refused(response)),
        }
        match self.level < self.login.relays.len() {
            true => Ok(Step::Send(self.ask(token))),
            false => Ok(Step::Done(self.refresh_after())),
        }
    }

    /// The URIs of the relays in the order in which a request of the client visits them.
    ///
    /// Errors: `Answer` before anything was granted.
    pub fn use_path(&self) -> Result<Path, ClientError> {
        path(self.granted.iter().map(|granted| &granted.uri))
    }

    /// What the peer is told in `a=path`: the outermost relay first, the client itself last.
    ///
    /// Errors: `Answer` before anything was granted.
    pub fn public_path(&self) -> Result<Path, ClientError> {
        let relays = self.granted.iter().rev().map(|granted| &granted.uri);
        path(relays.chain([&self.login.own]))
    }

    fn turn_to(&mut self, level: usize) {
        self.level = level;
        self.tries = 0;
        self.expires = self.login.expires.map(|life| life.as_secs());
    }

    fn ask(&mut self, token: String) -> Bytes {
        self.tries += 1;
        let level = self.level;
        let known = self.granted.get(level).map(|granted| &granted.uri);
        let target = known.unwrap_or(&self.login.relays[level]).as_str();
        let before = self.granted[..level].iter();
        let before = before.map(|granted| granted.uri.as_str());
        let to: Vec<&str> = before.chain([target]).collect();
        let proof = self.nonces[level].as_mut().map(|nonce| {
            nonce.count += 1;
            let (account, count) = (&self.login.account, nonce.count);
            nonce.challenge.answer(account, NAME, target, &token, count)
        });
        let mut out = BytesMut::with_capacity(512);
        let (id, from) = (token.as_bytes(), self.login.own.as_str());
        encoding::put_request(
            &mut out,
            id,
            Method::Auth,
            to.join(" ").as_bytes(),
            from.as_bytes(),
        );
        if let Some(proof) = &proof {
            let value = proof.without_uri();
            encoding::put_field(&mut out, "Authorization", value.as_bytes());
        }
        if let Some(expires) = self.expires {
            encoding::put_field(&mut out, "Expires", expires.to_string().as_bytes());
        }
        encoding::put_end(&mut out, id, false, Continuation::Complete);
        self.sent = Some(Sent { id: token, proof });
        out.freeze()
    }

    /// Takes a challenge. A second one that is not stale means that the password is wrong.
    fn learn(&mut self, response: &Head, sent: &Sent) -> Result<(), ClientError> {
        let fields = response.fields();
        let values = fields
            .filter(|(name, _)| name.eq_ignore_ascii_case(b"WWW-Authenticate"))
            .filter_map(|(_, value)| std::str::from_utf8(value).ok());
        // RFC 4976 §9.1 demands `qop`, and bars the session algorithms
        let offered = strongest(values)
            .filter(|challenge| challenge.qop_auth && !challenge.algorithm.is_session());
        match offered {
            Some(challenge) if sent.proof.is_none() || challenge.stale => {
                let count = 0;
                self.nonces[self.level] = Some(Nonce { challenge, count });
                Ok(())
            }
            _ => Err(ClientError::Unauthorized { code: 401 }),
        }
    }

    fn grant(&mut self, response: &Head, sent: &Sent) -> Result<(), ClientError> {
        self.check_proof(response, sent)?;
        let text = response.text("Use-Path").unwrap_or_default();
        let given = Path::parse(text).map_err(|_| unusable("no Use-Path"))?;
        if given.uris().len() != self.level + 1 {
            return Err(unusable("Use-Path has another length than the chain"));
        }
        let expires = seconds(response, "Expires");
        let granted = Granted {
            uri: given.last().clone(),
            expires: expires.or(self.expires).unwrap_or(u64::MAX),
        };
        match self.granted.get_mut(self.level) {
            Some(known) => *known = granted,
            None => self.granted.push(granted),
        }
        self.turn_to(self.level + 1);
        Ok(())
    }

    /// Whether the relay knows the password too, where it says so; its next nonce is kept.
    fn check_proof(&mut self, response: &Head, sent: &Sent) -> Result<(), ClientError> {
        let info = response.text("Authentication-Info").map(Info::parse);
        let (Some(Ok(info)), Some(proof)) = (info, &sent.proof) else {
            return Ok(());
        };
        let account = &self.login.account;
        let secret = ha1(
            proof.algorithm,
            &account.user,
            &proof.realm,
            &account.password,
        );
        if !info.is_proof(proof, &secret) {
            return Err(unusable("the relay does not know the password"));
        }
        if let (Some(next), Some(nonce)) = (info.next_nonce, &mut self.nonces[self.level]) {
            nonce.challenge.nonce = next;
            nonce.count = 0;
        }
        Ok(())
    }

    /// Three quarters of the shortest life, and never at once again.
    fn refresh_after(&self) -> Duration {
        let lives = self.granted.iter().map(|granted| granted.expires);
        let shortest = lives.min().unwrap_or(u64::MAX).min(u64::from(u32::MAX));
        Duration::from_secs((shortest - shortest / 4).max(1))
    }
}

/// `uris` as a path. Errors: `Answer` if there is none.
fn path<'a>(uris: impl Iterator<Item = &'a Uri>) -> Result<Path, ClientError> {
    let texts: Vec<&str> = uris.map(Uri::as_str).collect();
    Path::parse(&texts.join(" ")).map_err(|_| unusable("no URI was granted"))
}

/// The life the relay allows instead of the one that was asked for.
fn bound(response: &Head) -> Result<u64, ClientError> {
    let bound = seconds(response, "Min-Expires").or_else(|| seconds(response, "Max-Expires"));
    bound.ok_or_else(|| refused(response))
}

fn seconds(response: &Head, name: &str) -> Option<u64> {
    response.text(name)?.parse().ok()
}

fn unusable(why: &str) -> ClientError {
    ClientError::Answer {
        request: NAME,
        why: why.to_owned(),
    }
}

fn refused(response: &Head) -> ClientError {
    let (code, comment) = match response.kind() {
        Kind::Response { code, comment } => (code, comment),
        Kind::Request(_) => (0, &b"not a response"[..]),
    };
    match code {
        401 => ClientError::Unauthorized { code },
        _ => ClientError::Refused {
            request: NAME,
            code,
            reason: String::from_utf8_lossy(comment).into_owned(),
        },
    }
}

#[cfg(test)]
mod tests;
