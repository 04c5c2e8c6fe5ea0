//! What the tap of a device sees, as arrows of the ladder.
use super::ladder::{Way, What};
use crate::{
    client::{self, Sight, TapEvent},
    profile::mime,
    sip::codec::{Message, Method, Name},
};

/// The arrow for what was seen; `None` for octets that are no message.
pub(super) fn what(event: &TapEvent) -> Option<(Way, What)> {
    let way = match event.way {
        client::Way::Sent => Way::ToServer,
        client::Way::Received => Way::FromServer,
    };
    let what = match &event.sight {
        Sight::Sip(message) => What::Sip(sip(message)),
        Sight::Msrp(head) => msrp(&String::from_utf8_lossy(head))?,
    };
    Some((way, what))
}

/// `INVITE bob`, `200 OK (INVITE)`.
fn sip(message: &Message) -> String {
    let method = message.method();
    let method = method.as_ref().map_or("", Method::as_str);
    if let Some(code) = message.code() {
        let stored = message
            .value(Name::Contact)
            .is_some_and(|contact| contact.contains("automata"));
        let by_machine = if stored { ", automata" } else { "" };
        return format!("{code} {} ({method}{by_machine})", message.reason());
    }
    let user = message
        .uri_text()
        .split(['@', ';'])
        .next()
        .unwrap_or_default();
    let user = user.rsplit(':').next().unwrap_or_default();
    let referred = message.has(Name::ReferredBy);
    match message.content_type().map(|media| media.to_string()) {
        Some(media) if mime::is(&media, mime::SDP) && referred => {
            format!("{method} {user}, stored for you")
        }
        Some(media) => format!("{method} {user}, {media}"),
        None => format!("{method} {user}"),
    }
}

/// An MSRP request or response, from its start line and header fields.
fn msrp(head: &str) -> Option<What> {
    let mut lines = head.lines();
    let (transaction, kind) = lines.next()?.strip_prefix("MSRP ")?.split_once(' ')?;
    let transaction = transaction.to_owned();
    let value = |name: &str| {
        let mut lines = head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    let range = value("Byte-Range").unwrap_or_default();
    Some(match kind {
        "SEND" => send(transaction, range),
        "REPORT" => What::Msrp(format!("REPORT {} {range}", status(value("Status")))),
        kind if kind.starts_with(|c: char| c.is_ascii_digit()) => What::Answer {
            transaction,
            label: kind.to_owned(),
        },
        kind => What::Msrp(kind.to_owned()),
    })
}

/// `Byte-Range: 1-2048/5242880` tells octets, and whether the message ends here.
fn send(transaction: String, range: &str) -> What {
    let numbers = |text: &str| text.parse::<u64>().ok();
    let parts = range.split_once('/').and_then(|(range, total)| {
        let (first, last) = range.split_once('-')?;
        Some((numbers(first)?, numbers(last), numbers(total)))
    });
    let (octets, last) = match parts {
        Some((first, Some(last), total)) => ((last + 1).saturating_sub(first), total == Some(last)),
        Some((_, None, total)) => (0, total.is_none()),
        // an empty SEND that only binds the session
        None => (0, true),
    };
    let label = if range.is_empty() {
        "SEND (empty, binds the session)".to_owned()
    } else {
        format!("SEND {range}")
    };
    What::Send {
        transaction,
        label,
        octets,
        last,
    }
}

/// `000 200 OK` gives `200 OK`.
fn status(value: Option<&str>) -> &str {
    let value = value.unwrap_or_default();
    value.split_once(' ').map_or(value, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn last_send_is_the_one_that_reaches_the_total() {
        let head = |range| format!("MSRP a1 SEND\r\nTo-Path: x\r\nByte-Range: {range}\r\n");
        for (range, octets, last) in [
            ("1-2048/5000", 2048, false),
            ("4097-5000/5000", 904, true),
            ("1-10/*", 10, false),
        ] {
            let Some(What::Send {
                octets: seen,
                last: ends,
                ..
            }) = msrp(&head(range))
            else {
                panic!("a SEND")
            };
            assert_eq!((seen, ends), (octets, last), "{range}");
        }
    }

    #[test]
    fn answers_and_reports_tell_their_status() {
        let answer = msrp("MSRP a1 200 OK\r\nTo-Path: x\r\n").unwrap();
        let label = "200 OK".to_owned();
        assert_eq!(
            answer,
            What::Answer {
                transaction: "a1".into(),
                label
            }
        );
        let report = "MSRP b2 REPORT\r\nByte-Range: 1-9/9\r\nStatus: 000 200 OK\r\n";
        assert_eq!(msrp(report), Some(What::Msrp("REPORT 200 OK 1-9/9".into())));
        assert_eq!(msrp("garbage"), None);
    }

    #[test]
    fn sip_message_is_named_by_method_user_and_body() {
        let text = "INVITE sip:bob@localhost SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
            From: <sip:a@x>;tag=1\r\nTo: <sip:bob@localhost>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\
            Content-Type: application/sdp\r\nContent-Length: 0\r\n\r\n";
        let limits = crate::sip::codec::Limits::default();
        let message = Message::parse(Bytes::from_static(text.as_bytes()), &limits).unwrap();
        assert_eq!(sip(&message), "INVITE bob, application/sdp");
    }
}
