//! One message followed through all servers: spans as a collector of traces gets them, and lines of
//! the log.
#[path = "trails/collector.rs"]
mod collector;
mod harness;

use collector::{Collector, Seen};
use harness::{
    Server, eventually,
    network::{Plan, message_to},
    user::{User, message, noise},
};
use restante::{
    client::{Mode, Outcome},
    trail,
};
use serde_json::Value;
use std::{collections::BTreeSet, path::Path, process::Command, time::Duration};

const ALICE: &str = "alice@a.example";
const BOB: &str = "bob@b.example";
const PATIENCE: Duration = Duration::from_secs(20);

/// The one span of `node` that is called `name` and has these attributes.
fn span<'a>(spans: &'a [Seen], node: &str, name: &str, attributes: &[(&str, &str)]) -> &'a Seen {
    let is_it = |span: &&Seen| {
        let mut wanted = attributes.iter();
        span.node == node
            && span.name == name
            && wanted.all(|(key, value)| span.attribute(key) == Some(value))
    };
    let found: Vec<_> = spans.iter().filter(is_it).collect();
    match found[..] {
        [one] => one,
        _ => panic!(
            "{} of {node} {name} {attributes:?} in {spans:#?}",
            found.len()
        ),
    }
}

/// The servers of `plan`, all of which export to `collector`.
fn traced(mut plan: Plan, collector: &Collector) -> Plan {
    for node in ["PF-A", "PF-B", "C"] {
        plan = plan.with(node, "otlp.endpoint", collector.endpoint()).with(
            node,
            "otlp.every",
            "100ms",
        );
    }
    plan
}

#[actix::test]
async fn call_and_message_are_traces_across_servers_and_are_linked() {
    let collector = Collector::start();
    let network = traced(Plan::shape_b(), &collector).start();
    network.subscribe(&[ALICE, BOB]);
    let alice = network.device(ALICE).await.log_in().await;
    let sent = alice.device.send(message_to(BOB, &noise(5_000)));
    let sent = sent.await.expect("an outcome");
    assert_eq!(sent.outcome, Outcome::Stored);
    let id = sent.message_id.as_str();
    let mut bob = network.device(BOB).await.log_in().await;
    assert_eq!(bob.next().await.message_id, id);

    let ended = |span: &Seen| span.name == "end" && span.attribute("message_id") == Some(id);
    let told = || {
        let spans = collector.spans();
        spans.iter().any(ended)
            && spans
                .iter()
                .filter(|span| span.name == "SIP INVITE")
                .count()
                >= 5
    };
    assert!(eventually(PATIENCE, told), "{:#?}", collector.spans());
    let spans = collector.spans();

    // the call, from server to server
    let between = [
        ("sender", "sip:alice@a.example"),
        ("recipient", "sip:bob@b.example"),
    ];
    let [first, second, third] =
        ["PF-A", "PF-B", "C"].map(|node| span(&spans, node, "SIP INVITE", &between));
    assert_eq!(first.parent, "");
    assert_eq!((&second.trace, &second.parent), (&first.trace, &first.span));
    assert_eq!((&third.trace, &third.parent), (&first.trace, &second.span));
    assert_eq!(third.attribute("code"), Some("200"));

    // the message, wherever it is kept and handed over
    let trace = format!("{:032x}", trail::trace_id(id));
    let kept = span(&spans, "C", "keep", &[("message_id", id)]);
    assert_eq!(
        (&kept.trace, kept.attribute("state")),
        (&trace, Some("stored"))
    );
    assert_eq!(kept.links, [(third.trace.clone(), third.span.clone())]);
    assert!(third.links.contains(&(trace.clone(), kept.span.clone())));
    let handed = span(&spans, "C", "hand over", &[("message_id", id)]);
    assert_eq!(
        (&handed.trace, handed.attribute("state")),
        (&trace, Some("arrived"))
    );
    let end = span(&spans, "C", "end", &[("message_id", id)]);
    assert_eq!(
        (&end.trace, end.attribute("state")),
        (&trace, Some("confirmed"))
    );
    assert!(kept.start < handed.start && handed.start < end.start);
}

