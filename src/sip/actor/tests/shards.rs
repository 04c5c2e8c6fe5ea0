use super::{raw::talk, *};
use tokio::net::TcpStream;

/// Answers every request with 200 and the number of its shard.
struct Echo(EndpointHandle);

impl Actor for Echo {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(256);
    }
}

impl Handler<Incoming> for Echo {
    type Result = ();
    fn handle(&mut self, news: Incoming, _: &mut Context<Self>) {
        let response = Builder::response(&news.request, 200).to_tag("t");
        let response = response.other("X-Shard", self.0.shard().to_string());
        self.0.respond(news.key, response.build());
    }
}

#[actix::test]
async fn one_stream_carries_calls_of_every_shard() {
    let shards = Shards::start(3);
    let user = |endpoint| Echo(endpoint).start().recipient();
    let endpoints = start(&shards, &config(), None, user).await.unwrap();
    let to = endpoints[0].local_addr();
    assert!(endpoints.iter().all(|endpoint| endpoint.local_addr() == to));
    let mut stream = TcpStream::connect(to).await.unwrap();
    let requests: String = (0..60)
        .map(|call| {
            format!(
                "MESSAGE sip:bob@{to} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK{call}\r\n\
                 From: <sip:a@b>;tag=a\r\nTo: <sip:bob@{to}>\r\nCall-ID: {call}\r\n\
                 CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
            )
        })
        .collect();
    let heard = talk(&mut stream, &requests, |heard| {
        heard.matches("X-Shard").count() == 60
    })
    .await;
    assert_eq!(heard.matches("SIP/2.0 200").count(), 60, "{heard}");
    for shard in 0..3 {
        assert!(
            heard.contains(&format!("X-Shard: {shard}")),
            "shard {shard} was idle"
        );
    }
}

#[actix::test]
async fn every_shard_calls_out_with_its_own_call_ids() {
    let shards = Shards::start(2);
    let user = |endpoint| Echo(endpoint).start().recipient();
    let endpoints = start(&shards, &config(), None, user).await.unwrap();
    let mut bob = side().await;
    for endpoint in &endpoints {
        let uri = bob.uri("bob");
        let request = Builder::request(Method::Message, &uri)
            .header(Name::From, "<sip:a@b>;tag=a")
            .header(Name::To, format!("<{uri}>"))
            .header(Name::CallId, endpoint.new_call_id())
            .header(Name::CSeq, "1 MESSAGE");
        let exchange = endpoint.exchange(request.build(), via_tcp(&bob));
        let (answer, _) = tokio::join!(exchange, bob.answer_next(200));
        assert_eq!(answer.unwrap().code(), Some(200));
    }
}
