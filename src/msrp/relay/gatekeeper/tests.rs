use super::*;
use crate::{
    digest::{Account, Info, ha1, strongest},
    msrp::{Decoder, Frame},
};
use bytes::BytesMut;
use proptest::prelude::*;
use std::time::Duration;

const REALM: &str = "intra.example.com";
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const TLS: Channel = Channel::Protected;

/// The requests of RFC 4976 §5.1, without their end-lines.
const FIRST: &str = "MSRP 49fh AUTH\r\n\
    To-Path: msrps://alice@intra.example.com;tcp\r\n\
    From-Path: msrps://alice.example.com:9892/98cjs;tcp\r\n";
const SECOND: &str = "MSRP 49fi AUTH\r\n\
    To-Path: msrps://alice@intra.example.com;tcp\r\n\
    From-Path: msrps://alice.example.com:9892/98cjs;tcp\r\n\
    Authorization: Digest username=\"Alice\", realm=\"intra.example.com\", \
    nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", qop=auth, nc=00000001, cnonce=\"0a4f113b\", \
    response=\"6629fae49393a05397450978507c4ef1\"\r\n";
const EXAMPLE_NONCE: &str = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
const EXAMPLE_RESPONSE: &str = "6629fae49393a05397450978507c4ef1";

struct Gate(Gatekeeper);

fn gate() -> Gate {
    Gate(Gatekeeper::new(&Config::default(), REALM, [7; 32]))
}

fn head(text: &str) -> Head {
    let id = text.split(' ').nth(1).unwrap();
    let mut octets = BytesMut::from(format!("{text}-------{id}$\r\n").as_bytes());
    match Decoder::new(8192).decode(&mut octets) {
        Ok(Some(Frame::Head(head))) => head,
        other => panic!("{other:?}"),
    }
}

/// Alice, spelt as the examples spell her, with one of the passwords.
fn accounts(user: &str, algorithm: Algorithm) -> Found {
    let known = |address: &str, password| Known {
        address: address.into(),
        ha1: ha1(algorithm, user, REALM, password),
    };
    match user {
        "Alice" => Ok(vec![
            known("sip:Alice@one.example", "wonder"),
            known("sip:Alice@two.example", "looking-glass"),
        ]),
        "nobody-can-say" => Err(Unreadable),
        _ => Ok(Vec::new()),
    }
}

impl Gate {
    fn judge_at(&mut self, text: &str, channel: Channel, now: Timestamp) -> Verdict {
        match self.0.open(&head(text), &channel, now, 1) {
            Opening::Settled(verdict) => verdict,
            Opening::Claimed(claim) => {
                let found = accounts(claim.user(), claim.algorithm());
                self.0.judge(&claim, &found, now, 2)
            }
        }
    }

    fn judge(&mut self, text: &str) -> Verdict {
        self.judge_at(text, TLS, NOW)
    }

    fn nonce(&mut self) -> String {
        let Verdict::Challenge { values, .. } = self.judge(FIRST) else {
            panic!("not challenged")
        };
        strongest(values).unwrap().nonce
    }

    /// The example's answer with a nonce of ours, proved with `password`.
    fn answer(&mut self, password: &str, count: u32) -> String {
        let nonce = self.nonce();
        answer(&nonce, password, count)
    }
}

fn answer(nonce: &str, password: &str, count: u32) -> String {
    let challenge = Challenge::new(REALM, nonce.into(), Algorithm::Md5);
    let account = Account {
        user: "Alice".into(),
        password: password.into(),
    };
    let uri = "msrps://alice@intra.example.com;tcp";
    let credentials = challenge.answer(&account, "AUTH", uri, "0a4f113b", count);
    SECOND
        .replace(EXAMPLE_NONCE, nonce)
        .replace(EXAMPLE_RESPONSE, &credentials.response)
        .replace("nc=00000001", &format!("nc={count:08x}"))
}

fn challenges(verdict: &Verdict) -> Vec<Challenge> {
    let Verdict::Challenge { values, .. } = verdict else {
        panic!("{verdict:?}")
    };
    let values = values.iter();
    values
        .map(|value| Challenge::parse(value).unwrap())
        .collect()
}

fn granted(verdict: Verdict) -> Grant {
    match verdict {
        Verdict::Granted(grant) => grant,
        other => panic!("{other:?}"),
    }
}

fn with(text: &str, field: &str) -> String {
    format!("{text}{field}\r\n")
}

#[test]
fn first_request_of_the_example_is_challenged_for_both_algorithms() {
    let verdict = gate().judge(FIRST);
    let offered = challenges(&verdict);
    assert_eq!(
        offered
            .iter()
            .map(|offer| offer.algorithm)
            .collect::<Vec<_>>(),
        [Algorithm::Sha256, Algorithm::Md5]
    );
    for challenge in offered {
        assert_eq!(challenge.realm, REALM);
        assert!(challenge.qop_auth && !challenge.stale);
    }
    for (name, value) in verdict.fields() {
        assert_eq!(name, "WWW-Authenticate");
        assert!(value.starts_with("Digest realm=\"intra.example.com\", nonce=\""));
        assert!(
            value.contains("qop=\"auth\"") && !value.contains("domain="),
            "{value}"
        );
    }
    assert_eq!((verdict.code(), verdict.kind()), (401, "challenged"));
}

