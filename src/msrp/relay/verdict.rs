use std::borrow::Cow;

/// What becomes of an AUTH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its sender may have a URI: 200.
    Granted(Grant),
    /// It must prove who sends it: 401.
    Challenge {
        /// The values of `WWW-Authenticate`, the preferred algorithm first.
        values: Vec<String>,
        /// It tried to prove it and failed: counts against its connection.
        is_failure: bool,
    },
    /// It asks for a life shorter or longer than the operator allows: 423.
    OutOfBounds(Bound),
    /// It may not have what it asks for, whoever sends it: 403.
    Forbidden,
    /// It cannot be understood: 400.
    Bad,
    /// Nobody can say now whether the proof is right: 408, so that its client tries again.
    Unavailable,
}

/// What a granted AUTH gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who asked, as a hash: the same for all URIs of one account.
    pub owner: u64,
    /// How long the URI is good unless it is refreshed. Unit: seconds.
    pub expires: u64,
    /// The value of `Authentication-Info`; none where nothing had to be proved.
    pub info: Option<String>,
}

/// The bound a life is out of. Unit: seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The shortest life.
    Min(u64),
    /// The longest life.
    Max(u64),
}

impl Verdict {
    /// The status code of the response.
    pub fn code(&self) -> u16 {
        match self {
            Self::Granted(_) => 200,
            Self::Challenge { .. } => 401,
            Self::OutOfBounds(_) => 423,
            Self::Forbidden => 403,
            Self::Bad => 400,
            Self::Unavailable => 408,
        }
    }

    /// The header fields of the response, but `Use-Path`.
    pub fn fields(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        match self {
            Self::Granted(grant) => {
                let info = grant.info.as_deref();
                let info = info.map(|info| ("Authentication-Info", info.into()));
                let expires = ("Expires", grant.expires.to_string().into());
                info.into_iter().chain([expires]).collect()
            }
            Self::Challenge { values, .. } => {
                let values = values.iter().map(String::as_str);
                values
                    .map(|value| ("WWW-Authenticate", value.into()))
                    .collect()
            }
            Self::OutOfBounds(Bound::Min(seconds)) => {
                vec![("Min-Expires", seconds.to_string().into())]
            }
            Self::OutOfBounds(Bound::Max(seconds)) => {
                vec![("Max-Expires", seconds.to_string().into())]
            }
            Self::Forbidden | Self::Bad | Self::Unavailable => Vec::new(),
        }
    }

    /// Label value for metrics: one short word per outcome.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Granted(_) => "granted",
            Self::Challenge {
                is_failure: true, ..
            } => "failed",
            Self::Challenge { .. } => "challenged",
            Self::OutOfBounds(_) => "out_of_bounds",
            Self::Forbidden => "forbidden",
            Self::Bad => "bad",
            Self::Unavailable => "unavailable",
        }
    }
}
