//! SENDs that go on while they come in: cut, interleaved, aborted and left unfinished, over real
//! sockets (RFC 4975 §5.1 and §7.1.1, RFC 4976 §6.4.1).
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod relay;

use relay::{
    Messages, PATIENCE, Peer, RelayConfig, answer, anywhere, body, chunk, client, flag, id, range,
    start, start_any, stranger, value,
};
use restante::msrp::Config;
use std::time::Duration;
use tokio::{io::AsyncWriteExt, net::TcpListener, time::timeout};

/// Content whose octets tell their place.
fn content(octets: usize, seed: usize) -> String {
    (0..octets)
        .map(|at| char::from(b'a' + ((at / 7 + at / 4099 + seed) % 26) as u8))
        .collect()
}

/// The start of a SEND, up to its content.
fn opening(id: &str, paths: (&str, &str), message: &str, range: &str, fields: &str) -> String {
    let whole = chunk(id, paths, message, range, fields, "", '$');
    whole.split_once("\r\n\r\n").unwrap().0.to_owned() + "\r\n\r\n"
}

/// Takes SENDs until the message `name` is over.
async fn take_message(peer: &mut Peer, messages: &mut Messages, name: &str) {
    let taking =
        async { while messages.take(&peer.take("200 OK").await).as_deref() != Some(name) {} };
    timeout(PATIENCE, taking).await.expect("the message ends");
}

#[actix::test]
async fn long_send_is_cut_and_answered_once() {
    let config = Config {
        max_chunk: bytesize::ByteSize::kib(4),
        ..anywhere()
    };
    let board = start(&config, RelayConfig::default());
    let (mut bob, given) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let (to, from) = (format!("{given} {}", bob.uri), alice.uri.clone());
    let text = content(300_000, 1);
    let fields = "Success-Report: no\r\nX-Kept: yes\r\n";
    let long = chunk(
        "t1t1",
        (&to, &from),
        "long",
        "1-300000/300000",
        fields,
        &text,
        '$',
    );
    alice.write(&long).await;
    let mut messages = Messages::default();
    loop {
        let piece = bob.take("200 OK").await;
        assert!(body(&piece).len() <= 4096);
        assert_eq!(value(&piece, "X-Kept"), Some("yes"));
        assert_eq!(value(&piece, "Content-Type"), Some("text/plain"));
        let back = format!("{given} {from}");
        assert_eq!(value(&piece, "From-Path"), Some(back.as_str()));
        assert_eq!(range(&piece).2, Some(300_000));
        if messages.take(&piece).is_some() {
            break;
        }
    }
    assert_eq!(messages.octets("long"), text);
    assert_eq!(messages.ends["long"], '$');
    assert_eq!(alice.frame().await, answer("t1t1", "200 OK", &from, &given));
    bob.drained(&given).await;
    alice.drained(&given).await;
}

#[actix::test]
async fn first_octets_are_passed_on_before_the_last_have_come_and_others_get_in_between() {
    let board = start_any();
    let (mut bob, given) = client(&board, "bob").await;
    let (mut alice, mut carol) = (stranger(&board, "alice").await, stranger(&board, "c").await);
    let to = format!("{given} {}", bob.uri);
    let text = content(200_000, 2);
    let paths = (to.as_str(), alice.uri.clone());
    let head = opening("t1t1", (paths.0, &paths.1), "long", "1-*/200000", "");
    alice.write(&(head + &text[..100_000])).await;
    let mut messages = Messages::default();
    // what has come so far; a SEND cannot be seen here before it ends, so carol interrupts it
    for round in 0..3 {
        let name = format!("short{round}");
        let short = chunk("c1c1", (&to, &carol.uri), &name, "1-2/2", "", "Hi", '$');
        carol.write(&short).await;
        take_message(&mut bob, &mut messages, &name).await;
        assert_eq!(
            carol.frame().await,
            answer("c1c1", "200 OK", &carol.uri, &given)
        );
        // each part of the long one is due before the next short one
        let more = 100_000 + round * 10_000;
        if messages.octets("long").len() < more {
            let so_far = messages.octets("long").len();
            assert!(so_far >= 65_536, "only {so_far} octets were passed on");
        }
        alice.write(&text[more..more + 10_000]).await;
    }
    alice
        .write(&format!("{}\r\n-------t1t1$\r\n", &text[130_000..]))
        .await;
    take_message(&mut bob, &mut messages, "long").await;
    assert_eq!(messages.octets("long"), text);
    assert_eq!(
        alice.frame().await,
        answer("t1t1", "200 OK", &alice.uri, &given)
    );
}

