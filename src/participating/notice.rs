use crate::{
    content::cpim::Cpim,
    identity::Address,
    profile::{mime, psi},
};
use bytes::Bytes;

/// A disposition notification on its way back to the sender of the message it speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Who is to have it next: the topmost of its route, else its recipient; nothing if neither
    /// can be read.
    pub next: Option<Address>,
    /// Whether its route led here.
    pub came_by_us: bool,
    /// The CPIM message, without what led here.
    pub content: Bytes,
}

impl Notice {
    /// Reads a message; `None` if it is no notification in CPIM.
    ///
    /// Source: RFC 5438 §8 (IMDN-Route), §9.
    pub fn of(content_type: &str, content: &Bytes, domains: &[String]) -> Option<Self> {
        if !mime::is(content_type, mime::CPIM) {
            return None;
        }
        let cpim = Cpim::parse(content).ok();
        let cpim = cpim.filter(|cpim| cpim.head.is_notification())?;
        let head = &cpim.head;
        let ours = head.imdn_route();
        let ours = ours.take_while(|uri| is_ours(uri, domains)).count();
        let next = head.imdn_route().nth(ours).or_else(|| head.to().next());
        Some(Self {
            next: next.and_then(|uri| Address::parse(&uri).ok()),
            came_by_us: ours > 0,
            content: match ours {
                0 => content.clone(),
                _ => [&head.without_imdn_route(ours)[..], &cpim.body]
                    .concat()
                    .into(),
            },
        })
    }
}

/// A message that asks for notifications, with this server on their way.
pub fn recording_route(content_type: &str, content: &Bytes, domain: &str) -> Option<Bytes> {
    let is_cpim = mime::is(content_type, mime::CPIM);
    let head = is_cpim.then(|| Cpim::parse_head(content).ok().flatten())??;
    let changed = head.recording_imdn_route(&own(domain))?;
    Some(
        [&changed[..], &content[head.body_offset()..]]
            .concat()
            .into(),
    )
}

/// The address by which notifications come back here.
pub fn own(domain: &str) -> String {
    format!("sip:{}@{domain}", psi::IMDN)
}

/// Whether a route leads here.
fn is_ours(uri: &str, domains: &[String]) -> bool {
    Address::parse(uri).is_ok_and(|address| {
        let domain = address.domain().unwrap_or_default();
        let is_served = domains.iter().any(|own| own.eq_ignore_ascii_case(domain));
        address.user() == psi::IMDN && is_served
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(routes: &str) -> Option<Notice> {
        let text = format!(
            "From: <sip:bob@example.com>\r\nTo: <sip:alice@example.com>\r\n\
             NS: imdn <urn:ietf:params:imdn>\r\n{routes}\
             imdn.Message-ID: d834jied93rf\r\n\r\n\
             Content-type: message/imdn+xml\r\nContent-Disposition: notification\r\n\r\n<imdn/>"
        );
        Notice::of("message/cpim", &text.into(), &["example.com".to_owned()])
    }

    fn address(text: &str) -> Option<Address> {
        Address::parse(text).ok()
    }

    #[test]
    fn notification_goes_to_its_recipient_where_no_route_is_left() {
        let direct = notice("").unwrap();
        assert_eq!(direct.next, address("sip:alice@example.com"));
        assert!(!direct.came_by_us);
        let ours = notice("imdn.IMDN-Route: <sip:imdn@EXAMPLE.com>\r\n").unwrap();
        assert!(ours.came_by_us);
        assert_eq!((ours.next, ours.content), (direct.next, direct.content));
    }

    #[test]
    fn notification_goes_to_the_next_of_its_route() {
        let next = "imdn.IMDN-Route: <sip:team@example.com>\r\n";
        let routed = notice(&format!(
            "imdn.IMDN-Route: <sip:imdn@example.com>\r\n{next}"
        ));
        let direct = notice(next).unwrap();
        assert_eq!(direct.next, address("sip:team@example.com"));
        assert_eq!(routed.unwrap().content, direct.content);
        let foreign = notice("imdn.IMDN-Route: <sip:imdn@example.org>\r\n").unwrap();
        assert_eq!(foreign.next, address("sip:imdn@example.org"));
        assert!(!foreign.came_by_us);
    }

    #[test]
    fn message_is_no_notification() {
        let text = "From: <sip:bob@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\nHello";
        assert_eq!(Notice::of("message/cpim", &text.into(), &[]), None);
        assert_eq!(Notice::of("text/plain", &text.into(), &[]), None);
    }

    #[test]
    fn message_that_asks_takes_the_own_address_along() {
        let text = "NS: imdn <urn:ietf:params:imdn>\r\n\
            imdn.Disposition-Notification: display\r\n\r\nContent-Type: text/plain\r\n\r\nHello";
        let changed = recording_route("message/cpim", &text.into(), "example.com").unwrap();
        let line = "display\r\nimdn.IMDN-Record-Route: <sip:imdn@example.com>\r\n\r\n";
        let expected = text.replace("display\r\n\r\n", line);
        assert_eq!(changed, expected);
        let domains = ["example.com".to_owned()];
        assert!(is_ours(&own("example.com"), &domains));
        assert!(!is_ours("sip:alice@example.com", &domains));
    }
}
