//! Servers are found by their names (RFC 3263), and the next one takes over where one fails:
//! endpoints of the library, and the real server, against a name server and bare sockets.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod harness;

use actix::prelude::*;
use harness::name_server::{Data, NameServer};
use restante::{
    cli::child::free_port,
    net::Shards,
    sip::{
        Config, Dns,
        actor::{
            self, Dialog, DialogEvent, DialogNews, EndpointHandle, Incoming, InviteOptions,
            RequestFailed, Target,
        },
        codec::{Builder, Limits, Message, Method, Name},
        transaction::Timers,
    },
};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

const HERE: std::net::Ipv4Addr = std::net::Ipv4Addr::LOCALHOST;

/// Writes down what happens in dialogs.
struct Listener(UnboundedSender<DialogNews>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<Incoming> for Listener {
    type Result = ();
    fn handle(&mut self, _: Incoming, _: &mut Context<Self>) {}
}

impl Handler<DialogEvent> for Listener {
    type Result = ();
    fn handle(&mut self, event: DialogEvent, _: &mut Context<Self>) {
        // the test may be over
        let _ = self.0.send(event.news);
    }
}

struct Asker {
    endpoint: EndpointHandle,
    listener: Addr<Listener>,
    news: UnboundedReceiver<DialogNews>,
}

/// An endpoint that asks `names`; silence counts as failure after 0.64 s.
async fn asker(names: &NameServer) -> Asker {
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        dns: Dns {
            nameservers: vec![names.addr()],
            timeout: Duration::from_millis(300),
            attempts: 0,
            ..Dns::default()
        },
        timers: Timers {
            t1: Duration::from_millis(10),
            ..Timers::default()
        },
        ..Config::default()
    };
    let (sender, news) = unbounded_channel();
    let listener = Listener(sender).start();
    let user = listener.clone().recipient();
    let shards = Shards::current_only();
    let started = actor::start(&shards, &config, None, move |_| user.clone()).await;
    Asker {
        endpoint: started.unwrap().remove(0),
        listener,
        news,
    }
}

impl Asker {
    fn message(&self, uri: &str) -> Message {
        self.sized(uri, 10)
    }

    fn sized(&self, uri: &str, octets: usize) -> Message {
        Builder::request(Method::Message, uri)
            .header(Name::MaxForwards, "70")
            .header(Name::From, "<sip:alice@localhost>;tag=a")
            .header(Name::To, format!("<{uri}>"))
            .header(Name::CallId, self.endpoint.new_call_id())
            .header(Name::CSeq, "1 MESSAGE")
            .body("text/plain", vec![b'x'; octets])
            .build()
    }

    async fn send(&self, uri: &str) -> Result<u16, RequestFailed> {
        let answer = self
            .endpoint
            .exchange(self.message(uri), Target::Message)
            .await;
        answer.map(|answer| answer.code().unwrap())
    }
}

/// A server that answers every request in the same way, over UDP.
struct Server(UdpSocket);

