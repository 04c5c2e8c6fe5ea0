//! Bad input against the real server: each gets the standard's answer, leaves its reason on
//! `/metrics`, and does the server no harm.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod harness;

use harness::{
    Server,
    phone::{PATIENCE, Phone},
};
use restante::{
    sdp,
    sip::codec::{Method, Name},
};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

/// A bare MSRP connection.
struct Channel {
    stream: TcpStream,
    host: String,
}

impl Channel {
    fn open(server: &Server) -> Self {
        let stream = TcpStream::connect(server.msrp()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let host = server.msrp().to_string();
        Self { stream, host }
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes())
    }

    /// Sends one request and gives the status of its response.
    fn request(&mut self, method: &str, id: &str, path: &str, rest: &str) -> u16 {
        let from = format!("msrp://{}/phone1;tcp", self.stream.local_addr().unwrap());
        self.write(&format!(
            "MSRP {id} {method}\r\nTo-Path: {path}\r\nFrom-Path: {from}\r\n{rest}-------{id}$\r\n"
        ))
        .unwrap();
        self.status(id)
    }

    fn status(&mut self, id: &str) -> u16 {
        let (mut heard, mut octet) = (String::new(), [0]);
        while !heard.ends_with(&format!("-------{id}$\r\n")) {
            let length = self.stream.read(&mut octet).expect("a response");
            assert_eq!(length, 1, "closed after {heard:?}");
            heard.push(octet[0].into());
        }
        let start = format!("MSRP {id} ");
        let at = heard.rfind(&start).unwrap() + start.len();
        heard[at..at + 3].parse().unwrap()
    }

    /// Whether the server closes the connection.
    fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    fn unknown_path(&self) -> String {
        format!("msrp://{}/nobodyknowsthissession;tcp", self.host)
    }
}

const SEND: &str = "Message-ID: m1\r\nByte-Range: 1-2/2\r\nContent-Type: text/plain\r\n\r\nhi\r\n";
const EMPTY_SEND: &str = "Message-ID: m0\r\nByte-Range: 1-0/0\r\n";

fn server() -> Server {
    Server::start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret")
}

/// An offer of Alice, who will connect.
fn offer() -> Option<(&'static str, Vec<u8>)> {
    let offer = "v=0\r\no=alice 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
        m=message 9 TCP/MSRP *\r\na=accept-types:*\r\na=setup:active\r\n\
        a=path:msrp://127.0.0.1:9/phone1;tcp\r\n";
    Some(("application/sdp", offer.into()))
}

/// Alice calls Bob, who is away; gives the path on which the server takes what she has to say.
fn channel_to_bob(server: &Server) -> String {
    let mut alice = Phone::new(server, "alice");
    let answer = alice.request(&Method::Invite, "sip:bob@localhost", offer());
    assert_eq!(answer.code(), Some(200), "{answer:?}");
    let answer = sdp::parse(answer.body()).unwrap();
    answer.message_media().unwrap().1.path
}

/// The server still answers SIP, MSRP and HTTP.
fn assert_unharmed(server: &mut Server) {
    let mut phone = Phone::new(server, "bob");
    let own = format!("sip:{}", server.sip());
    assert_eq!(
        phone.request(&Method::Options, &own, None).code(),
        Some(200)
    );
    let mut channel = Channel::open(server);
    let path = channel.unknown_path();
    assert_eq!(channel.request("SEND", "still", &path, SEND), 481);
    assert!(server.is_alive());
}

fn assert_counted(server: &Server, metric: &str, reason: &str) {
    server.wait_for_metric(&format!("{metric}{{reason=\"{reason}\"}}"), 1.0);
}

