use super::*;
use crate::{
    clock,
    controlling::{self, Groups},
    deferred::{self, Deferred, Facts},
    http::State,
    identity::Address,
    policy::{Settings, Standing},
    sip_core::{self, Location, Subscribers},
    store::{self, Handle, Memory},
};
use bytes::Bytes;
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

/// A port in service over a store in memory.
struct Fixture {
    server: Server,
    ports: Ports,
    _folder: TempDir,
}

impl Fixture {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = ports(folder.path()).await;
        let server = start(&on_free_port(), ports.clone()).unwrap();
        Self {
            server,
            ports,
            _folder: folder,
        }
    }

    /// Status and text of a GET without a token.
    async fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, None, Value::Null).await
    }

    /// Status and document of an order to the admin API.
    async fn order(&self, method: &str, path: &str, document: Value) -> (u16, Value) {
        let token = self.ports.token.as_str().to_owned();
        let path = format!("/api/v1{path}");
        let (status, text) = self.ask(method, &path, Some(token), document).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Asks from a thread of its own, as ureq blocks.
    async fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<String>,
        document: Value,
    ) -> (u16, String) {
        let url = format!("http://{}{path}", self.server.address());
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let body = if document.is_null() {
            String::new()
        } else {
            document.to_string()
        };
        let request = request
            .header("Content-Type", "application/json")
            .body(body)
            .unwrap();
        let answer = tokio::task::spawn_blocking(move || {
            let agent: ureq::Agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .allow_non_standard_methods(true)
                .build()
                .into();
            let mut answer = agent.run(request).unwrap();
            let text = answer.body_mut().read_to_string().unwrap();
            (answer.status().as_u16(), text)
        });
        answer.await.unwrap()
    }

    /// Keeps a message of Alice's for Bob.
    async fn store(&self, message_id: &str, content: &'static [u8]) {
        let (alice, bob) = (address("alice"), address("bob"));
        let facts = Facts::new(alice, bob, message_id);
        let content = Bytes::from_static(content);
        let stored = self.ports.services.deferred.accept(facts, content).await;
        assert!(!stored.unwrap().duplicate);
    }
}

async fn ports(folder: &Path) -> Ports {
    let engine = Arc::new(Memory::default());
    let config = store::Config::default();
    let (handle, _threads) = Handle::start(engine, &config, store::abort()).unwrap();
    Ports {
        render_metrics: Arc::new(|| "restante_things_total 7\n".into()),
        readiness: Readiness::default(),
        token: AdminToken::load_or_make(folder).unwrap(),
        services: services(handle).await,
    }
}

async fn services(store: Handle) -> Services {
    let directory: deferred::Directory =
        Arc::new(|_, _| Ok(Standing::Accepts(Settings::default())));
    let config = deferred::Config::default();
    Services {
        subscribers: Subscribers::new(store.clone(), &sip_core::Config::default()),
        location: Location::open(store.clone(), 1).await.unwrap(),
        deferred: Deferred::open(store.clone(), config, directory)
            .await
            .unwrap(),
        groups: Groups::open(store.clone(), controlling::Config::default(), Vec::new())
            .await
            .unwrap(),
        store,
        jobs: crate::http::Jobs::default(),
    }
}

fn on_free_port() -> Config {
    Config {
        listen: ([127, 0, 0, 1], 0).into(),
    }
}

fn address(user: &str) -> Address {
    Address::parse(&format!("sip:{user}@localhost")).unwrap()
}

fn new(user: &str) -> Value {
    json!({ "address": format!("sip:{user}@localhost"), "password": "secret" })
}

#[actix_rt::test]
async fn readiness_follows_the_life_of_the_process() {
    let fixture = Fixture::start().await;
    assert_eq!(fixture.get("/health/live").await.0, 200);
    for (state, status) in [
        (State::Starting, 503),
        (State::Ready, 200),
        (State::Draining, 503),
    ] {
        fixture.ports.readiness.set(state);
        assert_eq!(fixture.get("/health/ready").await.0, status, "{state:?}");
    }
}

#[actix_rt::test]
async fn metrics_are_open_and_the_admin_api_wants_its_token() {
    let fixture = Fixture::start().await;
    let (status, text) = fixture.get("/metrics").await;
    assert_eq!((status, text.as_str()), (200, "restante_things_total 7\n"));
    let path = "/api/v1/subscribers";
    assert_eq!(fixture.get(path).await.0, 401);
    let stranger = Some("wrong".to_owned());
    assert_eq!(fixture.ask("GET", path, stranger, Value::Null).await.0, 401);
    assert_eq!(
        fixture.order("GET", "/subscribers", Value::Null).await.0,
        200
    );
}

#[actix_rt::test]
async fn taken_port_is_refused_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let config = Config {
        listen: taken.local_addr().unwrap(),
    };
    let Err(error) = start(&config, ports(folder.path()).await) else {
        panic!("the port is taken")
    };
    assert!(error.to_string().contains("`http.listen`"), "{error}");
}

