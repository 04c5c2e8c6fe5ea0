//! One message's page in the book.
use super::Delivery;
use crate::{octets::Digest, plan::Planned};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a sender was told about its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acknowledged {
    /// The server keeps it until the receiver logs in.
    Stored,
    /// The receiver has it.
    Delivered,
}

/// One message's page in the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was to be sent.
    pub message: Planned,
    /// Digest of its content.
    pub digest: Digest,
    /// When it was due for the first time.
    pub due: Duration,
    /// How often it was sent.
    pub attempts: u32,
    /// What the sender was told, and when.
    pub acknowledged: Option<(Acknowledged, Duration)>,
    /// Last refusal the sender was told, as `code reason`.
    pub refused: Option<String>,
    /// What became of it at each of its receivers.
    pub copies: Vec<Copy>,
}

/// What became of a message at one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Who is to receive it.
    pub receiver: usize,
    /// When it reached its receiver whole; more than once is a fault, or the repetition the
    /// contract allows after a break.
    pub delivered: Vec<Duration>,
    /// Why a delivery under its id was not the message.
    pub corrupted: Option<Corruption>,
    /// Its place among the first deliveries of the run.
    pub(super) arrival: Option<u64>,
}

/// How a delivery differs from what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Corruption {
    /// Other octets.
    Content,
    /// Another sender is named.
    Sender,
    /// It reached someone else.
    Receiver,
    /// It was never sent.
    Unsent,
}

impl Entry {
    /// A message for `receivers` that is about to be sent for the first time.
    pub(super) fn new(
        message: &Planned,
        digest: Digest,
        due: Duration,
        receivers: impl Iterator<Item = usize>,
    ) -> Self {
        let copy = |receiver| Copy {
            receiver,
            delivered: Vec::new(),
            corrupted: None,
            arrival: None,
        };
        Self {
            message: *message,
            digest,
            due,
            attempts: 0,
            acknowledged: None,
            refused: None,
            copies: receivers.map(copy).collect(),
        }
    }

    /// Whether the sender was told that all is well and `copy` has not arrived.
    pub fn is_outstanding(&self, copy: &Copy) -> bool {
        self.acknowledged.is_some() && copy.delivered.is_empty() && copy.corrupted.is_none()
    }

    /// Whether the sender was told that all is well and somebody has nothing yet.
    pub fn is_owed(&self) -> bool {
        self.copies.iter().any(|copy| self.is_outstanding(copy))
    }

    /// How `delivery` differs from this message.
    pub(super) fn difference(&self, delivery: &Delivery<'_>) -> Option<Corruption> {
        if delivery.sender != Some(self.message.sender) {
            return Some(Corruption::Sender);
        }
        (delivery.digest != self.digest).then_some(Corruption::Content)
    }
}
