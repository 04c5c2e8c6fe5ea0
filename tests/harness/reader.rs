//! A device that fetches its mailbox over a bare MSRP connection, and says and answers there what
//! the test writes.
use super::{
    Server,
    phone::{PATIENCE, Phone},
};
use restante::{sdp, sip::codec::Method};
use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::TcpStream,
};

const OFFER: &str = "v=0\r\no=reader 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n\
    t=0 0\r\nm=message 9 TCP/MSRP *\r\na=accept-types:*\r\na=setup:active\r\n\
    a=path:msrp://127.0.0.1:9/reader1;tcp\r\n";

/// One end of the channel.
pub struct Reader {
    stream: TcpStream,
    path: String,
    number: u32,
    /// Requests that came while a response was awaited.
    early: VecDeque<Sent>,
}

/// One request of the server's.
pub struct Sent {
    id: String,
    pub head: String,
    pub body: String,
}

impl Reader {
    /// Calls the deferred function for all that waits.
    pub fn fetch(server: &Server, phone: &mut Phone) -> Self {
        Self::call(server, phone, "sip:deferred@localhost")
    }

    /// Calls `uri` and connects.
    pub fn call(server: &Server, phone: &mut Phone, uri: &str) -> Self {
        let offer = Some(("application/sdp", OFFER.into()));
        let answer = phone.request(&Method::Invite, uri, offer);
        assert_eq!(answer.code(), Some(200), "{answer:?}");
        let answer = sdp::parse(answer.body()).unwrap();
        let path = answer.message_media().unwrap().1.path;
        let stream = TcpStream::connect(server.msrp()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut reader = Self {
            stream,
            path,
            number: 0,
            early: VecDeque::new(),
        };
        assert_eq!(reader.send("Message-ID: m0\r\nByte-Range: 1-0/0\r\n"), 200);
        reader
    }

    /// Says a message of a type; the status of its answer.
    pub fn say(&mut self, content_type: &str, body: &str) -> u16 {
        let (number, octets) = (self.number, body.len());
        self.send(&format!(
            "Message-ID: said{number}\r\nByte-Range: 1-{octets}/{octets}\r\n\
             Content-Type: {content_type}\r\n\r\n{body}\r\n"
        ))
    }

    /// Sends part of a message, the octets from `first` on of `total`; the status of its answer.
    pub fn part(&mut self, message_id: &str, first: usize, body: &str, total: usize) -> u16 {
        let last = first + body.len() - 1;
        let flag = if last == total { '$' } else { '+' };
        let rest = format!(
            "Message-ID: {message_id}\r\nByte-Range: {first}-{last}/{total}\r\n\
             Content-Type: text/plain\r\n\r\n{body}\r\n"
        );
        self.send_flagged(&rest, flag)
    }

    /// Whether the server closes the connection, whatever it says before.
    pub fn is_closed(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }

    /// The next message that is sent here.
    pub fn next(&mut self) -> Sent {
        match self.early.pop_front() {
            Some(sent) => sent,
            None => self.frame(),
        }
    }

    pub fn answer(&mut self, sent: &Sent, status: u16) {
        let (id, path) = (&sent.id, &self.path);
        let answer = format!(
            "MSRP {id} {status} X\r\nTo-Path: {path}\r\n\
             From-Path: msrp://127.0.0.1:9/reader1;tcp\r\n-------{id}$\r\n"
        );
        self.stream.write_all(answer.as_bytes()).unwrap();
    }

    fn send(&mut self, rest: &str) -> u16 {
        self.send_flagged(rest, '$')
    }

    fn send_flagged(&mut self, rest: &str, flag: char) -> u16 {
        self.number += 1;
        let (id, path) = (format!("reader{}", self.number), &self.path);
        let request = format!(
            "MSRP {id} SEND\r\nTo-Path: {path}\r\n\
             From-Path: msrp://127.0.0.1:9/reader1;tcp\r\n{rest}-------{id}{flag}\r\n"
        );
        self.stream.write_all(request.as_bytes()).unwrap();
        loop {
            let frame = self.frame();
            if frame.id == id {
                let status = frame.head.split(' ').nth(2).unwrap();
                return status[..3].parse().unwrap();
            }
            self.early.push_back(frame);
        }
    }

    /// The next request or response, whole.
    fn frame(&mut self) -> Sent {
        let mut heard = self.until("\r\n");
        let id = heard.split(' ').nth(1).unwrap().to_owned();
        heard += &self.until(&format!("-------{id}$\r\n"));
        let end = heard.rfind("-------").unwrap();
        let (head, body) = heard[..end].split_once("\r\n\r\n").unwrap_or((&heard, ""));
        Sent {
            id,
            head: head.to_owned(),
            body: body.trim_end_matches("\r\n").to_owned(),
        }
    }

    fn until(&mut self, end: &str) -> String {
        let (mut heard, mut octet) = (Vec::new(), [0]);
        while !heard.ends_with(end.as_bytes()) {
            let length = self.stream.read(&mut octet).expect("more in time");
            assert_eq!(
                length,
                1,
                "closed after {:?}",
                String::from_utf8_lossy(&heard)
            );
            heard.push(octet[0]);
        }
        String::from_utf8(heard).unwrap()
    }
}
