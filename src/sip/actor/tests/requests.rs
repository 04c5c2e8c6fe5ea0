use super::{raw::Raw, *};
use crate::{
    digest::{Account, Algorithm, Challenge, Credentials, ha1},
    sip::{Responder, transaction::Transport},
};
use tokio::net::TcpListener;

#[actix::test]
async fn message_over_udp_is_told_and_answered() {
    let (alice, mut bob) = (side().await, side().await);
    let request = alice
        .request(Method::Message, &bob.uri("bob"))
        .body("text/plain", "hello");
    let (answer, incoming) = tokio::join!(
        alice.endpoint.exchange(request.build(), Target::Message),
        bob.answer_next(202)
    );
    assert_eq!(answer.unwrap().code(), Some(202));
    assert_eq!(incoming.source, Peer::udp(alice.endpoint.local_addr()));
    assert_eq!(incoming.request.body().as_ref(), b"hello");
}

#[actix::test]
async fn requests_over_tcp_share_one_connection() {
    let (alice, mut bob) = (side().await, side().await);
    let uri = format!("{};transport=tcp", bob.uri("bob"));
    let mut connections = Vec::new();
    for _ in 0..3 {
        let request = alice
            .request(Method::Message, &uri)
            .body("text/plain", "hello")
            .build();
        let (answer, incoming) = tokio::join!(
            alice.endpoint.exchange(request, Target::Message),
            bob.answer_next(200)
        );
        assert_eq!(answer.unwrap().code(), Some(200));
        assert_eq!(incoming.source.transport, Transport::Tcp);
        connections.push(incoming.source.connection.unwrap());
    }
    connections.dedup();
    assert_eq!(connections.len(), 1);
}

#[actix::test]
async fn registered_client_is_reached_over_the_connection_it_opened() {
    let (mut alice, mut bob) = (side().await, side().await);
    let request = alice.request(Method::Register, &bob.uri("bob")).build();
    let target = via_tcp(&bob);
    let (_, incoming) = tokio::join!(
        alice.endpoint.exchange(request, target),
        bob.answer_next(200)
    );
    for way in [
        Target::Flow(incoming.source),
        Target::Peer(Peer::tcp(incoming.source.addr)),
    ] {
        let request = bob.request(Method::Message, "sip:alice@192.0.2.99").build();
        let (answer, arrived) =
            tokio::join!(bob.endpoint.exchange(request, way), alice.answer_next(200));
        assert_eq!(answer.unwrap().code(), Some(200));
        assert_eq!(arrived.source.addr, bob.endpoint.local_addr());
    }
}

#[actix::test]
async fn request_longer_than_a_datagram_should_be_goes_by_tcp() {
    let (alice, mut bob) = (side().await, side().await);
    let request = alice
        .request(Method::Message, &bob.uri("bob"))
        .body("text/plain", vec![b'x'; 1_300]);
    let (answer, incoming) = tokio::join!(
        alice.endpoint.exchange(request.build(), Target::Message),
        bob.answer_next(200)
    );
    assert_eq!(answer.unwrap().code(), Some(200));
    assert_eq!(incoming.source.transport, Transport::Tcp);
}

#[actix::test]
async fn long_request_falls_back_to_udp_where_tcp_is_refused() {
    let (alice, raw) = (side().await, Raw::bind().await);
    let uri = format!("sip:raw@{}", raw.addr());
    let request = alice
        .request(Method::Options, &uri)
        .body("text/plain", vec![b'x'; 1_300])
        .build();
    let answering = async {
        let (request, from) = raw.receive().await.unwrap();
        assert_eq!(request.via().unwrap().transport.as_ref(), "UDP");
        raw.answer(&request, from, 200, "t").await;
    };
    let (answer, ()) = tokio::join!(alice.endpoint.exchange(request, Target::Message), answering);
    assert_eq!(answer.unwrap().code(), Some(200));
}

#[actix::test]
async fn long_message_never_goes_by_udp() {
    let (alice, raw) = (side().await, Raw::bind().await);
    let uri = format!("sip:raw@{}", raw.addr());
    let request = alice
        .request(Method::Message, &uri)
        .body("text/plain", vec![b'x'; 1_300])
        .build();
    let answer = alice.endpoint.exchange(request, Target::Message).await;
    assert_eq!(answer.err(), Some(RequestFailed::TooLarge));
    let heard = raw.receive_within(Duration::from_millis(200)).await;
    assert!(heard.is_none(), "{heard:?}");
}

