//! An end of a call made of a bare socket: what goes over the wire is what the test writes.
#![allow(dead_code, reason = "each test file uses a part of it")]
use super::harness::Server;
use bytes::{Bytes, BytesMut};
use restante::sip::codec::{Builder, Framed, Framer, Limits, Message, Method, Name};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_millis(300);

/// One end, which talks to the server alone.
pub struct End {
    wire: Wire,
    pub local: SocketAddr,
    server: SocketAddr,
    user: String,
    /// What came with one read of a stream, and is not taken yet.
    framer: Framer,
    input: BytesMut,
}

enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl End {
    pub fn udp(server: &Server, user: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let local = socket.local_addr().unwrap();
        Self::over(Wire::Udp(socket), local, server.sip(), user)
    }

    pub fn tcp(server: &Server, user: &str) -> Self {
        let stream = TcpStream::connect(server.sip()).unwrap();
        let local = stream.local_addr().unwrap();
        Self::over(Wire::Tcp(stream), local, server.sip(), user)
    }

    /// A socket that stands for a server; whom it talks to is set once that runs.
    pub fn neighbour(user: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let local = socket.local_addr().unwrap();
        Self::over(Wire::Udp(socket), local, local, user)
    }

    pub fn of(mut self, server: &Server) -> Self {
        self.server = server.sip();
        self
    }

    fn over(wire: Wire, local: SocketAddr, server: SocketAddr, user: &str) -> Self {
        Self {
            wire,
            local,
            server,
            user: user.to_owned(),
            framer: Framer::new(Limits::default()),
            input: BytesMut::new(),
        }
    }

    pub fn contact(&self) -> String {
        match self.wire {
            Wire::Udp(_) => format!("<sip:{}@{}>", self.user, self.local),
            Wire::Tcp(_) => format!("<sip:{}@{};transport=tcp>", self.user, self.local),
        }
    }

    pub fn send(&mut self, message: &Message) {
        match &mut self.wire {
            Wire::Udp(socket) => drop(socket.send_to(message.octets(), self.server).unwrap()),
            Wire::Tcp(stream) => stream.write_all(message.octets()).unwrap(),
        }
    }

    /// The next message, if one comes within `limit`.
    pub fn within(&mut self, limit: Duration) -> Option<Message> {
        match &mut self.wire {
            Wire::Udp(socket) => {
                let mut buffer = vec![0; 65_535];
                socket.set_read_timeout(Some(limit)).unwrap();
                let (length, _) = socket.recv_from(&mut buffer).ok()?;
                let octets = Bytes::copy_from_slice(&buffer[..length]);
                Some(Message::parse(octets, &Limits::default()).unwrap())
            }
            Wire::Tcp(stream) => {
                stream.set_read_timeout(Some(limit)).unwrap();
                loop {
                    if let Some(Framed::Message(message)) =
                        self.framer.next(&mut self.input).unwrap()
                    {
                        return Some(message);
                    }
                    let mut buffer = [0; 4096];
                    let length = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
                    self.input.extend_from_slice(&buffer[..length]);
                }
            }
        }
    }

    /// The next message, which is a response with `code`.
    #[track_caller]
    pub fn hears(&mut self, code: u16) -> Message {
        let message = self.within(PATIENCE).expect("nothing comes");
        assert_eq!(message.code(), Some(code), "{message:?}");
        message
    }

    /// The next message, which is a request.
    #[track_caller]
    pub fn asked(&mut self, method: &Method) -> Message {
        let message = self.within(PATIENCE).expect("nothing comes");
        assert!(message.is(method), "{message:?}");
        message
    }

    #[track_caller]
    pub fn hears_nothing(&mut self) {
        let heard = self.within(SILENCE);
        assert!(heard.is_none(), "{heard:?}");
    }

    /// A request outside of a dialog; `call` names it.
    pub fn request(&self, method: Method, uri: &str, call: &str) -> Builder {
        let (user, local) = (&self.user, self.local);
        let transport = match self.wire {
            Wire::Udp(_) => "UDP",
            Wire::Tcp(_) => "TCP",
        };
        let branch = format!("SIP/2.0/{transport} {local};branch=z9hG4bK{call}{method};rport");
        let cseq = format!("1 {method}");
        Builder::request(method, uri)
            .header(Name::Via, branch)
            .header(Name::MaxForwards, "70")
            .header(Name::From, format!("<sip:{user}@localhost>;tag={user}"))
            .header(Name::To, format!("<{uri}>"))
            .header(Name::CallId, call)
            .header(Name::CSeq, cseq)
            .header(Name::Contact, self.contact())
    }

    /// Answers a request, with our Contact.
    pub fn answer(&mut self, request: &Message, code: u16) {
        let answer = self.answering(request, code);
        self.send(&answer);
    }

    pub fn answering(&self, request: &Message, code: u16) -> Message {
        Builder::response(request, code)
            .to_tag(&self.user)
            .header(Name::Contact, self.contact())
            .build()
    }

    pub fn register(&mut self) {
        let call = format!("login-{}", self.local.port());
        let request = self.request(Method::Register, "sip:localhost", &call);
        let aor = format!("<sip:{}@localhost>", self.user);
        let request = request.replace(Name::To, aor).header(Name::Expires, "600");
        self.send(&request.build());
        self.hears(200);
    }

    /// A request of the caller within the dialog that `accepted` opened.
    pub fn of_caller(&self, accepted: &Message, method: Method) -> Builder {
        let target = accepted
            .contacts()
            .unwrap()
            .first()
            .unwrap()
            .uri
            .to_string();
        let mut routes = accepted.list(Name::RecordRoute);
        routes.reverse();
        let number = if method == Method::Ack { 1 } else { 2 };
        let ends = (accepted.value(Name::From), accepted.value(Name::To));
        self.inside(method, number, &target, &routes, ends, &accepted.call_id())
    }

    /// A request of the callee within the dialog that it took `invite` into.
    pub fn of_callee(&self, invite: &Message, method: Method) -> Builder {
        let target = invite.contacts().unwrap().first().unwrap().uri.to_string();
        let routes = invite.list(Name::RecordRoute);
        let own = format!("{};tag={}", invite.value(Name::To).unwrap(), self.user);
        let ends = (Some(own.into()), invite.value(Name::From));
        self.inside(method, 1, &target, &routes, ends, &invite.call_id())
    }

    fn inside(
        &self,
        method: Method,
        number: u32,
        target: &str,
        routes: &[std::borrow::Cow<'_, str>],
        (from, to): (
            Option<std::borrow::Cow<'_, str>>,
            Option<std::borrow::Cow<'_, str>>,
        ),
        call: &str,
    ) -> Builder {
        let request = self
            .request(method.clone(), target, call)
            .replace(Name::From, from.unwrap().as_bytes())
            .replace(Name::To, to.unwrap().as_bytes())
            .replace(Name::CSeq, format!("{number} {method}"));
        let branch = format!("{}-{}", self.user, number);
        let via = format!(
            "SIP/2.0/{} {};branch=z9hG4bK{call}{method}{branch};rport",
            self.transport(),
            self.local
        );
        let request = request.replace(Name::Via, via);
        routes.iter().fold(request, |request, route| {
            request.header(Name::Route, route.as_bytes())
        })
    }

    fn transport(&self) -> &'static str {
        match self.wire {
            Wire::Udp(_) => "UDP",
            Wire::Tcp(_) => "TCP",
        }
    }
}
