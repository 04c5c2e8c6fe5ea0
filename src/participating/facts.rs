use crate::{
    clock::Timestamp,
    content::cpim::{Cpim, CpimHead},
    deferred::{Facts, Kind, Priority},
    identity::Address,
    msrp::Head,
    participating::terms,
    policy::Mode,
    profile::mime,
    sip::codec::{Message, Method, Name},
};
use std::time::Duration;

/// What the request that opened the way tells about every message that comes on it.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Who sends, as authenticated.
    pub sender: Address,
    /// Who is to have it.
    pub recipient: Address,
    /// How it came.
    pub mode: Mode,
    date: Timestamp,
    /// Seconds, from when the request came or the message does.
    lifetime: Option<u32>,
    expires: Option<Timestamp>,
    subject: Option<String>,
    conversation_id: Option<String>,
    contribution_id: Option<String>,
    in_reply_to: Option<String>,
    priority: Priority,
    /// The group whose focus opened the way; the sender is then told by each message.
    group: Option<Address>,
}

/// What a channel or a MESSAGE tells about one message.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    /// MSRP Message-ID, or what stands for it in a MESSAGE.
    pub message_id: &'a str,
    /// Content-Type of the whole.
    pub content_type: &'a str,
    /// Octets.
    pub size: u64,
    /// Whether the sender asked for a success report.
    pub success_report: bool,
    /// The first octets, with the CPIM header if there is one.
    pub prefix: &'a [u8],
}

impl Origin {
    /// Reads what `request` (INVITE or MESSAGE) tells.
    pub fn of(request: &Message, sender: Address, recipient: Address, now: Timestamp) -> Self {
        let text = |name| request.value(name).map(|value| value.into_owned());
        let pager = request.is(&Method::Message);
        let lifetime = match pager {
            true => request.expires(),
            // the Expires of an INVITE bounds the ringing, not the message
            false => request
                .other("Message-Expires")
                .and_then(|value| value.trim().parse().ok()),
        };
        let date = text(Name::Date).and_then(|date| Timestamp::parse_http_date(&date).ok());
        Self {
            sender,
            recipient,
            mode: if pager { Mode::Pager } else { Mode::Channel },
            date: date.unwrap_or(now),
            lifetime,
            expires: end_of(lifetime, now),
            subject: text(Name::Subject),
            conversation_id: text(Name::ConversationId),
            contribution_id: text(Name::ContributionId),
            in_reply_to: text(Name::InReplyToContributionId),
            priority: priority(text(Name::Priority).as_deref()),
            group: None,
        }
    }

    /// The same, where `request` comes from the focus of a group, which is then its sender: who
    /// sent a message stands in its wrapper, or else is who is referred to.
    pub fn by_focus(self, request: &Message) -> Self {
        let referred = request.value(Name::ReferredBy);
        let referred = referred.and_then(|text| Address::parse(&text).ok());
        Self {
            sender: referred.unwrap_or_else(|| self.sender.clone()),
            group: Some(self.sender),
            ..self
        }
    }

    /// What a channel tells that this server opened from `sender` to `recipient`.
    pub fn of_channel(sender: Address, recipient: Address, now: Timestamp) -> Self {
        Self {
            sender,
            recipient,
            mode: Mode::Channel,
            date: now,
            lifetime: None,
            expires: None,
            subject: None,
            conversation_id: None,
            contribution_id: None,
            in_reply_to: None,
            priority: Priority::Normal,
            group: None,
        }
    }

    /// The same for what comes later on a channel that stays open.
    pub fn at(&self, now: Timestamp) -> Self {
        Self {
            date: now,
            expires: end_of(self.lifetime, now),
            ..self.clone()
        }
    }

    /// The same for one message of the channel. The Date of an INVITE is that of the first message;
    /// what a message tells by lines of its own counts before what the INVITE told, because calls
    /// may share a channel.
    pub fn of_message(&self, head: &Head, is_first: bool, now: Timestamp) -> Option<Self> {
        if is_first && !terms::tells(head) {
            return None;
        }
        let mut own = self.at(now);
        let line = |name| terms::told(head, name).map(|told| told.map(str::to_owned));
        let take = |place: &mut Option<String>, name| *place = line(name).unwrap_or(place.take());
        take(&mut own.subject, Name::Subject);
        take(&mut own.conversation_id, Name::ConversationId);
        take(&mut own.contribution_id, Name::ContributionId);
        take(&mut own.in_reply_to, Name::InReplyToContributionId);
        if let Some(told) = line(Name::Priority) {
            own.priority = priority(told.as_deref());
        }
        if let Some(told) = line(Name::MessageExpires) {
            own.lifetime = told.and_then(|seconds| seconds.parse().ok());
        }
        let date = line(Name::Date).flatten();
        let date = date.and_then(|date| Timestamp::parse_http_date(&date).ok());
        own.date = date.unwrap_or(now);
        own.expires = end_of(own.lifetime, now);
        Some(own)
    }

