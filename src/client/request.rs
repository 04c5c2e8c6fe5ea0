//! The requests a device makes, as far as they do not depend on sockets.
use super::outgoing::Outgoing;
use crate::{
    clock::Timestamp,
    content::{
        cpim::{Cpim, CpimBuilder, CpimHead},
        imdn::{Disposition, Imdn},
    },
    identity::Address,
    profile::{event, feature, mime, service},
    sip::codec::{Builder, Method, Name},
};
use bytes::Bytes;

/// What a device understands, for `Allow`.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, UPDATE, OPTIONS, MESSAGE, NOTIFY";
const AGENT: &str = concat!("restante-client/", env!("CARGO_PKG_VERSION"));

/// The identifiers of one request outside a dialog.
#[derive(Clone, Debug)]
pub(super) struct Ids {
    pub call_id: String,
    pub tag: String,
    pub number: u32,
}

/// A request outside a dialog from `from` to `to`.
pub(super) fn request(method: Method, uri: &str, from: &Address, to: &str, ids: &Ids) -> Builder {
    let number = format!("{} {}", ids.number, method.as_str());
    Builder::request(method, uri)
        .header(Name::MaxForwards, "70")
        .header(Name::From, format!("<{from}>;tag={}", ids.tag))
        .header(Name::To, format!("<{to}>"))
        .header(Name::CallId, &ids.call_id)
        .header(Name::CSeq, number)
}

/// REGISTER with one contact; a lifetime of 0 removes it.
pub(super) fn register(
    address: &Address,
    domain: &str,
    contact: &str,
    seconds: u64,
    ids: &Ids,
) -> Builder {
    let uri = format!("sip:{domain}");
    request(Method::Register, &uri, address, address.as_str(), ids)
        .header(Name::Contact, format!("{contact};{}", features()))
        .header(Name::Expires, seconds.to_string())
        .header(Name::Allow, ALLOW)
        .header(Name::Supported, "path")
        .header(Name::UserAgent, AGENT)
}

/// SUBSCRIBE to something about the own mailbox; a lifetime of 0 fetches once.
pub(super) fn subscribe(
    uri: &str,
    address: &Address,
    contact: &str,
    package: &str,
    seconds: u64,
    ids: &Ids,
) -> Builder {
    let accept = match package {
        event::MESSAGE_SUMMARY => mime::MESSAGE_SUMMARY,
        _ => mime::DEFERRED_LIST,
    };
    request(Method::Subscribe, uri, address, address.as_str(), ids)
        .header(Name::Contact, contact)
        .header(Name::Event, package)
        .header(Name::Accept, accept)
        .header(Name::Expires, seconds.to_string())
}

/// MESSAGE with a body of a type.
pub(super) fn message(
    uri: &str,
    from: &Address,
    to: &Address,
    ids: &Ids,
    kind: &str,
    body: Bytes,
) -> Builder {
    // every octet counts: the whole request is to fit into a datagram
    request(Method::Message, uri, from, to.as_str(), ids)
        .header(Name::AcceptContact, format!("*;{}", feature::IM))
        .body(kind, body)
}

/// What an INVITE for a channel says besides the dialog and the offer.
pub(super) fn channel_headers(outgoing: &Outgoing, conversation: &str) -> Vec<(Name, String)> {
    let wanted = feature::reference(feature::ICSI_REF, &[service::CPM_LARGE]);
    let mut headers = vec![
        (Name::AcceptContact, format!("*;{wanted}")),
        (Name::PPreferredService, service::CPM_LARGE.to_owned()),
        (Name::ConversationId, conversation.to_owned()),
        (Name::ContributionId, conversation.to_owned()),
    ];
    if let Some(subject) = &outgoing.subject {
        headers.push((Name::Subject, subject.replace(['\r', '\n'], " ")));
    }
    headers
}

/// Seconds from `now` until `expires`, for a header; nothing if it never expires.
pub(super) fn lifetime(expires: Option<Timestamp>, now: Timestamp) -> Option<String> {
    expires.map(|expires| expires.since(now).as_secs().to_string())
}

/// The wrapper of an outgoing message.
pub(super) fn wrapper(
    from: &Address,
    outgoing: &Outgoing,
    id: &str,
    now: Timestamp,
) -> CpimBuilder {
    let date = outgoing.date.unwrap_or(now).to_rfc3339();
    let mut wrapper = CpimBuilder::new()
        .from(from.as_str())
        .to(outgoing.to.as_str())
        .date_time(&date)
        .message_id(id)
        .dispositions(outgoing.dispositions);
    if let Some(subject) = &outgoing.subject {
        wrapper = wrapper.subject(subject);
    }
    wrapper
}

/// A notification of a device's own.
#[derive(Clone, Debug)]
pub(super) struct Notification {
    /// Where it is sent: the topmost of the recorded route, else the sender of the message.
    pub uri: Address,
    /// The sender of the message.
    pub to: Address,
    /// The CPIM message.
    pub body: Bytes,
}

