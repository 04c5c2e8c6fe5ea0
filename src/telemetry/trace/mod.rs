//! The trace of the wire: every SIP message and every MSRP head that passes the sockets of this
//! process, for a file (one JSON object a line) and for a collector (see `hep`).
//!
//! What several nodes said to each other is read by putting their files together and sorting by
//! `at`: a message is recorded before it is written, and when it was read. Without `trace.file`
//! and `hep.collector` nothing is looked at. Each sink has a thread of its own; what it cannot
//! keep up with is left out and counted, never waited for.
mod config;
mod queue;
mod record;
mod writer;

pub use config::Config;
pub(super) use queue::{Queue, Sink};
pub use record::{Record, Way};

use super::hep;
use crate::{
    clock,
    msrp::actor::{Direction, Switchboard},
    sip::{self, codec::Message, transaction::Peer},
};
use std::{
    borrow::Cow,
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{Arc, OnceLock},
};

/// The open trace of this process. Clones write to the same sinks.
#[derive(Clone)]
pub struct Trace(Arc<Inner>);

struct Inner {
    /// Takes every record.
    file: Option<Queue>,
    /// Takes those of the protocols that are wanted there.
    collector: Option<(Queue, hep::Wanted)>,
    node: String,
    sip: OnceLock<SocketAddr>,
}

impl Trace {
    /// Opens the sinks that are wanted; `None` if there are none.
    ///
    /// Errors: the file cannot be opened, or a thread not started.
    pub fn open(config: &crate::config::Config) -> io::Result<Option<Self>> {
        let (trace, hep) = (&config.trace, &config.hep);
        let open =
            |file: &PathBuf| writer::start(file, trace.max_size.as_u64(), trace.queue.as_u64());
        let file = trace.file.as_ref().map(open).transpose()?;
        let collector = hep::start(hep, advertised(config))?;
        if file.is_none() && collector.is_none() {
            return Ok(None);
        }
        Ok(Some(Self(Arc::new(Inner {
            file,
            collector: collector.map(|queue| (queue, hep.wanted())),
            node: config.node_name(),
            sip: OnceLock::new(),
        }))))
    }

    /// Returns what records SIP.
    pub fn sip_tap(&self) -> sip::actor::Tap {
        let trace = self.0.clone();
        Arc::new(move |way, peer: &Peer, message: &Message| {
            let way = match way {
                sip::actor::Way::Received => Way::Received,
                sip::actor::Way::Sent => Way::Sent,
            };
            trace.record(Record {
                protocol: Cow::Borrowed("sip"),
                transport: Cow::Borrowed(peer.transport.as_str()),
                connection: peer.connection.map(|id| id.0),
                local: trace.sip.get().copied(),
                ..Record::new(way, peer.addr, message.octets())
            });
        })
    }

    /// Notes where SIP is listened to, once that is known.
    pub fn sip_is_at(&self, local: SocketAddr) {
        // set once, when the sockets are bound
        let _ = self.0.sip.set(local);
    }

    /// Records what passes `board`.
    pub fn watch(&self, board: &Switchboard, shard: usize) {
        let (trace, local) = (self.0.clone(), board.listen_addr());
        board.set_tap(move |seen| {
            let way = match seen.direction {
                Direction::Received => Way::Received,
                Direction::Sent => Way::Sent,
            };
            trace.record(Record {
                protocol: Cow::Borrowed("msrp"),
                transport: Cow::Borrowed("TCP"),
                connection: Some((shard as u64) << 48 | seen.connection),
                local: Some(local),
                ..Record::new(way, seen.peer, head_of(seen.head))
            });
        });
    }
}

impl Inner {
    fn record(&self, mut record: Record) {
        record.at = clock::system_micros();
        record.node.clone_from(&self.node);
        let record = Arc::new(record);
        if let Some((collector, wanted)) = &self.collector
            && wanted.takes(&record)
        {
            collector.push(record.clone());
        }
        if let Some(file) = &self.file {
            file.push(record);
        }
    }
}

/// The address that stands for us where we listen on all of them.
fn advertised(config: &crate::config::Config) -> Option<IpAddr> {
    config.sip.advertise.as_ref()?.parse().ok()
}

/// Start line and header fields alone: without the blank line before a body and without the
/// end-line, so that a head looks the same at both ends.
fn head_of(text: &[u8]) -> &[u8] {
    let end = memchr::memmem::find(text, b"\r\n\r\n")
        .or_else(|| memchr::memmem::find(text, b"\r\n-------"));
    end.map_or(text, |end| &text[..end + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_ends_before_its_body_or_end_line() {
        for text in [
            &b"MSRP a SEND\r\nTo-Path: x\r\n"[..],
            b"MSRP a SEND\r\nTo-Path: x\r\n\r\n",
            b"MSRP a SEND\r\nTo-Path: x\r\n-------a$\r\n",
        ] {
            assert_eq!(head_of(text), b"MSRP a SEND\r\nTo-Path: x\r\n");
        }
    }

    #[test]
    fn nothing_is_opened_where_no_sink_is_named() {
        let config = crate::config::Config::default();
        assert!(Trace::open(&config).unwrap().is_none());
    }
}
