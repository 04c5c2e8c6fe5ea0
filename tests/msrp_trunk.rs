//! Several sessions over one channel: what each of them sends goes out on the same far session,
//! and each hears the truth about its own.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "msrp/ends.rs"]
mod ends;

use actix::prelude::*;
use bytes::Bytes;
use ends::{Ear, Rules, board, hash, open_active, open_passive, receive, send_all, text};
use restante::{
    msrp::{
        ByteRange, ChunkToken, Config, Continuation, FailureReport,
        actor::{
            CloseReason, OpenSession, Role, SessionEvent, SessionHandle, Strand, Switchboard,
            Trunk, TrunkEvent,
        },
    },
    net::Pressure,
};
use std::{rc::Rc, time::Duration};
use tokio::{sync::mpsc, time::timeout};

const SOON: Duration = Duration::from_secs(5);

struct Owner(mpsc::UnboundedSender<TrunkEvent>);

impl Actor for Owner {
    type Context = Context<Self>;
}

impl Handler<TrunkEvent> for Owner {
    type Result = ();

    fn handle(&mut self, event: TrunkEvent, _: &mut Self::Context) {
        let _ = self.0.send(event);
    }
}

/// A middle with one channel to Bob, which others join.
struct Middle {
    board: Rc<Switchboard>,
    trunk: Trunk,
    far: SessionHandle,
    bob: SessionHandle,
    bob_ear: Ear,
    news: mpsc::UnboundedReceiver<TrunkEvent>,
}

/// One of Alice's ends.
struct Alice {
    session: SessionHandle,
    ear: Ear,
    strand: Strand,
    /// The middle's end of her session.
    near: SessionHandle,
}

impl Middle {
    async fn start() -> Self {
        let (middle, his) = (board(&Config::default()), board(&Config::default()));
        let (bob, mut bob_ear) = open_passive(&his, Rules::default());
        let far = middle.open(OpenSession {
            local_id: middle.new_session_id(),
            remote_path: Some(bob.local_uri().clone().into()),
            role: Role::Active(his.listen_addr()),
            accept_types: vec![],
            max_size: None,
            sink: Ear::new().1,
        });
        bob.set_remote(&far.local_uri().clone().into());
        let (owner, news) = mpsc::unbounded_channel();
        let trunk = Trunk::over(&far, Owner(owner).start().recipient());
        bob_ear.bound().await;
        Self {
            board: middle,
            trunk,
            far,
            bob,
            bob_ear,
            news,
        }
    }

    async fn join(&self) -> Alice {
        self.join_from(&board(&Config::default()), &[]).await
    }

    async fn join_from(&self, hers: &Rc<Switchboard>, lines: &[&'static str]) -> Alice {
        let (near, _) = open_passive(&self.board, Rules::default());
        let (session, mut ear) = open_active(hers, &self.board, &near);
        near.set_remote(&session.local_uri().clone().into());
        let lines = lines.iter().map(|line| Bytes::from_static(line.as_bytes()));
        let strand = self.trunk.join(&near, lines.collect());
        ear.bound().await;
        Alice {
            session,
            ear,
            strand,
            near,
        }
    }

    async fn bob_hears_of(&mut self, wanted: Continuation) -> (ChunkToken, Option<String>) {
        let mut last = None;
        loop {
            match self.bob_ear.next().await {
                SessionEvent::Head(inbound) => {
                    last = inbound.head.message_id().map(str::to_owned);
                }
                SessionEvent::End(chunk, flag) if flag == wanted => return (chunk, last),
                _ => {}
            }
        }
    }

    async fn left(&mut self) -> (Strand, CloseReason) {
        loop {
            if let Some(TrunkEvent::Left { strand, reason }) = self.news.recv().await {
                return (strand, reason);
            }
        }
    }
}

impl Alice {
    /// Sends the first chunk of a message that goes on.
    async fn start(&mut self, id: &str, total: u64) {
        let head = text(id).with_total(total);
        let sent = self
            .session
            .send(head, &["begin".into()], Continuation::MoreChunks);
        assert_eq!(self.ear.response().await, (sent.unwrap(), 200));
    }

