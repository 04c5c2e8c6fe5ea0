//! Registrar, realm and subscribers over each storage engine: who may register, what a restart
//! leaves, what ends in time.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
use bytes::Bytes;
use restante::{
    clock,
    digest::{Account, strongest},
    identity::Address,
    policy::{Settings, Standing},
    sip::{
        codec::{Limits, Message, Name},
        transaction::{ConnectionId, Peer},
    },
    sip_core::{
        Amendment, Config, Handled, Kind, Location, Realm, Registrar, RegistrationChanged,
        SubscriberError, Subscribers, Verdict,
    },
    store::{self, Engine, Handle, Lsm, Memory, Readable, Scan, Table},
};
use std::{sync::Arc, time::Duration};

struct Core {
    name: &'static str,
    subscribers: Subscribers,
    location: Location,
    realm: Realm,
    registrar: Registrar,
    handle: Handle,
}

async fn core(name: &'static str, engine: Arc<dyn Engine>, run: u64, config: Config) -> Core {
    let (handle, _) = Handle::start(engine, &store::Config::default(), store::abort()).unwrap();
    let subscribers = Subscribers::new(handle.clone(), &config);
    let location = Location::open(handle.clone(), run).await.unwrap();
    let realm = Realm::open(&handle, subscribers.clone(), &config)
        .await
        .unwrap();
    let registrar = Registrar::new(realm.clone(), subscribers.clone(), location.clone(), config);
    Core {
        name,
        subscribers,
        location,
        realm,
        registrar,
        handle,
    }
}

async fn cores_with(config: Config) -> Vec<(Core, Arc<dyn Engine>, Option<tempfile::TempDir>)> {
    let folder = tempfile::tempdir().unwrap();
    let lsm = Lsm::open(folder.path(), &store::Config::default()).unwrap();
    let engines: [(_, Arc<dyn Engine>, _); 2] = [
        ("memory", Arc::new(Memory::default()), None),
        ("fjall", Arc::new(lsm), Some(folder)),
    ];
    let mut cores = Vec::new();
    for (name, engine, folder) in engines {
        let core = core(name, engine.clone(), 1, config.clone()).await;
        core.subscribers.add(&bob(), "secret").await.unwrap();
        cores.push((core, engine, folder));
    }
    cores
}

async fn cores() -> Vec<(Core, Arc<dyn Engine>, Option<tempfile::TempDir>)> {
    cores_with(Config::default()).await
}

fn bob() -> Address {
    Address::parse("sip:bob@localhost").unwrap()
}

fn phone() -> Peer {
    Peer {
        connection: Some(ConnectionId(7)),
        ..Peer::tcp(([127, 0, 0, 1], 5070).into())
    }
}

fn register(user: &str, cseq: u32, fields: &str) -> Message {
    request("REGISTER", user, cseq, fields)
}

fn request(method: &str, user: &str, cseq: u32, fields: &str) -> Message {
    let text = format!(
        "{method} sip:localhost SIP/2.0\r\n\
         Via: SIP/2.0/TCP 127.0.0.1:5070;branch=z9hG4bK{cseq}\r\n\
         From: <sip:{user}@localhost>;tag=1\r\nTo: <sip:{user}@localhost>\r\n\
         Call-ID: call-{user}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n\
         {fields}Content-Length: 0\r\n\r\n"
    );
    Message::parse(Bytes::from(text), &Limits::default()).unwrap()
}

fn answer(challenge: &Handled, method: &str, user: &str, password: &str, count: u32) -> String {
    let fields = &challenge.reply.fields;
    let values = fields
        .iter()
        .filter(|(name, _)| *name == Name::WwwAuthenticate)
        .map(|(_, value)| value);
    let account = Account {
        user: user.to_owned(),
        password: password.to_owned(),
    };
    let challenge = strongest(values).expect("a challenge we can answer");
    let credentials = challenge.answer(&account, method, "sip:localhost", "cnonce", count);
    format!("Authorization: {credentials}\r\n")
}

