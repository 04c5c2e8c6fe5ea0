//! What operators are given to watch a node with, against a node: the table of figures, the rules
//! and the dashboard of `examples/monitoring`, the latter two by a real Prometheus.
//!
//! Prometheus and promtool come with the Debian package `prometheus`.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#[path = "monitoring/exposition.rs"]
mod exposition;
mod harness;
#[path = "monitoring/prometheus.rs"]
mod prometheus;

use exposition::{Figure, documented, names_in, shown};
use harness::{Server, eventually};
use prometheus::{Prometheus, promtool};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// What a dashboard's variables stand for in a query.
const VARIABLES: &[(&str, &str)] = &[("$__rate_interval", "2m"), ("$instance", ".*")];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monitoring")
}

/// A node that shows all it can show.
fn node(files: &Path) -> Server {
    Server::with("trace.file", files.join("trace.jsonl").display())
        .with("hep.collector", "udp:127.0.0.1:9")
        .with("otlp.endpoint", "http://127.0.0.1:9")
        .start()
        .subscriber("alice", "wonder")
        .subscriber("bob", "builder")
}

/// The program, pointed at the node.
fn run(server: &Server, words: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_restante"))
        .env_clear()
        .arg("--data")
        .arg(server.data())
        .env("RESTANTE_HTTP__LISTEN", server.http().to_string())
        .env("RESTANTE_SERVER", server.sip().to_string())
        .args(words)
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{words:?}: {output:?}");
}

/// A short and a long message for one who is away, and who then fetches them.
fn traffic(server: &Server, files: &Path) {
    let large = files.join("holiday.bin");
    fs::write(&large, vec![7; 4 << 20]).unwrap();
    let (large, inbox) = (large.display().to_string(), files.display().to_string());
    let from = ["send", "--from", "alice", "--password", "wonder", "--to"];
    run(server, &[&from[..], &["bob", "--text", "hello"]].concat());
    run(server, &[&from[..], &["bob", "--file", &large]].concat());
    let reads = ["receive", "--as", "bob", "--password", "builder"];
    let until = ["--quiet", "2s", "--save", &inbox];
    run(server, &[&reads[..], &until].concat());
}

#[test]
fn table_of_figures_is_what_a_node_shows() {
    let files = tempfile::tempdir().unwrap();
    let server = node(files.path());
    traffic(&server, files.path());
    let (table, real) = (documented(&folder()), shown(&server.metrics()));
    let wrong: Vec<String> = real
        .iter()
        .filter(|(name, figure)| !table.get(*name).is_some_and(|row| row.covers(figure)))
        .map(|(name, figure)| figure.row(name))
        .collect();
    assert!(
        wrong.is_empty(),
        "METRICS.md lacks or misstates:\n{}",
        wrong.join("\n")
    );
    let invented: Vec<_> = table
        .keys()
        .filter(|name| !real.contains_key(*name))
        .collect();
    assert!(invented.is_empty(), "METRICS.md invents {invented:#?}");
}

#[test]
fn figures_follow_a_message_from_its_deposit_to_its_reader() {
    let files = tempfile::tempdir().unwrap();
    let server = node(files.path());
    let words = "send --from alice --password wonder --to bob --text hello";
    run(&server, &words.split(' ').collect::<Vec<_>>());
    // found by the walk over all mailboxes
    server.wait_for_metric("restante_deferred_mailboxes", 1.0);
    assert!(server.metric("restante_deferred_oldest_seconds") > 0.0);
    let accepted =
        "restante_sip_transactions_total{side=\"server\",method=\"MESSAGE\",code=\"202\"}";
    for (figure, value) in [
        ("restante_deferred_messages", 1.0),
        ("restante_deferred_fullest_messages", 1.0),
        ("restante_deferred_durable_seconds_count", 1.0),
        (accepted, 1.0),
    ] {
        assert_eq!(server.metric(figure), value, "{figure}");
    }
    // the text and what it is wrapped in
    let octets = server.metric("restante_deferred_bytes");
    assert!((5.0..1000.0).contains(&octets), "{octets}");
    assert!(server.metric("restante_store_sync_seconds_count") >= 1.0);

    let words = "receive --as bob --password builder --quiet 500ms";
    run(&server, &words.split(' ').collect::<Vec<_>>());
    server.wait_for_metric("restante_deferred_gone_total{how=\"confirmed\"}", 1.0);
    server.wait_for_metric("restante_drain_seconds_count", 1.0);
    assert_eq!(server.metric("restante_deferred_waited_seconds_count"), 1.0);
    assert_eq!(server.metric("restante_deferred_messages"), 0.0);
    let is_empty = || server.metric("restante_deferred_mailboxes") == 0.0;
    assert!(eventually(Duration::from_secs(10), is_empty));
    assert_eq!(server.metric("restante_deferred_oldest_seconds"), 0.0);
}

