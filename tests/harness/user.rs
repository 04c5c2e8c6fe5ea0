//! Users with a device each, as the client library makes them.
use super::Server;
use bytes::Bytes;
use restante::{
    client::{
        Config, Content, Device, DeviceConfig, Host, Incoming, Mode, Outgoing, Received, Tap,
    },
    identity::Address,
    sip::transaction::Peer,
};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio::time::timeout;

pub const PATIENCE: Duration = Duration::from_secs(20);

/// A user with one device.
pub struct User {
    pub device: Device,
    incoming: Incoming,
    host: Host,
    _spool: tempfile::TempDir,
}

impl User {
    pub async fn of(server: &Server, name: &str) -> Self {
        Self::with(server, name, "secret", Peer::tcp(server.sip())).await
    }

    pub async fn with(server: &Server, name: &str, password: &str, peer: Peer) -> Self {
        let _ = server;
        Self::configured(name, password, peer, |_| {}).await
    }

    /// A user whose device is configured by `change`.
    pub async fn configured(
        name: &str,
        password: &str,
        peer: Peer,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        Self::at(address_of(name), password, peer, change, None).await
    }

    /// A user all of whose SIP and MSRP messages are shown to `tap`.
    pub async fn tapped(server: &Server, name: &str, tap: Tap) -> Self {
        let peer = Peer::tcp(server.sip());
        Self::at(address_of(name), "secret", peer, |_| {}, Some(tap)).await
    }

    /// A user of any domain, who is served by `peer`.
    pub async fn at(
        address: Address,
        password: &str,
        peer: Peer,
        change: impl FnOnce(&mut Config),
        tap: Option<Tap>,
    ) -> Self {
        let spool = tempfile::tempdir().expect("a temporary folder");
        let mut config = Config {
            spool: spool.path().into(),
            attempts: 1,
            sync: false,
            ..Config::default()
        };
        change(&mut config);
        let host = Host::start(config, tap).await.expect("a host");
        let config = DeviceConfig {
            address,
            user: None,
            password: Some(password.to_owned()),
            server: peer,
        };
        let device = Device::new(&host, config);
        let incoming = device.incoming().expect("the only reader");
        Self {
            device,
            incoming,
            host,
            _spool: spool,
        }
    }

    pub async fn log_in(self) -> Self {
        let lifetime = Duration::from_secs(600);
        self.device.register(lifetime).await.expect("a login");
        self
    }

    /// The device, and what comes to it, for tests that look after both themselves. There is no
    /// folder for large messages then.
    pub fn parts(self) -> (Device, Incoming) {
        (self.device, self.incoming)
    }

    /// The device loses all its connections and says nothing more.
    pub fn vanish(self) {
        self.host.stop();
    }

    pub async fn next(&mut self) -> Received {
        let next = timeout(PATIENCE, self.incoming.next()).await;
        next.expect("in time").expect("a message")
    }

    pub async fn nothing_more(&mut self) {
        let more = timeout(Duration::from_millis(500), self.incoming.next()).await;
        assert!(more.is_err(), "{more:?}");
    }
}

pub fn address_of(name: &str) -> Address {
    Address::parse(&format!("sip:{name}@localhost")).expect("an address")
}

pub fn noise(octets: usize) -> Bytes {
    let mut state = 7u32;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..octets).map(step).collect::<Vec<_>>().into()
}

pub fn message(octets: &Bytes, mode: Mode) -> Outgoing {
    let content = Content::Bytes(octets.clone());
    let mut message = Outgoing::new(address_of("bob"), "application/octet-stream", content);
    message.mode = mode;
    message
}

pub fn assert_is(received: &Received, octets: &Bytes, id: &str) {
    assert_is_from(&address_of("alice"), received, octets, id);
}

pub fn assert_is_from(sender: &Address, received: &Received, octets: &Bytes, id: &str) {
    let hash: [u8; 32] = Sha256::digest(octets).into();
    assert_eq!(received.message_id, id);
    assert_eq!(received.size, octets.len() as u64);
    assert_eq!(received.sha256, hash);
    assert_eq!(received.from.as_ref(), Some(sender));
    assert!(received.date.is_some());
}
