use crate::{
    identity::Address,
    neighbours::{Hop, Neighbours, Role},
    profile::{event, psi},
    sip::codec::{Message, Method, Name, Uri},
};
use std::net::IpAddr;

/// Methods this server understands, for `Allow`.
pub const ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, UPDATE, OPTIONS, REGISTER, MESSAGE, SUBSCRIBE, NOTIFY";
/// Event packages this server notifies, for `Allow-Events`.
pub const ALLOW_EVENTS: &str = "message-summary, deferred-messages, conference";

/// Where a request outside a dialog goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To the registrar.
    Register,
    /// To this server itself: OPTIONS.
    Server,
    /// To a subscriber, wherever that one is.
    Subscriber(Address),
    /// To the mailbox of a subscriber.
    Mailbox(Address, Package),
    /// To the deferred function: hand over what waits.
    Deferred,
    /// To the deferred function: hand over what is named, by MESSAGE.
    Fetch,
    /// To the deferred function: delete what waits.
    Delete,
    /// To where notifications come back that go by this server.
    Notifications,
    /// To a subscriber whose home this node is not, but for whom it keeps messages.
    Keep(Address),
    /// To a group that this node owns, or to what makes one.
    Group(Address),
    /// To another server, which plays what is asked for or knows who does.
    Onward(Address, Hop),
}

impl Route {
    /// Whom the request is for, where that is a user or a group.
    pub fn recipient(&self) -> Option<&Address> {
        match self {
            Self::Subscriber(to) | Self::Mailbox(to, _) | Self::Keep(to) => Some(to),
            Self::Group(to) | Self::Onward(to, _) => Some(to),
            Self::Register
            | Self::Server
            | Self::Deferred
            | Self::Fetch
            | Self::Delete
            | Self::Notifications => None,
        }
    }
}

/// An event package about a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Package {
    /// How much waits (RFC 3842).
    Summary,
    /// What waits (OMA deferred list).
    List,
    /// Who is in a group (RFC 4575).
    Conference,
}

/// Why a request has no route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// The method is not known here.
    #[error("unknown method")]
    UnknownMethod,
    /// The method is known, but has no business outside a dialog or at this address.
    #[error("method not allowed here")]
    NotAllowed,
    /// The Request-URI is neither `sip:` nor `tel:`.
    #[error("Request-URI is neither sip: nor tel:")]
    Scheme,
    /// The Request-URI names no user.
    #[error("Request-URI names no user")]
    NoUser,
    /// The domain of the Request-URI is not served here, and none of ours sends there.
    #[error("domain is not served here (sip_core.domains)")]
    ForeignDomain,
    /// The function is not played here, and no neighbour is known that plays it.
    #[error("function is not played here (server.roles, neighbours)")]
    NotPlayed,
    /// The event package is not known.
    #[error("unknown event package")]
    BadEvent,
}

impl NoRoute {
    /// The SIP status that says so.
    pub fn status(&self) -> u16 {
        match self {
            Self::UnknownMethod => 501,
            Self::NotAllowed => 405,
            Self::Scheme => 416,
            Self::NoUser | Self::ForeignDomain | Self::NotPlayed => 404,
            Self::BadEvent => 489,
        }
    }

    /// Label value for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::UnknownMethod => "unknown_method",
            Self::NotAllowed => "method_not_allowed",
            Self::Scheme => "uri_scheme",
            Self::NoUser => "no_user",
            Self::ForeignDomain => "foreign_domain",
            Self::NotPlayed => "role_not_played",
            Self::BadEvent => "bad_event",
        }
    }
}

/// Decides where `request` goes, given the domains served here, who plays what around, and which
/// addresses are groups that this node owns. It came from the address `source`.
///
/// Errors: [`NoRoute`], with the status to answer.
/// Source: RFC 3261 §8.2, §16.5; RFC 6665 §4.1.3 (489).
pub fn route(
    request: &Message,
    domains: &[String],
    neighbours: &Neighbours,
    is_group: &dyn Fn(&Address) -> bool,
    source: IpAddr,
) -> Result<Route, NoRoute> {
    let method = request.method().ok_or(NoRoute::UnknownMethod)?;
    if let Method::Other(_) = method {
        return Err(NoRoute::UnknownMethod);
    }
    if method == Method::Register {
        return Ok(Route::Register);
    }
    let uri = request.uri().map_err(|_| NoRoute::Scheme)?;
    if !matches!(uri, Uri::Sip(_) | Uri::Tel(_)) {
        return Err(NoRoute::Scheme);
    }
    if uri.as_sip().is_some_and(|sip| sip.user.is_none()) {
        return match method {
            Method::Options => Ok(Route::Server),
            _ => Err(NoRoute::NoUser),
        };
    }
    let target = Address::parse(request.uri_text()).map_err(|_| NoRoute::NoUser)?;
    if neighbours.is_core_only() {
        return by_core(target, domains, neighbours, source);
    }
    if let Some(hop) = abroad(&target, domains, neighbours)? {
        return Ok(Route::Onward(target, hop));
    }
    if is_group(&target) {
        return to_group(target, &method, request);
    }
    if let Some(route) = to_service(&target, &method, neighbours)? {
        return Ok(route);
    }
    match method {
        Method::Subscribe => to_package(target, package(request)?, neighbours),
        Method::Invite | Method::Message | Method::Options => to_user(target, neighbours),
        _ => Err(NoRoute::NotAllowed),
    }
}

