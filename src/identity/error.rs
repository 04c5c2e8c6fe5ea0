/// Why a text names no user. The request that carried it is bad (400), or of a foreign scheme (416).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No `scheme:` in front.
    #[error("no URI scheme")]
    NoScheme,
    /// A scheme that names no user here (`http`, `mailto`, …).
    #[error("scheme is none of sip, sips, tel, im, pres")]
    ForeignScheme,
    /// A SIP URI without user part.
    #[error("no user part")]
    NoUser,
    /// A SIP URI without host, or with one that is no host.
    #[error("host is missing or malformed")]
    BadHost,
    /// A tel URI whose number has no digit or a foreign character.
    #[error("telephone number is malformed")]
    BadNumber,
    /// An octet that must not stand in a URI.
    #[error("character not allowed in an address")]
    BadCharacter,
    /// Longer than an address may be.
    #[error("address longer than {limit} octets")]
    TooLong {
        /// The limit, in octets.
        limit: usize,
    },
}

impl AddressError {
    /// The SIP status a request with this address is answered with (RFC 3261 §8.2.2.1).
    pub fn status(self) -> u16 {
        match self {
            Self::ForeignScheme => 416,
            _ => 400,
        }
    }

    /// Label value for metrics: one short word per variant.
    pub fn kind(self) -> &'static str {
        match self {
            Self::NoScheme => "no_scheme",
            Self::ForeignScheme => "foreign_scheme",
            Self::NoUser => "no_user",
            Self::BadHost => "bad_host",
            Self::BadNumber => "bad_number",
            Self::BadCharacter => "bad_character",
            Self::TooLong { .. } => "too_long",
        }
    }
}
