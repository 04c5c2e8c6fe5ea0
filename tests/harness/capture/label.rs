//! What messages are called in a ladder.
use super::{Event, field};
use restante::sip::codec::Message;
use std::collections::HashMap;

/// Octets of one SEND at most, as devices and servers cut by default.
const CHUNK: u64 = 64 * 1024;

/// `INVITE`, `200 INVITE`.
pub fn sip_label(message: &Message) -> String {
    let method = message.method().expect("a method");
    match message.code() {
        Some(code) => format!("{code} {method}"),
        None => method.to_string(),
    }
}

/// `SEND`, `SEND last` where it completes its message, `SEND empty` where it carries none; a
/// response by its status alone, until its request is found.
pub fn msrp_label(head: &str) -> String {
    let mut words = head.lines().next().unwrap_or_default().split(' ').skip(2);
    let kind = words.next().unwrap_or_default();
    match kind {
        "SEND" => send_label(field(head, "Byte-Range").unwrap_or_default()).to_owned(),
        "REPORT" => {
            let status = field(head, "Status").unwrap_or_default();
            let code = status.split(' ').nth(1).unwrap_or(status);
            format!("REPORT {code}")
        }
        kind => kind.to_owned(),
    }
}

fn send_label(range: &str) -> &'static str {
    let numbers = range.split_once('/').and_then(|(range, total)| {
        let (first, last) = range.split_once('-')?;
        let first: u64 = first.parse().ok()?;
        Some((first, last.parse().ok(), total.parse().ok()))
    });
    match numbers {
        Some((_, _, Some(0))) | None => "SEND empty",
        Some((first, last, Some(total))) => {
            match last.unwrap_or(total.min(first + CHUNK - 1)) == total {
                true => "SEND last",
                false => "SEND",
            }
        }
        Some((_, _, None)) => "SEND",
    }
}

/// Adds to the label of each MSRP response what it answers.
pub fn name_answers(events: &mut [Event]) {
    let mut requests: HashMap<(String, String, String), String> = HashMap::new();
    for event in events {
        let Some(id) = event.msrp().and_then(|head| head.split(' ').nth(1)) else {
            continue;
        };
        let id = id.to_owned();
        if event
            .label
            .starts_with(|first: char| first.is_ascii_digit())
        {
            let asked = (event.to.clone(), event.from.clone(), id);
            let of = requests.get(&asked).map_or("", String::as_str);
            event.label = format!("{} {of}", event.label).trim_end().to_owned();
        } else {
            let key = (event.from.clone(), event.to.clone(), id);
            requests.insert(key, event.label.clone());
        }
    }
}
