//! The admin API of the real server: what its OpenAPI document promises, it keeps.
#[path = "admin_api/document.rs"]
mod document;
mod harness;

use document::Document;
use harness::{
    Server, eventually,
    user::{User, assert_is, message, noise},
};
use restante::client::Mode;
use serde_json::{Value, json};
use std::{
    process::{Command, Output},
    time::Duration,
};

const BOB: &str = "/api/v1/subscribers/sip:bob@localhost";

/// A server with Alice and Bob, and one message from her that waits for him.
fn server_with_a_message() -> Server {
    let server = Server::start()
        .subscriber("alice", "wonder")
        .subscriber("bob", "builder");
    send(&server, "first");
    server
}

/// Alice sends Bob a message, and it is stored.
fn send(server: &Server, message_id: &str) {
    let sent = try_to_send(server, message_id);
    assert!(sent.status.success(), "{sent:?}");
}

/// Alice sends Bob a message.
fn try_to_send(server: &Server, message_id: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_restante"))
        .env("RESTANTE_SERVER", server.sip().to_string())
        .args(["send", "--from", "alice", "--password", "wonder"])
        .args(["--to", "bob", "--text", "hello", "--message-id", message_id])
        .output()
        .expect("the program starts")
}

#[test]
fn program_and_server_give_the_same_document() {
    let server = Server::start();
    let printed = Command::new(env!("CARGO_BIN_EXE_restante"))
        .arg("openapi")
        .output()
        .expect("the program starts");
    let printed: Value = serde_json::from_slice(&printed.stdout).expect("JSON");
    let (status, served) = server.order("GET", "/api/v1/openapi.json", None, false);
    assert_eq!(status, 200);
    assert_eq!(printed, served);
    assert_eq!(served["openapi"], "3.1.0");
}

#[test]
fn every_documented_operation_answers_and_no_other_does() {
    let server = server_with_a_message();
    let document = Document::of(&server);
    for path in document.paths() {
        let real = path
            .replace("{address}", "sip:bob@localhost")
            .replace("{group}", "sip:team@localhost")
            .replace("{member}", "sip:bob@localhost")
            .replace("{sequence}", "999")
            .replace("{id}", "first");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] {
            let (status, answer) = server.order(method, &real, Some(&json!({})), true);
            let told = format!("{method} {real}: {status} {answer}");
            if !document.has(path, method) {
                assert_eq!(status, 405, "{told}");
                continue;
            }
            assert_ne!(status, 405, "{told}");
            assert_ne!(answer["error"], "no_such_path", "{told}");
            assert!(document.statuses(path, method).contains(&status), "{told}");
            let (without, _) = server.order(method, &real, None, false);
            let is_open = document.is_open(path, method);
            assert_eq!(without == 401, !is_open, "{told}, without token {without}");
        }
    }
    let (status, answer) = server.order("GET", "/api/v1/nothing", None, true);
    assert_eq!(
        (status, &answer["error"]),
        (404, &json!("no_such_path")),
        "{answer}"
    );
}

#[test]
fn answers_have_the_shape_which_the_document_gives_them() {
    let server = server_with_a_message();
    let document = Document::of(&server);
    let new = json!({ "address": "sip:carol@localhost", "password": "x", "handing": "hold" });
    let change = json!({ "handing": "notify-only", "class": "default" });
    let password = json!({ "password": "other" });
    let queue = "/api/v1/queues/{address}";
    let subscriber = "/api/v1/subscribers/{address}";
    let set_password = "/api/v1/subscribers/{address}/password";
    for (method, path, order, status) in [
        ("GET", "/api/v1/subscribers", None, 200),
        ("POST", "/api/v1/subscribers", Some(&new), 201),
        ("POST", "/api/v1/subscribers", Some(&new), 409),
        ("POST", "/api/v1/subscribers", Some(&password), 400),
        ("GET", subscriber, None, 200),
        ("PATCH", subscriber, Some(&change), 200),
        ("PUT", set_password, Some(&password), 200),
        ("GET", "/api/v1/classes", None, 200),
        ("GET", "/api/v1/queues", None, 200),
        ("GET", queue, None, 200),
        ("GET", "/api/v1/queues/{address}/{sequence}", None, 200),
        ("GET", "/api/v1/messages/{id}", None, 200),
        ("GET", "/api/v1/store", None, 200),
        ("GET", "/api/v1/store/job", None, 404),
        ("POST", "/api/v1/store/compact", None, 202),
        ("GET", "/api/v1/store/job", None, 200),
        ("DELETE", "/api/v1/queues/{address}/{sequence}", None, 200),
        ("DELETE", "/api/v1/queues/{address}/{sequence}", None, 404),
        ("DELETE", "/api/v1/messages/{id}", None, 200),
        ("DELETE", queue, None, 200),
        ("DELETE", subscriber, None, 200),
        ("GET", subscriber, None, 404),
    ] {
        let real = path
            .replace("{address}", "sip:bob@localhost")
            .replace("{sequence}", "1")
            .replace("{id}", "first");
        if let Some(order) = order {
            let unfit = document.unfit_order(path, method, order);
            assert_eq!(
                unfit.is_empty(),
                status != 400,
                "{method} {path}: {unfit:?}"
            );
        }
        let (got, answer) = server.order(method, &real, order, true);
        assert_eq!(got, status, "{method} {real}: {answer}");
        let unfit = document.unfit_answer(path, method, status, &answer);
        assert!(unfit.is_empty(), "{method} {real}: {unfit:?} in {answer}");
    }
}

