//! What a device is asked to send, and what becomes of it.
use super::inbox::Channel;
use crate::{clock::Timestamp, content::cpim::Dispositions, identity::Address, profile::mime};
use bytes::Bytes;
use std::{fmt, path::PathBuf, rc::Rc};

/// How a message is to travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// By MESSAGE if it fits into one datagram, by MSRP otherwise.
    #[default]
    Auto,
    /// By MESSAGE, or not at all.
    Pager,
    /// By MSRP, however small.
    Channel,
}

/// Where the octets come from.
#[derive(Clone, Debug)]
pub enum Content {
    /// From memory.
    Bytes(Bytes),
    /// From a file, read piece by piece.
    File(PathBuf),
}

/// Told after each answered chunk: octets that arrived, octets in all (wrapper included).
pub type Progress = Rc<dyn Fn(u64, u64)>;

/// A message to be sent.
#[derive(Clone)]
pub struct Outgoing {
    /// Its recipient.
    pub to: Address,
    /// The Request-URI, where it is not the recipient's address.
    pub request_uri: Option<String>,
    /// Its octets.
    pub content: Content,
    /// Their MIME type.
    pub content_type: String,
    /// Its identifier; a random one if absent. All attempts carry the same.
    pub message_id: Option<String>,
    /// When it was written; the time of sending if absent.
    pub date: Option<Timestamp>,
    /// Its subject.
    pub subject: Option<String>,
    /// What the sender wants to be told.
    pub dispositions: Dispositions,
    /// Whether a success report is asked for on MSRP.
    pub success_report: bool,
    /// How it is to travel.
    pub mode: Mode,
    /// Until when it is worth delivering.
    pub expires: Option<Timestamp>,
    /// Who is told how far it got.
    pub progress: Option<Progress>,
}

impl Outgoing {
    /// A message with this content, everything else by default.
    pub fn new(to: Address, content_type: &str, content: Content) -> Self {
        Self {
            to,
            request_uri: None,
            content,
            content_type: content_type.to_owned(),
            message_id: None,
            date: None,
            subject: None,
            dispositions: Dispositions::default(),
            success_report: true,
            mode: Mode::Auto,
            expires: None,
            progress: None,
        }
    }

    /// A text.
    pub fn text(to: Address, text: &str) -> Self {
        let octets = Bytes::copy_from_slice(text.as_bytes());
        let content_type = format!("{};charset=utf-8", mime::TEXT);
        Self::new(to, &content_type, Content::Bytes(octets))
    }

    /// A file of unknown type.
    pub fn file(to: Address, path: impl Into<PathBuf>) -> Self {
        Self::new(to, mime::OCTETS, Content::File(path.into()))
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("to", &self.to)
            .field("content_type", &self.content_type)
            .field("message_id", &self.message_id)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The recipient's device has it.
    Delivered,
    /// A server keeps it for the recipient.
    Stored,
    /// It was refused for good.
    Refused {
        /// The SIP or MSRP status.
        code: u16,
        /// The reason phrase.
        reason: String,
    },
}

/// The sender's proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The identifier of the message.
    pub message_id: String,
    /// What became of it.
    pub outcome: Outcome,
    /// How it travelled.
    pub channel: Channel,
    /// How often it was tried.
    pub attempts: u32,
}

impl Receipt {
    /// Whether the message is in safe hands.
    pub fn is_accepted(&self) -> bool {
        !matches!(self.outcome, Outcome::Refused { .. })
    }
}
