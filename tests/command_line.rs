//! The command line as its users type it, against the real server and without one.
mod harness;

use harness::Server;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Output, Stdio},
};

/// The program, pointed at a data folder, with the environment's own settings left out.
fn restante(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restante"));
    command.env_clear().arg("--data").arg(data);
    command
}

/// The program, pointed at a running server.
fn at(server: &Server) -> Command {
    let mut command = restante(server.data());
    command
        .env("RESTANTE_HTTP__LISTEN", server.http().to_string())
        .env("RESTANTE_SERVER", server.sip().to_string());
    command
}

/// What a command printed, and its exit code.
fn run(command: &mut Command, words: &str) -> (String, i32) {
    let output: Output = command
        .args(words.split(' '))
        .output()
        .expect("the program starts");
    let printed = [output.stdout, output.stderr].concat();
    let code = output.status.code().expect("no signal ended it");
    (String::from_utf8_lossy(&printed).into_owned(), code)
}

#[test]
fn first_five_minutes_go_as_the_readme_says() {
    let server = Server::start();
    for user in ["alice --password wonder", "bob --password builder"] {
        let (said, code) = run(&mut at(&server), &format!("subscriber add {user}"));
        assert_eq!(code, 0, "{said}");
    }
    let mut send = at(&server);
    send.args(["send", "--text", "See you at eight"]);
    let (said, code) = run(&mut send, "--from alice --password wonder --to bob");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("stored: sip:bob@localhost is offline"),
        "{said}"
    );
    let message_id = said.lines().next().expect("a first line");
    let message_id = message_id.trim_start_matches("message-id ");

    let (queue, _) = run(&mut at(&server), "queue list --json");
    let queue: Value = serde_json::from_str(&queue).expect("JSON");
    assert_eq!(queue[0]["recipient"], "sip:bob@localhost");
    assert_eq!(queue[0]["count"], 1);

    let inbox = tempfile::tempdir().expect("a folder");
    let mut receive = at(&server);
    receive
        .args(["receive", "--quiet", "500ms", "--save"])
        .arg(inbox.path());
    let (said, code) = run(&mut receive, "--as bob --password builder");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("from sip:alice@localhost"), "{said}");
    assert!(said.contains("See you at eight\n"), "{said}");

    let (life, _) = run(&mut at(&server), &format!("trace {message_id}"));
    let states = ["receiving", "stored", "transferring", "confirmed"];
    let places: Vec<_> = states.iter().map(|state| life.find(state)).collect();
    assert!(
        places.is_sorted() && places.iter().all(Option::is_some),
        "{life}"
    );
}

#[test]
fn file_travels_by_channel_and_arrives_unchanged() {
    let server = Server::start()
        .subscriber("alice", "wonder")
        .subscriber("bob", "builder");
    let folder = tempfile::tempdir().expect("a folder");
    let content: Vec<u8> = (0..300_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let file = folder.path().join("picture.png");
    std::fs::write(&file, &content).expect("writable");
    let mut send = at(&server);
    send.args(["send", "--message-id", "picture-1", "--file"])
        .arg(&file);
    let (said, code) = run(&mut send, "--from alice --password wonder --to bob");
    assert_eq!(code, 0, "{said}");

    let (list, code) = run(
        &mut at(&server),
        "deferred list --as bob --password builder --json",
    );
    let list: Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(code, 0);
    let reference = list[0]["reference"].as_str().expect("a reference");

    let mut fetch = at(&server);
    fetch
        .args(["deferred", "fetch", reference, "--save"])
        .arg(folder.path());
    let (said, code) = run(&mut fetch, "--as bob --password builder");
    assert_eq!(code, 0, "{said}");
    let saved = std::fs::read(folder.path().join("picture-1.png")).expect("saved");
    assert!(saved == content, "{said}");
}

#[test]
fn refusal_is_told_with_its_reason_and_an_exit_code_of_its_own() {
    let server = Server::start().subscriber("alice", "wonder");
    let words = "send --from alice --password wonder --to nobody --text hello";
    let (said, code) = run(&mut at(&server), words);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("refused: 404"), "{said}");
    let words = "send --from alice --password wrong --to nobody --text hello";
    let (said, code) = run(&mut at(&server), words);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("name or password refused"), "{said}");
}

