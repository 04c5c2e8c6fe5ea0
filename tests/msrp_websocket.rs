//! MSRP over WebSocket (RFC 7977), with tungstenite as the client.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod relay;
mod tls;

use relay::{
    PASSWORD, Peer, RelayConfig, answer, body, door, id, plain_request, proof, send, value,
};
use restante::msrp::{
    Config,
    actor::{Entry, Exchange, Switchboard, load_credentials},
};
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tls::Authority;
use tokio::task::spawn_blocking;
use tungstenite::{
    Error, Message, WebSocket,
    client::IntoClientRequest,
    http::HeaderValue,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

/// A browser, as far as MSRP can tell.
struct Browser<S> {
    uri: String,
    socket: WebSocket<S>,
}

impl<S: Read + Write> Browser<S> {
    fn over(stream: S, url: &str, protocol: Option<&str>) -> Result<Self, String> {
        let mut request = url.into_client_request().unwrap();
        if let Some(protocol) = protocol {
            let value = HeaderValue::from_str(protocol).unwrap();
            request
                .headers_mut()
                .insert("Sec-WebSocket-Protocol", value);
        }
        let (socket, response) =
            tungstenite::client(request, stream).map_err(|error| error.to_string())?;
        assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "msrp");
        Ok(Self {
            uri: "msrps://df7jal23ls0d.invalid/98cjs;ws".into(),
            socket,
        })
    }

    fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    /// The next message: one request or response, whole.
    fn hear(&mut self) -> String {
        loop {
            let message = self.socket.read().unwrap();
            if message.is_binary() {
                let text = String::from_utf8(message.into_data().to_vec()).unwrap();
                let mark = format!("\r\n-------{}", id(&text));
                assert!(
                    text.starts_with("MSRP ") && text.ends_with("\r\n"),
                    "{text}"
                );
                assert_eq!(
                    text.find(&mark),
                    Some(text.len() - mark.len() - 3),
                    "{text}"
                );
                return text;
            }
        }
    }

    fn auth(&mut self, door: &str, name: &str) -> String {
        let uri = self.uri.clone();
        self.say(&plain_request("auth1", "AUTH", door, &uri, ""));
        let challenge = self.hear();
        let line = challenge
            .lines()
            .find(|line| line.starts_with("WWW-Authenticate") && line.contains("MD5"));
        let proof = proof(line.unwrap(), door, name, PASSWORD);
        self.say(&plain_request("auth2", "AUTH", door, &uri, &proof));
        let granted = self.hear();
        assert!(granted.starts_with("MSRP auth2 200 "), "{granted}");
        value(&granted, "Use-Path").unwrap().to_owned()
    }
}

fn connect(at: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect(at).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    tcp
}

fn browser(at: SocketAddr) -> Browser<TcpStream> {
    Browser::over(connect(at), &format!("ws://{at}/"), Some("msrp")).unwrap()
}

fn start(authority: &Authority) -> Rc<Switchboard> {
    let anywhere = Some(([127, 0, 0, 1], 0).into());
    let config = Config {
        ws_listen: anywhere,
        wss_listen: anywhere,
        ..authority.config("relay.example")
    };
    let exchange = Exchange::relaying(1, relay::desk(RelayConfig::default(), &relay::keys()));
    exchange.protect(load_credentials(&config).unwrap().unwrap());
    Switchboard::start(0, &exchange, &config).unwrap()
}

fn entry(board: &Switchboard, entry: Entry) -> SocketAddr {
    board.entry_addr(entry).unwrap()
}