impl Server {
    async fn bind() -> Self {
        Self(UdpSocket::bind("127.0.0.1:0").await.unwrap())
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    async fn heard(&self) -> (Message, SocketAddr) {
        let mut buffer = vec![0; 65_535];
        let heard = tokio::time::timeout(Duration::from_secs(5), self.0.recv_from(&mut buffer));
        let (length, from) = heard.await.expect("nothing came").unwrap();
        buffer.truncate(length);
        let message = Message::parse(buffer.into(), &Limits::default()).unwrap();
        (message, from)
    }

    async fn answer(&self, request: &Message, to: SocketAddr, code: u16, lines: &[(Name, &str)]) {
        let response = Builder::response(request, code).to_tag("server");
        let contact = format!("<sip:{}>", self.0.local_addr().unwrap());
        let response = response.header(Name::Contact, contact);
        let response = lines.iter().fold(response, |response, (name, value)| {
            response.header(*name, value)
        });
        let octets = response.build().octets().clone();
        self.0.send_to(&octets, to).await.unwrap();
    }

    /// Answers the next request: what it was.
    async fn answer_next(&self, code: u16) -> Message {
        let (request, from) = self.heard().await;
        self.answer(&request, from, code, &[]).await;
        request
    }

    async fn hears_nothing(&self) {
        let mut buffer = [0; 10];
        let limit = Duration::from_millis(100);
        let heard = tokio::time::timeout(limit, self.0.recv_from(&mut buffer)).await;
        assert!(heard.is_err(), "{heard:?}");
    }
}

const UDP: &str = "_sip._udp.example.test";

#[actix::test]
async fn service_record_decides_transport_port_and_host() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let unused = Server::bind().await;
    let names = NameServer::start(
        60,
        vec![
            ("example.test", Data::Naptr(20, 1, "SIP+D2U", UDP)),
            (
                "example.test",
                Data::Naptr(10, 1, "SIP+D2T", "streams.example.test"),
            ),
            (UDP, Data::Srv(0, 0, unused.port(), "pf.example.test")),
            (
                "streams.example.test",
                Data::Srv(0, 0, port, "pf.example.test"),
            ),
            ("pf.example.test", Data::A(HERE)),
        ],
    );
    let alice = asker(&names).await;
    let request = alice.message("sip:bob@example.test");
    let exchange = alice.endpoint.exchange(request, Target::Message);
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; 4_096];
        let length = stream.read(&mut buffer).await.unwrap();
        buffer.truncate(length);
        let request = Message::parse(buffer.into(), &Limits::default()).unwrap();
        let ok = Builder::response(&request, 200).to_tag("b").build();
        stream.write_all(ok.octets()).await.unwrap();
        request
    };
    let (answer, request) = tokio::join!(exchange, serve);
    assert_eq!(answer.unwrap().code(), Some(200));
    assert_eq!(request.via().unwrap().transport.as_ref(), "TCP");
    unused.hears_nothing().await;
    assert_eq!(names.asked()[0], "NAPTR example.test");
}

#[actix::test]
async fn servers_are_asked_for_by_the_usual_names_where_no_service_is_named() {
    let server = Server::bind().await;
    let names = NameServer::start(
        60,
        vec![
            (UDP, Data::Srv(0, 0, server.port(), "pf.example.test")),
            ("pf.example.test", Data::A(HERE)),
        ],
    );
    let alice = asker(&names).await;
    let (answer, _) = tokio::join!(alice.send("sip:bob@example.test"), server.answer_next(202));
    assert_eq!(answer, Ok(202));
    let expected = [
        "NAPTR example.test",
        "SRV _sip._udp.example.test",
        "A pf.example.test",
        "SRV _sip._tcp.example.test",
    ];
    assert_eq!(names.asked(), expected);
}

#[actix::test]
async fn host_itself_is_the_server_where_there_is_no_record_and_where_a_port_is_given() {
    let usual = UdpSocket::bind("127.83.7.1:5060").await.unwrap();
    let usual = Server(usual);
    let names = NameServer::start(60, vec![("bare.test", Data::A([127, 83, 7, 1].into()))]);
    let alice = asker(&names).await;
    let (answer, _) = tokio::join!(alice.send("sip:bob@bare.test"), usual.answer_next(200));
    assert_eq!(answer, Ok(200));
    names.asked();
    let other = Server(UdpSocket::bind("127.83.7.1:0").await.unwrap());
    let uri = format!("sip:bob@bare.test:{}", other.port());
    let (answer, _) = tokio::join!(alice.send(&uri), other.answer_next(200));
    assert_eq!(answer, Ok(200));
    // the address is known already
    assert_eq!(names.asked(), [""; 0]);
}

#[actix::test]
async fn answers_are_kept_as_long_as_they_are_good_for() {
    let server = Server::bind().await;
    let records = vec![
        (UDP, Data::Srv(0, 0, server.port(), "pf.example.test")),
        ("pf.example.test", Data::A(HERE)),
    ];
    let names = NameServer::start(1, records);
    let alice = asker(&names).await;
    let send = || async {
        let uri = "sip:bob@example.test;transport=udp";
        tokio::join!(alice.send(uri), server.answer_next(200)).0
    };
    assert_eq!(send().await, Ok(200));
    assert_eq!(
        names.asked(),
        ["SRV _sip._udp.example.test", "A pf.example.test"]
    );
    assert_eq!(send().await, Ok(200));
    assert_eq!(names.asked(), [""; 0]);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(send().await, Ok(200));
    assert_eq!(
        names.asked(),
        ["SRV _sip._udp.example.test", "A pf.example.test"]
    );
}