#[actix_rt::test]
async fn subscriber_is_added_once_shown_changed_and_removed() {
    let fixture = Fixture::start().await;
    let (status, added) = fixture.order("POST", "/subscribers", new("bob")).await;
    assert_eq!(
        (status, &added["address"]),
        (201, &json!("sip:bob@localhost"))
    );
    let (status, refusal) = fixture.order("POST", "/subscribers", new("bob")).await;
    assert_eq!((status, &refusal["error"]), (409, &json!("exists")));

    let path = "/subscribers/sip%3Abob%40localhost";
    let (status, shown) = fixture.order("GET", path, Value::Null).await;
    assert_eq!((status, &shown["deferral"]), (200, &json!(true)));
    assert!(!shown.to_string().contains("secret"));

    let password = format!("{path}/password");
    let changed = fixture
        .order("PUT", &password, json!({ "password": "other" }))
        .await;
    assert_eq!(changed.0, 200);
    let (status, refusal) = fixture
        .order("PUT", &password, json!({ "password": "" }))
        .await;
    assert_eq!((status, &refusal["error"]), (400, &json!("empty_password")));

    assert_eq!(fixture.order("DELETE", path, Value::Null).await.0, 200);
    let (status, refusal) = fixture.order("GET", path, Value::Null).await;
    assert_eq!(
        (status, &refusal["error"]),
        (404, &json!("unknown_subscriber"))
    );
}

#[actix_rt::test]
async fn unusable_orders_say_what_is_wrong() {
    let fixture = Fixture::start().await;
    let foreign = json!({ "address": "sip:eve@elsewhere.example", "password": "x" });
    for (method, path, document, status, error) in [
        ("POST", "/subscribers", foreign, 400, "foreign_domain"),
        (
            "POST",
            "/subscribers",
            json!({ "adress": "x" }),
            400,
            "unreadable",
        ),
        (
            "GET",
            "/subscribers/nobody",
            Value::Null,
            400,
            "bad_address",
        ),
        (
            "GET",
            "/subscribers?limit=many",
            Value::Null,
            400,
            "unreadable",
        ),
        (
            "GET",
            "/queues/sip:bob@localhost?after=x",
            Value::Null,
            400,
            "bad_page",
        ),
        (
            "GET",
            "/messages/unheard-of",
            Value::Null,
            404,
            "unknown_message",
        ),
        ("GET", "/nothing", Value::Null, 404, "no_such_path"),
    ] {
        let (got, refusal) = fixture.order(method, path, document).await;
        assert_eq!(
            (got, &refusal["error"]),
            (status, &json!(error)),
            "{method} {path}"
        );
    }
}

#[actix_rt::test]
async fn long_list_comes_in_pages() {
    let fixture = Fixture::start().await;
    for number in 0..5 {
        let added = fixture
            .order("POST", "/subscribers", new(&format!("user{number}")))
            .await;
        assert_eq!(added.0, 201);
    }
    let mut seen = Vec::new();
    let mut path = "/subscribers?limit=2".to_owned();
    loop {
        let (_, page) = fixture.order("GET", &path, Value::Null).await;
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["address"].to_string()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/subscribers?limit=2&after={next}");
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
    assert!(seen.is_sorted(), "{seen:?}");
}

#[actix_rt::test]
async fn queue_is_listed_shown_traced_and_purged() {
    let fixture = Fixture::start().await;
    fixture.store("first", b"one").await;
    fixture.store("second", b"two!").await;

    let (_, queues) = fixture.order("GET", "/queues", Value::Null).await;
    let expected =
        json!([{ "recipient": "sip:bob@localhost", "count": 2, "octets": 7, "notifications": 0 }]);
    assert_eq!(queues["items"], expected);

    let path = "/queues/sip:bob@localhost";
    let (_, queue) = fixture
        .order("GET", &format!("{path}?limit=1"), Value::Null)
        .await;
    assert_eq!(queue["items"][0]["message_id"], "first");
    let next = format!("{path}?after={}", queue["next"].as_str().unwrap());
    let (_, queue) = fixture.order("GET", &next, Value::Null).await;
    assert_eq!(queue["items"][0]["message_id"], "second");
    assert_eq!(queue["items"][0]["state"], "stored");

    let (_, purged) = fixture.order("DELETE", path, Value::Null).await;
    assert_eq!(purged, json!({ "messages": 2 }));
    let (_, queues) = fixture.order("GET", "/queues", Value::Null).await;
    assert_eq!(queues["items"], json!([]));

    let (_, trace) = fixture.order("GET", "/messages/first", Value::Null).await;
    let last = trace["steps"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["state"], "revoked");
    assert_eq!(last["reason"], "purged by an operator");
    let at = last["at"].as_str().unwrap();
    assert!(clock::Timestamp::parse_rfc3339(at).is_ok(), "{at}");
}
