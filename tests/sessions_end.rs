//! Sessions through the servers of figure 10B, set up, used once and ended: nothing of them is
//! left, neither dialogs, transactions and channels nor connections, file descriptors and memory.
//!
//! `RESTANTE_TEST_SESSIONS` says how many; 2000 if it is not set.
mod harness;

use harness::{
    network::{Network, Plan, message_to},
    user::User,
};
use restante::client::Outcome;
use std::time::{Duration, Instant};

const NODES: [&str; 3] = ["PF-A", "PF-B", "C"];
const SENDERS: usize = 20;
const SESSIONS: &str = "RESTANTE_TEST_SESSIONS";
/// The first sessions of each sender: caches and pools get what they will have from then on.
const WARMING_UP: usize = 50;
/// What a node counts of which there is nothing when no session is open.
const NONE_LEFT: [&str; 7] = [
    "restante_sessions",
    "restante_onward_channels",
    "restante_sip_dialogs",
    "restante_sip_transactions",
    "restante_msrp_sessions",
    "restante_msrp_connections",
    "restante_deferred_deposits",
];
/// What it counts that stays: connections of devices and of neighbours, and what they hold.
const KEPT: [&str; 2] = ["restante_sip_connections", "process_open_fds"];
const RESIDENT: &str = "process_resident_memory_bytes";
/// Transactions are remembered for this long after their end (64*T1), connections that nobody
/// uses for less.
const FORGOTTEN: Duration = Duration::from_secs(90);

fn counts<const N: usize>(network: &Network, names: [&'static str; N]) -> Vec<String> {
    let mut counts = Vec::new();
    for node in NODES {
        let server = network.node(node);
        let count = |name| format!("{node}: {name} {}", server.metric(name));
        counts.extend(names.map(count));
    }
    counts
}

fn resident(network: &Network) -> Vec<f64> {
    let nodes = NODES.iter();
    nodes
        .map(|node| network.node(node).metric(RESIDENT))
        .collect()
}

/// Waits until nothing of any session is left. The devices live in this thread, which must not
/// sleep.
async fn until_nothing_is_left(network: &Network) {
    let begun = Instant::now();
    loop {
        let mut left = counts(network, NONE_LEFT);
        left.retain(|count| !count.ends_with(" 0"));
        if left.is_empty() {
            return;
        }
        assert!(begun.elapsed() < FORGOTTEN, "{left:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Each of `senders` sends a message to each of the receivers from `first` on, one after the
/// other, in a call of its own.
async fn use_sessions(senders: &[User], receivers: &[String]) {
    let sending = senders.iter().map(async |sender| {
        for receiver in receivers {
            let message = message_to(receiver, &"used once".to_owned().into());
            let receipt = sender.device.send(message).await.expect("an outcome");
            assert_eq!(receipt.outcome, Outcome::Stored);
        }
    });
    futures_util::future::join_all(sending).await;
}

#[actix::test]
async fn sessions_leave_nothing_behind() {
    let sessions = std::env::var(SESSIONS).map_or(2000, |count| count.parse().expect("a number"));
    // each sends to each of them, so that no two sessions are of the same pair
    let receivers: usize = sessions / SENDERS;
    assert!(receivers > WARMING_UP, "too few to see anything");
    let plan = NODES.iter().fold(Plan::shape_b(), |plan, node| {
        plan.with(node, "trace.max_size", "1KiB")
    });
    let network = plan.start();
    let names = |count, user: &str, domain: &str| -> Vec<String> {
        let name = |number| format!("{user}{number}@{domain}");
        (0..count).map(name).collect()
    };
    let (from, to) = (
        names(SENDERS, "sender", "a.example"),
        names(receivers, "receiver", "b.example"),
    );
    let all: Vec<&str> = from.iter().chain(&to).map(String::as_str).collect();
    network.subscribe(&all);
    let mut senders = Vec::new();
    for sender in &from {
        senders.push(network.device(sender).await.log_in().await);
    }
    use_sessions(&senders, &to[..WARMING_UP]).await;
    until_nothing_is_left(&network).await;
    let kept = counts(&network, KEPT);
    let warm = resident(&network);
    let begun = Instant::now();
    use_sessions(&senders, &to[WARMING_UP..]).await;
    let took = begun.elapsed();
    until_nothing_is_left(&network).await;
    assert_eq!(counts(&network, KEPT), kept);
    let after = resident(&network);
    for ((node, warm), after) in NODES.iter().zip(&warm).zip(&after) {
        let mib = |octets: &f64| octets / f64::from(1 << 20);
        println!(
            "{node}: resident {:.1} MiB, then {:.1} MiB",
            mib(warm),
            mib(after)
        );
    }
    let used = SENDERS * (receivers - WARMING_UP);
    println!("{used} sessions in {took:.1?}");
    // C has stored as many messages meanwhile, which is no leak of sessions
    for ((node, warm), after) in NODES.iter().zip(&warm).zip(&after).take(2) {
        assert!(
            *after <= warm * 1.1,
            "{node} grew from {warm} to {after} octets"
        );
    }
    let stored = network.node("C").metric("restante_deferred_messages");
    assert_eq!(stored, (SENDERS * receivers) as f64);
}
