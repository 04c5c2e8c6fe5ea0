//! A name server that knows what a test tells it, and what it was asked.
use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
    thread,
};

/// One record of a zone.
#[derive(Clone, Debug)]
pub enum Data {
    A(Ipv4Addr),
    /// Priority, weight, port, target.
    Srv(u16, u16, u16, &'static str),
    /// Order, preference, service, replacement; the flag is `s`.
    Naptr(u16, u16, &'static str, &'static str),
}

/// A running name server; it ends with the process.
pub struct NameServer {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    /// Answers for these names, each record good for `ttl` seconds.
    pub fn start(ttl: u32, zone: Vec<(&'static str, Data)>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port for the name server");
        let addr = socket.local_addr().expect("it is bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        thread::spawn(move || {
            let mut buffer = [0; 1_500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let (name, kind, question) = question(&buffer[..length]);
                seen.lock().unwrap().push(format!("{} {name}", word(kind)));
                let fits = |(owner, data): &&(&str, Data)| *owner == name && code(data) == kind;
                let answers: Vec<_> = zone.iter().filter(fits).map(|(_, data)| data).collect();
                let reply = reply(&buffer[..2], question, &answers, ttl);
                // who asked may have gone
                let _ = socket.send_to(&reply, from);
            }
        });
        Self { addr, asked }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it was asked since the last time, such as `SRV _sip._udp.example.test`.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// Name in lower case and type of the question, and its octets (RFC 1035 §4.1.2).
fn question(query: &[u8]) -> (String, u16, &[u8]) {
    let (mut at, mut labels) = (12, Vec::new());
    while query[at] != 0 {
        let length = usize::from(query[at]);
        let label = &query[at + 1..at + 1 + length];
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        at += 1 + length;
    }
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    (labels.join("."), kind, &query[12..at + 5])
}

/// An authoritative answer; without records it says that the name has none of this type.
fn reply(id: &[u8], question: &[u8], answers: &[&Data], ttl: u32) -> Vec<u8> {
    let count = u16::try_from(answers.len()).unwrap().to_be_bytes();
    let mut reply = Vec::from(id);
    reply.extend([0x85, 0x80, 0, 1, count[0], count[1], 0, 0, 0, 0]);
    reply.extend(question);
    for data in answers {
        let rdata = rdata(data);
        reply.extend([0xC0, 12]);
        reply.extend(code(data).to_be_bytes());
        reply.extend([0, 1]);
        reply.extend(ttl.to_be_bytes());
        reply.extend(u16::try_from(rdata.len()).unwrap().to_be_bytes());
        reply.extend(rdata);
    }
    reply
}

fn rdata(data: &Data) -> Vec<u8> {
    match data {
        Data::A(addr) => addr.octets().into(),
        Data::Srv(priority, weight, port, target) => {
            let numbers = [priority, weight, port].map(|number| number.to_be_bytes());
            [numbers.concat(), name(target)].concat()
        }
        Data::Naptr(order, preference, service, replacement) => {
            let numbers = [order, preference].map(|number| number.to_be_bytes());
            let texts = [text("s"), text(service), text("")];
            [numbers.concat(), texts.concat(), name(replacement)].concat()
        }
    }
}

fn name(dotted: &str) -> Vec<u8> {
    let labels = dotted.split('.').filter(|label| !label.is_empty());
    let mut name: Vec<u8> = labels.flat_map(text).collect();
    name.push(0);
    name
}

fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    [&[length], text.as_bytes()].concat()
}

fn code(data: &Data) -> u16 {
    match data {
        Data::A(_) => 1,
        Data::Srv(..) => 33,
        Data::Naptr(..) => 35,
    }
}

fn word(kind: u16) -> &'static str {
    match kind {
        1 => "A",
        28 => "AAAA",
        33 => "SRV",
        35 => "NAPTR",
        _ => "other",
    }
}
