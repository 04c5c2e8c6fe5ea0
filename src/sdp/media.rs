use super::{
    Chatroom, Direction, Fingerprint, Setup,
    path::{self, Hop},
};
use sdp_types::{Attribute, Connection, Media};

/// One `m=message` line over MSRP with all that stands under it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageMedia {
    /// Host name or address of the `c=` line, IPv6 without brackets.
    pub address: String,
    /// Port of the `m=` line; 0 rejects the media.
    pub port: u16,
    /// `TCP/TLS/MSRP` instead of `TCP/MSRP`.
    pub tls: bool,
    /// The MSRP URIs of `a=path`, separated by spaces, first hop first. Empty if absent.
    pub path: String,
    /// Types that may be the whole message.
    pub accept_types: Vec<String>,
    /// Types that may come inside a listed container only.
    pub accept_wrapped_types: Vec<String>,
    /// Largest message taken, in octets; a hint.
    pub max_size: Option<u64>,
    /// Who connects; absent with peers that do not know RFC 6135.
    pub setup: Option<Setup>,
    /// Which way messages may travel.
    pub direction: Direction,
    /// `a=fingerprint` of the TLS certificates that may be shown, of the media or else of the
    /// session. Those of unknown hash functions are left out.
    pub fingerprints: Vec<Fingerprint>,
    /// The address and port above are where to connect, whatever the path says (RFC 6714).
    pub cema: bool,
    /// What this side can do in a chat room, if it knows them (RFC 7701).
    pub chatroom: Option<Chatroom>,
    /// The `i=` line.
    pub title: Option<String>,
    /// All other attributes of the media, in their order.
    pub attributes: Vec<(String, Option<String>)>,
}

impl MessageMedia {
    /// The protocol of the `m=` line.
    pub fn protocol(&self) -> &'static str {
        match self.tls {
            true => "TCP/TLS/MSRP",
            false => "TCP/MSRP",
        }
    }

    /// Where to connect to reach this side: the path's first hop.
    ///
    /// Source: RFC 4975 §8.1, §8.3.
    pub fn first_hop(&self) -> Option<Hop> {
        path::first_hop(&self.path)
    }

    /// Where the `c=` and `m=` lines lead.
    pub fn lines_hop(&self) -> Hop {
        Hop {
            host: self.address.clone(),
            port: self.port,
            tls: self.tls,
        }
    }

    /// Whether relays stand before this side.
    ///
    /// Source: RFC 4976 §5.1.
    pub fn is_relayed(&self) -> bool {
        self.path.split_whitespace().nth(1).is_some()
    }

    /// Whether this side's certificate can be known by its fingerprint.
    pub fn is_protected(&self) -> bool {
        self.tls && self.fingerprints.iter().any(Fingerprint::is_strong)
    }

    /// Reads a media line; `None` if it is no MSRP message media.
    pub(super) fn read(media: &Media, session: &sdp_types::Session) -> Option<Self> {
        let tls = match media.proto.to_ascii_uppercase().as_str() {
            "TCP/MSRP" => false,
            "TCP/TLS/MSRP" => true,
            _ => return None,
        };
        media.media.eq_ignore_ascii_case("message").then_some(())?;
        let connection = media.connections.first().or(session.connection.as_ref());
        let mut read = Self {
            address: connection.map_or_else(String::new, host_of),
            port: media.port,
            tls,
            title: media.media_title.clone(),
            ..Self::default()
        };
        for attribute in &session.attributes {
            read.take_session_attribute(attribute);
        }
        let sessions = std::mem::take(&mut read.fingerprints);
        for attribute in &media.attributes {
            read.take(attribute);
        }
        if read.fingerprints.is_empty() {
            read.fingerprints = sessions;
        }
        Some(read)
    }

    fn take_session_attribute(&mut self, attribute: &Attribute) {
        let value = attribute.value.as_deref().unwrap_or_default();
        match attribute.attribute.as_str() {
            "setup" => self.setup = Setup::parse(value),
            "fingerprint" => self.fingerprints.extend(value.parse()),
            name => self.direction = Direction::parse(name).unwrap_or(self.direction),
        }
    }

    fn take(&mut self, attribute: &Attribute) {
        let value = attribute.value.as_deref().unwrap_or_default().trim();
        match attribute.attribute.as_str() {
            "path" => self.path = value.to_owned(),
            "accept-types" => self.accept_types = words(value),
            "accept-wrapped-types" => self.accept_wrapped_types = words(value),
            "max-size" => self.max_size = value.parse().ok(),
            "setup" => self.setup = Setup::parse(value),
            "fingerprint" => self.fingerprints.extend(value.parse()),
            "msrp-cema" => self.cema = true,
            "chatroom" => self.chatroom = Some(Chatroom::parse(value)),
            name => match Direction::parse(name) {
                Some(direction) => self.direction = direction,
                None => self
                    .attributes
                    .push((name.to_owned(), attribute.value.clone())),
            },
        }
    }

    /// Writes the media line and everything under it.
    pub(super) fn write(&self) -> Media {
        Media {
            media: "message".into(),
            port: self.port,
            num_ports: None,
            proto: self.protocol().into(),
            fmt: "*".into(),
            media_title: self.title.clone(),
            connections: vec![connection(&self.address)],
            bandwidths: Vec::new(),
            key: None,
            attributes: self.written_attributes(),
        }
    }

    fn written_attributes(&self) -> Vec<Attribute> {
        let mut out = Vec::new();
        let mut put = |name: &str, value: Option<String>| {
            out.push(Attribute {
                attribute: name.to_owned(),
                value,
            });
        };
        put("accept-types", Some(self.accept_types.join(" ")));
        if !self.accept_wrapped_types.is_empty() {
            put(
                "accept-wrapped-types",
                Some(self.accept_wrapped_types.join(" ")),
            );
        }
        if let Some(size) = self.max_size {
            put("max-size", Some(size.to_string()));
        }
        put("path", Some(self.path.clone()));
        if let Some(setup) = self.setup {
            put("setup", Some(setup.as_str().to_owned()));
        }
        if self.cema {
            put("msrp-cema", None);
        }
        if let Some(chatroom) = &self.chatroom {
            put("chatroom", chatroom.value());
        }
        for fingerprint in &self.fingerprints {
            put("fingerprint", Some(fingerprint.to_string()));
        }
        if self.direction != Direction::SendRecv {
            put(self.direction.as_str(), None);
        }
        for (name, value) in &self.attributes {
            put(name, value.clone());
        }
        out
    }
}

/// The `c=` line of an address or host name.
pub(super) fn connection(address: &str) -> Connection {
    Connection {
        nettype: sdp_types::NetType::In,
        addrtype: match address.contains(':') {
            true => sdp_types::AddrType::Ip6,
            false => sdp_types::AddrType::Ip4,
        },
        connection_address: address.to_owned(),
    }
}

fn host_of(connection: &Connection) -> String {
    let text = connection.connection_address.as_str();
    text.split('/').next().unwrap_or_default().to_owned()
}

fn words(value: &str) -> Vec<String> {
    value.split_whitespace().map(str::to_owned).collect()
}
