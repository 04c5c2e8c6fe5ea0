//! Envelopes as version 1 wrote them: without kind, dispositions, way back and group.
use super::{
    ContentId, Facts, Priority, State,
    record::{Body, EnvelopeRecord},
};
use crate::{clock::Timestamp, identity::Address, policy::Mode, store::RecordError};
use serde::Deserialize;

pub(super) const VERSION: u8 = 1;

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
struct Envelope {
    facts: Told,
    content: ContentId,
    stored_at: Timestamp,
    expires_at: Timestamp,
    _state: State,
    _epoch: u32,
    attempts: u32,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
struct Told {
    sender: Address,
    recipient: Address,
    message_id: String,
    content_type: String,
    date: Timestamp,
    size: u64,
    mode: Mode,
    expires: Option<Timestamp>,
    subject: Option<String>,
    conversation_id: Option<String>,
    contribution_id: Option<String>,
    in_reply_to: Option<String>,
    success_report: bool,
    priority: Priority,
}

/// Reads the body of a record of version 1.
pub(super) fn read(body: &[u8]) -> Result<EnvelopeRecord, RecordError> {
    let old: Envelope = postcard::from_bytes(body).map_err(|source| RecordError::Body {
        kind: std::any::type_name::<EnvelopeRecord>(),
        source,
    })?;
    Ok(EnvelopeRecord {
        facts: old.facts.into(),
        body: Body::Pieces(old.content),
        started: old.stored_at,
        stored_at: old.stored_at,
        expires_at: old.expires_at,
        attempts: old.attempts,
        // its steps were moved to its history when the store was taken over
        has_past: true,
    })
}

impl From<Told> for Facts {
    fn from(old: Told) -> Self {
        Self {
            content_type: old.content_type,
            date: old.date,
            size: old.size,
            mode: old.mode,
            expires: old.expires,
            subject: old.subject,
            conversation_id: old.conversation_id,
            contribution_id: old.contribution_id,
            in_reply_to: old.in_reply_to,
            success_report: old.success_report,
            priority: old.priority,
            ..Self::new(old.sender, old.recipient, old.message_id)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelope_of_version_1_is_read_with_nothing_asked_for() {
        let parse = |text| Address::parse(text).unwrap();
        let old = Envelope {
            facts: Told {
                sender: parse("sip:alice@example.com"),
                recipient: parse("sip:bob@example.com"),
                message_id: "m1".to_owned(),
                content_type: "text/plain".to_owned(),
                date: Timestamp::from_millis(5),
                size: 7,
                mode: Mode::Pager,
                expires: None,
                subject: Some("hello".to_owned()),
                conversation_id: None,
                contribution_id: None,
                in_reply_to: None,
                success_report: true,
                priority: Priority::High,
            },
            content: ContentId(9),
            stored_at: Timestamp::from_millis(6),
            expires_at: Timestamp::from_millis(8),
            _state: State::Offered,
            _epoch: 3,
            attempts: 1,
        };
        let octets = postcard::to_extend(&old, vec![VERSION]).unwrap();
        let read = EnvelopeRecord::decode(&octets.into()).unwrap();
        let facts = Facts {
            content_type: "text/plain".to_owned(),
            date: Timestamp::from_millis(5),
            size: 7,
            mode: Mode::Pager,
            subject: Some("hello".to_owned()),
            success_report: true,
            priority: Priority::High,
            ..Facts::new(old.facts.sender, old.facts.recipient, "m1")
        };
        assert_eq!(read.facts, facts);
        assert_eq!(
            (&read.body, read.attempts, read.expires_at.millis()),
            (&Body::Pieces(ContentId(9)), 1, 8)
        );
        let again = EnvelopeRecord::decode(&read.encode().unwrap()).unwrap();
        assert_eq!(again.facts, facts);
    }
}