#[test]
fn operator_manages_the_closed_store_and_the_server_finds_it_so() {
    let mut server = Server::start()
        .subscriber("alice", "wonder")
        .subscriber("bob", "builder");
    let words = "send --from alice --password wonder --to bob --text hello";
    assert_eq!(run(&mut at(&server), words).1, 0);
    assert_eq!(server.terminate(), Some(0));

    let (queue, code) = run(&mut at(&server), "queue show bob");
    assert_eq!(code, 0, "{queue}");
    assert!(queue.contains("sip:alice@localhost"), "{queue}");
    let (said, _) = run(&mut at(&server), "queue purge bob");
    assert!(said.contains("removed 1 messages"), "{said}");
    let (said, _) = run(&mut at(&server), "subscriber add carol");
    assert!(said.contains("password "), "one is made up: {said}");
    let (said, code) = run(&mut at(&server), "subscriber remove alice");
    assert_eq!(code, 0, "{said}");

    server.restart();
    let (_, subscribers) = server.get("/api/v1/subscribers");
    let addresses: Vec<_> = subscribers["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|subscriber| subscriber["address"].as_str().expect("a text").to_owned())
        .collect();
    assert_eq!(addresses, ["sip:bob@localhost", "sip:carol@localhost"]);
    assert_eq!(
        server.get("/api/v1/queues").1["items"],
        Value::Array(Vec::new())
    );
}

#[test]
fn settings_and_single_messages_are_managed_with_and_without_a_server() {
    let mut server = Server::start()
        .subscriber("alice", "wonder")
        .subscriber("bob", "builder");
    for id in ["first", "second", "third"] {
        let words =
            format!("send --from alice --password wonder --to bob --text hello --message-id {id}");
        assert_eq!(run(&mut at(&server), &words).1, 0);
    }
    let (said, code) = run(&mut at(&server), "subscriber set bob --handing hold");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("handing   hold"), "{said}");
    let (said, code) = run(&mut at(&server), "subscriber set bob");
    assert_eq!(code, 2, "nothing to change: {said}");
    let (said, code) = run(&mut at(&server), "subscriber set bob --handing later");
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("deliver, hold, notify-only"), "{said}");
    let (said, code) = run(&mut at(&server), "subscriber set bob --class none-such");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("no class `none-such`"), "{said}");

    let (said, _) = run(&mut at(&server), "message show first");
    assert!(said.contains("waits for sip:bob@localhost"), "{said}");
    let (said, _) = run(&mut at(&server), "message delete first --recipient bob");
    assert!(said.contains("removed 1 copies of first"), "{said}");
    assert_eq!(server.terminate(), Some(0));

    let (said, code) = run(&mut at(&server), "store compact");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("octets on disk before"), "{said}");
    let (said, _) = run(&mut at(&server), "store show");
    assert!(said.contains("2 messages"), "{said}");
    let (said, _) = run(&mut at(&server), "queue show bob");
    assert!(said.starts_with("0 % full: 2 of 1000 messages"), "{said}");
    let (entries, _) = run(&mut at(&server), "queue show bob --json");
    let entries: Value = serde_json::from_str(&entries).expect("JSON");
    assert_eq!(entries[0]["message_id"], "second");
    let words = format!("queue delete bob {}", entries[0]["sequence"]);
    let (said, code) = run(&mut at(&server), &words);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("removed second from sip:alice@localhost"),
        "{said}"
    );
    let (said, _) = run(&mut at(&server), "message show second");
    assert!(said.contains("deleted by an operator"), "{said}");
    assert!(said.contains("waits for nobody"), "{said}");
    let (bob, _) = run(&mut at(&server), "subscriber show bob --json");
    let bob: Value = serde_json::from_str(&bob).expect("JSON");
    assert_eq!(bob["handing"], "hold");
}

