//! MSRP sessions between switchboards, and between a switchboard and raw peers, over real
//! loopback sockets.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "msrp/ends.rs"]
mod ends;

use bytes::Bytes;
use ends::{
    Ear, Raw, Rules, board, hash, open_active, open_passive, pair, receive, send_all, text,
};
use metrics_exporter_prometheus::PrometheusBuilder;
use restante::{
    cli::child::free_address,
    msrp::{
        ByteRange, Config, Continuation, FailureReport, OutgoingHead,
        actor::{
            CloseReason, Exchange, OpenSession, Role, SendError, SessionEvent, Sink, Switchboard,
        },
    },
    net::{Pressure, Shards},
};
use std::time::Duration;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

#[actix::test]
async fn one_octet_crosses_both_ways() {
    let (active, mut active_ear, passive, mut passive_ear) = pair(&Config::default()).await;
    for round in 0..2 {
        let (from, ear, to) = match round {
            0 => (&active, &mut active_ear, &mut passive_ear),
            _ => (&passive, &mut passive_ear, &mut active_ear),
        };
        let head = text("m1").with_total(1);
        let id = from
            .send(head, &["x".into()], Continuation::Complete)
            .unwrap();
        assert_eq!(receive(to).await, ("m1".into(), b"x".to_vec()));
        assert_eq!(ear.response().await, (id, 200));
    }
}

#[actix::test]
async fn mebibyte_in_chunks_arrives_whole() {
    let (active, mut ear, _passive, mut passive_ear) = pair(&Config::default()).await;
    let octets: Vec<u8> = (0..1 << 20).map(|n: u32| (n / 7) as u8).collect();
    let sending = send_all(&active, "m1", octets.clone().into(), 10_000);
    let (chunks, (_, got)) = futures_util::future::join(sending, receive(&mut passive_ear)).await;
    assert_eq!(hash(&got), hash(&octets));
    for _ in 0..chunks {
        assert_eq!(ear.response().await.1, 200);
    }
}

#[actix::test]
async fn chunk_over_the_largest_is_cut_and_answered_once() {
    let (active, mut ear, _passive, mut passive_ear) = pair(&Config::default()).await;
    let octets = Bytes::from(vec![b'z'; 300_000]);
    let head = text("m1").with_total(300_000);
    let id = active
        .send(head, std::slice::from_ref(&octets), Continuation::Complete)
        .unwrap();
    assert_eq!(receive(&mut passive_ear).await.1, octets);
    assert_eq!(ear.response().await, (id, 200));
    let more = timeout(Duration::from_millis(50), ear.response()).await;
    assert!(more.is_err(), "one chunk has one fate");
}

#[actix::test]
async fn open_chunk_lets_others_pass() {
    let (active, mut ear, _passive, mut passive_ear) = pair(&Config::default()).await;
    let long = active.begin(text("long").with_total(6)).unwrap();
    active.body(long, "abc".into()).unwrap();
    let short = active
        .send(text("short"), &["!".into()], Continuation::Complete)
        .unwrap();
    assert_eq!(
        receive(&mut passive_ear).await,
        ("short".into(), b"!".to_vec())
    );
    active.body(long, "def".into()).unwrap();
    active.end(long, Continuation::Complete).unwrap();
    assert_eq!(
        receive(&mut passive_ear).await,
        ("long".into(), b"abcdef".to_vec())
    );
    let mut answered = [ear.response().await, ear.response().await];
    answered.sort_by_key(|(id, _)| *id == long);
    assert_eq!(answered, [(short, 200), (long, 200)]);
}

#[actix::test]
async fn message_without_octets_arrives() {
    let (active, mut ear, _passive, mut passive_ear) = pair(&Config::default()).await;
    let id = active
        .send(text("m1").with_total(0), &[], Continuation::Complete)
        .unwrap();
    assert_eq!(receive(&mut passive_ear).await, ("m1".into(), vec![]));
    assert_eq!(ear.response().await, (id, 200));
}

