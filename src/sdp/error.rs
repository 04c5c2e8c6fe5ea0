/// Why a body is no session description. The request that carried it is answered with 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// A line breaks the grammar of RFC 8866.
    #[error("not a session description: {0}")]
    Syntax(String),
    /// Longer than a session description may be.
    #[error("session description longer than {limit} octets")]
    TooLong {
        /// The limit, in octets.
        limit: usize,
    },
}

impl SdpError {
    /// The SIP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Syntax(_) => 400,
            Self::TooLong { .. } => 413,
        }
    }

    /// Label value for metrics: one short word per variant.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "sdp_syntax",
            Self::TooLong { .. } => "sdp_too_long",
        }
    }
}

/// Why an offer finds no answer. The request is answered with 488 and a `Warning`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No `m=message` line over MSRP, or all of them with port 0.
    #[error("no MSRP message media offered")]
    NoMessageMedia,
    /// TLS where plain TCP is wanted, or the other way round.
    #[error("transport of the message media is not available")]
    Transport,
    /// The accept lists share no type.
    #[error("no common message type")]
    NoCommonType,
    /// The mandatory `a=path` is missing or names no MSRP URI with a port.
    #[error("message media without usable path attribute")]
    NoPath,
}

impl Refusal {
    /// The SIP status of the answer.
    pub fn status(self) -> u16 {
        488
    }

    /// The code of the `Warning` header (RFC 3261 §20.43).
    pub fn warning_code(self) -> u16 {
        match self {
            Self::NoMessageMedia => 304,
            Self::Transport => 302,
            Self::NoCommonType => 305,
            Self::NoPath => 306,
        }
    }

    /// The value of the `Warning` header; `agent` is the host that warns.
    pub fn warning(self, agent: &str) -> String {
        format!("{} {agent} \"{self}\"", self.warning_code())
    }

    /// Label value for metrics: one short word per variant.
    pub fn kind(self) -> &'static str {
        match self {
            Self::NoMessageMedia => "no_message_media",
            Self::Transport => "media_transport",
            Self::NoCommonType => "no_common_type",
            Self::NoPath => "no_media_path",
        }
    }
}
