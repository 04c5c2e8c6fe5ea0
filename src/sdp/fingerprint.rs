use std::{fmt, str::FromStr};

/// The hash of a TLS certificate, as `a=fingerprint` names it: `SHA-256 4A:AD:…`.
///
/// Source: RFC 8122 §5.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    function: HashFunction,
    octets: Vec<u8>,
}

/// A hash function, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashFunction {
    /// Read, since peers of RFC 4975 know no other, but never written and never enough.
    Sha1,
    /// What every peer of RFC 8122 has.
    Sha256,
    /// A longer one.
    Sha384,
    /// The longest.
    Sha512,
}

/// Why a text is no fingerprint that says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFingerprint {
    /// Not a name, a space, and pairs of hexadecimal digits with colons between.
    #[error("not a fingerprint")]
    Shape,
    /// A hash function that is unknown or broken (MD2, MD5).
    #[error("unknown hash function")]
    Function,
    /// More or fewer octets than the hash function gives.
    #[error("fingerprint has a wrong length")]
    Length,
}

impl HashFunction {
    const NAMES: [(&str, Self, usize); 4] = [
        ("SHA-1", Self::Sha1, 20),
        ("SHA-256", Self::Sha256, 32),
        ("SHA-384", Self::Sha384, 48),
        ("SHA-512", Self::Sha512, 64),
    ];

    fn name(self) -> &'static str {
        let named = Self::NAMES
            .iter()
            .find(|(_, function, _)| *function == self);
        named.map_or("", |(name, _, _)| name)
    }
}

impl Fingerprint {
    /// The hash function.
    pub fn function(&self) -> HashFunction {
        self.function
    }

    /// The hash.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Whether nobody can make another certificate with the same fingerprint.
    pub fn is_strong(&self) -> bool {
        self.function > HashFunction::Sha1
    }

    /// The ones to hold a certificate against: those of SHA-256, which we prefer since every peer
    /// has it, or else of the strongest function among `all`; none at all if that is too weak.
    ///
    /// Source: RFC 8122 §5.1.
    pub fn decisive(all: &[Self]) -> Vec<&Self> {
        let strong = all.iter().map(Self::function);
        let strong = strong.filter(|function| *function > HashFunction::Sha1);
        let best = strong.max_by_key(|function| (*function == HashFunction::Sha256, *function));
        let decisive = all.iter().filter(|one| Some(one.function) == best);
        decisive.collect()
    }
}

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let (name, digits) = text.trim().split_once(' ').ok_or(NoFingerprint::Shape)?;
        let named = HashFunction::NAMES
            .iter()
            .find(|(known, _, _)| known.eq_ignore_ascii_case(name));
        let &(_, function, length) = named.ok_or(NoFingerprint::Function)?;
        let pairs = digits.trim().split(':');
        let octets = pairs.map(octet).collect::<Option<Vec<u8>>>();
        let octets = octets.ok_or(NoFingerprint::Shape)?;
        match octets.len() == length {
            true => Ok(Self { function, octets }),
            false => Err(NoFingerprint::Length),
        }
    }
}

fn octet(pair: &str) -> Option<u8> {
    let is_pair = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_pair.then(|| u8::from_str_radix(pair, 16).ok())?
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.function.name())?;
        for (at, octet) in self.octets.iter().enumerate() {
            write!(f, "{}{octet:02X}", if at == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4975 figure 19.
    const FIGURE_19: &str = "SHA-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";

    fn of(function: &str, length: usize, octet: u8) -> Fingerprint {
        let digits = vec![format!("{octet:02x}"); length].join(":");
        format!("{function} {digits}").parse().unwrap()
    }

    #[test]
    fn fingerprint_of_rfc4975_figure_19_is_read_and_written_again() {
        let read: Fingerprint = FIGURE_19.parse().unwrap();
        assert_eq!(
            (read.function(), read.is_strong()),
            (HashFunction::Sha1, false)
        );
        assert_eq!(read.octets()[..3], [0x4a, 0xad, 0xb9]);
        assert_eq!(read.to_string(), FIGURE_19);
        assert_eq!(FIGURE_19.to_lowercase().parse(), Ok(read));
    }

    #[test]
    fn what_says_nothing_is_no_fingerprint() {
        for (text, why) in [
            ("", NoFingerprint::Shape),
            ("SHA-256", NoFingerprint::Shape),
            ("SHA-1 +A:AD", NoFingerprint::Shape),
            ("SHA-1 4A:é", NoFingerprint::Shape),
            ("SHA-1 4A:AD", NoFingerprint::Length),
            ("MD5 4A:AD", NoFingerprint::Function),
        ] {
            assert_eq!(text.parse::<Fingerprint>(), Err(why), "{text}");
        }
    }

    #[test]
    fn one_function_decides_and_a_weak_one_never() {
        let (weak, one, other) = (
            of("sha-1", 20, 1),
            of("sha-256", 32, 2),
            of("SHA-256", 32, 3),
        );
        let strong = of("sha-512", 64, 4);
        let all = [weak.clone(), one.clone(), other.clone(), strong.clone()];
        assert_eq!(Fingerprint::decisive(&all), [&one, &other]);
        assert_eq!(
            Fingerprint::decisive(&[weak.clone(), strong.clone()]),
            [&strong]
        );
        assert!(Fingerprint::decisive(&[weak]).is_empty());
    }
}
