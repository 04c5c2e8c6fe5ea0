//! Logging in at the relay of a real server: digest, life of the URIs, keys.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod harness;

use bytes::Bytes;
use harness::{Server, eventually};
use restante::{
    client::{ClientError, RelayLine, RelayLogin},
    digest::Account,
    msrp::Frame,
};
use rustix::process::{Pid, Signal, kill_process};
use std::{net::SocketAddr, os::unix::fs::PermissionsExt, process::Command, time::Duration};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

fn server() -> Server {
    Server::start()
        .subscriber("alice", "wonder")
        .subscriber("bob", "builder")
}

fn login(at: SocketAddr, user: &str, password: &str) -> RelayLogin {
    RelayLogin {
        account: Account {
            user: user.into(),
            password: password.into(),
        },
        relays: vec![format!("msrp://{at};tcp").parse().unwrap()],
        own: format!("msrp://127.0.0.1:9/{user};tcp").parse().unwrap(),
        expires: None,
    }
}

async fn open(login: RelayLogin) -> Result<RelayLine, ClientError> {
    let at = login.relays[0].socket_addr().unwrap();
    timeout(PATIENCE, RelayLine::open(at, login)).await.unwrap()
}

/// Sends `text` from Bob, who takes no relay of his own, to the path Alice gave him.
async fn send(from: &RelayLine, to: &str, text: &str) {
    let id = format!("id{}", text.len());
    let octets = format!(
        "MSRP {id} SEND\r\nTo-Path: {to}\r\nFrom-Path: msrp://127.0.0.1:9/bob;tcp\r\n\
         Message-ID: m{id}\r\nByte-Range: 1-{0}/{0}\r\nContent-Type: text/plain\r\n\r\n\
         {text}\r\n-------{id}$\r\n",
        text.len()
    );
    from.write(&mut vec![Bytes::from(octets)]);
}

async fn received(line: &mut RelayLine) -> String {
    let next = timeout(PATIENCE, line.next()).await;
    match next.expect("something comes").unwrap() {
        Frame::Whole(whole) => String::from_utf8_lossy(whole.body()).into_owned(),
        other => panic!("{other:?}"),
    }
}