#[actix::test]
async fn two_long_sends_share_the_way_fairly() {
    let board = start_any();
    let (mut bob, given) = client(&board, "bob").await;
    let (alice, carol) = (stranger(&board, "alice").await, stranger(&board, "c").await);
    let to = format!("{given} {}", bob.uri);
    let length = 3_000_000;
    let mut senders = Vec::new();
    for (peer, name, seed) in [(alice, "one", 1), (carol, "two", 2)] {
        let range = format!("1-*/{length}");
        let text = content(length, seed);
        let long = chunk("t1t1", (&to, &peer.uri), name, &range, "", &text, '$');
        let mut peer = peer;
        let sent = actix_rt::spawn(async move {
            peer.write(&long).await;
            peer
        });
        senders.push((name, text, sent));
    }
    let (mut messages, mut order) = (Messages::default(), Vec::new());
    while messages.ends.len() < 2 {
        let piece = bob.take("200 OK").await;
        order.push(value(&piece, "Message-ID").unwrap().to_owned());
        messages.take(&piece);
    }
    for (name, text, sent) in senders {
        assert!(messages.octets(name) == text, "{name} is not what was sent");
        let mut peer = sent.await.unwrap();
        assert_eq!(
            peer.frame().await,
            answer("t1t1", "200 OK", &peer.uri, &given)
        );
    }
    let turns = order.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(
        turns >= 10,
        "they took turns {turns} times in {}",
        order.len()
    );
}

#[actix::test]
async fn chunks_of_a_message_stay_chunks_and_tell_that_more_follow() {
    let board = start_any();
    let (mut bob, given) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let (to, from) = (format!("{given} {}", bob.uri), alice.uri.clone());
    let text = content(30_000, 3);
    for (name, cuts) in [
        ("short", [0, 10, 20, 30]),
        ("long", [0, 9_000, 25_000, 30_000]),
    ] {
        let mut messages = Messages::default();
        for (number, cut) in cuts.windows(2).enumerate() {
            let flag = if number == 2 { '$' } else { '+' };
            let range = format!("{}-*/{}", cut[0] + 1, cuts[3]);
            let part = &text[cut[0]..cut[1]];
            let one = chunk("t1t1", (&to, &from), name, &range, "", part, flag);
            alice.write(&one).await;
            assert_eq!(alice.frame().await, answer("t1t1", "200 OK", &from, &given));
            let passed = bob.take("200 OK").await;
            assert_eq!(body(&passed), part);
            assert_eq!(relay::flag(&passed), flag);
            messages.take(&passed);
        }
        assert_eq!(messages.octets(name), &text[..cuts[3]]);
    }
}

#[actix::test]
async fn aborted_message_arrives_as_aborted() {
    let board = start_any();
    let (mut bob, given) = client(&board, "bob").await;
    let (mut alice, mut carol) = (stranger(&board, "alice").await, stranger(&board, "c").await);
    let (to, from) = (format!("{given} {}", bob.uri), alice.uri.clone());
    for octets in [10, 5_000, 150_000] {
        let text = content(octets, 4);
        let name = format!("m{octets}");
        alice
            .write(&chunk(
                "t1t1",
                (&to, &from),
                &name,
                "1-*/200000",
                "",
                &text,
                '#',
            ))
            .await;
        let mut messages = Messages::default();
        take_message(&mut bob, &mut messages, &name).await;
        assert_eq!(
            (messages.octets(&name), messages.ends[&name]),
            (text.as_str(), '#')
        );
        assert_eq!(alice.frame().await, answer("t1t1", "200 OK", &from, &given));
    }
    // also where another message got in between before the sender gave up
    let head = opening("t2t2", (&to, &from), "gone", "1-*/200000", "");
    alice.write(&(head + &content(9_000, 5))).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    carol
        .write(&chunk(
            "c1c1",
            (&to, &carol.uri),
            "short",
            "1-2/2",
            "",
            "Hi",
            '$',
        ))
        .await;
    let mut messages = Messages::default();
    take_message(&mut bob, &mut messages, "short").await;
    alice.write("\r\n-------t2t2#\r\n").await;
    take_message(&mut bob, &mut messages, "gone").await;
    assert_eq!(messages.ends["gone"], '#');
    assert_eq!(messages.octets("gone"), content(9_000, 5));
}

