use super::{content::pieces, record::Body};
use crate::{clock::Timestamp, content::cpim::Dispositions, identity::Address, policy::Mode};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// What the sender said of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Who sent it.
    pub sender: Address,
    /// For whom it is.
    pub recipient: Address,
    /// The sender's name of the message, the same at every delivery.
    pub message_id: String,
    /// MIME type of the content.
    pub content_type: String,
    /// When it was sent.
    pub date: Timestamp,
    /// Octets of the content; the deferred function sets it to what it received.
    pub size: u64,
    /// How it came.
    pub mode: Mode,
    /// When it loses its meaning, if the sender said so.
    pub expires: Option<Timestamp>,
    /// Subject line.
    pub subject: Option<String>,
    /// `Conversation-ID` of CPM.
    pub conversation_id: Option<String>,
    /// `Contribution-ID` of CPM.
    pub contribution_id: Option<String>,
    /// `InReplyTo-Contribution-ID` of CPM.
    pub in_reply_to: Option<String>,
    /// Whether the sender asked for a report of success.
    pub success_report: bool,
    /// How urgent the sender thinks it is.
    pub priority: Priority,
    /// Whether it is a message or tells what became of one.
    pub kind: Kind,
    /// Which notifications the sender asked for.
    pub dispositions: Dispositions,
    /// The way back for notifications: the URIs of `IMDN-Record-Route`, topmost first.
    pub imdn_route: Vec<String>,
    /// URI that the sender addressed at first (`Original-To`), if it was another.
    pub original_to: Option<String>,
    /// The group it was sent to, if its recipient has it as a member of one.
    pub group: Option<Address>,
}

impl Facts {
    /// The least that must be known; the rest is empty and may be set.
    pub fn new(sender: Address, recipient: Address, message_id: impl Into<String>) -> Self {
        Self {
            sender,
            recipient,
            message_id: message_id.into(),
            content_type: "application/octet-stream".to_owned(),
            date: Timestamp::EPOCH,
            size: 0,
            mode: Mode::Channel,
            expires: None,
            subject: None,
            conversation_id: None,
            contribution_id: None,
            in_reply_to: None,
            success_report: false,
            priority: Priority::Normal,
            kind: Kind::Message,
            dispositions: Dispositions::default(),
            imdn_route: Vec::new(),
            original_to: None,
            group: None,
        }
    }

    /// Whether it tells what became of a message.
    pub fn is_notification(&self) -> bool {
        self.kind == Kind::Notification
    }
}

/// What a message is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Something to be read.
    #[default]
    Message,
    /// What became of a message (IMDN): it is never answered by another one.
    Notification,
}

/// How urgent a message is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Priority {
    /// May wait.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// Before others, where configured.
    High,
}

/// Where a message stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// Its octets are coming in.
    Receiving,
    /// It was refused or given up before it was stored.
    Refused,
    /// On disk, and its sender may be told.
    Stored,
    /// Its receiver was told of it.
    Offered,
    /// On its way to the receiver.
    Transferring,
    /// The receiver has it.
    Confirmed,
    /// Its time was over.
    Expired,
    /// Deleted by its sender, its receiver or an operator.
    Revoked,
    /// Gone to make room for newer ones.
    Dropped,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Receiving => "receiving",
            Self::Refused => "refused",
            Self::Stored => "stored",
            Self::Offered => "offered",
            Self::Transferring => "transferring",
            Self::Confirmed => "confirmed",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Dropped => "dropped",
        })
    }
}

/// A message that waits. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What the sender said.
    pub facts: Arc<Facts>,
    /// Its place in the receiver's mailbox; grows with every message.
    pub sequence: u64,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// When it will be removed undelivered.
    pub expires_at: Timestamp,
    /// Stored, offered or transferring.
    pub state: State,
    /// How often a transfer began.
    pub attempts: u32,
    pub(super) body: Body,
    pub(super) started: Timestamp,
    pub(super) has_past: bool,
}

impl Envelope {
    /// Pieces of the content, to be read from 0 on by [`super::Deferred::piece`].
    pub fn pieces(&self) -> u32 {
        pieces(self.facts.size)
    }
}
