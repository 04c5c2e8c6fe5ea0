use crate::{
    clock::Timestamp,
    content::cpim::{Cpim, CpimHead},
    deferred::{Facts, Priority},
    identity::Address,
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
    expires: Option<Timestamp>,
    subject: Option<String>,
    conversation_id: Option<String>,
    contribution_id: Option<String>,
    in_reply_to: Option<String>,
    priority: Priority,
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
            expires: lifetime.map(|seconds| now.plus(Duration::from_secs(seconds.into()))),
            subject: text(Name::Subject),
            conversation_id: text(Name::ConversationId),
            contribution_id: text(Name::ContributionId),
            in_reply_to: text(Name::InReplyToContributionId),
            priority: priority(text(Name::Priority).as_deref()),
        }
    }

    /// The facts to keep with one message. A CPIM wrapper knows better than the hop: its IMDN
    /// message id and its date go with the message wherever it goes.
    pub fn facts(&self, item: &Item<'_>) -> Facts {
        let wrapper = wrapper(item.content_type, item.prefix);
        let told = |read: fn(&CpimHead) -> Option<String>| wrapper.as_ref().and_then(read);
        let message_id = told(|head| head.message_id().map(|id| id.into_owned()));
        let date = told(|head| head.date_time().map(|date| date.into_owned()))
            .and_then(|date| Timestamp::parse_rfc3339(&date).ok());
        let subject = told(|head| head.subject().map(|subject| subject.into_owned()));
        Facts {
            sender: self.sender.clone(),
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
        }
    }
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
