//! What bounds a mailbox and what its owners and senders are told: classes of service, shares,
//! what a full mailbox drops, notifications stored with what they tell of, messages shared by a
//! group, messages taken back. Over each storage engine.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#[allow(dead_code, reason = "shared with another file of tests")]
#[path = "deferred/bench.rs"]
mod bench;

use bench::{Bench, address, benches, facts, noise};
use bytes::Bytes;
use bytesize::ByteSize;
use restante::{
    clock::{self, Timestamp},
    content::cpim::Dispositions,
    deferred::{
        ClassConfig, Config, Deferred, Envelope, Facts, Limit, PIECE, Priority, Refusal, State,
        Stored, WhenFull,
    },
    identity::Address,
    store::Table,
};
use std::time::Duration;

async fn send(function: &Deferred, facts: Facts) -> Result<Stored, Refusal> {
    let content = Bytes::from(format!("content of {}", facts.message_id));
    function.accept(facts, content).await
}

async fn ids(function: &Deferred, user: &str) -> Vec<String> {
    let page = function.list(&address(user), 0, 100).await.unwrap();
    let id = |envelope: &Envelope| envelope.facts.message_id.clone();
    page.iter().map(id).collect()
}

async fn last_state(function: &Deferred, id: &str) -> State {
    function.trace(id).await.unwrap().pop().unwrap().state
}

fn from(sender: &str, id: &str) -> Facts {
    Facts::new(address(sender), address("bob"), id)
}

fn golden(id: &str) -> Facts {
    Facts::new(address("alice"), address("golden"), id)
}

fn with_class(class: ClassConfig) -> Config {
    Config {
        max_messages: 2,
        max_share: 100,
        classes: [("gold".to_owned(), class)].into(),
        ..Config::default()
    }
}

// ---- classes -------------------------------------------------------------------------------

#[tokio::test]
async fn class_of_a_subscriber_bounds_the_mailbox_and_its_key_is_named() {
    let config = with_class(ClassConfig {
        max_messages: Some(3),
        max_message: Some(ByteSize::b(100)),
        ..ClassConfig::default()
    });
    for bench in Bench::all(config).await {
        let function = &bench.function;
        for n in 0..3 {
            send(function, golden(&format!("{n}"))).await.unwrap();
        }
        let full = send(function, golden("3")).await.unwrap_err();
        assert_eq!(full.status(), 480);
        let told =
            "the receiver's mailbox is full (`deferred.classes.gold.max_messages`, 3 allowed)";
        assert_eq!(full.to_string(), told);
        let large = function
            .accept(golden("large"), noise(101).into())
            .await
            .unwrap_err();
        assert_eq!(large.status(), 413);
        let text = large.to_string();
        assert!(text.contains("deferred.classes.gold.max_message"), "{text}");
        // the others have what is usual
        for n in 0..2 {
            send(function, facts(&format!("{n}"))).await.unwrap();
        }
        let full = send(function, facts("2")).await.unwrap_err().to_string();
        assert!(full.contains("`deferred.max_messages`"), "{full}");
    }
}

#[tokio::test]
async fn one_sender_fills_no_more_than_a_share() {
    let config = Config {
        max_messages: 10,
        max_share: 30,
        ..Config::default()
    };
    for bench in Bench::all(config).await {
        let function = &bench.function;
        for n in 0..3 {
            send(function, from("alice", &format!("a{n}")))
                .await
                .unwrap();
        }
        let refused = send(function, from("alice", "a3")).await;
        let limit = Limit::Share;
        assert!(
            matches!(&refused, Err(Refusal::Full { limit: found, allowed: 3, .. }) if *found == limit),
            "{refused:?}"
        );
        send(function, from("carol", "c")).await.unwrap();
        function.confirm(&address("bob"), 1, "").await.unwrap();
        send(function, from("alice", "a4")).await.unwrap();
        // counted exactly, also after a crash
        let bench = bench.crash().await;
        let refused = send(&bench.function, from("alice", "a5")).await;
        assert!(refused.is_err(), "{}", bench.name);
        send(&bench.function, from("carol", "c2")).await.unwrap();
    }
}

