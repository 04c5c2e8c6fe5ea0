//! Which octets of a message a chunk carries.
use super::HeaderError;
use std::fmt;
use std::num::NonZeroU64;

/// The value of a `Byte-Range` header field. Octets are counted from 1, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// Position of the chunk's first octet in the message.
    pub first: NonZeroU64,
    /// Position of its last octet; `None` (`*`) where the chunk may be interrupted.
    pub last: Option<u64>,
    /// Octets of the whole message; `None` (`*`) where that is not known yet.
    pub total: Option<u64>,
}

impl ByteRange {
    /// The range of a message without octets.
    pub const EMPTY: Self = Self {
        first: NonZeroU64::MIN,
        last: Some(0),
        total: Some(0),
    };

    /// Builds a range from the number of octets before it.
    pub fn after(before: u64, last: Option<u64>, total: Option<u64>) -> Self {
        let first = NonZeroU64::MIN.saturating_add(before);
        Self { first, last, total }
    }

    /// Builds the range of a message that travels whole.
    pub fn whole(total: u64) -> Self {
        Self::after(0, Some(total), Some(total))
    }

    /// Returns how many octets of the message precede this chunk.
    pub fn offset(&self) -> u64 {
        self.first.get() - 1
    }

    /// Parses a `Byte-Range` value.
    ///
    /// Shape: `first-last/total`, where `last` and `total` may be `*` (not known yet).
    /// Units: octets of the whole message, counted from 1, both ends included; `1-0/0` is the
    /// range of nothing.
    /// Errors: `Shape` if a number is missing, signed or 0; `OutOfOrder` if `last` precedes
    /// `first` by more than one, or exceeds `total`.
    /// Source: RFC 4975 §7.1.1 and §9.
    ///
    /// ```
    /// # use restante::msrp::ByteRange;
    /// let range = ByteRange::parse("1-*/5120")?;
    /// assert_eq!((range.last, range.total), (None, Some(5120)));
    /// # Ok::<(), restante::msrp::HeaderError>(())
    /// ```
    pub fn parse(value: &str) -> Result<Self, HeaderError> {
        let (first, rest) = value.split_once('-').ok_or(HeaderError::Shape)?;
        let (last, total) = rest.split_once('/').ok_or(HeaderError::Shape)?;
        let first = NonZeroU64::new(number(first)?).ok_or(HeaderError::Shape)?;
        let (last, total) = (known(last)?, known(total)?);
        let backwards = last.is_some_and(|last| last < first.get() - 1);
        let past_total = last.zip(total).is_some_and(|(last, total)| last > total);
        if backwards || past_total {
            return Err(HeaderError::OutOfOrder);
        }
        Ok(Self { first, last, total })
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.first)?;
        match self.last {
            Some(last) => write!(f, "{last}/")?,
            None => f.write_str("*/")?,
        }
        match self.total {
            Some(total) => write!(f, "{total}"),
            None => f.write_str("*"),
        }
    }
}

fn known(text: &str) -> Result<Option<u64>, HeaderError> {
    match text {
        "*" => Ok(None),
        digits => number(digits).map(Some),
    }
}

fn number(digits: &str) -> Result<u64, HeaderError> {
    if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(HeaderError::Shape);
    }
    digits.parse().map_err(|_| HeaderError::Shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_with_unknown_ends_are_read_and_written() {
        for text in ["1-16/16", "1-*/8", "5-8/8", "1-0/0", "2049-*/*", "9-8/8"] {
            assert_eq!(ByteRange::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn ranges_against_the_grammar_are_refused() {
        for text in [
            "", "1", "1-2", "0-5/5", "-5/5", "+1-5/5", "1-/5", "a-b/c", "1-5/5 ",
        ] {
            assert_eq!(ByteRange::parse(text), Err(HeaderError::Shape), "{text}");
        }
        let huge = "1-18446744073709551616/18446744073709551616";
        assert_eq!(ByteRange::parse(huge), Err(HeaderError::Shape));
    }

    #[test]
    fn ranges_against_arithmetic_are_refused() {
        for text in ["5-3/10", "1-11/10", "18446744073709551615-1/*"] {
            assert_eq!(
                ByteRange::parse(text),
                Err(HeaderError::OutOfOrder),
                "{text}"
            );
        }
    }
}
