//! The groups as the other rooms reach them, over a store in memory.
use super::{GroupChanged, Groups};
use crate::{
    clock::{self, Timestamp},
    controlling::{Amendment, Config, GroupConfig, GroupError, Member, Origin, Senders},
    identity::Address,
    store::{self, Handle, Memory, Threads},
};
use actix::prelude::*;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn user(name: &str) -> Address {
    address(&format!("sip:{name}@example.com"))
}

fn member(name: &str) -> Member {
    Member::new(user(name), Timestamp::EPOCH)
}

fn store() -> (Handle, Threads) {
    let engine = Arc::new(Memory::default());
    Handle::start(engine, &store::Config::default(), store::abort()).unwrap()
}

async fn open(store: &Handle, config: Config) -> Groups {
    let domains = vec!["example.com".to_owned()];
    Groups::open(store.clone(), config, domains).await.unwrap()
}

async fn add(groups: &Groups, name: &str, members: &[&str]) -> Result<(), GroupError> {
    let mut group = groups.blank(user(name));
    let all = members.iter().map(|name| member(name));
    group.members = all.map(|it| (it.address.clone(), it)).collect();
    groups.add(group).await.map(drop)
}

async fn members(groups: &Groups, name: &str) -> Vec<String> {
    let group = groups.get(&user(name)).await.unwrap().unwrap();
    assert_eq!(group.size, group.members.len() as u64);
    let names = group.members.keys().map(|it| it.user().to_owned());
    names.collect()
}

#[actix_rt::test]
async fn members_come_and_go_and_every_change_has_a_version() {
    let (store, _threads) = store();
    let groups = open(&store, Config::default()).await;
    add(&groups, "team", &["alice"]).await.unwrap();
    let three = vec![member("bob"), member("alice"), member("bob")];
    let joined = groups.join(&user("team"), three).await.unwrap();
    assert_eq!(joined.version, 2);
    let again = groups.join(&user("team"), vec![member("bob")]).await;
    assert_eq!(again.unwrap().version, 2);
    groups.leave(&user("team"), &user("alice")).await.unwrap();
    assert_eq!(members(&groups, "team").await, ["bob"]);
    let gone = groups.leave(&user("team"), &user("alice")).await;
    assert!(matches!(gone, Err(GroupError::NotMember { .. })));
}

#[actix_rt::test]
async fn groups_are_there_after_a_restart() {
    let (store, _threads) = store();
    let groups = open(&store, Config::default()).await;
    add(&groups, "team", &["alice", "bob"]).await.unwrap();
    add(&groups, "board", &["carol"]).await.unwrap();
    let rules = Amendment {
        subject: Some(Some("Lunch".to_owned())),
        senders: Some(Senders::Owner),
        owner: Some(Some(user("alice"))),
        ..Amendment::default()
    };
    groups.amend(&user("team"), rules).await.unwrap();
    groups.remove(&user("board")).await.unwrap();
    let again = open(&store, Config::default()).await;
    assert!(again.is_group(&user("team")) && !again.is_group(&user("board")));
    let team = again.get(&user("team")).await.unwrap().unwrap();
    assert_eq!(
        (team.subject.as_deref(), team.senders),
        (Some("Lunch"), Senders::Owner)
    );
    assert_eq!(members(&again, "team").await, ["alice", "bob"]);
    assert_eq!(again.get(&user("board")).await.unwrap(), None);
}

#[actix_rt::test]
async fn address_that_cannot_be_a_group_is_refused_by_name() {
    let (store, _threads) = store();
    let groups = open(&store, Config::default()).await;
    add(&groups, "team", &[]).await.unwrap();
    let known = add(&groups, "team", &[]).await;
    assert!(matches!(known, Err(GroupError::Known(_))));
    for name in ["deferred", "conference-factory"] {
        let reserved = add(&groups, name, &[]).await;
        assert!(matches!(reserved, Err(GroupError::Reserved(_))), "{name}");
    }
    for text in ["sip:team@elsewhere.example", "tel:+4930123456"] {
        let foreign = groups.add(groups.blank(address(text))).await;
        assert!(
            matches!(foreign, Err(GroupError::ForeignDomain(_))),
            "{text}"
        );
    }
}

