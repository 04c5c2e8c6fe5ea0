//! Servers and devices that die in the middle of 100 MiB, and come back: the sender is told the
//! truth, and trying again with the same identifier makes one message, never two and never half
//! of one.
mod harness;

use harness::{
    network::{Network, PASSWORD, Plan, message_to},
    user::{User, noise},
};
use restante::client::{Outcome, Outgoing, Received};
use std::{
    io::Write,
    process::{Child, Command, Stdio},
    rc::Rc,
    time::Duration,
};
use tokio::sync::Notify;

const ALICE: &str = "alice@a.example";
const BOB: &str = "bob@b.example";
const CLUB: &str = "club@x.example";
/// As large as a content may be by default (`deferred.max_message` has room for its wrapper).
const SIZE: usize = 100 << 20;
const ID: &str = "the-same-every-time";

fn large(to: &str) -> Outgoing {
    let mut message = message_to(to, &noise(SIZE));
    message.message_id = Some(ID.to_owned());
    message
}

/// Sends `message`, does `strike` when a third of it has arrived, and says whether the sender was
/// told that it is in safe hands.
async fn struck(alice: &User, mut message: Outgoing, strike: impl FnOnce()) -> bool {
    let third = Rc::new(Notify::new());
    let reached = third.clone();
    message.progress = Some(Rc::new(move |octets, all| {
        if octets > all / 3 {
            reached.notify_one();
        }
    }));
    let striking = async {
        third.notified().await;
        strike();
    };
    let sending = alice.device.send(message);
    tokio::pin!(sending);
    tokio::select! {
        early = &mut sending => panic!("it ended before the blow: {early:?}"),
        () = striking => {}
    }
    sending.await.is_ok_and(|receipt| receipt.is_accepted())
}

/// What waits for Bob at C.
fn waiting(network: &Network) -> Vec<serde_json::Value> {
    let (_, queue) = network.node("C").get("/api/v1/queues/sip:bob@b.example");
    queue["items"].as_array().cloned().unwrap_or_default()
}

/// That there is one message for Bob, the whole of it, and that C holds nothing else.
async fn assert_one_message(network: &Network, mut bob: User) {
    let kept = waiting(network);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(kept[0]["message_id"], ID);
    let c = network.node("C");
    let nothing_half = || c.metric("restante_deferred_deposits") == 0.0;
    assert!(harness::eventually(Duration::from_secs(10), nothing_half));
    let fetched = bob.device.deferred_fetch(&[]).await.expect("a channel");
    assert_eq!(fetched, 1);
    assert_is_whole(&bob.next().await);
    bob.nothing_more().await;
    assert!(waiting(network).is_empty());
}

fn assert_is_whole(received: &Received) {
    use sha2::{Digest, Sha256};
    let hash: [u8; 32] = Sha256::digest(noise(SIZE)).into();
    assert_eq!(received.message_id, ID);
    assert_eq!(received.size, SIZE as u64);
    assert_eq!(received.sha256, hash);
}

/// S1 over three servers, of which `node` dies on the way.
async fn killed_on_the_way(node: &str) {
    let mut network = Plan::shape_b().start();
    network.subscribe(&[ALICE, BOB]);
    let alice = network.device(ALICE).await.log_in().await;
    let accepted = struck(&alice, large(BOB), || network.node_mut(node).kill9()).await;
    assert!(!accepted, "nobody has the whole of it");
    network.node_mut(node).restart();
    assert_eq!(waiting(&network).len(), 0, "half a message is none");

    let again = alice.device.send(large(BOB)).await.expect("an outcome");
    assert_eq!(again.outcome, Outcome::Stored);
    // and once more, as somebody does who missed the answer
    let again = alice.device.send(large(BOB)).await.expect("an outcome");
    assert_eq!(again.outcome, Outcome::Stored);
    assert_one_message(&network, network.device(BOB).await).await;
}

#[actix::test]
async fn home_of_the_sender_dies_and_comes_back() {
    killed_on_the_way("PF-A").await;
}

#[actix::test]
async fn home_of_the_receiver_dies_and_comes_back() {
    killed_on_the_way("PF-B").await;
}

#[actix::test]
async fn keeper_dies_and_comes_back() {
    killed_on_the_way("C").await;
}

