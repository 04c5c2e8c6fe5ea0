//! The relay when more comes than somebody takes: whoever is slow slows his own senders and
//! nobody else, and nothing that was answered 200 is lost. Over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod relay;

use futures_util::future::{join, join_all};
use relay::{
    PATIENCE, Parts, Peer, Reader, RelayConfig, answer, anywhere, body, client, content, door,
    plain_request, send, start, start_any, stranger, talk, value,
};
use restante::msrp::{Config, actor::Switchboard};
use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    io::AsyncWriteExt,
    net::tcp::OwnedWriteHalf,
    time::{sleep, timeout},
};

/// Small queues: what is too much comes soon.
fn tight() -> Config {
    Config {
        high_mark: bytesize::ByteSize::kib(64),
        low_mark: bytesize::ByteSize::kib(16),
        hard_limit: bytesize::ByteSize::kib(256),
        ..anywhere()
    }
}

/// A client for whom the system keeps but little.
async fn narrow_client(board: &Switchboard, name: &str) -> (Peer, String) {
    let mut peer = Peer::connect_narrowly(board.listen_addr(), name).await;
    let given = peer.use_path(&door(board), name).await;
    (peer, given)
}

/// Writes `count` SENDs, counting them; nobody waits for answers.
async fn flood(
    writer: &mut OwnedWriteHalf,
    paths: (String, String),
    (count, octets): (usize, usize),
    written: &Cell<usize>,
) {
    for number in 0..count {
        let name = format!("t{number:07}");
        let text = send(&name, &paths.0, &paths.1, "", &content(number, octets));
        writer.write_all(text.as_bytes()).await.unwrap();
        written.set(number + 1);
    }
}

/// Reads the answers to [`flood`]: one 200 to each, in order.
async fn answers(reader: &mut Reader, count: usize) {
    for number in 0..count {
        let frame = reader.frame().await;
        assert!(
            frame.starts_with(&format!("MSRP t{number:07} 200 OK\r\n")),
            "{frame}"
        );
    }
}

/// Takes SENDs and answers them until `count` have come; returns their numbers.
async fn take(peer: &mut Peer, count: usize, octets: usize) -> Vec<usize> {
    let (mut parts, mut numbers) = (Parts::default(), Vec::new());
    while numbers.len() < count {
        let frame = peer.take("200 OK").await;
        numbers.extend(parts.take(&frame, octets));
    }
    numbers
}

fn in_order(count: usize) -> Vec<usize> {
    (0..count).collect()
}

#[actix::test]
async fn receiver_that_stops_reading_stops_its_own_sender_only() {
    let board = start(&tight(), RelayConfig::default());
    let (mut bob, to_bob) = narrow_client(&board, "bob").await;
    let (mut dave, to_dave) = client(&board, "dave").await;
    let alice = Peer::connect_narrowly(board.listen_addr(), "alice").await;
    let mut carol = stranger(&board, "carol").await;
    let (count, octets) = (4_000, 2_000);
    let paths = (format!("{to_bob} {}", bob.uri), alice.uri.clone());
    let written = Rc::new(Cell::new(0));
    let (mut reader, mut writer, counted) = (alice.reader, alice.writer, written.clone());
    let flooding = actix_rt::spawn(async move {
        let flood = flood(&mut writer, paths, (count, octets), &counted);
        join(flood, answers(&mut reader, count)).await;
        (reader, writer)
    });
    let mut before = usize::MAX;
    while before != written.get() {
        before = written.get();
        sleep(Duration::from_millis(250)).await;
    }
    assert!(before < count, "nothing stopped the sender");

    let to = format!("{to_dave} {}", dave.uri);
    let mut delays = Vec::new();
    for number in 0..100 {
        let start = Instant::now();
        let name = format!("c{number:03}");
        carol
            .write(&send(&name, &to, &carol.uri.clone(), "", "Hi"))
            .await;
        dave.take("200 OK").await;
        assert!(
            carol
                .frame()
                .await
                .starts_with(&format!("MSRP {name} 200 "))
        );
        delays.push(start.elapsed());
    }
    delays.sort_unstable();
    let median = delays[delays.len() / 2];
    assert!(median < Duration::from_millis(50), "others wait {median:?}");
    assert_eq!(written.get(), before, "the sender went on");

    assert_eq!(take(&mut bob, count, octets).await, in_order(count));
    timeout(PATIENCE, flooding).await.unwrap().unwrap();
}

/// A hundred at once must not fill the queue of one beyond what it may hold: it would be closed,
/// and what was answered would be lost.
#[actix::test]
async fn hundred_senders_to_one_slow_receiver_lose_nothing() {
    let board = start(&tight(), RelayConfig::default());
    let (mut bob, given) = narrow_client(&board, "bob").await;
    let (count, octets) = (60, 1_500);
    let mut sending = Vec::new();
    for sender in 0..100 {
        let mut alice = stranger(&board, &format!("alice{sender}")).await;
        let paths = (format!("{given} {}", bob.uri), alice.uri.clone());
        sending.push(async move {
            let written = Cell::new(0);
            let flood = flood(&mut alice.writer, paths, (count, octets), &written);
            join(flood, answers(&mut alice.reader, count)).await;
            alice
        });
    }
    let reading = async {
        sleep(Duration::from_millis(300)).await;
        let mut numbers = take(&mut bob, 100 * count, octets).await;
        numbers.sort_unstable();
        let expected: Vec<_> = (0..100 * count).map(|at| at / 100).collect();
        assert_eq!(numbers, expected);
    };
    join(join_all(sending), reading).await;
    assert!(bob.is_silent(Duration::from_millis(50)).await);
}

