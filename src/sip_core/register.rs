//! What a REGISTER does to the bindings of a subscriber (RFC 3261 §10.3, steps 6 to 8).
use super::{Binding, Config, Reply};
use crate::{
    clock::Timestamp,
    sip::{
        codec::{Contacts, Message, Name, NameAddr, Params},
        transaction::Peer,
    },
};
use std::{cmp::Reverse, time::Duration};

/// Longest Call-ID or Path value that is kept.
const MAX_TEXT: usize = 1024;
/// Longest Contact that is kept; feature tags of RCS devices are long.
const MAX_CONTACT: usize = 4096;

/// What came of a REGISTER.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Registered {
    /// All bindings there are now, the most wanted first.
    pub(super) bindings: Vec<Binding>,
    /// Whether they must be stored.
    pub(super) is_changed: bool,
}

/// Applies a REGISTER to the live bindings `current`.
///
/// Errors: the answer that refuses it; then no binding changes (§10.3 step 7: all or nothing).
pub(super) fn apply(
    request: &Message,
    source: Peer,
    current: Vec<Binding>,
    now: Timestamp,
    config: &Config,
) -> Result<Registered, Reply> {
    let bad = |reason| Reply::new(400).because(reason);
    let call_id = request.call_id().into_owned();
    let cseq = request.cseq().map_err(|_| bad("Bad CSeq"))?.number;
    if call_id.is_empty() || call_id.len() > MAX_TEXT {
        return Err(bad("Bad Call-ID"));
    }
    let contacts = request.contacts().map_err(|_| bad("Bad Contact"))?;
    let is_stale = |binding: &Binding| binding.call_id == call_id && binding.cseq >= cseq;
    let contacts = match contacts {
        Contacts::Star if request.expires() != Some(0) => {
            return Err(bad("Contact * Needs Expires 0"));
        }
        Contacts::Star if current.iter().any(is_stale) => return Err(bad("CSeq Not Higher")),
        Contacts::Star => {
            return Ok(Registered {
                is_changed: !current.is_empty(),
                bindings: Vec::new(),
            });
        }
        Contacts::List(contacts) => contacts,
    };
    let path = path(request)?;
    let name = |contact: NameAddr| {
        Ok(Binding {
            expires_at: now.plus(expires(&contact, request, config)?),
            params: kept(&contact)?,
            contact: contact.uri,
            call_id: call_id.clone(),
            cseq,
            path: path.clone(),
            source,
        })
    };
    let named = contacts.into_iter().map(name);
    let named = named.collect::<Result<Vec<Binding>, Reply>>()?;
    let is_changed = !named.is_empty();
    let mut bindings = merged(current, named, now)?;
    if bindings.len() > config.max_bindings {
        return Err(Reply::new(403).because("Too Many Contacts"));
    }
    bindings.sort_by_key(|binding| Reverse(binding.q()));
    Ok(Registered {
        bindings,
        is_changed,
    })
}

/// The bindings `current` with those that a REGISTER has `named` at `now`.
///
/// Errors: one of them was made by the same request or a later one of its device, and this is not
/// that request word for word, whose answer was lost with the process that gave it.
fn merged(
    current: Vec<Binding>,
    named: Vec<Binding>,
    now: Timestamp,
) -> Result<Vec<Binding>, Reply> {
    let is_known = |one: &Binding| current.iter().any(|known| known.is_repeated_by(one, now));
    let is_repeated = named.iter().all(is_known);
    let mut bindings = current.clone();
    for binding in named {
        let known = current.iter().find(|known| known.is_same(&binding));
        let is_stale =
            |known: &Binding| known.call_id == binding.call_id && known.cseq >= binding.cseq;
        if !is_repeated && known.is_some_and(is_stale) {
            return Err(Reply::new(400).because("CSeq Not Higher"));
        }
        bindings.retain(|other| !other.is_same(&binding));
        if binding.expires_at > now {
            bindings.push(binding);
        }
    }
    Ok(bindings)
}

/// The answer to a REGISTER that was applied (§10.3 step 8, RFC 3327 §5.3).
pub(super) fn answer(
    request: &Message,
    bindings: &[Binding],
    now: Timestamp,
    config: &Config,
) -> Reply {
    let mut reply = Reply::new(200).with(Name::Date, now.to_http_date());
    for binding in bindings {
        reply = reply.with(Name::Contact, binding.to_contact(now));
    }
    for path in request.values(Name::Path) {
        reply = reply.with(Name::Path, path);
    }
    if !config.service_route.is_empty() && !bindings.is_empty() {
        reply = reply.with(Name::ServiceRoute, &config.service_route);
    }
    reply
}