fn hangup(server: &Server) {
    let pid = Pid::from_raw(server.pid().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
}

#[actix_rt::test]
async fn subscriber_gets_a_uri_and_what_is_sent_there() {
    let server = server();
    let mut alice = open(login(server.msrp(), "alice", "wonder")).await.unwrap();
    let bob = open(login(server.msrp(), "bob", "builder")).await.unwrap();
    let path = alice.public_path().unwrap();
    assert_eq!(path.uris().len(), 2);
    assert_eq!(path.first(), alice.use_path().unwrap().first());
    send(&bob, &path.to_string(), "hello").await;
    assert_eq!(received(&mut alice).await, "hello");
}

#[actix_rt::test]
async fn extended_uri_stays_the_same() {
    let server = server();
    let mut alice = open(login(server.msrp(), "alice", "wonder")).await.unwrap();
    let before = alice.use_path().unwrap();
    for _ in 0..3 {
        timeout(PATIENCE, alice.refresh()).await.unwrap().unwrap();
        assert_eq!(alice.use_path().unwrap(), before);
    }
    server.wait_for_metric("restante_msrp_relay_uris_total", 4.0);
}

#[actix_rt::test]
async fn uri_is_extended_in_time_while_its_client_waits() {
    let server = Server::with("msrp.relay.min_expires", "1s")
        .start()
        .subscriber("alice", "wonder")
        .subscriber("bob", "builder");
    let short = RelayLogin {
        expires: Some(Duration::from_secs(2)),
        ..login(server.msrp(), "alice", "wonder")
    };
    let mut alice = open(short).await.unwrap();
    let path = alice.public_path().unwrap().to_string();
    let bob = open(login(server.msrp(), "bob", "builder")).await.unwrap();
    let waits = timeout(Duration::from_secs(5), alice.next()).await;
    assert!(waits.is_err(), "{waits:?}");
    send(&bob, &path, "still there").await;
    assert_eq!(received(&mut alice).await, "still there");
}

#[actix_rt::test]
async fn chain_of_relays_is_entered_with_one_password_and_kept() {
    let (inner, outer) = (server(), server());
    let mut chain = login(inner.msrp(), "alice", "wonder");
    chain
        .relays
        .push(format!("msrp://{};tcp", outer.msrp()).parse().unwrap());
    let mut alice = open(chain).await.unwrap();
    let way = alice.use_path().unwrap();
    let places: Vec<_> = way.uris().iter().map(|uri| uri.socket_addr()).collect();
    assert_eq!(places, [Some(inner.msrp()), Some(outer.msrp())]);
    timeout(PATIENCE, alice.refresh()).await.unwrap().unwrap();
    assert_eq!(alice.use_path().unwrap(), way);

    let bob = open(login(outer.msrp(), "bob", "builder")).await.unwrap();
    let path = alice.public_path().unwrap().to_string();
    send(&bob, &path, "through both").await;
    assert_eq!(received(&mut alice).await, "through both");
}

#[actix_rt::test]
async fn wrong_password_at_the_outer_relay_is_told_through_the_inner_one() {
    let (inner, outer) = (server(), Server::start().subscriber("alice", "other"));
    let mut chain = login(inner.msrp(), "alice", "wonder");
    chain
        .relays
        .push(format!("msrp://{};tcp", outer.msrp()).parse().unwrap());
    let outcome = open(chain).await;
    assert!(matches!(outcome, Err(ClientError::Unauthorized { .. })));
}

#[actix_rt::test]
async fn wrong_password_and_unknown_name_are_refused() {
    let server = server();
    for (user, password) in [
        ("alice", "builder"),
        ("carol", "wonder"),
        ("Alice", "wonder"),
    ] {
        let outcome = open(login(server.msrp(), user, password)).await;
        assert!(
            matches!(outcome, Err(ClientError::Unauthorized { code: 401 })),
            "{user}"
        );
    }
}

#[actix_rt::test]
async fn relay_that_wants_tls_is_told_nothing_without_it() {
    let at = "127.0.0.1:9".parse().unwrap();
    let mut secure = login(at, "alice", "wonder");
    secure.relays = vec![format!("msrps://{at};tcp").parse().unwrap()];
    let outcome = RelayLine::open(at, secure).await;
    assert!(matches!(outcome, Err(ClientError::Answer { .. })));
}

#[actix_rt::test]
async fn relay_switched_off_grants_nothing() {
    let server = Server::with("msrp.relay.enabled", false)
        .start()
        .subscriber("alice", "wonder");
    assert!(open(login(server.msrp(), "alice", "wonder")).await.is_err());
    assert!(!server.data().join("relay.keys").exists());
}

#[actix_rt::test]
async fn channel_without_tls_is_refused_where_the_operator_says_so() {
    let server = Server::with("msrp.relay.plain_auth", "never")
        .start()
        .subscriber("alice", "wonder");
    let outcome = open(login(server.msrp(), "alice", "wonder")).await;
    assert!(matches!(
        outcome,
        Err(ClientError::Refused { code: 403, .. })
    ));
}

#[actix_rt::test]
async fn rotated_keys_are_taken_at_sighup_and_end_no_uri() {
    let server = server();
    let file = server.data().join("relay.keys");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut alice = open(login(server.msrp(), "alice", "wonder")).await.unwrap();
    let path = alice.public_path().unwrap().to_string();
    let rotated = Command::new(env!("CARGO_BIN_EXE_restante"))
        .env_clear()
        .arg("--data")
        .arg(server.data())
        .args(["relay-keys", "rotate"])
        .output();
    assert!(rotated.unwrap().status.success());
    hangup(&server);
    let read = || server.log().contains("the relay's keys read anew");
    assert!(eventually(PATIENCE, read), "{}", server.log());

    let mut bob = open(login(server.msrp(), "bob", "builder")).await.unwrap();
    send(&bob, &path, "old key").await;
    assert_eq!(received(&mut alice).await, "old key");
    let new = bob.public_path().unwrap().to_string();
    send(&alice, &new, "new key").await;
    // the answer to his own request comes first
    while !matches!(bob.next().await.unwrap(), Frame::Whole(_)) {}
    timeout(PATIENCE, alice.refresh()).await.unwrap().unwrap();
}

#[actix_rt::test]
async fn damaged_keys_at_sighup_change_nothing() {
    let server = server();
    let mut alice = open(login(server.msrp(), "alice", "wonder")).await.unwrap();
    std::fs::write(server.data().join("relay.keys"), "rubbish").unwrap();
    hangup(&server);
    let told = || server.log().contains("the relay's keys stay as they were");
    assert!(eventually(PATIENCE, told), "{}", server.log());
    timeout(PATIENCE, alice.refresh()).await.unwrap().unwrap();
}
