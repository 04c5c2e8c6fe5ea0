use crate::sip::codec::Message;

/// What identifies a dialog at this end (RFC 3261 §12).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DialogId {
    /// The Call-ID.
    pub call_id: Box<str>,
    /// Our tag: in To of what we receive as requests, in From of what we receive as responses.
    pub local_tag: Box<str>,
    /// The other end's tag; empty if it follows RFC 2543.
    pub remote_tag: Box<str>,
}

impl DialogId {
    /// The dialog a received message belongs to, or `None` if it carries no tag of ours.
    pub fn of_received(message: &Message) -> Option<Self> {
        let (from, to) = (message.from().ok()?, message.to().ok()?);
        let (local, remote) = match message.is_request() {
            true => (to.tag()?, from.tag().unwrap_or_default()),
            false => (from.tag()?, to.tag().unwrap_or_default()),
        };
        Some(Self {
            call_id: message.call_id().as_ref().into(),
            local_tag: local.into(),
            remote_tag: remote.into(),
        })
    }
}
