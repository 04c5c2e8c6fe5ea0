//! Kamailio as the SIP core of both home networks: devices register and prove themselves there, our
//! servers are its application servers. And Kamailio as edge proxy before a registrar of ours.
mod harness;
#[path = "kamailio/process.rs"]
mod process;

use harness::{
    capture::{Capture, value},
    network::{Network, PASSWORD, Plan, address, message_to},
    user::{User, noise},
};
use process::Kamailio;
use restante::{
    client::{Config, Mode, Outcome},
    sip::{
        codec::{Method, Name},
        transaction::Peer,
    },
};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::net::IpAddr;

const ALICE: &str = "alice@a.example";
const BOB: &str = "bob@b.example";
const SIZE: usize = 100_000;

/// Two home networks: a core each, and our servers beside them.
struct Homes {
    network: Network,
    core_a: Kamailio,
    core_b: Kamailio,
}

impl Homes {
    /// PF-A beside core A; PF-B, and C behind it, beside core B.
    fn open() -> Self {
        let plan = Plan::empty()
            .node("PF-A", &["participating"], &["a.example"])
            .node("PF-B", &["participating"], &["b.example"])
            .node("C", &["deferred"], &["b.example"])
            .neighbour("PF-B", "deferred", "C")
            .neighbour("C", "participating", "PF-B");
        let (at_a, at_b) = (plan.outsider(1), plan.outsider(2));
        let plan = plan
            .with("PF-A", "neighbours.core", format!("sip:{at_a}"))
            .with("PF-B", "neighbours.core", format!("sip:{at_b}"));
        let core = |own, domain: &str, server, peer: IpAddr, foreign: &str| {
            let names = [
                ("PEERDOMAIN", foreign.to_owned()),
                ("DOMAIN", domain.to_owned()),
                ("SERVER", plan.ip(server).to_string()),
                ("PEER", peer.to_string()),
            ];
            Kamailio::start("core.cfg", own, &names)
        };
        let core_a = core(at_a, "a.example", "PF-A", at_b, "b.example");
        let core_b = core(at_b, "b.example", "PF-B", at_a, "a.example");
        let network = plan.start();
        network.introduce("core A", at_a);
        network.introduce("core B", at_b);
        network.subscribe(&[ALICE, BOB]);
        Self {
            network,
            core_a,
            core_b,
        }
    }

    /// A device of Alice's that has logged in, with its home server told.
    async fn alice(&self) -> User {
        self.device(ALICE, &self.core_a, "PF-A → core A: 200 REGISTER")
            .await
    }

    async fn bob(&self) -> User {
        self.device(BOB, &self.core_b, "PF-B → core B: 200 REGISTER")
            .await
    }

    async fn device(&self, user: &str, core: &Kamailio, told: &str) -> User {
        let bind = self.network.admit(address(user).user());
        let peer = Peer::tcp((core.ip(), 5060).into());
        let configure = |config: &mut Config| config.bind = bind;
        let user = User::at(address(user), PASSWORD, peer, configure, None).await;
        let before = self.network.capture().count(told);
        let user = user.log_in().await;
        self.until(|seen| seen.count(told) > before).await;
        user
    }

    async fn until(&self, condition: impl Fn(&Capture) -> bool) -> Capture {
        self.network.until(condition).await
    }
}

/// Sends noise to Bob; what became of it, and its id.
async fn send(alice: &User, octets: usize) -> (Outcome, String) {
    let receipt = alice.device.send(message_to(BOB, &noise(octets))).await;
    let receipt = receipt.expect("an outcome");
    (receipt.outcome, receipt.message_id)
}

async fn assert_next(bob: &mut User, id: &str, octets: usize) {
    let received = bob.next().await;
    let hash: [u8; 32] = Sha256::digest(noise(octets)).into();
    assert_eq!((received.message_id.as_str(), received.sha256), (id, hash));
    assert_eq!(received.from, Some(address(ALICE)));
}

