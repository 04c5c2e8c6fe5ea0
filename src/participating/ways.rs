use crate::{
    clock::Timestamp,
    identity::Address,
    neighbours::{Hop, Neighbours, Role},
    sip::{
        codec::{Params, Uri},
        transaction::Peer,
    },
    sip_core::Binding,
};

/// Where what is for a user is handed over, as seen from a node that owes it to that user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// Here: devices and mailbox.
    Here,
    /// The devices are reached from here; what they miss is kept by the server at this hop.
    Divided(Hop),
    /// At the server at this hop.
    Elsewhere(Hop),
    /// Nobody knows.
    Nowhere,
}

impl Home {
    /// The home of `user`, given the domains served here and who plays what around.
    pub fn of(user: &Address, domains: &[String], neighbours: &Neighbours) -> Self {
        let at = |role| neighbours.at(role).cloned();
        let serves = neighbours.plays(Role::Participating);
        let is_served = |domain: &str| domains.iter().any(|one| one.eq_ignore_ascii_case(domain));
        if let Some(domain) = user.domain().filter(|domain| !is_served(domain)) {
            return match neighbours.knows(domain) {
                true => Self::Elsewhere(neighbours.towards(domain)),
                // the home IM server of our own users may know a way
                false if !serves => at(Role::Participating).map_or(Self::Nowhere, Self::Elsewhere),
                false => Self::Nowhere,
            };
        }
        let keeps = neighbours.plays(Role::Deferred);
        match (serves, keeps) {
            (true, true) => Self::Here,
            (true, false) => at(Role::Deferred).map_or(Self::Nowhere, Self::Divided),
            (false, _) => at(Role::Participating).map_or(Self::Nowhere, Self::Elsewhere),
        }
    }

    /// Whether another server takes over what is for the user: until then it waits in an outbox.
    pub fn needs_outbox(&self) -> bool {
        matches!(self, Self::Divided(_) | Self::Elsewhere(_))
    }
}

/// The server at `hop`, as if it were a device of `user`.
pub fn through(user: &Address, hop: &Hop) -> Option<Binding> {
    Some(Binding {
        contact: Uri::parse(user.as_str()).ok()?,
        params: Params::default(),
        expires_at: Timestamp::from_millis(u64::MAX),
        call_id: String::new(),
        cseq: 0,
        path: hop.route().into_iter().collect(),
        source: Peer::udp(([0, 0, 0, 0], 0).into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbours::Config;

    fn home(roles: &[Role], user: &str) -> Home {
        let hop = |uri| Some(Hop::parse(uri).unwrap());
        let config = Config {
            participating: hop("sip:192.0.2.2"),
            deferred: hop("sip:192.0.2.3"),
            domains: [("b.example".to_owned(), Hop::parse("sip:192.0.2.9").unwrap())].into(),
            ..Config::default()
        };
        let user = Address::parse(user).unwrap();
        let domains = ["a.example".to_owned()];
        Home::of(&user, &domains, &Neighbours::new(roles, &config))
    }

    fn at(uri: &str) -> Hop {
        Hop::parse(uri).unwrap()
    }

    #[test]
    fn subscriber_is_at_home_where_devices_and_mailbox_are() {
        let alice = "sip:alice@a.example";
        assert_eq!(home(&Role::ALL, alice), Home::Here);
        let divided = home(&[Role::Participating, Role::Controlling], alice);
        assert_eq!(divided, Home::Divided(at("sip:192.0.2.3")));
        let alone = home(&[Role::Controlling], alice);
        assert_eq!(alone, Home::Elsewhere(at("sip:192.0.2.2")));
        let keeper = home(&[Role::Controlling, Role::Deferred], alice);
        assert!(keeper.needs_outbox() && keeper == Home::Elsewhere(at("sip:192.0.2.2")));
    }

    #[test]
    fn user_of_another_domain_is_at_home_where_its_way_leads() {
        let known = home(&Role::ALL, "sip:bob@b.example");
        assert_eq!(known, Home::Elsewhere(at("sip:192.0.2.9")));
        let unknown = home(&Role::ALL, "sip:carol@c.example");
        assert!(!unknown.needs_outbox() && unknown == Home::Nowhere);
        let keeper = home(&[Role::Deferred], "sip:carol@c.example");
        assert_eq!(keeper, Home::Elsewhere(at("sip:192.0.2.2")));
        assert_eq!(home(&Role::ALL, "tel:+4930"), Home::Here);
    }

    #[test]
    fn server_is_called_like_a_device_by_a_route() {
        let bob = Address::parse("sip:bob@b.example").unwrap();
        let binding = through(&bob, &at("sip:192.0.2.9")).unwrap();
        assert_eq!(binding.contact.to_string(), "sip:bob@b.example");
        assert_eq!(binding.path, ["<sip:192.0.2.9;lr>"]);
    }
}
