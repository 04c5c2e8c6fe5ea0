//! The deferred-messaging function over each storage engine: what is stored, what is refused,
//! what survives a crash in every state, and what the trail tells of it.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#[allow(dead_code, reason = "shared with another file of tests")]
#[path = "deferred/bench.rs"]
mod bench;
#[path = "deferred/recording.rs"]
mod recording;

use bench::{Bench, address, benches, facts, noise};
use bytes::Bytes;
use bytesize::ByteSize;
use restante::{
    clock::{self, Timestamp},
    deferred::{
        Config, Deferred, Deposit, Envelope, Facts, Limit, MailboxChanged, PIECE, Priority, Queue,
        Refusal, State, Stored,
    },
    identity::Address,
    policy::Mode,
    store::Table,
};
use std::time::Duration;

async fn content(function: &Deferred, envelope: &Envelope) -> Vec<u8> {
    let mut octets = Vec::new();
    for index in 0..envelope.pieces() {
        let piece = function.piece(envelope, index).await.unwrap();
        octets.extend(piece.expect("piece is there"));
    }
    octets
}

async fn store(function: &Deferred, id: &str) -> Stored {
    let content = Bytes::from(format!("content of {id}"));
    function.accept(facts(id), content).await.unwrap()
}

async fn begin(function: &Deferred, declared: Option<u64>) -> Deposit {
    let (alice, bob) = (address("alice"), address("bob"));
    let reservation = function.admit(&alice, &bob, declared).await;
    function.begin(reservation.unwrap())
}

async fn envelope(function: &Deferred, sequence: u64) -> Envelope {
    let bob = address("bob");
    let found = function.open_envelope(&bob, sequence).await.unwrap();
    found.unwrap()
}

async fn ids(function: &Deferred) -> Vec<String> {
    let page = function.list(&address("bob"), 0, 100).await.unwrap();
    page.into_iter()
        .map(|envelope| envelope.facts.message_id.clone())
        .collect()
}

async fn states(function: &Deferred, id: &str) -> Vec<State> {
    let steps = function.trace(id).await.unwrap();
    steps.into_iter().map(|step| step.state).collect()
}

// ---- taking a message in -------------------------------------------------------------------

#[tokio::test]
async fn message_of_any_size_comes_back_octet_by_octet() {
    for bench in benches().await {
        let function = &bench.function;
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 40 * PIECE + 17] {
            let octets = noise(size);
            let id = format!("size {size}");
            let mut deposit = begin(function, None).await;
            for (n, chunk) in octets.chunks(50_000).enumerate() {
                let offset = n as u64 * 50_000;
                deposit
                    .write(offset, Bytes::copy_from_slice(chunk))
                    .await
                    .unwrap();
            }
            let stored = function
                .complete(deposit, facts(&id), size as u64)
                .await
                .unwrap();
            let envelope = envelope(function, stored.sequence).await;
            assert_eq!(envelope.facts.size, size as u64, "{}", bench.name);
            assert_eq!(
                content(function, &envelope).await,
                octets,
                "{} {size}",
                bench.name
            );
        }
    }
}

#[tokio::test]
async fn chunks_in_any_order_make_the_message_and_the_later_octets_win() {
    for bench in benches().await {
        let function = &bench.function;
        let octets = noise(3 * PIECE + 100);
        let total = octets.len() as u64;
        let mut deposit = begin(function, Some(total)).await;
        let part = |from: usize, until: usize| Bytes::copy_from_slice(&octets[from..until]);
        // wrong octets first: they are overtaken by the right ones
        let wrong = Bytes::from(vec![0; 1000]);
        deposit.write(PIECE as u64 - 500, wrong).await.unwrap();
        deposit
            .write(2 * PIECE as u64, part(2 * PIECE, 3 * PIECE + 100))
            .await
            .unwrap();
        deposit.write(0, part(0, 10)).await.unwrap();
        deposit
            .write(PIECE as u64 - 600, part(PIECE - 600, 2 * PIECE))
            .await
            .unwrap();
        deposit.write(10, part(10, PIECE)).await.unwrap();
        let stored = function
            .complete(deposit, facts("id"), total)
            .await
            .unwrap();
        let envelope = envelope(function, stored.sequence).await;
        assert_eq!(content(function, &envelope).await, octets, "{}", bench.name);
    }
}