/// How long the binding of `contact` is wanted: its own parameter, else the header, else the
/// configured time.
///
/// Errors: 423 if it is too brief; only below an hour, as §10.3 step 7 demands.
fn expires(contact: &NameAddr, request: &Message, config: &Config) -> Result<Duration, Reply> {
    const HOUR: u64 = 3600;
    let wanted = match contact.expires().or_else(|| request.expires()) {
        Some(seconds) => Duration::from_secs(seconds.into()),
        None => config.default_expires,
    };
    let least = config.min_expires.as_secs().min(HOUR);
    if !wanted.is_zero() && wanted.as_secs() < least {
        return Err(Reply::new(423).with(Name::MinExpires, least.to_string()));
    }
    Ok(wanted.min(config.max_expires))
}

/// The parameters of a Contact that are kept.
fn kept(contact: &NameAddr) -> Result<Params, Reply> {
    let mut params = contact.params.clone();
    params.remove("expires");
    let length = params.to_string().len() + contact.uri.to_string().len();
    match length <= MAX_CONTACT {
        true => Ok(params),
        false => Err(Reply::new(400).because("Contact Too Long")),
    }
}

fn path(request: &Message) -> Result<Vec<String>, Reply> {
    let path: Vec<String> = request
        .list(Name::Path)
        .into_iter()
        .map(|value| value.into_owned())
        .collect();
    let is_sane = path.len() <= 16 && path.iter().all(|value| value.len() <= MAX_TEXT);
    let is_readable = path.iter().all(|value| NameAddr::parse(value).is_ok());
    match is_sane && is_readable {
        true => Ok(path),
        false => Err(Reply::new(400).because("Bad Path")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::codec::Limits;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn request(cseq: u32, fields: &str) -> Message {
        let text = format!(
            "REGISTER sip:localhost SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1\r\n\
             From: <sip:bob@localhost>;tag=1\r\nTo: <sip:bob@localhost>\r\n\
             Call-ID: call-1\r\nCSeq: {cseq} REGISTER\r\nMax-Forwards: 70\r\n\
             {fields}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.into(), &Limits::default()).unwrap()
    }

    fn apply(
        current: &[Binding],
        cseq: u32,
        fields: &str,
    ) -> Result<Vec<Binding>, (u16, Option<&'static str>)> {
        let source = Peer::udp(([127, 0, 0, 1], 5070).into());
        let (request, config) = (request(cseq, fields), Config::default());
        super::apply(&request, source, current.to_vec(), NOW, &config)
            .map(|registered| registered.bindings)
            .map_err(|reply| (reply.code, reply.reason))
    }

    fn contacts(bindings: &[Binding]) -> Vec<String> {
        let contact = |binding: &Binding| binding.contact.to_string();
        bindings.iter().map(contact).collect()
    }

    fn left(binding: &Binding) -> u64 {
        binding.expires_at.since(NOW).as_secs()
    }

    #[test]
    fn life_of_a_binding_is_its_own_wish_then_the_headers_then_ours() {
        let bound = apply(
            &[],
            1,
            "Contact: <sip:a@h>;expires=60, <sip:b@h>\r\nExpires: 120\r\n",
        );
        let bound = bound.unwrap();
        assert_eq!(bound.iter().map(left).collect::<Vec<_>>(), [60, 120]);
        let bound = apply(&[], 1, "Contact: <sip:a@h>\r\n").unwrap();
        assert_eq!(left(&bound[0]), 3600);
        let bound = apply(&[], 1, "Contact: <sip:a@h>;expires=9999999\r\n").unwrap();
        assert_eq!(left(&bound[0]), 24 * 3600);
    }

    #[test]
    fn life_that_is_too_brief_is_answered_423_with_the_least() {
        let source = Peer::udp(([127, 0, 0, 1], 5070).into());
        let request = request(1, "Contact: <sip:a@h>;expires=5\r\n");
        let refused = super::apply(&request, source, vec![], NOW, &Config::default());
        assert_eq!(refused, Err(Reply::new(423).with(Name::MinExpires, "10")));
    }

    #[test]
    fn devices_are_listed_by_their_q() {
        let fields = "Contact: <sip:a@h>;q=0.1\r\nContact: <sip:b@h>;q=0.7, <sip:c@h>\r\n";
        let bound = apply(&[], 1, fields).unwrap();
        assert_eq!(contacts(&bound), ["sip:c@h", "sip:b@h", "sip:a@h"]);
    }

    #[test]
    fn refresh_replaces_and_zero_removes() {
        let first = apply(&[], 1, "Contact: <sip:a@h>, <sip:b@h>\r\n").unwrap();
        let fields = "Contact: <sip:a@H:5060>;expires=0, <sip:b@h>;expires=99\r\n";
        let second = apply(&first, 2, fields).unwrap();
        assert_eq!(contacts(&second), ["sip:a@h", "sip:b@h"]);
        let third = apply(&second, 3, "Contact: <sip:a@h>;expires=0\r\n").unwrap();
        assert_eq!(contacts(&third), ["sip:b@h"]);
        assert_eq!((left(&third[0]), third[0].cseq), (99, 2));
    }

    #[test]
    fn star_removes_all_and_only_with_expires_zero() {
        let bound = apply(&[], 1, "Contact: <sip:a@h>, <sip:b@h>\r\n").unwrap();
        let gone = apply(&bound, 2, "Contact: *\r\nExpires: 0\r\n");
        assert_eq!(gone, Ok(vec![]));
        for fields in ["Contact: *\r\n", "Contact: *\r\nExpires: 60\r\n"] {
            assert_eq!(apply(&bound, 2, fields).unwrap_err().0, 400);
        }
        let mixed = "Contact: *, <sip:a@h>\r\nExpires: 0\r\n";
        assert_eq!(apply(&bound, 2, mixed).unwrap_err().0, 400);
    }

    #[test]
    fn request_out_of_order_changes_nothing() {
        let bound = apply(&[], 5, "Contact: <sip:a@h>\r\n").unwrap();
        for cseq in [4, 5] {
            let late = apply(&bound, cseq, "Contact: <sip:b@h>, <sip:a@h>\r\n");
            assert_eq!(late, Err((400, Some("CSeq Not Higher"))));
            let late = apply(&bound, cseq, "Contact: *\r\nExpires: 0\r\n");
            assert_eq!(late, Err((400, Some("CSeq Not Higher"))));
        }
        let mut restarted = bound;
        restarted[0].call_id = "another".to_owned();
        assert!(apply(&restarted, 1, "Contact: <sip:a@h>\r\n").is_ok());
    }

    #[test]
    fn request_that_comes_again_word_for_word_is_answered_like_the_first() {
        let fields = "Contact: <sip:a@h>;q=0.5\r\nExpires: 60\r\n";
        let bound = apply(&[], 5, fields).unwrap();
        assert_eq!(apply(&bound, 5, fields), Ok(bound.clone()));
        for other in [
            "Contact: <sip:a@h>;q=0.5\r\nExpires: 0\r\n",
            "Contact: <sip:a@h>;q=0.7\r\nExpires: 60\r\n",
        ] {
            let refused = apply(&bound, 5, other);
            assert_eq!(refused, Err((400, Some("CSeq Not Higher"))));
        }
    }

    #[test]
    fn one_device_listed_twice_is_bound_once() {
        let fields = "Contact: <sip:a@h>;expires=60, <sip:a@h>;expires=90\r\n";
        let bound = apply(&[], 1, fields).unwrap();
        assert_eq!(bound.iter().map(left).collect::<Vec<_>>(), [90]);
    }

    #[test]
    fn query_without_contact_changes_nothing() {
        let bound = apply(&[], 1, "Contact: <sip:a@h>\r\n").unwrap();
        assert_eq!(apply(&bound, 1, ""), Ok(bound));
    }

    #[test]
    fn too_many_devices_are_refused() {
        let many: Vec<String> = (0..11).map(|n| format!("<sip:a{n}@h>")).collect();
        let fields = format!("Contact: {}\r\n", many.join(", "));
        assert_eq!(apply(&[], 1, &fields).unwrap_err().0, 403);
    }

    #[test]
    fn path_is_kept_and_given_back() {
        let fields = "Path: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\r\n\
                      Contact: <sip:a@h>\r\n";
        let bound = apply(&[], 1, fields).unwrap();
        assert_eq!(
            bound[0].path,
            ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]
        );
        let reply = answer(&request(1, fields), &bound, NOW, &Config::default());
        let path = reply.fields.iter().find(|(name, _)| *name == Name::Path);
        assert!(path.unwrap().1.contains("p1.example.com"));
        assert_eq!(
            apply(&[], 1, "Path: <sip:\r\nContact: <sip:a@h>\r\n")
                .unwrap_err()
                .0,
            400
        );
    }
}