/// The notification that a message was delivered; nothing if its sender did not ask for it,
/// hides, or if it is a notification itself.
///
/// Source: RFC 5438 §7.2.1.
pub(super) fn delivered(head: &CpimHead, recipient: &Address, id: &str) -> Option<Notification> {
    if head.is_notification() || !head.dispositions().positive_delivery {
        return None;
    }
    let to = head.from().and_then(|text| Address::parse(&text).ok());
    let to = to.filter(|sender| sender.domain() != Some("anonymous.invalid"))?;
    let top = head.imdn_record_route().next();
    let top = top.and_then(|uri| Address::parse(&uri).ok());
    let original = head.original_to().map(|uri| uri.into_owned());
    let imdn = Imdn {
        message_id: head.message_id()?.into_owned(),
        date_time: head.date_time()?.into_owned(),
        recipient: Some(recipient.to_string()),
        // the schema has both URIs or none
        original_recipient: original.or_else(|| Some(recipient.to_string())),
        subject: None,
        disposition: Disposition::Delivered,
    };
    let mut body = CpimBuilder::new()
        .from(recipient.as_str())
        .to(to.as_str())
        .message_id(id);
    for uri in head.imdn_record_route() {
        body = body.imdn("IMDN-Route", &format!("<{uri}>"));
    }
    Some(Notification {
        uri: top.unwrap_or_else(|| to.clone()),
        to,
        body: imdn.in_cpim(body),
    })
}

/// Whether a text may be an MSRP Message-ID (RFC 4975 §9, `ident`).
pub(super) fn is_ident(text: &str) -> bool {
    let octet = |octet: u8| octet.is_ascii_alphanumeric() || b".-+%=".contains(&octet);
    let starts = text
        .bytes()
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric());
    (4..=32).contains(&text.len()) && starts && text.bytes().all(octet)
}

/// The head of a CPIM message, if the body of this type is one.
pub(super) fn unwrapped(content_type: &str, body: &Bytes) -> Option<Cpim> {
    mime::is(content_type, mime::CPIM)
        .then(|| Cpim::parse(body).ok())
        .flatten()
}

/// The feature tags of a device that takes pager, large and deferred messages.
pub(super) fn features() -> String {
    let services = [
        service::CPM_PAGER,
        service::CPM_LARGE,
        service::CPM_DEFERRED,
    ];
    let references = feature::reference(feature::ICSI_REF, &services);
    format!("{};{};{references}", feature::IM, feature::IM_LARGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::cpim::Dispositions;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn ids() -> Ids {
        Ids {
            call_id: "c1".into(),
            tag: "t1".into(),
            number: 7,
        }
    }

    #[test]
    fn registration_carries_contact_features_and_lifetime() {
        let alice = address("sip:alice@example.com");
        let contact = "<sip:alice-1@127.0.0.1:5070>";
        let request = register(&alice, "example.com", contact, 3600, &ids()).build();
        assert_eq!(request.uri_text(), "sip:example.com");
        assert_eq!(request.expires(), Some(3600));
        assert_eq!(request.cseq().unwrap().number, 7);
        let contact = request.value(Name::Contact).unwrap().into_owned();
        let (_, parameters) = contact.split_once('>').unwrap();
        assert!(feature::has_service(parameters, service::CPM_DEFERRED));
        assert!(feature::has_flag(parameters, feature::IM_LARGE));
    }

    #[test]
    fn notification_answers_only_those_who_asked() {
        let (alice, bob) = (address("sip:alice@h.example"), address("sip:bob@h.example"));
        let mut outgoing = Outgoing::text(bob.clone(), "hello");
        let build = |outgoing: &Outgoing| {
            let wrapper = wrapper(&alice, outgoing, "m1", Timestamp::EPOCH);
            Cpim::parse(&wrapper.build("text/plain", b"hello"))
                .unwrap()
                .head
        };
        assert!(delivered(&build(&outgoing), &bob, "n1").is_none());
        outgoing.dispositions = Dispositions {
            positive_delivery: true,
            ..Dispositions::default()
        };
        let told = delivered(&build(&outgoing), &bob, "n1").unwrap();
        assert_eq!((&told.uri, &told.to), (&alice, &alice));
        let told = Cpim::parse(&told.body).unwrap();
        assert!(told.head.is_notification());
        let imdn = Imdn::parse(&told.body).unwrap();
        assert_eq!(
            (imdn.message_id.as_str(), imdn.disposition),
            ("m1", Disposition::Delivered)
        );
        assert!(
            delivered(&told.head, &alice, "n2").is_none(),
            "no notification of a notification"
        );
    }

    #[test]
    fn notification_goes_back_by_the_recorded_route() {
        let text = "From: <sip:alice@h.example>\r\nDateTime: 2006-04-04T12:16:49-05:00\r\n\
            NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: m1\r\n\
            imdn.Disposition-Notification: positive-delivery\r\n\
            imdn.IMDN-Record-Route: <sip:imdn@h.example>\r\n\
            imdn.IMDN-Record-Route: Team <sip:team@h.example>\r\n\
            imdn.Original-To: <sip:team@h.example>\r\n\r\nContent-Type: text/plain\r\n\r\n";
        let head = Cpim::parse(&text.into()).unwrap().head;
        let told = delivered(&head, &address("sip:bob@h.example"), "n1").unwrap();
        assert_eq!(told.uri, address("sip:imdn@h.example"));
        assert_eq!(told.to, address("sip:alice@h.example"));
        let told = Cpim::parse(&told.body).unwrap();
        let route: Vec<_> = told.head.imdn_route().collect();
        assert_eq!(route, ["sip:imdn@h.example", "sip:team@h.example"]);
        let imdn = Imdn::parse(&told.body).unwrap();
        assert_eq!(
            imdn.original_recipient.as_deref(),
            Some("sip:team@h.example")
        );
    }

    #[test]
    fn message_ids_of_msrp_are_identifiers() {
        assert!(is_ident("a1b2") && is_ident("12345.x-+%="));
        for wrong in ["abc", "-abcd", "a b c d", "sip:a@hhh", &"x".repeat(33)] {
            assert!(!is_ident(wrong), "{wrong}");
        }
    }
}