#[tokio::test]
async fn message_with_missing_octets_is_refused_and_leaves_nothing() {
    for bench in benches().await {
        let function = &bench.function;
        let mut deposit = begin(function, None).await;
        deposit.write(0, noise(PIECE).into()).await.unwrap();
        deposit
            .write(PIECE as u64 + 1, noise(3 * PIECE).into())
            .await
            .unwrap();
        let total = 4 * PIECE as u64 + 1;
        let refused = function.complete(deposit, facts("id"), total).await;
        let missing = PIECE as u64;
        assert!(
            matches!(refused, Err(Refusal::Incomplete { missing: found }) if found == missing),
            "{refused:?}"
        );
        assert!(ids(function).await.is_empty());
        function.clean_up().await.unwrap();
        assert_eq!(bench.count(Table::Content).await, 0, "{}", bench.name);
        assert_eq!(bench.count(Table::Receiving).await, 0, "{}", bench.name);
    }
}

#[tokio::test]
async fn aborted_message_leaves_nothing_and_gives_its_room_back() {
    let config = Config {
        max_messages: 1,
        ..Config::default()
    };
    for bench in Bench::all(config).await {
        let function = &bench.function;
        let (alice, bob) = (address("alice"), address("bob"));
        let mut deposit = function.begin(function.admit(&alice, &bob, None).await.unwrap());
        deposit.write(0, noise(5 * PIECE).into()).await.unwrap();
        let refused = function.admit(&alice, &bob, None).await;
        assert!(matches!(
            refused,
            Err(Refusal::Full {
                limit: Limit::Messages,
                ..
            })
        ));
        drop(deposit);
        function.clean_up().await.unwrap();
        assert_eq!(bench.count(Table::Content).await, 0, "{}", bench.name);
        assert_eq!(bench.count(Table::Receiving).await, 0, "{}", bench.name);
        store(function, "next").await;
    }
}

#[tokio::test]
async fn message_submitted_again_is_recognised_even_after_delivery() {
    for bench in benches().await {
        let function = &bench.function;
        let first = store(function, "id").await;
        let again = store(function, "id").await;
        assert!(!first.duplicate && again.duplicate);
        assert_eq!(first.sequence, again.sequence);
        let other = Facts::new(address("carol"), address("bob"), "id");
        let other = function.accept(other, "hello".into()).await.unwrap();
        assert!(!other.duplicate, "another sender's id is another message");
        assert_eq!(ids(function).await, ["id", "id"]);
        let bob = address("bob");
        assert!(function.confirm(&bob, first.sequence, "200").await.unwrap());
        assert!(store(function, "id").await.duplicate);
        assert_eq!(ids(function).await.len(), 1, "{}", bench.name);
    }
}

#[tokio::test]
async fn large_duplicate_leaves_no_second_content() {
    for bench in benches().await {
        let function = &bench.function;
        let octets = Bytes::from(noise(20 * PIECE));
        function.accept(facts("id"), octets.clone()).await.unwrap();
        let again = function.accept(facts("id"), octets).await.unwrap();
        assert!(again.duplicate);
        function.clean_up().await.unwrap();
        assert_eq!(bench.count(Table::Content).await, 20, "{}", bench.name);
    }
}

#[tokio::test]
async fn receiver_without_a_mailbox_is_refused_by_the_standards_codes() {
    for bench in benches().await {
        let function = &bench.function;
        let admit = |to: &'static str| {
            let function = function.clone();
            async move {
                function
                    .admit(&address("alice"), &address(to), None)
                    .await
                    .unwrap_err()
            }
        };
        assert_eq!(admit("refuses").await.status(), 403);
        assert_eq!(admit("nobody").await.status(), 404);
    }
}

#[tokio::test]
async fn two_deposits_at_once_cannot_exceed_the_quota() {
    let config = Config {
        max_octets: ByteSize::b(1000),
        ..Config::default()
    };
    for bench in Bench::all(config).await {
        let function = &bench.function;
        let (alice, bob) = (address("alice"), address("bob"));
        let (one, two) = tokio::join!(
            function.admit(&alice, &bob, Some(600)),
            function.admit(&alice, &bob, Some(600))
        );
        assert_eq!(one.is_ok() as u8 + two.is_ok() as u8, 1, "{}", bench.name);
        let full = one.err().or(two.err()).unwrap();
        assert_eq!((full.status(), full.msrp_status()), (480, 413));
        assert!(full.to_string().contains("deferred.max_octets"), "{full}");
    }
}

