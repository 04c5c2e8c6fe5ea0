//! What the INVITE of a call tells of the messages that its channel brings, and how the messages of
//! several calls tell it where they share a channel to the next server: by header lines of their
//! own, with the names that SIP gives them.
//!
//! Source of such lines: RFC 4975 §9 (`ext-header`). An empty value takes back what the INVITE of
//! the channel said.
use crate::{
    msrp::Head,
    participating::invitation,
    sip::codec::{Message, Name},
};
use bytes::Bytes;

/// The headers that tell something of each message.
const FACTS: [Name; 7] = [
    Name::Subject,
    Name::ConversationId,
    Name::ContributionId,
    Name::InReplyToContributionId,
    Name::Priority,
    Name::MessageExpires,
    Name::Date,
];
/// Headers that come and go with the request; the same conversation has others next time.
const OF_THE_REQUEST: [Name; 3] = [Name::Date, Name::Expires, Name::MessageExpires];

/// What one INVITE tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    facts: [Option<Box<str>>; 7],
    /// What names the conversation to a person who answers.
    conversation: Vec<(Name, Box<str>)>,
}

impl Terms {
    /// Reads an INVITE.
    pub fn of(invite: &Message) -> Self {
        let names = invitation::END_TO_END.iter().copied();
        let lasting = names.filter(|name| !OF_THE_REQUEST.contains(name));
        let of = |name| {
            let values = invite.values(name);
            values.map(move |value| (name, value.into_owned().into()))
        };
        Self {
            facts: FACTS.map(|name| invite.value(name).map(|value| value.into_owned().into())),
            conversation: lasting.flat_map(of).collect(),
        }
    }

    /// Whether a person who was called by `other` takes this as the same conversation.
    pub fn is_same_conversation(&self, other: &Self) -> bool {
        self.conversation == other.conversation
    }

    /// The header lines by which a message on the channel of `opener` tells its own terms.
    pub fn lines_on(&self, opener: &Self) -> Vec<Bytes> {
        let own = FACTS.iter().zip(&self.facts).zip(&opener.facts);
        let differing = own.filter(|((_, own), theirs)| own != theirs);
        let line = |((name, own), _): ((&Name, &Option<Box<str>>), _)| {
            let value = own.as_deref().unwrap_or_default();
            let value = value.replace(['\r', '\n'], " ");
            format!("{}: {value}", name.as_str()).into()
        };
        differing.map(line).collect()
    }
}

/// What a message tells by a header line of its own: nothing, that there is no such thing, or what.
pub fn told(head: &Head, name: Name) -> Option<Option<&str>> {
    let value = head.text(name.as_str())?;
    Some(Some(value).filter(|value| !value.is_empty()))
}

/// Whether a message tells anything by lines of its own.
pub fn tells(head: &Head) -> bool {
    FACTS.iter().any(|name| head.value(name.as_str()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        msrp::{HeadBuilder, Method},
        sip::codec::{self, Builder},
    };

    fn invite(fields: &[(Name, &str)]) -> Terms {
        let invite = Builder::request(codec::Method::Invite, "sip:bob@b.example")
            .header(Name::CallId, "1")
            .header(Name::CSeq, "1 INVITE");
        let invite = fields
            .iter()
            .fold(invite, |invite, (name, value)| invite.header(*name, *value));
        Terms::of(&invite.build())
    }

    fn head(lines: &[Bytes]) -> Head {
        let (to, from) = ("msrp://b.example:1/b;tcp", "msrp://a.example:1/a;tcp");
        let head = HeadBuilder::request("d93kswow", Method::Send, to, from);
        let head = lines.iter().fold(head, |head, line| {
            let line = std::str::from_utf8(line).unwrap();
            let (name, value) = line.split_once(": ").unwrap();
            head.field(name, value)
        });
        head.build(false).unwrap()
    }

    #[test]
    fn message_tells_only_what_the_channel_does_not() {
        let opener = invite(&[(Name::Subject, "lunch"), (Name::Priority, "urgent")]);
        assert_eq!(opener.lines_on(&opener), Vec::<Bytes>::new());
        let other = invite(&[(Name::Subject, "lunch"), (Name::ContributionId, "c2")]);
        let lines = other.lines_on(&opener);
        assert_eq!(lines, ["Contribution-ID: c2", "Priority: "]);
        let head = head(&lines);
        assert!(tells(&head));
        assert_eq!(told(&head, Name::Subject), None);
        assert_eq!(told(&head, Name::ContributionId), Some(Some("c2")));
        assert_eq!(told(&head, Name::Priority), Some(None));
    }

    #[test]
    fn conversation_is_the_same_whenever_it_goes_on() {
        let monday = invite(&[(Name::ContributionId, "c1"), (Name::Date, "Mon")]);
        let tuesday = invite(&[(Name::ContributionId, "c1"), (Name::Date, "Tue")]);
        let other = invite(&[(Name::ContributionId, "c2"), (Name::Date, "Tue")]);
        assert!(tuesday.is_same_conversation(&monday));
        assert!(!other.is_same_conversation(&tuesday));
    }
}