/// To a group that this node owns.
fn to_group(group: Address, method: &Method, request: &Message) -> Result<Route, NoRoute> {
    match method {
        Method::Invite | Method::Message | Method::Options => Ok(Route::Group(group)),
        Method::Subscribe if package(request)? == Package::Conference => Ok(Route::Group(group)),
        Method::Subscribe => Err(NoRoute::BadEvent),
        _ => Err(NoRoute::NotAllowed),
    }
}

/// To one of the services that have an address of their own; `None` if it is no such address.
fn to_service(
    target: &Address,
    method: &Method,
    neighbours: &Neighbours,
) -> Result<Option<Route>, NoRoute> {
    let (role, route) = match (method, target.user()) {
        (Method::Invite, psi::DEFERRED) => (Role::Deferred, Route::Deferred),
        (Method::Message, psi::DEFERRED) => (Role::Deferred, Route::Fetch),
        (Method::Message, psi::DELETE) => (Role::Deferred, Route::Delete),
        (Method::Message, psi::IMDN) => (Role::Participating, Route::Notifications),
        (_, psi::DEFERRED | psi::DELETE | psi::IMDN) => return Err(NoRoute::NotAllowed),
        _ => return Ok(None),
    };
    played(role, route, target.clone(), neighbours).map(Some)
}

/// To whoever notifies about `target` in `package`.
fn to_package(
    target: Address,
    package: Package,
    neighbours: &Neighbours,
) -> Result<Route, NoRoute> {
    match package {
        Package::Conference => match neighbours.at(Role::Controlling) {
            Some(hop) => Ok(Route::Onward(target, hop.clone())),
            None => Err(NoRoute::BadEvent),
        },
        package => {
            let route = Route::Mailbox(target.clone(), package);
            played(Role::Deferred, route, target, neighbours)
        }
    }
}

/// To a subscriber, or to the mailbox alone where this node is not their home.
fn to_user(target: Address, neighbours: &Neighbours) -> Result<Route, NoRoute> {
    let route = match neighbours.plays(Role::Participating) {
        false if neighbours.plays(Role::Deferred) => return Ok(Route::Keep(target)),
        _ => Route::Subscriber(target.clone()),
    };
    played(Role::Participating, route, target, neighbours)
}

/// `route` where this node plays `role`, else onward to who does.
fn played(
    role: Role,
    route: Route,
    target: Address,
    neighbours: &Neighbours,
) -> Result<Route, NoRoute> {
    match (neighbours.plays(role), neighbours.at(role)) {
        (true, _) => Ok(route),
        (false, Some(hop)) => Ok(Route::Onward(target, hop.clone())),
        (false, None) => Err(NoRoute::NotPlayed),
    }
}

/// Decides for a SIP core whose users have their home elsewhere: what they send and are sent goes
/// by that home first, and what comes from there on to a device or to another domain.
fn by_core(
    target: Address,
    domains: &[String],
    neighbours: &Neighbours,
    source: IpAddr,
) -> Result<Route, NoRoute> {
    match neighbours.at(Role::Participating) {
        Some(home) if !neighbours.is_at(Role::Participating, source) => {
            Ok(Route::Onward(target, home.clone()))
        }
        _ => Ok(match abroad(&target, domains, neighbours)? {
            Some(hop) => Route::Onward(target, hop),
            None => Route::Subscriber(target),
        }),
    }
}

/// The next hop to a domain that is not ours.
fn abroad(
    target: &Address,
    domains: &[String],
    neighbours: &Neighbours,
) -> Result<Option<Hop>, NoRoute> {
    let Some(domain) = target.domain() else {
        return Ok(None);
    };
    if domains.iter().any(|one| one.eq_ignore_ascii_case(domain)) {
        return Ok(None);
    }
    match neighbours.knows(domain) {
        true => Ok(Some(neighbours.towards(domain))),
        false => Err(NoRoute::ForeignDomain),
    }
}

fn package(request: &Message) -> Result<Package, NoRoute> {
    let event = request.value(Name::Event).ok_or(NoRoute::BadEvent)?;
    let name = event.split(';').next().unwrap_or_default().trim();
    match name {
        event::MESSAGE_SUMMARY => Ok(Package::Summary),
        event::DEFERRED_MESSAGES => Ok(Package::List),
        event::CONFERENCE => Ok(Package::Conference),
        _ => Err(NoRoute::BadEvent),
    }
}

impl Package {
    /// The name of the package.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Summary => event::MESSAGE_SUMMARY,
            Self::List => event::DEFERRED_MESSAGES,
            Self::Conference => event::CONFERENCE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{neighbours, sip::codec::Builder};

