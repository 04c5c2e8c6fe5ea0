//! AUTH over real sockets: who is given a URI of the relay, for how long, and what is refused
//! (RFC 4976 §5.1, §6.3 and §9.1).
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod relay;

use relay::{
    PASSWORD, Peer, REALM, answer, anywhere, client, door, id, proof, send, start, start_any,
    stranger, value,
};
use restante::{
    digest::Algorithm,
    msrp::{
        Config, relay as msrp_relay,
        relay::{PlainAuth, Sealer},
        uri::session_id_of,
    },
};
use std::{collections::HashSet, time::Duration};

const ID: &str = "a1b2c3d4";

/// The part of a quoted or bare parameter between its name and its end.
fn part<'a>(text: &'a str, name: &str) -> &'a str {
    let at = text.find(&format!("{name}=")).unwrap() + name.len() + 1;
    let rest = &text[at..];
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap(),
        None => rest.split([',', '\r', ' ']).next().unwrap(),
    }
}

fn md5(text: &str) -> String {
    use md5::Digest;
    hex::encode(md5::Md5::digest(text))
}

#[actix::test]
async fn auth_is_challenged_then_granted_a_uri_its_life_and_a_proof_of_the_relay() {
    let board = start_any();
    let mut alice = stranger(&board, "alice").await;
    let (door, uri) = (door(&board), alice.uri.clone());
    let challenge = alice.auth(&door, "").await;
    let nonce = part(&challenge, "nonce").to_owned();
    assert_eq!(
        challenge,
        format!(
            "MSRP {ID} 401 Unauthorized\r\nTo-Path: {uri}\r\nFrom-Path: {door}\r\n\
             WWW-Authenticate: Digest realm=\"{REALM}\", nonce=\"{nonce}\", algorithm=SHA-256, \
             qop=\"auth\"\r\n\
             WWW-Authenticate: Digest realm=\"{REALM}\", nonce=\"{nonce}\", algorithm=MD5, \
             qop=\"auth\"\r\n-------{ID}$\r\n"
        )
    );

    let proof = proof(&challenge, &door, "alice", PASSWORD);
    let granted = alice.auth(&door, &proof).await;
    let given = value(&granted, "Use-Path").unwrap();
    let next = part(&granted, "nextnonce");
    // RFC 2617 §3.2.3: as the client's proof, with nothing in place of the method
    let first = md5(&format!("alice:{REALM}:{PASSWORD}"));
    let second = md5(&format!(":{door}"));
    let rspauth = md5(&format!("{first}:{nonce}:00000001:0a4f113b:auth:{second}"));
    assert_eq!(
        granted,
        format!(
            "MSRP {ID} 200 OK\r\nTo-Path: {uri}\r\nFrom-Path: {door}\r\nUse-Path: {given}\r\n\
             Expires: 1800\r\nAuthentication-Info: nextnonce=\"{next}\", rspauth=\"{rspauth}\", \
             cnonce=\"0a4f113b\", nc=00000001, qop=auth\r\n-------{ID}$\r\n"
        )
    );
    let listen = board.listen_addr().to_string();
    assert!(given.starts_with(&format!("msrp://{listen}/")) && given.ends_with(";tcp"));
    assert_ne!(next, nonce);
}

#[actix::test]
async fn life_out_of_bounds_is_answered_423_with_the_bound() {
    let board = start_any();
    let mut alice = stranger(&board, "alice").await;
    let (door, uri) = (door(&board), alice.uri.clone());
    for (wanted, bound) in [
        ("59", "Min-Expires: 60"),
        ("0", "Min-Expires: 60"),
        ("3601", "Max-Expires: 3600"),
        ("99999999999999999999", "Max-Expires: 3600"),
    ] {
        let fields = format!("Expires: {wanted}\r\n");
        let refused = alice.prove(&door, "alice", PASSWORD, &fields).await;
        let head = "423 Interval Out-of-Bounds";
        let expected = format!(
            "MSRP {ID} {head}\r\nTo-Path: {uri}\r\nFrom-Path: {door}\r\n{bound}\r\n-------{ID}$\r\n"
        );
        assert_eq!(refused, expected);
    }
    for wanted in ["60", "3600"] {
        let fields = format!("Expires: {wanted}\r\n");
        let granted = alice.prove(&door, "alice", PASSWORD, &fields).await;
        assert_eq!(value(&granted, "Expires"), Some(wanted));
    }
}