#[test]
fn wrong_key_keeps_the_server_from_starting_and_is_named() {
    let data = tempfile::tempdir().expect("a folder");
    for words in ["config check", "serve"] {
        let mut command = restante(data.path());
        let (said, code) = run(command.env("RESTANTE_SIP__LISTN", "1"), words);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("`sip.listn`"), "{said}");
    }
}

#[test]
fn every_command_explains_itself() {
    let data = tempfile::tempdir().expect("a folder");
    for words in [
        "help",
        "help serve",
        "help subscriber",
        "help send",
        "help receive",
        "help deferred",
        "help queue",
        "help message",
        "help openapi",
        "help store",
        "help trace",
        "help config",
        "help relay-keys",
        "help demo",
    ] {
        let (said, code) = run(&mut restante(data.path()), words);
        assert_eq!(code, 0, "{said}");
        let teaches = said.contains("Example") || said.contains("First steps");
        assert!(teaches, "`{words}` gives no example: {said}");
    }
}

#[test]
fn relay_keys_are_listed_and_rotated_and_never_shown() {
    let data = tempfile::tempdir().expect("a folder");
    let (said, code) = run(&mut restante(data.path()), "relay-keys list");
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("restante serve"),
        "no way out is told: {said}"
    );

    let made =
        "01 2026-01-01T00:00:00Z 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let file = data.path().join("relay.keys");
    std::fs::write(&file, made).expect("a file");
    let (said, code) = run(&mut restante(data.path()), "relay-keys rotate");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("key 02") && said.contains("SIGHUP"), "{said}");
    let text = std::fs::read_to_string(&file).expect("it is still there");
    assert!(text.contains(made), "the old key is gone: {text}");

    let (said, code) = run(&mut restante(data.path()), "relay-keys list");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("02") && said.contains("opens until"),
        "{said}"
    );
    assert!(!said.contains("00112233"), "a secret is shown: {said}");
}

#[test]
fn sender_who_asks_is_shown_what_becomes_of_the_message() {
    let server = Server::start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret");
    let mut send = at(&server);
    send.args(["send", "--text", "Read?", "--report", "stored,delivered"])
        .args(["--from", "alice", "--password", "secret", "--to", "bob"])
        .stdout(Stdio::piped());
    let mut sending = send.spawn().expect("the program starts");
    let said = sending.stdout.take().expect("a pipe");
    let mut said = BufReader::new(said).lines().map_while(Result::ok);
    let stored = said.find(|line| line.starts_with("report"));
    assert_eq!(stored.as_deref(), Some("report stored: sip:bob@localhost"));

    let inbox = tempfile::tempdir().expect("a folder");
    let mut receive = at(&server);
    receive.arg("receive").arg("--save").arg(inbox.path());
    let (read, code) = run(&mut receive, "--as bob --password secret");
    assert_eq!(code, 0, "{read}");
    assert!(read.contains("Read?\n"), "{read}");
    let delivered: Vec<_> = said.collect();
    assert_eq!(delivered, ["report delivered: sip:bob@localhost"]);
    assert!(sending.wait().expect("it ends").success());
}

#[test]
fn report_that_comes_later_is_shown_with_what_is_received() {
    let server = Server::start()
        .subscriber("alice", "secret")
        .subscriber("bob", "secret");
    let mut send = at(&server);
    send.args(["send", "--text", "Read?", "--message-id", "m-1"]);
    let words = "--from alice --password secret --to bob --report delivered --wait 100ms";
    let (said, code) = run(&mut send, words);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("no more reports after 100ms"), "{said}");
    let inbox = tempfile::tempdir().expect("a folder");
    for (user, expected) in [
        ("bob", "Read?\n"),
        ("alice", "report of m-1: delivered: sip:bob@localhost\n"),
    ] {
        let mut receive = at(&server);
        receive.arg("receive").arg("--save").arg(inbox.path());
        let (read, _) = run(&mut receive, &format!("--as {user} --password secret"));
        assert!(read.contains(expected), "{read}");
    }
}
