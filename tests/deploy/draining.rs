//! SIGTERM, seen from outside over bare sockets: what is new is refused with the time to try again,
//! what is under way ends in order, and who waits is told.
use crate::harness::{Server, address, eventually, phone::Phone, reader::Reader};
use restante::sip::codec::{Message, Method, Name};
use rustix::process::Signal;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);

fn start(grace: &str) -> Server {
    let server = Server::with("server.grace", grace).start();
    server
        .subscriber("alice", "secret")
        .subscriber("bob", "secret")
}

fn is_draining(server: &Server) -> bool {
    let status = |path: &str| {
        let agent = ureq::Agent::config_builder().http_status_as_error(false);
        let agent: ureq::Agent = agent.build().into();
        let answer = agent.get(format!("http://{}{path}", server.http())).call();
        let mut answer = answer.expect("the server answers HTTP");
        let text = answer.body_mut().read_to_string().unwrap_or_default();
        (answer.status().as_u16(), text)
    };
    status("/health/live").0 == 200 && status("/health/ready") == (503, "draining\n".to_owned())
}

fn value(message: &Message, name: Name) -> String {
    message.value(name).unwrap_or_default().into_owned()
}

/// The messages that wait for Bob.
fn waiting(server: &Server) -> Vec<String> {
    let (_, queue) = server.get(&format!("/api/v1/queues/{}", address("bob")));
    let items = queue["items"].as_array().cloned().unwrap_or_default();
    let id = |item: &serde_json::Value| item["message_id"].as_str().unwrap_or_default().to_owned();
    items.iter().map(id).collect()
}

#[test]
fn message_half_sent_is_taken_to_its_end_while_everything_new_is_refused() {
    let mut server = start("40s");
    let mut alice = Phone::new(&server, "alice");
    let mut other = Phone::new(&server, "alice");
    other.register();
    let mut channel = Reader::call(&server, &mut alice, "sip:bob@localhost");
    assert_eq!(channel.part("half", 1, "See you ", 16), 200);

    server.signal(Signal::TERM);
    assert!(eventually(SOON, || is_draining(&server)));
    for (method, uri) in [
        (Method::Message, "sip:bob@localhost"),
        (Method::Invite, "sip:bob@localhost"),
        (Method::Subscribe, "sip:alice@localhost"),
        (Method::Register, "sip:localhost"),
        (Method::Options, "sip:localhost"),
    ] {
        let answer = other.request(&method, uri, Some(("text/plain", b"later".to_vec())));
        assert_eq!(answer.code(), Some(503), "{method}");
        let again: u32 = value(&answer, Name::RetryAfter).parse().expect("seconds");
        assert!((1..=60).contains(&again), "{method}: {again}");
    }

    assert_eq!(channel.part("half", 9, "at eight", 16), 200);
    let bye = alice.answered(200);
    assert!(bye.is(&Method::Bye), "{bye:?}");
    let reason = value(&bye, Name::Reason);
    assert_eq!(reason, "SIP;cause=503;text=\"server shuts down\"");
    assert_eq!(server.ended(), Some(0));
    assert!(channel.is_closed());

    server.restart();
    assert_eq!(waiting(&server), ["half"]);
}

#[test]
fn grace_that_is_over_and_a_second_signal_cut_off_what_is_left() {
    for (grace, second) in [("2s", false), ("5m", true)] {
        let mut server = start(grace);
        let mut alice = Phone::new(&server, "alice");
        let mut channel = Reader::call(&server, &mut alice, "sip:bob@localhost");
        assert_eq!(channel.part("half", 1, "See you ", 16), 200);
        let told = Instant::now();
        server.signal(Signal::TERM);
        assert!(eventually(SOON, || is_draining(&server)));
        if second {
            server.signal(Signal::TERM);
        }
        let bye = alice.answered(200);
        assert!(bye.is(&Method::Bye), "{bye:?}");
        assert_eq!(server.ended(), Some(0));
        assert!(
            told.elapsed() < Duration::from_secs(30),
            "{:?}",
            told.elapsed()
        );
        let log = server.log();
        assert_eq!(log.contains("told to end a second time"), second, "{log}");
        server.restart();
        assert_eq!(waiting(&server), [""; 0], "half a message is none");
    }
}

#[test]
fn subscribers_are_told_when_to_come_back() {
    let mut server = start("20s");
    let mut bob = Phone::new(&server, "bob");
    bob.register();
    bob.expires = Some(600);
    bob.event = Some("message-summary");
    let answer = bob.request(&Method::Subscribe, "sip:bob@localhost", None);
    assert_eq!(answer.code(), Some(200));
    let first = bob.answered(200);
    assert!(value(&first, Name::SubscriptionState).starts_with("active"));

    server.signal(Signal::TERM);
    let last = bob.answered(200);
    assert!(last.is(&Method::Notify), "{last:?}");
    let state = value(&last, Name::SubscriptionState);
    let again = state.strip_prefix("terminated;reason=probation;retry-after=");
    let again: u32 = again.expect(&state).parse().expect("seconds");
    assert!((1..=60).contains(&again), "{state}");
    assert_eq!(server.ended(), Some(0));
}

#[test]
fn server_with_nothing_to_do_ends_at_once() {
    let mut server = start("5m");
    let told = Instant::now();
    assert_eq!(server.terminate(), Some(0));
    assert!(told.elapsed() < SOON, "{:?}", told.elapsed());
}

/// A channel on which nobody speaks would keep the server from its end as long as it likes.
#[test]
fn channel_at_rest_is_ended_with_a_reason() {
    let mut server = start("5m");
    let mut alice = Phone::new(&server, "alice");
    let mut channel = Reader::call(&server, &mut alice, "sip:bob@localhost");
    assert_eq!(channel.part("whole", 1, "at eight", 8), 200);
    server.signal(Signal::TERM);
    let bye = alice.answered(200);
    assert!(bye.is(&Method::Bye), "{bye:?}");
    assert_eq!(server.ended(), Some(0));
    server.restart();
    assert_eq!(waiting(&server), ["whole"]);
}
