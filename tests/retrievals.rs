//! What devices do with a mailbox when they look for themselves: pages of the list, requests over
//! the open channel, revocation by senders, and mailboxes that are not pushed.
mod harness;

use harness::{
    Server, Settings, address, eventually,
    handset::Handset,
    user::{PATIENCE, User, address_of, assert_is, message, noise},
};
use restante::{
    client::{ClientError, Mode, Outcome},
    sip::codec::{Method, Name},
};
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;

/// Long enough to be sure that nothing comes.
const SILENCE: Duration = Duration::from_millis(700);

fn start(settings: Settings) -> Server {
    let server = settings.start();
    server
        .subscriber("alice", "secret")
        .subscriber("bob", "secret")
        .subscriber("eve", "secret")
}

/// Sends `octets` to Bob; its message id.
async fn leave(user: &User, octets: usize, mode: Mode) -> String {
    let receipt = user.device.send(message(&noise(octets), mode));
    let receipt = receipt.await.expect("an outcome");
    assert_eq!(receipt.outcome, Outcome::Stored);
    receipt.message_id
}

fn set_handing(server: &Server, handing: &str) {
    let change = json!({ "handing": handing });
    let path = format!("/api/v1/subscribers/{}", address("bob"));
    let (status, answer) = server.order("PATCH", &path, Some(&change), true);
    assert!(matches!(status, 200 | 204), "{status} {answer}");
}

fn waiting(server: &Server) -> u64 {
    let (_, queue) = server.get(&format!("/api/v1/queues/{}", address("bob")));
    queue["items"].as_array().map_or(0, Vec::len) as u64
}

#[actix::test]
async fn list_comes_in_pages_that_name_the_next() {
    const MESSAGES: usize = 450;
    let server = start(Settings::default());
    let alice = User::of(&server, "alice").await;
    let mut ids = Vec::new();
    for number in 0..MESSAGES {
        ids.push(leave(&alice, number % 7 + 1, Mode::Pager).await);
    }
    let bob = User::of(&server, "bob").await;
    let mut pages = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = bob.device.deferred_page(after.as_deref(), None);
        let page = page.await.expect("a page");
        assert_eq!(page.terms.total, Some(450));
        let references: Vec<String> = page.references().map(str::to_owned).collect();
        pages.push(references);
        match page.terms.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let sizes: Vec<usize> = pages.iter().map(Vec::len).collect();
    assert_eq!(sizes, [200, 200, 50]);
    assert_eq!(pages.concat(), ids);

    let few = bob
        .device
        .deferred_page(None, Some(3))
        .await
        .expect("a page");
    assert_eq!(few.references().collect::<Vec<_>>(), ids[..3]);
    let all = bob.device.deferred_list().await.expect("the list");
    assert_eq!(all.references().collect::<Vec<_>>(), ids);
}

#[actix::test]
async fn open_channel_lists_fetches_and_deletes() {
    let server = start(Settings::default());
    let alice = User::of(&server, "alice").await;
    let mut ids = Vec::new();
    for size in [10, 100_000, 300_000, 20] {
        ids.push(leave(&alice, size, Mode::Channel).await);
    }
    let mut bob = User::of(&server, "bob").await;
    let mut line = bob.device.deferred_line().await.expect("a channel");
    let page = line.list(None, Some(3)).await.expect("a page");
    assert_eq!(page.references().collect::<Vec<_>>(), ids[..3]);
    assert_eq!(page.terms.total, Some(4));
    let rest = line.list(page.terms.next.as_deref(), None).await;
    let rest = rest.expect("the next page");
    assert_eq!(rest.references().collect::<Vec<_>>(), ids[3..]);
    assert_eq!(rest.terms.next, None);

    let wanted = [ids[1].clone(), "no such message".to_owned()];
    let fetched = line.fetch(&wanted).await.expect("an answer");
    assert_eq!(fetched, ids[1..2]);
    assert_is(&bob.next().await, &noise(100_000), &ids[1]);
    let deleted = line.delete(&[ids[0].clone(), ids[1].clone()]).await;
    assert_eq!(deleted.expect("an answer"), ids[..1]);
    let left = line.list(None, None).await.expect("a page");
    assert_eq!(left.references().collect::<Vec<_>>(), ids[2..]);
    let fetched = line.fetch(&ids[2..]).await.expect("an answer");
    assert_eq!(fetched, ids[2..]);
    assert_is(&bob.next().await, &noise(300_000), &ids[2]);
    assert_is(&bob.next().await, &noise(20), &ids[3]);
    assert_eq!(waiting(&server), 0);

    // it ends when the device lets go of it
    assert_eq!(server.metric("restante_sessions"), 1.0);
    drop(line);
    bob.nothing_more().await;
    let ended = || server.metric("restante_sessions") == 0.0;
    assert!(eventually(Duration::from_secs(5), ended));
}

#[actix::test]
async fn sender_takes_back_what_was_not_handed_over_yet() {
    let server = start(Settings::default());
    let alice = User::of(&server, "alice").await;
    let first = leave(&alice, 5_000, Mode::Channel).await;
    let second = leave(&alice, 6_000, Mode::Channel).await;
    let bobs = address_of("bob");
    let refused = |outcome: Result<(), ClientError>| match outcome {
        Err(ClientError::Refused { code, .. }) => code,
        other => panic!("{other:?}"),
    };

    let eve = User::of(&server, "eve").await;
    let ids = [first.clone()];
    assert_eq!(refused(eve.device.revoke(&bobs, &ids).await), 404);
    alice.device.revoke(&bobs, &ids).await.expect("revoked");
    assert_eq!(refused(alice.device.revoke(&bobs, &ids).await), 404);
    let (_, trace) = server.get(&format!("/api/v1/messages/{first}"));
    assert!(
        trace.to_string().contains("revoked by its sender"),
        "{trace}"
    );

    let mut bob = User::of(&server, "bob").await.log_in().await;
    assert_is(&bob.next().await, &noise(6_000), &second);
    bob.nothing_more().await;
    assert!(eventually(PATIENCE, || waiting(&server) == 0));
    assert_eq!(refused(alice.device.revoke(&bobs, &[second]).await), 404);
}

