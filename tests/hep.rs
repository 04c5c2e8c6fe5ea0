//! What a server says and hears, at a Homer collector: Kamailio's sipcapture decodes it from
//! datagrams; a stream is broken and made again.
mod harness;
#[path = "kamailio/process.rs"]
mod kamailio;

use harness::{
    Server, eventually,
    user::{User, message, noise},
};
use kamailio::Kamailio;
use restante::{
    cli::loopback::Loopback,
    client::{Mode, Outcome},
};
use std::{
    io::Read,
    net::{TcpListener, TcpStream},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// One packet, as the specification lays it out.
struct Packet(Vec<(u16, Vec<u8>)>);

impl Packet {
    /// The next packet of a stream; `None` at its end.
    fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut head = [0; 6];
        stream.read_exact(&mut head).ok()?;
        assert_eq!(&head[..4], b"HEP3");
        let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let mut rest = vec![0; length - head.len()];
        stream.read_exact(&mut rest).ok()?;
        let (mut chunks, mut left) = (Vec::new(), rest.as_slice());
        while let [0, 0, kind, number, high, low, ..] = *left {
            let length = usize::from(u16::from_be_bytes([high, low]));
            chunks.push((u16::from_be_bytes([kind, number]), left[6..length].to_vec()));
            left = &left[length..];
        }
        assert!(left.is_empty(), "octets behind the last chunk");
        Some(Self(chunks))
    }

    fn text(&self, kind: u16) -> String {
        let found = self.0.iter().find(|(known, _)| *known == kind);
        String::from_utf8(found.expect("the chunk").1.clone()).expect("text")
    }

    fn is(&self, kind: u16, octets: &[u8]) -> bool {
        self.0.contains(&(kind, octets.to_vec()))
    }
}

/// Alice sends a message to Bob, who is away.
async fn send(server: &Server, octets: usize) -> String {
    let alice = User::of(server, "alice").await.log_in().await;
    let receipt = alice.device.send(message(&noise(octets), Mode::Channel));
    let receipt = receipt.await.expect("an outcome");
    assert_eq!(receipt.outcome, Outcome::Stored);
    receipt.message_id
}

/// The value of a header field in what follows `start`.
fn field<'a>(log: &'a str, start: &str, name: &str) -> &'a str {
    let (_, behind) = log.split_once(start).expect(start);
    let mut lines = behind.lines();
    let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.expect(name)
}

#[actix::test]
async fn kamailio_decodes_what_a_server_says_and_hears() {
    let net = Loopback::claim().expect("a free network");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let names = [("FOLDER", folder.path().display().to_string())];
    let collector = Kamailio::start("capture.cfg", net.ip(1), &names);
    let server = Server::with("hep.collector", format!("udp:{}:9060", collector.ip()))
        .with("hep.capture_id", 4711)
        .with("hep.password", "key")
        .start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret");
    let id = send(&server, 5_000).await;

    let sent = format!("Message-ID: {id}");
    let told = || collector.log().contains(&sent) && collector.log().contains("SIP/2.0 200 OK");
    assert!(eventually(PATIENCE, told), "{}", collector.log());
    let log = collector.log();
    let at = server.sip();
    let invite = format!(">{at} type=1 id=4711 key=key of=");
    let invite = log
        .lines()
        .find(|line| line.contains(&invite) && line.contains(" INVITE sip:bob@"));
    let invite = invite.unwrap_or_else(|| panic!("{log}"));
    assert!(
        invite.contains("captured family=2 protocol=6 127.0.0.1:"),
        "{invite}"
    );
    let call_id = field(&log, invite, "Call-ID");
    assert!(invite.contains(&format!("of={call_id} ")), "{invite}");
    // the session belongs to the call whose description named it
    let request = format!(
        ">{} type=100 id=4711 key=key of={call_id} MSRP ",
        server.msrp()
    );
    let mut requests = log.lines().filter(|line| line.contains(&request));
    let is_ours = |line: &str| line.ends_with(" SEND") && field(&log, line, "Message-ID") == id;
    assert!(requests.any(is_ours), "{log}");
    let answer = format!(" {}>127.0.0.1:", server.msrp());
    assert!(
        log.lines()
            .any(|line| line.contains(&answer) && line.ends_with(" 200 OK")),
        "{log}"
    );
    assert_eq!(server.metric("restante_hep_lost_total"), 0.0);
}

#[actix::test]
async fn stream_to_the_collector_is_made_again_and_what_was_lost_is_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    let server = Server::with("hep.collector", format!("tcp:{at}"))
        .with("hep.correlate_msrp", "message")
        .with("server.node", "PF-A")
        .start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret");
    let id = send(&server, 100).await;
    let (mut stream, _) = listener.accept().expect("the server connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    loop {
        let packet = Packet::read(&mut stream).expect("the stream stands");
        assert!(packet.is(0x01, &[2]) && packet.is(0x02, &[6]));
        assert_eq!(packet.text(0x13), "PF-A");
        let payload = packet.text(0x0f);
        match packet.is(0x0b, &[1]) {
            true => assert!(payload.contains(&format!("Call-ID: {}\r\n", packet.text(0x11)))),
            false if payload.contains(&id) => {
                assert!(packet.is(0x0b, &[100]) && packet.is(0x11, id.as_bytes()));
                break;
            }
            false => {}
        }
    }

    drop((stream, listener));
    send(&server, 100).await;
    send(&server, 100).await;
    server.wait_for_metric("restante_hep_lost_total", 1.0);
    let listener = TcpListener::bind(at).expect("the port is free");
    listener.set_nonblocking(true).expect("a socket");
    let mut stream = None;
    for _ in 0..20 {
        send(&server, 100).await;
        stream = listener.accept().ok();
        if stream.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let (mut stream, _) = stream.expect("the server connects again");
    stream.set_nonblocking(false).expect("a socket");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    assert!(Packet::read(&mut stream).is_some());
}

#[test]
fn collector_without_transport_is_refused_by_its_key() {
    let refused = restante::config::Config::parse("[hep]\ncollector = \"homer:9060\"", []);
    assert_eq!(
        refused.expect_err("no transport").to_string(),
        "`hep.collector` must be udp:host:port or tcp:host:port, got \"homer:9060\""
    );
}
