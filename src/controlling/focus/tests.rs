use super::*;
use crate::{
    clock::Timestamp,
    content::{
        conference_info::{
            Applied, ConferenceInfo, DisconnectionMethod, EndpointStatus, State, User,
        },
        resource_list::Copy,
    },
    controlling::{Absent, Config, Group, Head, Member, Origin, Refusal, Senders},
    identity::Address,
};
use proptest::{collection::vec, prelude::*, sample::select};
use std::{sync::Arc, time::Duration};

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const PRIVATE: Abilities = Abilities {
    private_messages: true,
    nicknames: true,
};

fn user(name: &str) -> Address {
    Address::parse(&format!("sip:{name}@example.com")).unwrap()
}

fn group(version: u64, members: impl IntoIterator<Item = Member>) -> Arc<Group> {
    let members = members.into_iter().map(|it| (it.address.clone(), it));
    let head = Head {
        address: user("team"),
        subject: Some(format!("Lunch {}", version / 3)),
        owner: Some(user("alice")),
        senders: Senders::Members,
        absent: Absent::Defer,
        open: false,
        origin: Origin::Administered,
        created: Timestamp::EPOCH,
        used: Timestamp::EPOCH,
        version,
        size: 0,
    };
    let members = members.collect();
    Arc::new(Group { head, members })
}

fn member(name: &str) -> Member {
    Member::new(user(name), Timestamp::EPOCH)
}

fn hidden(name: &str) -> Member {
    Member {
        anonymous: true,
        ..member(name)
    }
}

fn focus(members: impl IntoIterator<Item = Member>) -> Focus {
    Focus::new(group(1, members), &Config::default())
}

fn team() -> Focus {
    focus(["alice", "bob", "carol"].map(member))
}

fn told<'a>(document: &'a ConferenceInfo, entity: &str) -> Option<&'a User> {
    let mut users = document.users.iter().flat_map(|users| &users.users);
    users.find(|user| user.entity == entity)
}

fn status(focus: &Focus, name: &str) -> Vec<EndpointStatus> {
    let document = focus.full(&mut Watch::default());
    let told = told(&document, user(name).as_str()).unwrap();
    let endpoints = told.endpoints.iter();
    endpoints.filter_map(|endpoint| endpoint.status).collect()
}

#[test]
fn device_that_is_called_rings_answers_and_hangs_up() {
    let mut focus = team();
    assert_eq!(status(&focus, "bob"), [EndpointStatus::Pending]);
    let id = focus.dial_out(&user("bob")).unwrap();
    assert_eq!(status(&focus, "bob"), [EndpointStatus::DialingOut]);
    focus.alert(id).unwrap();
    assert!(!focus.is_here(&user("bob")));
    focus.connect(id, PRIVATE, NOW).unwrap();
    assert!(focus.is_here(&user("bob")));
    let how = DisconnectionMethod::Departed;
    focus.disconnect(id, how, None, NOW).unwrap();
    assert!(focus.is_empty());
    let document = focus.full(&mut Watch::default());
    let bob = &told(&document, "sip:bob@example.com").unwrap().endpoints[0];
    assert_eq!(bob.disconnection_method, Some(how));
    let joined = bob.joining_info.as_ref().unwrap().when.as_deref();
    assert_eq!(joined, Some("1970-01-01T00:16:40Z"));
}

#[test]
fn step_that_the_figure_lacks_is_refused() {
    let mut focus = team();
    let id = focus.dial_in(&user("bob"), PRIVATE, NOW).unwrap();
    let refused = focus.alert(id).unwrap_err();
    let (from, to) = (EndpointStatus::Connected, EndpointStatus::Alerting);
    assert_eq!(refused, Step::Impossible { from, to });
    focus.boot(id).unwrap();
    assert!(focus.hold(id).is_err() && focus.resume(id).is_err());
    focus
        .disconnect(id, DisconnectionMethod::Booted, None, NOW)
        .unwrap();
    let again = focus.disconnect(id, DisconnectionMethod::Failed, None, NOW);
    assert_eq!(again, Err(Step::Unknown));
}