#[actix::test]
async fn s1_message_to_absent_bob_passes_both_cores_and_is_kept_at_c() {
    let homes = Homes::open();
    let alice = homes.alice().await;
    homes.network.begin_anew();
    let (outcome, id) = send(&alice, SIZE).await;
    assert_eq!(outcome, Outcome::Stored);
    assert_eq!(homes.network.waiting("C", BOB), [id]);

    // the channels behind her home server may stay for her next call
    let seen = homes.until(|seen| seen.says("core A → PF-A: BYE")).await;
    seen.assert_order(&[
        "core A → PF-A: INVITE",
        "PF-A → core A: INVITE",
        "core B → PF-B: INVITE",
        "PF-B → C: INVITE",
        "C → PF-B: 200 INVITE",
        "PF-B → core B: 200 INVITE",
        "core A → PF-A: 200 INVITE",
        "PF-A → core A: 200 INVITE",
    ]);
    assert_eq!(seen.channels(), ["alice = PF-A", "PF-A = PF-B", "PF-B = C"]);
    seen.assert_order(&[
        "alice → PF-A: SEND last",
        "PF-A → PF-B: SEND last",
        "PF-B → C: SEND last",
        "C → PF-B: 200 SEND last",
        "PF-B → PF-A: 200 SEND last",
        "PF-A → alice: 200 SEND last",
    ]);
    // the core has asserted who calls, and that holds all the way
    for (from, to) in [("core A", "PF-A"), ("core B", "PF-B"), ("PF-B", "C")] {
        let invites = seen.requests(&Method::Invite, from, to);
        assert_eq!(invites.len(), 1, "{from} → {to}\n{seen}");
        let asserted = value(invites[0], Name::PAssertedIdentity);
        assert_eq!(asserted, "<sip:alice@a.example>", "{from} → {to}");
    }
}

#[actix::test]
async fn r2_bob_logs_in_at_his_core_and_gets_what_waits() {
    let homes = Homes::open();
    let alice = homes.alice().await;
    let (_, id) = send(&alice, SIZE).await;
    homes.network.begin_anew();

    let mut bob = homes.bob().await;
    assert_next(&mut bob, &id, SIZE).await;
    let seen = homes
        .until(|seen| seen.says("core B → PF-B: 200 BYE"))
        .await;
    seen.assert_order(&[
        "core B → PF-B: REGISTER",
        "PF-B → C: SUBSCRIBE",
        "C → PF-B: NOTIFY",
        "PF-B → core B: INVITE",
        "core B → PF-B: 200 INVITE",
        "PF-B → C: INVITE",
        "C → PF-B: 200 INVITE",
        "C → PF-B: BYE",
        "PF-B → core B: BYE",
    ]);
    assert_eq!(seen.channels(), ["PF-B = bob", "PF-B = C"]);
    let told = seen.requests(&Method::Register, "core B", "PF-B");
    assert_eq!(value(told[0], Name::To), "<sip:bob@b.example>");
    let invite = seen.requests(&Method::Invite, "PF-B", "core B")[0];
    assert_eq!(invite.uri_text(), "sip:bob@b.example");
    assert_eq!(value(invite, Name::ReferredBy), "<sip:alice@a.example>");
    assert_eq!(homes.network.waiting("C", BOB), [""; 0]);
}

#[actix::test]
async fn few_and_small_messages_come_as_requests_through_both_cores() {
    let homes = Homes::open();
    let alice = homes.alice().await;
    let mut small = message_to(BOB, &noise(200));
    small.mode = Mode::Pager;
    let receipt = alice.device.send(small).await.expect("an outcome");
    assert_eq!(receipt.outcome, Outcome::Stored);
    homes.network.begin_anew();
    let mut bob = homes.bob().await;
    let received = bob.next().await;
    assert_eq!(received.from, Some(address(ALICE)));
    assert_eq!(received.size, 200);
    let seen = homes.until(|seen| seen.says("C → PF-B: 200 MESSAGE")).await;
    seen.assert_order(&[
        "PF-B → C: SUBSCRIBE",
        "PF-B → C: MESSAGE",
        "C → PF-B: MESSAGE",
        "PF-B → core B: MESSAGE",
        "core B → PF-B: 200 MESSAGE",
        "PF-B → C: 200 MESSAGE",
        "C → PF-B: 200 MESSAGE",
    ]);
    assert_eq!(homes.network.waiting("C", BOB), [""; 0]);
}

