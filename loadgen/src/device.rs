//! The device of one user, as the scenes use it: the client library, and what its outcomes mean
//! to the ledger.
use crate::{
    args::Mode,
    book::Book,
    ledger::{Acknowledged, Delivery},
    series::Kind,
    users::Names,
};
use bytes::Bytes;
use restante::{
    client::{
        self, Body, Conference, Content, DeviceConfig, Incoming, Outcome, Outgoing, Peer, Received,
    },
    clock,
    identity::Address,
    profile::mime,
};
use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// How long a login lasts, if it is not renewed: what a killed run leaves behind is soon gone.
const LOGIN: Duration = Duration::from_secs(600);

/// User part of what makes groups, where the server's configuration says nothing else.
const FACTORY: &str = "conference-factory";

/// Received messages a device may have at hand before the book has taken them.
const INBOX: usize = 256;

/// How devices reach the server.
#[derive(Clone, Debug)]
pub struct Settings {
    config: client::Config,
    server: Peer,
}

impl Settings {
    /// Devices at the address `local`, for a server that speaks SIP at `sip`.
    pub fn new(local: IpAddr, sip: SocketAddr, tcp: bool) -> Self {
        let config = client::Config {
            bind: local,
            // the book counts what comes twice, and sends again itself
            remembered: 0,
            attempts: 1,
            inbox: INBOX,
            sync: false,
            ..client::Config::default()
        };
        let server = match tcp {
            true => Peer::tcp(sip),
            false => Peer::udp(sip),
        };
        Self { config, server }
    }
}

/// The sockets all devices of a thread share.
pub struct Host {
    host: client::Host,
    settings: Settings,
}

/// One user's device.
pub struct Device {
    device: client::Device,
    user: usize,
    names: Names,
    /// Its place in a group.
    place: Mutex<Option<Conference>>,
}

/// Why something was not done.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The refusal, or what broke.
    pub reason: String,
    /// Whether trying again is of no use.
    pub is_final: bool,
    /// Whether the server said so; otherwise no answer came.
    pub is_refusal: bool,
}

impl Failure {
    /// No answer came within `limit`.
    pub fn late(limit: Duration) -> Self {
        Self {
            reason: format!("no answer within {}", humantime::format_duration(limit)),
            is_final: false,
            is_refusal: false,
        }
    }

    /// Who was to send to a group was not let in.
    fn nowhere() -> Self {
        Self {
            reason: "not in the group".to_owned(),
            is_final: false,
            is_refusal: false,
        }
    }

    /// What it counts as.
    pub fn kind(&self) -> Kind {
        match self.is_refusal {
            true => Kind::Refused,
            false => Kind::Failed,
        }
    }
}

impl From<client::ClientError> for Failure {
    fn from(error: client::ClientError) -> Self {
        let text = error.to_string();
        // figures in parentheses would make every refusal a kind of its own
        let reason = text.split(" (").next().unwrap_or(&text).to_owned();
        Self {
            is_final: !error.is_transient(),
            is_refusal: matches!(
                error,
                client::ClientError::Refused { .. } | client::ClientError::Unauthorized { .. }
            ),
            reason,
        }
    }
}

impl Host {
    /// Opens the sockets, on the calling arbiter.
    ///
    /// Errors: a sentence for the user if there are none.
    pub async fn start(settings: &Settings) -> Result<Self, String> {
        let host = client::Host::start(settings.config.clone(), None).await;
        let host = host.map_err(|error| error.to_string())?;
        Ok(Self {
            host,
            settings: settings.clone(),
        })
    }

    /// The device of `user`, not logged in yet.
    ///
    /// Errors: a sentence for the user if the domain makes no address.
    pub fn device(&self, user: usize, names: &Names) -> Result<Device, Failure> {
        let config = DeviceConfig {
            address: address(&names.address(user))?,
            user: None,
            password: Some(names.password(user)),
            server: self.settings.server,
        };
        Ok(Device {
            device: client::Device::new(&self.host, config),
            user,
            names: names.clone(),
            place: Mutex::default(),
        })
    }
}

impl Device {
    /// Writes into `book` whatever comes in, until the device is gone; times count from `login`.
    pub fn listen(&self, login: Instant, book: Book) {
        if let Some(incoming) = self.device.incoming() {
            actix_rt::spawn(listen(incoming, self.user, self.names.clone(), login, book));
        }
    }

    /// Logs in.
    ///
    /// Errors: the refusal.
    pub async fn log_in(&self) -> Result<(), Failure> {
        self.device.register(LOGIN).await?;
        Ok(())
    }