#[actix::test]
async fn call_that_servers_only_pass_on_is_one_trace_too() {
    let collector = Collector::start();
    let plan = Plan::shape_b().proxying("PF-A").proxying("PF-B");
    let network = traced(plan, &collector).start();
    network.subscribe(&[ALICE, BOB]);
    let alice = network.device(ALICE).await.log_in().await;
    let sent = alice.device.send(message_to(BOB, &noise(5_000)));
    assert_eq!(sent.await.expect("an outcome").outcome, Outcome::Stored);
    // a call's span ends with it
    alice.vanish();
    let between = [
        ("sender", "sip:alice@a.example"),
        ("recipient", "sip:bob@b.example"),
    ];
    let is_call = |span: &Seen| span.name == "SIP INVITE" && span.attribute("sender").is_some();
    let told = || {
        collector
            .spans()
            .iter()
            .filter(|span| is_call(span))
            .count()
            == 3
    };
    assert!(eventually(PATIENCE, told), "{:#?}", collector.spans());
    let spans = collector.spans();
    let [first, second, third] =
        ["PF-A", "PF-B", "C"].map(|node| span(&spans, node, "SIP INVITE", &between));
    assert_eq!((&second.trace, &second.parent), (&first.trace, &first.span));
    assert_eq!((&third.trace, &third.parent), (&first.trace, &second.span));
}

#[actix::test]
async fn nothing_is_said_of_traces_where_none_are_exported() {
    let network = Plan::shape_b().start();
    network.subscribe(&[ALICE, BOB]);
    let alice = network.device(ALICE).await.log_in().await;
    let sent = alice.device.send(message_to(BOB, &noise(100)));
    assert_eq!(sent.await.expect("an outcome").outcome, Outcome::Stored);
    let wire = network.node("C").data().join("trace.jsonl");
    let wire = std::fs::read_to_string(wire).expect("the trace of C");
    assert!(wire.contains("INVITE sip:bob@b.example"));
    assert!(!wire.contains("Traceparent"));
}

#[actix::test]
async fn lines_of_the_log_follow_a_message_by_its_id() {
    let server = Server::with("log.filter", "info,restante::trail=debug")
        .with("log.format", "json")
        .with("server.node", "PF-A")
        .start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret");
    let alice = User::of(&server, "alice").await.log_in().await;
    let sent = alice.device.send(message(&noise(100), Mode::Channel));
    let id = sent.await.expect("an outcome").message_id;
    let mut bob = User::of(&server, "bob").await.log_in().await;
    assert_eq!(bob.next().await.message_id, id);

    let states = || -> Vec<String> {
        let log = server.log();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let ours = lines.filter(|line: &Value| line["message_id"] == *id);
        let told = ours.map(|line| {
            assert_eq!(line["node"], "PF-A");
            assert_eq!(line["sender"], "sip:alice@localhost");
            assert_eq!(line["recipient"], "sip:bob@localhost");
            format!("{}: {}", line["message"], line["state"])
        });
        told.collect()
    };
    let all = [
        r#""received": null"#,
        r#""keep": "stored""#,
        r#""hand over": "arrived""#,
        r#""end": "confirmed""#,
    ];
    assert!(eventually(PATIENCE, || states() == all), "{}", server.log());
}