    /// The facts to keep with one message. A CPIM wrapper knows better than the hop: its IMDN
    /// message id and its date go with the message wherever it goes.
    pub fn facts(&self, item: &Item<'_>) -> Facts {
        let wrapper = wrapper(item.content_type, item.prefix);
        let wrapper = wrapper.as_ref();
        let told = |read: fn(&CpimHead) -> Option<String>| wrapper.and_then(read);
        let message_id = told(|head| head.message_id().map(|id| id.into_owned()));
        let date = told(|head| head.date_time().map(|date| date.into_owned()))
            .and_then(|date| Timestamp::parse_rfc3339(&date).ok());
        let subject = told(|head| head.subject().map(|subject| subject.into_owned()));
        let kind = kind(item.content_type, wrapper);
        let author = wrapper.filter(|_| self.group.is_some());
        let author = author.and_then(|head| Address::parse(&head.from()?).ok());
        let asked = wrapper.filter(|_| kind == Kind::Message);
        Facts {
            sender: author.unwrap_or_else(|| self.sender.clone()),
            recipient: self.recipient.clone(),
            message_id: message_id.unwrap_or_else(|| item.message_id.to_owned()),
            content_type: item.content_type.to_owned(),
            date: date.unwrap_or(self.date),
            size: item.size,
            mode: self.mode,
            expires: self.expires,
            subject: subject.or_else(|| self.subject.clone()),
            conversation_id: self.conversation_id.clone(),
            contribution_id: self.contribution_id.clone(),
            in_reply_to: self.in_reply_to.clone(),
            success_report: item.success_report,
            priority: self.priority,
            kind,
            dispositions: asked.map(CpimHead::dispositions).unwrap_or_default(),
            imdn_route: asked.map(imdn_route).unwrap_or_default(),
            original_to: told(|head| head.original_to().map(|to| to.into_owned())),
            group: self.group.clone(),
        }
    }
}

fn end_of(lifetime: Option<u32>, now: Timestamp) -> Option<Timestamp> {
    lifetime.map(|seconds| now.plus(Duration::from_secs(seconds.into())))
}

/// RFC 5438 §7.2.1: nothing that a notification asks for counts.
fn kind(content_type: &str, wrapper: Option<&CpimHead>) -> Kind {
    let tells = wrapper.is_some_and(CpimHead::is_notification);
    match tells || mime::is(content_type, mime::IMDN) {
        true => Kind::Notification,
        false => Kind::Message,
    }
}

/// RFC 5438 §7.2.1: a notification goes back by what recorded its route, in the same order.
fn imdn_route(head: &CpimHead) -> Vec<String> {
    let recorded = head.imdn_record_route();
    recorded.map(|uri| uri.into_owned()).collect()
}

/// Whether `request` is of high priority.
pub fn is_urgent(request: &Message) -> bool {
    priority(request.value(Name::Priority).as_deref()) == Priority::High
}

/// RFC 3261 §20.26: emergency, urgent, normal, non-urgent; what is unknown counts as normal.
fn priority(value: Option<&str>) -> Priority {
    match value.map(str::to_ascii_lowercase).as_deref() {
        Some("emergency" | "urgent") => Priority::High,
        Some("non-urgent") => Priority::Low,
        _ => Priority::Normal,
    }
}

