use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A page of the recipients for whom something waits, and what waits for all.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct QueuesView {
    /// Messages and notifications that wait, for all recipients.
    pub messages: u64,
    /// Their octets.
    pub octets: u64,
    /// The recipients on this page.
    pub items: Vec<QueueView>,
    /// Where the next page begins, as `after` of the next request; nothing on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What waits for one recipient.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct QueueView {
    /// The recipient.
    pub recipient: String,
    /// Messages that wait.
    pub count: u64,
    /// Their octets.
    pub octets: u64,
    /// Notifications of what became of the recipient's own messages.
    pub notifications: u64,
}

/// One mailbox: its level, its limits, and a page of what waits in it.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct MailboxView {
    /// Whose it is.
    pub recipient: String,
    /// Messages that wait.
    pub count: u64,
    /// Their octets.
    pub octets: u64,
    /// Notifications of what became of the recipient's own messages.
    pub notifications: u64,
    /// How full it is, in percent of the nearer bound.
    pub level: u64,
    /// What bounds it.
    pub limits: LimitsView,
    /// The messages on this page, oldest first.
    pub items: Vec<EntryView>,
    /// Where the next page begins, as `after` of the next request; nothing on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What bounds a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct LimitsView {
    /// The class of service it belongs to.
    pub class: String,
    /// Most messages.
    pub max_messages: u64,
    /// Most octets of all messages.
    pub max_octets: u64,
    /// Most octets of one message.
    pub max_message: u64,
    /// Percent of the messages that one sender may fill.
    pub max_share: u8,
    /// Longest time a message waits, in seconds.
    pub max_age: u64,
    /// What a full mailbox does: `refuse` what comes, or `drop_oldest`.
    pub when_full: String,
    /// Percent from which the receiver is warned; 0 for never.
    pub warn_at: u8,
}

/// One message that waits.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct EntryView {
    /// For whom.
    pub recipient: String,
    /// Its number in the mailbox.
    pub sequence: u64,
    /// The sender's identifier.
    pub message_id: String,
    /// Who sent it.
    pub sender: String,
    /// `message`, or `notification` of what became of one.
    pub kind: String,
    /// Its media type.
    pub content_type: String,
    /// Its size in octets.
    pub size: u64,
    /// Where it stands in its life.
    pub state: String,
    /// When it was stored (RFC 3339).
    #[schema(format = DateTime)]
    pub stored: String,
    /// When it will be given up (RFC 3339).
    #[schema(format = DateTime)]
    pub expires: String,
    /// Deliveries tried so far.
    pub attempts: u64,
}

/// What a removal did.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
pub struct Purged {
    /// Messages removed.
    pub messages: u64,
}
