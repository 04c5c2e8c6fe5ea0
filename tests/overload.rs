//! A server with more to do than it can: what is refused, how, and that the rest goes on.
mod harness;

use harness::{Server, Settings, address, eventually, phone::Phone, reader::Reader};
use restante::sip::codec::{Builder, Framed, Framer, Limits, Message, Method, Name};
use rustix::process::Signal;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

/// Requests of a flood: many times what may wait.
const FLOOD: usize = 20_000;
const LONG: Duration = Duration::from_secs(60);

fn server(settings: Settings) -> Server {
    settings
        .with("server.shards", 1)
        .start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret")
}

/// One MESSAGE nobody proved, number `number` of its sender.
fn unproven(number: usize, from: SocketAddr) -> Message {
    Builder::request(Method::Message, address("bob"))
        .header(
            Name::Via,
            format!("SIP/2.0/TCP {from};branch=z9hG4bKf{number}"),
        )
        .header(Name::MaxForwards, "70")
        .header(Name::From, "<sip:alice@localhost>;tag=f")
        .header(Name::To, "<sip:bob@localhost>")
        .header(Name::CallId, format!("flood-{number}-{}", from.port()))
        .header(Name::CSeq, "1 MESSAGE")
        .body("text/plain", "again and again")
        .build()
}

/// The responses that come over a stream, until there are `count`.
fn responses(mut stream: &TcpStream, count: usize) -> Vec<Message> {
    let mut framer = Framer::new(Limits::default());
    let (mut input, mut buffer) = (bytes::BytesMut::new(), vec![0; 65_536]);
    let mut responses = Vec::with_capacity(count);
    while responses.len() < count {
        let length = stream.read(&mut buffer).expect("more responses");
        assert_ne!(length, 0, "closed after {} responses", responses.len());
        input.extend_from_slice(&buffer[..length]);
        while let Some(frame) = framer.next(&mut input).expect("sound responses") {
            if let Framed::Message(response) = frame {
                responses.push(response.detached());
            }
        }
    }
    responses
}

fn value(message: &Message, name: Name) -> String {
    message.value(name).unwrap_or_default().into_owned()
}

fn seconds(refusal: &Message) -> u64 {
    value(refusal, Name::RetryAfter).parse().expect("seconds")
}

fn refused(server: &Server, class: &str, reason: &str) -> f64 {
    let labels = format!("class=\"{class}\",reason=\"{reason}\"");
    server.metric(&format!("restante_overload_refused_total{{{labels}}}"))
}

#[test]
fn flood_is_answered_to_the_last_request_while_logins_pass_and_is_over_when_it_is_over() {
    let server = server(
        Server::with("overload.target_delay", "20ms")
            .with("overload.max_waiting", 500)
            .with("overload.retry_after_min", "3s")
            .with("overload.retry_after_max", "6s"),
    );
    let stream = TcpStream::connect(server.sip()).expect("a connection");
    stream.set_read_timeout(Some(LONG)).expect("a timeout");
    let from = stream.local_addr().expect("an address");
    let mut writer = stream.try_clone().expect("a second handle");
    let flood = thread::spawn(move || {
        let requests = (0..FLOOD).map(|number| unproven(number, from));
        let octets: Vec<u8> = requests.flat_map(|it| it.octets().to_vec()).collect();
        writer.write_all(&octets).expect("the server reads");
    });
    let bob = thread::spawn({
        let mut bob = Phone::new(&server, "bob");
        bob.socket.set_read_timeout(Some(LONG)).expect("a timeout");
        move || bob.register()
    });
    let answers = responses(&stream, FLOOD);
    flood.join().expect("all was sent");
    bob.join().expect("a login passes");

    let turned_away: Vec<_> = answers.iter().filter(|it| it.code() == Some(503)).collect();
    let served = answers.iter().filter(|it| it.code() == Some(407)).count();
    assert_eq!(served + turned_away.len(), FLOOD);
    assert!(served > 0 && !turned_away.is_empty(), "{served} served");
    assert!(turned_away.iter().all(|it| (3..=6).contains(&seconds(it))));
    let waits = [3, 6].map(|wait| turned_away.iter().filter(|it| seconds(it) == wait).count());
    assert!(waits.iter().all(|count| *count > 0), "{waits:?}");
    assert_eq!(refused(&server, "new", "delay"), turned_away.len() as f64);
    assert_eq!(refused(&server, "retrieval", "delay"), 0.0);

    let is_calm = || server.metric("restante_overload_active") == 0.0;
    assert!(eventually(LONG, || server
        .log()
        .contains("no longer overloaded")));
    assert!(is_calm());
    let log = server.log();
    let told = log
        .lines()
        .find(|line| line.contains("overloaded: new work is refused"));
    assert!(
        told.is_some_and(|line| line.contains("overload.target_delay")),
        "{log}"
    );
    let mut alice = Phone::new(&server, "alice");
    let code = alice.message(&address("carol"), "text/plain", "hello");
    assert_eq!(code, Some(404), "served as ever");
}

