use super::Correlate;
use crate::{
    sip::codec::{Limits, Message},
    telemetry::trace::{Record, Way},
};
use bytes::Bytes;
use hashbrown::HashMap;

/// Sessions whose calls are known; twice as many at most.
const SESSIONS: usize = 65_536;

/// What a captured message is known by. Learns from the descriptions in SIP messages which call a
/// session belongs to, and forgets those that were not heard of for longest.
pub(super) struct Correlations {
    by: Correlate,
    young: HashMap<String, String>,
    old: HashMap<String, String>,
}

impl Correlations {
    pub fn new(by: Correlate) -> Self {
        Self {
            by,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    /// What `record` is known by, if by anything.
    pub fn of(&mut self, record: &Record) -> Option<String> {
        match record.is_sip() {
            true => self.of_sip(&record.text),
            false => self.of_msrp(record),
        }
    }

    fn of_sip(&mut self, text: &str) -> Option<String> {
        let octets = Bytes::copy_from_slice(text.as_bytes());
        let message = Message::parse(octets, &Limits::default()).ok()?;
        let call_id = message.call_id().to_string();
        let body = std::str::from_utf8(message.body()).unwrap_or_default();
        for path in body.lines().filter_map(|line| line.strip_prefix("a=path:")) {
            for session in path.split_whitespace().filter_map(session_of) {
                self.learn(session, &call_id);
            }
        }
        Some(call_id)
    }

    fn of_msrp(&mut self, record: &Record) -> Option<String> {
        let field = |name: &str| field(&record.text, name);
        let session = |name| session_of(field(name)?.split(' ').next_back()?);
        let ends = [session("From-Path"), session("To-Path")];
        // ours is where a request is sent from, or received at
        let (own, far) = match record.way {
            Way::Sent => (ends[0], ends[1]),
            Way::Received => (ends[1], ends[0]),
        };
        match self.by {
            Correlate::Message => field("Message-ID").or(own).map(str::to_owned),
            Correlate::Session => own.or(far).map(str::to_owned),
            Correlate::Call => {
                let call = own.and_then(|id| self.call_of(id));
                let call = call.or_else(|| self.call_of(far?));
                call.or_else(|| own.map(str::to_owned))
            }
        }
    }

    fn learn(&mut self, session: &str, call_id: &str) {
        self.young.insert(session.to_owned(), call_id.to_owned());
        if self.young.len() >= SESSIONS {
            self.old = std::mem::take(&mut self.young);
        }
    }

    fn call_of(&self, session: &str) -> Option<String> {
        let known = self.young.get(session).or_else(|| self.old.get(session));
        known.cloned()
    }
}

/// The value of the header field `name`.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// `s1` of `msrp://host:2855/s1;tcp`.
fn session_of(uri: &str) -> Option<&str> {
    let (_, place) = uri.split_once("://")?;
    let (_, session) = place.split_once('/')?;
    session.split(';').next().filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:bob@b.example SIP/2.0\r\n\
        Via: SIP/2.0/TCP a.example;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
        From: <sip:alice@a.example>;tag=1\r\nTo: <sip:bob@b.example>\r\n\
        Call-ID: c1@a.example\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\
        Content-Length: 45\r\n\r\n\
        v=0\r\na=path:msrp://127.0.0.1:2855/s1;tcp\r\nb=x\r\n";
    const SEND: &str = "MSRP t1 SEND\r\nTo-Path: msrp://127.0.0.1:2855/s1;tcp\r\n\
        From-Path: msrp://127.0.0.2:9/s2;tcp\r\nMessage-ID: m1\r\n";

    fn record(protocol: &'static str, text: &str) -> Record {
        let peer = ([127, 0, 0, 2], 9).into();
        Record {
            protocol: protocol.into(),
            ..Record::new(Way::Received, peer, text.as_bytes())
        }
    }

    fn told(by: Correlate) -> [Option<String>; 3] {
        let mut known = Correlations::new(by);
        [("msrp", SEND), ("sip", INVITE), ("msrp", SEND)]
            .map(|(protocol, text)| known.of(&record(protocol, text)))
    }

    #[test]
    fn session_is_known_by_the_call_that_named_it() {
        let some = |text: &str| Some(text.to_owned());
        let call = some("c1@a.example");
        assert_eq!(
            told(Correlate::Call),
            [some("s1"), call.clone(), call.clone()]
        );
        assert_eq!(
            told(Correlate::Session),
            [some("s1"), call.clone(), some("s1")]
        );
        assert_eq!(told(Correlate::Message), [some("m1"), call, some("m1")]);
    }

    #[test]
    fn sessions_that_were_not_heard_of_for_long_are_forgotten() {
        let mut known = Correlations::new(Correlate::Call);
        known.learn("first", "c");
        for number in 0..2 * SESSIONS {
            known.learn(&number.to_string(), "c");
        }
        assert_eq!(known.call_of("first"), None);
        assert!(known.call_of(&(2 * SESSIONS - 1).to_string()).is_some());
        assert!(known.young.len() + known.old.len() <= 2 * SESSIONS);
    }

    #[test]
    fn what_cannot_be_read_is_known_by_nothing() {
        let mut known = Correlations::new(Correlate::Call);
        for (protocol, text) in [("sip", "\r\n\r\n"), ("msrp", "MSRP"), ("msrp", "")] {
            assert_eq!(known.of(&record(protocol, text)), None, "{text:?}");
        }
    }
}
