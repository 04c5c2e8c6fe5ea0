use super::RecordError;

/// What can go wrong between a function and the disk.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The writer's or the readers' queue is full. Nothing was done; try again later.
    #[error("store is busy: its queue is full (`store.queue`)")]
    Busy,
    /// The store was shut down. Nothing was done.
    #[error("store is closed")]
    Closed,
    /// The disk failed a flush. Nothing more may be promised to senders.
    #[error("store refuses writes after a failed flush")]
    Poisoned,
    /// The disk is (nearly) full. Nothing is promised for this write; it can be tried again when
    /// there is room.
    #[error("store has no room: the disk has less free than `store.reserve`")]
    NoRoom,
    /// What had been promised is not there any more. The server must not start.
    #[error("store is damaged: {what}. {advice}")]
    Damaged {
        /// What was found.
        what: String,
        /// What the operator can do.
        advice: &'static str,
    },
    /// A backup that was cut or changed, or is none.
    #[error("{} is no backup, or is damaged", .0.display())]
    Backup(std::path::PathBuf),
    /// A folder that a backup cannot be restored to, because something is there.
    #[error("{} is not empty: a backup is restored to an empty folder", .0.display())]
    NotEmpty(std::path::PathBuf),
    /// Another process has the store open.
    #[error("store is in use by another process")]
    InUse,
    /// A record that this version cannot read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A transaction found what its caller must hear of; its writes were dropped.
    #[error("transaction gave up: {0}")]
    Abandoned(&'static str),
    /// The engine failed.
    #[error("storage engine: {0}")]
    Engine(#[source] fjall::Error),
    /// The file system failed.
    #[error("{what}: {source}")]
    Io {
        /// The file or folder.
        what: String,
        /// Why.
        source: std::io::Error,
    },
}

/// What an operator can do about damage that the engine refuses itself.
const RESTORE: &str = "Restore the store's folder from a backup or a replica";

/// What an operator can do about a loss that the engine would pass over in silence.
const RESTORE_OR_ACCEPT: &str = "Restore the store's folder from a backup or a replica. To go on \
     without what was lost, start once with `store.accept_loss = true`";

impl StoreError {
    /// Something promised that is missing.
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        let (what, advice) = (what.into(), RESTORE_OR_ACCEPT);
        Self::Damaged { what, advice }
    }

    /// A failure of the file system at `path`.
    pub(super) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let what = path.display().to_string();
        move |source| Self::Io { what, source }
    }

    /// Metric label.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Closed => "closed",
            Self::Poisoned => "poisoned",
            Self::NoRoom => "no_room",
            Self::Damaged { .. } => "damaged",
            Self::Backup(_) => "backup",
            Self::NotEmpty(_) => "not_empty",
            Self::InUse => "in_use",
            Self::Record(_) => "record",
            Self::Abandoned(_) => "abandoned",
            Self::Engine(_) => "engine",
            Self::Io { .. } => "io",
        }
    }
}

impl From<fjall::Error> for StoreError {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Poisoned => Self::Poisoned,
            fjall::Error::Locked => Self::InUse,
            fjall::Error::JournalRecovery(_)
            | fjall::Error::InvalidTrailer
            | fjall::Error::InvalidTag(_)
            | fjall::Error::Decompress(_)
            | fjall::Error::Unrecoverable => Self::Damaged {
                what: format!("the engine says: {error}"),
                advice: RESTORE,
            },
            other => Self::Engine(other),
        }
    }
}