    fn routed(method: &str, uri: &str, event: Option<&str>) -> Result<Route, NoRoute> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = Builder::request(method, uri)
            .header(Name::CSeq, "1 X")
            .header(Name::CallId, "c");
        if let Some(event) = event {
            request = request.header(Name::Event, event);
        }
        let neighbours = Neighbours::new(&Role::ALL, &neighbours::Config::default());
        route(
            &request.build(),
            &["example.com".to_owned()],
            &neighbours,
            &is_club,
            [127, 0, 0, 1].into(),
        )
    }

    fn is_club(address: &Address) -> bool {
        address.user() == "club"
    }

    #[test]
    fn group_of_this_node_takes_calls_and_messages() {
        let club = "sip:club@example.com";
        let group = Address::parse(club).unwrap();
        assert_eq!(
            routed("INVITE", club, None),
            Ok(Route::Group(group.clone()))
        );
        assert_eq!(routed("MESSAGE", club, None), Ok(Route::Group(group)));
        assert_eq!(routed("NOTIFY", club, None), Err(NoRoute::NotAllowed));
        let watched = routed("SUBSCRIBE", club, Some("conference"));
        assert!(matches!(watched, Ok(Route::Group(_))));
        let summary = routed("SUBSCRIBE", club, Some("message-summary"));
        assert_eq!(summary, Err(NoRoute::BadEvent));
    }

    #[test]
    fn core_asks_the_home_of_its_users_and_then_does_as_that_one_says() {
        let config = "participating = \"sip:192.0.2.1\"\n[domains]\n\"b.example\" = \"sip:b\"";
        let config: neighbours::Config = toml::from_str(config).unwrap();
        let core = Neighbours::new(&[Role::SipCore], &config);
        let routed = |uri: &str, source: [u8; 4]| {
            let request = Builder::request(Method::Message, uri)
                .header(Name::CSeq, "1 MESSAGE")
                .header(Name::CallId, "c");
            let ours = ["example.com".to_owned()];
            route(&request.build(), &ours, &core, &|_| false, source.into()).unwrap()
        };
        let (home, device) = ([192, 0, 2, 1], [192, 0, 2, 9]);
        let carol = Address::parse("sip:carol@b.example").unwrap();
        let hop = |uri| neighbours::Hop::parse(uri).unwrap();
        let asked = Route::Onward(bob(), hop("sip:192.0.2.1"));
        assert_eq!(routed("sip:bob@example.com", device), asked);
        let asked = Route::Onward(carol.clone(), hop("sip:192.0.2.1"));
        assert_eq!(routed("sip:carol@b.example", device), asked);
        let reached = routed("sip:bob@example.com", home);
        assert_eq!(reached, Route::Subscriber(bob()));
        let reached = routed("sip:carol@b.example", home);
        assert_eq!(reached, Route::Onward(carol, hop("sip:b")));
    }

    fn bob() -> Address {
        Address::parse("sip:bob@example.com").unwrap()
    }

    #[test]
    fn requests_find_their_way_by_method_and_address() {
        let bobs = "sip:bob@example.com";
        assert_eq!(
            routed("REGISTER", "sip:example.com", None),
            Ok(Route::Register)
        );
        assert_eq!(routed("OPTIONS", "sip:127.0.0.1", None), Ok(Route::Server));
        assert_eq!(routed("MESSAGE", bobs, None), Ok(Route::Subscriber(bob())));
        assert_eq!(
            routed("INVITE", "sip:deferred@example.com", None),
            Ok(Route::Deferred)
        );
        assert_eq!(
            routed("MESSAGE", "sip:deferred@example.com", None),
            Ok(Route::Fetch)
        );
        assert_eq!(
            routed("MESSAGE", "sip:delete@example.com", None),
            Ok(Route::Delete)
        );
        assert_eq!(
            routed("MESSAGE", "sip:imdn@example.com", None),
            Ok(Route::Notifications)
        );
        assert_eq!(
            routed("SUBSCRIBE", bobs, Some("message-summary;id=1")),
            Ok(Route::Mailbox(bob(), Package::Summary))
        );
    }

    #[test]
    fn what_has_no_route_is_refused_with_the_standards_status() {
        let status = |method, uri, event| routed(method, uri, event).unwrap_err().status();
        assert_eq!(status("FROBNICATE", "sip:bob@example.com", None), 501);
        assert_eq!(status("BYE", "sip:bob@example.com", None), 405);
        assert_eq!(status("INVITE", "sip:imdn@example.com", None), 405);
        assert_eq!(status("MESSAGE", "http://example.com", None), 416);
        assert_eq!(status("MESSAGE", "sip:bob@elsewhere.org", None), 404);
        assert_eq!(status("INVITE", "sip:example.com", None), 404);
        assert_eq!(
            status("SUBSCRIBE", "sip:bob@example.com", Some("weather")),
            489
        );
    }
}
