//! Groups: what is sent to one goes to each of its members, live where they are there and later
//! where they are not, each exactly once.
mod harness;

use harness::{
    Server, Settings,
    phone::Phone,
    user::{User, address_of, assert_is, noise},
};
use restante::{
    client::{Content, Mode, Outcome, Outgoing},
    content::conference_info::{ConferenceInfo, State},
    sip::codec::{Method, Name},
};

/// A server that owns the group `club` of Alice, Bob and Carol.
fn club() -> Settings {
    let groups = "[{ address = \"sip:club@localhost\", subject = \"Chess\", members = [\
        \"sip:alice@localhost\", \"sip:bob@localhost\", \"sip:carol@localhost\"] }]";
    Server::with("controlling.groups", groups)
}

fn start(settings: Settings) -> Server {
    let server = settings.start();
    ["alice", "bob", "carol", "eve"]
        .into_iter()
        .fold(server, |server, user| server.subscriber(user, "secret"))
}

fn to_club(octets: usize, mode: Mode) -> Outgoing {
    let content = Content::Bytes(noise(octets));
    let mut message = Outgoing::new(address_of("club"), "application/octet-stream", content);
    message.mode = mode;
    message
}

#[actix::test]
async fn message_to_a_group_reaches_who_is_there_and_waits_for_who_is_not() {
    let server = start(club());
    let alice = User::of(&server, "alice").await.log_in().await;
    let mut bob = User::of(&server, "bob").await.log_in().await;
    let octets = noise(200_000);
    let sent = alice.device.send(to_club(200_000, Mode::Channel)).await;
    let sent = sent.expect("an outcome");
    assert_eq!(sent.outcome, Outcome::Stored);
    assert_is(&bob.next().await, &octets, &sent.message_id);

    // who comes later finds it waiting, and nobody gets it twice
    let mut carol = User::of(&server, "carol").await.log_in().await;
    assert_is(&carol.next().await, &octets, &sent.message_id);
    bob.nothing_more().await;
    carol.nothing_more().await;
    server.wait_for_metric("restante_messages_delivered_total", 2.0);
}

#[actix::test]
async fn small_message_to_a_group_travels_as_requests() {
    let server = start(club());
    let alice = User::of(&server, "alice").await.log_in().await;
    let mut bob = User::of(&server, "bob").await.log_in().await;
    let sent = alice.device.send(to_club(90, Mode::Pager)).await;
    let sent = sent.expect("an outcome");
    assert_eq!(sent.outcome, Outcome::Stored);
    assert_is(&bob.next().await, &noise(90), &sent.message_id);
    let mut carol = User::of(&server, "carol").await.log_in().await;
    assert_is(&carol.next().await, &noise(90), &sent.message_id);
    bob.nothing_more().await;
}

#[actix::test]
async fn who_does_not_belong_to_a_group_sends_nothing_to_it() {
    let server = start(club());
    let eve = User::of(&server, "eve").await.log_in().await;
    for mode in [Mode::Channel, Mode::Pager] {
        let sent = eve.device.send(to_club(90, mode)).await;
        let outcome = sent.expect("an outcome").outcome;
        assert!(
            matches!(outcome, Outcome::Refused { code: 403, .. }),
            "{outcome:?}"
        );
    }
}

const LIST: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
    <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" \
    xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\"><list>\
    <entry uri=\"sip:bob@localhost\" cp:copyControl=\"to\"/>\
    <entry uri=\"sip:carol@localhost\" cp:copyControl=\"bcc\"/></list></resource-lists>";

#[test]
fn message_to_a_list_reaches_each_who_is_listed_and_names_no_blind_copies() {
    let server = start(Settings::default());
    let mut alice = Phone::new(&server, "alice");
    let (mut bob, mut carol) = (Phone::new(&server, "bob"), Phone::new(&server, "carol"));
    alice.register();
    bob.register();
    let body = format!(
        "--b\r\nContent-Type: text/plain\r\n\r\nHello all\r\n\
         --b\r\nContent-Type: application/resource-lists+xml\r\n\
         Content-Disposition: recipient-list\r\n\r\n{LIST}\r\n--b--\r\n"
    );
    let factory = "sip:conference-factory@localhost";
    let sent = alice.message(factory, "multipart/mixed;boundary=\"b\"", &body);
    assert_eq!(sent, Some(202));
    let to_bob = bob.answered(200);
    carol.register();
    let to_carol = carol.answered(200);
    for copy in [&to_bob, &to_carol] {
        assert_eq!(copy.method(), Some(Method::Message));
        let from = copy.from().expect("From").uri.to_string();
        assert_eq!(from, "sip:alice@localhost");
        let text = String::from_utf8_lossy(copy.body()).into_owned();
        assert!(text.contains("Hello all"), "{text}");
        assert!(
            text.contains("recipient-list-history; handling=optional"),
            "{text}"
        );
        assert!(
            text.contains("sip:bob@localhost") && !text.contains("carol"),
            "{text}"
        );
    }
    let nobody = alice.message(factory, "text/plain", "Hello nobody");
    assert_eq!(nobody, Some(400));
}

#[actix::test]
async fn who_watches_a_group_learns_who_comes_and_goes() {
    let server = start(club());
    let bob = User::of(&server, "bob").await.log_in().await;
    let mut phone = Phone::new(&server, "alice");
    phone.event = Some("conference");
    phone.expires = Some(600);
    let watch = "sip:club@localhost";
    let told = |message: &restante::sip::codec::Message| {
        assert_eq!(message.method(), Some(Method::Notify));
        let event = message.value(Name::Event).map(|event| event.into_owned());
        assert_eq!(event.as_deref(), Some("conference"));
        ConferenceInfo::parse(message.body()).expect("conference-info")
    };
    // the phone blocks: it watches on a thread of its own
    let (news, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let watching = std::thread::spawn(move || {
        let answer = phone.request(&Method::Subscribe, watch, None);
        assert_eq!(answer.code(), Some(200), "{answer:?}");
        for _ in 0..3 {
            news.send(phone.answered(200)).expect("somebody listens");
        }
    });
    let first = heard.recv().await.expect("a notification");
    let place = bob.device.join(&address_of("club")).await;
    let place = place.expect("a place in the group");
    let came = heard.recv().await.expect("a notification");
    drop(place);
    let left = heard.recv().await.expect("a notification");
    watching.join().expect("nothing went wrong");
    let full = told(&first);
    assert_eq!((full.state, full.entity.as_str()), (State::Full, watch));
    let users = full.users.expect("users").users;
    assert_eq!(users.len(), 3);
    for (message, status) in [(came, "connected"), (left, "disconnected")] {
        let text = String::from_utf8_lossy(message.body()).into_owned();
        assert_eq!(told(&message).state, State::Partial);
        assert!(text.contains("sip:bob@localhost"), "{text}");
        assert!(text.contains(&format!(">{status}<")), "{text}");
    }
}

#[test]
fn who_does_not_belong_to_a_group_does_not_watch_it() {
    let server = start(club());
    let mut eve = Phone::new(&server, "eve");
    eve.event = Some("conference");
    let answer = eve.request(&Method::Subscribe, "sip:club@localhost", None);
    assert_eq!(answer.code(), Some(403));
    let unknown = eve.request(&Method::Subscribe, "sip:nobody@localhost", None);
    assert_eq!(unknown.code(), Some(489));
}
