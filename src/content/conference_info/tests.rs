use super::*;
use crate::content::XmlError;
use proptest::{collection::vec, option, prelude::*, sample::select};

const BASIC: &[u8] = include_bytes!("examples/rfc4575_basic.xml");
const RICH: &[u8] = include_bytes!("examples/rfc4575_rich.xml");

fn user(entity: &str, state: State) -> User {
    User {
        entity: entity.to_owned(),
        state,
        ..User::default()
    }
}

fn document(version: u32, state: State, users: Vec<User>) -> ConferenceInfo {
    ConferenceInfo {
        entity: "sip:team@example.com".to_owned(),
        state,
        version,
        users: Some(Users { state, users }),
        ..ConferenceInfo::default()
    }
}

fn entities(document: &ConferenceInfo) -> Vec<&str> {
    let users = document.users.iter().flat_map(|users| &users.users);
    users.map(|user| user.entity.as_str()).collect()
}

#[test]
fn basic_example_of_rfc4575_is_read() {
    let read = ConferenceInfo::parse(BASIC).unwrap();
    assert_eq!((read.state, read.version), (State::Full, 1));
    let description = read.description.as_ref().unwrap();
    let subject = description.subject.as_deref();
    assert_eq!(subject, Some("Agenda: This month's goals"));
    let purpose = description.service_uris[0].purpose.as_deref();
    assert_eq!(purpose, Some("web-page"));
    assert_eq!(
        entities(&read),
        ["sip:bob@example.com", "sip:alice@example.com"]
    );
    let users = read.users.unwrap().users;
    let (bob, alice) = (&users[0].endpoints[0], &users[1].endpoints[0]);
    assert_eq!(bob.status, Some(EndpointStatus::Disconnected));
    assert_eq!(
        bob.disconnection_method,
        Some(DisconnectionMethod::Departed)
    );
    let left = bob.disconnection_info.as_ref().unwrap();
    assert_eq!(left.by.as_deref(), Some("sip:mike@example.com"));
    assert_eq!(alice.joining_method, Some(JoiningMethod::DialedOut));
    assert_eq!(alice.media[0].label.as_deref(), Some("34567"));
}

#[test]
fn rich_example_of_rfc4575_is_read_and_its_sidebars_passed_over() {
    let read = ConferenceInfo::parse(RICH).unwrap();
    assert_eq!((read.state, read.version), (State::Partial, 5));
    let description = read.description.as_ref().unwrap();
    assert_eq!(description.maximum_user_count, Some(100));
    assert_eq!(description.available_media[1].kind, "video");
    let state = read.conference_state.as_ref().unwrap();
    assert_eq!((state.active, state.locked), (Some(true), Some(false)));
    let bob = &read.users.as_ref().unwrap().users[0];
    assert_eq!(bob.roles, ["participant"]);
    assert_eq!(bob.endpoints[0].status, Some(EndpointStatus::Disconnecting));
    assert_eq!(ConferenceInfo::parse(&read.to_bytes()), Ok(read));
}

#[test]
fn nickname_stands_where_rfc7701_puts_it() {
    let dopey = User {
        nickname: Some("Dopey Donkey".to_owned()),
        ..user("sip:bob@example.com", State::Full)
    };
    let written = document(1, State::Full, vec![dopey]).to_bytes();
    let text = String::from_utf8(written).unwrap();
    let line = "<user entity=\"sip:bob@example.com\" xcon:nickname=\"Dopey Donkey\"></user>";
    assert!(text.contains(line), "{text}");
}

#[test]
fn document_without_key_or_version_is_refused_by_its_element() {
    for (text, element) in [
        ("<conference-info version='1'/>", "conference-info"),
        ("<conference-info entity='x'/>", "conference-info"),
        (
            "<conference-info entity='x' version='1'><users><user/></users></conference-info>",
            "user",
        ),
        (
            "<conference-info entity='x' version='1'><users state='x'/></conference-info>",
            "users",
        ),
    ] {
        let refused = ConferenceInfo::parse(text.as_bytes());
        assert_eq!(refused, Err(XmlError::Element(element)), "{text}");
    }
}

