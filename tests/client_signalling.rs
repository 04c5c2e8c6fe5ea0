//! Login, challenges and subscriptions of a client device, against a scripted server.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
use actix::prelude::*;
use restante::{
    client::{ClientError, Config, Device, DeviceConfig, Host, Mode, Outcome, Outgoing},
    content::{
        deferred_list::{DeferredList, Entry},
        message_summary::{MessageSummary, TEXT_MESSAGE},
    },
    digest::{Algorithm, Challenge, Credentials, ha1},
    identity::Address,
    net::Shards,
    sip::{
        self,
        actor::{EndpointHandle, Incoming, Target},
        codec::{Builder, Message, Method, Name},
        dialog::Dialog,
        transaction::Peer,
    },
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// What the server does, and what it saw.
#[derive(Default)]
struct Script {
    /// The nonce in force.
    nonce: String,
    /// Lifetime granted to registrations, in seconds.
    granted: u32,
    /// What waits.
    list: DeferredList,
    requests: Vec<Message>,
}

type Shared = Arc<Mutex<Script>>;

/// A server that challenges everything with one nonce.
struct Server {
    script: Shared,
    endpoint: Arc<Mutex<Option<EndpointHandle>>>,
}

impl Actor for Server {
    type Context = Context<Self>;
}

impl Handler<Incoming> for Server {
    type Result = ();

    fn handle(&mut self, incoming: Incoming, _: &mut Self::Context) {
        let endpoint = self.endpoint.lock().unwrap().clone().unwrap();
        let mut script = self.script.lock().unwrap();
        let request = &incoming.request;
        script.requests.push(request.clone());
        if let Some(challenge) = challenge(&script, request) {
            return endpoint.respond(incoming.key, challenge);
        }
        match request.method().unwrap() {
            Method::Register => {
                let contact = request.value(Name::Contact).unwrap();
                let expires = match request.expires() {
                    Some(0) => 0,
                    _ => script.granted,
                };
                let response = Builder::response(request, 200)
                    .to_tag("r")
                    .header(Name::Contact, format!("{contact};expires={expires}"))
                    .header(Name::ServiceRoute, "<sip:route.example.com;lr>");
                endpoint.respond(incoming.key, response.build());
            }
            Method::Subscribe => {
                actix::spawn(notify(endpoint, incoming, script.list.clone()));
            }
            _ => endpoint.respond(
                incoming.key,
                Builder::response(request, 202).to_tag("m").build(),
            ),
        }
    }
}

/// The challenge a request still owes an answer to.
fn challenge(script: &Script, request: &Message) -> Option<Message> {
    let registers = request.is(&Method::Register);
    let (code, asks, answers) = match registers {
        true => (401, Name::WwwAuthenticate, Name::Authorization),
        false => (407, Name::ProxyAuthenticate, Name::ProxyAuthorization),
    };
    let given = request
        .value(answers)
        .and_then(|value| Credentials::parse(&value).ok());
    let secret = ha1(Algorithm::Sha256, "alice", "example.com", "wonder");
    let method = request.method().unwrap();
    let proven = given
        .as_ref()
        .is_some_and(|given| given.verify(method.as_str(), &secret));
    let fresh = given
        .as_ref()
        .is_some_and(|given| given.nonce == script.nonce);
    if proven && fresh {
        return None;
    }
    let mut challenge = Challenge::new("example.com", script.nonce.clone(), Algorithm::Sha256);
    challenge.stale = proven;
    let response = Builder::response(request, code).to_tag("c");
    Some(response.header(asks, challenge.to_string()).build())
}

async fn notify(endpoint: EndpointHandle, incoming: Incoming, list: DeferredList) {
    let request = &incoming.request;
    let tag = endpoint.new_tag();
    let expires = request.expires().unwrap().min(2);
    let ok = Builder::response(request, 200)
        .to_tag(&tag)
        .header(
            Name::Contact,
            format!("<sip:mailbox@{}>", endpoint.sent_by()),
        )
        .header(Name::Expires, expires.to_string());
    endpoint.respond(incoming.key, ok.build());
    if request.to().unwrap().tag().is_some() {
        return;
    }
    let mut dialog = Dialog::callee(request, &tag).unwrap();
    dialog.confirm(None).unwrap();
    let event = request.value(Name::Event).unwrap();
    let state = match expires {
        0 => "terminated;reason=timeout",
        _ => "active",
    };
    let (content_type, body) = match event.as_ref() {
        "message-summary" => {
            let count = u32::try_from(list.entries.len()).unwrap();
            let summary = MessageSummary::of_new("sip:alice@example.com", TEXT_MESSAGE, count);
            ("application/simple-message-summary", summary.to_bytes())
        }
        _ => ("application/vnd.oma.im.deferred-list+xml", list.to_bytes()),
    };
    let notify = dialog
        .request(Method::Notify)
        .header(
            Name::Contact,
            format!("<sip:mailbox@{}>", endpoint.sent_by()),
        )
        .header(Name::Event, event.as_ref())
        .header(Name::SubscriptionState, state)
        .body(content_type, body)
        .build();
    let answer = endpoint
        .exchange(notify, Target::Flow(incoming.source))
        .await
        .unwrap();
    assert_eq!(answer.code(), Some(200));
}

struct Scene {
    script: Shared,
    device: Device,
    _host: Host,
}

async fn scene(password: &str) -> Scene {
    let script = Shared::default();
    {
        let mut script = script.lock().unwrap();
        script.nonce = "n1".into();
        script.granted = 3600;
    }
    let endpoint = Arc::default();
    let server = Server {
        script: script.clone(),
        endpoint: Arc::clone(&endpoint),
    };
    let user = server.start().recipient();
    let config = sip::Config {
        listen: ([127, 0, 0, 1], 0).into(),
        ..sip::Config::default()
    };
    let user = move |_| user.clone();
    let handles = sip::actor::start(&Shards::current_only(), &config, None, user)
        .await
        .unwrap();
    let server = handles[0].local_addr();
    *endpoint.lock().unwrap() = Some(handles[0].clone());
    let host = Host::start(Config::default(), None).await.unwrap();
    let device = Device::new(
        &host,
        DeviceConfig {
            address: Address::parse("sip:alice@example.com").unwrap(),
            user: None,
            password: Some(password.into()),
            server: Peer::udp(server),
        },
    );
    Scene {
        script,
        device,
        _host: host,
    }
}

impl Scene {
    fn requests(&self, method: &Method) -> usize {
        let script = self.script.lock().unwrap();
        script
            .requests
            .iter()
            .filter(|request| request.is(method))
            .count()
    }

    fn last(&self) -> Message {
        self.script.lock().unwrap().requests.last().unwrap().clone()
    }

    async fn send(&self) -> Outcome {
        let mut outgoing = Outgoing::text(Address::parse("sip:bob@example.com").unwrap(), "hi");
        outgoing.mode = Mode::Pager;
        self.device.send(outgoing).await.unwrap().outcome
    }
}

#[actix::test]
async fn login_answers_the_challenge_and_later_requests_are_proven_at_once() {
    let scene = scene("wonder").await;
    let granted = scene
        .device
        .register(Duration::from_secs(7200))
        .await
        .unwrap();
    assert_eq!(granted, Duration::from_secs(3600));
    assert_eq!(scene.requests(&Method::Register), 2);

    assert_eq!(scene.send().await, Outcome::Stored);
    assert_eq!(
        scene.requests(&Method::Message),
        2,
        "the proxy challenges once"
    );
    let route = scene
        .last()
        .value(Name::Route)
        .map(|route| route.into_owned());
    assert_eq!(route.as_deref(), Some("<sip:route.example.com;lr>"));
    for count in 2..5 {
        assert_eq!(scene.send().await, Outcome::Stored);
        let value = scene
            .last()
            .value(Name::ProxyAuthorization)
            .unwrap()
            .into_owned();
        assert_eq!(Credentials::parse(&value).unwrap().count, Some(count));
    }
    assert_eq!(scene.requests(&Method::Message), 5);

    scene.device.unregister().await.unwrap();
    assert_eq!(scene.last().expires(), Some(0));
    assert_eq!(scene.requests(&Method::Register), 3);
}

#[actix::test]
async fn stale_nonce_costs_one_more_round() {
    let scene = scene("wonder").await;
    scene
        .device
        .register(Duration::from_secs(60))
        .await
        .unwrap();
    scene.script.lock().unwrap().nonce = "n2".into();
    scene
        .device
        .register(Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(scene.requests(&Method::Register), 4);
}

#[actix::test]
async fn wrong_password_is_told_after_two_rounds() {
    let scene = scene("looking-glass").await;
    let error = scene
        .device
        .register(Duration::from_secs(60))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ClientError::Unauthorized { code: 401 }),
        "{error}"
    );
    assert_eq!(scene.requests(&Method::Register), 2);
}