    /// Logs out; who does not hear of it will find nobody there.
    ///
    /// Errors: the refusal.
    pub async fn log_out(&self) -> Result<(), Failure> {
        drop(self.place.lock().await.take());
        self.device.unregister().await?;
        Ok(())
    }

    /// Comes into `group`, to send there and to receive.
    ///
    /// Errors: the refusal.
    pub async fn join(&self, group: &str) -> Result<(), Failure> {
        let place = self.device.join(&address(group)?).await?;
        *self.place.lock().await = Some(place);
        Ok(())
    }

    /// Makes a group of this user and `members`, and comes into it; returns its address.
    ///
    /// Errors: the refusal.
    pub async fn call_together(&self, members: &[String]) -> Result<String, Failure> {
        let domain = self.device.address().domain().unwrap_or_default();
        let factory = address(&format!("sip:{FACTORY}@{domain}"))?;
        let members: Result<Vec<Address>, Failure> =
            members.iter().map(|member| address(member)).collect();
        let place = self.device.call_together(&factory, &members?, None).await?;
        let group = place.group().to_string();
        *self.place.lock().await = Some(place);
        Ok(group)
    }

    /// Whether it is in its group.
    pub async fn is_in_group(&self) -> bool {
        self.place.lock().await.is_some()
    }

    /// Sends `content` to the group it is in, under the id `message_id`: one message after the
    /// other. A place that is lost is given up.
    ///
    /// Errors: what became of it instead.
    pub async fn say(
        &self,
        group: &str,
        message_id: &str,
        content: Bytes,
    ) -> Result<Acknowledged, Failure> {
        let mut place = self.place.lock().await;
        let outgoing = Outgoing {
            message_id: Some(message_id.to_owned()),
            ..Outgoing::new(address(group)?, mime::OCTETS, Content::Bytes(content))
        };
        let sent = match place.as_mut() {
            Some(place) => place.send(&outgoing).await,
            None => return Err(Failure::nowhere()),
        };
        if sent.is_err() {
            *place = None;
        }
        answered(sent?.outcome)
    }

    /// Sends `content` to `to` under the id `message_id`.
    ///
    /// Errors: what became of it instead.
    pub async fn send(
        &self,
        to: &str,
        message_id: &str,
        content: Bytes,
        mode: Mode,
    ) -> Result<Acknowledged, Failure> {
        let outgoing = Outgoing {
            message_id: Some(message_id.to_owned()),
            mode: match mode {
                Mode::Auto => client::Mode::Auto,
                Mode::Pager => client::Mode::Pager,
                Mode::Channel => client::Mode::Channel,
            },
            ..Outgoing::new(address(to)?, mime::OCTETS, Content::Bytes(content))
        };
        answered(self.device.send(outgoing).await?.outcome)
    }
}

/// What an outcome means to the ledger.
fn answered(outcome: Outcome) -> Result<Acknowledged, Failure> {
    match outcome {
        Outcome::Stored => Ok(Acknowledged::Stored),
        Outcome::Delivered => Ok(Acknowledged::Delivered),
        Outcome::Refused { code, reason } => Err(Failure {
            reason: format!("{code} {reason}"),
            is_final: !is_transient(code),
            is_refusal: true,
        }),
    }
}

/// Whether a server that has too much to do just now says it so, in SIP or in MSRP.
fn is_transient(code: u16) -> bool {
    matches!(code, 408 | 413 | 480 | 491 | 500 | 502..=504)
}

async fn listen(mut incoming: Incoming, user: usize, names: Names, login: Instant, book: Book) {
    while let Some(received) = incoming.next().await {
        let now = clock::now();
        note(&received, user, &names, login, now, &book);
        if let Body::File(path) = received.body {
            // its digest is all that is wanted of it
            let _ = std::fs::remove_file(path);
        }
    }
}

fn note(
    received: &Received,
    user: usize,
    names: &Names,
    login: Instant,
    now: Instant,
    book: &Book,
) {
    // what senders are told about their messages is no message of the run
    if !received.notifications().is_empty() {
        return;
    }
    let sender = received.from.as_ref();
    let delivery = Delivery {
        message_id: &received.message_id,
        sender: sender.and_then(|sender| names.index(sender.as_str())),
        receiver: user,
        digest: received.sha256,
    };
    book.delivered(&delivery, login, now);
}

fn address(text: &str) -> Result<Address, Failure> {
    Address::parse(text).map_err(|error| Failure {
        reason: format!("{text} is no address: {error}"),
        is_final: true,
        is_refusal: false,
    })
}
