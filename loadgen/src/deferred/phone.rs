//! A device's signalling, read from RFC 3261 a second time: one TCP connection, one call.
use super::{
    options::Server,
    packet::{Packet, parse},
};
use crate::relay::digest::{Attempt, Challenge, Credentials};
use restante::net;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longest wait for a connection, and for an answer to a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// One device.
#[derive(Debug)]
pub struct Phone {
    stream: TcpStream,
    own: SocketAddr,
    read: Vec<u8>,
    address: String,
    credentials: Credentials,
    call_id: String,
    number: u32,
    challenge: Option<Challenge>,
    dialog: Option<Dialog>,
}

/// The call that stands.
#[derive(Clone, Debug)]
struct Dialog {
    to: String,
    target: String,
}

impl Phone {
    /// A device of `user` with a connection to the server.
    ///
    /// Errors: a sentence for the user.
    pub async fn connect(server: &Server, user: &str, password: &str) -> Result<Self, String> {
        let wrong = |error: std::io::Error| format!("no connection to {}: {error}", server.sip);
        let stream = timeout(PATIENCE, TcpStream::connect(server.sip)).await;
        let stream = stream.map_err(|_| format!("no connection to {}", server.sip))?;
        let stream = stream.map_err(wrong)?;
        stream.set_nodelay(true).map_err(wrong)?;
        Ok(Self {
            own: stream.local_addr().map_err(wrong)?,
            stream,
            read: Vec::new(),
            address: format!("sip:{user}@{}", server.domain),
            credentials: Credentials {
                user: user.to_owned(),
                password: password.to_owned(),
            },
            call_id: format!("{:016x}", net::random_u64()),
            number: 0,
            challenge: None,
            dialog: None,
        })
    }

    /// Has the server tell how it wants to be convinced, so that the next request of `method` to
    /// `uri` is taken at once.
    ///
    /// Errors: a sentence for the user if it refuses.
    pub async fn knock(&mut self, method: &str, uri: &str, body: &str) -> Result<(), String> {
        let answer = self.ask(method, uri, body).await?;
        match answer.code() {
            Some(401 | 407) => self.challenged(&answer),
            _ => Err(format!("{method} {uri} without proof: {}", answer.start)),
        }
    }

    /// Calls `uri` with the description `offer`; returns the answer.
    ///
    /// Errors: a sentence for the user if the call does not stand.
    pub async fn call(&mut self, uri: &str, offer: &str) -> Result<Packet, String> {
        let answer = self.convince("INVITE", uri, offer).await?;
        let contact = answer.value("Contact");
        let target = contact.split_once('<').map_or(contact, |(_, rest)| rest);
        let target = target.split('>').next().unwrap_or_default();
        self.dialog = Some(Dialog {
            to: answer.value("To").to_owned(),
            target: target.to_owned(),
        });
        self.within("ACK", self.number).await?;
        Ok(answer)
    }

    /// Registers for an hour.
    ///
    /// Errors: a sentence for the user if the server refuses.
    pub async fn register(&mut self) -> Result<(), String> {
        let domain = self.address.split('@').nth(1).unwrap_or_default();
        let uri = format!("sip:{domain}");
        self.convince("REGISTER", &uri, "").await.map(|_| ())
    }

    /// Sends a request until the server is convinced; returns its 200.
    async fn convince(&mut self, method: &str, uri: &str, body: &str) -> Result<Packet, String> {
        for _ in 0..2 {
            let answer = self.ask(method, uri, body).await?;
            match answer.code() {
                Some(200) => return Ok(answer),
                Some(401 | 407) => self.challenged(&answer)?,
                _ => return Err(format!("{method} {uri}: {}", answer.start)),
            }
        }
        Err(format!(
            "the password of {} is not taken",
            self.credentials.user
        ))
    }

    fn challenged(&mut self, answer: &Packet) -> Result<(), String> {
        let asked = ["Proxy-Authenticate", "WWW-Authenticate"];
        let mut values = asked.iter().flat_map(|name| answer.values(name));
        let challenge = values.find_map(Challenge::parse);
        self.challenge = Some(challenge.ok_or("a challenge that nobody can answer")?);
        Ok(())
    }

    /// Sends one request; returns its final answer.
    async fn ask(&mut self, method: &str, uri: &str, body: &str) -> Result<Packet, String> {
        self.number += 1;
        let head = self.head(method, uri, body);
        self.write(&(head + body)).await?;
        loop {
            let answer = self.next_soon().await?;
            match answer.code() {
                None | Some(100..200) => {}
                Some(300..) if method == "INVITE" => {
                    self.refused(uri, &answer).await?;
                    return Ok(answer);
                }
                Some(_) => return Ok(answer),
            }
        }
    }

