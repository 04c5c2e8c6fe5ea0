//! Who stands around this node: the functions it plays itself, where the others are played, which
//! way leads to a foreign domain, and whose word counts for who sends a request.
//!
//! Everything here is a function of the configuration. Sources: RFC 3325 (trust domains), RFC 3263
//! for what no route is written down for.
mod config;
mod hop;
mod role;

pub use config::Config;
pub use hop::{Hop, NotAHop};
pub use role::Role;

use std::net::IpAddr;

/// The functions that this node plays, and its neighbours.
#[derive(Clone, Debug)]
pub struct Neighbours {
    roles: Vec<Role>,
    config: Config,
}

impl Neighbours {
    /// A node that plays `roles` among the neighbours of `config`.
    pub fn new(roles: &[Role], config: &Config) -> Self {
        Self {
            roles: roles.to_vec(),
            config: config.clone(),
        }
    }

    /// Whether this node plays `role`.
    pub fn plays(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether this node is a SIP core, and the home of its users is elsewhere: what they send and
    /// are sent goes by that home first.
    pub fn is_core_only(&self) -> bool {
        self.plays(Role::SipCore) && !self.plays(Role::Participating)
    }

    /// Whether the neighbour that plays `role` is at this address.
    pub fn is_at(&self, role: Role, address: IpAddr) -> bool {
        let known = self.at(role).and_then(Hop::address);
        known == Some(address.to_canonical())
    }

    /// Whether what a neighbour at this address asserts about a sender is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.config.trusted.iter().any(|net| net.contains(&address))
    }

    /// Where `role` is played for our own domains, if that is written down.
    pub fn at(&self, role: Role) -> Option<&Hop> {
        match role {
            Role::SipCore => self.config.core.as_ref(),
            Role::Participating => self.config.participating.as_ref(),
            Role::Controlling => self.config.controlling.as_ref(),
            Role::Deferred => self.config.deferred.as_ref(),
        }
    }

    /// The next hop towards a domain that is not ours: the one written down for it, else the
    /// outer core, else whatever the domain itself says.
    pub fn towards(&self, domain: &str) -> Hop {
        let domain = domain.to_ascii_lowercase();
        let known = self.config.domains.get(&domain);
        let known = known.or(self.config.core.as_ref());
        known.cloned().unwrap_or_else(Hop::by_domain)
    }

    /// Whether any way leads to this foreign domain.
    pub fn knows(&self, domain: &str) -> bool {
        let is_written = || {
            self.config
                .domains
                .contains_key(&domain.to_ascii_lowercase())
        };
        self.config.dns || self.config.core.is_some() || is_written()
    }

    /// The outer SIP core behind which the devices of our domains are, if there is one.
    pub fn core(&self) -> Option<&Hop> {
        self.config.core.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbours(text: &str) -> Neighbours {
        let config: Config = toml::from_str(text).unwrap();
        Neighbours::new(&[Role::Participating], &config)
    }

    #[test]
    fn foreign_domain_is_reached_as_written_down_then_by_the_core_then_by_its_name() {
        let domains = "[domains]\n\"b.example\" = \"sip:192.0.2.1;transport=tcp\"\n";
        let alone = neighbours(domains);
        let behind = neighbours(&format!("core = \"sip:core.example\"\n{domains}"));
        let route = |known: &Neighbours, domain| known.towards(domain).route();
        let written = Some("<sip:192.0.2.1;transport=tcp;lr>".to_owned());
        assert_eq!(route(&alone, "B.example"), written);
        assert_eq!(route(&behind, "b.example"), written);
        assert_eq!(route(&alone, "c.example"), None);
        let core = Some("<sip:core.example;lr>".to_owned());
        assert_eq!(route(&behind, "c.example"), core);
    }

    #[test]
    fn only_neighbours_in_a_trusted_network_are_believed() {
        let known = neighbours("trusted = [\"127.0.1.0/24\", \"192.0.2.7\"]");
        let trusts = |text: &str| known.trusts(text.parse().unwrap());
        assert!(trusts("127.0.1.200") && trusts("192.0.2.7") && trusts("::ffff:127.0.1.1"));
        assert!(!trusts("127.0.0.1") && !trusts("192.0.2.8") && !trusts("::1"));
    }

    #[test]
    fn node_plays_what_it_is_told_to_and_knows_who_plays_the_rest() {
        let known = neighbours("deferred = \"sip:c.example\"");
        assert!(known.plays(Role::Participating) && !known.plays(Role::Deferred));
        let deferred = known.at(Role::Deferred).and_then(Hop::route);
        assert_eq!(deferred.as_deref(), Some("<sip:c.example;lr>"));
        assert!(known.at(Role::Controlling).is_none());
    }
}