#[actix::test]
async fn sender_that_dies_in_a_send_leaves_an_aborted_message() {
    let board = start_any();
    let (mut bob, given) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let to = format!("{given} {}", bob.uri);
    let head = opening("t1t1", (&to, &alice.uri), "gone", "1-*/200000", "");
    alice.write(&(head + &content(9_000, 6))).await;
    drop(alice);
    let mut messages = Messages::default();
    take_message(&mut bob, &mut messages, "gone").await;
    assert_eq!(messages.ends["gone"], '#');

    // the same on the way out, though the client's URI dies with it
    let outside = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let far = format!("msrp://{}/far;tcp", outside.local_addr().unwrap());
    let to = format!("{given} {far}");
    let head = opening("t2t2", (&to, &bob.uri), "gone", "1-*/200000", "");
    bob.write(&(head + &content(9_000, 6))).await;
    let mut far = Peer::accept(&outside, "far").await;
    drop(bob);
    let mut messages = Messages::default();
    take_message(&mut far, &mut messages, "gone").await;
    assert_eq!(messages.ends["gone"], '#');
}

#[actix::test]
async fn receiver_that_dies_in_a_send_is_told_to_the_sender() {
    let board = start_any();
    let (bob, given) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let (to, from) = (format!("{given} {}", bob.uri), alice.uri.clone());
    let head = opening("t1t1", (&to, &from), "long", "1-*/200000", "");
    alice.write(&(head + &content(9_000, 7))).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(bob);
    let told = alice.frame().await;
    assert!(
        told.contains("REPORT\r\n") && told.contains("\r\nStatus: 000 408 "),
        "{told}"
    );
    assert_eq!(value(&told, "Byte-Range"), Some("1-9000/200000"));
    alice
        .write(&(content(9_000, 8) + "\r\n-------t1t1+\r\n"))
        .await;
    let refused = alice.frame().await;
    assert_eq!(
        refused,
        answer("t1t1", "408 Transaction Timed Out", &from, &given)
    );
    let next = chunk(
        "t2t2",
        (&to, &from),
        "long",
        "18001-18002/200000",
        "",
        "xx",
        '+',
    );
    alice.write(&next).await;
    assert!(alice.frame().await.starts_with("MSRP t2t2 481 "));
}

#[actix::test]
async fn failure_of_one_piece_is_reported_with_its_octets() {
    let board = start_any();
    let (mut bob, given) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let (to, from) = (format!("{given} {}", bob.uri), alice.uri.clone());
    let text = content(150_000, 9);
    for (field, is_reported, is_answered) in [
        ("", true, true),
        ("Failure-Report: partial\r\n", true, false),
        ("Failure-Report: no\r\n", false, false),
    ] {
        let long = chunk(
            "t1t1",
            (&to, &from),
            "long",
            "1-150000/150000",
            field,
            &text,
            '$',
        );
        alice.write(&long).await;
        let mut refused = None;
        loop {
            let status = if refused.is_none() {
                "413 Stop Sending"
            } else {
                "200 OK"
            };
            let piece = bob.take(status).await;
            let (first, octets) = (range(&piece).0, body(&piece).len() as u64);
            refused.get_or_insert(format!("{first}-{}/150000", first + octets - 1));
            assert!(id(&piece).len() == 16);
            if flag(&piece) == '$' {
                break;
            }
        }
        bob.drained(&given).await;
        let mut heard = Vec::new();
        for _ in 0..usize::from(is_reported) + usize::from(is_answered) {
            heard.push(alice.frame().await);
        }
        alice.drained(&given).await;
        let taken = answer("t1t1", "200 OK", &from, &given);
        assert_eq!(heard.contains(&taken), is_answered, "{field}");
        let told = heard.iter().find(|heard| heard.contains(" REPORT\r\n"));
        assert_eq!(told.is_some(), is_reported, "{field}");
        if let Some(told) = told {
            assert_eq!(value(told, "Byte-Range"), refused.as_deref());
        }
    }
}

#[actix::test]
async fn head_and_content_may_come_octet_by_octet() {
    let board = start_any();
    let (mut bob, given) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let (to, from) = (format!("{given} {}", bob.uri), alice.uri.clone());
    let text = chunk(
        "t1t1",
        (&to, &from),
        "drops",
        "1-9/9",
        "",
        "\r\n-------",
        '$',
    );
    for octet in text.as_bytes() {
        alice.writer.write_all(&[*octet]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut messages = Messages::default();
    take_message(&mut bob, &mut messages, "drops").await;
    assert_eq!(messages.octets("drops"), "\r\n-------");
    assert_eq!(alice.frame().await, answer("t1t1", "200 OK", &from, &given));
}
