//! Groups as an operator keeps them: by the admin API, by the command line, and by configuration.
mod harness;

use harness::Server;
use serde_json::{Value, json};
use std::process::Command;

const GROUPS: &str = "/api/v1/groups";
const TEAM: &str = "/api/v1/groups/sip:team@localhost";

/// What `restante group …` prints, and its exit code, with a server or without one.
fn group(server: &Server, words: &[&str]) -> (String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_restante"))
        .env_clear()
        .env("RESTANTE_HTTP__LISTEN", server.http().to_string())
        .arg("--data")
        .arg(server.data())
        .arg("group")
        .args(words)
        .output()
        .expect("the program starts");
    let printed = [output.stdout, output.stderr].concat();
    let code = output.status.code().expect("no signal ended it");
    (String::from_utf8_lossy(&printed).into_owned(), code)
}

fn members(group: &Value) -> Vec<&str> {
    let members = group["members"].as_array().expect("members");
    members
        .iter()
        .filter_map(|member| member["address"].as_str())
        .collect()
}

#[test]
fn group_is_made_changed_joined_left_and_removed() {
    let server = Server::start();
    let new = json!({
        "address": "sip:TEAM@localhost",
        "members": [{ "address": "sip:alice@localhost", "display_name": "Alice" }],
    });
    let (status, refused) = server.post(GROUPS, &json!({ "address": "sip:team@elsewhere" }));
    assert_eq!((status, &refused["error"]), (400, &json!("foreign_domain")));
    let (status, other) = server.post(GROUPS, &new);
    assert_eq!(
        (status, &other["address"]),
        (201, &json!("sip:TEAM@localhost"))
    );
    let new = json!({ "address": "sip:team@localhost", "subject": "Lunch", "senders": "anybody" });
    let (status, made) = server.post(GROUPS, &new);
    assert_eq!(status, 201, "{made}");
    assert_eq!(
        (&made["origin"], &made["size"]),
        (&json!("administered"), &json!(0))
    );
    let (status, refused) = server.post(GROUPS, &new);
    assert_eq!((status, &refused["error"]), (409, &json!("exists")));

    let both = json!({ "members": [
        { "address": "sip:bob@localhost", "display_name": "Bob" },
        { "address": "sip:erin@b.example" },
    ] });
    let (status, joined) = server.post(&format!("{TEAM}/members"), &both);
    assert_eq!((status, &joined["size"]), (200, &json!(2)), "{joined}");
    assert_eq!(
        members(&joined),
        ["sip:bob@localhost", "sip:erin@b.example"]
    );
    assert_eq!(joined["members"][0]["display_name"], "Bob");
    let change = json!({ "subject": "", "owner": "sip:bob@localhost", "open": true });
    let (status, changed) = server.order("PATCH", TEAM, Some(&change), true);
    assert_eq!(status, 200, "{changed}");
    assert_eq!(changed["subject"], Value::Null);
    let kept = (&changed["owner"], &changed["senders"], &changed["open"]);
    assert_eq!(
        kept,
        (&json!("sip:bob@localhost"), &json!("anybody"), &json!(true))
    );

    let bob = format!("{TEAM}/members/sip:bob@localhost");
    let (status, left) = server.delete(&bob);
    assert_eq!((status, members(&left)), (200, vec!["sip:erin@b.example"]));
    let (status, refused) = server.delete(&bob);
    assert_eq!((status, &refused["error"]), (404, &json!("no_member")));
    let (status, _) = server.delete(TEAM);
    assert_eq!(status, 200);
    let (status, gone) = server.get(TEAM);
    assert_eq!((status, &gone["error"]), (404, &json!("unknown_group")));
}

#[test]
fn groups_and_subscribers_share_no_address() {
    let server = Server::start().subscriber("alice", "wonder");
    let (status, refused) = server.post(GROUPS, &json!({ "address": "sip:alice@localhost" }));
    assert_eq!((status, &refused["error"]), (409, &json!("exists")));
    let (status, _) = server.post(GROUPS, &json!({ "address": "sip:team@localhost" }));
    assert_eq!(status, 201);
    let new = json!({ "address": "sip:team@localhost", "password": "x" });
    let (status, refused) = server.post("/api/v1/subscribers", &new);
    assert_eq!((status, &refused["error"]), (409, &json!("exists")));
    let (status, refused) = server.post(GROUPS, &json!({ "address": "sip:deferred@localhost" }));
    assert_eq!(
        (status, &refused["error"]),
        (400, &json!("reserved_address"))
    );
}

