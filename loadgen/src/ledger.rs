//! The ledger: what became of every message, and whether that is what was promised.
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Every message of a run, by its identifier.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Ledger {
    entries: BTreeMap<String, Entry>,
    /// Messages that arrived and are in no ledger of ours.
    #[serde(skip)]
    foreign: u64,
}

/// One message.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Entry {
    /// Who sent it.
    pub from: String,
    /// Whom it is for.
    pub to: String,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
    /// What the sender knows.
    pub sent: Sent,
    /// How often it arrived.
    #[serde(default)]
    pub deliveries: u64,
    /// How often it arrived with other octets than were sent.
    #[serde(default)]
    pub corrupt_deliveries: u64,
}

/// What the sender of a message knows about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sent {
    /// Nothing: it is under way, or the connection broke before the answer.
    Unknown,
    /// The server took it over.
    Acknowledged,
    /// The server refused it.
    Refused,
}

/// What the ledger comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Messages written into the ledger.
    pub sent: u64,
    /// Those which the server took over.
    pub acknowledged: u64,
    /// Those which the server refused.
    pub refused: u64,
    /// Those which arrived at least once.
    pub delivered: u64,
    /// Acknowledged, and never arrived.
    pub lost: u64,
    /// Arrivals beyond the first.
    pub duplicated: u64,
    /// Arrivals with other octets than were sent.
    pub corrupted: u64,
    /// Arrivals of messages that are not in the ledger.
    pub foreign: u64,
}

/// Why a ledger cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be read or written.
    #[error("ledger {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is no ledger.
    #[error("{path} is no ledger: {error}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: serde_json::Error,
    },
}

impl Ledger {
    /// Writes down a message before it is sent.
    pub fn open(&mut self, id: &str, from: &str, to: &str, sha256: &str) {
        let entry = Entry {
            from: from.to_owned(),
            to: to.to_owned(),
            sha256: sha256.to_owned(),
            sent: Sent::Unknown,
            deliveries: 0,
            corrupt_deliveries: 0,
        };
        self.entries.insert(id.to_owned(), entry);
    }

    /// Notes what the sender was told.
    pub fn answered(&mut self, id: &str, sent: Sent) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.sent = sent;
        }
    }

    /// Notes an arrival.
    pub fn arrived(&mut self, id: &str, sha256: &str) {
        match self.entries.get_mut(id) {
            None => self.foreign += 1,
            Some(entry) => {
                entry.deliveries += 1;
                entry.corrupt_deliveries += u64::from(entry.sha256 != sha256);
            }
        }
    }

    /// How many acknowledged messages each recipient has still to get.
    pub fn outstanding(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for entry in self.entries.values() {
            if entry.sent == Sent::Acknowledged && entry.deliveries == 0 {
                *counts.entry(entry.to.clone()).or_default() += 1;
            }
        }
        counts
    }

    /// Sums up. `complete` says that every recipient had its chance to fetch, so that what did
    /// not arrive is lost.
    pub fn verdict(&self, complete: bool) -> Verdict {
        let mut verdict = Verdict {
            foreign: self.foreign,
            ..Verdict::default()
        };
        for entry in self.entries.values() {
            verdict.sent += 1;
            verdict.acknowledged += u64::from(entry.sent == Sent::Acknowledged);
            verdict.refused += u64::from(entry.sent == Sent::Refused);
            verdict.delivered += u64::from(entry.deliveries > 0);
            verdict.duplicated += entry.deliveries.saturating_sub(1);
            verdict.corrupted += entry.corrupt_deliveries;
            let missing = entry.sent == Sent::Acknowledged && entry.deliveries == 0;
            verdict.lost += u64::from(complete && missing);
        }
        verdict
    }

    /// Keeps the ledger in `path`.
    ///
    /// Errors: `File`.
    pub fn save(&self, path: &Path) -> Result<(), LedgerError> {
        let text = serde_json::to_vec(self).map_err(|error| LedgerError::Form {
            path: path.to_owned(),
            error,
        })?;
        fs::write(path, text).map_err(|error| LedgerError::File {
            path: path.to_owned(),
            error,
        })
    }

    /// Reads the ledger in `path`.
    ///
    /// Errors: `File`, or `Form` if it is no ledger.
    pub fn load(path: &Path) -> Result<Self, LedgerError> {
        let text = fs::read(path).map_err(|error| LedgerError::File {
            path: path.to_owned(),
            error,
        })?;
        serde_json::from_slice(&text).map_err(|error| LedgerError::Form {
            path: path.to_owned(),
            error,
        })
    }
}

impl Verdict {
    /// Whether every promise was kept.
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.corrupted == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        for id in ["one", "two", "three"] {
            ledger.open(id, "sip:a@x", "sip:b@x", "hash");
            ledger.answered(id, Sent::Acknowledged);
        }
        ledger
    }

    #[test]
    fn everything_delivered_once_is_clean() {
        let mut ledger = ledger();
        for id in ["one", "two", "three"] {
            ledger.arrived(id, "hash");
        }
        let verdict = ledger.verdict(true);
        assert!(verdict.is_clean(), "{verdict:?}");
        assert_eq!((verdict.sent, verdict.delivered), (3, 3));
    }

    #[test]
    fn each_broken_promise_is_counted_under_its_name() {
        let mut ledger = ledger();
        ledger.arrived("one", "hash");
        ledger.arrived("one", "hash");
        ledger.arrived("two", "other");
        ledger.arrived("nobody's", "hash");
        let verdict = ledger.verdict(true);
        assert_eq!(
            (verdict.lost, verdict.duplicated, verdict.corrupted),
            (1, 1, 1)
        );
        assert_eq!(verdict.foreign, 1);
        assert!(!verdict.is_clean());
    }

    #[test]
    fn message_without_an_answer_may_be_missing_or_arrive() {
        let mut ledger = ledger();
        ledger.answered("one", Sent::Unknown);
        ledger.answered("two", Sent::Unknown);
        ledger.arrived("two", "hash");
        ledger.arrived("three", "hash");
        assert!(ledger.verdict(true).is_clean());
    }

    #[test]
    fn nothing_is_lost_before_the_recipients_had_their_chance() {
        assert_eq!(ledger().verdict(false).lost, 0);
        assert_eq!(ledger().outstanding()["sip:b@x"], 3);
    }
}
