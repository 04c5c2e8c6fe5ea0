//! What the servers of a network said to each other and to the devices, put together from their
//! traces: the SIP dialogs, the MSRP channels, and the ladder.
pub mod dialog;
mod label;

use bytes::Bytes;
use label::{msrp_label, name_answers, sip_label};
use restante::{
    content::multipart,
    profile::mime,
    sdp::{self, MessageMedia},
    sip::codec::{Limits, Message, Method, Name},
    telemetry::trace::{Record, Way},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
};

/// Everything that was said, in its order. Its text is the ladder.
pub struct Capture {
    pub events: Vec<Event>,
}

/// One message from one pole of the ladder to another.
#[derive(Clone)]
pub struct Event {
    /// Microseconds since 1970.
    pub at: u64,
    pub from: String,
    pub to: String,
    pub what: What,
    /// Node and number of the stream.
    pub connection: Option<(String, u64)>,
    /// `INVITE`, `200 INVITE`, `SEND`, `200 SEND`, `REPORT`.
    pub label: String,
}

#[derive(Clone)]
pub enum What {
    Sip(Message),
    /// Start line and header fields.
    Msrp(String),
}

/// One MSRP session between two ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Who offered it, who answered.
    pub ends: [String; 2],
    /// Their session URIs.
    pub uris: [String; 2],
}

impl Capture {
    /// Puts records together. What one of `nodes` sends to another one is taken from who sent it.
    pub fn of(
        records: Vec<Record>,
        names: BTreeMap<IpAddr, String>,
        nodes: BTreeSet<String>,
    ) -> Self {
        let name = |ip: IpAddr| names.get(&ip).cloned().unwrap_or_else(|| ip.to_string());
        let mut events: Vec<Event> = records
            .into_iter()
            .filter_map(|record| Event::of(record, &name, &nodes))
            .collect();
        events.sort_by_key(|event| event.at);
        name_answers(&mut events);
        Self { events }
    }

    /// Whether one line of the ladder is `line`: `PF-A → PF-B: 200 INVITE`.
    pub fn says(&self, line: &str) -> bool {
        self.count(line) > 0
    }

    /// How often `line` stands in the ladder.
    pub fn count(&self, line: &str) -> usize {
        let same = |event: &&Event| event.to_string() == line;
        self.events.iter().filter(same).count()
    }

    /// Whether a call to `node` was ended, and the end confirmed.
    pub fn ends_at(&self, node: &str) -> bool {
        let is_end = |event: &Event| event.from == node && event.label == "200 BYE";
        self.events.iter().any(is_end)
    }

    /// Fails unless `lines` stand in the ladder in this order, whatever stands between them.
    pub fn assert_order(&self, lines: &[&str]) {
        let mut rest = self.events.iter();
        for line in lines {
            let found = rest.any(|event| event.to_string() == *line);
            assert!(found, "`{line}` does not follow in its place:\n{self}");
        }
    }

    /// The SIP messages from `from` to `to`.
    pub fn sip(&self, from: &str, to: &str) -> Vec<&Message> {
        let between = |event: &&Event| event.from == from && event.to == to;
        let events = self.events.iter().filter(between);
        events.filter_map(Event::sip).collect()
    }

    /// The requests with this method from `from` to `to`.
    pub fn requests(&self, method: &Method, from: &str, to: &str) -> Vec<&Message> {
        let mut messages = self.sip(from, to);
        messages.retain(|message| message.is_request() && message.is(method));
        messages
    }

    /// The MSRP heads from `from` to `to` with this label.
    pub fn heads(&self, label: &str, from: &str, to: &str) -> Vec<&str> {
        let wanted = |event: &&Event| event.from == from && event.to == to && event.label == label;
        let events = self.events.iter().filter(wanted);
        events.filter_map(Event::msrp).collect()
    }

    /// The channels that something went over: `alice = PF-A`, who offered it first.
    pub fn channels(&self) -> Vec<String> {
        let channels = self.sessions().into_iter();
        channels.map(|session| session.ends.join(" = ")).collect()
    }

    /// The MSRP sessions that something went over, in the order in which they were offered.
    pub fn sessions(&self) -> Vec<Channel> {
        let offers = self.offered();
        let place = |uri: &String| {
            offers
                .iter()
                .position(|offer| offer == uri)
                .unwrap_or(usize::MAX)
        };
        let mut sessions: Vec<Channel> = Vec::new();
        for event in &self.events {
            let Some((from, to)) = event.msrp().and_then(paths) else {
                continue;
            };
            let ours = (from.as_str(), to.as_str());
            let is_known = |known: &Channel| {
                let [a, b] = [known.uris[0].as_str(), known.uris[1].as_str()];
                ours == (a, b) || ours == (b, a)
            };
            if sessions.iter().any(is_known) {
                continue;
            }
            let (mut ends, mut uris) = ([event.from.clone(), event.to.clone()], [from, to]);
            if place(&uris[1]) < place(&uris[0]) {
                ends.reverse();
                uris.reverse();
            }
            sessions.push(Channel { ends, uris });
        }
        sessions.sort_by_key(|session| place(&session.uris[0]));
        sessions
    }

