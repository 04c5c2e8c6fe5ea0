use super::*;
use crate::{
    clock::Timestamp,
    digest::Algorithm,
    msrp::{
        Decoder, Frame, HeadBuilder,
        relay::{Channel, Config, Gatekeeper, Known, Opening, Verdict},
    },
};

const ALICE: &str = "msrps://alice.example.com:9892/98cjs;tcp";
const INTRA: &str = "msrps://alice@intra.example.com;tcp";
const EXTRA: &str = "msrps://extra.example.com;tcp";
const INTRA_URI: &str = "msrps://intra.example.com:9000/jui787s2f;tcp";
const EXTRA_URI: &str = "msrps://extra.example.com:9000/mywdEe1233;tcp";

fn enrolment(relays: &[&str]) -> Enrolment {
    Enrolment::new(RelayLogin {
        account: Account {
            user: "Alice".into(),
            password: "wonder".into(),
        },
        relays: relays.iter().map(|uri| uri.parse().unwrap()).collect(),
        own: ALICE.parse().unwrap(),
        expires: None,
    })
}

fn begin(enrolment: &mut Enrolment, token: &str) -> String {
    text(&enrolment.begin(token.into()).unwrap())
}

fn text(octets: &Bytes) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

/// A response, as the example has it: without its end-line.
fn response(id: &str, code: u16, fields: &[(&str, &str)]) -> Head {
    let head = HeadBuilder::response(id, code, ALICE, INTRA);
    let head = fields
        .iter()
        .fold(head, |head, (name, value)| head.field(name, value));
    head.build(false).unwrap()
}

fn next(step: Result<Step, ClientError>) -> String {
    match step.unwrap() {
        Step::Send(request) => text(&request),
        other => panic!("{other:?}"),
    }
}

/// Relays whose passwords are real, in place of those of the example.
struct Chain(Vec<Gatekeeper>);

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

impl Chain {
    fn new(realms: &[&str]) -> Self {
        let keeper = |realm: &&str| Gatekeeper::new(&Config::default(), realm, [7; 32]);
        Self(realms.iter().map(keeper).collect())
    }

    /// What the last relay in To-Path answers. The relays before it strip themselves.
    fn answer(&mut self, request: &str, password: &str) -> Head {
        let mut octets = request.as_bytes().into();
        let Ok(Some(Frame::Head(head))) = Decoder::new(8192).decode(&mut octets) else {
            panic!("{request}")
        };
        let to = head.to_path().unwrap();
        let level = to.uris().len() - 1;
        let here = request.replace(&to.to_string(), to.last().as_str());
        let Ok(Some(Frame::Head(here))) = Decoder::new(8192).decode(&mut here.as_bytes().into())
        else {
            panic!("{here}")
        };
        let keeper = &mut self.0[level];
        let verdict = match keeper.open(&here, &Channel::Protected, NOW, 1) {
            Opening::Settled(verdict) => verdict,
            Opening::Claimed(claim) => {
                let realm = ["intra.example.com", "extra.example.com"][level];
                let known = Known {
                    address: "sip:Alice@example.com".into(),
                    ha1: ha1(claim.algorithm(), claim.user(), realm, password),
                };
                keeper.judge(&claim, &Ok(vec![known]), NOW, 2)
            }
        };
        let id = String::from_utf8_lossy(head.transaction_id()).into_owned();
        let mut fields: Vec<_> = verdict.fields();
        if matches!(verdict, Verdict::Granted(_)) {
            let path = [INTRA_URI, EXTRA_URI][..=level].join(" ");
            fields.push(("Use-Path", path.into()));
        }
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        response(&id, verdict.code(), &fields)
    }
}

#[test]
fn first_request_is_that_of_the_example() {
    let mut alice = enrolment(&[INTRA]);
    let expected =
        format!("MSRP 49fh AUTH\r\nTo-Path: {INTRA}\r\nFrom-Path: {ALICE}\r\n-------49fh$\r\n");
    assert_eq!(begin(&mut alice, "49fh"), expected);
}

#[test]
fn challenge_of_the_example_is_answered_as_there() {
    let mut alice = enrolment(&[INTRA]);
    begin(&mut alice, "49fh");
    let challenge = "Digest realm=\"intra.example.com\", qop=\"auth\", \
        nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
    let refusal = response("49fh", 401, &[("WWW-Authenticate", challenge)]);
    assert!(alice.is_answered_by(&refusal));
    let request = next(alice.handle(&refusal, "49fi".into()));
    for part in [
        "MSRP 49fi AUTH\r\nTo-Path: msrps://alice@intra.example.com;tcp\r\n",
        "\r\nAuthorization: Digest username=\"Alice\", realm=\"intra.example.com\", ",
        " nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", ",
        " qop=auth, nc=00000001\r\n-------49fi$\r\n",
    ] {
        assert!(request.contains(part), "{part} in {request}");
    }
    assert!(!request.contains("uri="), "{request}");
}