#[actix::test]
async fn aborted_chunk_is_told_as_such() {
    let (active, _ear, _passive, mut passive_ear) = pair(&Config::default()).await;
    let id = active.begin(text("m1")).unwrap();
    active.body(id, "half".into()).unwrap();
    active.end(id, Continuation::Aborted).unwrap();
    loop {
        if let SessionEvent::End(_, flag) = passive_ear.next().await {
            assert_eq!(flag, Continuation::Aborted);
            break;
        }
    }
}

#[actix::test]
async fn success_report_reaches_the_sender() {
    let (active, mut ear, passive, mut passive_ear) = pair(&Config::default()).await;
    let mut head = text("m1").with_total(3);
    head.success_report = true;
    head.failure_report = FailureReport::No;
    active
        .send(head, &["abc".into()], Continuation::Complete)
        .unwrap();
    receive(&mut passive_ear).await;
    passive.success_report("m1", ByteRange::whole(3)).unwrap();
    let SessionEvent::Report(report) = ear.next().await else {
        panic!("no report");
    };
    assert_eq!(report.message_id(), Some("m1"));
    assert_eq!(report.byte_range().unwrap(), Some(ByteRange::whole(3)));
    assert_eq!(report.status().unwrap().to_string(), "000 200 OK");
}

#[actix::test]
async fn many_sessions_share_one_connection() {
    let (ours, theirs) = (board(&Config::default()), board(&Config::default()));
    let mut ends = Vec::new();
    for _ in 0..50 {
        let (passive, passive_ear) = open_passive(&theirs, Rules::default());
        let (active, active_ear) = open_active(&ours, &theirs, &passive);
        passive.set_remote(&active.local_uri().clone().into());
        ends.push((active, active_ear, passive, passive_ear));
    }
    for (active, ear, _, _) in &mut ends {
        ear.bound().await;
        active
            .send(text("m1"), &["hello".into()], Continuation::Complete)
            .unwrap();
    }
    for (_, ear, _, passive_ear) in &mut ends {
        assert_eq!(receive(passive_ear).await.1, b"hello");
        assert_eq!(ear.response().await.1, 200);
    }
    let first = ends[0].2.peer_addr();
    assert!(first.is_some() && ends.iter().all(|end| end.2.peer_addr() == first));
    let (closed, ..) = &ends[0];
    closed.close();
    let (other, ear, _, passive_ear) = &mut ends[1];
    other
        .send(text("m2"), &["still".into()], Continuation::Complete)
        .unwrap();
    assert_eq!(receive(passive_ear).await.1, b"still");
    assert_eq!(ear.response().await.1, 200);
}

#[actix::test]
async fn request_for_nobody_is_answered_481() {
    let board = board(&Config::default());
    let mut raw = Raw::connect(&board).await;
    raw.send(
        "msrp://127.0.0.1:1/nobody;tcp",
        "t1t1",
        &["Message-ID: m111"],
        "",
    )
    .await;
    assert!(
        raw.response("t1t1")
            .await
            .starts_with("MSRP t1t1 481 No Such Session\r\n")
    );
}