#[test]
fn settings_of_a_subscriber_survive_a_restart() {
    let mut server = Server::with("deferred.classes.gold.max_messages", 5)
        .start()
        .subscriber("bob", "builder");
    let (_, bob) = server.get(BOB);
    assert_eq!(
        (&bob["class"], &bob["handing"], &bob["deferral"]),
        (&json!("default"), &json!("deliver"), &json!(true))
    );
    for (change, status, handing) in [
        (json!({ "class": "gold" }), 200, "deliver"),
        (json!({ "handing": "notify-only" }), 200, "notify-only"),
        (json!({ "deferral": false }), 200, "notify-only"),
        (json!({ "handing": "later" }), 400, "notify-only"),
        (json!({ "class": "none-such" }), 400, "notify-only"),
        (json!({ "holding": "hold" }), 400, "notify-only"),
        (json!({ "handing": "hold", "deferral": true }), 200, "hold"),
    ] {
        let (got, answer) = server.order("PATCH", BOB, Some(&change), true);
        assert_eq!(got, status, "{change}: {answer}");
        assert_eq!(server.get(BOB).1["handing"], handing, "{change}");
    }
    server.kill9();
    server.restart();
    let (_, bob) = server.get(BOB);
    assert_eq!(
        (&bob["handing"], &bob["deferral"]),
        (&json!("hold"), &json!(true))
    );
    assert_eq!(bob["class"], "gold");
}

#[actix::test]
async fn mailbox_that_is_held_no_longer_goes_out_at_once() {
    let server = Server::start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret");
    let hold = json!({ "handing": "hold" });
    assert_eq!(server.order("PATCH", BOB, Some(&hold), true).0, 200);
    let alice = User::of(&server, "alice").await;
    let sent = alice.device.send(message(&noise(5_000), Mode::Channel));
    let sent = sent.await.expect("an outcome");
    let mut bob = User::of(&server, "bob").await.log_in().await;
    bob.nothing_more().await;
    let deliver = json!({ "handing": "deliver" });
    assert_eq!(server.order("PATCH", BOB, Some(&deliver), true).0, 200);
    assert_is(&bob.next().await, &noise(5_000), &sent.message_id);
}

#[test]
fn class_of_a_subscriber_bounds_the_mailbox() {
    let server = Server::with("deferred.max_messages", 2)
        .with("deferred.max_share", 100)
        .with("deferred.classes.gold.max_messages", 3)
        .with("deferred.classes.ticker.when_full", "drop_oldest")
        .start()
        .subscriber("alice", "wonder")
        .subscriber("bob", "builder");
    let (_, classes) = server.get("/api/v1/classes");
    let named = |name: &str| {
        let classes = classes.as_array().expect("a list").iter();
        let mut found = classes.filter(|class| class["class"] == name);
        found.next().expect("such a class").clone()
    };
    assert_eq!(named("default")["max_messages"], 2);
    assert_eq!(named("gold")["max_messages"], 3);
    assert_eq!(named("ticker")["when_full"], "drop_oldest");

    for (class, message_id, is_stored) in [
        ("default", "one", true),
        ("default", "two", true),
        ("default", "three", false),
        ("gold", "three", true),
        ("gold", "four", false),
        ("ticker", "four", true),
    ] {
        let change = json!({ "class": class });
        let (status, answer) = server.order("PATCH", BOB, Some(&change), true);
        assert_eq!(status, 200, "{answer}");
        let sent = try_to_send(&server, message_id);
        assert_eq!(
            sent.status.success(),
            is_stored,
            "{class} {message_id}: {sent:?}"
        );
    }
    let (_, mailbox) = server.get("/api/v1/queues/sip:bob@localhost");
    let items = mailbox["items"].as_array().expect("a list").iter();
    let ids: Vec<_> = items.map(|item| item["message_id"].clone()).collect();
    assert_eq!(mailbox["limits"]["class"], "ticker");
    assert!(!ids.contains(&json!("one")), "the oldest is gone: {ids:?}");
    assert_eq!(ids.last(), Some(&json!("four")), "{ids:?}");
}

