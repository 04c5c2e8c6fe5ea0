//! A device that does exactly what a test says: a bare UDP socket, for servers that believe their
//! users (`sip_core.authenticate = false`).
use super::{Server, address};
use bytes::Bytes;
use restante::sip::codec::{Builder, Limits, Message, Method, Name};
use std::time::Duration;
use tokio::{
    net::UdpSocket,
    time::{Instant, timeout},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A device of one user.
pub struct Handset {
    socket: UdpSocket,
    user: String,
    call_id: String,
    number: u32,
    /// Transactions that were shown already.
    seen: Vec<String>,
}

impl Handset {
    /// A device that is not logged in.
    pub async fn of(server: &Server, user: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        socket.connect(server.sip()).await.expect("a local address");
        let port = socket.local_addr().expect("a bound socket").port();
        Self {
            socket,
            user: user.to_owned(),
            call_id: format!("{user}-{port}"),
            number: 0,
            seen: Vec::new(),
        }
    }

    /// Logs in, or again under the same Call-ID; `q` is how much it wants to be called.
    pub async fn register(&mut self, q: &str) {
        let contact = format!("<sip:{}@{}>;q={q}", self.user, self.local());
        let request = self.request(Method::Register, "sip:localhost");
        let request = request.header(Name::Contact, contact);
        let response = self.exchange(request.header(Name::Expires, "600")).await;
        assert_eq!(response.code(), Some(200));
    }

    /// Sends a MESSAGE; the code of its final response.
    pub async fn message(&mut self, uri: &str, content_type: &str, body: &[u8]) -> u16 {
        let request = self.request(Method::Message, uri);
        let request = request.body(content_type, body.to_vec());
        self.exchange(request).await.code().expect("a response")
    }

    /// The next request that is new.
    pub async fn next(&mut self) -> Message {
        let next = self.within(PATIENCE).await;
        next.expect("a request in time")
    }

    /// The next request that is new, if one comes in time.
    pub async fn within(&mut self, time: Duration) -> Option<Message> {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let message = timeout(left, self.receive()).await.ok()?;
            if message.is_request() && self.is_new(&message) {
                return Some(message);
            }
        }
    }

    /// Answers `request`.
    pub async fn answer(&mut self, request: &Message, code: u16) {
        let response = Builder::response(request, code).to_tag("h").build();
        self.send(&response).await;
    }

    /// Whether a request is to be shown: not an ACK, and not sent again.
    fn is_new(&mut self, message: &Message) -> bool {
        let via = message.via().expect("a Via");
        let branch = via.branch().expect("a branch").to_owned();
        let key = format!("{branch} {}", message.method().expect("a request"));
        if message.is(&Method::Ack) || self.seen.contains(&key) {
            return false;
        }
        self.seen.push(key);
        true
    }

    async fn exchange(&mut self, request: Builder) -> Message {
        let request = request.build();
        self.send(&request).await;
        loop {
            let message = timeout(PATIENCE, self.receive()).await.expect("in time");
            let is_final = message.code().is_some_and(|code| code >= 200);
            if is_final && message.cseq() == request.cseq() {
                return message;
            }
            assert!(
                !message.is_request(),
                "a request came instead of a response"
            );
        }
    }

    fn request(&mut self, method: Method, uri: &str) -> Builder {
        self.number += 1;
        let (user, number, local) = (&self.user, self.number, self.local());
        let via = format!("SIP/2.0/UDP {local};branch=z9hG4bK{user}{number}");
        let to = match method {
            Method::Register => address(user),
            _ => uri.to_owned(),
        };
        Builder::request(method.clone(), uri)
            .header(Name::Via, via)
            .header(Name::MaxForwards, "70")
            .value(Name::From, format_args!("<{}>;tag=h", address(user)))
            .value(Name::To, format_args!("<{to}>"))
            .value(Name::CallId, &self.call_id)
            .value(Name::CSeq, format_args!("{number} {method}"))
    }

    fn local(&self) -> String {
        let local = self.socket.local_addr().expect("a bound socket");
        local.to_string()
    }

    async fn send(&self, message: &Message) {
        let sent = self.socket.send(message.octets()).await;
        sent.expect("the server listens");
    }

    async fn receive(&self) -> Message {
        let mut buffer = vec![0; 65_535];
        let length = self.socket.recv(&mut buffer).await.expect("a datagram");
        let octets = Bytes::copy_from_slice(&buffer[..length]);
        Message::parse(octets, &Limits::default()).expect("a SIP message")
    }
}
