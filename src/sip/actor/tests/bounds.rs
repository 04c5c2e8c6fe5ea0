use super::{
    raw::{Raw, talk},
    *,
};
use tokio::net::TcpStream;

/// A user with room for one message.
struct Slow;

impl Actor for Slow {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(1);
    }
}

impl Handler<Incoming> for Slow {
    type Result = ();
    fn handle(&mut self, _: Incoming, _: &mut Context<Self>) {}
}

fn options(call: usize, to: std::net::SocketAddr) -> String {
    format!(
        "OPTIONS sip:bob@{to} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK{call}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:a@b>;tag=a\r\nTo: <sip:bob@{to}>\r\nCall-ID: {call}\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

#[actix::test]
async fn flood_beyond_the_users_room_is_answered_503() {
    let slow = Slow.start().recipient();
    let user = move |_| slow.clone();
    let endpoints = start(&Shards::current_only(), &config(), None, user)
        .await
        .unwrap();
    let to = endpoints[0].local_addr();
    let mut stream = TcpStream::connect(to).await.unwrap();
    let flood: String = (0..50).map(|call| options(call, to)).collect();
    let heard = talk(&mut stream, &flood, |heard| {
        heard.matches("Retry-After").count() >= 40
    })
    .await;
    assert!(heard.matches("SIP/2.0 503").count() >= 40, "{heard}");
}

#[actix::test]
async fn requests_beyond_the_table_are_answered_503() {
    let bob = side_with(Config {
        max_transactions: 3,
        ..config()
    })
    .await;
    let to = bob.endpoint.local_addr();
    let mut stream = TcpStream::connect(to).await.unwrap();
    let flood: String = (0..10).map(|call| options(call, to)).collect();
    let heard = talk(&mut stream, &flood, |heard| {
        heard.matches("SIP/2.0 503").count() >= 7
    })
    .await;
    assert_eq!(heard.matches("SIP/2.0 503").count(), 7, "{heard}");
}

#[actix::test]
async fn connection_beyond_the_bound_is_closed() {
    let mut bob = side_with(Config {
        max_connections: 1,
        ..config()
    })
    .await;
    let to = bob.endpoint.local_addr();
    let mut first = TcpStream::connect(to).await.unwrap();
    assert!(talk(&mut first, "\r\n\r\n", |heard| heard == "\r\n").await == "\r\n");
    let mut second = TcpStream::connect(to).await.unwrap();
    let serving = async {
        bob.answer_next(200).await;
    };
    let text = options(1, to);
    let (heard, ()) = tokio::join!(
        talk(&mut first, &text, |heard| heard.contains("200 OK")),
        serving
    );
    assert!(heard.contains("200 OK"));
    assert_eq!(talk(&mut second, "", |_| false).await, "");
}

#[actix::test]
async fn calls_beyond_the_bound_are_refused() {
    let (mut alice, mut bob) = (
        side().await,
        side_with(Config {
            max_dialogs: 0,
            ..config()
        })
        .await,
    );
    let _call = alice.call(&bob.uri("bob"));
    let incoming = bob.next_incoming().await;
    let options = AnswerOptions {
        contact: bob.contact("bob"),
    };
    let refused = Dialog::answer(
        &bob.endpoint,
        incoming,
        options,
        bob.probe.clone().recipient(),
    );
    assert_eq!(refused.err().map(|refused| refused.status), Some(503));
    assert!(matches!(
        alice.next_event().await,
        DialogNews::Failed { code: 503, .. }
    ));
}

#[actix::test]
async fn unreadable_datagram_is_answered_where_it_can_be_and_harms_nobody() {
    let (raw, mut bob) = (Raw::bind().await, side().await);
    let to = bob.endpoint.local_addr();
    for junk in [
        "\r\n\r\n",
        "\0",
        "hello",
        "INVITE\r\n\r\n",
        "SIP/2.0 999 x\r\n\r\n",
    ] {
        raw.send(junk, to).await;
    }
    let bad = raw
        .request("OPTIONS", to, "bad", "")
        .replace("Max-Forwards: 70", "Max-Forwards: many");
    raw.send(&bad, to).await;
    assert_eq!(raw.receive().await.unwrap().0.code(), Some(400));
    let cut = raw
        .request("OPTIONS", to, "cut", "")
        .replace("Content-Length: 0", "Content-Length: 99");
    raw.send(&cut, to).await;
    assert_eq!(raw.receive().await.unwrap().0.code(), Some(400));
    raw.send(&raw.request("OPTIONS", to, "good", ""), to).await;
    bob.answer_next(200).await;
    assert_eq!(raw.receive().await.unwrap().0.code(), Some(200));
}

#[actix::test]
async fn unreadable_stream_is_answered_and_closed() {
    let bob = side().await;
    let to = bob.endpoint.local_addr();
    let mut stream = TcpStream::connect(to).await.unwrap();
    let bad = options(1, to).replace("Content-Length: 0", "Content-Length: none");
    let heard = talk(&mut stream, &bad, |_| false).await;
    assert!(heard.starts_with("SIP/2.0 400"), "{heard}");
}

#[actix::test]
async fn drained_endpoint_refuses_new_requests() {
    let (raw, bob) = (Raw::bind().await, side().await);
    let to = bob.endpoint.local_addr();
    bob.endpoint.drain();
    raw.send(&raw.request("MESSAGE", to, "late", ""), to).await;
    assert_eq!(raw.receive().await.unwrap().0.code(), Some(503));
}

#[actix::test]
async fn senseless_configuration_and_taken_ports_are_named() {
    let user = |_: EndpointHandle| Slow.start().recipient();
    let senseless = Config {
        mailbox: 0,
        ..config()
    };
    let error = start(&Shards::current_only(), &senseless, None, user)
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("sip.mailbox"), "{error}");
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let error = start(
        &Shards::current_only(),
        &Config { listen, ..config() },
        None,
        user,
    )
    .await
    .err()
    .unwrap();
    assert!(error.to_string().contains("sip.listen"), "{error}");
}