/// Registers as a device does: asks, proves, asks again.
async fn login(core: &Core, user: &str, password: &str, cseq: u32, fields: &str) -> Handled {
    let first = core
        .registrar
        .handle(&register(user, cseq, fields), phone())
        .await;
    if first.reply.code != 401 {
        return first;
    }
    let proof = answer(&first, "REGISTER", user, password, 1);
    let second = register(user, cseq + 1, &format!("{fields}{proof}"));
    core.registrar.handle(&second, phone()).await
}

const CONTACT: &str =
    "Contact: <sip:bob@127.0.0.1:5070;transport=tcp>;+g.oma.sip-im;expires=60\r\n";

#[tokio::test]
async fn device_that_proves_its_password_is_bound() {
    for (core, ..) in cores().await {
        let handled = login(&core, "bob", "secret", 1, CONTACT).await;
        assert_eq!(handled.reply.code, 200, "{}", core.name);
        let news = handled.news.unwrap();
        assert_eq!((news.registered, news.first), (true, true));
        let bindings = core.location.bindings(&bob(), clock::wall());
        assert_eq!(bindings.len(), 1);
        assert_eq!(bindings[0].source, phone());
        assert!(bindings[0].params.contains("+g.oma.sip-im"));
        let contact = handled
            .reply
            .fields
            .iter()
            .find(|(name, _)| *name == Name::Contact);
        assert!(contact.unwrap().1.ends_with(";expires=60"), "{contact:?}");

        let again = login(&core, "bob", "secret", 3, CONTACT).await;
        let news = again.news.unwrap();
        assert_eq!((news.registered, news.first), (true, false));
        let gone = login(&core, "bob", "secret", 5, "Contact: *\r\nExpires: 0\r\n").await;
        assert_eq!(gone.reply.code, 200);
        assert!(!gone.news.unwrap().registered);
        assert!(!core.location.is_registered(&bob(), clock::wall()));
    }
}

#[tokio::test]
async fn wrong_password_and_unknown_user_are_asked_again_alike() {
    for (core, ..) in cores().await {
        for (user, password) in [("bob", "wrong"), ("mallory", "secret")] {
            let handled = login(&core, user, password, 1, CONTACT).await;
            assert_eq!(handled.reply.code, 401, "{} {user}", core.name);
            let stale = handled
                .reply
                .fields
                .iter()
                .any(|(_, value)| value.contains("stale"));
            assert!(!stale && handled.news.is_none());
        }
        assert!(core.location.is_empty());
    }
}

#[tokio::test]
async fn proof_of_one_subscriber_binds_no_device_of_another() {
    for (core, ..) in cores().await {
        let alice = Address::parse("sip:alice@localhost").unwrap();
        core.subscribers.add(&alice, "hers").await.unwrap();
        let first = core
            .registrar
            .handle(&register("bob", 1, CONTACT), phone())
            .await;
        let proof = answer(&first, "REGISTER", "alice", "hers", 1);
        let forged = register("bob", 2, &format!("{CONTACT}{proof}"));
        let handled = core.registrar.handle(&forged, phone()).await;
        assert_eq!(handled.reply.code, 401, "{}", core.name);
        assert!(!core.location.is_registered(&bob(), clock::wall()));
    }
}

#[tokio::test]
async fn old_nonce_is_called_stale_and_a_replay_does_not_count() {
    let config = Config {
        nonce_lifetime: Duration::from_millis(40),
        ..Config::default()
    };
    for (core, ..) in cores_with(config).await {
        let first = core
            .registrar
            .handle(&register("bob", 1, CONTACT), phone())
            .await;
        let proof = answer(&first, "REGISTER", "bob", "secret", 1);
        let proven = register("bob", 2, &format!("{CONTACT}{proof}"));
        let handled = core.registrar.handle(&proven, phone()).await;
        let replayed = core.registrar.handle(&proven, phone()).await;
        assert_eq!((handled.reply.code, replayed.reply.code), (200, 401));
        tokio::time::sleep(Duration::from_millis(60)).await;
        let proof = answer(&first, "REGISTER", "bob", "secret", 2);
        let late = register("bob", 3, &format!("{CONTACT}{proof}"));
        let handled = core.registrar.handle(&late, phone()).await;
        assert_eq!(handled.reply.code, 401);
        let is_stale = |(name, value): &(Name, String)| {
            *name == Name::WwwAuthenticate && value.contains("stale=true")
        };
        assert!(handled.reply.fields.iter().any(is_stale), "{}", core.name);
    }
}

