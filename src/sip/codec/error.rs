//! What can be wrong with octets that claim to be SIP, in the words of RFC 3261.
use super::Name;

/// Why octets are not a readable SIP message.
///
/// On a datagram only this datagram is lost. On a stream nothing after it can be framed: the
/// connection closes. Either way [`Message::salvage`](super::Message::salvage) may still find
/// enough of the head to answer with [`status`](Self::status).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Nothing but line ends: a keep-alive, or nothing at all.
    #[error("no message, only line ends")]
    Empty,
    /// The first line is neither a request line nor a status line.
    #[error("malformed start line")]
    StartLine,
    /// A status code outside 100 to 699.
    #[error("status code outside 100 to 699")]
    StatusCode,
    /// A CR or LF that is not part of a CRLF.
    #[error("CR or LF alone in the head")]
    BareLineBreak,
    /// The octets end before the empty line that closes the head.
    #[error("the head has no end")]
    HeadUnfinished,
    /// A header line without a colon, or with a name that is no token.
    #[error("malformed header line")]
    FieldLine,
    /// Content-Length is no number, or is given more than once.
    #[error("unusable Content-Length")]
    ContentLength,
    /// A message on a stream does not say how long its body is.
    #[error("no Content-Length on a stream")]
    ContentLengthMissing,
    /// A datagram ends before the body its Content-Length announces.
    #[error("Content-Length says {announced} octets, the datagram has {present}")]
    Truncated {
        /// Octets that Content-Length announces.
        announced: usize,
        /// Octets that follow the head.
        present: usize,
    },
    /// The head is longer than the limit.
    #[error("head exceeds sip.limits.max_head ({limit} octets)")]
    HeadTooLong {
        /// The configured limit, in octets.
        limit: usize,
    },
    /// One header field is longer than the limit.
    #[error("header field exceeds sip.limits.max_field ({limit} octets)")]
    FieldTooLong {
        /// The configured limit, in octets.
        limit: usize,
    },
    /// There are more header fields than the limit allows.
    #[error("more header fields than sip.limits.max_fields ({limit})")]
    TooManyFields {
        /// The configured limit.
        limit: usize,
    },
    /// The body is longer than the limit.
    #[error("body exceeds sip.limits.max_body ({limit} octets)")]
    BodyTooLong {
        /// The configured limit, in octets.
        limit: usize,
    },
}

impl ParseError {
    /// Label value for metrics: one short word per variant.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::StartLine => "start_line",
            Self::StatusCode => "status_code",
            Self::BareLineBreak => "bare_line_break",
            Self::HeadUnfinished => "head_unfinished",
            Self::FieldLine => "field_line",
            Self::ContentLength => "content_length",
            Self::ContentLengthMissing => "content_length_missing",
            Self::Truncated { .. } => "truncated",
            Self::HeadTooLong { .. } => "head_too_long",
            Self::FieldTooLong { .. } => "field_too_long",
            Self::TooManyFields { .. } => "too_many_fields",
            Self::BodyTooLong { .. } => "body_too_long",
        }
    }

    /// The status a request with this fault is answered with, if it can be answered at all.
    pub fn status(&self) -> u16 {
        match self {
            Self::HeadTooLong { .. } | Self::FieldTooLong { .. } | Self::TooManyFields { .. } => {
                513
            }
            Self::BodyTooLong { .. } => 413,
            _ => 400,
        }
    }
}

/// Why a piece of text is not what its grammar rule asks for (RFC 3261 §25.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyntaxError {
    /// No scheme, or one with characters it may not have.
    #[error("malformed URI scheme")]
    Scheme,
    /// The user part has characters that must be escaped.
    #[error("malformed user part")]
    User,
    /// Neither a host name nor an address; IPv6 needs its brackets.
    #[error("malformed host")]
    Host,
    /// The port is no number below 65536.
    #[error("malformed port")]
    Port,
    /// An empty or malformed parameter.
    #[error("malformed parameter")]
    Parameter,
    /// The headers of a URI are malformed.
    #[error("malformed headers in a URI")]
    UriHeaders,
    /// The URI has characters no URI may have.
    #[error("malformed URI")]
    Uri,
    /// A quoted string without its end.
    #[error("unterminated quoted string")]
    QuotedString,
    /// A display name with characters that need quotes.
    #[error("display name needs quotes")]
    DisplayName,
    /// Angle brackets missing, unbalanced, or followed by something else than parameters.
    #[error("malformed angle brackets")]
    Brackets,
    /// No number, or one outside its range.
    #[error("malformed number")]
    Number,
    /// Not a token.
    #[error("malformed token")]
    Token,
    /// Not of the form `SIP/2.0/TRANSPORT sent-by`.
    #[error("malformed sent-protocol")]
    SentProtocol,
    /// Not of the form `type/subtype`.
    #[error("malformed media type")]
    MediaType,
    /// An element of a list is empty.
    #[error("empty element in a list")]
    EmptyElement,
}

/// Why a header that was asked for cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The message does not have it.
    #[error("no {0} header")]
    Missing(Name),
    /// Its value breaks its grammar.
    #[error("{name}: {problem}")]
    Malformed {
        /// The header.
        name: Name,
        /// What is wrong with its value.
        problem: SyntaxError,
    },
}

impl HeaderError {
    /// The header this is about.
    pub fn name(&self) -> Name {
        match self {
            Self::Missing(name) | Self::Malformed { name, .. } => *name,
        }
    }
}
