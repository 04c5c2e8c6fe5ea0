use crate::{
    controlling::GroupError, http::JobRunning, identity::AddressError, sip_core::SubscriberError,
    store::StoreError,
};
use std::path::PathBuf;

/// Why an order is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The address names no user.
    #[error("`{given}` is no address of a user: {reason}")]
    Address {
        /// What was given.
        given: String,
        /// What is wrong with it.
        reason: AddressError,
    },
    /// The subscriber cannot be added, changed or found.
    #[error(transparent)]
    Subscriber(#[from] SubscriberError),
    /// The address belongs to a subscriber, or to a group.
    #[error("{0} is taken: by a subscriber, or by a group")]
    Taken(String),
    /// The group cannot be added, changed or found.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// No class of service has this name.
    #[error("there is no class `{given}`; there are {known}")]
    UnknownClass {
        /// What was given.
        given: String,
        /// The names there are.
        known: String,
    },
    /// Nothing is known of such a message.
    #[error("nothing is known of a message `{0}`")]
    UnknownMessage(String),
    /// Nothing waits under this number.
    #[error("no message {sequence} waits for {recipient}")]
    NotWaiting {
        /// Whose mailbox.
        recipient: String,
        /// The number.
        sequence: u64,
    },
    /// No backup can be written there.
    #[error("{}: a backup needs an absolute path where nothing is yet", .0.display())]
    BackupFile(PathBuf),
    /// Another job runs.
    #[error(transparent)]
    Job(#[from] JobRunning),
    /// No job has run since the start.
    #[error("no job has run since the start")]
    NoJob,
    /// There is no such page.
    #[error("`after` must be the `next` of another page, got `{0}`")]
    After(String),
    /// The document or the query cannot be read.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// There is nothing at this path.
    #[error("nothing here; GET /api/v1/openapi.json says what there is")]
    NoSuchPath,
    /// The path takes other methods.
    #[error("not by this method; GET /api/v1/openapi.json says what there is")]
    NoSuchMethod,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ServiceError {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Address { .. }
            | Self::UnknownClass { .. }
            | Self::BackupFile(_)
            | Self::After(_)
            | Self::Unreadable(_) => 400,
            Self::UnknownMessage(_) | Self::NotWaiting { .. } | Self::NoJob | Self::NoSuchPath => {
                404
            }
            Self::Job(_) | Self::Taken(_) => 409,
            Self::NoSuchMethod => 405,
            Self::Subscriber(error) => match error {
                SubscriberError::Known(_) => 409,
                SubscriberError::Unknown(_) => 404,
                SubscriberError::ForeignDomain(_) | SubscriberError::EmptyPassword => 400,
                SubscriberError::Store(error) => status_of(error),
            },
            Self::Group(error) => match error {
                GroupError::Known(_) => 409,
                GroupError::Unknown(_) | GroupError::NotMember { .. } => 404,
                GroupError::ForeignDomain(_)
                | GroupError::Reserved(_)
                | GroupError::TooManyMembers(_)
                | GroupError::TooManyGroups(_) => 400,
                GroupError::Store(error) => status_of(error),
            },
            Self::Store(error) => status_of(error),
        }
    }

    /// The reason as a word that stays the same.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Address { .. } => "bad_address",
            Self::UnknownClass { .. } => "unknown_class",
            Self::UnknownMessage(_) => "unknown_message",
            Self::NotWaiting { .. } => "not_waiting",
            Self::Taken(_) => "exists",
            Self::Job(_) => "job_running",
            Self::NoJob => "no_job",
            Self::BackupFile(_) => "backup_file",
            Self::After(_) => "bad_page",
            Self::Unreadable(_) => "unreadable",
            Self::NoSuchPath => "no_such_path",
            Self::NoSuchMethod => "no_such_method",
            Self::Subscriber(error) => match error {
                SubscriberError::Known(_) => "exists",
                SubscriberError::Unknown(_) => "unknown_subscriber",
                SubscriberError::ForeignDomain(_) => "foreign_domain",
                SubscriberError::EmptyPassword => "empty_password",
                SubscriberError::Store(error) => error.kind(),
            },
            Self::Group(error) => error.kind(),
            Self::Store(error) => error.kind(),
        }
    }
}

/// Busy, full and closing stores answer later; anything else is our fault.
fn status_of(error: &StoreError) -> u16 {
    match error {
        StoreError::Busy | StoreError::NoRoom | StoreError::Closed => 503,
        _ => 500,
    }
}