#[tokio::test]
async fn full_mailbox_drops_the_oldest_of_the_lowest_priority_and_nothing_more_urgent() {
    let config = with_class(ClassConfig {
        max_messages: Some(3),
        when_full: Some(WhenFull::DropOldest),
        ..ClassConfig::default()
    });
    for bench in Bench::all(config).await {
        let function = &bench.function;
        let of = |id: &str, priority| Facts {
            priority,
            ..golden(id)
        };
        use Priority::{High, Low, Normal};
        for (id, priority) in [("1", High), ("2", Low), ("3", Low)] {
            send(function, of(id, priority)).await.unwrap();
        }
        send(function, of("4", Normal)).await.unwrap();
        assert_eq!(ids(function, "golden").await, ["1", "3", "4"]);
        assert_eq!(last_state(function, "2").await, State::Dropped);
        send(function, of("5", Normal)).await.unwrap();
        send(function, of("6", Normal)).await.unwrap();
        assert_eq!(ids(function, "golden").await, ["1", "5", "6"]);
        let refused = send(function, of("7", Low)).await;
        assert!(refused.is_err(), "what comes is the least urgent");
        // what is on its way is not dropped under its reader
        let golden = address("golden");
        let transfer = function.transfer(&golden, 5, "").await.unwrap().unwrap();
        assert_eq!(transfer.envelope().facts.message_id, "5");
        send(function, of("8", Normal)).await.unwrap();
        assert_eq!(ids(function, "golden").await, ["1", "5", "8"]);
        assert!(transfer.confirm("200").await.unwrap(), "{}", bench.name);
        let waiting = function.waiting(&golden).await.unwrap();
        assert_eq!((waiting.count, waiting.octets), (2, 24));
    }
}

#[tokio::test]
async fn owner_is_warned_once_when_the_mailbox_is_nearly_full_and_again_after_it_emptied() {
    let config = Config {
        max_messages: 10,
        max_share: 100,
        warn_at: 80,
        ..Config::default()
    };
    for bench in Bench::all(config).await {
        let function = &bench.function;
        let bob = address("bob");
        for n in 0..7 {
            send(function, facts(&format!("{n}"))).await.unwrap();
        }
        assert_eq!(function.warning(&bob).await.unwrap(), None);
        send(function, facts("7")).await.unwrap();
        let warning = function.warning(&bob).await.unwrap().unwrap();
        assert_eq!((warning.level, warning.max_messages), (80, 10));
        function.warned(&bob).await.unwrap();
        send(function, facts("8")).await.unwrap();
        assert_eq!(function.warning(&bob).await.unwrap(), None);
        for sequence in 1..=5 {
            function.confirm(&bob, sequence, "").await.unwrap();
        }
        for n in 9..13 {
            send(function, facts(&format!("{n}"))).await.unwrap();
        }
        let warning = function.warning(&bob).await.unwrap();
        assert!(warning.is_some(), "{}", bench.name);
    }
}

// ---- notifications -------------------------------------------------------------------------

fn asking(id: &str, asked: Dispositions) -> Facts {
    Facts {
        dispositions: asked,
        ..facts(id)
    }
}

async fn notifications(function: &Deferred) -> Vec<String> {
    let page = function.list(&address("alice"), 0, 100).await.unwrap();
    let mut told = Vec::new();
    for envelope in page {
        assert!(envelope.facts.is_notification());
        let octets = function.piece(&envelope, 0).await.unwrap().unwrap();
        told.push(String::from_utf8(octets.to_vec()).unwrap());
    }
    told
}