#[tokio::test]
async fn sizes_that_nobody_declared_meet_the_quota_while_they_come() {
    let config = Config {
        max_octets: ByteSize::kib(256),
        max_message: ByteSize::kib(200),
        ..Config::default()
    };
    for bench in Bench::all(config).await {
        let function = &bench.function;
        let (alice, bob) = (address("alice"), address("bob"));
        let mut one = function.begin(function.admit(&alice, &bob, None).await.unwrap());
        let mut two = function.begin(function.admit(&alice, &bob, None).await.unwrap());
        one.write(0, noise(128 * 1024).into()).await.unwrap();
        two.write(0, noise(128 * 1024).into()).await.unwrap();
        let refused = two.write(128 * 1024, noise(1).into()).await;
        assert!(matches!(
            refused,
            Err(Refusal::Full {
                limit: Limit::Octets,
                ..
            })
        ));
        let refused = one.write(200 * 1024, noise(1).into()).await;
        assert!(
            matches!(refused, Err(Refusal::TooLarge { .. })),
            "{refused:?}"
        );
        drop((one, two));
        let large = function.admit(&alice, &bob, Some(200 * 1024 + 1)).await;
        assert_eq!(large.unwrap_err().status(), 413);
    }
}

#[tokio::test]
async fn last_word_on_the_quota_is_said_when_the_message_is_stored() {
    let config = Config {
        max_messages: 2,
        max_share: 100,
        ..Config::default()
    };
    for bench in Bench::all(config).await {
        let function = &bench.function;
        let mut waiting = Vec::new();
        for n in 0..8 {
            let function = function.clone();
            let id = format!("id {n}");
            waiting.push(tokio::spawn(async move {
                function.accept(facts(&id), "x".into()).await.is_ok()
            }));
        }
        let mut stored = 0;
        for accepted in waiting {
            stored += u32::from(accepted.await.unwrap());
        }
        assert_eq!(stored, 2, "{}", bench.name);
        assert_eq!(function.waiting(&address("bob")).await.unwrap().count, 2);
    }
}

#[tokio::test]
async fn unusable_message_id_is_refused() {
    for bench in benches().await {
        let long = "x".repeat(257);
        for id in ["", "a\0b", "line\r\nbreak", &long] {
            let refused = bench.function.accept(facts(id), "x".into()).await;
            assert!(matches!(refused, Err(Refusal::BadMessageId)), "{id:?}");
        }
    }
}

// ---- handing over --------------------------------------------------------------------------

#[tokio::test]
async fn messages_keep_their_order_and_are_listed_by_pages() {
    for bench in benches().await {
        let function = &bench.function;
        let bob = address("bob");
        for n in 0..25 {
            store(function, &format!("{n:02}")).await;
        }
        let mut seen = Vec::new();
        let mut after = 0;
        loop {
            let page = function.list(&bob, after, 10).await.unwrap();
            let Some(last) = page.last() else { break };
            after = last.sequence;
            seen.extend(
                page.into_iter()
                    .map(|envelope| envelope.facts.message_id.clone()),
            );
        }
        let expected: Vec<String> = (0..25).map(|n| format!("{n:02}")).collect();
        assert_eq!(seen, expected, "{}", bench.name);
    }
}

#[tokio::test]
async fn head_of_a_mailbox_moves_past_what_was_delivered() {
    for bench in benches().await {
        let function = &bench.function;
        let bob = address("bob");
        for n in 1..=6 {
            store(function, &format!("{n}")).await;
        }
        let head = || async { function.waiting(&bob).await.unwrap().head };
        assert_eq!(head().await, Some(1));
        function.confirm(&bob, 3, "").await.unwrap();
        function.confirm(&bob, 2, "").await.unwrap();
        assert_eq!(head().await, Some(1));
        function.confirm(&bob, 1, "").await.unwrap();
        assert_eq!(head().await, Some(4));
        for sequence in 4..=6 {
            function.confirm(&bob, sequence, "").await.unwrap();
        }
        assert_eq!(head().await, None);
        assert!(function.list(&bob, 0, 10).await.unwrap().is_empty());
        let next = store(function, "7").await;
        assert_eq!(
            (next.sequence, head().await),
            (7, Some(7)),
            "{}",
            bench.name
        );
    }
}

