use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use utoipa::ToSchema;

/// What the store takes, and what it may still take.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct StoreView {
    /// How it is: `sound`, `full` (nothing large is taken), `down` (nothing is taken until there
    /// is room again), or `lost` (a flush failed; it must be started anew).
    pub state: String,
    /// Octets on disk.
    pub octets: u64,
    /// Octets that can still be written; nothing where there is no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<u64>,
    /// Messages that wait in it.
    pub messages: u64,
    /// The octets of their contents.
    pub message_octets: u64,
}

/// A backup to be made.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBackup {
    /// The file, on the server's machine: an absolute path where nothing is yet.
    #[schema(examples("/var/backups/restante-2026-01-01"))]
    #[schema(value_type = String)]
    pub file: PathBuf,
}

/// A job on the store.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct JobView {
    /// What it does.
    pub kind: String,
    /// How it stands.
    pub state: JobState,
    /// How much is done.
    pub done: u64,
    /// How much there is to do; 0 as long as nobody knows.
    pub total: u64,
    /// Since when (RFC 3339).
    #[schema(format = DateTime)]
    pub began: String,
    /// Until when (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub ended: Option<String>,
    /// What it found, or why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It is under way.
    Running,
    /// It came to its end.
    Done,
    /// It did not.
    Failed,
}