#[actix::test]
async fn refusals_are_answered_by_the_standard_and_the_session_lives_on() {
    let board = board(&Config::default());
    let (passive, mut ear) = open_passive(&board, Rules::text_up_to(100));
    let uri = passive.local_uri().to_string();
    let mut raw = Raw::connect(&board).await;
    let text = "Content-Type: text/plain";
    for (id, fields, body, status) in [
        ("t001", vec!["Message-ID: m001"], "", 200),
        (
            "t415",
            vec!["Message-ID: m415", "Content-Type: image/png"],
            "x",
            415,
        ),
        (
            "t413",
            vec!["Message-ID: m413", "Byte-Range: 1-*/101", text],
            "x",
            413,
        ),
        (
            "t400",
            vec!["Message-ID: m400", "Byte-Range: 0-*/*", text],
            "x",
            400,
        ),
        ("t40a", vec![text], "x", 400),
        ("t40b", vec!["Message-ID: m40b", "X-No-Type: 1"], "x", 400),
        (
            "t200",
            vec!["Message-ID: m200", "Byte-Range: 1-5/5", text],
            "hello",
            200,
        ),
    ] {
        raw.send(&uri, id, &fields, body).await;
        let response = raw.response(id).await;
        assert!(
            response.starts_with(&format!("MSRP {id} {status}")),
            "{response}"
        );
        if status == 200 && !body.is_empty() {
            assert_eq!(receive(&mut ear).await.1, body.as_bytes());
        }
        if id == "t200" {
            break;
        }
    }
    raw.write(&format!(
        "MSRP t501 FETCH\r\nTo-Path: {uri}\r\nFrom-Path: msrp://h:1/me;tcp\r\n-------t501$\r\n"
    ))
    .await;
    assert!(raw.response("t501").await.contains("501 Unknown Method"));
}

#[actix::test]
async fn every_refusal_is_counted_by_its_reason() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let config = Config {
        bind_timeout: Duration::from_millis(500),
        ..Config::default()
    };
    let board = metrics::with_local_recorder(&recorder, || board(&config));
    let (passive, _ear) = open_passive(&board, Rules::text_up_to(100));
    let uri = passive.local_uri().to_string();
    let (mut raw, mut other) = (Raw::connect(&board).await, Raw::connect(&board).await);
    let (text, id) = ("Content-Type: text/plain", "Message-ID: m111");
    for (to, fields, body) in [
        (&uri, vec![id], ""),
        (&uri, vec![id, "Content-Type: image/png"], "x"),
        (&uri, vec![id, "Byte-Range: 1-*/101", text], "x"),
        (&uri, vec![id, "Byte-Range: 0-*/*", text], "x"),
        (&uri, vec![text], "x"),
        (&"msrp://h:1/nobody;tcp".to_owned(), vec![id], ""),
    ] {
        raw.send(to, "t1t1", &fields, body).await;
        raw.response("t1t1").await;
    }
    raw.write(&format!(
        "MSRP t501 FETCH\r\nTo-Path: {uri}\r\nFrom-Path: msrp://h:1/me;tcp\r\n-------t501$\r\n"
    ))
    .await;
    raw.response("t501").await;
    other.send(&uri, "t2t2", &[id], "").await;
    other.response("t2t2").await;
    let mut flood = Raw::connect(&board).await;
    flood
        .write(&format!("MSRP t1t1 SEND\r\nTo-Path: {}", "x".repeat(9000)))
        .await;
    flood.rest().await;
    Raw::connect(&board).await.rest().await;

    let shown = recorder.handle().render();
    for reason in [
        "media_type",
        "too_large",
        "bad_byte_range",
        "no_message_id",
        "no_session",
        "unknown_method",
        "bound_elsewhere",
        "head_too_long",
    ] {
        let line = format!("restante_msrp_refused_total{{reason=\"{reason}\"}} 1\n");
        assert!(shown.contains(&line), "{reason} in {shown}");
    }
    for line in [
        "restante_msrp_closed_total{reason=\"framing\"} 1\n",
        "restante_msrp_sessions 1\n",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    let none = "restante_msrp_closed_total{reason=\"bind_timeout\"} 0\n";
    assert!(!shown.contains(none), "{shown}");
}

#[actix::test]
async fn chunk_that_grows_over_the_limit_is_answered_413_before_its_end() {
    let board = board(&Config::default());
    let (passive, mut ear) = open_passive(&board, Rules::text_up_to(100));
    let mut raw = Raw::connect(&board).await;
    raw.write(&format!(
        "MSRP t413 SEND\r\nTo-Path: {}\r\nFrom-Path: msrp://h:1/me;tcp\r\nMessage-ID: m413\r\n\
         Byte-Range: 1-*/*\r\nContent-Type: text/plain\r\n\r\n{}",
        passive.local_uri(),
        "x".repeat(101)
    ))
    .await;
    assert!(raw.response("t413").await.contains("413 Stop Sending"));
    raw.write("yyyy\r\n-------t413#\r\n").await;
    loop {
        if let SessionEvent::End(_, flag) = ear.next().await {
            assert_eq!(flag, Continuation::Aborted);
            break;
        }
    }
}