#[actix_rt::test]
async fn group_that_would_grow_too_large_stays_as_it_is() {
    let (store, _threads) = store();
    let config = Config {
        max_members: 2,
        ..Config::default()
    };
    let groups = open(&store, config).await;
    let large = add(&groups, "large", &["alice", "bob", "carol"]).await;
    assert!(matches!(large, Err(GroupError::TooManyMembers(2))));
    add(&groups, "team", &["alice"]).await.unwrap();
    let both = vec![member("bob"), member("carol")];
    let refused = groups.join(&user("team"), both).await;
    assert!(matches!(refused, Err(GroupError::TooManyMembers(2))));
    assert_eq!(members(&groups, "team").await, ["alice"]);
}

#[actix_rt::test]
async fn group_that_a_user_made_ends_with_its_last_member_and_counts_no_more() {
    let (store, _threads) = store();
    let config = Config {
        max_owned: 1,
        ..Config::default()
    };
    let groups = open(&store, config).await;
    let alice = user("alice");
    let make = || groups.make(&alice, "example.com", None, vec![member("bob")]);
    let made = make().await.unwrap();
    assert_eq!((made.origin, made.size), (Origin::AdHoc, 2));
    assert!(made.has(&user("alice")) && made.is_owner(&user("alice")));
    assert!(matches!(make().await, Err(GroupError::TooManyGroups(1))));
    for name in ["alice", "bob"] {
        groups.leave(&made.address, &user(name)).await.unwrap();
    }
    assert!(!groups.is_group(&made.address));
    make().await.unwrap();
}

#[actix_rt::test]
async fn group_that_nobody_uses_ends_and_one_of_an_operator_stays() {
    let (store, _threads) = store();
    let groups = open(&store, Config::default()).await;
    add(&groups, "team", &["alice"]).await.unwrap();
    let alice = user("alice");
    let made = groups.make(&alice, "example.com", None, vec![member("bob")]);
    let made = made.await.unwrap();
    let day = Duration::from_secs(24 * 60 * 60);
    let early = clock::wall().plus(29 * day);
    assert_eq!(groups.expire(early).await.unwrap(), 0);
    let late = clock::wall().plus(31 * day);
    assert_eq!(groups.expire(late).await.unwrap(), 1);
    assert!(!groups.is_group(&made.address) && groups.is_group(&user("team")));
}

#[actix_rt::test]
async fn configured_group_gets_what_is_said_and_loses_no_member() {
    let (store, _threads) = store();
    let named = GroupConfig {
        address: user("team"),
        subject: Some("Lunch".to_owned()),
        owner: None,
        members: vec![user("alice"), user("bob")],
        senders: None,
        absent: None,
        open: false,
    };
    let config = Config {
        groups: vec![named],
        ..Config::default()
    };
    let groups = open(&store, config.clone()).await;
    groups
        .join(&user("team"), vec![member("carol")])
        .await
        .unwrap();
    groups.leave(&user("team"), &user("bob")).await.unwrap();
    let renamed = Amendment {
        subject: Some(None),
        ..Amendment::default()
    };
    groups.amend(&user("team"), renamed).await.unwrap();
    let again = open(&store, config).await;
    assert_eq!(members(&again, "team").await, ["alice", "bob", "carol"]);
    let team = again.get(&user("team")).await.unwrap().unwrap();
    assert_eq!(team.subject.as_deref(), Some("Lunch"));
    assert_eq!(team.origin, Origin::Configured);
}

#[actix_rt::test]
async fn changes_are_told_in_their_order() {
    struct Ear(Arc<Mutex<Vec<Option<u64>>>>);
    impl Actor for Ear {
        type Context = Context<Self>;
    }
    impl Handler<GroupChanged> for Ear {
        type Result = ();
        fn handle(&mut self, news: GroupChanged, _: &mut Self::Context) {
            let version = news.group.map(|group| group.version);
            self.0.lock().unwrap().push(version);
        }
    }
    let (store, _threads) = store();
    let groups = open(&store, Config::default()).await;
    let heard = Arc::default();
    groups.tell(vec![Ear(Arc::clone(&heard)).start().recipient()]);
    add(&groups, "team", &["alice"]).await.unwrap();
    groups
        .join(&user("team"), vec![member("bob")])
        .await
        .unwrap();
    groups.remove(&user("team")).await.unwrap();
    assert_eq!(*heard.lock().unwrap(), [Some(1), Some(2), None]);
}