#[actix::test]
async fn megabytes_of_pipelined_requests_are_all_answered_and_passed_on_in_order() {
    let board = start_any();
    let (mut bob, given) = client(&board, "bob").await;
    let alice = stranger(&board, "alice").await;
    let (count, octets) = (8_000, 600);
    let paths = (format!("{given} {}", bob.uri), alice.uri.clone());
    let all: String = (0..count)
        .map(|number| {
            let name = format!("t{number:07}");
            send(&name, &paths.0, &paths.1, "", &content(number, octets))
        })
        .collect();
    assert!(all.len() > 6 << 20);
    let (mut reader, mut writer) = (alice.reader, alice.writer);
    let writing = async { writer.write_all(all.as_bytes()).await.unwrap() };
    let reading = join(answers(&mut reader, count), take(&mut bob, count, octets));
    let (_, (_, numbers)) = join(writing, reading).await;
    assert_eq!(numbers, in_order(count));
}

#[actix::test]
async fn long_frames_are_passed_on_whatever_their_length() {
    let board = start_any();
    let (mut bob, given) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let to = format!("{given} {}", bob.uri);
    for octets in [
        4_095,
        4_096,
        14_000,
        15_000,
        65_535,
        65_536,
        65_537,
        1 << 20,
    ] {
        let text = content(octets, octets);
        alice
            .write(&send("t1t1", &to, &alice.uri.clone(), "", &text))
            .await;
        let mut got = String::new();
        while got.len() < octets {
            got.push_str(body(&bob.take("200 OK").await));
        }
        assert!(got == text, "{octets} octets");
        assert_eq!(
            alice.frame().await,
            answer("t1t1", "200 OK", &alice.uri, &given)
        );
    }
}

#[actix::test]
async fn small_messages_do_not_wait_for_each_other() {
    let board = start_any();
    let (mut bob, given) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let to = format!("{given} {}", bob.uri);
    let start = Instant::now();
    for _ in 0..100 {
        alice
            .write(&send("t1t1", &to, &alice.uri.clone(), "", "Hi"))
            .await;
        bob.take("200 OK").await;
        alice.frame().await;
    }
    // 40 ms each, where a system holds small segments back
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
}

#[actix::test]
async fn answers_that_nobody_reads_stop_the_reading_of_requests_and_come_later() {
    // the answers to one read come on top of what is queued, and are longer than the requests
    let config = Config {
        hard_limit: bytesize::ByteSize::mib(1),
        ..tight()
    };
    let board = start(&config, RelayConfig::default());
    let peer = Peer::connect_narrowly(board.listen_addr(), "alice").await;
    let (to, from, count) = (door(&board), peer.uri.clone(), 20_000);
    let written = Rc::new(Cell::new(0));
    let (mut reader, mut writer, counted) = (peer.reader, peer.writer, written.clone());
    let asking = actix_rt::spawn(async move {
        for number in 0..count {
            let text = plain_request(&format!("t{number:07}"), "AUTH", &to, &from, "");
            writer.write_all(text.as_bytes()).await.unwrap();
            counted.set(number + 1);
        }
        writer
    });
    let mut before = usize::MAX;
    while before != written.get() {
        before = written.get();
        sleep(Duration::from_millis(250)).await;
    }
    assert!(before < count, "nothing stopped the requests");
    let (mut bob, given) = client(&board, "bob").await;
    bob.drained(&given).await;
    let mut octets = 0;
    for number in 0..count {
        let frame = reader.frame().await;
        assert!(
            frame.starts_with(&format!("MSRP t{number:07} 401 ")),
            "{frame}"
        );
        octets += frame.len();
    }
    assert!(octets > 4 << 20);
    asking.await.unwrap();
}

#[actix::test]
async fn ends_that_flood_each_other_never_wait_for_each_other_s_answers() {
    let config = Config {
        max_in_flight: 64,
        ..tight()
    };
    let board = start(&config, RelayConfig::default());
    let (alice, of_alice) = client(&board, "alice").await;
    let (bob, of_bob) = client(&board, "bob").await;
    let to_bob = format!("{of_alice} {of_bob} {}", bob.uri);
    let to_alice = format!("{of_bob} {of_alice} {}", alice.uri);
    let talking = join(talk(alice, to_bob, 4_000), talk(bob, to_alice, 4_000));
    timeout(PATIENCE * 2, talking).await.expect("they go on");
}

#[actix::test]
async fn thousands_of_unanswered_requests_of_a_lost_connection_are_all_reported() {
    let config = Config {
        max_in_flight: 100_000,
        ..tight()
    };
    let board = start(&config, RelayConfig::default());
    let (mut bob, given) = client(&board, "bob").await;
    let alice = Peer::connect_narrowly(board.listen_addr(), "alice").await;
    let count = 4_000;
    // as long as a path through some relays: more REPORTs than the system keeps for a slow reader
    let from = format!("msrp://alice.invalid:9/{};tcp", "x".repeat(1_500));
    let paths = (format!("{given} {}", bob.uri), from);
    let (mut reader, mut writer) = (alice.reader, alice.writer);
    let written = Cell::new(0);
    let flooding = flood(&mut writer, paths, (count, 20), &written);
    let taking = async {
        for _ in 0..count {
            bob.frame().await;
        }
    };
    join(join(flooding, taking), answers(&mut reader, count)).await;
    drop(bob);
    sleep(Duration::from_millis(300)).await;
    let mut told: Vec<usize> = Vec::new();
    while told.len() < count {
        let report = reader.frame().await;
        assert!(report.contains("\r\nStatus: 000 408 "), "{report}");
        told.push(value(&report, "Message-ID").unwrap()[3..].parse().unwrap());
    }
    told.sort_unstable();
    assert_eq!(told, in_order(count));
}