#[actix::test]
async fn proof_may_name_the_uri_it_is_for_and_no_other() {
    let board = start_any();
    let mut alice = stranger(&board, "alice").await;
    let door = door(&board);
    for (named, code) in [(door.as_str(), "200"), ("msrp://elsewhere:2855;tcp", "400")] {
        let challenge = alice.auth(&door, "").await;
        let proof = proof(&challenge, named, "alice", PASSWORD);
        let proof = proof.replace(", qop", &format!(", uri=\"{named}\", qop"));
        let answer = alice.auth(&door, &proof).await;
        assert!(
            answer.starts_with(&format!("MSRP {ID} {code} ")),
            "{answer}"
        );
    }
}

#[actix::test]
async fn sha256_proves_as_well_as_md5() {
    let board = start_any();
    let mut alice = stranger(&board, "alice").await;
    let door = door(&board);
    let challenge = alice.auth(&door, "").await;
    let nonce = part(&challenge, "nonce");
    let hash = |text: &str| {
        use sha2::Digest;
        hex::encode(sha2::Sha256::digest(text))
    };
    let first = hash(&format!("alice:{REALM}:{PASSWORD}"));
    assert_eq!(
        first,
        restante::digest::ha1(Algorithm::Sha256, "alice", REALM, PASSWORD)
    );
    let second = hash(&format!("AUTH:{door}"));
    let response = hash(&format!("{first}:{nonce}:00000001:0a4f113b:auth:{second}"));
    let proof = format!(
        "Authorization: Digest username=\"alice\", realm=\"{REALM}\", nonce=\"{nonce}\", \
         algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"0a4f113b\", response=\"{response}\"\r\n"
    );
    let granted = alice.auth(&door, &proof).await;
    assert!(
        granted.starts_with(&format!("MSRP {ID} 200 OK\r\n")),
        "{granted}"
    );
}

/// RFC 4976 §9.1: Basic and `auth-int` must not be used.
#[actix::test]
async fn basic_and_body_integrity_prove_nothing() {
    let board = start_any();
    let mut alice = stranger(&board, "alice").await;
    let door = door(&board);
    let basic = "Authorization: Basic YWxpY2U6c3dvcmRmaXNo\r\n";
    assert!(
        alice
            .auth(&door, basic)
            .await
            .starts_with(&format!("MSRP {ID} 401 "))
    );
    let challenge = alice.auth(&door, "").await;
    assert!(!challenge.contains("auth-int"), "{challenge}");
    let proof = proof(&challenge, &door, "alice", PASSWORD);
    let other = alice
        .auth(&door, &proof.replace("qop=auth", "qop=auth-int"))
        .await;
    assert!(other.starts_with(&format!("MSRP {ID} 400 ")), "{other}");
    let none = alice.auth(&door, &proof.replace("qop=auth, ", "")).await;
    assert!(none.starts_with(&format!("MSRP {ID} 400 ")), "{none}");
}

#[actix::test]
async fn proof_is_good_once() {
    let board = start_any();
    let mut alice = stranger(&board, "alice").await;
    let door = door(&board);
    let challenge = alice.auth(&door, "").await;
    let proof = proof(&challenge, &door, "alice", PASSWORD);
    assert!(
        alice
            .auth(&door, &proof)
            .await
            .starts_with(&format!("MSRP {ID} 200 "))
    );
    for _ in 0..4 {
        let mut thief = stranger(&board, "thief").await;
        let again = thief.auth(&door, &proof).await;
        assert!(again.starts_with(&format!("MSRP {ID} 401 ")), "{again}");
        assert!(again.contains("stale=true"), "{again}");
    }
}

