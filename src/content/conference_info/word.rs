/// Whether an element is all there is, a change, or the end of it (RFC 4575 §4.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// All there is.
    #[default]
    Full,
    /// What changed.
    Partial,
    /// It is gone.
    Deleted,
}

/// How a device is (RFC 4575 §5.7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointStatus {
    /// Not here, but awaited.
    Pending,
    /// It is being called.
    DialingOut,
    /// It calls.
    DialingIn,
    /// It rings.
    Alerting,
    /// It is here, but hears nothing.
    OnHold,
    /// It is here.
    Connected,
    /// It hears, but is not heard.
    MutedViaFocus,
    /// It is being sent away.
    Disconnecting,
    /// It is not here.
    Disconnected,
}

/// How a device came in (RFC 4575 §5.7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoiningMethod {
    /// It called.
    DialedIn,
    /// It was called.
    DialedOut,
    /// It is the focus itself.
    FocusOwner,
}

/// How a device left (RFC 4575 §5.7.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisconnectionMethod {
    /// It hung up.
    Departed,
    /// It was sent away.
    Booted,
    /// It could not be reached, or was lost.
    Failed,
    /// It was busy.
    Busy,
}

impl State {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::Deleted => "deleted",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        let all = [Self::Full, Self::Partial, Self::Deleted];
        all.into_iter().find(|one| one.as_str() == word)
    }
}

impl EndpointStatus {
    /// All there are.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::DialingOut,
        Self::DialingIn,
        Self::Alerting,
        Self::OnHold,
        Self::Connected,
        Self::MutedViaFocus,
        Self::Disconnecting,
        Self::Disconnected,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::DialingOut => "dialing-out",
            Self::DialingIn => "dialing-in",
            Self::Alerting => "alerting",
            Self::OnHold => "on-hold",
            Self::Connected => "connected",
            Self::MutedViaFocus => "muted-via-focus",
            Self::Disconnecting => "disconnecting",
            Self::Disconnected => "disconnected",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

impl JoiningMethod {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DialedIn => "dialed-in",
            Self::DialedOut => "dialed-out",
            Self::FocusOwner => "focus-owner",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        let all = [Self::DialedIn, Self::DialedOut, Self::FocusOwner];
        all.into_iter().find(|one| one.as_str() == word)
    }
}

impl DisconnectionMethod {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Departed, Self::Booted, Self::Failed, Self::Busy];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Departed => "departed",
            Self::Booted => "booted",
            Self::Failed => "failed",
            Self::Busy => "busy",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}