#[actix::test]
async fn login_is_refreshed_before_it_ends() {
    let scene = scene("wonder").await;
    scene.script.lock().unwrap().granted = 2;
    scene
        .device
        .register(Duration::from_secs(60))
        .await
        .unwrap();
    timeout(PATIENCE, async {
        while scene.requests(&Method::Register) < 4 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
    let script = scene.script.lock().unwrap();
    let registers = script
        .requests
        .iter()
        .filter(|request| request.is(&Method::Register));
    let calls: std::collections::HashSet<_> = registers
        .map(|request| request.call_id().into_owned())
        .collect();
    assert_eq!(calls.len(), 1, "all in one call");
}

#[actix::test]
async fn waiting_messages_are_counted_and_listed() {
    let scene = scene("wonder").await;
    let entry = |reference: &str| Entry {
        reference: reference.into(),
        size: Some(5),
        ..Entry::default()
    };
    let list = DeferredList {
        entries: vec![entry("m1"), entry("m2")],
        ..DeferredList::default()
    };
    scene.script.lock().unwrap().list = list.clone();
    assert_eq!(scene.device.deferred_list().await.unwrap(), list);
    assert_eq!(scene.device.summary().await.unwrap().new_messages(), 2);

    let mut summaries = scene.device.watch_summary().await.unwrap();
    let summary = timeout(PATIENCE, summaries.next()).await.unwrap().unwrap();
    assert!(summary.waiting);
    let before = scene.requests(&Method::Subscribe);
    timeout(PATIENCE, async {
        while scene.requests(&Method::Subscribe) == before {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
    let refresh = scene.last();
    assert!(
        refresh.to().unwrap().tag().is_some(),
        "refreshed in its dialog"
    );
    assert!(refresh.uri_text().contains("mailbox@"));
}

#[actix::test]
async fn deletion_names_the_messages_to_the_function() {
    let scene = scene("wonder").await;
    scene
        .device
        .deferred_delete(&["m1".to_owned(), "m2".to_owned()])
        .await
        .unwrap();
    let request = scene.last();
    assert_eq!(request.uri_text(), "sip:delete@example.com");
    let list = DeferredList::parse(request.body()).unwrap();
    assert_eq!(list.references().collect::<Vec<_>>(), ["m1", "m2"]);
}