#[actix::test]
async fn held_mailbox_is_neither_pushed_nor_told_of_but_may_be_fetched() {
    let server = start(Settings::default());
    set_handing(&server, "hold");
    let alice = User::of(&server, "alice").await;
    let id = leave(&alice, 5_000, Mode::Channel).await;
    let mut bob = User::of(&server, "bob").await.log_in().await;
    bob.nothing_more().await;
    let mut summaries = bob.device.watch_summary().await.expect("a subscription");
    let first = timeout(PATIENCE, summaries.next()).await.expect("in time");
    assert_eq!(first.expect("a summary").new_messages(), 1);

    // what comes now goes live: his device is there, and what he keeps back holds nothing up
    let receipt = alice.device.send(message(&noise(70), Mode::Pager)).await;
    assert_eq!(receipt.expect("an outcome").outcome, Outcome::Delivered);
    assert_eq!(bob.next().await.size, 70);
    // of what is left for him meanwhile he is told nothing
    bob.device.unregister().await.expect("a logout");
    leave(&alice, 6_000, Mode::Channel).await;
    assert!(timeout(SILENCE, summaries.next()).await.is_err());

    assert_eq!(bob.device.deferred_fetch(&[]).await.expect("a fetch"), 2);
    assert_is(&bob.next().await, &noise(5_000), &id);
}

#[actix::test]
async fn devices_are_told_once_where_the_mailbox_is_not_pushed() {
    let settings = Server::with("sip_core.authenticate", false).with("sip.max_datagram", 60_000);
    let server = start(settings);
    set_handing(&server, "notify-only");
    let alice = User::of(&server, "alice").await;
    let id = leave(&alice, 5_000, Mode::Channel).await;
    leave(&alice, 6_000, Mode::Channel).await;

    let mut phone = Handset::of(&server, "bob").await;
    phone.register("1.0").await;
    let hint = phone.next().await;
    assert!(hint.is(&Method::Message));
    let from = hint.value(Name::PAssertedIdentity).expect("an identity");
    assert_eq!(from, "<sip:deferred@localhost>");
    let told = "Messages-Waiting: yes\r\nMessage-Account: sip:bob@localhost\r\n\
                Multimedia-Message: 2/0\r\n";
    assert_eq!(hint.body(), told);
    phone.answer(&hint, 415).await;
    let hint = phone.next().await;
    assert_eq!(hint.body().as_ref(), b"2 messages wait for you.");
    phone.answer(&hint, 200).await;
    phone.register("1.0").await;
    leave_live(&alice, &mut phone).await;
    assert!(phone.within(SILENCE).await.is_none(), "told once");

    // a device that watches the mailbox needs no hint
    let mut bob = User::of(&server, "bob").await;
    let mut summaries = bob.device.watch_summary().await.expect("a subscription");
    let first = timeout(PATIENCE, summaries.next()).await.expect("in time");
    assert_eq!(first.expect("a summary").new_messages(), 2);
    bob = bob.log_in().await;
    bob.nothing_more().await;
    let ids = [id.clone()];
    assert_eq!(bob.device.deferred_fetch(&ids).await.expect("a fetch"), 1);
    assert_is(&bob.next().await, &noise(5_000), &id);
    let next = timeout(PATIENCE, summaries.next()).await.expect("in time");
    assert_eq!(next.expect("a summary").new_messages(), 1);
}

#[actix::test]
async fn reader_is_warned_once_of_a_mailbox_that_is_nearly_full() {
    let settings = Server::with("sip_core.authenticate", false)
        .with("sip.max_datagram", 60_000)
        .with("deferred.max_messages", 10)
        .with("deferred.max_share", 100);
    let server = start(settings);
    set_handing(&server, "hold");
    let alice = User::of(&server, "alice").await;
    for _ in 0..9 {
        leave(&alice, 100, Mode::Pager).await;
    }
    let mut phone = Handset::of(&server, "bob").await;
    phone.register("1.0").await;
    let warning = phone.next().await;
    assert!(warning.is(&Method::Message));
    let line = String::from_utf8_lossy(warning.body());
    let said = "Your mailbox is 90 % full: 9 of 10 messages, ";
    assert!(line.starts_with(said), "{line}");
    phone.answer(&warning, 200).await;
    phone.register("1.0").await;
    assert!(phone.within(SILENCE).await.is_none(), "warned once");
}

/// A MESSAGE that the device takes at once.
async fn leave_live(alice: &User, phone: &mut Handset) {
    let device = alice.device.clone();
    let sent = tokio::task::spawn_local(async move {
        let receipt = device.send(message(&noise(70), Mode::Pager)).await;
        receipt.expect("an outcome").outcome
    });
    let live = phone.next().await;
    assert!(live.is(&Method::Message));
    phone.answer(&live, 200).await;
    assert_eq!(sent.await.expect("no panic"), Outcome::Delivered);
}