#[test]
fn second_request_of_the_example_is_granted_with_a_proof_of_ours() {
    let mut gate = gate();
    let text = gate.answer("wonder", 1);
    let verdict = gate.judge(&text);
    let fields = verdict.fields();
    let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["Authentication-Info", "Expires"]);
    assert_eq!((verdict.code(), fields[1].1.as_ref()), (200, "1800"));

    let info = Info::parse(&fields[0].1).unwrap();
    let uri = "msrps://alice@intra.example.com;tcp";
    let sent = head(&text);
    let sent = Credentials::parse_for(uri, sent.text("Authorization").unwrap()).unwrap();
    assert!(info.is_proof(&sent, &ha1(Algorithm::Md5, "Alice", REALM, "wonder")));

    let next = answer(&info.next_nonce.unwrap(), "wonder", 1);
    granted(gate.judge(&next));
}

#[test]
fn answer_with_sha_256_is_granted_too() {
    let mut gate = gate();
    let offered = challenges(&gate.judge(FIRST));
    let account = Account {
        user: "Alice".into(),
        password: "wonder".into(),
    };
    let uri = "msrps://alice@intra.example.com;tcp";
    let given = offered[0].answer(&account, "AUTH", uri, "c", 1);
    granted(gate.judge(&with(FIRST, &format!("Authorization: {given}"))));
}

#[test]
fn accounts_of_one_name_are_told_apart_by_their_passwords() {
    let mut gate = gate();
    let (one, two) = (gate.answer("wonder", 1), gate.answer("looking-glass", 2));
    let owner = granted(gate.judge(&one)).owner;
    assert_ne!(owner, granted(gate.judge(&two)).owner);
    let again = gate.answer("wonder", 3);
    assert_eq!(owner, granted(gate.judge(&again)).owner);
}

#[test]
fn wrong_password_or_name_is_a_failure() {
    let mut gate = gate();
    let wrong = gate.answer("guess", 1);
    let stranger = gate.answer("wonder", 1).replace("Alice\"", "Eve\"");
    let lower_case = gate.answer("wonder", 1).replace("Alice\"", "alice\"");
    for text in [wrong, stranger, lower_case, SECOND.to_owned()] {
        let verdict = gate.judge(&text);
        assert!(challenges(&verdict).iter().all(|offer| !offer.stale));
        assert_eq!(verdict.kind(), "failed");
    }
}

#[test]
fn used_or_old_or_foreign_nonce_is_stale_where_the_password_is_right() {
    let mut gate = gate();
    let text = gate.answer("wonder", 1);
    granted(gate.judge(&text));
    let old = gate.answer("wonder", 1);
    let later = NOW.plus(Duration::from_secs(301));
    let foreign = answer(EXAMPLE_NONCE, "wonder", 1);
    for verdict in [
        gate.judge(&text),
        gate.judge_at(&old, TLS, later),
        gate.judge(&foreign),
    ] {
        assert!(challenges(&verdict).iter().all(|offer| offer.stale));
        assert_eq!(verdict.kind(), "challenged");
    }
}

#[test]
fn counts_of_one_nonce_are_each_taken_once() {
    let mut gate = gate();
    let nonce = gate.nonce();
    for (count, code) in [(1, 200), (2, 200), (2, 401), (1, 401), (3, 200)] {
        let verdict = gate.judge(&answer(&nonce, "wonder", count));
        assert_eq!(verdict.code(), code, "count {count}");
    }
}

#[test]
fn life_asked_for_is_granted_within_the_bounds() {
    let mut gate = gate();
    let mut count = 0;
    let mut ask = |life: &str| {
        count += 1;
        let text = gate.answer("wonder", count);
        gate.judge(&with(&text, &format!("Expires: {life}")))
    };
    assert_eq!(granted(ask("900")).expires, 900);
    let short = ask("59");
    assert_eq!(short.code(), 423);
    assert_eq!(short.fields(), [("Min-Expires", "60".into())]);
    for long in ["3601", "99999999999999999999999"] {
        assert_eq!(ask(long).fields(), [("Max-Expires", "3600".into())]);
    }
    for wrong in ["", "-1", "soon", "1.5", "60 s"] {
        assert_eq!(ask(wrong), Verdict::Bad, "{wrong}");
    }
}

#[test]
fn bounds_are_told_to_no_stranger() {
    let verdict = gate().judge(&with(FIRST, "Expires: 1"));
    assert_eq!(verdict.code(), 401);
}

