//! Who stands at the two ends of each record: servers by their names, devices by their users.
use super::wire::{ends, message, paths};
use crate::{
    identity::Address,
    sip::codec::{Message, Name},
    telemetry::trace::{Record, Way},
};
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    net::SocketAddr,
};

/// A record as an arrow: who says it, who hears it.
#[derive(Debug)]
pub(super) struct Said<'a> {
    pub record: &'a Record,
    pub from: String,
    pub to: String,
}

/// What is known of those around.
struct Around<'a> {
    /// Which servers wrote traces.
    nodes: BTreeSet<&'a str>,
    /// Where they listen.
    listening: HashMap<SocketAddr, &'a str>,
    /// Who is at the other end of a call, by server, Call-ID and address.
    callers: HashMap<(&'a str, String, SocketAddr), String>,
    /// Who made a session, by its URI.
    sessions: HashMap<String, String>,
}

/// The records as arrows, each once: what two servers tell of the same message is one.
pub(super) fn arrows(records: &[Record]) -> Vec<Said<'_>> {
    let mut around = Around::of(records);
    let heard = matched(records);
    let mut said = Vec::with_capacity(records.len());
    for (place, record) in records.iter().enumerate() {
        let other = match heard.get(&place) {
            // its sender told it already
            Some(None) => continue,
            Some(Some(hearer)) => (*hearer).to_owned(),
            None => around.other_end(record),
        };
        let (from, to) = match record.way {
            Way::Sent => (record.node.clone(), other),
            Way::Received => (other, record.node.clone()),
        };
        around.learn(record, &from);
        if from != to {
            said.push(Said { record, from, to });
        }
    }
    said
}

/// For each record that two servers tell: with who sent it, who heard it; with who heard it,
/// nothing.
fn matched(records: &[Record]) -> HashMap<usize, Option<&str>> {
    let mut sent: HashMap<&str, VecDeque<usize>> = HashMap::new();
    let mut heard = HashMap::new();
    for (place, record) in records.iter().enumerate() {
        match record.way {
            Way::Sent => sent.entry(&record.text).or_default().push_back(place),
            Way::Received => {
                let waiting = sent.entry(&record.text).or_default();
                let is_others = |at: &usize| records[*at].node != record.node;
                let Some(found) = waiting.iter().position(is_others) else {
                    continue;
                };
                if let Some(at) = waiting.remove(found) {
                    heard.insert(at, Some(record.node.as_str()));
                    heard.insert(place, None);
                }
            }
        }
    }
    heard
}

impl<'a> Around<'a> {
    fn of(records: &'a [Record]) -> Self {
        let locals = records.iter().filter_map(|record| {
            let local = record.local.filter(|local| !local.ip().is_unspecified());
            Some((local?, record.node.as_str()))
        });
        Self {
            nodes: records.iter().map(|record| record.node.as_str()).collect(),
            listening: locals.collect(),
            callers: HashMap::new(),
            sessions: HashMap::new(),
        }
    }

    /// Who is at the other end, where only this end tells of it.
    fn other_end(&mut self, record: &'a Record) -> String {
        if let Some(node) = self.listening.get(&record.peer) {
            return (*node).to_owned();
        }
        match record.is_sip() {
            true => self.caller(record),
            false => self.end_of_session(record),
        }
    }

    fn caller(&mut self, record: &'a Record) -> String {
        let at = record.peer.to_string();
        let Some(message) = message(record) else {
            return at;
        };
        let key = (
            record.node.as_str(),
            message.call_id().into_owned(),
            record.peer,
        );
        if let Some(known) = self.callers.get(&key) {
            return known.clone();
        }
        let user = user_at(&message, record).filter(|user| !self.nodes.contains(user.as_str()));
        let name = user.unwrap_or(at);
        self.callers.insert(key, name.clone());
        name
    }

    fn end_of_session(&self, record: &Record) -> String {
        let mut ends = ends(&record.text);
        let (from, to) = (ends.next(), ends.next());
        let far = match record.way {
            Way::Sent => to,
            Way::Received => from,
        };
        let known = far.and_then(|uri| self.sessions.get(uri));
        known.map_or_else(|| record.peer.to_string(), Clone::clone)
    }

    /// Takes note of whose session it is that a description names first.
    fn learn(&mut self, record: &Record, from: &str) {
        if record.is_sip() {
            for uri in paths(&record.text) {
                let known = self.sessions.entry(uri.to_owned());
                known.or_insert_with(|| from.to_owned());
            }
        }
    }
}

