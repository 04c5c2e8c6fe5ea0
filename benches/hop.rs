//! What actors cost on the way of a SEND: the relay's hop actors against one plain task per
//! connection that decodes, rewrites and encodes with the same code, over real sockets.
//!
//! Prints nanoseconds of CPU per message that the forwarding thread spent, system calls
//! included. Both run in turn, so that a noisy machine disturbs both alike.
#![allow(clippy::unwrap_used, reason = "a bench may fail by panicking")]

#[path = "hop/forwarder.rs"]
mod forwarder;
#[path = "hop/load.rs"]
mod load;
#[path = "hop/plain.rs"]
mod plain;
#[path = "../tests/relay/mod.rs"]
mod relay;

use forwarder::Forwarder;
use load::{Pair, Pattern};
use std::time::Duration;

/// What is measured: name, pattern, connections, octets of content.
const CASES: [(&str, Pattern, usize, usize); 4] = [
    ("saturated, 200 B", Pattern::Saturated, 8, 200),
    ("saturated, 2 KiB", Pattern::Saturated, 8, 2048),
    ("saturated, 64 KiB", Pattern::Saturated, 8, 65_536),
    ("one in flight, 200 B", Pattern::OneInFlight, 64, 200),
];

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    let (rounds, time) = match is_bench {
        true => (7, Duration::from_secs(1)),
        false => (1, Duration::from_millis(100)),
    };
    println!("CPU ns per message           plain    actors   ratio   (messages/s: plain, actors)");
    for (name, pattern, connections, size) in CASES {
        if wanted.is_some_and(|wanted| !name.contains(wanted.as_str())) {
            continue;
        }
        let (mut plain, mut actors) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            plain.push(measure(
                Forwarder::plain(),
                pattern,
                connections,
                size,
                time,
            ));
            actors.push(measure(
                Forwarder::actors(),
                pattern,
                connections,
                size,
                time,
            ));
        }
        let (plain, actors) = (median(plain), median(actors));
        println!(
            "{name:<25} {:>8.0}  {:>8.0}  {:>6.2}   ({:.0}, {:.0})",
            plain.0,
            actors.0,
            actors.0 / plain.0,
            plain.1,
            actors.1
        );
    }
}

/// Returns the nanoseconds of CPU per message, and the messages per second.
fn measure(
    forwarder: Forwarder,
    pattern: Pattern,
    connections: usize,
    size: usize,
    time: Duration,
) -> (f64, f64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let mut pairs = Vec::new();
        for number in 0..connections {
            pairs.push(Pair::connect(&forwarder, number, size).await);
        }
        load::run(&forwarder, pairs, pattern, time).await
    })
}

fn median(mut of: Vec<(f64, f64)>) -> (f64, f64) {
    of.sort_by(|one, other| one.0.total_cmp(&other.0));
    of[of.len() / 2]
}
