//! `restante demo` keeps its promise, by each of the two ways a message can go.
use std::{collections::BTreeSet, process::Command};

/// Plays the demo with a content of `size`; gives what it drew.
fn demo(size: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_restante"))
        .env_clear()
        .args(["demo", "--size", size])
        .output()
        .expect("the program starts");
    let drawn = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{drawn}\n{errors}");
    drawn
}

/// Whether `parts` occur in this order.
fn occur_in_order(drawn: &str, parts: &[&str]) -> bool {
    let mut rest = drawn;
    parts.iter().all(|part| match rest.split_once(part) {
        Some((_, behind)) => {
            rest = behind;
            true
        }
        None => false,
    })
}

#[test]
fn large_message_survives_the_death_of_the_server() {
    let drawn = demo("1MiB");
    let story = [
        "INVITE bob",
        "automata",
        "SEND 1-",
        "more SENDs",
        "200 OK",
        "SIGKILL",
        "started again",
        "REGISTER bob",
        "stored for you",
        "SEND 1-",
        "more SENDs",
        "BYE",
        "confirmed",
        "octets     equal",
    ];
    assert!(occur_in_order(&drawn, &story), "{drawn}");
    assert!(!drawn.contains("EXCEEDED"), "{drawn}");
    assert!(!drawn.contains('\x1b'), "no colours in a pipe: {drawn}");
}

#[test]
fn single_octet_goes_as_one_message_request() {
    let drawn = demo("1");
    let story = [
        "MESSAGE bob",
        "202",
        "SIGKILL",
        "MESSAGE bob",
        "200 OK (MESSAGE)",
        "equal",
    ];
    assert!(occur_in_order(&drawn, &story), "{drawn}");
    assert!(!drawn.contains("INVITE"), "{drawn}");
}

/// Plays the demo on the servers of a shape; gives what it drew.
fn demo_on(shape: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_restante"))
        .env_clear()
        .args(["demo", "--size", "300KiB", "--shape", shape])
        .output()
        .expect("the program starts");
    let drawn = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{drawn}\n{errors}");
    assert!(drawn.contains("octets     equal"), "{drawn}");
    drawn
}

/// The channels that the demo names at its end, each once.
fn channels(drawn: &str) -> BTreeSet<&str> {
    let mut lines = drawn.lines();
    let line = lines.find_map(|line| line.trim().strip_prefix("channels"));
    line.expect("channels").trim().split(", ").collect()
}

#[test]
fn shape_a_is_played_on_one_server() {
    let drawn = demo_on("a");
    assert_eq!(channels(&drawn), BTreeSet::from(["Alice = C", "C = Bob"]));
    let story = [
        "INVITE bob",
        "SEND 1-",
        "SIGKILL",
        "REGISTER bob",
        "stored for you",
        "SEND 1-",
        "BYE",
    ];
    assert!(occur_in_order(&drawn, &story), "{drawn}");
}

#[test]
fn shape_b_is_played_on_three_servers() {
    let drawn = demo_on("b");
    let expected = ["Alice = PF-A", "PF-A = PF-B", "PF-B = C", "PF-B = Bob"];
    assert_eq!(channels(&drawn), BTreeSet::from(expected));
    let heading: Vec<&str> = drawn
        .lines()
        .nth(2)
        .expect("a heading")
        .split_whitespace()
        .collect();
    assert_eq!(heading, ["Alice", "PF-A", "PF-B", "C", "Bob"]);
}

#[test]
fn shape_c_is_played_on_four_servers() {
    let drawn = demo_on("c");
    let expected = [
        "Alice = PF-A",
        "PF-A = D",
        "D = PF-B",
        "PF-B = C",
        "PF-B = Bob",
        "PF-B = Carol",
    ];
    assert_eq!(channels(&drawn), BTreeSet::from(expected));
}

#[test]
fn shape_d_is_played_past_home_servers_that_only_pass_on() {
    let drawn = demo_on("d");
    let expected = ["Alice = D", "D = C", "D = Carol", "C = Bob"];
    assert_eq!(channels(&drawn), BTreeSet::from(expected));
}
