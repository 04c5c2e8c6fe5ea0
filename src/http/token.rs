use std::{
    fs, io,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use subtle::ConstantTimeEq;

/// Random octets in a fresh token.
const ENTROPY: usize = 32;

/// What the caller of the admin API has to know: the text in `DATA/admin.token`.
#[derive(Clone)]
pub struct AdminToken(String);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file can be neither read nor made.
    #[error("cannot read or make {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is there, but empty.
    #[error("{0} is empty; remove it and a new one is made at the next start")]
    Empty(PathBuf),
    /// The system has no random octets.
    #[error("no random octets: {0}")]
    Random(getrandom::Error),
}

impl AdminToken {
    /// Where the token of the server with the data folder `data` stands.
    pub fn path(data: &Path) -> PathBuf {
        data.join("admin.token")
    }

    /// Reads the token of `data`; the first start makes one which only its owner can read.
    ///
    /// Errors: `File`, `Empty` or `Random`.
    pub fn load_or_make(data: &Path) -> Result<Self, TokenError> {
        match Self::load(data) {
            Err(TokenError::File { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                Self::make(data)
            }
            outcome => outcome,
        }
    }

    /// Reads the token of `data`.
    ///
    /// Errors: `File` if there is none, `Empty`.
    pub fn load(data: &Path) -> Result<Self, TokenError> {
        let path = Self::path(data);
        match fs::read_to_string(&path) {
            Ok(text) if text.trim().is_empty() => Err(TokenError::Empty(path)),
            Ok(text) => Ok(Self(text.trim().to_owned())),
            Err(error) => Err(TokenError::File { path, error }),
        }
    }

    fn make(data: &Path) -> Result<Self, TokenError> {
        let mut octets = [0; ENTROPY];
        getrandom::fill(&mut octets).map_err(TokenError::Random)?;
        let token = hex::encode(octets);
        let path = Self::path(data);
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| writeln!(file, "{token}"))
            .map_err(|error| TokenError::File { path, error })?;
        Ok(Self(token))
    }

    /// The token as it stands behind `Bearer` in an `Authorization` field.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `field`, the value of an `Authorization` field, carries this token. Takes the same
    /// time wherever the two differ.
    pub fn admits(&self, field: &str) -> bool {
        let offered = match field.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => return false,
        };
        offered.as_bytes().ct_eq(self.0.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn token_is_made_once_and_for_its_owner_only() {
        let data = tempfile::tempdir().unwrap();
        let made = AdminToken::load_or_make(data.path()).unwrap();
        let read = AdminToken::load_or_make(data.path()).unwrap();
        assert_eq!(made.as_str(), read.as_str());
        assert_eq!(made.as_str().len(), 2 * ENTROPY);
        let file = fs::metadata(AdminToken::path(data.path())).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn only_the_whole_token_is_admitted() {
        let token = AdminToken("secret".into());
        assert!(token.admits("Bearer secret"));
        assert!(token.admits("bearer  secret"));
        for wrong in [
            "secret",
            "Bearer secre",
            "Bearer secrets",
            "Basic secret",
            "Bearer",
            "",
        ] {
            assert!(!token.admits(wrong), "{wrong}");
        }
    }

    #[test]
    fn empty_token_file_is_refused_with_advice() {
        let data = tempfile::tempdir().unwrap();
        fs::write(AdminToken::path(data.path()), "\n").unwrap();
        let Err(error) = AdminToken::load_or_make(data.path()) else {
            panic!("an empty token admits nobody")
        };
        assert!(error.to_string().contains("remove it"), "{error}");
    }
}