#[actix::test]
async fn second_connection_for_a_session_is_answered_506() {
    let board = board(&Config::default());
    let (passive, _ear) = open_passive(&board, Rules::default());
    let uri = passive.local_uri().to_string();
    let (mut first, mut second) = (Raw::connect(&board).await, Raw::connect(&board).await);
    first.send(&uri, "t1t1", &["Message-ID: m111"], "").await;
    assert!(first.response("t1t1").await.contains(" 200 OK"));
    second.send(&uri, "t2t2", &["Message-ID: m222"], "").await;
    assert!(second.response("t2t2").await.contains(" 506 "));
    first.send(&uri, "t3t3", &["Message-ID: m333"], "").await;
    assert!(first.response("t3t3").await.contains(" 200 OK"));
}

#[actix::test]
async fn request_other_than_send_binds_nothing() {
    let board = board(&Config::default());
    let (passive, _ear) = open_passive(&board, Rules::default());
    let mut raw = Raw::connect(&board).await;
    raw.write(&format!(
        "MSRP t1t1 NICKNAME\r\nTo-Path: {}\r\nFrom-Path: msrp://h:1/me;tcp\r\n-------t1t1$\r\n",
        passive.local_uri()
    ))
    .await;
    assert!(raw.response("t1t1").await.contains(" 481 "));
    assert!(!passive.is_bound());
}

#[actix::test]
async fn report_and_silent_send_are_never_answered() {
    let board = board(&Config::default());
    let (passive, mut ear) = open_passive(&board, Rules::default());
    let uri = passive.local_uri().to_string();
    let mut raw = Raw::connect(&board).await;
    let silent = [
        "Message-ID: m111",
        "Failure-Report: no",
        "Content-Type: text/plain",
    ];
    raw.send(&uri, "t1t1", &silent, "psst").await;
    receive(&mut ear).await;
    raw.write(&format!(
        "MSRP t2t2 REPORT\r\nTo-Path: {uri}\r\nFrom-Path: msrp://h:1/me;tcp\r\n\
         Message-ID: m9\r\nStatus: 000 200 OK\r\n-------t2t2$\r\n"
    ))
    .await;
    raw.send("msrp://h:1/nobody;tcp", "t3t3", &silent, "psst")
        .await;
    raw.send(&uri, "t4t4", &["Message-ID: m444"], "").await;
    assert!(raw.response("t").await.starts_with("MSRP t4t4 200"));
}

#[actix::test]
async fn connection_that_says_nothing_is_closed() {
    let config = Config {
        bind_timeout: Duration::from_millis(100),
        ..Config::default()
    };
    let board = board(&config);
    let mut silent = Raw::connect(&board).await;
    assert_eq!(timeout(SOON, silent.rest()).await.unwrap(), "");
    let mut stranger = Raw::connect(&board).await;
    stranger
        .send("msrp://h:1/nobody;tcp", "t1t1", &["Message-ID: m111"], "")
        .await;
    assert!(
        timeout(SOON, stranger.rest())
            .await
            .unwrap()
            .contains(" 481 ")
    );
}

#[actix::test]
async fn session_that_nobody_binds_ends() {
    let config = Config {
        bind_timeout: Duration::from_millis(100),
        ..Config::default()
    };
    let board = board(&config);
    let (passive, mut ear) = open_passive(&board, Rules::default());
    assert_eq!(
        passive.send(text("m1"), &["x".into()], Continuation::Complete),
        Err(SendError::NotBound)
    );
    passive.set_remote(&ends::path("msrp://h:1/a;tcp"));
    assert_eq!(ear.closed().await, CloseReason::BindTimeout);
    assert_eq!(board.session_count(), 0);
}