#[test]
fn units_of_the_table_are_those_of_the_names() {
    for (name, row) in documented(&folder()) {
        let base = name.trim_end_matches("_total");
        let unit = match base {
            _ if base.ends_with("_seconds") => "s",
            _ if base.ends_with("_bytes") => "octets",
            _ => "–",
        };
        assert_eq!(row.unit, unit, "{name}");
        let counts = name.ends_with("_total");
        assert_eq!(counts, row.kind == "counter", "{name} is a {}", row.kind);
    }
}

#[test]
fn rules_and_dashboard_ask_for_figures_of_the_table_only() {
    let table = documented(&folder());
    let recorded = recorded();
    let known = |name: &str| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|part| {
            name.strip_suffix(part)
                .filter(|base| is_histogram(&table, base))
        });
        name == "up" || recorded.contains(name) || table.contains_key(base.unwrap_or(name))
    };
    let rules = fs::read_to_string(folder().join("rules/recording.yml")).unwrap()
        + &fs::read_to_string(folder().join("rules/alerts.yml")).unwrap();
    let rules = rules.lines().filter(|line| !line.trim().starts_with('#'));
    let panels = queries().into_iter().map(|(_, query)| query);
    for text in rules.map(str::to_owned).chain(panels) {
        let strange: Vec<_> = names_in(&text)
            .into_iter()
            .filter(|name| !known(name))
            .collect();
        assert!(strange.is_empty(), "{strange:?} in {text}");
    }
}

fn is_histogram(table: &BTreeMap<String, Figure>, name: &str) -> bool {
    table.get(name).is_some_and(|row| row.kind == "histogram")
}

#[test]
fn configuration_and_rules_pass_the_tool_and_every_alert_is_proven_to_fire() {
    let rules = folder().join("rules");
    promtool(&folder(), &["check", "config", "prometheus.yml"]);
    promtool(&rules, &["check", "rules", "recording.yml", "alerts.yml"]);
    promtool(&rules, &["test", "rules", "alerts_test.yml"]);
    let proofs = fs::read_to_string(rules.join("alerts_test.yml")).unwrap();
    for alert in alerts() {
        let (_, proof) = proofs
            .split_once(&format!("alertname: {alert}\n"))
            .unwrap_or_else(|| panic!("{alert} is not proven to fire"));
        let expected = proof.trim_start().strip_prefix("exp_alerts:\n");
        let fires = expected.is_some_and(|rest| rest.trim_start().starts_with("- exp_labels"));
        assert!(fires, "{alert} is not proven to fire");
    }
}

#[test]
fn every_query_of_the_dashboard_and_every_rule_finds_its_figures_on_a_node() {
    let files = tempfile::tempdir().unwrap();
    let server = node(files.path());
    let prometheus = Prometheus::start(&folder(), server.http());
    prometheus.wait_for("count_over_time(up[1m]) >= 2");
    traffic(&server, files.path());
    prometheus.wait_for("increase(restante_deferred_gone_total{how=\"confirmed\"}[2m]) > 0");
    prometheus.wait_for("instance:restante_messages_refused:ratio_rate5m >= 0");

    let panels = queries();
    let silent: Vec<_> = panels
        .iter()
        .filter(|(_, query)| !prometheus.finds(query))
        .collect();
    assert!(panels.len() > 100 && silent.is_empty(), "{silent:#?}");

    let silent: Vec<_> = recorded()
        .into_iter()
        .filter(|rule| !prometheus.finds(rule))
        .collect();
    assert!(silent.is_empty(), "rules without data: {silent:#?}");
    let names = prometheus.names();
    for rule in prometheus.rules() {
        let query = rule["query"].as_str().unwrap();
        assert_eq!(rule["health"], "ok", "{rule}");
        let unknown = names_in(query)
            .into_iter()
            .filter(|name| !names.contains(name));
        let unknown: Vec<_> = unknown.collect();
        assert!(unknown.is_empty(), "{unknown:?} in {query}");
    }
    let firing = prometheus.query("ALERTS{alertstate=\"firing\"}");
    assert!(firing.is_empty(), "a sound node raises {firing:#?}");
}

/// Title and query of every target of the dashboard, its variables filled in.
fn queries() -> Vec<(String, String)> {
    let text = fs::read_to_string(folder().join("grafana/dashboards/restante.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).expect("valid JSON");
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "two panels of one id");
    let targets = panels.iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(move |target| {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{panel}");
            let query = target["expr"].as_str().unwrap().to_owned();
            let filled = VARIABLES.iter();
            let filled = filled.fold(query, |query, (name, value)| query.replace(name, value));
            (panel["title"].as_str().unwrap().to_owned(), filled)
        })
    });
    targets.collect()
}

fn rules_named(file: &str, key: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(folder().join("rules").join(file)).unwrap();
    let lines = text.lines();
    let names = lines.filter_map(|line| line.trim().strip_prefix(key));
    names.map(|name| name.trim().to_owned()).collect()
}

fn recorded() -> BTreeSet<String> {
    rules_named("recording.yml", "- record:")
}

fn alerts() -> BTreeSet<String> {
    rules_named("alerts.yml", "- alert:")
}