#[actix::test]
async fn r1_bob_fetches_what_waits_by_his_core() {
    let homes = Homes::open();
    homes
        .network
        .set_at("PF-B", BOB, &json!({ "handing": "hold" }));
    let alice = homes.alice().await;
    let (_, id) = send(&alice, SIZE).await;
    let mut bob = homes.bob().await;
    homes.network.begin_anew();
    let fetched = bob.device.deferred_fetch(std::slice::from_ref(&id)).await;
    assert_eq!(fetched.expect("a channel"), 1);
    assert_next(&mut bob, &id, SIZE).await;
    let seen = homes.until(|seen| seen.says("C → PF-B: BYE")).await;
    assert_eq!(seen.channels(), ["bob = PF-B", "PF-B = C"]);
    let invite = seen.requests(&Method::Invite, "core B", "PF-B")[0];
    assert_eq!(invite.uri_text(), "sip:deferred@b.example");
    let asserted = value(invite, Name::PAssertedIdentity);
    assert_eq!(asserted, "<sip:bob@b.example>");
    assert_eq!(homes.network.waiting("C", BOB), [""; 0]);
}

#[actix::test]
async fn who_is_logged_in_gets_messages_live_and_who_has_left_does_not() {
    let homes = Homes::open();
    let alice = homes.alice().await;
    let mut bob = homes.bob().await;
    homes.network.begin_anew();
    let (outcome, id) = send(&alice, SIZE).await;
    assert_eq!(outcome, Outcome::Delivered);
    assert_next(&mut bob, &id, SIZE).await;
    let seen = homes.until(|seen| seen.says("core B → PF-B: BYE")).await;
    let channels = ["alice = PF-A", "PF-A = PF-B", "PF-B = bob"];
    assert_eq!(seen.channels(), channels);
    assert!(!seen.says("PF-B → C: INVITE"), "{seen}");

    homes.network.begin_anew();
    bob.device.unregister().await.expect("a logout");
    let told = "PF-B → core B: 200 REGISTER";
    let seen = homes.until(|seen| seen.says(told)).await;
    let told = seen.requests(&Method::Register, "core B", "PF-B")[0];
    assert_eq!(told.expires(), Some(0));
    let (outcome, _) = send(&alice, SIZE).await;
    assert_eq!(outcome, Outcome::Stored);
}

#[actix::test]
async fn calls_find_a_device_behind_an_edge_proxy_by_its_path() {
    let plan = Plan::shape_a();
    let edge = plan.outsider(1);
    let plan = plan.with("C", "sip_core.service_route", format!("<sip:{edge};lr>"));
    let names = [("SERVER", plan.ip("C").to_string())];
    let edge = Kamailio::start("edge.cfg", edge, &names);
    let network = plan.start();
    network.introduce("edge", edge.ip());
    network.subscribe(&[ALICE, BOB]);
    let device = async |user: &str| {
        let bind = network.admit(address(user).user());
        let peer = Peer::tcp((edge.ip(), 5060).into());
        let configure = |config: &mut Config| config.bind = bind;
        let user = User::at(address(user), PASSWORD, peer, configure, None).await;
        user.log_in().await
    };
    let (alice, mut bob) = (device(ALICE).await, device(BOB).await);
    let seen = network.capture();
    let register = seen.requests(&Method::Register, "edge", "C")[0];
    assert_eq!(
        value(register, Name::Path),
        format!("<sip:{};lr>", edge.ip())
    );
    network.begin_anew();

    let (outcome, id) = send(&alice, SIZE).await;
    assert_eq!(outcome, Outcome::Delivered);
    assert_next(&mut bob, &id, SIZE).await;
    let seen = network.until(|seen| seen.says("C → edge: BYE")).await;
    seen.assert_order(&[
        "edge → C: INVITE",
        "C → edge: INVITE",
        "edge → C: 200 INVITE",
        "C → edge: 200 INVITE",
    ]);
    assert_eq!(seen.channels(), ["alice = C", "C = bob"]);
}