#[test]
fn chain_of_the_example_is_asked_from_the_inside_out() {
    let mut alice = enrolment(&[INTRA, EXTRA]);
    let mut chain = Chain::new(&["intra.example.com", "extra.example.com"]);
    let mut request = begin(&mut alice, "id-00");
    let mut seen = Vec::new();
    for round in 1.. {
        let to = request.lines().nth(1).unwrap().to_owned();
        seen.push((to, request.contains("Authorization")));
        let answer = chain.answer(&request, "wonder");
        match alice.handle(&answer, format!("id-{round:02}")).unwrap() {
            Step::Send(more) => request = text(&more),
            Step::Done(after) => {
                assert_eq!(after, Duration::from_secs(1350));
                break;
            }
        }
    }
    let (inner, outer) = (
        format!("To-Path: {INTRA}"),
        format!("To-Path: {INTRA_URI} {EXTRA}"),
    );
    let expected = [&inner, &inner, &outer, &outer].map(String::clone);
    let expected = expected.into_iter().zip([false, true, false, true]);
    assert_eq!(seen, expected.collect::<Vec<_>>());
    let use_path = alice.use_path().unwrap().to_string();
    assert_eq!(use_path, format!("{INTRA_URI} {EXTRA_URI}"));
    let public = alice.public_path().unwrap().to_string();
    assert_eq!(public, format!("{EXTRA_URI} {INTRA_URI} {ALICE}"));
}

#[test]
fn further_round_extends_the_uris_and_needs_no_challenge() {
    let mut alice = enrolment(&[INTRA]);
    let mut chain = Chain::new(&["intra.example.com"]);
    let first = begin(&mut alice, "one1");
    let second = next(alice.handle(&chain.answer(&first, "wonder"), "two2".into()));
    let done = alice.handle(&chain.answer(&second, "wonder"), "x".into());
    assert!(matches!(done, Ok(Step::Done(_))), "{done:?}");

    let again = begin(&mut alice, "three3");
    assert!(
        again.contains(&format!("To-Path: {INTRA_URI}\r\n")),
        "{again}"
    );
    let answer = chain.answer(&again, "wonder");
    assert_eq!(answer.code(), Some(200));
    assert!(matches!(
        alice.handle(&answer, "x".into()),
        Ok(Step::Done(_))
    ));
}

#[test]
fn wrong_password_is_told_after_one_answer() {
    let mut alice = enrolment(&[INTRA]);
    let mut chain = Chain::new(&["intra.example.com"]);
    let first = begin(&mut alice, "one1");
    let second = next(alice.handle(&chain.answer(&first, "other"), "two2".into()));
    let outcome = alice.handle(&chain.answer(&second, "other"), "x".into());
    assert!(matches!(
        outcome,
        Err(ClientError::Unauthorized { code: 401 })
    ));
}

#[test]
fn relay_that_calls_every_nonce_stale_is_given_up() {
    let mut alice = enrolment(&[INTRA]);
    begin(&mut alice, "id0");
    let mut challenge = Challenge::new("r", "n".into(), Algorithm::Md5);
    challenge.stale = true;
    let challenge = challenge.to_string();
    let asked = (0..).take_while(|asked| {
        let id = format!("id{asked}");
        let refusal = response(&id, 401, &[("WWW-Authenticate", &challenge)]);
        alice.handle(&refusal, format!("id{}", asked + 1)).is_ok()
    });
    assert_eq!(asked.count(), 3);
}

#[test]
fn life_out_of_bounds_is_asked_for_again_within_them() {
    for (field, bound) in [("Min-Expires", "60"), ("Max-Expires", "3600")] {
        let mut alice = enrolment(&[INTRA]);
        alice.login.expires = Some(Duration::from_secs(600));
        assert!(begin(&mut alice, "one1").contains("\r\nExpires: 600\r\n"));
        let refusal = response("one1", 423, &[(field, bound)]);
        let request = next(alice.handle(&refusal, "two2".into()));
        assert!(
            request.contains(&format!("\r\nExpires: {bound}\r\n")),
            "{request}"
        );
    }
}

#[test]
fn relay_without_the_password_is_not_believed() {
    let mut alice = enrolment(&[INTRA]);
    let mut chain = Chain::new(&["intra.example.com"]);
    let first = begin(&mut alice, "one1");
    next(alice.handle(&chain.answer(&first, "wonder"), "two2".into()));
    let info =
        "rspauth=\"7327570c586207eca2afae94fc20903d\", cnonce=\"two2\", nc=00000001, qop=auth";
    let answer = response(
        "two2",
        200,
        &[("Use-Path", INTRA_URI), ("Authentication-Info", info)],
    );
    let outcome = alice.handle(&answer, "x".into());
    assert!(matches!(outcome, Err(ClientError::Answer { .. })));
}

#[test]
fn answer_that_grants_nothing_is_an_error() {
    for (code, fields) in [
        (200, &[][..]),
        (
            200,
            &[("Use-Path", "msrps://a:1/x;tcp msrps://b:1/y;tcp")][..],
        ),
        (401, &[("WWW-Authenticate", "Basic realm=\"x\"")][..]),
        (
            401,
            &[("WWW-Authenticate", "Digest realm=\"x\", nonce=\"n\"")][..],
        ),
        (403, &[][..]),
        (423, &[][..]),
        (481, &[][..]),
    ] {
        let mut alice = enrolment(&[INTRA]);
        begin(&mut alice, "one1");
        let outcome = alice.handle(&response("one1", code, fields), "x".into());
        assert!(outcome.is_err(), "{code} {fields:?}");
    }
    assert!(enrolment(&[]).begin("one1".into()).is_err());
}

#[test]
fn answers_to_others_are_told_apart() {
    let mut alice = enrolment(&[INTRA]);
    begin(&mut alice, "one1");
    assert!(!alice.is_answered_by(&response("one2", 200, &[])));
    let request = HeadBuilder::request("one1", Method::Send, ALICE, INTRA);
    assert!(!alice.is_answered_by(&request.build(false).unwrap()));
}