#[test]
fn basic_and_session_algorithms_prove_nothing() {
    let mut gate = gate();
    let session = gate
        .answer("wonder", 1)
        .replace("qop=auth", "algorithm=MD5-sess, qop=auth");
    let other_realm = gate.answer("wonder", 1).replace(REALM, "extra.example.com");
    let basic = with(FIRST, "Authorization: Basic QWxpY2U6d29uZGVy");
    for text in [basic, session, other_realm.replace("@extra", "@intra")] {
        assert_eq!(gate.judge(&text).kind(), "challenged");
    }
}

#[test]
fn answer_of_a_shape_that_rfc_4976_forbids_is_bad() {
    let mut gate = gate();
    let good = gate.answer("wonder", 1);
    for (part, instead) in [
        ("qop=auth", "qop=auth-int"),
        ("qop=auth, ", ""),
        (", nc=00000001", ""),
        (", cnonce=\"0a4f113b\"", ""),
        ("nc=00000001", "nc=1"),
        ("username=\"Alice\", ", ""),
        ("qop=auth", "qop=auth, qop=auth"),
        (
            "qop=auth",
            "qop=auth, uri=\"msrps://extra.example.com;tcp\"",
        ),
        (
            "msrps://alice@intra.example.com;tcp",
            "sip:alice@intra.example.com",
        ),
    ] {
        let text = good.replace(part, instead);
        assert_eq!(gate.judge(&text), Verdict::Bad, "{instead}");
    }
    granted(gate.judge(&good));
}

#[test]
fn address_may_be_named_in_the_answer_as_sip_clients_do() {
    let mut gate = gate();
    let uri = "uri=\"msrps://alice@intra.example.com;tcp\", qop=auth";
    let text = gate.answer("wonder", 1).replace("qop=auth", uri);
    granted(gate.judge(&text));
}

#[test]
fn request_for_a_relay_behind_this_one_is_not_judged_here() {
    let text = FIRST.replace(";tcp\r\nFrom", ";tcp msrps://extra.example.com;tcp\r\nFrom");
    assert_eq!(gate().judge(&text), Verdict::Bad);
}

#[test]
fn channel_without_tls_is_for_whom_the_operator_says() {
    let (near, far) = (
        Channel::Plain { is_loopback: true },
        Channel::Plain { is_loopback: false },
    );
    for (plain_auth, near_code, far_code) in [
        (PlainAuth::Never, 403, 403),
        (PlainAuth::Loopback, 401, 403),
        (PlainAuth::Always, 401, 401),
    ] {
        let config = Config {
            plain_auth,
            ..Config::default()
        };
        let mut gate = Gate(Gatekeeper::new(&config, REALM, [7; 32]));
        assert_eq!(gate.judge_at(FIRST, near.clone(), NOW).code(), near_code);
        assert_eq!(gate.judge_at(FIRST, far.clone(), NOW).code(), far_code);
        assert_eq!(gate.judge(FIRST).code(), 401);
    }
}

#[test]
fn trusted_relay_needs_no_digest_but_keeps_to_the_bounds() {
    let mut gate = gate();
    let mut ask = |text: &str| {
        let hosts = vec!["ALICE.example.com".into(), "bob.example.com".into()];
        gate.judge_at(text, Channel::Proven { hosts }, NOW)
    };
    let grant = granted(ask(&with(FIRST, "Expires: 100")));
    assert_eq!((grant.expires, grant.info), (100, None));
    assert_eq!(ask(&with(FIRST, "Expires: 1")).code(), 423);
    let other = granted(ask(&FIRST.replace("alice.example.com", "bob.example.com")));
    assert_ne!(other.owner, grant.owner);
}

#[test]
fn certificate_for_another_host_makes_no_relay() {
    let hosts = vec![
        "example.com".into(),
        "alice.example.com.evil.example".into(),
    ];
    let verdict = gate().judge_at(FIRST, Channel::Proven { hosts }, NOW);
    assert_eq!(verdict.kind(), "challenged");
}

#[test]
fn accounts_that_cannot_be_read_are_no_wrong_password() {
    let mut gate = gate();
    let text = gate
        .answer("wonder", 1)
        .replace("Alice\"", "nobody-can-say\"");
    let verdict = gate.judge(&text);
    assert_eq!((verdict.code(), verdict.fields().len()), (408, 0));
}

proptest! {
    #[test]
    fn garbage_is_answered_and_never_granted(
        list in "[ -~]{0,120}", expires in "[ -~]{0,20}", at in 0usize..32, instead in "[0-9a-f]{0,2}",
    ) {
        let mut gate = gate();
        let text = with(FIRST, &format!("Authorization: Digest {list}"));
        prop_assert_ne!(gate.judge(&with(&text, &format!("Expires: {expires}"))).code(), 200);

        let mut almost = gate.answer("wonder", 1);
        let proof = almost.find("response=\"").expect("it has a proof") + 10;
        let place = proof + at;
        let before = almost[place..=place].to_owned();
        almost.replace_range(place..=place, &instead);
        if instead != before {
            prop_assert_ne!(gate.judge(&almost).code(), 200);
        }
    }
}
