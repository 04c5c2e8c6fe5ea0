//! What of a request's route was meant for us (RFC 3261 §16.4).
use crate::sip::codec::{Builder, Host, Message, Name, NameAddr, SipUri, Uri};
use std::net::SocketAddr;

/// The addresses a Route or Request-URI names this element by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ourselves(Vec<(Host, u16)>);

impl Ourselves {
    /// An element that listens at `local` and tells others `host` (without port), if that differs.
    pub fn new(local: SocketAddr, host: Option<&str>) -> Self {
        let advertised = host.and_then(|host| Host::parse(host).ok());
        let hosts = [Some(Host::from(local.ip())), advertised];
        let named = hosts.into_iter().flatten();
        Self(named.map(|host| (host, local.port())).collect())
    }

    /// Whether `uri` leads to this element.
    pub fn are(&self, uri: &SipUri) -> bool {
        let port = uri.port_or_default();
        self.0
            .iter()
            .any(|(host, own)| *own == port && *host == uri.host)
    }

    fn are_named_by(&self, route: &str) -> bool {
        let route = NameAddr::parse(route).ok();
        let uri = route.as_ref().and_then(|route| route.uri.as_sip());
        uri.is_some_and(|uri| self.are(uri))
    }
}

/// The request as it is meant after it reached us; `None` if nothing of its route names us.
///
/// Routes on top that name us go: one, two where we recorded one for each transport, or more
/// where the request would come round to us again at once. A strict router has put us into the
/// Request-URI and its target at the end of the routes: that is turned back.
pub fn arrive(request: &Message, ourselves: &Ourselves) -> Option<Message> {
    let mut routes = request.list(Name::Route);
    let target = match routes.last() {
        Some(last) if is_recorded(request, ourselves) => NameAddr::parse(last).ok(),
        _ => None,
    };
    if target.is_some() {
        routes.pop();
    }
    let own = routes
        .iter()
        .take_while(|route| ourselves.are_named_by(route));
    let own = own.count();
    if own == 0 && target.is_none() {
        return None;
    }
    let mut arrived = Builder::from_message(request).remove(Name::Route);
    if let Some(target) = &target {
        arrived = arrived.uri(&target.uri.to_string());
    }
    let rest = routes[own..].iter();
    let arrived = rest.fold(arrived, |request, route| {
        request.header(Name::Route, route.as_ref())
    });
    Some(arrived.build())
}

/// Whether the Request-URI is one we have put into a Record-Route.
fn is_recorded(request: &Message, ourselves: &Ourselves) -> bool {
    match request.uri() {
        Ok(Uri::Sip(uri)) => uri.user.is_none() && uri.params.contains("lr") && ourselves.are(&uri),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::codec::Method;

    fn ourselves() -> Ourselves {
        Ourselves::new(([192, 0, 2, 1], 5060).into(), Some("pf.example.com"))
    }

    fn arrived(uri: &str, routes: &[&str]) -> Option<(String, Vec<String>)> {
        let request = Builder::request(Method::Bye, uri);
        let request = routes
            .iter()
            .fold(request, |request, route| request.header(Name::Route, route));
        let message = arrive(&request.build(), &ourselves())?;
        let routes = message.list(Name::Route).into_iter();
        let routes = routes.map(|route| route.into_owned()).collect();
        Some((message.uri_text().to_owned(), routes))
    }

    #[test]
    fn topmost_route_that_names_us_is_taken_away() {
        let bob = "sip:bob@192.0.2.4";
        let expected = |routes: &[&str]| {
            let routes = routes.iter().map(|route| (*route).to_owned()).collect();
            Some((bob.to_owned(), routes))
        };
        assert_eq!(arrived(bob, &["<sip:192.0.2.1;lr>"]), expected(&[]));
        assert_eq!(
            arrived(
                bob,
                &["<sip:PF.example.com:5060;lr>, <sip:p2.example.com;lr>"]
            ),
            expected(&["<sip:p2.example.com;lr>"])
        );
        // one for each transport
        assert_eq!(
            arrived(
                bob,
                &["<sip:192.0.2.1;transport=tcp;lr>", "<sip:192.0.2.1;lr>"]
            ),
            expected(&[])
        );
    }

    #[test]
    fn route_of_others_is_left_alone() {
        assert_eq!(arrived("sip:bob@192.0.2.4", &[]), None);
        assert_eq!(arrived("sip:bob@192.0.2.4", &["<sip:192.0.2.9;lr>"]), None);
        assert_eq!(
            arrived("sip:bob@192.0.2.4", &["<sip:192.0.2.1:5070;lr>"]),
            None
        );
        // our own address is no route of ours
        assert_eq!(arrived("sip:192.0.2.1", &["<sip:192.0.2.9;lr>"]), None);
    }

    #[test]
    fn what_a_strict_router_did_is_turned_back() {
        assert_eq!(
            arrived(
                "sip:192.0.2.1;lr",
                &["<sip:p2.example.com;lr>", "<sip:bob@192.0.2.4>"]
            ),
            Some((
                "sip:bob@192.0.2.4".to_owned(),
                vec!["<sip:p2.example.com;lr>".to_owned()]
            ))
        );
    }
}
