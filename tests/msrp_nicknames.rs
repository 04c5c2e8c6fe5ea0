//! NICKNAME requests of chat rooms (RFC 7701 §7): asked, answered, refused, and passed on.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "msrp/ends.rs"]
mod ends;

use actix::prelude::*;
use ends::{Ear, Raw, Rules, board, open_active, open_passive, pair, path};
use restante::msrp::{
    Config,
    actor::{
        Join, JoinEvent, NicknameRequest, OpenSession, Role, SendError, SessionEvent, SessionHandle,
    },
};

struct Owner;

impl Actor for Owner {
    type Context = Context<Self>;
}

impl Handler<JoinEvent> for Owner {
    type Result = ();

    fn handle(&mut self, _: JoinEvent, _: &mut Self::Context) {}
}

async fn asked(ear: &mut Ear) -> NicknameRequest {
    loop {
        if let SessionEvent::Nickname(request) = ear.next().await {
            return request;
        }
    }
}

/// A room with one session, bound by a peer that speaks octets.
async fn room() -> (Raw, SessionHandle, Ear) {
    let board = board(&Config::default());
    let (room, mut ear) = open_passive(&board, Rules::default());
    room.set_remote(&path("msrp://h:1/me;tcp"));
    let mut alice = Raw::connect(&board).await;
    alice
        .send(room.local_uri().as_str(), "bind", &["Message-ID: 1"], "")
        .await;
    alice.response("bind").await;
    ear.bound().await;
    (alice, room, ear)
}

async fn ask(alice: &mut Raw, room: &SessionHandle, id: &str, fields: &str) {
    let to = room.local_uri().as_str();
    let head = format!("MSRP {id} NICKNAME\r\nTo-Path: {to}\r\nFrom-Path: msrp://h:1/me;tcp\r\n");
    alice
        .write(&format!("{head}{fields}-------{id}$\r\n"))
        .await;
}

#[actix::test]
async fn exchange_of_rfc7701_is_heard_and_answered_word_by_word() {
    let (mut alice, room, mut ear) = room().await;
    let great = "Use-Nickname: \"Alice the great\"\r\n";
    ask(&mut alice, &room, "d93kswow", great).await;
    let request = asked(&mut ear).await;
    let wanted = request.wanted();
    assert_eq!(wanted, Ok(Some("Alice the great".to_owned())));
    request.answer(425);
    let heard = alice.response("d93kswow").await;
    let local = room.local_uri();
    assert_eq!(
        heard,
        format!(
            "MSRP d93kswow 425 Nickname In Use\r\nTo-Path: msrp://h:1/me;tcp\r\n\
             From-Path: {local}\r\n-------d93kswow"
        )
    );
    let wonderland = "Use-Nickname: \"Alice in Wonderland\"\r\n";
    ask(&mut alice, &room, "09swk2d", wonderland).await;
    let request = asked(&mut ear).await;
    request.answer(200);
    request.answer(425);
    drop(request);
    let heard = alice.response("09swk2d").await;
    assert!(heard.starts_with("MSRP 09swk2d 200 OK\r\n"), "{heard}");
    ask(&mut alice, &room, "bad1bad1", "Use-Nickname: Alice\r\n").await;
    let wanted = asked(&mut ear).await.wanted();
    assert_eq!(wanted.map_err(|error| error.status()), Err(424));
}

#[actix::test]
async fn room_that_knows_no_nicknames_answers_501() {
    let (mut alice, room, mut ear) = room().await;
    ask(&mut alice, &room, "abcdabcd", "Use-Nickname: \"Alice\"\r\n").await;
    drop(asked(&mut ear).await);
    let heard = alice.response("abcdabcd").await;
    assert!(
        heard.starts_with("MSRP abcdabcd 501 Unknown Method\r\n"),
        "{heard}"
    );
}

#[actix::test]
async fn session_asks_for_a_nickname_and_gives_it_up() {
    let (alice, _alice_ear, _room, mut room_ear) = pair(&Config::default()).await;
    for (nickname, code) in [(Some("The \"Boss\""), 200), (None, 403)] {
        let answer = alice.ask_nickname(nickname).unwrap();
        let request = asked(&mut room_ear).await;
        assert_eq!(request.wanted().unwrap().as_deref(), nickname);
        request.answer(code);
        assert_eq!(answer.await, code);
    }
}

#[actix::test]
async fn question_whose_session_ends_is_answered_as_if_nobody_were_there() {
    let (alice, mut alice_ear, room, mut room_ear) = pair(&Config::default()).await;
    let answer = alice.ask_nickname(Some("Alice")).unwrap();
    let _request = asked(&mut room_ear).await;
    alice.close();
    assert_eq!(answer.await, 481);
    alice_ear.closed().await;
    let refused = alice.ask_nickname(None).map(drop);
    assert_eq!(refused, Err(SendError::Closed));
    room.close();
}

/// Alice, a middle with two joined sessions, and the room.
async fn joined() -> (SessionHandle, SessionHandle, SessionHandle, Ear) {
    let config = Config::default();
    let (hers, middle, its) = (board(&config), board(&config), board(&config));
    let (inbound, _) = open_passive(&middle, Rules::default());
    let (room, mut room_ear) = open_passive(&its, Rules::default());
    let (alice, mut alice_ear) = open_active(&hers, &middle, &inbound);
    inbound.set_remote(&alice.local_uri().clone().into());
    let outward = middle.open(OpenSession {
        local_id: middle.new_session_id(),
        remote_path: Some(room.local_uri().clone().into()),
        role: Role::Active(its.listen_addr()),
        accept_types: vec![],
        max_size: None,
        sink: Ear::new().1,
    });
    room.set_remote(&outward.local_uri().clone().into());
    Join::of(inbound, outward.clone(), Owner.start().recipient());
    alice_ear.bound().await;
    room_ear.bound().await;
    (alice, outward, room, room_ear)
}

#[actix::test]
async fn joined_sessions_pass_the_question_on_and_the_answer_back() {
    let (alice, outward, _room, mut room_ear) = joined().await;
    let answer = alice.ask_nickname(Some("Dopey Donkey")).unwrap();
    let request = asked(&mut room_ear).await;
    assert_eq!(request.wanted(), Ok(Some("Dopey Donkey".to_owned())));
    request.answer(425);
    assert_eq!(answer.await, 425);

    let answer = alice.ask_nickname(Some("Earl")).unwrap();
    let _request = asked(&mut room_ear).await;
    outward.close();
    assert_eq!(answer.await, 481, "the far side is gone");
    let answer = alice.ask_nickname(Some("Earl")).unwrap();
    assert_eq!(answer.await, 481, "and stays so");
}