#[actix::test]
async fn repeated_request_is_told_once_and_answered_each_time() {
    let (raw, mut bob) = (Raw::bind().await, side().await);
    let text = raw.request("MESSAGE", bob.endpoint.local_addr(), "again", "");
    for _ in 0..3 {
        raw.send(&text, bob.endpoint.local_addr()).await;
    }
    bob.answer_next(200).await;
    raw.send(&text, bob.endpoint.local_addr()).await;
    let (first, _) = raw.receive().await.unwrap();
    let (second, _) = raw.receive().await.unwrap();
    assert_eq!(first.octets(), second.octets());
    assert!(bob.incoming.try_recv().is_err());
}

#[actix::test]
async fn lost_request_is_repeated_and_silence_ends_after_64_t1() {
    let (alice, raw) = (side().await, Raw::bind().await);
    let uri = format!("sip:raw@{}", raw.addr());
    let request = alice.request(Method::Options, &uri).build();
    let counting = async {
        let mut count = 0;
        while raw
            .receive_within(Duration::from_millis(300))
            .await
            .is_some()
        {
            count += 1;
        }
        count
    };
    let (answer, count) = tokio::join!(alice.endpoint.exchange(request, Target::Message), counting);
    assert_eq!(answer.err(), Some(RequestFailed::TimedOut));
    assert!(count > 5, "{count}");
}

#[actix::test]
async fn connection_lost_before_the_answer_fails_the_request() {
    let mut alice = side().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("sip:raw@{};transport=tcp", listener.local_addr().unwrap());
    let request = alice.request(Method::Message, &uri).build();
    let id = alice
        .endpoint
        .request(request, Target::Message, alice.probe.clone().recipient());
    let (stream, _) = listener.accept().await.unwrap();
    stream.readable().await.unwrap();
    drop(stream);
    let event = soon(alice.answers.recv()).await;
    assert_eq!(event.id, id);
    assert!(matches!(event.kind, ClientEventKind::TransportFailed));
}

#[actix::test]
async fn refused_connection_and_unknown_scheme_fail_the_request() {
    let alice = side().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = format!("sip:raw@{};transport=tcp", listener.local_addr().unwrap());
    drop(listener);
    for uri in [refused.as_str(), "tel:+491234"] {
        let request = alice.request(Method::Message, uri).build();
        let answer = alice.endpoint.exchange(request, Target::Message).await;
        assert_eq!(answer.err(), Some(RequestFailed::Transport), "{uri}");
    }
}

#[actix::test]
async fn challenge_is_answered_and_a_wrong_password_is_final() {
    for (password, code, rounds) in [("secret", 200, 2), ("guess", 401, 2)] {
        let (alice, mut bob) = (side().await, side().await);
        let account = Account {
            user: "alice".into(),
            password: password.into(),
        };
        let mut responder = Responder::new(account);
        let uri = bob.uri("registrar");
        let (call_id, tag) = (alice.endpoint.new_call_id(), alice.endpoint.new_tag());
        let make = |attempt: u32| {
            Builder::request(Method::Register, &uri)
                .header(Name::From, format!("<sip:alice@localhost>;tag={tag}"))
                .header(Name::To, "<sip:alice@localhost>")
                .header(Name::CallId, &call_id)
                .header(Name::CSeq, format!("{} REGISTER", attempt + 1))
        };
        let serving = async {
            for _ in 0..rounds {
                let incoming = bob.next_incoming().await;
                bob.endpoint.respond(incoming.key, judge(&incoming.request));
            }
        };
        let exchange = alice
            .endpoint
            .exchange_as(&mut responder, Target::Message, make);
        let (answer, ()) = tokio::join!(exchange, serving);
        assert_eq!(answer.unwrap().code(), Some(code));
    }
}

fn judge(request: &Message) -> Message {
    let secret = ha1(Algorithm::Sha256, "alice", "localhost", "secret");
    let proven = request
        .value(Name::Authorization)
        .and_then(|value| Credentials::parse(&value).ok())
        .is_some_and(|credentials| credentials.verify("REGISTER", &secret));
    if proven {
        return Builder::response(request, 200).to_tag("r").build();
    }
    let challenge = Challenge::new("localhost", "nonce".into(), Algorithm::Sha256);
    let response = Builder::response(request, 401).to_tag("r");
    response.value(Name::WwwAuthenticate, challenge).build()
}
