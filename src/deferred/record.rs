use super::{Envelope, Facts, State, content::ContentId, envelope_v1, keys};
use crate::{
    clock::Timestamp,
    store::{Record, RecordError, StoreError},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, sync::Arc};

/// Largest content that stands with its envelope: one entry of the store instead of two, and a
/// page of a mailbox brings it along. What is larger is stored in pieces.
pub(super) const INLINE: u64 = 4 * 1024;

/// Largest content that every recipient of a group gets a copy of; what is larger is shared.
pub(super) const COPIED: u64 = 512;

/// Where the octets of a message are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// With the envelope.
    Inline(Bytes),
    /// In pieces of its own.
    Pieces(ContentId),
    /// In pieces that it shares with the same message to others.
    Shared(ContentId),
}

/// An envelope on disk: a header, and behind it the content where it is small. Where a message
/// stands in a run of the server is not written: whatever was under way waits again after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EnvelopeRecord {
    pub(super) facts: Facts,
    pub(super) body: Body,
    pub(super) started: Timestamp,
    pub(super) stored_at: Timestamp,
    pub(super) expires_at: Timestamp,
    /// How often a transfer of it broke.
    pub(super) attempts: u32,
    /// Its history holds steps already.
    pub(super) has_past: bool,
}

const KIND: &str = "EnvelopeRecord";

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    facts: Cow<'a, Facts>,
    place: Place,
    started: Timestamp,
    stored_at: Timestamp,
    expires_at: Timestamp,
    attempts: u32,
    has_past: bool,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Place {
    Inline,
    Pieces(ContentId),
    Shared(ContentId),
}

impl EnvelopeRecord {
    pub(super) const VERSION: u8 = 2;

    pub(super) fn encode(&self) -> Result<Bytes, RecordError> {
        let (place, content) = match &self.body {
            Body::Inline(content) => (Place::Inline, content.as_ref()),
            Body::Pieces(id) => (Place::Pieces(*id), &[][..]),
            Body::Shared(id) => (Place::Shared(*id), &[][..]),
        };
        let mut octets = Vec::with_capacity(256 + content.len());
        octets.push(Self::VERSION);
        let header = Header {
            facts: Cow::Borrowed(&self.facts),
            place,
            started: self.started,
            stored_at: self.stored_at,
            expires_at: self.expires_at,
            attempts: self.attempts,
            has_past: self.has_past,
        };
        let mut octets = postcard::to_extend(&header, octets)
            .map_err(|source| RecordError::Body { kind: KIND, source })?;
        octets.extend_from_slice(content);
        Ok(octets.into())
    }

    /// Reads what `encode` of this or an older release wrote. The content is not copied.
    pub(super) fn decode(octets: &Bytes) -> Result<Self, RecordError> {
        let Some((&version, rest)) = octets.split_first() else {
            return Err(RecordError::Empty { kind: KIND });
        };
        match version {
            Self::VERSION => {
                let (header, content) = postcard::take_from_bytes::<Header>(rest)
                    .map_err(|source| RecordError::Body { kind: KIND, source })?;
                let content = octets.slice_ref(content);
                Ok(header.with(content))
            }
            envelope_v1::VERSION => envelope_v1::read(rest),
            _ => Err(RecordError::Version {
                kind: KIND,
                version,
            }),
        }
    }

    /// The message at `key`, as it stands in this run.
    pub(super) fn read(
        key: &[u8],
        octets: &Bytes,
        standing: impl FnOnce(&Facts, u64) -> Option<(State, u32)>,
    ) -> Result<Envelope, StoreError> {
        let record = Self::decode(octets)?;
        let sequence = keys::sequence_of(key).unwrap_or_default();
        let standing = standing(&record.facts, sequence);
        Ok(record.into_envelope(sequence, standing))
    }

    pub(super) fn into_envelope(self, sequence: u64, standing: Option<(State, u32)>) -> Envelope {
        let (state, attempts) = standing.unwrap_or((State::Stored, self.attempts));
        Envelope {
            facts: Arc::new(self.facts),
            sequence,
            stored_at: self.stored_at,
            expires_at: self.expires_at,
            state,
            attempts: attempts.max(self.attempts),
            body: self.body,
            started: self.started,
            has_past: self.has_past,
        }
    }
}

impl Header<'_> {
    fn with(self, content: Bytes) -> EnvelopeRecord {
        EnvelopeRecord {
            facts: self.facts.into_owned(),
            body: match self.place {
                Place::Inline => Body::Inline(content),
                Place::Pieces(id) => Body::Pieces(id),
                Place::Shared(id) => Body::Shared(id),
            },
            started: self.started,
            stored_at: self.stored_at,
            expires_at: self.expires_at,
            attempts: self.attempts,
            has_past: self.has_past,
        }
    }
}

/// How many recipients share a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sharers(pub(super) u32);

impl Record for Sharers {
    const VERSION: u8 = 1;
}
