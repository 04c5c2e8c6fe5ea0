use crate::{
    clock::Timestamp,
    sip::{
        codec::{NameAddr, Params, Uri},
        transaction::{ConnectionId, Peer, Transport},
    },
    store::{Record, RecordError},
};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Where one device of a subscriber can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The device's own address, as it registered it.
    pub contact: Uri,
    /// Parameters of the Contact: feature tags, instance, `q`, but not `expires`.
    pub params: Params,
    /// When the binding ends.
    pub expires_at: Timestamp,
    /// Call-ID of the REGISTER that made or refreshed it.
    pub call_id: String,
    /// CSeq number of that REGISTER.
    pub cseq: u32,
    /// Proxies on the way to the device, from us outwards (RFC 3327).
    pub path: Vec<String>,
    /// Where the REGISTER came from. The stream does not survive a restart.
    pub source: Peer,
}

impl Binding {
    /// The device's wish to be tried before others, in thousandths.
    pub fn q(&self) -> u16 {
        let contact = NameAddr {
            params: self.params.clone(),
            ..NameAddr::new(self.contact.clone())
        };
        contact.quality()
    }

    /// The device's own name (RFC 5626 §4.1), without quotes.
    pub fn instance(&self) -> Option<String> {
        let instance = self.params.unquoted("+sip.instance");
        instance.map(|instance| instance.into_owned())
    }

    /// The number of the flow of a device with several (RFC 5626 §4.2).
    pub fn reg_id(&self) -> Option<&str> {
        self.params.get("reg-id")
    }

    /// Whether both are the same binding: the same flow of the same instance, or the same URI.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self.flow(), other.flow()) {
            (Some(flow), Some(others)) => flow == others,
            _ => self.contact.equivalent(&other.contact),
        }
    }

    /// Whether `other`, of a REGISTER that came at `now`, says just what made this one.
    pub(super) fn is_repeated_by(&self, other: &Self, now: Timestamp) -> bool {
        self.is_same(other)
            && (&self.call_id, self.cseq) == (&other.call_id, other.cseq)
            && (&self.params, &self.path) == (&other.params, &other.path)
            && other.expires_at > now
    }

    fn flow(&self) -> Option<(String, &str)> {
        Some((self.instance()?, self.reg_id()?))
    }

    /// The value of a Contact in the answer to a REGISTER.
    pub(super) fn to_contact(&self, now: Timestamp) -> String {
        let left = self.expires_at.since(now).as_millis().div_ceil(1000);
        let mut params = self.params.clone();
        params.set("expires", &left.to_string());
        format!("<{}>{params}", self.contact)
    }
}

/// All bindings of one subscriber, on disk.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct BindingsRecord(Vec<BindingRecord>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct BindingRecord {
    contact: String,
    params: String,
    expires_at: Timestamp,
    call_id: String,
    cseq: u32,
    path: Vec<String>,
    source: SocketAddr,
    transport: String,
    connection: Option<u64>,
    /// The run of the server in which `connection` means something.
    run: u64,
}

impl Record for BindingsRecord {
    const VERSION: u8 = 1;
}

impl BindingsRecord {
    pub(super) fn new(bindings: &[Binding], run: u64) -> Self {
        let record = |binding: &Binding| BindingRecord {
            contact: binding.contact.to_string(),
            params: binding.params.to_string(),
            expires_at: binding.expires_at,
            call_id: binding.call_id.clone(),
            cseq: binding.cseq,
            path: binding.path.clone(),
            source: binding.source.addr,
            transport: binding.source.transport.as_str().to_owned(),
            connection: binding.source.connection.map(|ConnectionId(id)| id),
            run,
        };
        Self(bindings.iter().map(record).collect())
    }

    /// The bindings; streams of another run than `run` are gone.
    pub(super) fn into_bindings(self, run: u64) -> Result<Vec<Binding>, RecordError> {
        let damaged = || RecordError::Empty { kind: "Binding" };
        let binding = |record: BindingRecord| {
            let connection = record.connection.filter(|_| record.run == run);
            Ok(Binding {
                contact: Uri::parse(&record.contact).map_err(|_| damaged())?,
                params: Params::parse(&record.params).map_err(|_| damaged())?,
                expires_at: record.expires_at,
                call_id: record.call_id,
                cseq: record.cseq,
                path: record.path,
                source: Peer {
                    addr: record.source,
                    transport: Transport::parse(&record.transport).ok_or_else(damaged)?,
                    connection: connection.map(ConnectionId),
                },
            })
        };
        self.0.into_iter().map(binding).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(text: &str) -> Binding {
        let contact = NameAddr::parse(text).unwrap();
        Binding {
            contact: contact.uri,
            params: contact.params,
            expires_at: Timestamp::from_millis(61_500),
            call_id: "call".to_owned(),
            cseq: 7,
            path: vec!["<sip:edge.example.com;lr>".to_owned()],
            source: Peer {
                connection: Some(ConnectionId(3)),
                ..Peer::tcp(([127, 0, 0, 1], 5060).into())
            },
        }
    }

    #[test]
    fn stored_binding_comes_back_but_its_stream_only_within_one_run() {
        let text = "<sip:bob@127.0.0.1:5070;transport=tcp>;q=0.5;+g.oma.sip-im";
        let binding = binding(text);
        let octets = BindingsRecord::new(std::slice::from_ref(&binding), 1).encode();
        let octets = octets.unwrap();
        let read = |run| {
            let record = BindingsRecord::decode(&octets).unwrap();
            record.into_bindings(run).unwrap().remove(0)
        };
        assert_eq!(read(1), binding);
        assert_eq!(read(2).source.connection, None);
        assert_eq!(read(2).contact, binding.contact);
    }

    #[test]
    fn contact_of_an_answer_carries_the_seconds_left_and_the_features() {
        let binding = binding("<sip:bob@127.0.0.1>;q=0.5;+g.oma.sip-im");
        assert_eq!(
            binding.to_contact(Timestamp::from_millis(1_000)),
            "<sip:bob@127.0.0.1>;q=0.5;+g.oma.sip-im;expires=61"
        );
    }

    #[test]
    fn device_that_moved_keeps_its_binding_by_instance_and_flow() {
        let flow = |host: &str, id: u32| {
            binding(&format!(
                "<sip:bob@{host}>;+sip.instance=\"<urn:uuid:1>\";reg-id={id}"
            ))
        };
        assert!(flow("10.0.0.1", 1).is_same(&flow("10.0.0.2", 1)));
        assert!(!flow("10.0.0.1", 1).is_same(&flow("10.0.0.1", 2)));
        assert!(!binding("<sip:bob@a>").is_same(&binding("<sip:bob@b>")));
        assert!(binding("<sip:bob@A>").is_same(&binding("<sip:bob@a>")));
    }
}