#[test]
fn long_list_of_groups_comes_in_pages_without_members() {
    let server = Server::start();
    for number in 0..5 {
        let new = json!({
            "address": format!("sip:g{number}@localhost"),
            "members": [{ "address": "sip:alice@localhost" }],
        });
        assert_eq!(server.post(GROUPS, &new).0, 201);
    }
    let (_, first) = server.get(&format!("{GROUPS}?limit=3"));
    assert_eq!(first["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(first["items"][0]["size"], 1);
    assert_eq!(first["items"][0]["members"], Value::Null);
    let next = first["next"].as_str().expect("a next page");
    let (_, second) = server.get(&format!("{GROUPS}?limit=3&after={next}"));
    assert_eq!(second["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(second["items"][1]["address"], "sip:g4@localhost");
    assert_eq!(second["next"], Value::Null);
}

#[test]
fn groups_outlive_a_crash() {
    let mut server = Server::start();
    let new = json!({
        "address": "sip:team@localhost",
        "members": [{ "address": "sip:alice@localhost" }, { "address": "sip:bob@localhost" }],
    });
    assert_eq!(server.post(GROUPS, &new).0, 201);
    server.delete(&format!("{TEAM}/members/sip:alice@localhost"));
    server.kill9();
    server.restart();
    let (status, team) = server.get(TEAM);
    assert_eq!((status, members(&team)), (200, vec!["sip:bob@localhost"]));
    assert_eq!(server.metric("restante_controlling_groups"), 1.0);
}

#[test]
fn command_line_keeps_groups_with_a_server_and_without_one() {
    let mut server = Server::start();
    let (said, code) = group(
        &server,
        &["add", "team", "alice", "bob", "--subject", "At eight"],
    );
    assert_eq!(
        (said.as_str(), code),
        ("added sip:team@localhost with 2 members\n", 0)
    );
    let (said, code) = group(&server, &["join", "team", "carol", "sip:erin@b.example"]);
    assert_eq!(
        (said.as_str(), code),
        ("sip:team@localhost has 4 members\n", 0)
    );
    assert_eq!(server.terminate(), Some(0));

    let (said, code) = group(&server, &["leave", "team", "alice"]);
    assert_eq!(
        (said.as_str(), code),
        ("sip:team@localhost has 3 members\n", 0)
    );
    let (said, code) = group(
        &server,
        &["set", "team", "--senders", "owner", "--owner", "bob"],
    );
    assert_eq!(code, 0, "{said}");
    let (said, code) = group(&server, &["set", "team"]);
    assert!(code == 1 && said.contains("nothing to change"), "{said}");
    let (said, code) = group(&server, &["show", "team"]);
    assert_eq!(code, 0, "{said}");
    let wanted = [
        "subject  At eight",
        "owner    sip:bob@localhost",
        "senders  owner",
        "absent   defer",
        "open     no",
        "origin   administered",
        "member   sip:bob@localhost",
        "member   sip:carol@localhost",
        "member   sip:erin@b.example",
    ];
    for line in wanted {
        assert!(said.lines().any(|it| it == line), "{line} is not in {said}");
    }
    let (said, code) = group(&server, &["list", "--json"]);
    assert_eq!(code, 0, "{said}");
    let list: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(
        (&list[0]["size"], &list[0]["owner"]),
        (&json!(3), &json!("sip:bob@localhost"))
    );
    let (said, code) = group(&server, &["delete", "team"]);
    assert_eq!((said.as_str(), code), ("deleted sip:team@localhost\n", 0));
    let (said, code) = group(&server, &["show", "team"]);
    assert!(
        code == 1 && said.contains("sip:team@localhost is no group"),
        "{said}"
    );
}

#[test]
fn configured_group_is_there_at_once_and_limits_hold() {
    let server = Server::with("controlling.max_members", 3)
        .with(
            "controlling.groups",
            r#"[{ address = "sip:team@localhost", subject = "Lunch", members = ["sip:alice@localhost", "sip:bob@localhost"] }]"#,
        )
        .start();
    let (status, team) = server.get(TEAM);
    assert_eq!(status, 200, "{team}");
    assert_eq!(
        (&team["origin"], &team["subject"]),
        (&json!("configured"), &json!("Lunch"))
    );
    assert_eq!(members(&team), ["sip:alice@localhost", "sip:bob@localhost"]);
    let two =
        json!({ "members": [{ "address": "sip:c@localhost" }, { "address": "sip:d@localhost" }] });
    let (status, refused) = server.post(&format!("{TEAM}/members"), &two);
    assert_eq!(
        (status, &refused["error"]),
        (400, &json!("too_many_members"))
    );
    assert_eq!(server.get(TEAM).1["size"], 2);
}