#[test]
fn one_who_is_no_member_comes_not_in() {
    let mut focus = team();
    let dave = focus.dial_in(&user("dave"), PRIVATE, NOW);
    assert_eq!(dave, Err(Refusal::NotMember));
    assert!(!focus.may_watch(&user("dave")) && focus.may_watch(&user("carol")));
}

#[test]
fn member_who_leaves_the_group_is_sent_away_and_told_of_as_gone() {
    let mut focus = team();
    let bob = focus.dial_in(&user("bob"), PRIVATE, NOW).unwrap();
    focus.dial_in(&user("alice"), PRIVATE, NOW).unwrap();
    let mut watch = Watch::default();
    let before = focus.full(&mut watch);
    assert_eq!(before.conference_state.unwrap().user_count, Some(2));
    let smaller = group(2, ["alice", "carol", "dave"].map(member));
    assert_eq!(focus.update(smaller.clone(), NOW), [bob]);
    assert_eq!(focus.update(smaller, NOW), []);
    let changes = focus.changes(&mut watch).unwrap();
    assert_eq!((changes.state, changes.version), (State::Partial, 2));
    assert_eq!(
        changes.conference_state.as_ref().unwrap().user_count,
        Some(1)
    );
    assert_eq!(
        told(&changes, "sip:bob@example.com").unwrap().state,
        State::Deleted
    );
    assert!(told(&changes, "sip:dave@example.com").is_some());
    assert!(told(&changes, "sip:alice@example.com").is_none());
    assert_eq!(focus.changes(&mut watch), None);
    assert_eq!(
        focus.disconnect(bob, DisconnectionMethod::Booted, None, NOW),
        Err(Step::Unknown)
    );
}

#[test]
fn hidden_members_are_known_by_alias_or_not_at_all() {
    let secret = Member {
        copy: Copy::Bcc,
        ..member("carol")
    };
    let mut focus = focus([member("alice"), hidden("bob"), secret]);
    for name in ["alice", "bob", "carol"] {
        focus.dial_in(&user(name), PRIVATE, NOW).unwrap();
    }
    let document = focus.full(&mut Watch::default());
    assert_eq!(
        document.conference_state.as_ref().unwrap().user_count,
        Some(2)
    );
    let text = String::from_utf8(document.to_bytes()).unwrap();
    assert!(!text.contains("bob") && !text.contains("carol"), "{text}");
    let bob = told(&document, "sip:anonymous2@anonymous.invalid").unwrap();
    assert_eq!(bob.display_text.as_deref(), Some("Anonymous2"));
}

#[test]
fn message_goes_to_everybody_or_to_one_participant() {
    let mut focus = focus([
        member("alice"),
        hidden("bob"),
        member("carol"),
        member("dave"),
    ]);
    let alice = user("alice");
    focus.dial_in(&user("bob"), PRIVATE, NOW).unwrap();
    focus
        .dial_in(&user("carol"), Abilities::default(), NOW)
        .unwrap();
    let whom = |to: &[&str]| {
        let from = Some("<sip:alice@example.com>");
        focus.addressee(&alice, from, to.iter().copied())
    };
    assert_eq!(
        whom(&["<sip:team@example.com;transport=tcp>"]),
        Ok(Addressee::Everybody)
    );
    let bob = whom(&["sip:anonymous2@anonymous.invalid"]);
    assert_eq!(bob, Ok(Addressee::One(user("bob"))));
    assert_eq!(whom(&["sip:bob@example.com"]), Err(Turned::NoParticipant));
    assert_eq!(whom(&["sip:carol@example.com"]), Err(Turned::NotPrivate));
    assert_eq!(whom(&["sip:dave@example.com"]), Err(Turned::NoParticipant));
    assert_eq!(whom(&["not a uri"]), Err(Turned::NoParticipant));
    let two = whom(&["sip:team@example.com", "sip:carol@example.com"]);
    assert_eq!(two, Err(Turned::SeveralTo));
    assert_eq!(whom(&[]), Err(Turned::SeveralTo));
    let codes = [
        Turned::NotPrivate,
        Turned::NoParticipant,
        Turned::SeveralTo,
        Turned::NotWrapped,
    ];
    assert_eq!(codes.map(Turned::code), [428, 404, 403, 415]);
}

