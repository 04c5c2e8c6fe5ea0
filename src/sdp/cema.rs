//! Which address a connection is made to where middleboxes may stand between (RFC 6714).
use super::{MessageMedia, Role, path, path::Hop};
use std::net::IpAddr;

/// Where the side that connects finds the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// At the first URI of `a=path`, as in RFC 4975.
    Path,
    /// At the `c=` and `m=` lines, which a middlebox may have changed.
    Lines,
    /// At the path, though something stands between that the peer knows nothing of: a new offer
    /// without `a=msrp-cema` might bring the middlebox to help.
    OfferAgain,
}

/// Addresses of host names that were looked up.
#[derive(Clone, Debug, Default)]
pub struct Names(Vec<(String, IpAddr)>);

impl Names {
    /// Notes one address of `name`.
    pub fn add(&mut self, name: &str, address: IpAddr) {
        self.0.push((name.to_ascii_lowercase(), address));
    }

    fn of(&self, host: &str) -> Vec<IpAddr> {
        if let Ok(literal) = host.parse() {
            return vec![literal];
        }
        let name = host.to_ascii_lowercase();
        let known = self.0.iter().filter(|(known, _)| *known == name);
        known.map(|(_, address)| *address).collect()
    }

    /// Whether two hosts are one: by their names, or by an address they share.
    fn same(&self, one: &str, other: &str) -> bool {
        let others = self.of(other);
        one.eq_ignore_ascii_case(other)
            || self.of(one).iter().any(|address| others.contains(address))
    }
}

/// Whether the `c=` and `m=` lines lead to one of the URIs of the path: if not, something that
/// knows no MSRP has changed them. A description without `c=` line says nothing else.
///
/// Source: RFC 6714 §4.4.
pub fn lines_match(media: &MessageMedia, names: &Names) -> bool {
    let lines = media.lines_hop();
    let is_here = |hop: &Hop| hop.port == lines.port && names.same(&hop.host, &lines.host);
    lines.host.is_empty() || path::hops(&media.path).any(|hop| is_here(&hop))
}

impl FromIterator<(String, IpAddr)> for Names {
    fn from_iter<I: IntoIterator<Item = (String, IpAddr)>>(known: I) -> Self {
        let mut names = Self::default();
        for (name, address) in known {
            names.add(&name, address);
        }
        names
    }
}

/// The host names whose addresses [`lines_match`] has to know of; none where the texts agree.
pub fn unknown_names(media: &MessageMedia) -> Vec<String> {
    if lines_match(media, &Names::default()) {
        return Vec::new();
    }
    let hosts = path::hops(&media.path).map(|hop| hop.host);
    let hosts = hosts.chain([media.address.clone()]);
    hosts
        .filter(|host| host.parse::<IpAddr>().is_err())
        .collect()
}

/// What both sides say of themselves, as far as the address depends on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sides {
    /// Whether this side says `a=msrp-cema`.
    pub ours: bool,
    /// Whether the peer does.
    pub theirs: bool,
    /// Whether relays stand before this side.
    pub we_relay: bool,
    /// Whether relays stand before the peer.
    pub they_relay: bool,
    /// Whether the peer's lines lead where its path leads.
    pub is_match: bool,
    /// Whether the peer is known by its certificate, wherever the connection leads.
    pub is_protected: bool,
}

impl Sides {
    pub fn of(local: &MessageMedia, remote: &MessageMedia, names: &Names) -> Self {
        Self {
            ours: local.cema,
            theirs: remote.cema,
            we_relay: local.is_relayed(),
            they_relay: remote.is_relayed(),
            is_match: lines_match(remote, names),
            is_protected: local.tls && remote.is_protected(),
        }
    }

    /// Whether the answer carries the attribute. If so, and if the answerer connects, it connects
    /// to the lines.
    ///
    /// Without fingerprints nobody could tell a middlebox from an impostor, so lines that lead
    /// elsewhere are not followed then.
    /// Source: RFC 6714 §4.3.
    pub fn answers(self, role: Role) -> bool {
        let falls_back = match role {
            Role::Listen => self.they_relay,
            Role::Connect => self.we_relay,
        };
        let is_safe = self.is_match || self.is_protected;
        self.ours && self.theirs && !falls_back && is_safe
    }

