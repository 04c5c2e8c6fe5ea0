/// Why an octet stream stopped being MSRP. It cannot be resynchronised: the connection closes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The start line and header fields are longer than the operator allows.
    #[error("header block exceeds {limit} octets")]
    HeadTooLong {
        /// The limit in force, in octets.
        limit: usize,
    },
    /// Not `MSRP`, a transaction id, and a method or a status code.
    #[error("malformed start line")]
    BadStartLine,
    /// A header line without a name and a colon.
    #[error("malformed header line")]
    BadHeader,
    /// A line that opens like an end-line but belongs to no transaction.
    #[error("malformed end-line")]
    BadEndLine,
    /// Only SEND carries content: other bodies end at 10240 octets (RFC 4975 §7.1).
    #[error("body of a request other than SEND exceeds {limit} octets")]
    BodyTooLong {
        /// The limit in force, in octets.
        limit: usize,
    },
}

impl DecodeError {
    /// Returns the label value for metrics: one short word per variant.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::HeadTooLong { .. } => "head_too_long",
            Self::BadStartLine => "bad_start_line",
            Self::BadHeader => "bad_header",
            Self::BadEndLine => "bad_end_line",
            Self::BodyTooLong { .. } => "body_too_long",
        }
    }
}

/// Why a header field's value cannot be used. The stream goes on; the request is answered 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The value is not of the shape its grammar rule asks for.
    #[error("value does not follow its grammar")]
    Shape,
    /// A range that runs backwards or past its total.
    #[error("range runs backwards or past its total")]
    OutOfOrder,
}

/// What makes a well-framed request unintelligible (RFC 4975 §10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRequest {
    /// To-Path and From-Path must be the first two fields, in this order.
    #[error("To-Path and From-Path are not the first two header fields")]
    PathOrder,
    /// A path that holds no MSRP URI.
    #[error("malformed path")]
    Path,
    /// SEND and REPORT must name their message.
    #[error("Message-ID missing")]
    NoMessageId,
    /// A Byte-Range that breaks its grammar or its own arithmetic.
    #[error("malformed Byte-Range")]
    ByteRange,
    /// A report preference other than the values the standard names.
    #[error("malformed Success-Report or Failure-Report")]
    ReportPreference,
    /// A body without a Content-Type.
    #[error("body without a Content-Type")]
    NoContentType,
}

impl BadRequest {
    /// Returns the status that answers such a request.
    pub fn status(&self) -> u16 {
        400
    }

    /// Returns the label value for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::PathOrder => "path_order",
            Self::Path => "bad_path",
            Self::NoMessageId => "no_message_id",
            Self::ByteRange => "bad_byte_range",
            Self::ReportPreference => "bad_report_preference",
            Self::NoContentType => "no_content_type",
        }
    }
}