/// The user whose device the peer is; nobody where it is another server.
fn user_at(message: &Message, record: &Record) -> Option<String> {
    let uri = match (message.is_request(), record.way) {
        // who asks is its own device's user, unless others passed it on
        (true, Way::Received) if message.list(Name::Via).len() > 1 => return None,
        (true, Way::Received) | (false, Way::Sent) => message.value(Name::From)?,
        (true, Way::Sent) => {
            let host = record.peer.ip().to_string();
            if !message.uri_text().contains(&host) {
                return None;
            }
            message.value(Name::To)?
        }
        (false, Way::Received) => message.value(Name::To)?,
    };
    let address = Address::parse(&uri).ok()?;
    Some(address.user().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: ([u8; 4], u16) = ([127, 0, 0, 9], 40_001);
    const BOB: ([u8; 4], u16) = ([127, 0, 0, 9], 40_002);
    const PF: ([u8; 4], u16) = ([127, 0, 0, 1], 5060);
    const C: ([u8; 4], u16) = ([127, 0, 0, 2], 5060);

    fn sip(start: &str, from_to: (&str, &str), body: &str) -> String {
        let (from, to) = from_to;
        format!(
            "{start}\r\nVia: SIP/2.0/TCP x;branch=z9hG4bK1\r\nFrom: <sip:{from}@a.example>;tag=1\r\n\
             To: <sip:{to}@b.example>\r\nCall-ID: {from}\r\nCSeq: 1 INVITE\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    type Place = ([u8; 4], u16);

    fn record(node: (&str, Place), way: Way, peer: Place, text: &str) -> Record {
        let protocol = if text.starts_with("MSRP") {
            "msrp"
        } else {
            "sip"
        };
        Record {
            node: node.0.to_owned(),
            way,
            protocol: protocol.into(),
            transport: "TCP".into(),
            connection: None,
            local: Some(node.1.into()),
            peer: peer.into(),
            text: text.to_owned(),
            at: 0,
        }
    }

    fn told(records: &[Record]) -> Vec<String> {
        let arrow = |said: &Said<'_>| format!("{} → {}", said.from, said.to);
        arrows(records).iter().map(arrow).collect()
    }

    #[test]
    fn devices_are_their_users_and_servers_are_told_once() {
        let (pf, c) = (("PF-A", PF), ("C", C));
        let path = "a=path:msrp://127.0.0.9:7/a;tcp\r\n";
        let invite = sip("INVITE sip:bob@b.example SIP/2.0", ("alice", "bob"), path);
        let onward = sip("INVITE sip:bob@b.example;x SIP/2.0", ("alice", "bob"), "");
        let stored = sip("INVITE sip:bob@127.0.0.9:40002 SIP/2.0", ("c", "bob"), "");
        let ok = sip("SIP/2.0 200 OK", ("alice", "bob"), "");
        let send = "MSRP t SEND\r\nTo-Path: msrp://127.0.0.1:2855/s;tcp\r\n\
                    From-Path: msrp://127.0.0.9:7/a;tcp\r\n";
        let records = [
            record(pf, Way::Received, ALICE, &invite),
            record(pf, Way::Sent, C, &onward),
            record(c, Way::Received, ([127, 0, 0, 1], 33_333), &onward),
            record(pf, Way::Sent, ALICE, &ok),
            record(pf, Way::Received, ([127, 0, 0, 9], 7), send),
            record(c, Way::Sent, BOB, &stored),
        ];
        assert_eq!(
            told(&records),
            [
                "alice → PF-A",
                "PF-A → C",
                "PF-A → alice",
                "alice → PF-A",
                "C → bob"
            ]
        );
    }

    #[test]
    fn server_that_tells_nothing_is_known_by_its_address() {
        let pf = ("PF-A", PF);
        let onward = sip("INVITE sip:bob@b.example SIP/2.0", ("alice", "bob"), "");
        let passed = onward.replacen("Via:", "Via: SIP/2.0/TCP y;branch=z9hG4bK2\r\nVia:", 1);
        let records = [
            record(pf, Way::Sent, C, &onward),
            record(pf, Way::Received, C, &passed),
        ];
        assert_eq!(
            told(&records),
            ["PF-A → 127.0.0.2:5060", "127.0.0.2:5060 → PF-A"]
        );
    }
}
