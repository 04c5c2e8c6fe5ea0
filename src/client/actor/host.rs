//! The sockets many devices share, and who of them a request is for.
use super::{answer, state::State};
use crate::{
    client::{ClientError, Config, Sight, Tap, TapEvent, Way, request::ALLOW},
    identity::Address,
    msrp::{
        self,
        actor::{Direction, Exchange, Switchboard},
    },
    net::{self, Shards, tls::Credentials},
    sdp::Security,
    sip::{
        self,
        actor::{EndpointHandle, Incoming, StartError},
        codec::{Builder, Message, Name},
    },
};
use actix::prelude::*;
use bytes::Bytes;
use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    io,
    net::SocketAddr,
    rc::{Rc, Weak},
    sync::Arc,
};

/// Requests that the devices of one host may begin at the same moment: ten thousand of them log
/// in together, and all wait for the one connection to their server to be made.
const AT_ONCE: usize = 32 * 1024;

/// Transactions of the devices of one host. Over UDP each stays for 32 s behind its answer, and
/// thousands of calls begin in every second when a whole network's devices live here.
const TRANSACTIONS: usize = 1024 * 1024;

/// The sockets of many devices: one SIP endpoint and one MSRP switchboard on the calling arbiter.
///
/// Clones name the same host.
#[derive(Clone)]
pub struct Host(pub(super) Rc<Inner>);

pub(super) struct Inner {
    pub endpoint: EndpointHandle,
    pub board: Rc<Switchboard>,
    pub config: Config,
    devices: Rc<Directory>,
}

/// Devices by the user part of their Contact, and by their address.
#[derive(Default)]
struct Directory {
    endpoint: OnceCell<EndpointHandle>,
    devices: RefCell<HashMap<String, Weak<State>>>,
}

impl Host {
    /// Opens the sockets. `tap` sees everything that goes over them.
    ///
    /// Errors: `Socket` if none can be opened.
    pub async fn start(config: Config, tap: Option<Tap>) -> Result<Self, ClientError> {
        let bind = config.bind;
        let socket = |source| ClientError::Socket { bind, source };
        let listen = SocketAddr::new(bind, 0);
        let board = switchboard(listen, &config, tap.clone()).map_err(socket)?;
        let devices = Rc::new(Directory::default());
        let endpoint = endpoint(listen, &devices, tap).await.map_err(socket)?;
        Ok(Self(Rc::new(Inner {
            endpoint,
            board,
            config,
            devices,
        })))
    }

    /// Where SIP is listened to, by UDP and TCP.
    pub fn sip_addr(&self) -> SocketAddr {
        self.0.endpoint.local_addr()
    }

    /// Where MSRP is listened to.
    pub fn msrp_addr(&self) -> SocketAddr {
        self.0.board.listen_addr()
    }

    /// Closes all sockets. Devices that still live can do nothing any more.
    pub fn stop(&self) {
        self.0.board.stop();
        self.0.endpoint.stop();
    }
}

impl Inner {
    /// Requests for these names, the user part of a Contact or an address, go to this device from
    /// now on.
    pub fn admit(&self, names: [&str; 2], device: &Rc<State>) {
        let mut devices = self.devices.devices.borrow_mut();
        for name in names {
            devices.insert(name.to_owned(), Rc::downgrade(device));
        }
    }

    /// The device is gone: its names are free, unless another one has taken them.
    pub fn dismiss(&self, names: [&str; 2]) {
        let mut devices = self.devices.devices.borrow_mut();
        for name in names {
            if devices
                .get(name)
                .is_some_and(|device| device.strong_count() == 0)
            {
                devices.remove(name);
            }
        }
    }
}

fn switchboard(
    listen: SocketAddr,
    config: &Config,
    tap: Option<Tap>,
) -> io::Result<Rc<Switchboard>> {
    let has_tls = config.media_security != Security::None;
    let exchange = Exchange::new(1);
    if has_tls {
        exchange.protect(Credentials::self_signed().map_err(io::Error::other)?);
    }
    let settings = msrp::Config {
        listen,
        tls_listen: has_tls.then_some(listen),
        max_chunk: config.chunk,
        ..msrp::Config::default()
    };
    let board = Switchboard::start(0, &exchange, &settings)?;
    if let Some(tap) = tap {
        board.set_tap(move |seen| {
            let way = match seen.direction {
                Direction::Received => Way::Received,
                Direction::Sent => Way::Sent,
            };
            let sight = Sight::Msrp(Bytes::copy_from_slice(seen.head));
            let peer = Some(seen.peer);
            tap(&TapEvent { way, peer, sight });
        });
    }
    Ok(board)
}

async fn endpoint(
    listen: SocketAddr,
    devices: &Rc<Directory>,
    tap: Option<Tap>,
) -> io::Result<EndpointHandle> {
    let config = sip::Config {
        listen,
        mailbox: AT_ONCE,
        max_pending: AT_ONCE,
        max_transactions: TRANSACTIONS,
        ..sip::Config::default()
    };
    let door = Door(devices.clone()).start().recipient();
    let user = move |_| door.clone();
    let started = sip::actor::start(&Shards::current_only(), &config, tap.map(watch), user).await;
    let handle = started.map_err(|error| match error {
        StartError::Listen { error, .. } => error,
        other => io::Error::other(other),
    });
    let handle = handle?.pop().ok_or(io::ErrorKind::NotConnected)?;
    // the only start of this host
    let _ = devices.endpoint.set(handle.clone());
    Ok(handle)
}

/// Shows SIP messages to the client's tap.
fn watch(tap: Tap) -> sip::actor::Tap {
    Arc::new(move |way, peer, message: &Message| {
        let way = match way {
            sip::actor::Way::Received => Way::Received,
            sip::actor::Way::Sent => Way::Sent,
        };
        let sight = Sight::Sip(message.clone());
        let peer = Some(peer.addr);
        tap(&TapEvent { way, peer, sight });
    })
}

/// Takes the requests that open something.
struct Door(Rc<Directory>);

impl Actor for Door {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4096);
    }
}

impl Handler<Incoming> for Door {
    type Result = ();

    fn handle(&mut self, incoming: Incoming, _: &mut Self::Context) {
        if let Some(device) = self.device_of(&incoming.request) {
            return answer::handle(&device, incoming);
        }
        if let Some(endpoint) = self.0.endpoint.get() {
            let response = refusal(&incoming.request, 404).build();
            endpoint.respond(incoming.key, response);
        }
    }
}

impl Door {
    /// The device the Request-URI names: by its Contact, as a server does, or by its address.
    fn device_of(&self, request: &Message) -> Option<Rc<State>> {
        let uri = request.uri().ok()?;
        let devices = self.0.devices.borrow();
        let by_contact = uri
            .as_sip()
            .and_then(|uri| devices.get(uri.user_unescaped()?.as_ref()));
        let by_address = || devices.get(Address::parse(request.uri_text()).ok()?.as_str());
        by_contact.or_else(by_address)?.upgrade()
    }
}

/// A response that says no, with what a caller needs to know then.
pub(super) fn refusal(request: &Message, code: u16) -> Builder {
    let response = Builder::response(request, code).to_tag(&net::random_token(8));
    match code {
        405 | 501 => response.header(Name::Allow, ALLOW),
        _ => response,
    }
}

/// The answer to OPTIONS.
pub(super) fn capabilities(request: &Message) -> Message {
    Builder::response(request, 200)
        .to_tag(&net::random_token(8))
        .header(Name::Allow, ALLOW)
        .header(Name::Accept, "application/sdp, message/cpim, text/plain")
        .build()
}
