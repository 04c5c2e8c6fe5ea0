//! SIP messages and MSRP heads, as arrows of the ladder are labelled.
use super::ladder::{What, shortened};
use crate::{
    client::Sight,
    profile::mime,
    sip::codec::{Message, Method, Name},
};

/// Octets of one SEND, as devices and server cut by default.
pub(super) const CHUNK: u64 = 64 * 1024;

/// From this many columns on a label tells all there is to tell.
const ROOMY: usize = 28;

/// What was seen, where a label has `room` columns; `None` for octets that are no message.
pub(super) fn what(sight: &Sight, room: usize) -> Option<What> {
    match sight {
        Sight::Sip(message) => Some(What::Sip(sip(message, room))),
        Sight::Msrp(head) => msrp(&String::from_utf8_lossy(head), room),
    }
}

/// `INVITE bob, application/sdp`, `200 OK (INVITE)`; where that is too long `INVITE bob`,
/// `200 INVITE`.
pub(in crate::cli) fn sip(message: &Message, room: usize) -> String {
    let method = message.method();
    let method = method.as_ref().map_or("", Method::as_str);
    if room < ROOMY {
        return match message.code() {
            Some(code) => format!("{code} {method}"),
            None => format!("{method} {}", whom(message)),
        };
    }
    if let Some(code) = message.code() {
        let contact = message.value(Name::Contact);
        let by_machine = contact.is_some_and(|contact| contact.contains("automata"));
        let of = format!("({method}{})", if by_machine { ", automata" } else { "" });
        let room = room.saturating_sub(of.len() + "407  ".len());
        return format!("{code} {} {of}", shortened(message.reason(), room));
    }
    let user = whom(message);
    match message.content_type().map(|media| media.to_string()) {
        Some(media) if mime::is(&media, mime::SDP) && message.has(Name::ReferredBy) => {
            format!("{method} {user}, stored for you")
        }
        Some(media) => format!("{method} {user}, {media}"),
        None => format!("{method} {user}"),
    }
}

/// The user a request is about: that of `To`, which stays the same when a device is called.
fn whom(message: &Message) -> String {
    let to = message.to().ok().map(|to| to.uri.to_string());
    let to = to.unwrap_or_else(|| message.uri_text().to_owned());
    let bare = to.split(['@', ';']).next().unwrap_or_default();
    bare.rsplit(':').next().unwrap_or_default().to_owned()
}

/// An MSRP request or response, from its start line and header fields.
pub(in crate::cli) fn msrp(head: &str, room: usize) -> Option<What> {
    let mut lines = head.lines();
    let (transaction, kind) = lines.next()?.strip_prefix("MSRP ")?.split_once(' ')?;
    let transaction = transaction.to_owned();
    let value = |name: &str| {
        let mut lines = head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    let range = value("Byte-Range").unwrap_or_default();
    Some(match kind {
        "SEND" => send(transaction, range, room),
        "REPORT" => What::Msrp(format!("REPORT {} {range}", status(value("Status")))),
        kind if kind.starts_with(|c: char| c.is_ascii_digit()) => What::Answer {
            transaction,
            label: kind.to_owned(),
        },
        kind => What::Msrp(kind.to_owned()),
    })
}

/// `Byte-Range: 1-2048/5242880` tells octets, and whether the message ends here. Where the end is
/// left open (`1-*/5242880`), the SEND carries a full chunk or the rest of the message.
fn send(transaction: String, range: &str, room: usize) -> What {
    let numbers = |text: &str| text.parse::<u64>().ok();
    let parts = range.split_once('/').and_then(|(range, total)| {
        let (first, last) = range.split_once('-')?;
        Some((numbers(first)?, numbers(last), numbers(total)?))
    });
    let (octets, last) = match parts {
        None | Some((_, _, 0)) => (0, true),
        Some((first, last, total)) => {
            let last = last.unwrap_or(total.min(first + CHUNK - 1));
            ((last + 1).saturating_sub(first), last == total)
        }
    };
    let label = match (parts, octets) {
        (_, 0) if room < ROOMY => "SEND, empty".to_owned(),
        (_, 0) => "SEND, empty, to bind".to_owned(),
        (Some((first, _, total)), _) if room < ROOMY => {
            format!("SEND {} %", (first - 1 + octets) * 100 / total)
        }
        (Some((first, _, total)), _) => format!("SEND {first}-{}/{total}", first + octets - 1),
        (None, _) => "SEND".to_owned(),
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
            ("1-*/307442", 65536, false),
            ("262145-*/307442", 45298, true),
            ("1-*/300", 300, true),
            ("1-0/0", 0, true),
            ("", 0, true),
        ] {
            let Some(What::Send {
                octets: seen,
                last: ends,
                ..
            }) = msrp(&head(range), ROOMY)
            else {
                panic!("a SEND")
            };
            assert_eq!((seen, ends), (octets, last), "{range}");
        }
    }

    #[test]
    fn answers_and_reports_tell_their_status() {
        let answer = msrp("MSRP a1 200 OK\r\nTo-Path: x\r\n", ROOMY).unwrap();
        let label = "200 OK".to_owned();
        assert_eq!(
            answer,
            What::Answer {
                transaction: "a1".into(),
                label
            }
        );
        let report = "MSRP b2 REPORT\r\nByte-Range: 1-9/9\r\nStatus: 000 200 OK\r\n";
        let told = What::Msrp("REPORT 200 OK 1-9/9".into());
        assert_eq!(msrp(report, ROOMY), Some(told));
        assert_eq!(msrp("garbage", ROOMY), None);
    }

    #[test]
    fn sip_message_is_named_by_method_user_and_body() {
        let text = "INVITE sip:bob@localhost SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
            From: <sip:a@x>;tag=1\r\nTo: <sip:bob@localhost>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\
            Content-Type: application/sdp\r\nContent-Length: 0\r\n\r\n";
        let limits = crate::sip::codec::Limits::default();
        let message = Message::parse(Bytes::from_static(text.as_bytes()), &limits).unwrap();
        assert_eq!(sip(&message, ROOMY), "INVITE bob, application/sdp");
        assert_eq!(sip(&message, ROOMY - 1), "INVITE bob");
    }
}