#[actix::test]
async fn silent_server_is_passed_over_and_then_rests() {
    let (silent, second) = (Server::bind().await, Server::bind().await);
    let names = two_servers(&silent, &second);
    let alice = asker(&names).await;
    let uri = "sip:bob@example.test";
    let (answer, taken) = tokio::join!(alice.send(uri), second.answer_next(200));
    assert_eq!(answer, Ok(200));
    let (first, _) = silent.heard().await;
    assert_eq!(first.call_id(), taken.call_id());
    assert_eq!(first.cseq(), taken.cseq());
    // a transaction of its own (RFC 3263 §4.3)
    assert_ne!(first.via().unwrap().branch(), taken.via().unwrap().branch());
    while silent.0.try_recv(&mut [0; 10]).is_ok() {}
    let (answer, _) = tokio::join!(alice.send(uri), second.answer_next(200));
    assert_eq!(answer, Ok(200));
    silent.hears_nothing().await;
}

fn two_servers(first: &Server, second: &Server) -> NameServer {
    let records = vec![
        (UDP, Data::Srv(10, 0, first.port(), "one.example.test")),
        (UDP, Data::Srv(20, 0, second.port(), "two.example.test")),
        ("one.example.test", Data::A(HERE)),
        ("two.example.test", Data::A(HERE)),
    ];
    NameServer::start(60, records)
}

#[actix::test]
async fn server_without_room_is_passed_over_as_long_as_it_says() {
    let (busy, second) = (Server::bind().await, Server::bind().await);
    let names = two_servers(&busy, &second);
    let alice = asker(&names).await;
    let uri = "sip:bob@example.test";
    let refuse = async {
        let (request, from) = busy.heard().await;
        busy.answer(&request, from, 503, &[(Name::RetryAfter, "1")])
            .await;
    };
    let (answer, (), _) = tokio::join!(alice.send(uri), refuse, second.answer_next(200));
    assert_eq!(answer, Ok(200));
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let (answer, _) = tokio::join!(alice.send(uri), busy.answer_next(202));
    assert_eq!(answer, Ok(202));
}

#[actix::test]
async fn last_server_s_refusal_is_the_answer() {
    let (one, two) = (Server::bind().await, Server::bind().await);
    let alice = asker(&two_servers(&one, &two)).await;
    let (answer, _, _) = tokio::join!(
        alice.send("sip:bob@example.test"),
        one.answer_next(503),
        two.answer_next(503)
    );
    assert_eq!(answer, Ok(503));
}

#[actix::test]
async fn refusal_of_another_kind_is_no_reason_to_ask_the_next_server() {
    let (one, two) = (Server::bind().await, Server::bind().await);
    let alice = asker(&two_servers(&one, &two)).await;
    let (answer, _) = tokio::join!(alice.send("sip:bob@example.test"), one.answer_next(486));
    assert_eq!(answer, Ok(486));
    two.hears_nothing().await;
}

#[actix::test]
async fn stream_that_is_refused_gives_way_to_the_next_server() {
    let port = free_port().unwrap();
    let second = Server::bind().await;
    let names = NameServer::start(
        60,
        vec![
            (
                "example.test",
                Data::Naptr(1, 1, "SIP+D2T", "t.example.test"),
            ),
            ("example.test", Data::Naptr(2, 1, "SIP+D2U", UDP)),
            ("t.example.test", Data::Srv(0, 0, port, "one.example.test")),
            (UDP, Data::Srv(0, 0, second.port(), "one.example.test")),
            ("one.example.test", Data::A(HERE)),
        ],
    );
    let alice = asker(&names).await;
    let (answer, _) = tokio::join!(alice.send("sip:bob@example.test"), second.answer_next(200));
    assert_eq!(answer, Ok(200));
}

