//! A relay in this process and raw peers of it, who write and read octet by octet.
#![allow(dead_code, reason = "each test file uses its own part")]

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
use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

pub const REALM: &str = "relay.test";
pub const PASSWORD: &str = "swordfish";
const PATIENCE: Duration = Duration::from_secs(10);

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

/// The keys of all relays of a test, so that one can take over from another.
pub fn keys() -> KeyRing {
    let mut ring = KeyRing::new([7; 32], clock::wall());
    ring.rotate([8; 32], clock::wall(), Duration::from_secs(3600));
    ring
}

/// Opens the desk of a relay.
pub fn desk(config: relay::Config) -> Arc<Desk> {
    let gatekeeper = Gatekeeper::new(&config, REALM, [9; 32]);
    Desk::new(
        config,
        Sealer::new(&keys()),
        gatekeeper,
        Arc::new(Everybody),
    )
}

/// Starts a relay on a free port.
pub fn start(config: &Config, relay: relay::Config) -> Rc<Switchboard> {
    let exchange = Exchange::relaying(1, desk(relay));
    Switchboard::start(0, &exchange, config).unwrap()
}

/// The configuration of a relay on a free port of this machine.
pub fn anywhere() -> Config {
    Config {
        listen: ([127, 0, 0, 1], 0).into(),
        ..Config::default()
    }
}

/// A peer at the end of a connection.
pub struct Peer {
    pub uri: String,
    tcp: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    /// Connects to `addr`; the peer's own URI is `name`'s.
    pub async fn connect(addr: SocketAddr, name: &str) -> Self {
        let tcp = TcpStream::connect(addr).await.unwrap();
        Self::over(tcp, name)
    }

    /// Waits for a connection that a relay makes.
    pub async fn accept(listener: &TcpListener, name: &str) -> Self {
        let (tcp, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        Self::over(tcp, name)
    }

    fn over(tcp: TcpStream, name: &str) -> Self {
        tcp.set_nodelay(true).unwrap();
        Self {
            uri: format!("msrp://{name}.invalid:9/{name};tcp"),
            tcp,
            read: Vec::new(),
        }
    }

    pub async fn write(&mut self, text: &str) {
        self.tcp.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads one request or response, up to and with its end-line.
    pub async fn frame(&mut self) -> String {
        timeout(PATIENCE, self.next_frame())
            .await
            .expect("a frame comes")
            .expect("the connection lives")
    }

    /// Tells whether nothing comes for `time`.
    pub async fn is_silent(&mut self, time: Duration) -> bool {
        timeout(time, self.next_frame()).await.is_err()
    }

    /// Waits for the end of the connection.
    pub async fn is_closed(&mut self) -> bool {
        matches!(timeout(PATIENCE, self.next_frame()).await, Ok(None))
    }

    async fn next_frame(&mut self) -> Option<String> {
        loop {
            if let Some(end) = end_of_frame(&self.read) {
                let frame = self.read.drain(..end).collect();
                return Some(String::from_utf8(frame).unwrap());
            }
            let mut octets = vec![0; 65_536];
            match self.tcp.read(&mut octets).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.read.extend_from_slice(&octets[..count]),
            }
        }
    }

    /// Sends an AUTH to the last of `to`; returns the answer.
    pub async fn auth(&mut self, to: &str, fields: &str) -> String {
        let id = "a1b2c3d4";
        let uri = self.uri.clone();
        self.write(&format!(
            "MSRP {id} AUTH\r\nTo-Path: {to}\r\nFrom-Path: {uri}\r\n{fields}-------{id}$\r\n"
        ))
        .await;
        self.frame().await
    }

    /// Authenticates as `user` at the last of `to` and returns the answer to the proof.
    pub async fn prove(&mut self, to: &str, user: &str, password: &str, fields: &str) -> String {
        let challenge = self.auth(to, "").await;
        assert!(challenge.starts_with("MSRP a1b2c3d4 401 "), "{challenge}");
        let line = challenge
            .lines()
            .find(|line| line.starts_with("WWW-Authenticate") && line.contains("MD5"))
            .unwrap();
        let proof = proof(line, to.rsplit(' ').next().unwrap(), user, password);
        self.auth(to, &format!("{proof}{fields}")).await
    }

    /// Authenticates and returns the path that the relays gave out.
    pub async fn use_path(&mut self, to: &str, user: &str) -> String {
        let granted = self.prove(to, user, PASSWORD, "").await;
        assert!(granted.starts_with("MSRP a1b2c3d4 200 "), "{granted}");
        value(&granted, "Use-Path").unwrap().to_owned()
    }
}

/// Returns the value of a header field.
pub fn value<'a>(frame: &'a str, name: &str) -> Option<&'a str> {
    let lines = frame.lines();
    let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    values.next()
}

/// Returns the transaction id of a frame.
pub fn id(frame: &str) -> &str {
    frame.split(' ').nth(1).unwrap()
}

/// Returns the Authorization line that answers a challenge.
pub fn proof(challenge: &str, uri: &str, user: &str, password: &str) -> String {
    let part = |name: &str| {
        let start = challenge.find(&format!("{name}=\"")).unwrap() + name.len() + 2;
        challenge[start..].split('"').next().unwrap()
    };
    let (realm, nonce) = (part("realm"), part("nonce"));
    let hash = |text: &str| {
        use md5::Digest;
        hex::encode(md5::Md5::digest(text))
    };
    let first = hash(&format!("{user}:{realm}:{password}"));
    let second = hash(&format!("AUTH:{uri}"));
    let response = hash(&format!("{first}:{nonce}:00000001:0a4f113b:auth:{second}"));
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", \
         algorithm=MD5, qop=auth, nc=00000001, cnonce=\"0a4f113b\", response=\"{response}\"\r\n"
    )
}

/// Writes a SEND with a body.
pub fn send(id: &str, to: &str, from: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "MSRP {id} SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: m-{id}\r\n\
         Byte-Range: 1-{length}/{length}\r\n{fields}Content-Type: text/plain\r\n\r\n\
         {body}\r\n-------{id}$\r\n"
    )
}

/// Writes a response.
pub fn answer(id: &str, status: &str, to: &str, from: &str) -> String {
    format!("MSRP {id} {status}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------{id}$\r\n")
}

fn end_of_frame(read: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(read);
    let id = text.strip_prefix("MSRP ")?.split(' ').next()?.to_owned();
    let mark = format!("\r\n-------{id}");
    let at = memchr::memmem::find(read, mark.as_bytes())?;
    let end = at + mark.len() + 3;
    (read.len() >= end).then_some(end)
}