#[tokio::test]
async fn sender_is_told_of_storing_and_expiry_in_the_same_transaction() {
    for bench in benches().await {
        let function = &bench.function;
        let asked = Dispositions {
            negative_delivery: true,
            processing: true,
            ..Dispositions::default()
        };
        send(function, asking("id", asked)).await.unwrap();
        let told = notifications(function).await;
        assert_eq!(told.len(), 1, "{}", bench.name);
        assert!(told[0].contains("<stored/>"), "{}", told[0]);
        // a crash right behind the commit loses neither the event nor the word of it
        let later = clock::wall().plus(Duration::from_secs(40 * 86_400));
        // the word that it was stored ends with it
        assert_eq!(function.expire(later, 10).await.unwrap().0, 2);
        let bench = bench.crash().await;
        let told = notifications(&bench.function).await;
        assert_eq!(told.len(), 1, "{}", bench.name);
        assert!(told[0].contains("<failed/>"), "{}", told[0]);
        let waiting = bench.function.waiting(&address("alice")).await.unwrap();
        assert_eq!((waiting.count, waiting.notifications), (0, 1));
    }
}

#[tokio::test]
async fn sender_who_did_not_ask_or_is_none_of_ours_is_told_nothing() {
    for bench in benches().await {
        let function = &bench.function;
        send(function, facts("silent")).await.unwrap();
        let positive = Dispositions {
            positive_delivery: true,
            ..Dispositions::default()
        };
        send(function, asking("positive", positive)).await.unwrap();
        let stranger = Facts {
            dispositions: Dispositions {
                processing: true,
                ..Dispositions::default()
            },
            ..from("nobody", "stranger")
        };
        send(function, stranger).await.unwrap();
        assert!(notifications(function).await.is_empty());
        let totals = function.totals().await.unwrap();
        assert_eq!(totals.messages, 3, "{}", bench.name);
    }
}

#[tokio::test]
async fn full_mailbox_takes_notifications_and_these_have_a_bound_of_their_own() {
    let config = Config {
        max_messages: 1,
        max_notifications: 2,
        ..Config::default()
    };
    for bench in Bench::all(config).await {
        let function = &bench.function;
        let to_alice = Facts::new(address("bob"), address("alice"), "full");
        send(function, to_alice).await.unwrap();
        let asked = Dispositions {
            processing: true,
            ..Dispositions::default()
        };
        for recipient in ["b1", "b2", "b3"] {
            let message = Facts {
                recipient: address(recipient),
                ..asking(recipient, asked)
            };
            send(function, message).await.unwrap();
        }
        let waiting = function.waiting(&address("alice")).await.unwrap();
        assert_eq!((waiting.count, waiting.notifications), (1, 2));
    }
}

// ---- groups --------------------------------------------------------------------------------

async fn to_group(function: &Deferred, id: &str, octets: Vec<u8>) -> Vec<Result<Stored, Refusal>> {
    let (alice, total) = (address("alice"), octets.len() as u64);
    let mut recipients = Vec::new();
    for user in ["bob", "carol", "dave"] {
        let to = address(user);
        let reservation = function.admit(&alice, &to, Some(total)).await.unwrap();
        recipients.push((reservation, Facts::new(alice.clone(), to, id)));
    }
    let room = function.admit(&alice, &address("x"), Some(total)).await;
    let mut deposit = function.begin(room.unwrap());
    deposit.write(0, octets.into()).await.unwrap();
    function
        .complete_for(deposit, recipients, total)
        .await
        .unwrap()
}