#[actix::test]
async fn browser_and_plain_client_talk_through_the_relay() {
    let board = start(&Authority::new());
    let (at, door) = (entry(&board, Entry::Ws), door(&board));
    let mut bob = Peer::connect(board.listen_addr(), "bob").await;
    let to_bob = bob.use_path(&door, "bob").await;
    let login = spawn_blocking(move || {
        let mut alice = browser(at);
        let to_alice = alice.auth(&door, "alice");
        (alice, to_alice)
    });
    let (mut alice, to_alice) = login.await.unwrap();

    // three requests in one segment are three messages
    let to = format!("{to_alice} {}", alice.uri);
    let long = "0123456789".repeat(20_000);
    let requests = [("one1", "Hi"), ("two2", "Alice"), ("three3", long.as_str())];
    for (id, text) in requests {
        bob.write(&send(id, &to, &bob.uri.clone(), "", text)).await;
    }
    let uri = alice.uri.clone();
    let hear = spawn_blocking(move || {
        let mut heard = String::new();
        while heard.len() < 200_007 {
            let request = alice.hear();
            heard.push_str(body(&request));
            let to = value(&request, "From-Path").unwrap().split(' ').next();
            alice.say(&answer(id(&request), "200 OK", to.unwrap(), &uri));
        }
        (alice, heard)
    });
    let (mut alice, heard) = hear.await.unwrap();
    assert_eq!(heard, format!("HiAlice{long}"));
    for _ in requests {
        assert!(bob.frame().await.contains(" 200 "));
    }

    // a message in fragments, with a ping between them
    let to = format!("{to_alice} {to_bob} {}", bob.uri);
    let speak = spawn_blocking(move || {
        let text = send("four4", &to, &alice.uri, "", "Hi Bob").into_bytes();
        let frame = |octets: &[u8], code, is_final| {
            Message::Frame(Frame::message(
                octets.to_vec(),
                OpCode::Data(code),
                is_final,
            ))
        };
        alice
            .socket
            .send(frame(&text[..30], Data::Text, false))
            .unwrap();
        alice
            .socket
            .send(Message::Ping("are you there".into()))
            .unwrap();
        alice
            .socket
            .send(frame(&text[30..31], Data::Continue, false))
            .unwrap();
        alice
            .socket
            .send(frame(&text[31..], Data::Continue, true))
            .unwrap();
        let pong = alice.socket.read().unwrap();
        assert_eq!(pong, Message::Pong("are you there".into()));
        assert!(alice.hear().starts_with("MSRP four4 200 "));
        alice.socket.close(None).unwrap();
        loop {
            match alice.socket.read() {
                Ok(message) => assert!(message.is_close(), "{message}"),
                Err(error) => return error,
            }
        }
    });
    assert_eq!(body(&bob.frame().await), "Hi Bob");
    let end = speak.await.unwrap();
    assert!(matches!(end, Error::ConnectionClosed), "{end}");
}

#[actix::test]
async fn secure_websocket_gets_a_protected_uri() {
    let authority = Authority::new();
    let board = start(&authority);
    let (at, tls) = (entry(&board, Entry::Wss), entry(&board, Entry::Tls));
    let roots = authority.roots();
    let login = spawn_blocking(move || {
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        let session = ClientConnection::new(Arc::new(config), ServerName::from(at.ip())).unwrap();
        let stream = StreamOwned::new(session, connect(at));
        let mut alice = Browser::over(stream, &format!("wss://{at}/"), Some("chat, msrp")).unwrap();
        alice.auth(&format!("msrps://{tls};tcp"), "alice")
    });
    let granted = login.await.unwrap();
    assert!(granted.starts_with(&format!("msrps://{tls}/")), "{granted}");
}

#[actix::test]
async fn request_without_the_sub_protocol_is_refused() {
    let board = start(&Authority::new());
    let at = entry(&board, Entry::Ws);
    for protocol in [None, Some("chat"), Some("msrpx, MSRP")] {
        let asked = spawn_blocking(move || {
            Browser::over(connect(at), &format!("ws://{at}/"), protocol).map(drop)
        });
        let error = asked.await.unwrap().unwrap_err();
        assert!(error.contains("400"), "{error}");
    }
}

#[actix::test]
async fn frames_that_break_the_rules_end_the_connection() {
    let board = start(&Authority::new());
    let at = entry(&board, Entry::Ws);
    let frames: [&[u8]; 4] = [
        b"\x82\x01x",                 // without a mask
        b"\xc2\x81\x00\x00\x00\x00x", // with an extension
        b"\x80\x81\x00\x00\x00\x00x", // goes on with nothing
        b"\x09\x81\x00\x00\x00\x00x", // a ping in pieces
    ];
    for frame in frames {
        let end = spawn_blocking(move || {
            let mut socket = browser(at).socket;
            socket.get_mut().write_all(frame).unwrap();
            socket.read().unwrap_err()
        });
        let end = end.await.unwrap();
        let timed_out = |kind| {
            matches!(
                kind,
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            )
        };
        assert!(
            !matches!(&end, Error::Io(error) if timed_out(error.kind())),
            "{end}"
        );
    }
}
