//! The running sequence: every commit carries its number and the number that was surely on disk
//! when it was written. What the journal says it had synced must be there after a restart.
use super::StoreError;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Who this store is: random octets made once, which no message can carry by chance or intent,
/// so that marks are found in the raw journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity(pub(super) [u8; 16]);

/// What one commit says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// This commit; the first is 1.
    pub(super) number: u64,
    /// The newest commit known to be on disk when this one was written.
    pub(super) synced: u64,
}

impl Mark {
    /// Octets of a mark: identity, number, synced, check sum.
    pub(super) const LEN: usize = 40;

    pub(super) fn encode(self, identity: Identity) -> [u8; Self::LEN] {
        let mut octets = [0; Self::LEN];
        octets[..16].copy_from_slice(&identity.0);
        octets[16..24].copy_from_slice(&self.number.to_be_bytes());
        octets[24..32].copy_from_slice(&self.synced.to_be_bytes());
        let sum = Sha256::digest(&octets[..32]);
        octets[32..].copy_from_slice(&sum[..8]);
        octets
    }

    /// `None` where the octets are no mark of this store.
    pub(super) fn decode(octets: &[u8], identity: Identity) -> Option<Self> {
        let octets: &[u8; Self::LEN] = octets.try_into().ok()?;
        let number = |at: usize| {
            let mut field = [0; 8];
            field.copy_from_slice(&octets[at..at + 8]);
            u64::from_be_bytes(field)
        };
        let mark = Self {
            number: number(16),
            synced: number(24),
        };
        (mark.encode(identity) == *octets).then_some(mark)
    }
}

impl Identity {
    const FILE: &'static str = "identity";

    /// Makes a new identity and keeps it durably in `folder`, in place of an older one.
    pub(super) fn create(folder: &Path) -> Result<Self, StoreError> {
        let mut octets = [0; 16];
        getrandom::fill(&mut octets).map_err(|error| StoreError::Io {
            what: "random source".to_owned(),
            source: std::io::Error::other(error),
        })?;
        let (path, new) = (folder.join(Self::FILE), folder.join("identity.new"));
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&octets)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(StoreError::io(&path))?;
        Ok(Self(octets))
    }

    /// The identity kept in `folder`, or `None` where there is none.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, StoreError> {
        let path = folder.join(Self::FILE);
        match fs::read(&path) {
            Ok(octets) => match octets.try_into() {
                Ok(octets) => Ok(Some(Self(octets))),
                Err(_) => Err(StoreError::damaged("the file `identity` is not 16 octets")),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io(&path)(error)),
        }
    }
}

/// A small file that says which commit was last synced. It is written after each sync and not
/// synced itself, so it may lag behind the truth after a power failure, and is never ahead of it.
pub(super) struct Witness {
    file: File,
    path: PathBuf,
}

impl Witness {
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join("witness");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        let file = options.open(&path).map_err(StoreError::io(&path))?;
        Ok(Self { file, path })
    }

    /// The commit it saw synced; 0 where it saw none or cannot be read.
    pub(super) fn synced(&self, identity: Identity) -> u64 {
        let mut octets = [0; Mark::LEN];
        match self.file.read_exact_at(&mut octets, 0) {
            Ok(()) => Mark::decode(&octets, identity).map_or(0, |mark| mark.synced),
            Err(_) => 0,
        }
    }

    pub(super) fn record(&self, identity: Identity, synced: u64) -> Result<(), StoreError> {
        let number = synced;
        let octets = Mark { number, synced }.encode(identity);
        let written = self.file.write_all_at(&octets, 0);
        written.map_err(StoreError::io(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_of_another_store_is_no_mark() {
        let mark = Mark {
            number: 7,
            synced: 5,
        };
        let octets = mark.encode(Identity([1; 16]));
        assert_eq!(Mark::decode(&octets, Identity([1; 16])), Some(mark));
        assert_eq!(Mark::decode(&octets, Identity([2; 16])), None);
    }

    #[test]
    fn changed_mark_is_no_mark() {
        let identity = Identity([1; 16]);
        let octets = Mark::default().encode(identity);
        for at in 0..octets.len() {
            let mut changed = octets;
            changed[at] ^= 1;
            assert_eq!(Mark::decode(&changed, identity), None, "octet {at}");
        }
    }

    #[test]
    fn witness_remembers_the_last_sync_it_saw() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::create(folder.path()).unwrap();
        let witness = Witness::open(folder.path()).unwrap();
        assert_eq!(witness.synced(identity), 0);
        witness.record(identity, 41).unwrap();
        witness.record(identity, 42).unwrap();
        assert_eq!(Witness::open(folder.path()).unwrap().synced(identity), 42);
        assert_eq!(Identity::read(folder.path()).unwrap(), Some(identity));
    }
}
