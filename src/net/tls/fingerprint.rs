use sha2::{Digest, Sha256, Sha384, Sha512};
use std::{fmt, str::FromStr};

/// The hash that names one certificate: `sha-256 4A:AD:…` (RFC 8122 §5).
///
/// Hash functions weaker than SHA-256 are not taken: who offers nothing better can't be told
/// from an impostor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    function: Function,
    octets: Vec<u8>,
}

/// Why a text is no fingerprint we can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFingerprint {
    /// Not a hash function's name, a space, and octets in hexadecimal with colons between.
    #[error("not a fingerprint")]
    Shape,
    /// Unknown, or too weak.
    #[error("hash function is not accepted")]
    Function,
    /// More or fewer octets than the hash function gives.
    #[error("fingerprint has a wrong length")]
    Length,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Function {
    Sha256,
    Sha384,
    Sha512,
}

impl Function {
    const NAMES: [(&str, Self); 3] = [
        ("sha-256", Self::Sha256),
        ("sha-384", Self::Sha384),
        ("sha-512", Self::Sha512),
    ];

    fn of(self, certificate: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(certificate).to_vec(),
            Self::Sha384 => Sha384::digest(certificate).to_vec(),
            Self::Sha512 => Sha512::digest(certificate).to_vec(),
        }
    }
}

impl Fingerprint {
    /// Returns the SHA-256 fingerprint of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        Self {
            function: Function::Sha256,
            octets: Function::Sha256.of(certificate),
        }
    }

    /// Tells whether it is the fingerprint of this certificate in DER.
    pub fn names(&self, certificate: &[u8]) -> bool {
        self.octets == self.function.of(certificate)
    }
}

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let (name, digits) = text.trim().split_once(' ').ok_or(NoFingerprint::Shape)?;
        let known = Function::NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        let (_, function) = known.ok_or(NoFingerprint::Function)?;
        let octets = digits
            .trim()
            .split(':')
            .map(|pair| {
                let mut octet = [0];
                let read = hex::decode_to_slice(pair, &mut octet);
                read.map(|()| octet[0]).map_err(|_| NoFingerprint::Shape)
            })
            .collect::<Result<Vec<u8>, _>>()?;
        match octets.len() == function.of(b"").len() {
            true => Ok(Self {
                function: *function,
                octets,
            }),
            false => Err(NoFingerprint::Length),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Function::NAMES
            .iter()
            .find(|(_, function)| *function == self.function);
        let (name, _) = known.expect("every function has a name");
        f.write_str(name)?;
        for (at, octet) in self.octets.iter().enumerate() {
            write!(f, "{}{octet:02X}", if at == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_is_read_back_as_written() {
        let written = Fingerprint::of(b"certificate");
        let text = written.to_string();
        assert!(text.starts_with("sha-256 ") && text.len() == 8 + 32 * 3 - 1);
        assert_eq!(text.parse(), Ok(written.clone()));
        assert_eq!(text.to_uppercase().parse(), Ok(written.clone()));
        assert!(written.names(b"certificate") && !written.names(b"another"));
    }

    #[test]
    fn weak_unknown_and_mutilated_fingerprints_are_refused() {
        let parse = |text: &str| text.parse::<Fingerprint>().map(drop);
        assert_eq!(parse("sha-1 4A:AD"), Err(NoFingerprint::Function));
        assert_eq!(parse("sha-256 4A:AD"), Err(NoFingerprint::Length));
        for text in [
            "",
            "sha-256",
            "sha-256 4A+AD",
            "sha-256 +A:AD",
            "sha-256 A:AD",
        ] {
            assert_eq!(parse(text), Err(NoFingerprint::Shape), "{text}");
        }
    }
}
