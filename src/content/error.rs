/// Why octets are no CPIM message. They may still be delivered as they are; nothing in them is
/// understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CpimError {
    /// A line of the header blocks is no header.
    #[error("malformed header line {line}")]
    BadHeader {
        /// Number of the line, from 1.
        line: usize,
    },
    /// The header blocks are longer than allowed.
    #[error("headers longer than {limit} octets")]
    HeadTooLong {
        /// The limit, in octets.
        limit: usize,
    },
    /// The message ends inside its headers.
    #[error("ends before its headers do")]
    Incomplete,
}

impl CpimError {
    /// Label value for metrics: one short word per variant.
    pub fn kind(self) -> &'static str {
        match self {
            Self::BadHeader { .. } => "cpim_bad_header",
            Self::HeadTooLong { .. } => "cpim_head_too_long",
            Self::Incomplete => "cpim_incomplete",
        }
    }
}

/// Why octets are no document of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XmlError {
    /// Not well-formed, not UTF-8, or with a document type declaration.
    #[error("not well-formed: {0}")]
    Syntax(String),
    /// Nested deeper, or with more elements, than any honest document.
    #[error("document exceeds {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
    /// A well-formed document of another kind.
    #[error("root element is not `{wanted}`")]
    ForeignRoot {
        /// The element that was expected.
        wanted: &'static str,
    },
    /// A mandatory element is missing or its text is malformed.
    #[error("element `{0}` is missing or malformed")]
    Element(&'static str),
}

impl XmlError {
    /// Label value for metrics: one short word per variant.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "xml_syntax",
            Self::TooLarge { .. } => "xml_too_large",
            Self::ForeignRoot { .. } => "xml_foreign_root",
            Self::Element(_) => "xml_element",
        }
    }
}

/// Why a body is no multipart body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MultipartError {
    /// The Content-Type is no multipart type or names no usable boundary.
    #[error("no multipart type with a boundary of 1 to 70 characters")]
    NoBoundary,
    /// The boundary does not occur in the body.
    #[error("boundary does not occur")]
    NoParts,
    /// A part's header block is malformed or never ends.
    #[error("malformed part headers")]
    BadPart,
    /// More parts than allowed.
    #[error("more than {limit} parts")]
    TooMany {
        /// The limit.
        limit: usize,
    },
}

/// Why a body is no message summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SummaryError {
    /// No `Messages-Waiting: yes` or `no`.
    #[error("no Messages-Waiting line")]
    NoStatus,
    /// A line that is neither header nor count.
    #[error("malformed line {line}")]
    BadLine {
        /// Number of the line, from 1.
        line: usize,
    },
}