#[test]
fn server_short_of_memory_takes_only_what_is_urgent_and_no_message_over_its_channel() {
    let server = server(
        Server::with("overload.max_memory", "8MiB").with("neighbours.trusted", "[\"127.0.0.1\"]"),
    );
    server.wait_for_metric("restante_overload_active", 1.0);
    let mut alice = Phone::new(&server, "alice");
    for (method, class) in [
        (Method::Message, "new"),
        (Method::Invite, "new"),
        (Method::Register, "retrieval"),
    ] {
        let before = refused(&server, class, "memory");
        let answer = alice.request(&method, &address("bob"), None);
        assert_eq!(answer.code(), Some(503), "{method}");
        assert!((2..=10).contains(&seconds(&answer)), "{method}");
        assert_eq!(refused(&server, class, "memory"), before + 1.0);
    }
    alice.extra = vec![(Name::ResourcePriority, "ets.0".to_owned())];
    let mut channel = Reader::call(&server, &mut alice, &address("bob"));
    assert_eq!(channel.say("text/plain", "no room for me"), 413);
    alice.extra = vec![(Name::ResourcePriority, "mine.0".to_owned())];
    let body = Some(("text/plain", b"hello".to_vec()));
    let answer = alice.request(&Method::Message, &address("bob"), body);
    assert_eq!(answer.code(), Some(503));
}

#[test]
fn priority_that_a_stranger_claims_does_not_count() {
    let server = server(Server::with("overload.max_memory", "8MiB"));
    server.wait_for_metric("restante_overload_active", 1.0);
    let mut alice = Phone::new(&server, "alice");
    alice.extra = vec![(Name::ResourcePriority, "ets.0".to_owned())];
    let answer = alice.request(&Method::Message, &address("bob"), None);
    assert_eq!(answer.code(), Some(503));
}

#[test]
fn switched_off_control_refuses_nothing() {
    let server =
        server(Server::with("overload.max_memory", "8MiB").with("overload.enabled", false));
    server.wait_for_metric("restante_overload_memory_ratio", 1.0);
    let mut alice = Phone::new(&server, "alice");
    let code = alice.message(&address("bob"), "text/plain", "hello");
    assert_eq!(code, Some(202));
}

#[test]
fn datagrams_that_waited_too_long_are_left_to_be_repeated() {
    const BACKLOG: usize = 200;
    let server = server(Server::with("overload.stale_after", "300ms"));
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(server.sip()).expect("an address");
    socket.set_read_timeout(Some(LONG)).expect("a timeout");
    let from = socket.local_addr().expect("an address");
    let request = |number| {
        let text = String::from_utf8(unproven(number, from).octets().to_vec());
        text.expect("text").replace("SIP/2.0/TCP", "SIP/2.0/UDP")
    };
    server.pause();
    for number in 0..BACKLOG {
        socket.send(request(number).as_bytes()).expect("sent");
    }
    thread::sleep(Duration::from_secs(1));
    server.signal(Signal::CONT);
    server.wait_for_metric("restante_overload_stale_total", 64.0);
    socket.send(request(0).as_bytes()).expect("sent");
    let answer = eventually(LONG, || {
        let mut buffer = [0; 2_048];
        let length = socket.recv(&mut buffer).expect("an answer");
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        text.contains("flood-0-") && text.starts_with("SIP/2.0 407")
    });
    assert!(answer, "what is repeated is served");
}