#[tokio::test]
async fn content_of_a_group_message_is_kept_once_until_the_last_member_has_it() {
    for bench in benches().await {
        let function = &bench.function;
        for (id, size, pieces) in [("large", 3 * PIECE + 5, 4), ("medium", 2000, 1)] {
            let octets = noise(size);
            let stored = to_group(function, id, octets.clone()).await;
            assert!(stored.iter().all(Result::is_ok), "{stored:?}");
            assert_eq!(bench.count(Table::Content).await, pieces, "{id}");
            let again = to_group(function, id, octets.clone()).await;
            assert!(again.iter().all(|one| one.as_ref().unwrap().duplicate));
            for user in ["bob", "carol", "dave"] {
                function.clean_up().await.unwrap();
                assert_eq!(bench.count(Table::Content).await, pieces, "{user}");
                let found = function.list(&address(user), 0, 9).await.unwrap();
                let mut read = Vec::new();
                for index in 0..found[0].pieces() {
                    let piece = function.piece(&found[0], index).await.unwrap();
                    read.extend(piece.unwrap());
                }
                assert_eq!(read, octets);
                let sequence = found[0].sequence;
                function
                    .confirm(&address(user), sequence, "")
                    .await
                    .unwrap();
            }
            function.clean_up().await.unwrap();
            for table in [Table::Content, Table::Shared, Table::Receiving] {
                assert_eq!(bench.count(table).await, 0, "{} {table:?}", bench.name);
            }
        }
    }
}

#[tokio::test]
async fn shared_content_survives_a_crash_with_its_count() {
    for bench in benches().await {
        to_group(&bench.function, "id", noise(2 * PIECE)).await;
        bench
            .function
            .confirm(&address("bob"), 1, "")
            .await
            .unwrap();
        let bench = bench.crash().await;
        let function = &bench.function;
        function.confirm(&address("carol"), 1, "").await.unwrap();
        assert_eq!(bench.count(Table::Content).await, 2, "{}", bench.name);
        function.confirm(&address("dave"), 1, "").await.unwrap();
        function.clean_up().await.unwrap();
        assert_eq!(bench.count(Table::Content).await, 0, "{}", bench.name);
    }
}

// ---- taken back, and handed over -----------------------------------------------------------

#[tokio::test]
async fn sender_takes_a_message_back_before_it_is_on_its_way_and_not_after() {
    for bench in benches().await {
        let function = &bench.function;
        let (alice, carol, bob) = (address("alice"), address("carol"), address("bob"));
        for id in ["one", "two"] {
            send(function, facts(id)).await.unwrap();
        }
        assert!(!function.revoke(&carol, &bob, "one").await.unwrap());
        assert!(function.revoke(&alice, &bob, "one").await.unwrap());
        assert!(!function.revoke(&alice, &bob, "one").await.unwrap());
        assert_eq!(last_state(function, "one").await, State::Revoked);
        let transfer = function.transfer(&bob, 2, "pushed").await.unwrap().unwrap();
        assert!(!function.revoke(&alice, &bob, "two").await.unwrap());
        assert!(transfer.confirm("200").await.unwrap(), "{}", bench.name);
    }
}

#[tokio::test]
async fn what_was_read_under_a_watch_is_handed_over_once() {
    for bench in benches().await {
        let function = &bench.function;
        let bob = address("bob");
        for n in 0..4 {
            send(function, facts(&format!("{n}"))).await.unwrap();
        }
        let (one, other) = (function.watch(&bob), function.watch(&bob));
        let page = function.list(&bob, 0, 10).await.unwrap();
        let first = one.transfer(&page[0], "").unwrap();
        assert!(other.transfer(&page[0], "").is_none(), "on its way");
        function.delete(&bob, 2, "by an operator").await.unwrap();
        assert!(other.transfer(&page[1], "").is_none(), "gone");
        assert!(first.confirm("200").await.unwrap());
        assert!(other.transfer(&page[0], "").is_none(), "delivered");
        let third = one.transfer(&page[2], "").unwrap();
        let fourth = one.transfer(&page[3], "").unwrap();
        function.delete(&bob, 3, "by an operator").await.unwrap();
        let confirmed = function.confirm_all(vec![third, fourth], "200").await;
        assert_eq!(confirmed.unwrap(), 1, "one was deleted on its way");
        let waiting = function.waiting(&bob).await.unwrap();
        assert_eq!((waiting.count, waiting.octets), (0, 0), "{}", bench.name);
        let totals = function.totals().await.unwrap();
        assert_eq!((totals.messages, totals.octets), (0, 0));
    }
}

