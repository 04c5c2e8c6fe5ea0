use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

/// What an operator may set for the store: the `[store]` table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Most transactions waiting for the writer, and most reads waiting for a reader. Past it
    /// the answer is "busy".
    pub queue: usize,
    /// Most transactions committed with one sync.
    pub group: usize,
    /// Most octets committed with one sync.
    pub group_octets: ByteSize,
    /// Most octets on their way to the writer; who has more waits.
    pub max_inflight: ByteSize,
    /// Threads that read.
    pub readers: usize,
    /// Memory for blocks read from disk.
    pub cache: ByteSize,
    /// Memory for what was written and is not sorted to disk yet, over all keyspaces.
    pub write_buffer: ByteSize,
    /// Most octets of journal before the oldest is written to the tables. At least 64 MiB.
    pub max_journal: ByteSize,
    /// Disk space that must stay free for sorting to disk what was written. Below it nothing large
    /// is taken in; below an eighth of it nothing at all.
    pub reserve: ByteSize,
    /// Start even though the journal lost what had been promised. For one start only.
    pub accept_loss: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queue: 4096,
            group: 256,
            group_octets: ByteSize::mib(2),
            max_inflight: ByteSize::mib(8),
            readers: 2,
            cache: ByteSize::mib(8),
            write_buffer: ByteSize::mib(16),
            max_journal: ByteSize::mib(128),
            reserve: ByteSize::mib(128),
            accept_loss: false,
        }
    }
}

impl Config {
    /// The first value that cannot work, as (key, what it must be).
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let wrong = [
            (self.queue == 0, "store.queue", "at least 1"),
            (self.group == 0, "store.group", "at least 1"),
            (self.readers == 0, "store.readers", "at least 1"),
            (
                self.max_inflight < ByteSize::kib(256),
                "store.max_inflight",
                "at least 256KiB",
            ),
            (
                self.max_inflight > ByteSize::gib(1),
                "store.max_inflight",
                "at most 1GiB",
            ),
            (
                self.write_buffer < ByteSize::mib(4),
                "store.write_buffer",
                "at least 4MiB",
            ),
            (
                self.max_journal < ByteSize::mib(64),
                "store.max_journal",
                "at least 64MiB",
            ),
        ];
        match wrong.into_iter().find(|(is_wrong, ..)| *is_wrong) {
            Some((_, key, expected)) => Err((key, expected)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_pass_their_own_check() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn sizes_are_written_for_people() {
        let config: Config = toml::from_str("max_inflight = \"1MiB\"").unwrap();
        assert_eq!(config.max_inflight, ByteSize::mib(1));
    }

    #[test]
    fn journal_too_small_for_the_engine_is_named() {
        let config: Config = toml::from_str("max_journal = \"1MiB\"").unwrap();
        assert_eq!(config.check(), Err(("store.max_journal", "at least 64MiB")));
    }
}
