use crate::{
    policy::NotStored,
    store::{RecordError, StoreError},
};
use std::{fmt, sync::Arc};

/// Which bound a message met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Messages waiting for one receiver.
    Messages,
    /// Octets waiting for one receiver.
    Octets,
    /// Messages of one sender waiting for one receiver.
    Share,
    /// Notifications waiting for one receiver.
    Notifications,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Messages => "max_messages",
            Self::Octets => "max_octets",
            Self::Share => "max_share",
            Self::Notifications => "max_notifications",
        })
    }
}

/// Why a message is not stored. The text names the configuration key of the bound it met.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nothing may be stored for this receiver.
    #[error("no deferred messages are kept for this receiver")]
    NotPermitted,
    /// The receiver is no subscriber.
    #[error("unknown receiver")]
    UnknownReceiver,
    /// The receiver's mailbox has no room.
    #[error("the receiver's mailbox is full (`deferred.{}{limit}`, {allowed} allowed)", table(.class))]
    Full {
        /// Which bound.
        limit: Limit,
        /// Its value, in messages or octets.
        allowed: u64,
        /// The receiver's class of service, where it has one.
        class: Option<Arc<str>>,
    },
    /// The message is larger than any may be.
    #[error("the message is larger than {allowed} octets (`deferred.{}max_message`)", table(.class))]
    TooLarge {
        /// Octets allowed.
        allowed: u64,
        /// The receiver's class of service, where it has one.
        class: Option<Arc<str>>,
    },
    /// The server has too much to do.
    #[error("the server is busy ({0})")]
    Busy(&'static str),
    /// The message ended although octets are missing.
    #[error("octets are missing from {missing} on")]
    Incomplete {
        /// Offset of the first octet that never came, or that came behind the end.
        missing: u64,
    },
    /// The octets came in too many separate places.
    #[error("more than {allowed} separate ranges of one message")]
    Scattered {
        /// Ranges allowed.
        allowed: usize,
    },
    /// The message id is empty, longer than 256 octets, or holds control characters.
    #[error("the message id is unusable")]
    BadMessageId,
    /// The deposit was interrupted in the middle of a write and cannot go on.
    #[error("the deposit was interrupted")]
    Interrupted,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

/// The table of a class below `[deferred]`.
fn table(class: &Option<Arc<str>>) -> String {
    let name = class.as_deref();
    name.map(|name| format!("classes.{name}."))
        .unwrap_or_default()
}

impl Refusal {
    /// The SIP status that tells the sender why (480 goes with a `Warning`).
    pub fn status(&self) -> u16 {
        match self {
            Self::NotPermitted => 403,
            Self::UnknownReceiver => 404,
            Self::Full { .. } => 480,
            Self::TooLarge { .. } | Self::Scattered { .. } => 413,
            Self::Busy(_) | Self::Store(StoreError::Busy | StoreError::Closed) => 503,
            Self::Incomplete { .. } | Self::BadMessageId => 400,
            Self::Interrupted | Self::Store(_) => 500,
        }
    }

    /// The MSRP status, where the refusal comes while chunks arrive.
    pub fn msrp_status(&self) -> u16 {
        match self {
            Self::NotPermitted | Self::UnknownReceiver => 403,
            Self::Incomplete { .. } | Self::BadMessageId => 400,
            Self::Full { .. }
            | Self::TooLarge { .. }
            | Self::Scattered { .. }
            | Self::Busy(_)
            | Self::Interrupted
            | Self::Store(_) => 413,
        }
    }

    /// Metric label.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotPermitted => "not_permitted",
            Self::UnknownReceiver => "unknown_receiver",
            Self::Full { .. } => "full",
            Self::TooLarge { .. } => "too_large",
            Self::Busy(_) => "busy",
            Self::Incomplete { .. } => "incomplete",
            Self::Scattered { .. } => "scattered",
            Self::BadMessageId => "bad_message_id",
            Self::Interrupted => "interrupted",
            Self::Store(_) => "store",
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::Busy("store.queue"),
            StoreError::NoRoom => Self::Busy("store.reserve"),
            other => Self::Store(other),
        }
    }
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        Self::Store(error.into())
    }
}

impl From<NotStored> for Refusal {
    fn from(reason: NotStored) -> Self {
        match reason {
            NotStored::Unknown => Self::UnknownReceiver,
            NotStored::NotPermitted => Self::NotPermitted,
        }
    }
}
