//! What passes a relay besides plain SENDs, and that it passes octet for octet: over real sockets,
//! against literal requests and responses (RFC 4976 §6.4.2 and §6.4.3).
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod relay;

use relay::{
    answer, body, chunk, client, id, plain_request, request, send, start_any, stranger, value,
};

#[actix::test]
async fn report_is_passed_on_and_neither_answered_nor_reported_on() {
    let board = start_any();
    let (mut bob, relay) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let to = format!("{relay} {}", bob.uri);
    let about =
        "Message-ID: m1m1\r\nByte-Range: 1-6/*\r\nStatus: 000 200 It is here\r\nX-Y:  z\r\n";
    alice
        .write(&plain_request(
            "rrrr",
            "REPORT",
            &to,
            &alice.uri.clone(),
            about,
        ))
        .await;
    let passed = bob.frame().await;
    let (new, back) = (id(&passed), format!("{relay} {}", alice.uri));
    assert_eq!(passed, plain_request(new, "REPORT", &bob.uri, &back, about));
    assert_ne!(new, "rrrr");
    // whoever answers it all the same is not heard
    bob.write(&answer(
        new,
        "481 No Such Session",
        &relay,
        &bob.uri.clone(),
    ))
    .await;
    bob.drained(&relay).await;
    alice.drained(&relay).await;
}

#[actix::test]
async fn other_requests_and_their_answers_go_from_end_to_end() {
    let board = start_any();
    let (mut bob, relay) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let (to, back) = (
        format!("{relay} {}", bob.uri),
        format!("{relay} {}", alice.uri),
    );
    for (method, fields, status) in [
        (
            "NICKNAME",
            "Use-Nickname: \"Alice the great\"\r\n",
            "425 Nickname In Use",
        ),
        ("NICKNAME", "Use-Nickname: \"Alice\"\r\n", "200 OK"),
        ("FETCH", "X-What: all of it\r\n", "501 Unknown Method"),
        ("FETCH", "", "299"),
    ] {
        alice
            .write(&plain_request(
                "n1n1",
                method,
                &to,
                &alice.uri.clone(),
                fields,
            ))
            .await;
        let passed = bob.frame().await;
        let new = id(&passed);
        assert_eq!(passed, plain_request(new, method, &bob.uri, &back, fields));
        assert_ne!(new, "n1n1");
        bob.write(&answer(new, status, &back, &bob.uri.clone()))
            .await;
        let from = format!("{relay} {}", bob.uri);
        assert_eq!(
            alice.frame().await,
            answer("n1n1", status, &alice.uri, &from)
        );
    }
    let fields = "Content-Type: text/plain\r\n";
    let paths = (to.as_str(), alice.uri.clone());
    alice
        .write(&request(
            "n2n2",
            "FETCH",
            (paths.0, &paths.1),
            fields,
            "line\r\n-------",
        ))
        .await;
    let passed = bob.frame().await;
    let expected = (bob.uri.as_str(), back.as_str());
    assert_eq!(
        passed,
        request(id(&passed), "FETCH", expected, fields, "line\r\n-------")
    );
}

#[actix::test]
async fn body_of_what_is_no_send_is_bounded() {
    let board = start_any();
    let (mut bob, relay) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let (to, from) = (format!("{relay} {}", bob.uri), alice.uri.clone());
    let fields = "Content-Type: text/plain\r\n";
    let fits = "x".repeat(10_240);
    alice
        .write(&request("n1n1", "FETCH", (&to, &from), fields, &fits))
        .await;
    assert_eq!(body(&bob.frame().await), fits);
    let long = "x".repeat(10_241);
    alice
        .write(&request("n2n2", "FETCH", (&to, &from), fields, &long))
        .await;
    assert!(alice.is_closed().await);
    bob.drained(&relay).await;
}

#[actix::test]
async fn what_a_sender_wrote_arrives_octet_for_octet() {
    let board = start_any();
    let (mut bob, relay) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let (to, back) = (
        format!("{relay} {}", bob.uri),
        format!("{relay} {}", alice.uri),
    );
    for (fields, content) in [
        (
            "Success-Report: yes\r\nX-A:b\r\nx-c:   \td  \r\n",
            "Grüße\r\n\r\n-------t1t2$\r\n",
        ),
        ("Content-Disposition: inline; x=\"\\\"\"\r\n", "\r\n"),
        ("", "-------t1t2$\r\nMSRP t1t1 SEND\r\n"),
        ("", ""),
    ] {
        alice
            .write(&send("t1t1", &to, &alice.uri.clone(), fields, content))
            .await;
        assert!(alice.frame().await.starts_with("MSRP t1t1 200 "));
        let passed = bob.take("200 OK").await;
        let expected = send(id(&passed), &bob.uri, &back, fields, content);
        let message = format!("m-{}", id(&passed));
        assert_eq!(passed, expected.replace(&message, "m-t1t1"));
    }
}

#[actix::test]
async fn send_without_content_is_passed_on_and_answered() {
    let board = start_any();
    let (mut bob, relay) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let (to, back) = (
        format!("{relay} {}", bob.uri),
        format!("{relay} {}", alice.uri),
    );
    let fields = "Message-ID: m1m1\r\nByte-Range: 1-0/0\r\n";
    alice
        .write(&plain_request(
            "t1t1",
            "SEND",
            &to,
            &alice.uri.clone(),
            fields,
        ))
        .await;
    let passed = bob.take("481 No Such Session").await;
    assert_eq!(
        passed,
        plain_request(id(&passed), "SEND", &bob.uri, &back, fields)
    );
    assert_eq!(
        alice.frame().await,
        answer("t1t1", "200 OK", &alice.uri, &relay)
    );
    assert!(alice.frame().await.contains("\r\nStatus: 000 481 "));
}

/// RFC 4975 §7.3.2: a REPORT tells which octets it is about, also where the sender left the end
/// open.
#[actix::test]
async fn report_about_an_open_range_names_the_octets_that_came() {
    let board = start_any();
    let (mut bob, relay) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let (to, from) = (format!("{relay} {}", bob.uri), alice.uri.clone());
    for (content, range, told) in [
        ("x".repeat(40), "1-*/*", "1-40/*"),
        ("y".repeat(9000), "101-*/20000", "101-9100/20000"),
    ] {
        alice
            .write(&chunk("t1t1", (&to, &from), "m1", range, "", &content, '+'))
            .await;
        bob.take("413 Stop Sending").await;
        assert!(alice.frame().await.starts_with("MSRP t1t1 200 "));
        assert_eq!(value(&alice.frame().await, "Byte-Range"), Some(told));
    }
}
