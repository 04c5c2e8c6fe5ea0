//! MIME types of bodies.

/// CPIM wrapper (RFC 3862).
pub const CPIM: &str = "message/cpim";
/// Disposition notification (RFC 5438).
pub const IMDN: &str = "message/imdn+xml";
/// Typing indication (RFC 3994).
pub const IS_COMPOSING: &str = "application/im-iscomposing+xml";
/// Session description (RFC 8866).
pub const SDP: &str = "application/sdp";
/// Message waiting indication (RFC 3842).
pub const MESSAGE_SUMMARY: &str = "application/simple-message-summary";
/// List of deferred messages (OMA SIMPLE IM).
pub const DEFERRED_LIST: &str = "application/vnd.oma.im.deferred-list+xml";
/// List of history objects (OMA SIMPLE IM).
pub const HISTORY_LIST: &str = "application/vnd.oma.im.history-list+xml";
/// Who is in a conference (RFC 4575).
pub const CONFERENCE_INFO: &str = "application/conference-info+xml";
/// List of recipients (RFC 4826).
pub const RESOURCE_LISTS: &str = "application/resource-lists+xml";
/// Several bodies in one (RFC 2046).
pub const MULTIPART_MIXED: &str = "multipart/mixed";
/// Plain text.
pub const TEXT: &str = "text/plain";
/// Octets of unknown meaning.
pub const OCTETS: &str = "application/octet-stream";

/// XML namespace of deferred lists and history lists.
pub const HISTORY_LIST_NAMESPACE: &str = "urn:oma:xml:im:history-list";
/// XML namespace of disposition notifications.
pub const IMDN_NAMESPACE: &str = "urn:ietf:params:xml:ns:imdn";
/// The URN a CPIM `NS` header binds to the prefix `imdn`.
pub const IMDN_CPIM_NAMESPACE: &str = "urn:ietf:params:imdn";

/// Whether a `Content-Type` value names this type, whatever its parameters and case.
pub fn is(content_type: &str, mime: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(mime)
}

/// Whether an accept list (`*`, `text/*`, `message/cpim`) takes this `Content-Type`.
///
/// Source: RFC 4975 §8.6.
pub fn is_accepted<S: AsRef<str>>(accepted: &[S], content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let kind = essence.split('/').next().unwrap_or_default();
    accepted.iter().any(|entry| {
        let entry = entry.as_ref();
        entry == "*"
            || is(entry, essence)
            || entry
                .strip_suffix("/*")
                .is_some_and(|prefix| prefix == "*" || prefix.eq_ignore_ascii_case(kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_is_compared_without_parameters_and_case() {
        assert!(is("Message/CPIM ; charset=x", CPIM));
        assert!(!is("text/plainer", TEXT));
    }

    #[test]
    fn accept_list_knows_wildcards() {
        assert!(is_accepted(&["*"], "image/png"));
        assert!(is_accepted(&["text/*"], "text/plain;charset=utf-8"));
        assert!(is_accepted(&["text/plain", CPIM], "message/CPIM"));
        assert!(!is_accepted(&[CPIM], "text/plain"));
        assert!(!is_accepted::<&str>(&[], "text/plain"));
    }
}
