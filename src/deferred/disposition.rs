//! What the server itself tells the sender of a message: `stored` and `failed` (RFC 5438 §8).
use super::{Facts, Kind};
use crate::{
    clock::Timestamp,
    content::{
        cpim::{self, CpimBuilder},
        imdn::{Disposition, Imdn},
    },
    identity::{Address, outbox},
};
use bytes::Bytes;
use sha2::{Digest, Sha256};

/// The notification that tells the sender of a message what became of it: its own facts, and its
/// content, a whole CPIM message. `None` where the sender has not asked for it, and for a
/// notification: nothing is ever told of what only tells.
///
/// It has the same id whenever it is made, so that a sender gets one answer to each question at
/// most.
/// Source: RFC 5438 §7.2.1, §8.1, §8.2.
pub fn notification(
    facts: &Facts,
    disposition: Disposition,
    now: Timestamp,
) -> Option<(Facts, Bytes)> {
    if facts.kind == Kind::Notification || !disposition.is_wanted(facts.dispositions) {
        return None;
    }
    let message_id = message_id(facts, disposition);
    let mut head = CpimBuilder::new()
        .from(outbox::reader(&facts.recipient).as_str())
        .to(facts.sender.as_str())
        .date_time(&now.to_rfc3339())
        .message_id(&message_id);
    for uri in &facts.imdn_route {
        head = head.imdn("IMDN-Route", &format!("<{uri}>"));
    }
    let content = document(facts, disposition).in_cpim(head);
    let told = Facts {
        content_type: cpim::CONTENT_TYPE.to_owned(),
        date: now,
        size: content.len() as u64,
        mode: facts.mode,
        conversation_id: facts.conversation_id.clone(),
        contribution_id: facts.contribution_id.clone(),
        kind: Kind::Notification,
        ..Facts::new(outbox::reader(&facts.recipient), reader(facts), message_id)
    };
    Some((told, content))
}

fn document(facts: &Facts, disposition: Disposition) -> Imdn {
    let recipient = outbox::reader(&facts.recipient).to_string();
    // the schema has both URIs or none
    let original = facts.original_to.clone();
    let original = original.unwrap_or_else(|| recipient.clone());
    Imdn {
        message_id: facts.message_id.clone(),
        date_time: facts.date.to_rfc3339(),
        original_recipient: Some(original),
        recipient: Some(recipient),
        subject: facts.subject.clone(),
        disposition,
    }
}

/// Who gets it next: the topmost URI of its route, where that is a neighbour of the sender, else
/// the sender.
fn reader(facts: &Facts) -> Address {
    let top = facts.imdn_route.first();
    let top = top.and_then(|uri| Address::parse(uri).ok());
    top.filter(|uri| uri.domain() == facts.sender.domain())
        .unwrap_or_else(|| facts.sender.clone())
}

fn message_id(facts: &Facts, disposition: Disposition) -> String {
    let mut hash = Sha256::new();
    let names = [
        disposition.question(),
        &facts.message_id,
        facts.sender.as_str(),
        facts.recipient.as_str(),
    ];
    for name in names {
        hash.update(name);
        hash.update([0]);
    }
    let octets = hash.finalize();
    octets[..16]
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::cpim::Dispositions;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn facts(asked: &str) -> Facts {
        let (alice, bob) = ("sip:alice@example.com", "sip:bob@example.com");
        Facts {
            date: Timestamp::parse_rfc3339("2006-04-04T12:16:49-05:00").unwrap(),
            dispositions: Dispositions::parse(asked),
            ..Facts::new(address(alice), address(bob), "34jk324j")
        }
    }

    fn now() -> Timestamp {
        Timestamp::parse_rfc3339("2006-04-11T17:16:49Z").unwrap()
    }

    #[test]
    fn expired_message_is_told_of_as_the_rfc_prints_it() {
        let asked = facts("negative-delivery");
        let (told, content) = notification(&asked, Disposition::Failed, now()).unwrap();
        let expected = format!(
            "From: <sip:bob@example.com>\r\n\
             To: <sip:alice@example.com>\r\n\
             DateTime: 2006-04-11T17:16:49Z\r\n\
             NS: imdn <urn:ietf:params:imdn>\r\n\
             imdn.Message-ID: {}\r\n\
             \r\n\
             Content-Type: message/imdn+xml\r\n\
             Content-Length: 353\r\n\
             Content-Disposition: notification\r\n\
             \r\n\
             <?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <imdn xmlns=\"urn:ietf:params:xml:ns:imdn\">\
             <message-id>34jk324j</message-id>\
             <datetime>2006-04-04T17:16:49Z</datetime>\
             <recipient-uri>sip:bob@example.com</recipient-uri>\
             <original-recipient-uri>sip:bob@example.com</original-recipient-uri>\
             <delivery-notification><status><failed/></status></delivery-notification>\
             </imdn>",
            told.message_id
        );
        assert_eq!(std::str::from_utf8(&content).unwrap(), expected);
        assert_eq!(
            (told.kind, told.size),
            (Kind::Notification, content.len() as u64)
        );
        assert_eq!(told.content_type, "message/cpim");
        assert_eq!(told.sender.as_str(), "sip:bob@example.com");
        assert_eq!(told.recipient.as_str(), "sip:alice@example.com");
        assert!(told.dispositions.is_empty() && told.expires.is_none());
    }

    #[test]
    fn nothing_is_told_to_who_has_not_asked() {
        let told = |asked, answer| notification(&facts(asked), answer, now()).is_some();
        assert!(!told("", Disposition::Failed));
        assert!(!told("positive-delivery, processing", Disposition::Failed));
        assert!(!told("negative-delivery", Disposition::Stored));
        assert!(told("processing", Disposition::Stored));
    }

    #[test]
    fn nothing_is_told_of_a_notification() {
        let asked = "positive-delivery, negative-delivery, processing, display";
        let facts = Facts {
            kind: Kind::Notification,
            ..facts(asked)
        };
        assert_eq!(notification(&facts, Disposition::Failed, now()), None);
    }

    #[test]
    fn same_answer_has_the_same_id_and_another_question_another() {
        let asked = facts("negative-delivery, processing");
        let id = |answer, now| {
            let (told, _) = notification(&asked, answer, now).unwrap();
            told.message_id
        };
        let failed = id(Disposition::Failed, now());
        assert_eq!(failed.len(), 32);
        assert_eq!(failed, id(Disposition::DeliveryError, Timestamp::EPOCH));
        assert_ne!(failed, id(Disposition::Stored, now()));
    }

    #[test]
    fn recorded_route_is_gone_back_in_its_order() {
        let mut asked = facts("processing");
        asked.imdn_route = vec!["sip:team@example.com".into(), "sip:far@example.org".into()];
        asked.original_to = Some("sip:team@example.com".into());
        let (told, content) = notification(&asked, Disposition::Stored, now()).unwrap();
        assert_eq!(told.recipient.as_str(), "sip:team@example.com");
        let text = std::str::from_utf8(&content).unwrap();
        assert!(text.contains(
            "imdn.IMDN-Route: <sip:team@example.com>\r\n\
             imdn.IMDN-Route: <sip:far@example.org>\r\n\r\n"
        ));
        assert!(text.contains("To: <sip:alice@example.com>\r\n"));
        let original = "<original-recipient-uri>sip:team@example.com</original-recipient-uri>";
        assert!(text.contains(original));
        asked.imdn_route.remove(0);
        let (told, _) = notification(&asked, Disposition::Stored, now()).unwrap();
        assert_eq!(told.recipient, asked.sender);
    }
}
