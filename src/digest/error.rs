/// Why a challenge or credentials could not be read. The header is then as good as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Another scheme than `Digest`: not ours to judge.
    #[error("not the Digest scheme")]
    Scheme,
    /// Not a comma separated list of `name=value`.
    #[error("malformed parameter list")]
    Shape,
    /// A parameter that digest cannot do without is absent.
    #[error("parameter `{0}` is missing")]
    Missing(&'static str),
    /// The same parameter stands twice, so that two readers could disagree.
    #[error("parameter stands twice")]
    Repeated,
    /// An algorithm this house does not compute.
    #[error("unknown algorithm")]
    Algorithm,
    /// A quality of protection other than `auth`.
    #[error("unsupported quality of protection")]
    Qop,
    /// `nc` is not eight hexadecimal digits.
    #[error("nonce count is not eight hexadecimal digits")]
    NonceCount,
}

impl AuthError {
    /// Label value for metrics: one short word per variant.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Scheme => "scheme",
            Self::Shape => "shape",
            Self::Missing(_) => "missing",
            Self::Repeated => "repeated",
            Self::Algorithm => "algorithm",
            Self::Qop => "qop",
            Self::NonceCount => "nonce_count",
        }
    }
}