#[tokio::test]
async fn many_who_send_and_receive_at_once_leave_exact_counters() {
    for bench in benches().await {
        let function = &bench.function;
        let mut tasks = Vec::new();
        for task in 0..8_u64 {
            let function = function.clone();
            tasks.push(tokio::spawn(async move {
                let bob = address("bob");
                for n in 0..40 {
                    let message = from(&format!("s{}", task % 3), &format!("{task} {n}"));
                    send(&function, message).await.unwrap();
                    if n % 2 == 0 {
                        take_one(&function, &bob, (task + n) % 3).await;
                    }
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let page = function.list(&address("bob"), 0, 1000).await.unwrap();
        let octets: u64 = page.iter().map(|one| one.facts.size).sum();
        let waiting = function.waiting(&address("bob")).await.unwrap();
        let counted = (waiting.count, waiting.octets);
        assert_eq!(counted, (page.len() as u64, octets), "{}", bench.name);
        let totals = function.totals().await.unwrap();
        assert_eq!((totals.messages, totals.octets), counted);
        assert_eq!(bench.count(Table::Due).await, page.len());
        assert!(waiting.head.is_none_or(|head| head <= page[0].sequence));
    }
}

/// Confirms, deletes, or lets go of some message that waits.
async fn take_one(function: &Deferred, owner: &Address, how: u64) {
    let watch = function.watch(owner);
    let page = function.list(owner, 0, 5).await.unwrap();
    let Some(transfer) = page.iter().find_map(|one| watch.transfer(one, "")) else {
        return;
    };
    match how {
        0 => assert!(transfer.confirm("200").await.unwrap()),
        1 => {
            let sequence = transfer.envelope().sequence;
            let deleted = function.delete(owner, sequence, "").await;
            assert!(deleted.unwrap());
            assert!(!transfer.confirm("200").await.unwrap());
        }
        _ => drop(transfer),
    }
}

#[tokio::test]
async fn message_expires_by_the_class_of_its_receiver() {
    let config = with_class(ClassConfig {
        max_age: Some(Duration::from_secs(3600)),
        ..ClassConfig::default()
    });
    for bench in Bench::all(config).await {
        let function = &bench.function;
        send(function, golden("brief")).await.unwrap();
        send(function, facts("usual")).await.unwrap();
        let after: Timestamp = clock::wall().plus(Duration::from_secs(3605));
        assert_eq!(function.expire(after, 10).await.unwrap(), (1, false));
        assert_eq!(last_state(function, "brief").await, State::Expired);
    }
}

// ---- damage --------------------------------------------------------------------------------

#[tokio::test]
async fn message_on_a_damaged_place_of_the_disk_keeps_the_others_from_nobody() {
    for bench in benches().await {
        for n in 0..40 {
            let content = noise(3000).into();
            bench
                .function
                .accept(facts(&format!("{n}")), content)
                .await
                .unwrap();
        }
        let Some(bench) = bench.damage(Table::Envelope).await else {
            continue;
        };
        let function = &bench.function;
        let found = ids(function, "bob").await;
        assert!((1..40).contains(&found.len()), "{} of 40", found.len());
        send(function, facts("new")).await.unwrap();
        let bob = address("bob");
        let watch = function.watch(&bob);
        let page = function.list(&bob, 0, 100).await.unwrap();
        assert_eq!(page.len(), found.len() + 1);
        for envelope in &page {
            let transfer = watch.transfer(envelope, "").unwrap();
            assert!(transfer.confirm("200").await.unwrap());
        }
        let left = function.waiting(&bob).await.unwrap().count;
        assert_eq!(
            left,
            40 - found.len() as u64,
            "still counted, for the operator"
        );
        // nor does it keep others from expiring
        let other = Facts::new(address("alice"), address("carol"), "other");
        send(function, other).await.unwrap();
        let later = clock::wall().plus(Duration::from_secs(40 * 86_400));
        assert_eq!(function.expire(later, 100).await.unwrap().0, 1);
    }
}
