//! Relays in this process and raw peers of them, who write and read octet by octet.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(unused_imports, reason = "each test file uses its own part")]

mod peer;
mod talk;
mod text;

pub use peer::{PATIENCE, Peer, Reader};
pub use restante::msrp::relay::Config as RelayConfig;
pub use talk::{Parts, content, talk};
pub use text::{
    Messages, answer, body, chunk, flag, head, id, plain_request, proof, range, request, send,
    value,
};

use futures_util::{FutureExt, future::BoxFuture};
use restante::{
    clock,
    digest::{Algorithm, ha1},
    msrp::{
        Config,
        actor::{Desk, Exchange, Switchboard},
        relay::{self, Accounts, Found, Gatekeeper, KeyRing, Known, Sealer},
    },
};
use std::{rc::Rc, sync::Arc, time::Duration};

pub const REALM: &str = "relay.test";
pub const PASSWORD: &str = "swordfish";

/// Everybody may log in with the one password; `mallory` is unknown.
struct Everybody;

impl Accounts for Everybody {
    fn find(&self, user: &str, algorithm: Algorithm) -> BoxFuture<'static, Found> {
        let known = (user != "mallory").then(|| Known {
            address: format!("sip:{user}@{REALM}"),
            ha1: ha1(algorithm, user, REALM, PASSWORD),
        });
        async move { Ok(known.into_iter().collect()) }.boxed()
    }
}

/// The keys of all relays of a test that are not told otherwise, so that one can take over from
/// another.
pub fn keys() -> KeyRing {
    let mut ring = KeyRing::new([7; 32], clock::wall());
    ring.rotate([8; 32], clock::wall(), Duration::from_secs(3600));
    ring
}

/// Opens the desk of a relay.
pub fn desk(config: relay::Config, keys: &KeyRing) -> Arc<Desk> {
    let gatekeeper = Gatekeeper::new(&config, REALM, [9; 32]);
    Desk::new(config, Sealer::new(keys), gatekeeper, Arc::new(Everybody))
}

/// Starts a relay.
pub fn start(config: &Config, relay: relay::Config) -> Rc<Switchboard> {
    start_with(config, relay, &keys())
}

/// Starts a relay that seals with these keys.
pub fn start_with(config: &Config, relay: relay::Config, keys: &KeyRing) -> Rc<Switchboard> {
    let exchange = Exchange::relaying(1, desk(relay, keys));
    Switchboard::start(0, &exchange, config).unwrap()
}

/// Starts a relay with nothing configured, on a free port.
pub fn start_any() -> Rc<Switchboard> {
    start(&anywhere(), relay::Config::default())
}

/// The configuration of a relay on a free port of this machine.
pub fn anywhere() -> Config {
    Config {
        listen: ([127, 0, 0, 1], 0).into(),
        ..Config::default()
    }
}

/// What an AUTH without a known URI is sent to.
pub fn door(board: &Switchboard) -> String {
    format!("msrp://{};tcp", board.listen_addr())
}

/// A client of the relay, and the URI that it was given.
pub async fn client(board: &Switchboard, name: &str) -> (Peer, String) {
    let mut peer = Peer::connect(board.listen_addr(), name).await;
    let uri = peer.use_path(&door(board), name).await;
    (peer, uri)
}

/// Somebody who did not authenticate.
pub async fn stranger(board: &Switchboard, name: &str) -> Peer {
    Peer::connect(board.listen_addr(), name).await
}
