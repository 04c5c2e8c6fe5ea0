use super::AuthError;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512_256};

/// A digest algorithm (RFC 8760 §2.1), ordered from the weakest to the strongest.
///
/// The `-sess` variants mix nonce and cnonce into HA1 (RFC 7616 §3.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `MD5`, the default where a challenge names none.
    Md5,
    /// `MD5-sess`.
    Md5Sess,
    /// `SHA-256`.
    Sha256,
    /// `SHA-256-sess`.
    Sha256Sess,
    /// `SHA-512-256`.
    Sha512_256,
    /// `SHA-512-256-sess`.
    Sha512_256Sess,
}

const NAMES: [(Algorithm, &str); 6] = [
    (Algorithm::Md5, "MD5"),
    (Algorithm::Md5Sess, "MD5-sess"),
    (Algorithm::Sha256, "SHA-256"),
    (Algorithm::Sha256Sess, "SHA-256-sess"),
    (Algorithm::Sha512_256, "SHA-512-256"),
    (Algorithm::Sha512_256Sess, "SHA-512-256-sess"),
];

impl Algorithm {
    /// Reads the `algorithm` parameter; names are compared without case.
    pub fn parse(name: &str) -> Result<Self, AuthError> {
        NAMES
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|(algorithm, _)| *algorithm)
            .ok_or(AuthError::Algorithm)
    }

    /// The registered spelling.
    pub fn as_str(self) -> &'static str {
        NAMES[self as usize].1
    }

    /// The algorithm without `-sess`: the one a stored HA1 belongs to.
    pub fn base(self) -> Self {
        match self {
            Self::Md5 | Self::Md5Sess => Self::Md5,
            Self::Sha256 | Self::Sha256Sess => Self::Sha256,
            Self::Sha512_256 | Self::Sha512_256Sess => Self::Sha512_256,
        }
    }

    /// Whether HA1 covers nonce and cnonce.
    pub fn is_session(self) -> bool {
        self != self.base()
    }

    /// Hashes `parts` joined by colons; lower-case hexadecimal.
    pub(super) fn hash(self, parts: &[&[u8]]) -> String {
        match self.base() {
            Self::Md5 => digest::<Md5>(parts),
            Self::Sha256 => digest::<Sha256>(parts),
            _ => digest::<Sha512_256>(parts),
        }
    }
}

/// A digest algorithm that passwords are stored for (RFC 8760 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredAlgorithm {
    /// `SHA-256`
    #[serde(rename = "SHA-256")]
    Sha256,
    /// `MD5`
    #[serde(rename = "MD5")]
    Md5,
}

impl From<StoredAlgorithm> for Algorithm {
    fn from(stored: StoredAlgorithm) -> Self {
        match stored {
            StoredAlgorithm::Sha256 => Self::Sha256,
            StoredAlgorithm::Md5 => Self::Md5,
        }
    }
}

/// HA1 as a subscriber record keeps it: the hash of `user:realm:password` in lower-case
/// hexadecimal, for the base of `algorithm` (RFC 7616 §3.4.2).
pub fn ha1(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> String {
    algorithm.hash(&[user.as_bytes(), realm.as_bytes(), password.as_bytes()])
}

fn digest<D: Digest>(parts: &[&[u8]]) -> String {
    let mut hash = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registered_name_is_read_back_without_case() {
        for (algorithm, name) in NAMES {
            assert_eq!(Algorithm::parse(&name.to_lowercase()), Ok(algorithm));
            assert_eq!(algorithm.as_str(), name);
        }
        assert_eq!(Algorithm::parse("AKAv1-MD5"), Err(AuthError::Algorithm));
    }

    #[test]
    fn session_variants_share_the_stored_hash() {
        let plain = ha1(
            Algorithm::Md5,
            "Mufasa",
            "testrealm@host.com",
            "Circle Of Life",
        );
        assert_eq!(plain, "939e7578ed9e3c518a452acee763bce9");
        let session = ha1(
            Algorithm::Md5Sess,
            "Mufasa",
            "testrealm@host.com",
            "Circle Of Life",
        );
        assert_eq!(plain, session);
    }
}