#[test]
fn from_must_be_the_address_or_the_alias_of_the_sender() {
    let focus = focus([member("alice"), hidden("bob")]);
    let from = |from| focus.addressee(&user("bob"), from, ["sip:team@example.com"]);
    assert_eq!(from(Some("sip:bob@example.com")), Ok(Addressee::Everybody));
    let alias = from(Some("<sip:anonymous2@anonymous.invalid>"));
    assert_eq!(alias, Ok(Addressee::Everybody));
    for foreign in [
        Some("sip:alice@example.com"),
        Some("sip:anonymous1@anonymous.invalid"),
        None,
    ] {
        assert_eq!(from(foreign), Err(Turned::ForeignFrom), "{foreign:?}");
    }
}

#[test]
fn nickname_belongs_to_one_user_on_all_devices_that_ask_for_it() {
    let mut focus = team();
    let phone = focus.dial_in(&user("alice"), PRIVATE, NOW).unwrap();
    let laptop = focus.dial_in(&user("alice"), PRIVATE, NOW).unwrap();
    let bob = focus.dial_in(&user("bob"), PRIVATE, NOW).unwrap();
    focus.name(phone, Some("Alice the great"), NOW).unwrap();
    focus.name(laptop, Some("ALICE the  great"), NOW).unwrap();
    let taken = focus.name(bob, Some("alice THE great"), NOW);
    assert_eq!(taken, Err(NicknameRefusal::Taken));
    let malformed = focus.name(bob, Some(" "), NOW);
    assert_eq!(malformed, Err(NicknameRefusal::Malformed));
    focus.name(bob, Some("Dopey Donkey"), NOW).unwrap();
    let document = focus.full(&mut Watch::default());
    let nickname = |name| {
        told(&document, user(name).as_str())
            .unwrap()
            .nickname
            .clone()
    };
    assert_eq!(nickname("bob").as_deref(), Some("Dopey Donkey"));
    assert_eq!(nickname("alice").as_deref(), Some("ALICE the great"));
}

#[test]
fn nickname_that_was_given_up_is_kept_for_its_user_for_a_while() {
    let mut focus = team();
    let alice = focus.dial_in(&user("alice"), PRIVATE, NOW).unwrap();
    let bob = focus.dial_in(&user("bob"), PRIVATE, NOW).unwrap();
    focus.name(alice, Some("Duke"), NOW).unwrap();
    focus
        .disconnect(alice, DisconnectionMethod::Failed, None, NOW)
        .unwrap();
    let minutes = |minutes: u64| NOW.plus(Duration::from_secs(60 * minutes));
    let early = focus.name(bob, Some("duke"), minutes(9));
    assert_eq!(early, Err(NicknameRefusal::Taken));
    let back = focus.dial_in(&user("alice"), PRIVATE, minutes(9)).unwrap();
    focus.name(back, Some("DUKE"), minutes(9)).unwrap();
    focus.name(back, None, minutes(9)).unwrap();
    focus.name(bob, Some("duke"), minutes(19)).unwrap();
}

#[test]
fn nicknames_may_be_reserved_or_not_allowed_at_all() {
    let config = Config {
        reserved_nicknames: vec!["Operator".to_owned()],
        ..Config::default()
    };
    let mut focus = Focus::new(group(1, [member("bob")]), &config);
    let bob = focus.dial_in(&user("bob"), PRIVATE, NOW).unwrap();
    let taken = focus.name(bob, Some("OPERATOR"), NOW);
    assert_eq!(taken.map_err(NicknameRefusal::code), Err(425));
    let config = Config {
        nicknames: false,
        private_messages: false,
        ..Config::default()
    };
    let mut focus = Focus::new(group(1, [member("bob")]), &config);
    let bob = focus.dial_in(&user("bob"), PRIVATE, NOW).unwrap();
    let refused = focus.name(bob, Some("Bobby"), NOW);
    assert_eq!(refused, Err(NicknameRefusal::NotAllowed));
    let own = Some("sip:bob@example.com");
    let private = focus.addressee(&user("bob"), own, ["sip:bob@example.com"]);
    assert_eq!(private, Err(Turned::NotAllowed));
}