#[actix::test]
async fn stream_that_is_not_msrp_is_closed_and_the_server_unharmed() {
    let board = board(&Config::default());
    let mut web = Raw::connect(&board).await;
    web.write("GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(timeout(SOON, web.rest()).await.unwrap(), "");
    let mut flood = Raw::connect(&board).await;
    flood
        .write(&format!("MSRP t1t1 SEND\r\nTo-Path: {}", "x".repeat(9000)))
        .await;
    assert_eq!(timeout(SOON, flood.rest()).await.unwrap(), "");
    let (passive, _ear) = open_passive(&board, Rules::default());
    let mut raw = Raw::connect(&board).await;
    let uri = passive.local_uri().to_string();
    raw.send(&uri, "t1t1", &["Message-ID: m111"], "").await;
    assert!(raw.response("t1t1").await.contains(" 200 OK"));
}

#[actix::test]
async fn refused_binding_ends_the_active_session() {
    let (ours, theirs) = (board(&Config::default()), board(&Config::default()));
    let nobody = ends::path(theirs.local_uri("00nobody").as_str());
    let (ear, sink) = Ear::new();
    let mut ear = ear;
    let _active = ours.open(OpenSession {
        local_id: ours.new_session_id(),
        remote_path: Some(nobody),
        role: Role::Active(theirs.listen_addr()),
        accept_types: vec![],
        max_size: None,
        sink,
    });
    ear.bound().await;
    assert_eq!(ear.closed().await, CloseReason::Refused(481));
}

#[actix::test]
async fn peer_that_cannot_be_reached_ends_the_active_session() {
    let ours = board(&Config::default());
    let addr = free_address().unwrap();
    let (mut ear, sink) = Ear::new();
    let _active = ours.open(OpenSession {
        local_id: ours.new_session_id(),
        remote_path: Some(ends::path("msrp://h:1/a;tcp")),
        role: Role::Active(addr),
        accept_types: vec![],
        max_size: None,
        sink,
    });
    assert_eq!(ear.closed().await, CloseReason::ConnectFailed);
}

#[actix::test]
async fn passive_end_answers_to_the_path_it_was_bound_by() {
    let board = board(&Config::default());
    let (passive, mut ear) = open_passive(&board, Rules::default());
    let mut raw = Raw::connect(&board).await;
    let uri = passive.local_uri().to_string();
    raw.send(&uri, "t1t1", &["Message-ID: m111"], "").await;
    ear.bound().await;
    passive
        .send(text("m1"), &["x".into()], Continuation::Complete)
        .unwrap();
    raw.until("SEND\r\nTo-Path: msrp://h:1/me;tcp\r\n").await;
}

#[actix::test]
async fn silence_is_told_as_408() {
    let config = Config {
        response_timeout: Duration::from_millis(200),
        ..Config::default()
    };
    let board = board(&config);
    let (passive, mut ear) = open_passive(&board, Rules::default());
    let mut raw = Raw::connect(&board).await;
    let uri = passive.local_uri().to_string();
    raw.send(&uri, "t1t1", &["Message-ID: m111"], "").await;
    raw.response("t1t1").await;
    passive.set_remote(&ends::path("msrp://h:1/me;tcp"));
    ear.bound().await;
    let id = passive
        .send(text("m1"), &["x".into()], Continuation::Complete)
        .unwrap();
    assert_eq!(timeout(SOON, ear.response()).await.unwrap(), (id, 408));
}

#[actix::test]
async fn peer_that_reads_nothing_pauses_its_sender_and_nobody_else() {
    let board = board(&Config::default());
    let (stuck, mut stuck_ear) = open_passive(&board, Rules::default());
    let (lively, mut lively_ear) = open_passive(&board, Rules::default());
    let (mut deaf, mut raw) = (Raw::connect(&board).await, Raw::connect(&board).await);
    deaf.send(
        &stuck.local_uri().to_string(),
        "t1t1",
        &["Message-ID: m111"],
        "",
    )
    .await;
    raw.send(
        &lively.local_uri().to_string(),
        "t2t2",
        &["Message-ID: m222"],
        "",
    )
    .await;
    raw.response("t2t2").await;
    for (session, ear) in [(&stuck, &mut stuck_ear), (&lively, &mut lively_ear)] {
        session.set_remote(&ends::path("msrp://h:1/me;tcp"));
        ear.bound().await;
    }

    let piece = Bytes::from(vec![b'x'; 60_000]);
    let mut sent = 0;
    while stuck
        .send(
            text("big"),
            std::slice::from_ref(&piece),
            Continuation::MoreChunks,
        )
        .is_ok()
    {
        sent += piece.len();
        tokio::task::yield_now().await;
        assert!(sent < 64 << 20, "nothing stops the sender");
    }
    assert_eq!(stuck.pressure(), Pressure::High);
    lively
        .send(text("small"), &["hello".into()], Continuation::Complete)
        .unwrap();
    assert!(raw.until("hello").await.contains("Message-ID: small"));
}

#[actix::test]
async fn paused_session_is_not_read_until_resumed() {
    let (active, _ear, passive, mut passive_ear) = pair(&Config::default()).await;
    passive.pause();
    tokio::time::sleep(Duration::from_millis(20)).await;
    active
        .send(text("m1"), &["x".into()], Continuation::Complete)
        .unwrap();
    let early = timeout(Duration::from_millis(50), receive(&mut passive_ear)).await;
    assert!(early.is_err(), "a paused session heard something");
    passive.resume();
    assert_eq!(receive(&mut passive_ear).await.1, b"x");
}

#[actix::test]
async fn broken_connection_ends_its_sessions() {
    let board = board(&Config::default());
    let (passive, mut ear) = open_passive(&board, Rules::default());
    let mut raw = Raw::connect(&board).await;
    let uri = passive.local_uri().to_string();
    raw.send(&uri, "t1t1", &["Message-ID: m111"], "").await;
    ear.bound().await;
    drop(raw);
    let reason = ear.closed().await;
    assert!(
        matches!(reason, CloseReason::PeerClosed | CloseReason::Broken),
        "{reason:?}"
    );
    assert!(passive.is_closed());
}

#[actix::test]
async fn one_connection_may_carry_sessions_of_several_shards() {
    let shards = Shards::start(3);
    let exchange = Exchange::new(3);
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        ..Config::default()
    };
    let mut uris = Vec::new();
    let mut addr = None;
    for shard in 0..3 {
        let (exchange, config) = (exchange.clone(), config.clone());
        let opened = shards.run_on(shard, move || async move {
            let board = Switchboard::start(shard, &exchange, &config).unwrap();
            let (session, mut ear) = open_passive(&board, Rules::default());
            session.set_remote(&ends::path("msrp://h:1/me;tcp"));
            let uri = session.local_uri().to_string();
            actix_rt::spawn(async move {
                let (id, octets) = receive(&mut ear).await;
                let pieces = [octets.into()];
                session
                    .send(text(&id), &pieces, Continuation::Complete)
                    .unwrap();
                assert_eq!(ear.response().await.1, 200);
                session.success_report(&id, ByteRange::EMPTY).unwrap();
                ear.closed().await;
            });
            (board.listen_addr(), uri)
        });
        let (bound, uri) = opened.await.unwrap();
        addr = Some(bound);
        uris.push(uri);
    }
    let mut raw = Raw::connect_to(addr.unwrap()).await;
    for (shard, uri) in uris.iter().enumerate() {
        let id = format!("t{shard}{shard}{shard}");
        raw.send(uri, &id, &["Message-ID: m111"], "").await;
        assert!(raw.response(&id).await.contains(" 200 OK"), "shard {shard}");
    }
    let body = "z".repeat(40_000);
    for (shard, uri) in uris.iter().enumerate() {
        let message = format!("Message-ID: m{shard}{shard}{shard}");
        let fields = [message.as_str(), "Content-Type: text/plain"];
        raw.send(uri, "tzzz", &fields, &body).await;
        assert!(
            raw.response("tzzz").await.contains(" 200 OK"),
            "shard {shard}"
        );
        let echo = raw.until("SEND\r\n").await;
        let id = echo
            .rsplit_once("MSRP ")
            .unwrap()
            .1
            .split_once(' ')
            .unwrap()
            .0
            .to_owned();
        raw.until(&body).await;
        raw.write(&format!(
            "MSRP {id} 200 OK\r\nTo-Path: {uri}\r\nFrom-Path: msrp://h:1/me;tcp\r\n-------{id}$\r\n"
        ))
        .await;
        raw.until(" REPORT\r\n").await;
        raw.until("Status: 000 200 OK").await;
    }
}