#[actix::test]
async fn connection_is_closed_after_wrong_proofs_and_others_are_not() {
    let board = start_any();
    let (mut bob, _) = client(&board, "bob").await;
    let door = door(&board);
    for (user, password) in [("alice", "guess"), ("mallory", PASSWORD)] {
        let mut thief = stranger(&board, "thief").await;
        for _ in 0..3 {
            let refused = thief.prove(&door, user, password, "").await;
            assert!(refused.starts_with(&format!("MSRP {ID} 401 ")), "{refused}");
        }
        assert!(thief.is_closed().await);
    }
    bob.use_path(&door, "bob").await;
}

#[actix::test]
async fn challenges_alone_do_not_keep_a_connection_open() {
    let config = Config {
        bind_timeout: Duration::from_millis(300),
        ..anywhere()
    };
    let board = start(&config, msrp_relay::Config::default());
    let (mut bob, _) = client(&board, "bob").await;
    let mut idler = stranger(&board, "idler").await;
    idler.auth(&door(&board), "").await;
    assert!(idler.is_closed().await);
    assert!(
        bob.is_silent(Duration::from_millis(300)).await,
        "a client stays"
    );
}

#[actix::test]
async fn auth_in_the_clear_is_forbidden_where_the_operator_wants_tls() {
    let config = msrp_relay::Config {
        plain_auth: PlainAuth::Never,
        ..msrp_relay::Config::default()
    };
    let board = start(&anywhere(), config);
    let mut alice = stranger(&board, "alice").await;
    let (door, uri) = (door(&board), alice.uri.clone());
    let refused = alice.auth(&door, "").await;
    assert_eq!(refused, answer(ID, "403 Forbidden", &uri, &door));
}

#[actix::test]
async fn uri_lives_on_when_it_is_refreshed_and_ends_when_it_is_not() {
    let config = msrp_relay::Config {
        min_expires: Duration::from_secs(1),
        ..msrp_relay::Config::default()
    };
    let board = start(&anywhere(), config);
    let door = door(&board);
    let (mut bob, mut carol) = (
        stranger(&board, "bob").await,
        stranger(&board, "carol").await,
    );
    let mut given = Vec::new();
    for (peer, name) in [(&mut bob, "bob"), (&mut carol, "carol")] {
        let granted = peer.prove(&door, name, PASSWORD, "Expires: 1\r\n").await;
        assert_eq!(value(&granted, "Expires"), Some("1"));
        given.push(value(&granted, "Use-Path").unwrap().to_owned());
    }
    let again = bob
        .prove(&given[0], "bob", PASSWORD, "Expires: 600\r\n")
        .await;
    assert_eq!(value(&again, "Use-Path"), Some(given[0].as_str()));
    assert_eq!(value(&again, "Expires"), Some("600"));
    assert_eq!(value(&again, "From-Path"), Some(given[0].as_str()));

    let mut alice = stranger(&board, "alice").await;
    let (to_bob, to_carol) = (
        format!("{} {}", given[0], bob.uri),
        format!("{} {}", given[1], carol.uri),
    );
    alice
        .write(&send("t0t0", &to_carol, &alice.uri.clone(), "", "x"))
        .await;
    carol.take("200 OK").await;
    assert!(alice.frame().await.starts_with("MSRP t0t0 200 "));

    tokio::time::sleep(Duration::from_millis(1400)).await;
    alice
        .write(&send("t1t1", &to_carol, &alice.uri.clone(), "", "x"))
        .await;
    assert!(alice.frame().await.starts_with("MSRP t1t1 481 "));
    alice
        .write(&send("t2t2", &to_bob, &alice.uri.clone(), "", "x"))
        .await;
    assert!(alice.frame().await.starts_with("MSRP t2t2 200 "));
    bob.take("200 OK").await;
    // the way out has ended with it
    let out = format!("{} {}", given[1], alice.uri);
    carol
        .write(&send("t3t3", &out, &carol.uri.clone(), "", "x"))
        .await;
    assert!(carol.frame().await.starts_with("MSRP t3t3 481 "));
}