#[actix::test]
async fn picture_of_one_message_is_drawn_from_the_files_of_all_servers() {
    let nodes = ["PF-A", "PF-B", "C"];
    let mut plan = Plan::shape_b();
    for node in nodes {
        plan = plan
            .with(node, "log.filter", "info,restante::trail=debug")
            .with(node, "log.format", "json");
    }
    let network = plan.start();
    network.subscribe(&[ALICE, BOB]);
    let alice = network.device(ALICE).await.log_in().await;
    let mut ids = Vec::new();
    for octets in [5_000, 6_000] {
        let sent = alice.device.send(message_to(BOB, &noise(octets))).await;
        ids.push(sent.expect("an outcome").message_id);
    }
    let mut bob = network.device(BOB).await.log_in().await;
    for id in &ids {
        assert_eq!(&bob.next().await.message_id, id);
    }
    let c = network.node("C");
    let is_over = || c.log().matches("\"message\":\"end\"").count() == 2;
    assert!(eventually(PATIENCE, is_over), "{}", c.log());

    let ask = |data: &Path, more: &[&str]| {
        let file = |node: &&str, name: &str| network.node(node).data().join(name);
        let output = Command::new(env!("CARGO_BIN_EXE_restante"))
            .env_clear()
            .env("RESTANTE_HTTP__LISTEN", c.http().to_string())
            .arg("--data")
            .arg(data)
            .args(["trace", &ids[1]])
            .args(more)
            .arg("--wire")
            .args(nodes.iter().map(|node| file(node, "trace.jsonl")))
            .arg("--log")
            .args(nodes.iter().map(|node| network.node(node).log_file()))
            .output()
            .expect("the program starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).expect("text")
    };
    let drawn = ask(c.data(), &[]);
    let poles = drawn
        .lines()
        .find(|line| line.contains("PF-A"))
        .expect("a heading");
    let poles: Vec<_> = poles.split_whitespace().collect();
    assert_eq!(poles, ["alice", "PF-A", "PF-B", "C", "bob"], "{drawn}");
    // as long as the digits of the date in its wrapper made it
    let (_, received) = drawn
        .split_once(&format!("C: received msrp_message_id={} octets=", ids[1]))
        .unwrap_or_else(|| panic!("{drawn}"));
    let octets = received.split_whitespace().next().expect("a count");
    // the life is told in milliseconds, the rest in microseconds
    for part in [
        &format!("store: stored for sip:bob@b.example: {octets} octets on disk"),
        "store: confirmed for sip:bob@b.example",
    ] {
        assert!(drawn.contains(part), "{part}: {drawn}");
    }
    let mut rest = drawn.as_str();
    for part in [
        "INVITE bob",
        "SEND 100 %",
        "C: keep reason=on disk recipient=sip:bob@b.example state=stored",
        "INVITE bob",
        "C: hand over reason=the receiver has it",
        "C: end reason=removed",
    ] {
        let (_, behind) = rest
            .split_once(part)
            .unwrap_or_else(|| panic!("{part}: {drawn}"));
        rest = behind;
    }
    assert!(!drawn.contains(&ids[0]), "{drawn}");

    // files alone, on a machine where nobody serves
    let elsewhere = tempfile::tempdir().expect("a folder");
    let told: Value = serde_json::from_str(&ask(elsewhere.path(), &["--json"])).expect("JSON");
    assert_eq!(told["message_id"], *ids[1]);
    assert_eq!(
        told["trace_id"],
        format!("{:032x}", trail::trace_id(&ids[1]))
    );
    let nodes_of = |list: &str| -> BTreeSet<String> {
        let list = told[list].as_array().expect("a list").iter();
        list.map(|one| one["node"].as_str().expect("a node").to_owned())
            .collect()
    };
    assert_eq!(nodes_of("wire"), nodes.map(String::from).into());
    assert!(nodes_of("log").contains("C"));
}

#[actix::test]
async fn collector_that_is_away_costs_spans_only() {
    let collector = Collector::start();
    let server = Server::with("otlp.endpoint", collector.endpoint())
        .with("otlp.every", "50ms")
        .start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret");
    collector.refuse();
    let alice = User::of(&server, "alice").await.log_in().await;
    let sent = alice.device.send(message(&noise(100), Mode::Pager)).await;
    assert_eq!(sent.expect("an outcome").outcome, Outcome::Stored);
    server.wait_for_metric("restante_otlp_spans_total{outcome=\"failed\"}", 1.0);
    collector.accept();
    let sent = alice.device.send(message(&noise(100), Mode::Pager)).await;
    assert_eq!(sent.expect("an outcome").outcome, Outcome::Stored);
    server.wait_for_metric("restante_otlp_spans_total{outcome=\"exported\"}", 1.0);
    let log = server.log();
    assert!(log.contains("`otlp.endpoint` takes no spans"), "{log}");
    assert!(
        log.contains("the collector of traces takes spans again"),
        "{log}"
    );
}