#[actix::test]
async fn call_goes_to_the_next_server_and_is_cancelled_there() {
    let (busy, second) = (Server::bind().await, Server::bind().await);
    let mut alice = asker(&two_servers(&busy, &second)).await;
    let contact = format!("<sip:alice@{}>", alice.endpoint.local_addr());
    let options = InviteOptions::new("sip:bob@example.test", "<sip:alice@localhost>", contact);
    let events = alice.listener.clone().recipient();
    let call = Dialog::invite(&alice.endpoint, options, events).unwrap();
    let first = busy.answer_next(503).await;
    let (second_try, from) = second.heard().await;
    assert_eq!(first.call_id(), second_try.call_id());
    second.answer(&second_try, from, 180, &[]).await;
    let ringing = alice.news.recv().await.unwrap();
    assert!(matches!(ringing, DialogNews::Provisional(_)), "{ringing:?}");
    call.cancel();
    let (cancel, from) = loop {
        let (request, from) = second.heard().await;
        if request.is(&Method::Cancel) {
            break (request, from);
        }
    };
    let branch = |request: &Message| request.via().unwrap().branch().unwrap().to_owned();
    assert_eq!(branch(&cancel), branch(&second_try));
    second.answer(&cancel, from, 200, &[]).await;
    second.answer(&second_try, from, 487, &[]).await;
    let over = alice.news.recv().await.unwrap();
    assert!(
        matches!(over, DialogNews::Failed { code: 487, .. }),
        "{over:?}"
    );
}

#[actix::test]
async fn name_nobody_knows_and_service_that_is_not_offered_fail() {
    let names = NameServer::start(
        60,
        vec![
            ("none.test", Data::A(HERE)),
            ("_sip._udp.none.test", Data::Srv(0, 0, 0, ".")),
        ],
    );
    let alice = asker(&names).await;
    for uri in ["sip:bob@unknown.test", "sip:bob@none.test"] {
        assert_eq!(
            alice.send(uri).await,
            Err(RequestFailed::Transport),
            "{uri}"
        );
    }
}

#[actix::test]
async fn long_message_takes_the_stream_where_both_are_offered() {
    let datagrams = Server::bind().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let names = NameServer::start(
        60,
        vec![
            (UDP, Data::Srv(0, 0, datagrams.port(), "pf.example.test")),
            (
                "_sip._tcp.example.test",
                Data::Srv(0, 0, port, "pf.example.test"),
            ),
            ("pf.example.test", Data::A(HERE)),
        ],
    );
    let alice = asker(&names).await;
    let request = alice.sized("sip:bob@example.test", 2_000);
    let exchange = alice.endpoint.exchange(request, Target::Message);
    let accepted = tokio::time::timeout(Duration::from_secs(5), listener.accept());
    tokio::select! {
        _ = exchange => panic!("nobody answered"),
        accepted = accepted => assert!(accepted.unwrap().is_ok()),
    }
    datagrams.hears_nothing().await;
}

#[actix::test]
async fn real_server_finds_the_server_of_a_foreign_domain() {
    let (busy, far) = (Server::bind().await, Server::bind().await);
    let names = two_servers(&busy, &far);
    let server = harness::Server::with("neighbours.dns", true)
        .with("sip_core.authenticate", false)
        .with("sip.dns.nameservers", format!("[\"{}\"]", names.addr()))
        .start()
        .subscriber("alice", "secret");
    let alice = Server::bind().await;
    let local = alice.0.local_addr().unwrap();
    let request = Builder::request(Method::Message, "sip:bob@example.test")
        .header(
            Name::Via,
            format!("SIP/2.0/UDP {local};branch=z9hG4bKfar;rport"),
        )
        .header(Name::MaxForwards, "70")
        .header(Name::From, "<sip:alice@localhost>;tag=a")
        .header(Name::To, "<sip:bob@example.test>")
        .header(Name::CallId, "far")
        .header(Name::CSeq, "1 MESSAGE")
        .body("text/plain", "hello")
        .build();
    alice
        .0
        .send_to(request.octets(), server.sip())
        .await
        .unwrap();
    busy.answer_next(503).await;
    let arrived = far.answer_next(200).await;
    assert_eq!(arrived.uri_text(), "sip:bob@example.test");
    assert_eq!(arrived.body().as_ref(), b"hello");
    let (answer, _) = alice.heard().await;
    assert_eq!(answer.code(), Some(200));
}