#[test]
fn datagram_that_is_no_sip_is_dropped_and_counted() {
    let mut server = server();
    let phone = Phone::new(&server, "alice");
    for octets in [
        &b"\x00\x01\xff\xfe"[..],
        b"HELLO\r\n\r\n",
        b"SIP/2.0 999 x\r\n\r\n",
    ] {
        phone.send(octets);
    }
    assert!(phone.hears_nothing());
    assert_counted(&server, "restante_sip_refused_total", "start_line");
    assert_counted(&server, "restante_sip_refused_total", "status_code");
    assert_unharmed(&mut server);
}

#[test]
fn unreadable_request_is_answered_with_400_where_its_headers_allow() {
    let mut server = server();
    let mut phone = Phone::new(&server, "alice");
    let request = phone.compose(&Method::Options, "sip:localhost", None);
    let text = std::str::from_utf8(request.octets()).unwrap();
    phone.send(
        text.replace("Max-Forwards: 70", "this is no header")
            .as_bytes(),
    );
    assert_eq!(phone.response_to(&request).code(), Some(400));
    assert_counted(&server, "restante_sip_refused_total", "field_line");
    assert_unharmed(&mut server);
}

#[test]
fn request_against_the_grammar_is_answered_with_its_status() {
    let mut server = server();
    for (from, to, status, reason) in [
        ("SIP/2.0\r\nVia", "SIP/7.0\r\nVia", 505, "version"),
        ("1 OPTIONS", "1 INVITE", 400, "method_mismatch"),
        ("Content-Length: 0", "Content-Length: 9", 400, "truncated"),
        (
            "Max-Forwards: 70",
            "Max-Forwards: x",
            400,
            "header_malformed",
        ),
        ("Max-Forwards: 70", "Call-ID: 2", 400, "header_repeated"),
    ] {
        let mut phone = Phone::new(&server, "alice");
        let request = phone.compose(&Method::Options, "sip:localhost", None);
        let text = std::str::from_utf8(request.octets()).unwrap();
        phone.send(text.replace(from, to).as_bytes());
        let answer = phone.receive().expect("a response");
        assert_eq!(answer.code(), Some(status), "{reason}");
        assert_counted(&server, "restante_sip_refused_total", reason);
    }
    assert_unharmed(&mut server);
}

#[test]
fn unknown_method_is_not_implemented() {
    let mut server = server();
    let method = Method::from_bytes(b"FROBNICATE").unwrap();
    let mut phone = Phone::new(&server, "alice");
    let answer = phone.request(&method, "sip:bob@localhost", None);
    assert_eq!(answer.code(), Some(501));
    assert!(
        answer
            .list(Name::Allow)
            .iter()
            .any(|method| method == "MESSAGE")
    );
    assert_counted(&server, "restante_requests_refused_total", "unknown_method");
    assert_unharmed(&mut server);
}

#[test]
fn invite_with_a_body_that_is_no_sdp_is_an_unsupported_media_type() {
    let mut server = server();
    let mut phone = Phone::new(&server, "alice");
    let body = Some(("application/unknownformat", b"<audio/>".to_vec()));
    let answer = phone.request(&Method::Invite, "sip:bob@localhost", body);
    assert_eq!(answer.code(), Some(415));
    assert!(
        answer
            .value(Name::Accept)
            .unwrap()
            .contains("application/sdp")
    );
    assert_counted(&server, "restante_requests_refused_total", "content_type");
    assert_unharmed(&mut server);
}

#[test]
fn message_over_its_limit_is_too_large() {
    let limits = Server::with("sip.limits.max_body", "4KiB");
    let mut server = limits
        .start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret");
    let mut phone = Phone::new(&server, "alice");
    let body = Some(("text/plain", vec![b'x'; 5000]));
    let answer = phone.request(&Method::Message, "sip:bob@localhost", body);
    assert_eq!(answer.code(), Some(413));
    assert_counted(&server, "restante_sip_refused_total", "body_too_long");
    assert_unharmed(&mut server);
}

