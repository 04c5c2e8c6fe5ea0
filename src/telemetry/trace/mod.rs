//! The trace of the wire: every SIP message and every MSRP head that passes the sockets of this
//! process, one JSON object a line.
//!
//! What several nodes said to each other is read by putting their files together and sorting by
//! `at`: a message is recorded before it is written, and when it was read. Without `trace.file`
//! nothing is looked at. A thread of its own writes; what it cannot keep up with is left out and
//! counted, never waited for.
mod config;
mod record;
mod writer;

pub use config::Config;
pub use record::{Record, Way};

use crate::{
    clock,
    msrp::actor::{Direction, Switchboard},
    sip::{self, codec::Message, transaction::Peer},
};
use std::{
    borrow::Cow,
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};
use writer::Writer;

/// The open trace of this process. Clones write to the same file.
#[derive(Clone)]
pub struct Trace(Arc<Inner>);

struct Inner {
    writer: Writer,
    node: String,
    sip: OnceLock<SocketAddr>,
}

impl Trace {
    /// Opens the trace, if one is wanted. `listen` names the node where its configuration has no
    /// name for it.
    ///
    /// Errors: the file cannot be opened.
    pub fn open(config: &Config, listen: SocketAddr) -> io::Result<Option<Self>> {
        let Some(file) = &config.file else {
            return Ok(None);
        };
        let node = match config.node.is_empty() {
            true => listen.to_string(),
            false => config.node.clone(),
        };
        let writer = Writer::start(file, config.max_size.as_u64())?;
        Ok(Some(Self(Arc::new(Inner {
            writer,
            node,
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
        self.writer.write(record);
    }
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
    fn nothing_is_opened_where_no_file_is_named() {
        let listen = ([127, 0, 0, 1], 5060).into();
        assert!(Trace::open(&Config::default(), listen).unwrap().is_none());
    }
}