#[test]
fn changes_are_taken_in_their_order_and_gaps_are_noticed() {
    let mut known = document(3, State::Full, vec![user("sip:a@h", State::Full)]);
    let joined = document(4, State::Partial, vec![user("sip:b@h", State::Full)]);
    assert_eq!(known.apply(joined.clone()), Applied::Taken);
    assert_eq!(known.apply(joined), Applied::Old);
    assert_eq!(entities(&known), ["sip:a@h", "sip:b@h"]);
    let left = document(5, State::Partial, vec![user("sip:a@h", State::Deleted)]);
    assert_eq!(known.apply(left), Applied::Taken);
    assert_eq!((entities(&known), known.version), (vec!["sip:b@h"], 5));
    let far = document(7, State::Partial, Vec::new());
    assert_eq!(known.apply(far), Applied::Missed);
    assert_eq!(known.version, 5);
    let all = document(7, State::Full, vec![user("sip:c@h", State::Full)]);
    assert_eq!(known.apply(all), Applied::Taken);
    assert_eq!(entities(&known), ["sip:c@h"]);
    let end = document(8, State::Deleted, Vec::new());
    assert_eq!(known.apply(end), Applied::Over);
}

#[test]
fn partial_user_keeps_what_is_not_told_anew() {
    let endpoint = |entity: &str, status, state| Endpoint {
        entity: entity.to_owned(),
        status,
        state,
        ..Endpoint::default()
    };
    let (connected, gone) = (EndpointStatus::Connected, EndpointStatus::Disconnected);
    let bob = User {
        display_text: Some("Bob".to_owned()),
        endpoints: vec![
            endpoint("sip:pc", Some(connected), State::Full),
            endpoint("sip:phone", Some(connected), State::Full),
        ],
        ..user("sip:b@h", State::Full)
    };
    let mut known = document(1, State::Full, vec![bob]);
    let change = User {
        endpoints: vec![
            endpoint("sip:pc", Some(gone), State::Partial),
            endpoint("sip:phone", None, State::Deleted),
        ],
        ..user("sip:b@h", State::Partial)
    };
    known.apply(document(2, State::Partial, vec![change]));
    let bob = &known.users.as_ref().unwrap().users[0];
    assert_eq!(bob.display_text.as_deref(), Some("Bob"));
    assert_eq!(bob.endpoints, [endpoint("sip:pc", Some(gone), State::Full)]);
}

fn text() -> impl Strategy<Value = Option<String>> {
    option::of("[!-~é]{1,12}")
}

fn state() -> impl Strategy<Value = State> {
    select(vec![State::Full, State::Partial, State::Deleted])
}

fn execution() -> impl Strategy<Value = Option<Execution>> {
    let told = (text(), text(), text());
    option::of(told.prop_map(|(when, reason, by)| Execution { when, reason, by }))
}

prop_compose! {
    fn endpoint()(
        entity in "[!-~]{1,12}", state in state(), display_text in text(),
        referred in execution(), joining_info in execution(), disconnection_info in execution(),
        status in option::of(select(EndpointStatus::ALL.to_vec())),
        left in option::of(select(DisconnectionMethod::ALL.to_vec())),
        ids in vec("[!-~]{1,4}", 0..3),
    ) -> Endpoint {
        Endpoint {
            entity, state, display_text, referred, status, joining_info, disconnection_info,
            joining_method: status.map(|_| JoiningMethod::DialedOut),
            disconnection_method: left,
            media: ids.into_iter().map(|id| Media { id, ..Media::default() }).collect(),
        }
    }
}

prop_compose! {
    fn participant()(
        entity in "[!-~]{1,12}", state in state(), nickname in option::of("[!-~é ]{1,9}"),
        display_text in text(), roles in vec("[!-~]{1,6}", 0..3),
        endpoints in vec(endpoint(), 0..3), languages in text(), cascaded_focus in text(),
    ) -> User {
        User {
            entity, state, nickname, display_text, roles, endpoints, languages, cascaded_focus,
            associated_aors: Vec::new(),
        }
    }
}

proptest! {
    #[test]
    fn written_document_reads_back(
        entity in "[!-~]{1,12}", state in state(), version in any::<u32>(),
        subject in text(), count in any::<Option<u32>>(), active in any::<Option<bool>>(),
        users in option::of(vec(participant(), 0..4)),
    ) {
        let entry = Entry { uri: entity.clone(), ..Entry::default() };
        let told = ConferenceInfo {
            entity,
            state,
            version,
            description: Some(Description {
                subject,
                conf_uris: vec![entry],
                maximum_user_count: count,
                ..Description::default()
            }),
            conference_state: Some(ConferenceState { user_count: count, active, locked: active }),
            users: users.map(|users| Users { state, users }),
        };
        prop_assert_eq!(ConferenceInfo::parse(&told.to_bytes()), Ok(told));
    }

    #[test]
    fn garbage_never_panics(octets in vec(any::<u8>(), 0..200)) {
        let _ = ConferenceInfo::parse(&octets);
    }

    #[test]
    fn cut_document_never_panics(end in 0..BASIC.len()) {
        let _ = ConferenceInfo::parse(&BASIC[..end]);
    }
}