#[tokio::test]
async fn confirmed_message_is_gone_with_all_that_belonged_to_it() {
    for bench in benches().await {
        let function = &bench.function;
        let bob = address("bob");
        for size in [100, 40 * PIECE] {
            let id = format!("size {size}");
            let stored = function
                .accept(facts(&id), noise(size).into())
                .await
                .unwrap();
            let transfer = function
                .transfer(&bob, stored.sequence, "push")
                .await
                .unwrap();
            assert!(
                transfer
                    .unwrap()
                    .confirm("200 to the last chunk")
                    .await
                    .unwrap()
            );
            function.clean_up().await.unwrap();
            for table in [
                Table::Envelope,
                Table::Content,
                Table::Receiving,
                Table::Removing,
            ] {
                assert_eq!(bench.count(table).await, 0, "{} {table:?}", bench.name);
            }
            let again = function.confirm(&bob, stored.sequence, "").await.unwrap();
            assert!(!again, "a second confirmation finds nothing");
        }
        let totals = function.totals().await.unwrap();
        assert_eq!((totals.messages, totals.octets), (0, 0));
        let waiting = function.waiting(&bob).await.unwrap();
        assert_eq!((waiting.count, waiting.octets), (0, 0));
    }
}

#[tokio::test]
async fn message_on_its_way_is_not_sent_twice() {
    for bench in benches().await {
        let function = &bench.function;
        let bob = address("bob");
        let stored = store(function, "id").await;
        let first = function
            .transfer(&bob, stored.sequence, "push")
            .await
            .unwrap();
        let first = first.unwrap();
        assert_eq!(first.envelope().attempts, 1);
        let second = function
            .transfer(&bob, stored.sequence, "fetch")
            .await
            .unwrap();
        assert!(second.is_none());
        assert!(!function.offered(&bob, stored.sequence, "").await.unwrap());
        assert!(first.release("481").await.unwrap());
        let third = function
            .transfer(&bob, stored.sequence, "fetch")
            .await
            .unwrap();
        assert_eq!(third.unwrap().envelope().attempts, 2, "{}", bench.name);
    }
}

#[tokio::test]
async fn transfer_that_ends_without_a_word_lets_the_message_wait_again() {
    for bench in benches().await {
        let function = &bench.function;
        let bob = address("bob");
        let stored = store(function, "id").await;
        let transfer = function
            .transfer(&bob, stored.sequence, "push")
            .await
            .unwrap();
        drop(transfer.unwrap());
        function.clean_up().await.unwrap();
        let page = function.list(&bob, 0, 1).await.unwrap();
        assert_eq!(page[0].state, State::Stored, "{}", bench.name);
    }
}

#[tokio::test]
async fn caller_that_goes_away_leaves_no_message_stuck_and_no_content_behind() {
    for bench in benches().await {
        let function = &bench.function;
        let bob = address("bob");
        let stored = store(function, "id").await;
        bench.begin_and_leave(function.transfer(&bob, stored.sequence, "push"));
        let mut deposit = begin(function, None).await;
        bench.begin_and_leave(deposit.write(0, noise(2 * PIECE).into()));
        let again = deposit.write(0, noise(1).into()).await;
        assert!(matches!(again, Err(Refusal::Interrupted)));
        drop(deposit);
        let mut whole = begin(function, None).await;
        whole.write(0, noise(3 * PIECE).into()).await.unwrap();
        bench.begin_and_leave(function.complete(whole, facts("whole"), 3 * PIECE as u64));
        while function.waiting(&bob).await.unwrap().count < 2 {
            tokio::task::yield_now().await;
        }
        function.clean_up().await.unwrap();
        let page = function.list(&bob, 0, 10).await.unwrap();
        assert!(page.iter().all(|envelope| envelope.state == State::Stored));
        // the small one stands with its envelope
        assert_eq!(bench.count(Table::Content).await, 3, "{}", bench.name);
        assert_eq!(bench.count(Table::Receiving).await, 0, "{}", bench.name);
    }
}