/// The CPIM header at the front of a message, if it has one that can be read.
fn wrapper(content_type: &str, prefix: &[u8]) -> Option<CpimHead> {
    mime::is(content_type, mime::CPIM)
        .then(|| Cpim::parse_head(prefix).ok().flatten())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        msrp::{self, HeadBuilder},
        sip::codec::Builder,
    };

    fn facts(content_type: &str, prefix: &str) -> Facts {
        let parse = |text| Address::parse(text).unwrap();
        let request = Builder::request(Method::Message, "sip:bob@example.com")
            .header(Name::CSeq, "1 MESSAGE")
            .header(Name::CallId, "c");
        let (alice, bob) = (parse("sip:alice@example.com"), parse("sip:bob@example.com"));
        let origin = Origin::of(&request.build(), alice, bob, Timestamp::EPOCH);
        origin.facts(&Item {
            message_id: "hop",
            content_type,
            size: 12,
            success_report: false,
            prefix: prefix.as_bytes(),
        })
    }

    #[test]
    fn wrapper_tells_which_notifications_are_wanted_and_which_way_they_go() {
        let facts = facts(
            "message/cpim",
            "From: <sip:alice@example.com>\r\nTo: <sip:bob@example.com>\r\n\
             NS: x <urn:ietf:params:imdn>\r\nx.Message-ID: 34jk324j\r\n\
             x.Disposition-Notification: negative-delivery, processing\r\n\
             x.IMDN-Record-Route: Last <sip:last@example.com>\r\n\
             x.IMDN-Record-Route: <sip:first@example.com>\r\n\
             x.Original-To: <sip:team@example.com>\r\n\
             \r\nContent-Type: text/plain\r\n\r\nHello World!",
        );
        assert_eq!(
            (facts.message_id.as_str(), facts.kind),
            ("34jk324j", Kind::Message)
        );
        let asked = facts.dispositions;
        assert!(asked.negative_delivery && asked.processing);
        assert!(!asked.positive_delivery && !asked.display);
        assert_eq!(
            facts.imdn_route,
            ["sip:last@example.com", "sip:first@example.com"]
        );
        assert_eq!(facts.original_to.as_deref(), Some("sip:team@example.com"));
    }

    #[test]
    fn message_on_a_shared_channel_tells_its_own_facts() {
        let parse = |text| Address::parse(text).unwrap();
        let invite = Builder::request(Method::Invite, "sip:bob@example.com")
            .header(Name::CSeq, "1 INVITE")
            .header(Name::CallId, "c")
            .header(Name::Date, "Sat, 13 Nov 2010 23:29:00 GMT")
            .header(Name::Subject, "first")
            .header(Name::Priority, "urgent")
            .header(Name::MessageExpires, "60");
        let (alice, bob) = (parse("sip:alice@example.com"), parse("sip:bob@example.com"));
        let start = Timestamp::parse_http_date("Sat, 13 Nov 2010 23:29:01 GMT").unwrap();
        let origin = Origin::of(&invite.build(), alice, bob, start);
        let head = |lines: &[(&str, &str)]| {
            let (to, from) = ("msrp://b.example:1/b;tcp", "msrp://a.example:1/a;tcp");
            let head = HeadBuilder::request("d93kswow", msrp::Method::Send, to, from);
            let add = |head: HeadBuilder, (name, value): &(&str, &str)| head.field(name, value);
            lines.iter().fold(head, add).build(true).unwrap()
        };
        assert!(origin.of_message(&head(&[]), true, start).is_none());

        let later = start.plus(Duration::from_secs(100));
        let second = origin.of_message(&head(&[]), false, later).unwrap();
        assert_eq!(second.date, later, "the INVITE's Date is not its own");
        assert_eq!(second.expires, Some(later.plus(Duration::from_secs(60))));
        assert_eq!(second.subject.as_deref(), Some("first"));

        let lines = [
            ("Subject", ""),
            ("Contribution-ID", "c2"),
            ("Priority", "normal"),
            ("Message-Expires", "5"),
            ("Date", "Sat, 13 Nov 2010 23:30:00 GMT"),
        ];
        let other = origin.of_message(&head(&lines), true, later).unwrap();
        assert_eq!((other.subject, other.priority), (None, Priority::Normal));
        assert_eq!(other.contribution_id.as_deref(), Some("c2"));
        assert_eq!(other.date, start.plus(Duration::from_secs(59)));
        assert_eq!(other.expires, Some(later.plus(Duration::from_secs(5))));
    }

    #[test]
    fn nothing_a_notification_asks_for_counts() {
        let facts = facts(
            "message/cpim",
            "NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: d834jied93rf\r\n\
             imdn.Disposition-Notification: positive-delivery\r\n\
             imdn.IMDN-Record-Route: <sip:last@example.com>\r\n\
             \r\nContent-type: message/imdn+xml\r\nContent-Disposition: notification\r\n\r\n",
        );
        assert_eq!(facts.kind, Kind::Notification);
        assert!(facts.dispositions.is_empty() && facts.imdn_route.is_empty());
    }

    #[test]
    fn message_from_a_focus_is_of_who_stands_in_its_wrapper() {
        let parse = |text| Address::parse(text).unwrap();
        let (club, bob) = (parse("sip:club@example.com"), parse("sip:bob@example.com"));
        let request = Builder::request(Method::Invite, "sip:bob@example.com")
            .header(Name::CSeq, "1 INVITE")
            .header(Name::CallId, "c")
            .header(Name::ReferredBy, "<sip:alice@example.com>")
            .build();
        let origin = Origin::of(&request, club.clone(), bob, Timestamp::EPOCH);
        let origin = origin.by_focus(&request);
        let of = |content_type, prefix: &str| {
            let facts = origin.facts(&Item {
                message_id: "hop",
                content_type,
                size: 12,
                success_report: false,
                prefix: prefix.as_bytes(),
            });
            assert_eq!(facts.group.as_ref(), Some(&club));
            facts.sender.to_string()
        };
        let wrapped = "From: <sip:eve@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\nHi";
        assert_eq!(of("message/cpim", wrapped), "sip:eve@example.com");
        assert_eq!(of("text/plain", "Hi"), "sip:alice@example.com");
    }

    #[test]
    fn message_without_wrapper_asks_for_nothing() {
        let plain = facts("text/plain", "Hello World!");
        assert_eq!(
            (plain.message_id.as_str(), plain.kind),
            ("hop", Kind::Message)
        );
        assert!(plain.dispositions.is_empty());
        assert_eq!(
            facts("message/imdn+xml", "<imdn/>").kind,
            Kind::Notification
        );
    }
}
