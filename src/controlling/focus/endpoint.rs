use crate::{
    clock::Timestamp,
    content::conference_info::{DisconnectionMethod, EndpointStatus, JoiningMethod},
    controlling::Nickname,
};

/// One device of a member, as long as its dialog lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub(super) u64);

/// What a device said it can do in a group (RFC 7701 §8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// It tells private messages from those to all.
    pub private_messages: bool,
    /// It knows nicknames.
    pub nicknames: bool,
}

/// A step that a device cannot take from where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Step {
    /// There is no such device, or no more.
    #[error("no such device")]
    Unknown,
    /// The figure has no such arrow.
    #[error("from {} to {}", from.as_str(), to.as_str())]
    Impossible {
        /// Where it is.
        from: EndpointStatus,
        /// Where it should go.
        to: EndpointStatus,
    },
}

/// A device, and how it came and went.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) id: EndpointId,
    pub(super) status: EndpointStatus,
    pub(super) abilities: Abilities,
    pub(super) method: JoiningMethod,
    pub(super) joined: Option<Timestamp>,
    pub(super) left: Option<Left>,
    pub(super) nickname: Option<Nickname>,
}

/// How, when and why a device left.
#[derive(Clone, Debug)]
pub(super) struct Left {
    pub(super) how: DisconnectionMethod,
    pub(super) when: Timestamp,
    pub(super) why: Option<String>,
}

impl Endpoint {
    /// One that is being called.
    pub(super) fn called(id: EndpointId) -> Self {
        Self {
            id,
            status: EndpointStatus::DialingOut,
            abilities: Abilities::default(),
            method: JoiningMethod::DialedOut,
            joined: None,
            left: None,
            nickname: None,
        }
    }

    /// One that has called.
    pub(super) fn calling(id: EndpointId, abilities: Abilities, now: Timestamp) -> Self {
        Self {
            status: EndpointStatus::Connected,
            abilities,
            method: JoiningMethod::DialedIn,
            joined: Some(now),
            ..Self::called(id)
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.status == EndpointStatus::Disconnected
    }

    /// Whether what is said in the group reaches it.
    pub(super) fn is_here(&self) -> bool {
        use EndpointStatus::{Connected, OnHold};
        matches!(self.status, Connected | OnHold)
    }

    /// Takes the step to another state, if the figure has it.
    pub(super) fn go(&mut self, to: EndpointStatus) -> Result<(), Step> {
        use EndpointStatus::{
            Alerting, Connected, DialingOut, Disconnected, Disconnecting, OnHold,
        };
        let from = self.status;
        let fine = match to {
            Alerting => from == DialingOut,
            Connected => matches!(from, DialingOut | Alerting | OnHold),
            OnHold => from == Connected,
            Disconnecting => matches!(from, Connected | OnHold),
            Disconnected => from != Disconnected,
            _ => false,
        };
        match fine {
            true => self.status = to,
            false => return Err(Step::Impossible { from, to }),
        }
        Ok(())
    }
}