#[test]
fn one_message_is_found_by_its_identifier_and_removed_alone() {
    let server = server_with_a_message();
    send(&server, "second");
    let (_, queues) = server.get("/api/v1/queues");
    assert_eq!(queues["messages"], 2);
    assert_eq!(queues["octets"], queues["items"][0]["octets"]);

    let (_, message) = server.get("/api/v1/messages/first");
    assert_eq!(message["waiting"][0]["recipient"], "sip:bob@localhost");
    assert_eq!(message["waiting"][0]["kind"], "message");
    let (_, removed) = server.delete("/api/v1/messages/first?recipient=sip:carol@localhost");
    assert_eq!(removed, json!({ "messages": 0 }));
    let (_, removed) = server.delete("/api/v1/messages/first");
    assert_eq!(removed, json!({ "messages": 1 }));
    let (_, message) = server.get("/api/v1/messages/first");
    assert_eq!(message["waiting"], json!([]));
    let last = message["steps"].as_array().and_then(|steps| steps.last());
    assert_eq!(last.expect("a step")["reason"], "deleted by an operator");

    let (_, mailbox) = server.get("/api/v1/queues/sip:bob@localhost");
    assert_eq!(mailbox["count"], 1);
    assert_eq!(mailbox["octets"], mailbox["items"][0]["size"]);
    assert_eq!(mailbox["limits"]["class"], "default");
    assert_eq!(mailbox["limits"]["max_messages"], 1000);
    assert_eq!(mailbox["items"][0]["message_id"], "second");
    let sequence = mailbox["items"][0]["sequence"].as_u64().expect("a number");
    let entry = format!("/api/v1/queues/sip:bob@localhost/{sequence}");
    let (status, removed) = server.delete(&entry);
    assert_eq!((status, &removed["message_id"]), (200, &json!("second")));
    let (status, refusal) = server.delete(&entry);
    assert_eq!((status, &refusal["error"]), (404, &json!("not_waiting")));
}

#[test]
fn copy_of_the_store_is_a_server_again() {
    let server = server_with_a_message();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("today.backup");
    let order = json!({ "file": file });
    let backup = "/api/v1/store/backup";
    let (status, job) = server.order("POST", backup, Some(&order), true);
    assert_eq!(status, 202, "{job}");
    let job = ended(&server);
    assert_eq!(job["state"], "done", "{job}");
    let (status, refusal) = server.order("POST", backup, Some(&order), true);
    assert_eq!((status, &refusal["error"]), (400, &json!("backup_file")));
    // what comes later is not in the copy
    send(&server, "second");
    let (status, job) = server.order("POST", "/api/v1/store/verify", None, true);
    assert_eq!((status, &job["kind"]), (202, &json!("verify")));
    let job = ended(&server);
    assert_eq!(job["state"], "done", "{job}");
    let report = job["report"].as_str().expect("a report");
    assert!(report.ends_with("all sound"), "{report}");

    let data = folder.path().join("copy");
    let restore = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_restante"));
        command.arg("--data").arg(&data);
        command.args(["store", "restore"]).arg(&file);
        command.output().expect("the program starts")
    };
    let restored = restore();
    assert!(restored.status.success(), "{restored:?}");
    let refused = restore();
    assert!(
        !refused.status.success(),
        "nothing is written over: {refused:?}"
    );
    let said = Command::new(env!("CARGO_BIN_EXE_restante"))
        .env("RESTANTE_HTTP__LISTEN", "127.0.0.1:1")
        .arg("--data")
        .arg(&data)
        .args(["queue", "show", "bob", "--json"])
        .output()
        .expect("the program starts");
    let items: Value = serde_json::from_slice(&said.stdout).expect("JSON");
    assert_eq!(items[0]["message_id"], "first", "{items}");
    assert_eq!(items.as_array().map(Vec::len), Some(1), "{items}");
}

/// The job on the store, once it has ended.
fn ended(server: &Server) -> Value {
    let job = || server.get("/api/v1/store/job").1;
    assert!(eventually(Duration::from_secs(30), || job()["state"] != "running"));
    job()
}

#[test]
fn store_is_compacted_while_it_serves() {
    let server = server_with_a_message();
    let (_, store) = server.get("/api/v1/store");
    assert_eq!(store["messages"], 1, "{store}");
    assert!(store["octets"].as_u64() > Some(0), "{store}");
    let (status, job) = server.order("POST", "/api/v1/store/compact", None, true);
    assert_eq!((status, &job["kind"]), (202, &json!("compact")), "{job}");
    let job = ended(&server);
    assert_eq!(job["state"], "done", "{job}");
    assert_eq!(job["done"], job["total"], "{job}");
    let (_, message) = server.get("/api/v1/messages/first");
    assert_eq!(message["waiting"][0]["message_id"], "first");
}