    /// Where the offerer finds the answerer.
    ///
    /// Source: RFC 6714 §4.2.
    pub fn concludes(self, role: Role) -> Anchor {
        let is_between = !self.theirs && !self.is_match;
        let falls_back = role == Role::Listen || self.we_relay || self.they_relay;
        match (self.ours, self.is_match || self.is_protected) {
            (true, _) if is_between && falls_back => Anchor::OfferAgain,
            (true, true) if role == Role::Connect && (self.theirs || !self.they_relay) => {
                Anchor::Lines
            }
            _ => Anchor::Path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Role::{Connect, Listen};

    fn media(address: &str, port: u16, path: &str) -> MessageMedia {
        MessageMedia {
            address: address.into(),
            port,
            path: path.into(),
            ..MessageMedia::default()
        }
    }

    #[test]
    fn lines_are_compared_with_every_uri_of_the_path() {
        let relayed = "msrp://relay.example.com:9/r;tcp msrp://[2001:DB8::1]:7/b;tcp";
        let mut names = Names::default();
        names.add("Relay.example.com", [192, 0, 2, 1].into());
        for (address, port, expected) in [
            ("RELAY.example.com", 9, true),
            ("192.0.2.1", 9, true),
            ("192.0.2.1", 7, false),
            ("192.0.2.2", 9, false),
            ("2001:db8:0::1", 7, true),
            ("2001:db8::2", 7, false),
            ("", 5, true),
        ] {
            let media = media(address, port, relayed);
            assert_eq!(lines_match(&media, &names), expected, "{address} {port}");
        }
    }

    #[test]
    fn names_are_looked_up_where_the_texts_do_not_agree() {
        let path = "msrp://b.example.com:7/b;tcp";
        assert!(unknown_names(&media("b.example.com", 7, path)).is_empty());
        assert_eq!(
            unknown_names(&media("192.0.2.1", 7, path)),
            ["b.example.com"]
        );
        let lines = media("box.example.com", 7, "msrp://192.0.2.1:7/b;tcp");
        assert_eq!(unknown_names(&lines), ["box.example.com"]);
    }

    /// Reads `ours theirs we_relay they_relay match protected` from letters.
    fn sides(text: &str) -> Sides {
        let has = |letter| text.contains(letter);
        Sides {
            ours: has('o'),
            theirs: has('t'),
            we_relay: has('w'),
            they_relay: has('y'),
            is_match: has('m'),
            is_protected: has('p'),
        }
    }

    #[test]
    fn answerer_holds_the_rules_of_rfc6714_section_4_3() {
        for (text, role, answers) in [
            ("otm", Listen, true),
            ("otm", Connect, true),
            // a middlebox: only where the certificate proves who is behind it
            ("ot", Connect, false),
            ("otp", Connect, true),
            ("otp", Listen, true),
            // one of both does not know the attribute
            ("om", Connect, false),
            ("tm", Connect, false),
            // 1: both use relays
            ("otwym", Connect, false),
            ("otwym", Listen, false),
            // 2: the offerer uses one and connects
            ("otym", Listen, false),
            ("otym", Connect, true),
            // 3: the answerer uses one and has to connect
            ("otwm", Connect, false),
            ("otwm", Listen, true),
        ] {
            assert_eq!(sides(text).answers(role), answers, "{text} {role:?}");
        }
    }

    #[test]
    fn offerer_holds_the_rules_of_rfc6714_section_4_2() {
        for (text, role, anchor) in [
            ("otm", Connect, Anchor::Lines),
            ("otp", Connect, Anchor::Lines),
            ("ot", Connect, Anchor::Path),
            ("otm", Listen, Anchor::Path),
            ("oty", Connect, Anchor::Path),
            ("otyp", Connect, Anchor::Lines),
            // the peer does not know the attribute, and something stands between
            ("o", Listen, Anchor::OfferAgain),
            ("ow", Connect, Anchor::OfferAgain),
            ("oy", Connect, Anchor::OfferAgain),
            ("op", Connect, Anchor::Lines),
            ("o", Connect, Anchor::Path),
            // nothing stands between: the relay is where the lines lead
            ("om", Listen, Anchor::Path),
            ("oym", Connect, Anchor::Path),
            ("om", Connect, Anchor::Lines),
            // never offered
            ("tm", Connect, Anchor::Path),
            ("tp", Connect, Anchor::Path),
        ] {
            assert_eq!(sides(text).concludes(role), anchor, "{text} {role:?}");
        }
    }
}