    fn head(&mut self, method: &str, uri: &str, body: &str) -> String {
        let Self {
            own,
            address,
            call_id,
            number,
            ..
        } = self;
        let to = if method == "REGISTER" {
            address.as_str()
        } else {
            uri
        };
        let mut head = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP {own};branch=z9hG4bK{call_id}{number}\r\n\
             Max-Forwards: 70\r\nFrom: <{address}>;tag=f\r\nTo: <{to}>\r\nCall-ID: {call_id}\r\n\
             CSeq: {number} {method}\r\nContact: <sip:device@{own};transport=tcp>;+g.oma.sip-im\r\n"
        );
        if let Some(challenge) = self.challenge.take() {
            let name = match method {
                "REGISTER" => "Authorization",
                _ => "Proxy-Authorization",
            };
            let value = challenge.answer(&Attempt {
                credentials: &self.credentials,
                method,
                uri,
                names_uri: true,
                cnonce: "c0ffee",
            });
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            head += "Content-Type: application/sdp\r\n";
        }
        head + &format!("Content-Length: {}\r\n\r\n", body.len())
    }

    /// The ACK to a refusal, which belongs to the transaction of the INVITE.
    async fn refused(&mut self, uri: &str, answer: &Packet) -> Result<(), String> {
        let Self {
            own,
            address,
            call_id,
            number,
            ..
        } = self;
        let to = answer.value("To");
        let ack = format!(
            "ACK {uri} SIP/2.0\r\nVia: SIP/2.0/TCP {own};branch=z9hG4bK{call_id}{number}\r\n\
             Max-Forwards: 70\r\nFrom: <{address}>;tag=f\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {number} ACK\r\nContent-Length: 0\r\n\r\n"
        );
        self.write(&ack).await
    }

    async fn within(&mut self, method: &str, number: u32) -> Result<(), String> {
        let Some(Dialog { to, target }) = &self.dialog else {
            return Ok(());
        };
        let Self {
            own,
            address,
            call_id,
            ..
        } = self;
        let request = format!(
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/TCP {own};branch=z9hG4bK{call_id}{method}{number}\r\n\
             Max-Forwards: 70\r\nFrom: <{address}>;tag=f\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n"
        );
        self.write(&request).await
    }

    /// Ends the call.
    pub async fn hang_up(&mut self) {
        self.number += 1;
        // a server that is gone has ended it too
        let _ = self.within("BYE", self.number).await;
        let _ = self.next_soon().await;
    }

    /// Waits until the server calls; returns its INVITE.
    ///
    /// Errors: a sentence for the user if the connection breaks.
    pub async fn called(&mut self) -> Result<Packet, String> {
        loop {
            let packet = self.next().await?;
            if packet.is("INVITE") {
                return Ok(packet);
            }
        }
    }

    /// Accepts the call of `invite` with the description `answer`.
    ///
    /// Errors: a sentence for the user if the connection breaks.
    pub async fn accept(&mut self, invite: &Packet, answer: &str) -> Result<(), String> {
        self.respond(invite, answer).await
    }

    /// Waits until the server ends the call, and agrees.
    ///
    /// Errors: a sentence for the user if the connection breaks, or the server says that it could
    /// not hand everything over.
    pub async fn ended(&mut self) -> Result<(), String> {
        loop {
            let packet = self.next().await?;
            if packet.is("BYE") {
                self.respond(&packet, "").await?;
                let reason = packet.value("Reason");
                // a server without a reason had none to complain
                let is_well = reason.is_empty() || reason.contains("cause=200");
                return match is_well {
                    true => Ok(()),
                    false => Err(format!("the server ended the call: {reason}")),
                };
            }
        }
    }

    async fn respond(&mut self, request: &Packet, body: &str) -> Result<(), String> {
        let mut answer = "SIP/2.0 200 OK\r\n".to_owned();
        for via in request.values("Via") {
            answer += &format!("Via: {via}\r\n");
        }
        for name in ["From", "Call-ID", "CSeq"] {
            answer += &format!("{name}: {}\r\n", request.value(name));
        }
        let to = request.value("To");
        let tag = if to.contains(";tag=") { "" } else { ";tag=d" };
        answer += &format!(
            "To: {to}{tag}\r\nContact: <sip:device@{};transport=tcp>\r\n",
            self.own
        );
        if !body.is_empty() {
            answer += "Content-Type: application/sdp\r\n";
        }
        answer += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        self.write(&answer).await
    }

    async fn write(&mut self, text: &str) -> Result<(), String> {
        let written = self.stream.write_all(text.as_bytes()).await;
        written.map_err(|error| format!("signalling broke: {error}"))
    }

    async fn next_soon(&mut self) -> Result<Packet, String> {
        let next = timeout(PATIENCE, self.next()).await;
        next.map_err(|_| "the server did not answer".to_owned())?
    }

    async fn next(&mut self) -> Result<Packet, String> {
        loop {
            if let Some(packet) = parse(&mut self.read) {
                return Ok(packet);
            }
            let read = self.stream.read_buf(&mut self.read).await;
            if read.map_err(|error| format!("signalling broke: {error}"))? == 0 {
                return Err("the server closed the signalling connection".to_owned());
            }
        }
    }
}