/// The owner of a group is killed while it takes a message for its members, and again while it
/// passes the message on to the absent one's own server.
#[actix::test]
async fn owner_of_a_group_dies_and_comes_back() {
    let members: Vec<String> = [ALICE, BOB]
        .iter()
        .map(|user| format!("sip:{user}"))
        .collect();
    let mut group = toml::Table::new();
    group.insert("address".to_owned(), format!("sip:{CLUB}").into());
    group.insert("members".to_owned(), members.into());
    let groups = toml::Value::Array(vec![group.into()]);
    let plan = Plan::shape_c().with("D", "controlling.groups", groups);
    let mut network = plan.start();
    network.subscribe(&[ALICE, BOB]);
    let alice = network.device(ALICE).await.log_in().await;

    let accepted = struck(&alice, large(CLUB), || network.node_mut("D").kill9()).await;
    assert!(!accepted, "nobody has the whole of it");
    network.node_mut("D").restart();
    assert_eq!(waiting(&network).len(), 0);

    let again = alice.device.send(large(CLUB)).await.expect("an outcome");
    assert_eq!(again.outcome, Outcome::Stored);
    let c = network.node("C");
    let on_its_way =
        || c.metric("restante_deferred_deposits") == 1.0 || !waiting(&network).is_empty();
    assert!(harness::eventually(Duration::from_secs(20), on_its_way));
    network.node_mut("D").kill9();
    network.node_mut("D").restart();
    let arrived = || !waiting(&network).is_empty();
    assert!(
        harness::eventually(Duration::from_secs(120), arrived),
        "{}",
        network.node("D").log()
    );
    assert_one_message(&network, network.device(BOB).await).await;
}

/// A device is a process of its own here, as users run it.
fn device(network: &Network, home: &str, words: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restante"));
    command
        .env_clear()
        .env("RESTANTE_SERVER", network.node(home).sip().to_string())
        .arg("--data")
        .arg(network.node(home).data())
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("the program starts")
}

fn kill9(mut child: Child) {
    child.kill().expect("it is alive");
    child.wait().expect("it can be waited for");
}

#[actix::test]
async fn sending_device_dies_and_comes_back() {
    let network = Plan::shape_b().start();
    network.subscribe(&[ALICE, BOB]);
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&noise(SIZE)).expect("written");
    let path = file.path().display().to_string();
    let words = [
        "send",
        "--from",
        ALICE,
        "--password",
        PASSWORD,
        "--to",
        BOB,
        "--file",
        &path,
        "--message-id",
        ID,
    ];
    let c = network.node("C");
    let before = c.metric("restante_msrp_body_bytes_total");
    let sending = device(&network, "PF-A", &words);
    let third = || c.metric("restante_msrp_body_bytes_total") - before > (SIZE / 3) as f64;
    assert!(harness::eventually(Duration::from_secs(60), third));
    kill9(sending);
    for node in ["PF-A", "PF-B", "C"] {
        let node = network.node(node);
        let ended = || {
            node.metric("restante_sessions") == 0.0
                && node.metric("restante_deferred_deposits") == 0.0
        };
        assert!(harness::eventually(Duration::from_secs(60), ended));
    }
    assert_eq!(waiting(&network).len(), 0, "half a message is none");
    let mut again = device(&network, "PF-A", &words);
    assert!(again.wait().expect("an end").success());
    assert_one_message(&network, network.device(BOB).await).await;
}

#[actix::test]
async fn receiving_device_dies_and_comes_back() {
    let network = Plan::shape_b().start();
    network.subscribe(&[ALICE, BOB]);
    let alice = network.device(ALICE).await.log_in().await;
    let sent = alice.device.send(large(BOB)).await.expect("an outcome");
    assert_eq!(sent.outcome, Outcome::Stored);
    let inbox = tempfile::tempdir().expect("a folder");
    let folder = inbox.path().display().to_string();
    let words = [
        "receive",
        "--as",
        BOB,
        "--password",
        PASSWORD,
        "--save",
        &folder,
    ];
    let c = network.node("C");
    let before = c.metric("restante_msrp_body_bytes_total");
    let receiving = device(&network, "PF-B", &words);
    let third = || c.metric("restante_msrp_body_bytes_total") - before > (SIZE / 3) as f64;
    assert!(harness::eventually(Duration::from_secs(60), third));
    kill9(receiving);
    assert_eq!(waiting(&network).len(), 1, "it is not confirmed");
    let bob = network.device(BOB).await;
    let free = || waiting(&network)[0]["state"] == "stored";
    assert!(harness::eventually(Duration::from_secs(60), free));
    assert_one_message(&network, bob).await;
}