#[test]
fn stream_that_is_no_sip_is_closed() {
    let mut server = server();
    let mut stream = TcpStream::connect(server.sip()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    assert!(heard.is_empty());
    assert_counted(&server, "restante_sip_refused_total", "start_line");
    assert_unharmed(&mut server);
}

#[test]
fn endless_sip_head_is_cut_off() {
    let mut server = server();
    let mut stream = TcpStream::connect(server.sip()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"OPTIONS sip:localhost SIP/2.0\r\n")
        .unwrap();
    // the server may close while we still write
    while stream
        .write_all(b"X-Padding: 0123456789012345678901234567890\r\n")
        .is_ok()
    {}
    assert_counted(&server, "restante_sip_refused_total", "head_too_long");
    assert_unharmed(&mut server);
}

#[test]
fn endless_msrp_head_is_cut_off() {
    let mut server = server();
    let mut channel = Channel::open(&server);
    channel.write("MSRP a786hjs2 SEND\r\n").unwrap();
    while channel
        .write("X-Padding: 0123456789012345678901234567890\r\n")
        .is_ok()
    {}
    assert!(channel.is_closed());
    assert_counted(&server, "restante_msrp_refused_total", "head_too_long");
    assert_unharmed(&mut server);
}

#[test]
fn stream_that_is_no_msrp_is_closed() {
    let mut server = server();
    let mut channel = Channel::open(&server);
    channel.write("GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(channel.is_closed());
    assert_counted(&server, "restante_msrp_refused_total", "bad_start_line");
    assert_unharmed(&mut server);
}

#[test]
fn path_that_is_not_ours_has_no_session() {
    let mut server = server();
    let mut channel = Channel::open(&server);
    let path = channel.unknown_path();
    assert_eq!(channel.request("SEND", "a786hjs2", &path, SEND), 481);
    assert_counted(&server, "restante_msrp_refused_total", "no_session");
    assert_unharmed(&mut server);
}

#[test]
fn second_connection_for_a_bound_session_is_refused() {
    let mut server = server();
    let path = channel_to_bob(&server);
    let mut first = Channel::open(&server);
    assert_eq!(first.request("SEND", "first1", &path, EMPTY_SEND), 200);
    let mut second = Channel::open(&server);
    assert_eq!(second.request("SEND", "second", &path, SEND), 506);
    assert_counted(&server, "restante_msrp_refused_total", "bound_elsewhere");
    assert_eq!(first.request("SEND", "first2", &path, EMPTY_SEND), 200);
    assert_unharmed(&mut server);
}

#[test]
fn unknown_msrp_method_is_not_understood() {
    let mut server = server();
    let path = channel_to_bob(&server);
    let mut channel = Channel::open(&server);
    assert_eq!(channel.request("SEND", "a786hjs2", &path, EMPTY_SEND), 200);
    assert_eq!(channel.request("FROBNICATE", "b786hjs2", &path, ""), 501);
    assert_counted(&server, "restante_msrp_refused_total", "unknown_method");
    assert_unharmed(&mut server);
}

#[test]
fn channel_message_over_its_limit_is_stopped() {
    let limits = Server::with("deferred.max_message", "10KiB");
    let mut server = limits
        .start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret");
    let path = channel_to_bob(&server);
    let mut channel = Channel::open(&server);
    let chunk = SEND.replace("1-2/2", "1-2/20000");
    assert_eq!(channel.request("SEND", "a786hjs2", &path, &chunk), 413);
    assert_counted(&server, "restante_msrp_refused_total", "too_large");
    assert_unharmed(&mut server);
}

#[test]
fn malformed_msrp_request_is_answered_with_400() {
    let mut server = server();
    let path = channel_to_bob(&server);
    let mut channel = Channel::open(&server);
    let bad = SEND.replace("1-2/2", "2-1/x");
    assert_eq!(channel.request("SEND", "a786hjs2", &path, &bad), 400);
    assert_counted(&server, "restante_msrp_refused_total", "bad_byte_range");
    assert_unharmed(&mut server);
}