struct Panics;

impl Sink for Panics {
    fn handle(&mut self, _: &mut Vec<SessionEvent>, _: &restante::msrp::actor::SessionHandle) {
        panic!("a sink of the test fails");
    }
}

#[actix::test]
async fn failing_sink_takes_down_its_connection_only() {
    let board = board(&Config::default());
    let (fragile, _) = open_passive(&board, Rules::default());
    let (solid, mut ear) = open_passive(&board, Rules::default());
    fragile.set_sink(Box::new(Panics));
    let (mut bad, mut good) = (Raw::connect(&board).await, Raw::connect(&board).await);
    good.send(
        &solid.local_uri().to_string(),
        "t1t1",
        &["Message-ID: m111"],
        "",
    )
    .await;
    good.response("t1t1").await;
    bad.send(
        &fragile.local_uri().to_string(),
        "t2t2",
        &["Message-ID: m222"],
        "",
    )
    .await;
    timeout(SOON, bad.rest()).await.unwrap();
    assert!(fragile.is_closed());
    let fields = ["Message-ID: m333", "Content-Type: text/plain"];
    good.send(&solid.local_uri().to_string(), "t3t3", &fields, "alive")
        .await;
    assert_eq!(receive(&mut ear).await.1, b"alive");
}

#[actix::test]
async fn connection_reaches_the_shard_of_its_session() {
    let shards = Shards::start(2);
    let exchange = Exchange::new(2);
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        ..Config::default()
    };
    let mut uris = Vec::new();
    let mut addr = None;
    for shard in 0..2 {
        let (exchange, config) = (exchange.clone(), config.clone());
        let opened = shards.run_on(shard, move || async move {
            let board = Switchboard::start(shard, &exchange, &config).unwrap();
            let uris: Vec<_> = (0..16)
                .map(|_| {
                    let (session, mut ear) = open_passive(&board, Rules::default());
                    let uri = session.local_uri().to_string();
                    actix_rt::spawn(async move { while ear.try_next().await.is_some() {} });
                    std::mem::forget(session);
                    uri
                })
                .collect();
            (board.listen_addr(), uris)
        });
        let (bound, opened) = opened.await.unwrap();
        assert_eq!(
            *addr.get_or_insert(bound),
            bound,
            "all shards share one port"
        );
        uris.extend(opened);
    }
    for uri in uris {
        let mut raw = Raw::connect_to(addr.unwrap()).await;
        raw.send(&uri, "t1t1", &["Message-ID: m111"], "").await;
        let response = raw.response("t1t1").await;
        assert!(response.contains(" 200 OK"), "{uri}: {response}");
    }
}

#[actix::test]
async fn head_keeps_what_its_sender_added() {
    let (active, _ear, _passive, mut passive_ear) = pair(&Config::default()).await;
    let mut head: OutgoingHead = text("m1");
    head.extra.push("X-Priority: high".into());
    active
        .send(head, &["x".into()], Continuation::Complete)
        .unwrap();
    loop {
        if let SessionEvent::Head(inbound) = passive_ear.next().await {
            assert_eq!(inbound.head.text("X-Priority"), Some("high"));
            break;
        }
    }
}
