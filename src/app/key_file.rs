//! The file of the keys that seal the relay's URIs.
use crate::{
    clock,
    config::Config,
    msrp::relay::{KeyRing, KeyRingError},
};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// Where the keys of the relay are kept: readable by their owner only, and never half written.
#[derive(Clone, Debug)]
pub struct KeyFile(PathBuf);

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is no file yet.
    #[error("{0} does not exist; the first `restante serve` makes it")]
    Missing(PathBuf),
    /// The file can be neither read nor made.
    #[error("cannot read or make {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file holds something else. The keys it held may be lost, and their URIs with them.
    #[error("{path}: {error}; put its backup back, or remove it and new keys are made")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: KeyRingError,
    },
    /// The system has no random octets.
    #[error("no random octets: {0}")]
    Random(getrandom::Error),
}

impl KeyFile {
    /// The file that `config` names.
    pub fn of(config: &Config) -> Self {
        let relay = &config.msrp.relay;
        let default = || config.server.data.join("relay.keys");
        Self(relay.key_file.clone().unwrap_or_else(default))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the keys; the first start makes one.
    ///
    /// Errors: `File`, `Damaged` or `Random`.
    pub fn load_or_make(&self) -> Result<KeyRing, KeyFileError> {
        match self.load() {
            Err(KeyFileError::Missing(_)) => self.make(),
            outcome => outcome,
        }
    }

    /// Reads the keys. Errors: `Missing`, `File` or `Damaged`.
    pub fn load(&self) -> Result<KeyRing, KeyFileError> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(KeyFileError::Missing(self.0.clone()));
            }
            Err(error) => return Err(self.failed(error)),
        };
        if fs::metadata(&self.0).is_ok_and(|file| file.permissions().mode() & 0o077 != 0) {
            let path = self.0.display();
            tracing::warn!(%path, "others can read the relay's keys; chmod 600 keeps them out");
        }
        KeyRing::parse(&text).map_err(|error| KeyFileError::Damaged {
            path: self.0.clone(),
            error,
        })
    }

    /// Puts a new key first and drops those whose URIs have all ended.
    ///
    /// Errors: those of [`KeyFile::load`], and `Random`. Nothing is changed then.
    pub fn rotate(&self, config: &Config) -> Result<KeyRing, KeyFileError> {
        let mut ring = self.load()?;
        let lifetime = config.msrp.relay.uri_lifetime;
        ring.rotate(secret()?, clock::wall(), lifetime);
        let file = self.written(&ring)?;
        file.persist(&self.0)
            .map_err(|failed| self.failed(failed.error))?;
        Ok(ring)
    }

    fn make(&self) -> Result<KeyRing, KeyFileError> {
        let ring = KeyRing::new(secret()?, clock::wall());
        match self.written(&ring)?.persist_noclobber(&self.0) {
            Ok(_) => Ok(ring),
            // another server of this configuration was quicker: its keys are ours
            Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => self.load(),
            Err(failed) => Err(self.failed(failed.error)),
        }
    }

    /// `ring` on the disk under another name.
    fn written(&self, ring: &KeyRing) -> Result<NamedTempFile, KeyFileError> {
        let folder = self.0.parent().filter(|path| *path != Path::new(""));
        let write = || {
            let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
            file.write_all(ring.to_text().as_bytes())?;
            file.as_file().sync_all()?;
            Ok(file)
        };
        write().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> KeyFileError {
        let path = self.0.clone();
        KeyFileError::File { path, error }
    }
}

fn secret() -> Result<[u8; 32], KeyFileError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(KeyFileError::Random)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Config) {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.data = folder.path().to_owned();
        (folder, config)
    }

    #[test]
    fn keys_are_made_once_and_for_their_owner_only() {
        let (_folder, config) = place();
        let file = KeyFile::of(&config);
        assert!(matches!(file.load(), Err(KeyFileError::Missing(_))));
        let made = file.load_or_make().unwrap();
        assert_eq!(file.load_or_make().unwrap(), made);
        assert_eq!(file.make().unwrap(), made);
        let mode = fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn rotation_puts_a_new_key_first_and_keeps_the_file_private() {
        let (_folder, config) = place();
        let file = KeyFile::of(&config);
        let made = file.load_or_make().unwrap();
        let rotated = file.rotate(&config).unwrap();
        assert_eq!(file.load().unwrap(), rotated);
        assert_eq!(rotated.keys()[1..], *made.keys());
        let mode = fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn damaged_file_is_refused_with_advice_and_left_alone() {
        let (_folder, config) = place();
        let file = KeyFile::of(&config);
        fs::write(file.path(), "rubbish").unwrap();
        let error = file.load_or_make().unwrap_err().to_string();
        assert!(
            error.contains("line 1") && error.contains("backup"),
            "{error}"
        );
        assert!(file.rotate(&config).is_err());
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "rubbish");
    }

    #[test]
    fn configured_file_takes_the_place_of_the_one_in_the_data_folder() {
        let (folder, mut config) = place();
        config.msrp.relay.key_file = Some(folder.path().join("elsewhere"));
        let file = KeyFile::of(&config);
        file.load_or_make().unwrap();
        assert!(folder.path().join("elsewhere").exists());
    }
}
