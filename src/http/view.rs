//! The documents of the admin API. The server writes them, the command line reads them.
use serde::{Deserialize, Serialize};

/// One page of a list.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Page<T> {
    /// What is on this page.
    pub items: Vec<T>,
    /// Where the next page begins, as `after` of the next request; nothing on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Which page of a list.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PageRequest {
    /// The `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Most items wanted; 100 if nothing is said, at most 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

impl PageRequest {
    const DEFAULT: usize = 100;
    const MOST: usize = 1000;

    /// The number of items wanted, within what one answer may carry.
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(Self::DEFAULT).clamp(1, Self::MOST)
    }
}

/// A subscriber to be made.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewSubscriber {
    /// Address of record, in any spelling.
    pub address: String,
    /// The password; only digests of it are kept.
    pub password: String,
    /// Whether messages are kept while the subscriber is away.
    #[serde(default = "yes")]
    pub deferral: bool,
}

/// A new password.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// The password; only digests of it are kept.
    pub password: String,
}

/// A subscriber, without secrets.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SubscriberView {
    /// Canonical address.
    pub address: String,
    /// Whether messages are kept while the subscriber is away.
    pub deferral: bool,
    /// When the subscriber was made (RFC 3339).
    pub created: String,
    /// Where the subscriber is logged in.
    #[serde(default)]
    pub bindings: Vec<BindingView>,
}

/// One place where a subscriber is logged in.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct BindingView {
    /// The contact URI.
    pub contact: String,
    /// Until when (RFC 3339).
    pub expires: String,
}

/// What waits for one recipient.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct QueueView {
    /// The recipient.
    pub recipient: String,
    /// Messages that wait.
    pub count: u64,
    /// Their octets.
    pub octets: u64,
}

/// One message that waits.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct EntryView {
    /// Its number in the queue.
    pub sequence: u64,
    /// The sender's identifier.
    pub message_id: String,
    /// Who sent it.
    pub sender: String,
    /// Its media type.
    pub content_type: String,
    /// Its size in octets.
    pub size: u64,
    /// Where it stands in its life.
    pub state: String,
    /// When it was stored (RFC 3339).
    pub stored: String,
    /// When it will be given up (RFC 3339).
    pub expires: String,
    /// Deliveries tried so far.
    pub attempts: u64,
}

/// The life of one message.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TraceView {
    /// The sender's identifier.
    pub message_id: String,
    /// What happened, in order.
    pub steps: Vec<StepView>,
}

/// One step in the life of a message.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StepView {
    /// When (RFC 3339).
    pub at: String,
    /// For whom.
    pub recipient: String,
    /// The state it entered.
    pub state: String,
    /// Why.
    pub reason: String,
}

/// What a purge did.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Purged {
    /// Messages removed.
    pub messages: u64,
}

/// What every refusal of the admin API says.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RefusalView {
    /// The reason, as a word that stays the same.
    pub error: String,
    /// The reason, for people.
    pub detail: String,
}

fn yes() -> bool {
    true
}
