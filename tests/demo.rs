//! `restante demo` keeps its promise, by each of the two ways a message can go.
use std::process::Command;

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
