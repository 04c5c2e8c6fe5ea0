use crate::{
    content::cpim::CpimBuilder,
    deferred::Envelope,
    identity::outbox,
    profile::mime::{self, is_accepted},
};
use bytes::Bytes;

/// How a waiting message travels to its reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapping {
    /// Content-Type on the wire.
    pub content_type: String,
    /// Octets that go before the kept content.
    pub prefix: Bytes,
}

/// Chooses the wrapping of `envelope` for a reader that accepts `accept_types`.
///
/// What came in CPIM goes out as it came, to the octet. Anything else gets a CPIM header that
/// tells its sender, date and id, where the reader takes CPIM; `None` where the reader takes
/// neither CPIM nor the type itself.
/// Source: RFC 3862; RFC 5438 §6.3 (imdn.Message-ID).
pub fn wrap(envelope: &Envelope, accept_types: &[String]) -> Option<Wrapping> {
    let facts = &envelope.facts;
    let cpim = is_accepted(accept_types, mime::CPIM);
    if mime::is(&facts.content_type, mime::CPIM) || !cpim {
        let taken = is_accepted(accept_types, &facts.content_type);
        return taken.then(|| Wrapping {
            content_type: facts.content_type.clone(),
            prefix: Bytes::new(),
        });
    }
    let to = match &facts.group {
        Some(group) => group.clone(),
        None => outbox::reader(&facts.recipient),
    };
    let mut header = CpimBuilder::new()
        .from(facts.sender.as_str())
        .to(to.as_str())
        .date_time(&facts.date.to_rfc3339());
    if let Some(subject) = &facts.subject {
        header = header.subject(subject);
    }
    let header = header.message_id(&facts.message_id);
    Some(Wrapping {
        content_type: mime::CPIM.to_owned(),
        prefix: header.head(&facts.content_type, Some(facts.size)),
    })
}
