//! What an outer core tells of a user: third-party REGISTER (RFC 3261 §10.2, 3GPP TS 24.229
//! §5.4.1.7).
use super::{Binding, Config, Reply};
use crate::{
    clock::Timestamp,
    identity::Address,
    sip::{
        codec::{Message, NameAddr, Params, Uri},
        transaction::Peer,
    },
};
use std::time::Duration;

/// Whether somebody else than its subject sends this REGISTER: From and To name not the same user.
pub fn is_third_party(request: &Message) -> bool {
    let named = |field: Result<NameAddr, _>| {
        let field = field.ok()?;
        Address::parse(&field.uri.to_string()).ok()
    };
    // a core has no user part, and so names nobody
    named(request.to()).is_some_and(|to| named(request.from()) != Some(to))
}

/// The bindings of `address` after a third-party REGISTER that came from `source`: one that leads
/// to all of the user's devices by way of the core that sent it, or none.
///
/// A core is believed: no bounds on the lifetime but `config.max_expires`.
/// Errors: 400 where it does not say which core that is.
pub(super) fn apply(
    request: &Message,
    source: Peer,
    address: &Address,
    mut current: Vec<Binding>,
    now: Timestamp,
    config: &Config,
) -> Result<Vec<Binding>, Reply> {
    let bad = |reason| Reply::new(400).because(reason);
    let contacts = request.contacts().map_err(|_| bad("Bad Contact"))?;
    let core = contacts.first();
    let expires = core.and_then(NameAddr::expires);
    let expires = match expires.or_else(|| request.expires()) {
        Some(seconds) => Duration::from_secs(seconds.into()).min(config.max_expires),
        None => config.default_expires,
    };
    let contact = Uri::parse(address.as_str()).map_err(|_| bad("Bad To"))?;
    current.retain(|known| !known.contact.equivalent(&contact));
    if expires.is_zero() {
        return Ok(current);
    }
    let core = core.ok_or_else(|| bad("Contact Of The Core Missing"))?;
    current.push(Binding {
        contact,
        params: Params::default(),
        expires_at: now.plus(expires),
        call_id: request.call_id().into_owned(),
        cseq: request.cseq().map_err(|_| bad("Bad CSeq"))?.number,
        path: vec![route_to(core)?],
        source,
    });
    Ok(current)
}

/// The core as a loose router.
fn route_to(core: &NameAddr) -> Result<String, Reply> {
    let Some(sip) = core.uri.as_sip() else {
        return Err(Reply::new(416));
    };
    let mut route = sip.clone();
    route.params.set_flag("lr");
    Ok(format!("<{route}>"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::codec::Limits;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn request(from: &str, fields: &str) -> Message {
        let text = format!(
            "REGISTER sip:127.0.0.2 SIP/2.0\r\n\
             Via: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\n\
             From: <{from}>;tag=1\r\nTo: <sip:bob@b.example>\r\n\
             Call-ID: call-1\r\nCSeq: 10 REGISTER\r\nMax-Forwards: 70\r\n\
             {fields}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.into(), &Limits::default()).unwrap()
    }

    fn apply(current: Vec<Binding>, fields: &str) -> Result<Vec<Binding>, Reply> {
        let source = Peer::tcp(([127, 0, 0, 1], 5060).into());
        let bob = Address::parse("sip:bob@b.example").unwrap();
        let (request, config) = (request("sip:127.0.0.1", fields), Config::default());
        super::apply(&request, source, &bob, current, NOW, &config)
    }

    #[test]
    fn register_for_somebody_else_is_told_by_its_from() {
        assert!(is_third_party(&request("sip:127.0.0.1", "")));
        assert!(is_third_party(&request("sip:core@b.example", "")));
        assert!(!is_third_party(&request("sip:bob@b.example:5061", "")));
    }

    #[test]
    fn user_is_bound_by_way_of_the_core_that_says_so() {
        let fields = "Contact: <sip:127.0.0.1;transport=tcp>\r\nExpires: 60\r\n";
        let bound = apply(Vec::new(), fields).unwrap();
        assert_eq!(bound.len(), 1);
        assert_eq!(bound[0].contact.to_string(), "sip:bob@b.example");
        assert_eq!(bound[0].path, ["<sip:127.0.0.1;transport=tcp;lr>"]);
        assert_eq!(bound[0].expires_at.since(NOW).as_secs(), 60);
        let again = apply(bound, "Contact: <sip:127.0.0.1>;expires=90\r\n").unwrap();
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].expires_at.since(NOW).as_secs(), 90);
    }

    #[test]
    fn user_who_went_is_bound_no_more() {
        let bound = apply(Vec::new(), "Contact: <sip:127.0.0.1>\r\n").unwrap();
        assert_eq!(bound[0].expires_at.since(NOW).as_secs(), 3600);
        assert_eq!(apply(bound.clone(), "Expires: 0\r\n"), Ok(Vec::new()));
        let gone = apply(bound, "Contact: <sip:127.0.0.1>;expires=0\r\n");
        assert_eq!(gone, Ok(Vec::new()));
    }

    #[test]
    fn core_that_does_not_name_itself_is_refused() {
        let refused = apply(Vec::new(), "Expires: 60\r\n").unwrap_err();
        assert_eq!(refused.code, 400);
        let refused = apply(Vec::new(), "Contact: <tel:+49>\r\nExpires: 60\r\n");
        assert_eq!(refused.unwrap_err().code, 416);
    }
}
