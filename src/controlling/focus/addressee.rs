use super::{Focus, roster::Participant};
use crate::identity::Address;

/// Whom a message in a group is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addressee {
    /// All members but its sender.
    Everybody,
    /// One participant alone.
    One(Address),
}

/// Why a message in a group goes to nobody (RFC 7701 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Turned {
    /// It has no CPIM wrapper.
    #[error("no CPIM wrapper")]
    NotWrapped,
    /// Its From is not its sender's.
    #[error("From is not the sender's")]
    ForeignFrom,
    /// It names several receivers.
    #[error("several receivers")]
    SeveralTo,
    /// Its To names neither the group nor one who is there.
    #[error("To names neither the group nor a participant")]
    NoParticipant,
    /// Private messages are not allowed here.
    #[error("private messages are not allowed")]
    NotAllowed,
    /// The receiver cannot tell private messages from others.
    #[error("the receiver takes no private messages")]
    NotPrivate,
}

impl Turned {
    /// The MSRP status code that says so.
    pub fn code(self) -> u16 {
        match self {
            Self::NotWrapped => 415,
            Self::ForeignFrom | Self::SeveralTo | Self::NotAllowed => 403,
            Self::NoParticipant => 404,
            Self::NotPrivate => 428,
        }
    }

    /// Label value for metrics: one short word per variant.
    pub fn kind(self) -> &'static str {
        match self {
            Self::NotWrapped => "not_wrapped",
            Self::ForeignFrom => "foreign_from",
            Self::SeveralTo => "several_to",
            Self::NoParticipant => "no_participant",
            Self::NotAllowed => "private_not_allowed",
            Self::NotPrivate => "private_unsupported",
        }
    }
}

impl Focus {
    /// Whom a message of `sender` is for, by the From and To of its CPIM wrapper.
    ///
    /// Errors: as [`Turned`] names them. Source: RFC 7701 §6.1, §6.2, §6.3.
    pub fn addressee<'a>(
        &self,
        sender: &Address,
        from: Option<&str>,
        to: impl IntoIterator<Item = &'a str>,
    ) -> Result<Addressee, Turned> {
        let from = from.and_then(|uri| Address::parse(uri).ok());
        let from = from.ok_or(Turned::ForeignFrom)?;
        let own = self.users.get(sender).and_then(Participant::alias);
        if from != *sender && own.as_ref() != Some(&from) {
            return Err(Turned::ForeignFrom);
        }
        let mut to = to.into_iter();
        let (Some(receiver), None) = (to.next(), to.next()) else {
            return Err(Turned::SeveralTo);
        };
        let receiver = Address::parse(receiver).map_err(|_| Turned::NoParticipant)?;
        if receiver == self.group.address {
            return Ok(Addressee::Everybody);
        }
        if !self.rules.private_messages {
            return Err(Turned::NotAllowed);
        }
        let user = self.known_as(&receiver).ok_or(Turned::NoParticipant)?;
        match (self.is_here(user), self.is_private(user)) {
            (false, _) => Err(Turned::NoParticipant),
            (true, false) => Err(Turned::NotPrivate),
            (true, true) => Ok(Addressee::One(user.clone())),
        }
    }

    /// The user whom participants know by this address. Those who hide are found by their alias
    /// alone.
    fn known_as(&self, address: &Address) -> Option<&Address> {
        if let Some(named) = self.users.get(address) {
            let member = &named.member;
            return member.is_visible().then_some(&member.address);
        }
        let mut hidden = self.users.values();
        let found = hidden.find(|it| it.alias().as_ref() == Some(address))?;
        Some(&found.member.address)
    }
}