#[test]
fn trusted_neighbour_that_asks_is_told_what_share_to_hold_back() {
    let told = |settings: Settings, busy: bool| {
        let server = server(settings);
        if busy {
            server.wait_for_metric("restante_overload_active", 1.0);
        }
        let mut neighbour = Phone::new(&server, "alice");
        neighbour.via = ";oc;oc-algo=\"loss\"";
        let answer = neighbour.request(&Method::Options, &address("bob"), None);
        answer.via().expect("a Via").params
    };
    let trusting = || Server::with("neighbours.trusted", "[\"127.0.0.1\"]");
    let calm = told(trusting(), false);
    assert_eq!(calm.get("oc"), Some("0"));
    assert_eq!(calm.get("oc-algo"), Some("\"loss\""));
    assert_eq!(calm.get("oc-validity"), Some("500"));
    let sequence = calm.get("oc-seq").expect("a sequence");
    assert!(sequence.split_once('.').is_some(), "{sequence}");

    let busy = trusting().with("overload.max_memory", "8MiB");
    assert_eq!(told(busy, true).get("oc"), Some("100"));
    let stranger = told(Settings::default(), false);
    assert_eq!(stranger.get("oc"), Some(""), "no value for strangers");
    let silent = told(trusting().with("overload.feedback", false), false);
    assert_eq!(silent.get("oc-seq"), None);
}

#[test]
fn neighbour_that_asks_for_it_is_spared_for_as_long_as_it_says() {
    let core = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    core.set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    let at = core.local_addr().expect("an address");
    let server = server(
        Server::with("neighbours.trusted", "[\"127.0.0.1\"]")
            .with("neighbours.core", format!("sip:{at}")),
    );
    let send = || {
        let mut alice = Phone::new(&server, "alice");
        let body = Some(("text/plain", b"hello".to_vec()));
        let request = alice.compose(&Method::Message, "sip:carol@b.example", body);
        alice.send(request.octets());
        (alice, request)
    };
    let (mut alice, request) = send();
    let (asked, server_at) = heard(&core).expect("it goes to the core");
    let mut via = asked.via().expect("a Via");
    assert_eq!(via.params.get("oc"), Some(""));
    assert_eq!(via.params.get("oc-algo"), Some("\"loss\""));
    for (name, text) in [("oc", "100"), ("oc-validity", "60000"), ("oc-seq", "5.1")] {
        via.params.set(name, text);
    }
    let answer = Builder::response(&asked, 200).to_tag("core").build();
    let answer = answer.with_top_via_stamped(&via);
    core.send_to(answer.octets(), server_at).expect("sent");
    assert_eq!(alice.response_to(&request).code(), Some(200));

    let (mut alice, request) = send();
    let code = alice.response_to(&request).code();
    assert_ne!(code, Some(200), "nobody was asked");
    server.wait_for_metric("restante_overload_held_back_total", 1.0);
    core.set_read_timeout(Some(Duration::from_millis(400)))
        .expect("a timeout");
    assert!(heard(&core).is_none(), "it is spared");
}

fn heard(socket: &UdpSocket) -> Option<(Message, SocketAddr)> {
    let mut buffer = vec![0; 65_535];
    let (length, from) = socket.recv_from(&mut buffer).ok()?;
    let octets = bytes::Bytes::copy_from_slice(&buffer[..length]);
    Some((
        Message::parse(octets, &Limits::default()).expect("sound"),
        from,
    ))
}
