use crate::{
    identity::Address,
    profile::{feature, mime},
    sdp::MessageMedia,
    sip::codec::{Builder, Message, Method, Name},
};

/// Types this server takes on a channel: every one, since it keeps what it does not read.
pub const ACCEPT_TYPES: &[&str] = &[mime::CPIM, "*"];

/// Asks for a device that speaks IM.
pub const ACCEPT_CONTACT: &str = "*;+g.oma.sip-im";

/// Headers that go along from end to end, whoever else forwards the request.
pub const END_TO_END: &[Name] = &[
    Name::AcceptContact,
    Name::ContentDisposition,
    Name::ContentEncoding,
    Name::ContentLanguage,
    Name::ContributionId,
    Name::ConversationId,
    Name::Date,
    Name::Expires,
    Name::InReplyToContributionId,
    Name::MessageExpires,
    Name::PAssertedService,
    Name::Priority,
    Name::ReferredBy,
    Name::SessionReplaces,
    Name::Subject,
];

/// The dialog-free part of a request of ours to a device: what every INVITE for a channel and
/// every MESSAGE carries (spec: offline messages, "what every INVITE carries").
pub fn request(method: Method, target: &str, from: &Address, to: &Address) -> Builder {
    Builder::request(method, target)
        .header(Name::MaxForwards, "70")
        .value(Name::To, format_args!("<{to}>"))
        .header(Name::PAssertedIdentity, format!("<{from}>"))
}

/// Hops that a request may still take where it goes on (RFC 3261 §16.6 step 3): also a server
/// that makes it a new one keeps count, so that a circle of servers ends.
pub fn onward_hops(original: &Message) -> u32 {
    original
        .max_forwards()
        .unwrap_or(70)
        .saturating_sub(1)
        .into()
}

/// Adds what `original` says from end to end.
pub fn along(mut builder: Builder, original: &Message) -> Builder {
    for name in END_TO_END {
        builder = builder.copy(original, *name);
    }
    builder
}

/// The Contact of this server in a dialog about `user`: an automaton that speaks IM.
pub fn contact(user: &str, host_port: &str, automaton: bool) -> String {
    let automata = if automaton {
        format!(";{}", feature::AUTOMATA)
    } else {
        String::new()
    };
    format!("<sip:{user}@{host_port}>;{}{automata}", feature::IM)
}

/// The same Contact, with the services too that `request` asks for in Accept-Contact: who asks for
/// large messages has them.
pub fn as_wanted(mut contact: String, request: &Message) -> String {
    for wanted in request.values(Name::AcceptContact) {
        for reference in feature::references(&wanted) {
            contact = format!("{contact};{reference}");
        }
    }
    contact
}

/// Whether whoever answers with this Contact is an automaton: nobody has read anything.
pub fn is_automaton(answer: &Message) -> bool {
    let contact = answer.value(Name::Contact);
    contact.is_some_and(|contact| {
        contact
            .split(';')
            .any(|one| one.trim() == feature::AUTOMATA)
    })
}

/// Whether whoever speaks in `message` is a conference focus.
pub fn is_focus(message: &Message) -> bool {
    let contact = message.value(Name::Contact).unwrap_or_default();
    let parameters = contact.split_once('>').map_or("", |(_, after)| after);
    feature::has_flag(parameters, feature::IS_FOCUS)
}

/// The group as whose focus somebody answers, as a value of P-Asserted-Identity.
pub fn focus_of(answer: &Message) -> Option<String> {
    let asserted = || answer.value(Name::PAssertedIdentity);
    let focus = is_focus(answer).then(asserted).flatten()?;
    Some(focus.into_owned())
}

/// The same Contact, as that of a conference focus.
pub fn as_focus(contact: String) -> String {
    format!("{contact};{}", feature::IS_FOCUS)
}

/// The media line of a channel that ends at the MSRP URI `path`.
pub fn media(path: &str, max_size: u64) -> MessageMedia {
    let mut media = MessageMedia {
        path: path.to_owned(),
        accept_types: ACCEPT_TYPES.iter().map(|&mime| mime.to_owned()).collect(),
        accept_wrapped_types: vec!["*".to_owned()],
        max_size: Some(max_size),
        ..MessageMedia::default()
    };
    if let Some(hop) = media.first_hop() {
        (media.address, media.port) = (hop.host, hop.port);
    }
    media
}