#[actix::test]
async fn uri_is_refreshed_by_its_owner_only() {
    let board = start_any();
    let (mut bob, given) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let refused = alice.prove(&given, "alice", PASSWORD, "").await;
    assert_eq!(refused, answer(ID, "403 Forbidden", &alice.uri, &given));
    let wrong = bob.prove(&given, "bob", "guess", "").await;
    assert!(wrong.starts_with(&format!("MSRP {ID} 401 ")), "{wrong}");
}

#[actix::test]
async fn one_connection_is_given_a_bounded_number_of_uris() {
    let config = msrp_relay::Config {
        max_routes: 2,
        ..msrp_relay::Config::default()
    };
    let board = start(&anywhere(), config);
    let door = door(&board);
    let (mut alice, first) = client(&board, "alice").await;
    alice.use_path(&door, "alice").await;
    let third = alice.prove(&door, "alice", PASSWORD, "").await;
    assert!(third.starts_with(&format!("MSRP {ID} 403 ")), "{third}");
    let again = alice.prove(&first, "alice", PASSWORD, "").await;
    assert_eq!(value(&again, "Use-Path"), Some(first.as_str()));
}

/// RFC 4976 §6.3 wants 64 random bits in a URI. Others have counted, or drawn from a generator
/// that can be predicted.
#[actix::test]
async fn uris_and_session_ids_cannot_be_guessed() {
    let board = start_any();
    let door = door(&board);
    let mut alice = stranger(&board, "alice").await;
    let mut tickets = Vec::new();
    for _ in 0..200 {
        let given = alice.use_path(&door, "alice").await;
        let id = session_id_of(given.as_bytes()).unwrap();
        let opened = Sealer::new(&relay::keys()).open(id, 0).unwrap();
        tickets.push(opened.id.to_vec());
    }
    are_random(&tickets);
    let sessions: Vec<_> = (0..400)
        .map(|_| hex::decode(&board.new_session_id()[2..]).unwrap())
        .collect();
    are_random(&sessions);
    assert!(sessions[0].len() * 8 >= 80);
}

/// No two are equal, and each bit is set in about half of them.
fn are_random(ids: &[Vec<u8>]) {
    let different: HashSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len());
    for bit in 0..ids[0].len() * 8 {
        let set = ids.iter().filter(|id| id[bit / 8] >> (bit % 8) & 1 == 1);
        let share = set.count() * 100 / ids.len();
        // one chance in a hundred million for 200 fair coins, 96 times
        assert!(
            (27..=73).contains(&share),
            "bit {bit} is set in {share} of 100"
        );
    }
}

#[actix::test]
async fn auth_that_cannot_be_read_is_answered_400() {
    let board = start_any();
    let mut alice = stranger(&board, "alice").await;
    let door = door(&board);
    for fields in [
        "Expires: soon\r\n",
        "Expires: -1\r\n",
        "Authorization: Digest nonsense\r\n",
    ] {
        let refused = alice.auth(&door, fields).await;
        assert_eq!(refused, answer(ID, "400 Bad Request", &alice.uri, &door));
    }
}

#[actix::test]
async fn refused_requests_do_not_end_a_connection_that_authenticates_later() {
    let board = start_any();
    let mut bob = Peer::connect(board.listen_addr(), "bob").await;
    let nobody = format!("msrp://{}/nobody;tcp", board.listen_addr());
    bob.write(&send("t1t1", &nobody, &bob.uri.clone(), "", "x"))
        .await;
    let refused = bob.frame().await;
    assert_eq!(id(&refused), "t1t1");
    assert_eq!(
        refused,
        answer("t1t1", "481 No Such Session", &bob.uri, &nobody)
    );
    bob.use_path(&door(&board), "bob").await;
}
