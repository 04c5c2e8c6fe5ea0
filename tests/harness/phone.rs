//! A subscriber with a bare UDP socket: what goes over the wire is what the test writes.
use super::Server;
use bytes::Bytes;
use restante::{
    digest::Account,
    sip::{
        Responder,
        codec::{Builder, Limits, Message, Method, Name},
    },
};
use std::{
    collections::{HashMap, VecDeque},
    net::UdpSocket,
    time::Duration,
};

pub const PATIENCE: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_millis(400);

/// A subscriber with a bare UDP socket.
pub struct Phone {
    pub socket: UdpSocket,
    user: &'static str,
    responder: Responder,
    number: u32,
    /// What `Expires` says: the lifetime of a login or of a message.
    pub expires: Option<u32>,
    /// What `Event` says.
    pub event: Option<&'static str>,
    /// What requests say besides.
    pub extra: Vec<(Name, String)>,
    /// What their Via says besides.
    pub via: &'static str,
    /// Transactions that were answered, and how.
    answers: HashMap<String, Bytes>,
    /// Requests that came while a response was awaited.
    early: VecDeque<Message>,
}

impl Phone {
    pub fn new(server: &Server, user: &'static str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server.sip()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let account = Account {
            user: user.to_owned(),
            password: "secret".to_owned(),
        };
        Self {
            socket,
            user,
            responder: Responder::new(account),
            number: 0,
            expires: None,
            event: None,
            extra: Vec::new(),
            via: "",
            answers: HashMap::new(),
            early: VecDeque::new(),
        }
    }

    /// Sends octets as they are.
    pub fn send(&self, octets: &[u8]) {
        self.socket.send(octets).unwrap();
    }

    /// The next message that comes, if one does.
    pub fn receive(&self) -> Option<Message> {
        let mut buffer = vec![0; 65_535];
        let length = self.socket.recv(&mut buffer).ok()?;
        let octets = Bytes::copy_from_slice(&buffer[..length]);
        Some(Message::parse(octets, &Limits::default()).unwrap())
    }

    /// Whether nothing at all comes for a while.
    pub fn hears_nothing(&self) -> bool {
        self.heard_in_a_while().is_empty()
    }

    /// Whether no request comes for a while, but for repetitions.
    pub fn is_left_alone(&mut self) -> bool {
        let mut heard = std::mem::take(&mut self.early);
        heard.extend(self.heard_in_a_while());
        !heard.iter().any(|message| self.is_news(message))
    }

    fn heard_in_a_while(&self) -> Vec<Message> {
        self.socket.set_read_timeout(Some(SILENCE)).unwrap();
        let heard = std::iter::from_fn(|| self.receive()).collect();
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        heard
    }

    /// Sends a request and gives its final response; answers one challenge.
    pub fn request(
        &mut self,
        method: &Method,
        uri: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Message {
        let response = self.attempt(method, uri, body.clone());
        match response.code() {
            Some(401 | 407) if self.responder.learn(&response).is_some() => {
                self.attempt(method, uri, body)
            }
            _ => response,
        }
    }

    fn attempt(&mut self, method: &Method, uri: &str, body: Option<(&str, Vec<u8>)>) -> Message {
        let request = self.compose(method, uri, body);
        self.send(request.octets());
        let response = self.response_to(&request);
        if *method == Method::Invite {
            self.acknowledge(&request, &response);
        }
        response
    }

    pub fn compose(
        &mut self,
        method: &Method,
        uri: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Message {
        self.number += 1;
        let (local, number) = (self.socket.local_addr().unwrap(), self.number);
        let user = self.user;
        let more = self.via;
        let branch = format!("SIP/2.0/UDP {local};branch=z9hG4bK{user}{number};rport{more}");
        let to = match *method == Method::Register {
            true => format!("<sip:{user}@localhost>"),
            false => format!("<{uri}>"),
        };
        let request = Builder::request(method.clone(), uri)
            .header(Name::Via, branch)
            .header(Name::MaxForwards, "70")
            .value(
                Name::From,
                format_args!("<sip:{user}@localhost>;tag=f{number}"),
            )
            .header(Name::To, to)
            .value(Name::CallId, format_args!("{number}-{}", local.port()))
            .value(Name::CSeq, format_args!("{number} {method}"))
            .value(Name::Contact, format_args!("<sip:{user}@{local}>"));
        let lifetime = self.expires;
        let lifetime = lifetime.or((*method == Method::Register).then_some(600));
        let request = match lifetime {
            Some(seconds) => request.value(Name::Expires, format_args!("{seconds}")),
            None => request,
        };
        let request = match self.event {
            Some(event) => request.header(Name::Event, event),
            None => request,
        };
        let extra = self.extra.iter();
        let request = extra.fold(request, |request, (name, value)| {
            request.header(*name, value)
        });
        let signed = self
            .responder
            .sign(request, method.as_str(), uri, "0a4f113b");
        match body {
            Some((content_type, body)) => signed.body(content_type, body).build(),
            None => signed.build(),
        }
    }

    /// The final response to a request that was sent.
    pub fn response_to(&mut self, request: &Message) -> Message {
        loop {
            let message = self.receive().expect("a response");
            let is_final = message.code().is_some_and(|code| code >= 200);
            if is_final && message.cseq() == request.cseq() {
                return message;
            }
            if message.method().is_some() {
                self.early.push_back(message);
            }
        }
    }

    /// Logs in.
    pub fn register(&mut self) {
        let answer = self.request(&Method::Register, "sip:localhost", None);
        assert_eq!(answer.code(), Some(200));
    }

    /// Sends a MESSAGE to `uri`; the code of its answer.
    pub fn message(&mut self, uri: &str, content_type: &str, body: &str) -> Option<u16> {
        let body = Some((content_type, body.as_bytes().to_vec()));
        self.request(&Method::Message, uri, body).code()
    }

    /// The next request that comes; it is answered with `code`.
    pub fn answered(&mut self, code: u16) -> Message {
        let request = loop {
            let early = self.early.pop_front();
            let message = early.or_else(|| self.receive()).expect("a request");
            if self.is_news(&message) {
                break message;
            }
        };
        let response = Builder::response(&request, code).to_tag("phone").build();
        self.send(response.octets());
        let answer = response.octets().clone();
        self.answers.insert(transaction(&request), answer);
        request
    }

    /// Whether this is a request which is no repetition; one that is gets its answer again.
    fn is_news(&self, message: &Message) -> bool {
        if message.method().is_none() {
            return false;
        }
        let answer = self.answers.get(&transaction(message));
        if let Some(answer) = answer {
            self.send(answer);
        }
        answer.is_none()
    }

    fn acknowledge(&mut self, invite: &Message, response: &Message) {
        let code = response.code().unwrap();
        let contact = response.contacts().unwrap();
        let (uri, branch) = match contact.first() {
            Some(contact) if code < 300 => (contact.uri.to_string(), "z9hG4bKack".to_owned()),
            _ => (
                invite.uri_text().to_owned(),
                invite.via().unwrap().branch().unwrap().to_owned(),
            ),
        };
        let local = self.socket.local_addr().unwrap();
        let ack = Builder::request(Method::Ack, uri)
            .header(Name::Via, format!("SIP/2.0/UDP {local};branch={branch}"))
            .header(Name::MaxForwards, "70")
            .copy(invite, Name::From)
            .copy(response, Name::To)
            .copy(invite, Name::CallId)
            .value(
                Name::CSeq,
                format_args!("{} ACK", invite.cseq().unwrap().number),
            );
        self.send(ack.build().octets());
    }
}

fn transaction(request: &Message) -> String {
    let via = request.via().unwrap();
    via.branch().unwrap().to_owned()
}
