//! Whose request a response answers.
use super::{link::Link, nickname::Naming, relaying::Route};
use crate::msrp::{ByteRange, FailureReport, OutgoingId};
use bytes::Bytes;
use smallvec::SmallVec;
use std::{
    cell::Cell,
    rc::{Rc, Weak},
};

/// A SEND of a session of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transaction {
    /// The session, by the number its shard gave it.
    pub(super) session: u64,
    /// The chunk it belongs to.
    pub(super) outgoing: OutgoingId,
    /// What its sender wants to hear.
    pub(super) failure_report: FailureReport,
}

/// Whose request it was.
pub(super) enum Whose {
    /// A session's.
    Session(Transaction),
    /// A NICKNAME of a session of ours.
    Naming(Naming),
    /// A SEND that was relayed.
    Relayed(Relayed),
    /// Another request that was relayed, whose response goes back to where it came from.
    Asked(Asked),
}

/// A relayed SEND: what a REPORT about it must say.
pub(super) struct Relayed {
    pub(super) route: Rc<Route>,
    /// Message-ID, then the value of Byte-Range: one piece of memory for both, mostly inline.
    about: SmallVec<[u8; 56]>,
    message_id: u16,
    octets: Octets,
}

/// How many octets of content a relayed SEND has.
pub(super) enum Octets {
    Known(usize),
    /// They are still coming.
    Counted(Rc<Cell<u64>>),
}

/// A relayed request other than SEND and REPORT.
pub(super) struct Asked {
    pub(super) from: Weak<Link>,
    pub(super) transaction_id: Bytes,
    /// How many URIs of its path were ours.
    pub(super) own: usize,
    /// It is an AUTH.
    pub(super) is_auth: bool,
    /// It is one that proves who asks: refused, it counts as a failure.
    pub(super) proves: bool,
}

impl Relayed {
    pub(super) fn new(
        route: Rc<Route>,
        message_id: &[u8],
        range: Option<&[u8]>,
        octets: Octets,
    ) -> Self {
        let range = range.unwrap_or_default();
        let mut about = SmallVec::with_capacity(message_id.len() + range.len());
        about.extend_from_slice(message_id);
        about.extend_from_slice(range);
        Self {
            route,
            about,
            // a head is shorter than 65 536 octets
            message_id: u16::try_from(message_id.len()).unwrap_or(u16::MAX),
            octets,
        }
    }

    pub(super) fn message_id(&self) -> &[u8] {
        &self.about[..self.message_id.into()]
    }

    /// Returns the value of Byte-Range for a REPORT: an open end is replaced by the octet that
    /// was last.
    pub(super) fn range(&self) -> Option<String> {
        let text = std::str::from_utf8(&self.about[self.message_id.into()..]).ok()?;
        let mut range = ByteRange::parse(text).ok()?;
        let octets = match &self.octets {
            Octets::Known(octets) => *octets as u64,
            Octets::Counted(octets) => octets.get(),
        };
        if range.last.is_none() {
            range = ByteRange::after(range.offset(), Some(range.offset() + octets), range.total);
        }
        Some(range.to_string())
    }
}
