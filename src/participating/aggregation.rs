use crate::{
    content::{
        cpim::{Cpim, CpimBuilder},
        multipart::{self, Part},
    },
    deferred::{Envelope, Kind},
    profile::mime::{self, is_accepted},
    sdp::MessageMedia,
};
use bytes::Bytes;

/// Whether a reader takes several notifications as one message.
pub fn takes_several(reader: &MessageMedia) -> bool {
    let accepted = |one| {
        is_accepted(&reader.accept_types, one) || is_accepted(&reader.accept_wrapped_types, one)
    };
    is_accepted(&reader.accept_types, mime::CPIM)
        && accepted(mime::MULTIPART_MIXED)
        && accepted(mime::IMDN)
}

/// Splits messages where they lie: neighbours that may travel as one, at most `most`, together;
/// all others alone.
pub fn runs(messages: &[Envelope], most: usize) -> impl Iterator<Item = &[Envelope]> {
    let may_join = |one: &Envelope| {
        one.facts.kind == Kind::Notification && mime::is(&one.facts.content_type, mime::CPIM)
    };
    messages
        .chunk_by(move |one, next| may_join(one) && may_join(next))
        .flat_map(move |run| run.chunks(most.max(1)))
}

/// Joins notifications, each a whole CPIM message, into one with the id `message_id`: of their
/// sender, or of `server` where there are several. `None` where one of them can't be read, or is
/// to go on from its reader to somebody else.
///
/// Source: RFC 5438 §8.3.
pub fn join(notifications: &[Bytes], server: &str, message_id: &str) -> Option<Bytes> {
    let read = |message| Cpim::parse(message).ok();
    let all: Vec<Cpim> = notifications.iter().map(read).collect::<Option<_>>()?;
    let first = &all.first()?.head;
    let joins = |one: &Cpim| {
        mime::is(&one.head.content_type(), mime::IMDN) && one.head.imdn_route().next().is_none()
    };
    if !all.iter().all(joins) {
        return None;
    }
    let from = first.from().unwrap_or_default();
    let is_one = all
        .iter()
        .all(|one| one.head.from().as_ref() == Some(&from));
    let mut head = CpimBuilder::new().from(if is_one { &from } else { server });
    for uri in first.to().take(1) {
        head = head.to(&uri);
    }
    let parts: Vec<_> = all
        .iter()
        .map(|one| Part::new(mime::IMDN, one.body.clone()))
        .collect();
    let (content_type, body) = multipart::build(message_id, &parts);
    let head = head.message_id(message_id);
    let head = head.mime("Content-Disposition", "notification");
    Some(head.build(&content_type, &body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notification(from: &str, head: &str) -> Bytes {
        let text = format!(
            "From: <{from}>\r\nTo: <sip:alice@example.com>\r\n\
             NS: imdn <urn:ietf:params:imdn>\r\n{head}imdn.Message-ID: x\r\n\r\n\
             Content-type: message/imdn+xml\r\nContent-Disposition: notification\r\n\r\n\
             <imdn>{from}</imdn>"
        );
        text.into()
    }

    const BOB: &str = "sip:bob@example.com";
    const EVE: &str = "sip:eve@example.com";
    const US: &str = "sip:imdn@example.com";

    #[test]
    fn several_notifications_travel_as_the_rfc_prints_it() {
        let both = [notification(BOB, ""), notification(EVE, "")];
        let joined = join(&both, US, "j1").unwrap();
        let expected = "From: <sip:imdn@example.com>\r\n\
            To: <sip:alice@example.com>\r\n\
            NS: imdn <urn:ietf:params:imdn>\r\n\
            imdn.Message-ID: j1\r\n\
            \r\n\
            Content-Type: multipart/mixed;boundary=\"j1\"\r\n\
            Content-Length: 156\r\n\
            Content-Disposition: notification\r\n\
            \r\n\
            --j1\r\nContent-Type: message/imdn+xml\r\n\r\n\
            <imdn>sip:bob@example.com</imdn>\r\n\
            --j1\r\nContent-Type: message/imdn+xml\r\n\r\n\
            <imdn>sip:eve@example.com</imdn>\r\n\
            --j1--\r\n";
        assert_eq!(std::str::from_utf8(&joined).unwrap(), expected);
        let of_bob = join(&[both[0].clone(), both[0].clone()], US, "j1").unwrap();
        assert!(of_bob.starts_with(b"From: <sip:bob@example.com>\r\n"));
    }

    #[test]
    fn what_has_a_way_to_go_or_is_no_notification_is_not_joined() {
        let plain = notification(BOB, "");
        let routed = notification(BOB, "imdn.IMDN-Route: <sip:far@example.org>\r\n");
        assert_eq!(join(&[plain.clone(), routed], US, "j1"), None);
        assert_eq!(join(&[plain, Bytes::from_static(b"hello")], US, "j1"), None);
    }

    #[test]
    fn readers_say_whether_they_take_several() {
        let reader = |accept: &str, wrapped: &str| MessageMedia {
            accept_types: accept.split(' ').map(str::to_owned).collect(),
            accept_wrapped_types: wrapped.split(' ').map(str::to_owned).collect(),
            ..MessageMedia::default()
        };
        assert!(takes_several(&reader("message/cpim", "*")));
        assert!(takes_several(&reader("*", "")));
        let wrapped = "multipart/mixed message/imdn+xml";
        assert!(takes_several(&reader("message/cpim", wrapped)));
        assert!(!takes_several(&reader(
            "message/cpim",
            "text/plain message/imdn+xml"
        )));
        assert!(!takes_several(&reader("text/plain", "*")));
    }
}
