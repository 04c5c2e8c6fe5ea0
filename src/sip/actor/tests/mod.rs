//! The actors over real sockets on loopback.
mod bounds;
mod calls;
mod proxying;
mod raw;
mod requests;
mod sessions;
mod shards;

use super::*;
use crate::{
    net::Shards,
    sip::{
        Config,
        codec::{Builder, Message, Method, Name},
        transaction::{Peer, Timers},
    },
};
use actix::prelude::*;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A user of SIP that writes down what it is told.
struct Probe {
    incoming: UnboundedSender<Incoming>,
    events: UnboundedSender<DialogEvent>,
    answers: UnboundedSender<ClientEvent>,
}

impl Actor for Probe {
    type Context = Context<Self>;
}

impl Handler<Incoming> for Probe {
    type Result = ();
    fn handle(&mut self, news: Incoming, _: &mut Context<Self>) {
        let _ = self.incoming.send(news);
    }
}

impl Handler<DialogEvent> for Probe {
    type Result = ();
    fn handle(&mut self, news: DialogEvent, _: &mut Context<Self>) {
        let _ = self.events.send(news);
    }
}

impl Handler<ClientEvent> for Probe {
    type Result = ();
    fn handle(&mut self, news: ClientEvent, _: &mut Context<Self>) {
        let _ = self.answers.send(news);
    }
}

/// One end: an endpoint, its user, and what the user was told.
struct Side {
    endpoint: EndpointHandle,
    probe: Addr<Probe>,
    incoming: UnboundedReceiver<Incoming>,
    events: UnboundedReceiver<DialogEvent>,
    answers: UnboundedReceiver<ClientEvent>,
}

/// A configuration for loopback, with timers short enough to wait for.
fn config() -> Config {
    Config {
        listen: ([127, 0, 0, 1], 0).into(),
        timers: Timers {
            t1: Duration::from_millis(20),
            t2: Duration::from_millis(80),
            t4: Duration::from_millis(100),
        },
        ..Config::default()
    }
}

async fn side() -> Side {
    side_with(config()).await
}

async fn side_with(config: Config) -> Side {
    let (incoming_in, incoming) = unbounded_channel();
    let (events_in, events) = unbounded_channel();
    let (answers_in, answers) = unbounded_channel();
    let probe = Probe {
        incoming: incoming_in,
        events: events_in,
        answers: answers_in,
    }
    .start();
    let user = probe.clone().recipient();
    let shards = Shards::current_only();
    let mut endpoints = start(&shards, &config, None, move |_| user.clone())
        .await
        .unwrap();
    Side {
        endpoint: endpoints.remove(0),
        probe,
        incoming,
        events,
        answers,
    }
}

async fn soon<T>(what: impl Future<Output = Option<T>>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(10), what).await;
    waited.expect("it takes too long").expect("it never comes")
}

impl Side {
    fn uri(&self, user: &str) -> String {
        format!("sip:{user}@{}", self.endpoint.local_addr())
    }

    fn contact(&self, user: &str) -> String {
        format!("<{}>", self.uri(user))
    }

    fn request(&self, method: Method, uri: &str) -> Builder {
        let cseq = format!("1 {}", method.as_str());
        Builder::request(method, uri)
            .header(Name::MaxForwards, "70")
            .header(
                Name::From,
                format!("<sip:tester@localhost>;tag={}", self.endpoint.new_tag()),
            )
            .header(Name::To, format!("<{uri}>"))
            .header(Name::CallId, self.endpoint.new_call_id())
            .header(Name::CSeq, cseq)
    }

    async fn next_incoming(&mut self) -> Incoming {
        soon(self.incoming.recv()).await
    }

    async fn next_event(&mut self) -> DialogNews {
        soon(self.events.recv()).await.news
    }

    /// Answers the next request from outside with `code`.
    async fn answer_next(&mut self, code: u16) -> Incoming {
        let incoming = self.next_incoming().await;
        let response = Builder::response(&incoming.request, code).to_tag("answer");
        self.endpoint.respond(incoming.key, response.build());
        incoming
    }

    fn call(&self, to: &str) -> DialogHandle {
        let options = InviteOptions::new(to, "<sip:alice@localhost>", self.contact("alice"));
        self.call_with(options)
    }

    fn call_with(&self, options: InviteOptions) -> DialogHandle {
        Dialog::invite(&self.endpoint, options, self.probe.clone().recipient()).unwrap()
    }

    /// Takes the next INVITE into a dialog.
    async fn pick_up(&mut self) -> DialogHandle {
        let incoming = self.next_incoming().await;
        assert!(incoming.request.is(&Method::Invite));
        let options = AnswerOptions {
            contact: self.contact("bob"),
        };
        Dialog::answer(
            &self.endpoint,
            incoming,
            options,
            self.probe.clone().recipient(),
        )
        .unwrap()
    }
}

/// Two ends in a confirmed dialog: caller, callee, and their handles.
async fn talking() -> (Side, Side, DialogHandle, DialogHandle) {
    let (mut alice, mut bob) = (side().await, side().await);
    let call = alice.call(&bob.uri("bob"));
    let answer = bob.pick_up().await;
    answer.accept(Reply::new(200).body("application/sdp", "v=0\r\n"));
    assert!(matches!(alice.next_event().await, DialogNews::Answered(_)));
    assert!(matches!(bob.next_event().await, DialogNews::Confirmed(_)));
    (alice, bob, call, answer)
}

fn ended(news: DialogNews) -> EndedBy {
    match news {
        DialogNews::Ended(reason) => reason.by,
        other => panic!("not the end: {other:?}"),
    }
}

fn request_of(message: &Message) -> String {
    message
        .method()
        .map(|method| method.as_str().to_owned())
        .unwrap_or_default()
}

fn via_tcp(side: &Side) -> Target {
    Target::Peer(Peer::tcp(side.endpoint.local_addr()))
}