    /// How many streams carried MSRP between two nodes.
    pub fn msrp_streams(&self, one: &str, other: &str) -> usize {
        let between = |event: &&Event| {
            let ends = (event.from.as_str(), event.to.as_str());
            event.msrp().is_some() && (ends == (one, other) || ends == (other, one))
        };
        let of_one = |event: &Event| {
            let (node, number) = event.connection.clone()?;
            (node == one).then_some(number)
        };
        let events = self.events.iter().filter(between);
        events.filter_map(of_one).collect::<BTreeSet<_>>().len()
    }

    /// The session URIs of all offers, in their order.
    fn offered(&self) -> Vec<String> {
        let messages = self.events.iter().filter_map(Event::sip);
        let offers = messages.filter(|message| message.is_request() && message.is(&Method::Invite));
        offers
            .filter_map(media_of)
            .map(|media| media.path)
            .collect()
    }
}

impl Event {
    fn of(
        record: Record,
        name: &impl Fn(IpAddr) -> String,
        nodes: &BTreeSet<String>,
    ) -> Option<Self> {
        let connection = record
            .connection
            .map(|number| (record.node.clone(), number));
        let peer = name(record.peer.ip());
        let (from, to, what, label) = if record.protocol == "sip" {
            let octets = Bytes::from(record.text.into_bytes());
            let message = Message::parse(octets, &Limits::default()).expect("a SIP message");
            let label = sip_label(&message);
            let (from, to) = match record.way {
                Way::Sent => (record.node, peer),
                Way::Received => (peer, record.node),
            };
            (from, to, What::Sip(message), label)
        } else {
            // behind a relay or a second shard of ours the stream has other ends than the session
            let (from, to) = paths(&record.text)?;
            let (from, to) = (name(host(&from)?), name(host(&to)?));
            let label = msrp_label(&record.text);
            (from, to, What::Msrp(record.text), label)
        };
        let is_double = record.way == Way::Received && nodes.contains(&from);
        (!is_double).then_some(Self {
            at: record.at,
            from,
            to,
            what,
            connection,
            label,
        })
    }

    pub fn sip(&self) -> Option<&Message> {
        match &self.what {
            What::Sip(message) => Some(message),
            What::Msrp(_) => None,
        }
    }

    pub fn msrp(&self) -> Option<&str> {
        match &self.what {
            What::Sip(_) => None,
            What::Msrp(head) => Some(head),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}: {}", self.from, self.to, self.label)
    }
}

impl fmt::Display for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.events.first().map_or(0, |event| event.at);
        for event in &self.events {
            let millis = (event.at - first) as f64 / 1000.0;
            writeln!(f, "{millis:>10.3} ms  {event}")?;
        }
        Ok(())
    }
}

/// The body of a type: the whole one, or a part of it.
pub fn body_of(message: &Message, content_type: &str) -> Option<Bytes> {
    let whole = value(message, Name::ContentType);
    if mime::is(&whole, content_type) {
        return Some(message.body().clone());
    }
    let parts = multipart::parse(&whole, message.body()).ok()?;
    let mut parts = parts.into_iter();
    let part = parts.find(|part| mime::is(part.content_type(), content_type))?;
    Some(part.body)
}

/// The media for messages that a SIP message describes.
pub fn media_of(message: &Message) -> Option<MessageMedia> {
    let description = sdp::parse(&body_of(message, mime::SDP)?).ok()?;
    description.message_media().map(|(_, media)| media)
}

/// The value of a header field, as it stands there; empty if it is missing.
pub fn value(message: &Message, name: Name) -> String {
    message.value(name).unwrap_or_default().into_owned()
}

/// The value of an MSRP header field.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Where its body says that the sender of `message` is reached: the address of every place where
/// one can be named. One of them, unless the body is somebody else's.
pub fn media_addresses(message: &Message) -> BTreeSet<String> {
    let Some(media) = media_of(message) else {
        return BTreeSet::new();
    };
    let hops = [media.first_hop(), Some(media.lines_hop())];
    hops.into_iter().flatten().map(|hop| hop.host).collect()
}

/// The session URIs of who sent a head and who it is for.
fn paths(head: &str) -> Option<(String, String)> {
    let end = |name| Some(field(head, name)?.split(' ').next_back()?.to_owned());
    Some((end("From-Path")?, end("To-Path")?))
}

/// The address in `msrp://127.0.1.1:2855/id;tcp`.
fn host(uri: &str) -> Option<IpAddr> {
    let authority = uri.split_once("://")?.1.split('/').next()?;
    authority.rsplit_once(':')?.0.parse().ok()
}
