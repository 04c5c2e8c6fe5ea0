//! How a request goes on (RFC 3261 §16.6).
use crate::sip::codec::{Builder, Message, Name, NameAddr};

/// What is changed in a request before it is forwarded to one target.
///
/// Via and Record-Route are not here: they depend on the transport it leaves by, which is chosen
/// last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Onward {
    /// The Request-URI of the target; `None` keeps the one it came with.
    pub uri: Option<String>,
    /// Routes to the target, to be gone before those that are in the request.
    pub routes: Vec<String>,
    /// Who the sender is, in place of what the request says in P-Asserted-Identity: the value of
    /// the header, such as `<sip:alice@example.com>`. `None` leaves that as it is.
    pub asserted: Option<String>,
    /// The realm whose credentials end here (§22.3); `None` passes all on.
    pub realm: Option<String>,
    /// The trace that it belongs to from here on; `None` leaves what it tells of that as it is.
    pub trace: Option<String>,
    /// Headers to add.
    pub headers: Vec<(Name, String)>,
    /// Whether later requests of the dialog come by this element.
    pub record_route: bool,
}

/// What Max-Forwards is where there is none (§16.6 item 3).
const MAX_FORWARDS: u8 = 70;

impl Onward {
    /// To the target `uri`, staying on the way.
    pub fn to(uri: impl Into<String>) -> Self {
        Self {
            uri: Some(uri.into()),
            record_route: true,
            ..Self::default()
        }
    }

    /// `request` as it goes on, but for Via and Record-Route.
    pub fn apply(&self, request: &Message) -> Message {
        let hops = request
            .max_forwards()
            .map_or(MAX_FORWARDS, |hops| hops.saturating_sub(1));
        let mut changed =
            Builder::from_message(request).replace(Name::MaxForwards, hops.to_string());
        if let Some(uri) = &self.uri {
            changed = changed.uri(uri);
        }
        if let Some(asserted) = &self.asserted {
            changed = changed
                .remove(Name::PPreferredIdentity)
                .replace(Name::PAssertedIdentity, asserted);
        }
        if let Some(trace) = &self.trace {
            changed = changed.replace(Name::Traceparent, trace);
        }
        if let Some(realm) = &self.realm {
            changed = without_credentials(changed, request, realm);
        }
        for route in self.routes.iter().rev() {
            changed = changed.prepend(Name::Route, route);
        }
        for (name, value) in &self.headers {
            changed = changed.header(*name, value);
        }
        with_strict_router(changed.build())
    }
}

/// Takes the credentials for `realm` away; those of others pass through.
fn without_credentials(builder: Builder, request: &Message, realm: &str) -> Builder {
    let own = format!("realm=\"{realm}\"");
    let (ours, others): (Vec<_>, Vec<_>) = request
        .values(Name::ProxyAuthorization)
        .partition(|value| value.contains(&own));
    if ours.is_empty() {
        return builder;
    }
    let rest = builder.remove(Name::ProxyAuthorization);
    others.iter().fold(rest, |builder, value| {
        builder.header(Name::ProxyAuthorization, value.as_ref())
    })
}

/// A next hop that is no loose router wants itself in the Request-URI, and the target at the end
/// of the routes (§16.6 item 6).
fn with_strict_router(request: Message) -> Message {
    let routes = request.list(Name::Route);
    let first = routes.first().and_then(|first| NameAddr::parse(first).ok());
    let strict = first.filter(|first| {
        let uri = first.uri.as_sip();
        uri.is_some_and(|uri| !uri.params.contains("lr"))
    });
    let Some(strict) = strict else {
        return request;
    };
    let target = format!("<{}>", request.uri_text());
    let turned = Builder::from_message(&request)
        .uri(&strict.uri.to_string())
        .remove(Name::Route);
    let rest = routes[1..].iter();
    let turned = rest.fold(turned, |builder, route| {
        builder.header(Name::Route, route.as_ref())
    });
    turned.header(Name::Route, target).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::codec::Method;

    fn invite() -> Builder {
        Builder::request(Method::Invite, "sip:bob@example.com")
            .header(Name::Via, "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1")
            .header(Name::MaxForwards, "70")
            .header(Name::CallId, "c1")
            .body("text/plain", "hello")
    }

    fn text(message: &Message) -> &str {
        std::str::from_utf8(message.octets()).unwrap()
    }

    #[test]
    fn target_takes_the_place_of_the_request_uri_and_a_hop_is_counted() {
        let onward = Onward {
            routes: vec!["<sip:edge.example.com;lr>".into()],
            ..Onward::to("sip:bob@192.0.2.4:5070")
        };
        assert_eq!(
            text(&onward.apply(&invite().build())),
            "INVITE sip:bob@192.0.2.4:5070 SIP/2.0\r\n\
             Route: <sip:edge.example.com;lr>\r\n\
             Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n\
             Max-Forwards: 69\r\nCall-ID: c1\r\n\
             Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
        );
    }

    #[test]
    fn request_without_max_forwards_gets_one() {
        let request = invite().remove(Name::MaxForwards).build();
        let onward = Onward::default().apply(&request);
        assert_eq!(onward.uri_text(), "sip:bob@example.com");
        assert_eq!(onward.max_forwards(), Some(70));
    }

    #[test]
    fn asserted_identity_takes_the_place_of_what_the_sender_says() {
        let request = invite()
            .header(Name::PAssertedIdentity, "<sip:mallory@example.com>")
            .header(Name::PPreferredIdentity, "<sip:ally@example.com>")
            .build();
        let onward = Onward {
            asserted: Some("<sip:alice@example.com>".into()),
            ..Onward::default()
        };
        let request = onward.apply(&request);
        let asserted: Vec<_> = request.values(Name::PAssertedIdentity).collect();
        assert_eq!(asserted, ["<sip:alice@example.com>"]);
        assert!(!request.has(Name::PPreferredIdentity));
    }

    #[test]
    fn credentials_for_our_realm_end_here_and_those_of_others_pass() {
        let request = invite()
            .header(
                Name::ProxyAuthorization,
                "Digest realm=\"example.com\", nonce=\"1\"",
            )
            .header(
                Name::ProxyAuthorization,
                "Digest realm=\"other.org\", nonce=\"2\"",
            )
            .build();
        let onward = Onward {
            realm: Some("example.com".into()),
            ..Onward::default()
        };
        let request = onward.apply(&request);
        let left: Vec<_> = request.values(Name::ProxyAuthorization).collect();
        assert_eq!(left, ["Digest realm=\"other.org\", nonce=\"2\""]);
    }

    #[test]
    fn strict_router_gets_itself_in_the_request_uri() {
        let request = invite()
            .header(Name::Route, "<sip:strict.example.com>")
            .header(Name::Route, "<sip:p2.example.com;lr>")
            .build();
        let request = Onward::default().apply(&request);
        assert_eq!(request.uri_text(), "sip:strict.example.com");
        assert_eq!(
            request.list(Name::Route),
            ["<sip:p2.example.com;lr>", "<sip:bob@example.com>"]
        );
    }
}