#[tokio::test]
async fn nearly_full_disk_takes_no_message_in() {
    let config = Config {
        min_free: ByteSize::pib(1),
        ..Config::default()
    };
    for bench in Bench::all(config).await {
        if bench.name == "fjall" {
            let (alice, bob) = (address("alice"), address("bob"));
            let refused = bench.function.admit(&alice, &bob, None).await.unwrap_err();
            assert_eq!(refused.status(), 503);
            assert!(refused.to_string().contains("deferred.min_free"));
        }
    }
}

#[tokio::test]
async fn messages_are_found_by_their_id() {
    for bench in benches().await {
        let function = &bench.function;
        let bob = address("bob");
        store(function, "id").await;
        store(function, "id2").await;
        let other = Facts::new(address("carol"), bob.clone(), "id");
        function.accept(other, "hello".into()).await.unwrap();
        let mut found = function.find(&bob, "id").await.unwrap();
        found.sort_by_key(|envelope| envelope.sequence);
        let found: Vec<u64> = found.iter().map(|envelope| envelope.sequence).collect();
        assert_eq!(found, [1, 3]);
        function.confirm(&bob, 1, "").await.unwrap();
        assert_eq!(function.find(&bob, "id").await.unwrap().len(), 1);
        assert!(function.find(&bob, "i").await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn urgent_messages_overtake_only_where_configured() {
    for overtakes in [false, true] {
        let config = Config {
            priority_overtakes: overtakes,
            ..Config::default()
        };
        for bench in Bench::all(config).await {
            let function = &bench.function;
            store(function, "usual").await;
            let urgent = Facts {
                priority: Priority::High,
                ..facts("urgent")
            };
            function.accept(urgent, "!".into()).await.unwrap();
            let expected = match overtakes {
                true => ["urgent", "usual"],
                false => ["usual", "urgent"],
            };
            assert_eq!(ids(function).await, expected);
        }
    }
}

#[tokio::test]
async fn purge_deletes_all_of_one_receiver_and_nothing_of_another() {
    for bench in benches().await {
        let function = &bench.function;
        for n in 0..100 {
            store(function, &format!("{n}")).await;
        }
        let other = Facts::new(address("alice"), address("carol"), "other");
        function.accept(other, "hello".into()).await.unwrap();
        let mailboxes = function.mailboxes(None, 10).await.unwrap();
        assert_eq!(mailboxes.len(), 2);
        let purged = function
            .purge(&address("bob"), "by the operator")
            .await
            .unwrap();
        assert_eq!(purged, 100);
        let mailboxes = function.mailboxes(None, 10).await.unwrap();
        assert_eq!(mailboxes.len(), 1, "{}", bench.name);
        assert_eq!(mailboxes[0].0, address("carol"));
        let after = function
            .mailboxes(Some(&address("carol")), 10)
            .await
            .unwrap();
        assert!(after.is_empty());
        assert_eq!(states(function, "5").await.last(), Some(&State::Revoked));
    }
}

// ---- time ----------------------------------------------------------------------------------

fn in_days(days: u64) -> Timestamp {
    clock::wall().plus(Duration::from_secs(days * 86_400 + 5))
}

#[tokio::test]
async fn message_expires_by_its_senders_wish_capped_by_the_operator() {
    for bench in benches().await {
        let function = &bench.function;
        for (id, days) in [("short", Some(2)), ("long", Some(900)), ("none", None)] {
            let wish = Facts {
                expires: days.map(in_days),
                ..facts(id)
            };
            function
                .accept(wish, noise(20 * PIECE).into())
                .await
                .unwrap();
        }
        let expire = |days| function.expire(in_days(days), 10);
        assert_eq!(expire(1).await.unwrap().0, 0);
        assert_eq!(expire(2).await.unwrap().0, 1);
        assert_eq!(ids(function).await, ["long", "none"]);
        let last = function.trace("short").await.unwrap().pop().unwrap();
        assert_eq!(last.state, State::Expired);
        assert!(last.reason.contains("its time was over"), "{}", last.reason);
        assert_eq!(expire(30).await.unwrap().0, 2);
        function.clean_up().await.unwrap();
        assert_eq!(bench.count(Table::Content).await, 0, "{}", bench.name);
    }
}

#[tokio::test]
async fn messages_expire_in_bounded_batches() {
    for bench in benches().await {
        let function = &bench.function;
        for n in 0..10 {
            store(function, &format!("{n}")).await;
        }
        let mut batches = Vec::new();
        loop {
            let (expired, more) = function.expire(in_days(40), 4).await.unwrap();
            batches.push(expired);
            if !more {
                break;
            }
        }
        assert_eq!(batches[..3], [4, 4, 2], "{}", bench.name);
        assert!(ids(function).await.is_empty());
    }
}

#[tokio::test]
async fn message_on_its_way_does_not_expire_under_its_reader() {
    for bench in benches().await {
        let function = &bench.function;
        let bob = address("bob");
        let stored = store(function, "id").await;
        let transfer = function.transfer(&bob, stored.sequence, "").await.unwrap();
        let (expired, _) = function.expire(in_days(40), 10).await.unwrap();
        assert_eq!(expired, 0);
        assert!(
            transfer.unwrap().confirm("").await.unwrap(),
            "{}",
            bench.name
        );
    }
}

#[tokio::test]
async fn what_was_remembered_of_a_message_is_forgotten_in_time() {
    let config = Config {
        remember: Duration::from_millis(300),
        ..Config::default()
    };
    for bench in Bench::all(config).await {
        let function = &bench.function;
        let bob = address("bob");
        let stored = store(function, "id").await;
        function.confirm(&bob, stored.sequence, "").await.unwrap();
        let (alice, reason) = (address("alice"), "no capacity");
        function
            .note("refused", &alice, &bob, State::Refused, reason)
            .await
            .unwrap();
        assert_eq!(states(function, "id").await.len(), 3);
        assert_eq!(states(function, "refused").await, [State::Refused]);
        while !states(function, "refused").await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(states(function, "id").await.is_empty(), "{}", bench.name);
        assert_eq!(bench.count(Table::Due).await, 0, "{}", bench.name);
        assert!(!store(function, "id").await.duplicate);
    }
}

// ---- crashes -------------------------------------------------------------------------------

#[tokio::test]
async fn crash_while_receiving_leaves_nothing_of_the_message() {
    for bench in benches().await {
        let function = &bench.function;
        store(function, "whole").await;
        let mut deposit = begin(function, None).await;
        deposit.write(0, noise(300 * PIECE).into()).await.unwrap();
        let bench = bench.crash().await;
        assert_eq!(ids(&bench.function).await, ["whole"], "{}", bench.name);
        assert_eq!(bench.count(Table::Content).await, 0, "{}", bench.name);
        assert_eq!(bench.count(Table::Receiving).await, 0, "{}", bench.name);
        drop(deposit);
    }
}

#[tokio::test]
async fn stored_message_survives_a_crash_in_every_state() {
    for bench in benches().await {
        let function = &bench.function;
        let bob = address("bob");
        for id in ["stored", "offered", "transferring", "confirmed"] {
            let octets = noise(20 * PIECE);
            function.accept(facts(id), octets.into()).await.unwrap();
        }
        assert!(function.offered(&bob, 2, "summary").await.unwrap());
        let transfer = function.transfer(&bob, 3, "push").await.unwrap();
        assert!(function.confirm(&bob, 4, "200").await.unwrap());

        let bench = bench.crash().await;
        let function = &bench.function;
        let page = function.list(&bob, 0, 10).await.unwrap();
        let found: Vec<_> = page
            .iter()
            .map(|envelope| (&*envelope.facts.message_id, envelope.state))
            .collect();
        let expected = ["stored", "offered", "transferring"].map(|id| (id, State::Stored));
        assert_eq!(found, expected, "{}", bench.name);
        // the removal that the crash interrupted was finished
        assert_eq!(bench.count(Table::Content).await, 60, "{}", bench.name);
        assert_eq!(bench.count(Table::Removing).await, 0, "{}", bench.name);
        for envelope in &page {
            assert_eq!(content(function, envelope).await.len(), 20 * PIECE);
        }
        let again = function.transfer(&bob, 3, "push again").await.unwrap();
        // what was under way in the life that ended left no mark
        assert_eq!(again.as_ref().unwrap().envelope().attempts, 1);
        let trail = states(function, "transferring").await;
        use State::{Receiving, Stored, Transferring};
        assert_eq!(trail, [Receiving, Stored, Transferring]);
        drop(transfer);
    }
}

#[tokio::test]
async fn names_of_contents_are_not_used_again_after_a_crash() {
    for bench in benches().await {
        let octets = [noise(2 * PIECE), noise(2 * PIECE)];
        let first = octets[0].clone().into();
        bench.function.accept(facts("1"), first).await.unwrap();
        let bench = bench.crash().await;
        let second = octets[1].clone().into();
        bench.function.accept(facts("2"), second).await.unwrap();
        for (sequence, octets) in (1..).zip(octets) {
            let envelope = envelope(&bench.function, sequence).await;
            let found = content(&bench.function, &envelope).await;
            assert_eq!(found, octets, "{}", bench.name);
        }
        assert_eq!(bench.count(Table::Content).await, 4, "{}", bench.name);
    }
}

// ---- the trail and the news ----------------------------------------------------------------

#[tokio::test]
async fn trail_tells_the_whole_life_with_reasons() {
    for bench in benches().await {
        let function = &bench.function;
        let bob = address("bob");
        let message = Facts {
            mode: Mode::Pager,
            ..facts("id")
        };
        let stored = function.accept(message, "hello".into()).await.unwrap();
        function
            .offered(&bob, stored.sequence, "told by summary")
            .await
            .unwrap();
        let transfer = function
            .transfer(&bob, stored.sequence, "pushed")
            .await
            .unwrap();
        transfer
            .unwrap()
            .release("481 to the last chunk")
            .await
            .unwrap();
        let transfer = function
            .transfer(&bob, stored.sequence, "fetched")
            .await
            .unwrap();
        transfer
            .unwrap()
            .confirm("200 to the last chunk")
            .await
            .unwrap();
        let life: Vec<_> = function
            .trace("id")
            .await
            .unwrap()
            .into_iter()
            .map(|step| (step.state, step.reason))
            .collect();
        let expected = [
            (State::Receiving, "sip:alice@localhost sends it by pager"),
            (State::Stored, "5 octets on disk"),
            (State::Offered, "told by summary"),
            (State::Transferring, "pushed"),
            (State::Stored, "481 to the last chunk"),
            (State::Transferring, "fetched"),
            (State::Confirmed, "200 to the last chunk"),
        ];
        let expected = expected.map(|(state, reason)| (state, reason.to_owned()));
        assert_eq!(life, expected, "{}", bench.name);
    }
}

use actix::prelude::*;

struct Listener(tokio::sync::mpsc::UnboundedSender<(Address, u64, bool)>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<MailboxChanged> for Listener {
    type Result = ();
    fn handle(&mut self, news: MailboxChanged, _: &mut Self::Context) {
        let told = (news.recipient, news.waiting.count, news.arrived);
        self.0.send(told).unwrap();
    }
}

/// Nobody wants to hear of Carol.
fn interest() -> restante::deferred::Interest {
    std::sync::Arc::new(|mailbox| mailbox.user() != "carol")
}

#[actix::test]
async fn queue_tells_of_arrival_delivery_and_expiry_and_cleans_up() {
    let config = Config {
        expire_every: Duration::from_millis(5),
        ..Config::default()
    };
    for bench in Bench::all(config).await {
        let function = bench.function.clone();
        let (teller, mut told) = tokio::sync::mpsc::unbounded_channel();
        let listener = Listener(teller).start();
        let listeners = vec![listener.recipient()];
        Queue::new(function.clone(), listeners, interest()).start();
        let bob = address("bob");
        let stored = function
            .accept(facts("id"), noise(30 * PIECE).into())
            .await
            .unwrap();
        assert_eq!(told.recv().await.unwrap(), (bob.clone(), 1, true));
        function.confirm(&bob, stored.sequence, "").await.unwrap();
        assert_eq!(told.recv().await.unwrap(), (bob.clone(), 0, false));
        while bench.count(Table::Content).await > 0 {
            tokio::task::yield_now().await;
        }
        let brief = Facts {
            expires: Some(clock::wall().plus(Duration::from_millis(20))),
            ..facts("brief")
        };
        function.accept(brief, "x".into()).await.unwrap();
        let elsewhere = Facts::new(address("alice"), address("carol"), "elsewhere");
        function.accept(elsewhere, "x".into()).await.unwrap();
        let mut news = Vec::new();
        while !news.contains(&(bob.clone(), 0, false)) {
            news.push(told.recv().await.unwrap());
        }
        assert!(news.contains(&(bob.clone(), 1, true)), "{news:?}");
        assert!(news.iter().all(|(about, ..)| *about == bob), "{news:?}");
    }
}