    fn say(&self, id: &str, words: &'static str) -> restante::msrp::OutgoingId {
        let sent = self
            .session
            .send(text(id), &[words.into()], Continuation::Complete);
        sent.unwrap()
    }
}

#[actix::test]
async fn answers_come_back_to_the_session_that_sent() {
    let mut middle = Middle::start().await;
    let (mut first, mut second) = (middle.join().await, middle.join().await);
    for round in 0..3 {
        let one = first.say(&format!("one{round}"), "from the first");
        let two = second.say(&format!("two{round}"), "from the second");
        assert_eq!(first.ear.response().await, (one, 200));
        assert_eq!(second.ear.response().await, (two, 200));
        let mut heard = [
            receive(&mut middle.bob_ear).await,
            receive(&mut middle.bob_ear).await,
        ];
        heard.sort();
        assert_eq!(
            heard,
            [
                (format!("one{round}"), b"from the first".to_vec()),
                (format!("two{round}"), b"from the second".to_vec()),
            ]
        );
    }
    let rested = |event: &TrunkEvent| *event == TrunkEvent::Rested;
    let mut news = std::iter::from_fn(|| middle.news.try_recv().ok());
    assert!(news.any(|event| rested(&event)));
    assert_eq!(middle.trunk.moved(first.strand).chunks, 3);
    assert_eq!(middle.trunk.moved(second.strand).octets, 3 * 15);
}

#[actix::test]
async fn large_messages_of_three_sessions_cross_interleaved_with_equal_hash() {
    let mut middle = Middle::start().await;
    let mut sending = Vec::new();
    for number in 0..3u32 {
        let alice = middle.join().await;
        let octets: Bytes = (0..4 << 20)
            .map(|n: u32| (n / (7 + number)) as u8)
            .collect();
        let expected = (format!("big{number}"), hash(&octets));
        sending.push((alice, octets, expected));
    }
    let mut expected: Vec<_> = sending.iter().map(|(.., hash)| hash.clone()).collect();
    let all = sending.iter_mut().map(|(alice, octets, (id, _))| async {
        let chunks = send_all(&alice.session, id, octets.clone(), 60_000).await;
        for _ in 0..chunks {
            assert_eq!(alice.ear.response().await.1, 200);
        }
    });
    let receiving = async {
        let mut got = Vec::new();
        for _ in 0..3 {
            let (id, octets) = receive(&mut middle.bob_ear).await;
            got.push((id, hash(&octets)));
        }
        got
    };
    let (_, mut got) =
        futures_util::future::join(futures_util::future::join_all(all), receiving).await;
    got.sort();
    expected.sort();
    assert_eq!(got, expected);
    assert!(middle.trunk.is_quiet());
}

#[actix::test]
async fn session_that_ends_between_two_chunks_gives_its_message_up() {
    let mut middle = Middle::start().await;
    let (mut first, mut second) = (middle.join().await, middle.join().await);
    first.start("half", 100).await;
    assert!(!middle.trunk.is_quiet());
    first.session.close();
    middle.near_hangs_up(&first).await;
    let (_, id) = middle.bob_hears_of(Continuation::Aborted).await;
    assert_eq!(id.as_deref(), Some("half"));
    let sent = second.say("whole", "still there");
    assert_eq!(second.ear.response().await, (sent, 200));
    assert!(!middle.far.is_closed() && middle.trunk.is_quiet());
}

#[actix::test]
async fn session_that_ends_within_a_chunk_gives_its_message_up() {
    let mut middle = Middle::start().await;
    let first = middle.join().await;
    let open = first.session.begin(text("half").with_total(100)).unwrap();
    first.session.body(open, "some".into()).unwrap();
    while !matches!(middle.bob_ear.next().await, SessionEvent::Body(..)) {}
    middle.near_hangs_up(&first).await;
    let (..) = middle.bob_hears_of(Continuation::Aborted).await;
    assert!(middle.trunk.is_quiet());
}

#[actix::test]
async fn message_begun_anew_elsewhere_is_given_up_where_it_was() {
    let mut middle = Middle::start().await;
    let (mut first, mut second) = (middle.join().await, middle.join().await);
    first.start("same", 10).await;
    let again = second.session.send(
        text("same").with_total(10),
        &["0123456789".into()],
        Continuation::Complete,
    );
    assert_eq!(second.ear.response().await, (again.unwrap(), 200));
    middle.bob_hears_of(Continuation::Aborted).await;
    assert_eq!(
        receive(&mut middle.bob_ear).await,
        ("same".to_owned(), b"0123456789".to_vec()),
        "nothing of the first attempt is in it"
    );
}

#[actix::test]
async fn rest_of_an_attempt_that_was_replaced_is_refused() {
    let mut middle = Middle::start().await;
    let (mut first, mut second) = (middle.join().await, middle.join().await);
    first.start("same", 10).await;
    second.start("same", 10).await;
    let mut rest = text("same");
    rest.byte_range = Some(ByteRange::after(5, Some(10), Some(10)));
    let sent = first
        .session
        .send(rest.clone(), &["wrong".into()], Continuation::Complete);
    assert_eq!(first.ear.response().await, (sent.unwrap(), 413));
    let sent = second
        .session
        .send(rest, &["right".into()], Continuation::Complete);
    assert_eq!(second.ear.response().await, (sent.unwrap(), 200));
    middle.bob_hears_of(Continuation::Aborted).await;
    let (_, octets) = receive(&mut middle.bob_ear).await;
    assert_eq!(octets, b"beginright");
}

#[actix::test]
async fn report_goes_to_the_session_that_sent_the_message() {
    let mut middle = Middle::start().await;
    let (mut first, mut second) = (middle.join().await, middle.join().await);
    first.say("one", "abc");
    receive(&mut middle.bob_ear).await;
    second.say("two", "abc");
    receive(&mut middle.bob_ear).await;
    for (alice, id) in [(&mut first, "one"), (&mut second, "two")] {
        middle.bob.success_report(id, ByteRange::whole(3)).unwrap();
        loop {
            if let SessionEvent::Report(report) = alice.ear.next().await {
                assert_eq!(report.message_id(), Some(id));
                break;
            }
        }
    }
}

#[actix::test]
async fn far_side_speaks_to_who_spoke_last_and_is_refused_when_nobody_is_there() {
    let mut middle = Middle::start().await;
    let (mut first, mut second) = (middle.join().await, middle.join().await);
    for speaker in [&mut first, &mut second] {
        let sent = speaker.say("q", "?");
        assert_eq!(speaker.ear.response().await, (sent, 200));
        let back = middle
            .bob
            .send(text("a"), &["!".into()], Continuation::Complete);
        assert_eq!(receive(&mut speaker.ear).await.1, b"!");
        assert_eq!(middle.bob_ear.response().await, (back.unwrap(), 200));
    }
    for leaver in [&first, &second] {
        middle.near_hangs_up(leaver).await;
    }
    let back = middle
        .bob
        .send(text("b"), &["?".into()], Continuation::Complete);
    assert_eq!(middle.bob_ear.response().await, (back.unwrap(), 481));
}

#[actix::test]
async fn rest_of_a_message_goes_to_nobody_else() {
    let mut middle = Middle::start().await;
    let (first, mut second) = (middle.join().await, middle.join().await);
    first.say("q", "?");
    receive(&mut middle.bob_ear).await;
    let begun = middle.bob.send(
        text("long").with_total(10),
        &["01234".into()],
        Continuation::MoreChunks,
    );
    assert_eq!(middle.bob_ear.response().await, (begun.unwrap(), 200));
    middle.near_hangs_up(&first).await;
    let mut rest = text("long");
    rest.byte_range = Some(ByteRange::after(5, Some(10), Some(10)));
    let sent = middle
        .bob
        .send(rest, &["56789".into()], Continuation::Complete);
    assert_eq!(middle.bob_ear.response().await, (sent.unwrap(), 481));
    let anew = middle.bob.send(
        text("long").with_total(10),
        &["0123456789".into()],
        Continuation::Complete,
    );
    assert_eq!(receive(&mut second.ear).await.1, b"0123456789");
    assert_eq!(middle.bob_ear.response().await, (anew.unwrap(), 200));
}

#[actix::test]
async fn loss_of_the_far_side_is_told_to_all() {
    let mut middle = Middle::start().await;
    let (mut first, mut second) = (middle.join().await, middle.join().await);
    let mut open = Vec::new();
    for alice in [&first, &second] {
        let id = alice.session.begin(text("m").with_total(100)).unwrap();
        alice.session.body(id, "half".into()).unwrap();
        while !matches!(middle.bob_ear.next().await, SessionEvent::Body(..)) {}
        open.push(id);
        // the second one's message is another one
        if open.len() == 1 {
            alice.session.end(id, Continuation::MoreChunks).unwrap();
        }
    }
    middle.far.close();
    loop {
        if let TrunkEvent::Ended { reason } = middle.news.recv().await.unwrap() {
            assert_eq!(reason, CloseReason::Local);
            break;
        }
    }
    let more = first.session.send(
        text("m2"),
        &["nobody has this".into()],
        Continuation::Complete,
    );
    let more = more.unwrap();
    while first.ear.response().await != (more, 481) {}
    assert_eq!(second.ear.response().await, (open[1], 481));
    assert!(!first.near.is_closed(), "it is its owner's to close");
}

#[actix::test]
async fn channel_outlives_its_users() {
    let mut middle = Middle::start().await;
    for round in 0..3 {
        let mut alice = middle.join().await;
        let sent = alice.say(&format!("m{round}"), "hello");
        assert_eq!(alice.ear.response().await, (sent, 200));
        middle.near_hangs_up(&alice).await;
        assert_eq!(middle.trunk.moved(alice.strand).chunks, 0, "it has left");
        assert!(middle.trunk.is_quiet());
    }
    for round in 0..3 {
        assert_eq!(receive(&mut middle.bob_ear).await.0, format!("m{round}"));
    }
    assert!(!middle.far.is_closed());
}

#[actix::test]
async fn what_a_session_left_unanswered_keeps_the_trunk_from_being_quiet() {
    let mut middle = Middle::start().await;
    let alice = middle.join().await;
    // errors only: silence is its success
    let mut partial = text("quiet");
    partial.failure_report = FailureReport::Partial;
    let sent = alice
        .session
        .send(partial, &["x".into()], Continuation::Complete);
    sent.unwrap();
    receive(&mut middle.bob_ear).await;
    assert!(middle.trunk.is_quiet());

    let open = alice.session.begin(text("m").with_total(4)).unwrap();
    alice.session.body(open, "some".into()).unwrap();
    alice.session.end(open, Continuation::Complete).unwrap();
    assert_eq!(receive(&mut middle.bob_ear).await.0, "m");
    middle.near_hangs_up(&alice).await;
    let quiet = async {
        while !middle.trunk.is_quiet() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, quiet).await.unwrap();
}

#[actix::test]
async fn lines_of_a_session_go_with_each_of_its_messages() {
    let mut middle = Middle::start().await;
    let hers = board(&Config::default());
    let plain = middle.join_from(&hers, &[]).await;
    let marked = middle.join_from(&hers, &["Subject: lunch"]).await;
    for (alice, subject) in [(&plain, None), (&marked, Some("lunch"))] {
        alice.say("m", "?");
        loop {
            if let SessionEvent::Head(inbound) = middle.bob_ear.next().await {
                assert_eq!(inbound.head.text("Subject"), subject);
                break;
            }
        }
    }
    assert!(plain.near.is_bound());
    assert_eq!(
        plain.near.peer_addr(),
        marked.near.peer_addr(),
        "one connection"
    );
}

#[actix::test]
async fn far_side_that_reads_nothing_stops_all_who_send() {
    let mut middle = Middle::start().await;
    let (first, second) = (middle.join().await, middle.join().await);
    middle.bob.pause();
    let piece = Bytes::from(vec![b'x'; 60_000]);
    let mut sent = 0;
    for alice in [&first, &second] {
        let mut stuck = 0;
        while stuck < 20 {
            let head = text(&format!("m{sent}"));
            match alice
                .session
                .send(head, std::slice::from_ref(&piece), Continuation::Complete)
            {
                Ok(_) => (sent, stuck) = (sent + 1, 0),
                Err(_) => {
                    stuck += 1;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            tokio::task::yield_now().await;
            assert!(sent < 2000, "nothing stops the senders");
        }
        assert_eq!(alice.session.pressure(), Pressure::High);
    }
    middle.bob.resume();
    for _ in 0..sent {
        receive(&mut middle.bob_ear).await;
    }
    timeout(SOON, first.session.when_writable()).await.unwrap();
    timeout(SOON, second.session.when_writable()).await.unwrap();
}

impl Middle {
    /// Ends the middle's end of a session, as a BYE does, and waits until it has left.
    async fn near_hangs_up(&mut self, alice: &Alice) {
        alice.near.close();
        assert_eq!(self.left().await, (alice.strand, CloseReason::Local));
    }
}