/// Something that may happen to a group in session.
#[derive(Clone, Debug)]
enum Event {
    Call(usize, bool),
    Step(usize, EndpointStatus),
    Name(usize, Option<&'static str>),
    Members(Vec<(usize, Copy, bool)>),
    Tell,
}

const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];

fn event() -> impl Strategy<Value = Event> {
    let copy = select(vec![Copy::To, Copy::Cc, Copy::Bcc]);
    let names = select(vec![None, Some("Duke"), Some("duke"), Some("Earl")]);
    prop_oneof![
        (0..NAMES.len(), any::<bool>()).prop_map(|(who, out)| Event::Call(who, out)),
        (0..6usize, select(EndpointStatus::ALL.to_vec()))
            .prop_map(|(which, to)| Event::Step(which, to)),
        (0..6usize, names).prop_map(|(which, name)| Event::Name(which, name)),
        vec((0..NAMES.len(), copy, any::<bool>()), 0..4).prop_map(Event::Members),
        Just(Event::Tell),
    ]
}

fn happen(focus: &mut Focus, event: &Event, ids: &mut Vec<EndpointId>) {
    match event {
        Event::Call(who, true) => ids.extend(focus.dial_out(&user(NAMES[*who]))),
        Event::Call(who, false) => ids.extend(focus.dial_in(&user(NAMES[*who]), PRIVATE, NOW)),
        Event::Step(which, to) => {
            let Some(&id) = ids.get(*which) else { return };
            // steps that cannot be taken change nothing
            let _ = match to {
                EndpointStatus::Alerting => focus.alert(id),
                EndpointStatus::Connected => focus.connect(id, PRIVATE, NOW),
                EndpointStatus::OnHold => focus.hold(id),
                EndpointStatus::Disconnecting => focus.boot(id),
                _ => focus.disconnect(id, DisconnectionMethod::Departed, None, NOW),
            };
        }
        Event::Name(which, name) => {
            if let Some(&id) = ids.get(*which) {
                // so do names that are not to be had
                let _ = focus.name(id, *name, NOW);
            }
        }
        Event::Members(members) => {
            let members = members.iter().map(|(who, copy, anonymous)| Member {
                copy: *copy,
                anonymous: *anonymous,
                ..member(NAMES[*who])
            });
            let version = focus.group().version + 1;
            focus.update(group(version, members), NOW);
        }
        Event::Tell => {}
    }
}

/// What a document says, without its version and in one order.
fn sorted(mut document: ConferenceInfo) -> ConferenceInfo {
    document.version = 0;
    if let Some(users) = &mut document.users {
        users
            .users
            .sort_by(|one, other| one.entity.cmp(&other.entity));
    }
    document
}

proptest! {
    #[test]
    fn one_who_is_told_the_changes_knows_what_one_knows_who_is_told_all(
        events in vec(event(), 0..60),
    ) {
        let mut focus = focus([member("alice"), hidden("bob")]);
        let (mut watch, mut ids) = (Watch::default(), Vec::new());
        let mut known = focus.full(&mut watch);
        for event in events.iter().chain([&Event::Tell]) {
            happen(&mut focus, event, &mut ids);
            if matches!(event, Event::Tell) {
                if let Some(changes) = focus.changes(&mut watch) {
                    let read = ConferenceInfo::parse(&changes.to_bytes()).unwrap();
                    prop_assert_eq!(known.apply(read), Applied::Taken);
                }
                let all = focus.full(&mut Watch::default());
                prop_assert_eq!(sorted(known.clone()), sorted(all));
            }
        }
    }

    #[test]
    fn no_two_users_go_by_one_nickname(events in vec(event(), 0..60)) {
        let mut focus = focus(NAMES.map(member));
        let mut ids = Vec::new();
        for event in events.iter().filter(|it| !matches!(it, Event::Members(_))) {
            happen(&mut focus, event, &mut ids);
            let all = focus.full(&mut Watch::default());
            let users = all.users.iter().flat_map(|users| &users.users);
            let nicknames = users.filter_map(|user| user.nickname.as_deref());
            let mut nicknames: Vec<_> = nicknames.map(str::to_lowercase).collect();
            nicknames.sort();
            let count = nicknames.len();
            nicknames.dedup();
            prop_assert_eq!(nicknames.len(), count);
        }
    }
}