#[tokio::test]
async fn bindings_survive_a_restart_without_their_streams() {
    for (first, engine, _folder) in cores().await {
        let fields = format!("Path: <sip:edge.localhost;lr>\r\n{CONTACT}");
        login(&first, "bob", "secret", 1, &fields).await;
        let second = core(first.name, engine, 2, Config::default()).await;
        let bindings = second.location.bindings(&bob(), clock::wall());
        assert_eq!(bindings.len(), 1, "{}", first.name);
        assert_eq!(bindings[0].source.connection, None);
        assert_eq!(bindings[0].source.addr, phone().addr);
        assert_eq!(bindings[0].path, ["<sip:edge.localhost;lr>"]);
        // the nonce of the run before is still ours
        let challenge = first
            .registrar
            .handle(&register("bob", 9, CONTACT), phone())
            .await;
        let proof = answer(&challenge, "REGISTER", "bob", "secret", 1);
        let proven = register("bob", 10, &format!("{CONTACT}{proof}"));
        let handled = second.registrar.handle(&proven, phone()).await;
        assert_eq!(handled.reply.code, 200, "{}", first.name);
    }
}

#[tokio::test]
async fn binding_that_nobody_refreshes_ends() {
    for (core, ..) in cores().await {
        login(&core, "bob", "secret", 1, CONTACT).await;
        let later = clock::wall().plus(Duration::from_secs(61));
        assert!(core.location.bindings(&bob(), later).is_empty());
        assert!(
            core.location
                .expire(clock::wall())
                .await
                .unwrap()
                .is_empty()
        );
        let gone = RegistrationChanged {
            address: bob(),
            registered: false,
            first: false,
        };
        assert_eq!(core.location.expire(later).await.unwrap(), [gone]);
        assert!(core.location.expire(later).await.unwrap().is_empty());
        assert!(core.location.is_empty(), "{}", core.name);
        let stored = core.handle.read(|view| view.keys(all(Table::Binding)));
        assert!(stored.await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn refreshed_binding_does_not_end_at_its_first_time() {
    for (core, ..) in cores().await {
        login(&core, "bob", "secret", 1, CONTACT).await;
        let longer = CONTACT.replace("expires=60", "expires=600");
        login(&core, "bob", "secret", 3, &longer).await;
        let later = clock::wall().plus(Duration::from_secs(61));
        assert!(core.location.expire(later).await.unwrap().is_empty());
        assert!(core.location.is_registered(&bob(), later), "{}", core.name);
    }
}

#[tokio::test]
async fn two_devices_at_once_are_both_bound() {
    for (core, ..) in cores().await {
        let core = Arc::new(core);
        let mut devices = Vec::new();
        for n in 0..8 {
            let core = core.clone();
            devices.push(tokio::spawn(async move {
                let contact = format!("Contact: <sip:bob@127.0.0.1:{}>\r\n", 6000 + n);
                login(&core, "bob", "secret", 1 + n, &contact)
                    .await
                    .reply
                    .code
            }));
        }
        for device in devices {
            assert_eq!(device.await.unwrap(), 200);
        }
        assert_eq!(core.location.bindings(&bob(), clock::wall()).len(), 8);
    }
}

#[tokio::test]
async fn domain_that_is_not_ours_is_refused() {
    for (core, ..) in cores().await {
        let text = String::from_utf8(register("bob", 1, CONTACT).octets().to_vec()).unwrap();
        let foreign = text.replace("REGISTER sip:localhost", "REGISTER sip:example.com");
        let foreign = Message::parse(foreign.into(), &Limits::default()).unwrap();
        let handled = core.registrar.handle(&foreign, phone()).await;
        assert_eq!(handled.reply.code, 404);
    }
}

#[tokio::test]
async fn removed_subscriber_cannot_register_and_deferral_can_be_switched() {
    for (core, ..) in cores().await {
        assert_eq!(
            core.subscribers.standing(&bob()).await.unwrap(),
            Standing::Accepts(Settings::default())
        );
        let refuse = Amendment {
            deferral: Some(false),
            ..Amendment::default()
        };
        core.subscribers.amend(&bob(), refuse).await.unwrap();
        assert_eq!(
            core.subscribers.standing(&bob()).await.unwrap(),
            Standing::Refuses
        );
        core.subscribers
            .set_password(&bob(), "another")
            .await
            .unwrap();
        assert_eq!(
            login(&core, "bob", "secret", 1, CONTACT).await.reply.code,
            401
        );
        assert_eq!(
            login(&core, "bob", "another", 3, CONTACT).await.reply.code,
            200
        );
        core.subscribers.remove(&bob()).await.unwrap();
        assert_eq!(
            login(&core, "bob", "another", 5, CONTACT).await.reply.code,
            401
        );
        assert_eq!(
            core.subscribers.standing(&bob()).await.unwrap(),
            Standing::Unknown
        );
        let again = core.subscribers.remove(&bob()).await;
        assert!(
            matches!(again, Err(SubscriberError::Unknown(_))),
            "{}",
            core.name
        );
    }
}

#[tokio::test]
async fn subscribers_are_added_once_and_listed_by_pages() {
    for (core, ..) in cores().await {
        let again = core.subscribers.add(&bob(), "x").await;
        assert!(matches!(again, Err(SubscriberError::Known(_))));
        let foreign = Address::parse("sip:eve@example.com").unwrap();
        let foreign = core.subscribers.add(&foreign, "x").await;
        assert!(matches!(foreign, Err(SubscriberError::ForeignDomain(_))));
        let empty = core
            .subscribers
            .add(&Address::parse("tel:+49170").unwrap(), "")
            .await;
        assert!(matches!(empty, Err(SubscriberError::EmptyPassword)));
        for n in 0..7 {
            let address = Address::parse(&format!("sip:user{n}@localhost")).unwrap();
            core.subscribers.add(&address, "x").await.unwrap();
        }
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = core.subscribers.list(after.as_ref(), 3).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.address.clone());
            seen.extend(page.into_iter().map(|subscriber| subscriber.address));
        }
        assert_eq!((seen.len(), &seen[0]), (8, &bob()), "{}", core.name);
    }
}

#[tokio::test]
async fn sender_of_a_message_is_asked_as_by_a_proxy() {
    for (core, ..) in cores().await {
        let message = request("MESSAGE", "bob", 1, "");
        let Verdict::Challenge(reply) = core.realm.check(&message, Kind::Proxy).await else {
            panic!("no challenge");
        };
        assert_eq!(reply.code, 407);
        let names: Vec<_> = reply.fields.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, [Name::ProxyAuthenticate; 2]);
        assert!(reply.fields[0].1.contains("SHA-256"));
    }
}

#[tokio::test]
async fn sender_is_believed_where_no_proof_is_wanted() {
    let config = Config {
        authenticate: false,
        ..Config::default()
    };
    for (core, ..) in cores_with(config).await {
        let message = request("MESSAGE", "anyone", 1, "");
        let verdict = core.realm.check(&message, Kind::Proxy).await;
        let anyone = Address::parse("sip:anyone@localhost").unwrap();
        assert_eq!(verdict, Verdict::Ok(anyone));
        // but only subscribers have bindings
        let unknown = core
            .registrar
            .handle(&register("anyone", 1, CONTACT), phone())
            .await;
        assert_eq!(unknown.reply.code, 404, "{}", core.name);
    }
}

/// All keys of a table.
fn all(table: Table) -> Scan<'static> {
    Scan {
        table,
        from: &[0],
        until: &[0xff],
        limit: usize::MAX,
        reverse: false,
    }
}
