//! What a request is to a server that has too much to do.
use super::codec::{Message, Method, Name, Uri};
use crate::{
    overload::Class,
    profile::{mime, psi},
};

/// Functions of ours that give back what is kept, or hear what became of it.
const FREEING: &[&str] = &[psi::DEFERRED, psi::DELETE, psi::IMDN];

/// The class of a request, told from its first lines and, for a MESSAGE, its body.
///
/// `priority` are the namespaces of Resource-Priority (RFC 4412) that let it pass: none where the
/// sender is not believed.
pub fn classify(request: &Message, priority: &[String]) -> Class {
    let Some(method) = request.method() else {
        return Class::Ongoing;
    };
    match method {
        Method::Invite | Method::Message => {}
        Method::Register | Method::Subscribe | Method::Notify | Method::Options
            if !is_inside(request) =>
        {
            return Class::Retrieval;
        }
        Method::Publish | Method::Refer => {}
        Method::Other(_) => {}
        _ => return Class::Ongoing,
    }
    if is_inside(request) || is_urgent(request, priority) {
        return Class::Ongoing;
    }
    match is_freeing(request) || (method == Method::Message && is_notification(request)) {
        true => Class::Retrieval,
        false => Class::New,
    }
}

/// Whether it is a request within a dialog.
pub fn is_inside(request: &Message) -> bool {
    let to = request.to();
    to.is_ok_and(|to| to.tag().is_some())
}

/// An emergency (RFC 5031), or of a priority that passes.
fn is_urgent(request: &Message, priority: &[String]) -> bool {
    const EMERGENCY: &str = "urn:service:sos";
    let uri = request.uri_text();
    let is_emergency = uri
        .get(..EMERGENCY.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(EMERGENCY));
    is_emergency
        || request.list(Name::ResourcePriority).iter().any(|value| {
            let namespace = value.split('.').next().unwrap_or_default().trim();
            priority
                .iter()
                .any(|known| known.eq_ignore_ascii_case(namespace))
        })
}

fn is_freeing(request: &Message) -> bool {
    match request.uri() {
        Ok(Uri::Sip(uri)) => uri
            .user
            .is_some_and(|user| FREEING.contains(&user.as_str())),
        _ => false,
    }
}

/// A notification of what became of a message (RFC 5438), bare or wrapped in CPIM.
fn is_notification(request: &Message) -> bool {
    let Some(content_type) = request.content_type() else {
        return false;
    };
    let essence = content_type.essence();
    essence == mime::IMDN
        || (essence == mime::CPIM
            && memchr::memmem::find(request.body(), mime::IMDN.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use super::super::codec::{Builder, Limits};
    use super::*;

    fn class(text: &str, priority: &[&str]) -> Class {
        let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
        let text = format!(
            "{line} SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nTo: <sip:b@x>\r\n{}\r\n",
            rest.replace('\n', "\r\n")
        );
        let request = Message::parse(text.into(), &Limits::default()).unwrap();
        let priority: Vec<_> = priority.iter().map(|it| (*it).to_owned()).collect();
        classify(&request, &priority)
    }

    #[test]
    fn new_messages_and_calls_are_refused_before_logins_and_retrievals() {
        assert_eq!(class("INVITE sip:bob@x", &[]), Class::New);
        assert_eq!(class("MESSAGE sip:bob@x", &[]), Class::New);
        assert_eq!(class("INVITE sip:deferred@x", &[]), Class::Retrieval);
        assert_eq!(class("MESSAGE sip:imdn@x", &[]), Class::Retrieval);
        assert_eq!(class("REGISTER sip:x", &[]), Class::Retrieval);
        assert_eq!(class("SUBSCRIBE sip:bob@x", &[]), Class::Retrieval);
    }

    #[test]
    fn what_is_begun_is_never_refused() {
        for method in ["ACK", "BYE", "CANCEL", "PRACK", "UPDATE", "INFO"] {
            assert_eq!(class(&format!("{method} sip:bob@x"), &[]), Class::Ongoing);
        }
        let request = |method| {
            let builder = Builder::request(method, "sip:bob@x");
            builder.header(Name::To, "<sip:bob@x>;tag=1").build()
        };
        for method in [Method::Invite, Method::Subscribe, Method::Message] {
            assert_eq!(classify(&request(method), &[]), Class::Ongoing);
        }
    }

    #[test]
    fn notification_frees_what_waits_for_it() {
        let kind = "MESSAGE sip:bob@x\nContent-Type: message/imdn+xml\n";
        assert_eq!(class(kind, &[]), Class::Retrieval);
        let wrapped = "MESSAGE sip:bob@x\nContent-Type: message/cpim\n\n\
            From: <sip:a@x>\n\nContent-type: message/imdn+xml\n";
        assert_eq!(class(wrapped, &[]), Class::Retrieval);
        let plain = "MESSAGE sip:bob@x\nContent-Type: message/cpim\n\nFrom: <sip:a@x>\n\nhi";
        assert_eq!(class(plain, &[]), Class::New);
    }

    #[test]
    fn emergency_passes_and_priority_only_where_it_is_believed() {
        assert_eq!(class("INVITE urn:service:sos.police", &[]), Class::Ongoing);
        let urgent = "INVITE sip:bob@x\nResource-Priority: wps.1, ets.0\n";
        assert_eq!(class(urgent, &["ets"]), Class::Ongoing);
        assert_eq!(class(urgent, &[]), Class::New);
    }
}
