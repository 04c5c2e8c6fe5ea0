use super::super::{Services, focus::Circulation};
use crate::{
    clock, controlling,
    deferred::{Admission, Deposit, Refusal, Reservation},
    msrp::Head,
    participating::{
        addressees::Misaddressed,
        facts::{Item, Origin},
    },
    store::StoreError,
    trail,
};
use tokio::sync::OnceCell;

/// For whom messages are kept.
pub(in super::super) enum Goal {
    /// One receiver who is away.
    Mailbox {
        origin: Origin,
        /// The sender's leave, asked for with the first message.
        admission: OnceCell<Admission>,
    },
    /// The members of a group.
    Group(Circulation),
}

/// Why a message is not taken.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum NotTaken {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Group(#[from] controlling::Refusal),
    #[error("the group is gone")]
    NoGroup,
    #[error(transparent)]
    Misaddressed(#[from] Misaddressed),
    #[error(transparent)]
    Turned(#[from] controlling::Turned),
    #[error("none of its receivers can have it: {0}")]
    NoReceiver(String),
}

impl NotTaken {
    /// The MSRP status.
    pub fn msrp_status(&self) -> u16 {
        match self {
            Self::Refused(refusal) => refusal.msrp_status(),
            Self::Misaddressed(misaddressed) => misaddressed.msrp_status(),
            Self::Turned(turned) => turned.code(),
            Self::Group(_) | Self::NoGroup => 403,
            Self::NoReceiver(_) => 413,
        }
    }

    /// The SIP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Refused(refusal) => refusal.status(),
            Self::Group(refusal) => refusal.code(),
            Self::Misaddressed(misaddressed) => misaddressed.msrp_status(),
            Self::Turned(turned) => turned.code(),
            Self::NoGroup => 404,
            Self::NoReceiver(_) => 480,
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.kind(),
            Self::Group(refusal) => refusal.kind(),
            Self::NoGroup => "no_group",
            Self::Misaddressed(misaddressed) => misaddressed.kind(),
            Self::Turned(turned) => turned.kind(),
            Self::NoReceiver(_) => "no_receiver",
        }
    }
}

impl From<StoreError> for NotTaken {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

impl Goal {
    /// One receiver, as the request that opened the way says.
    pub fn mailbox(origin: Origin) -> Self {
        let admission = OnceCell::new();
        Self::Mailbox { origin, admission }
    }

    /// Promises room for one message.
    pub(super) async fn reserve(
        &self,
        services: &Services,
        total: Option<u64>,
    ) -> Result<Reservation, NotTaken> {
        match self {
            Self::Group(circulation) => circulation.reserve(services, total).await,
            Self::Mailbox { origin, admission } => {
                let deferred = &services.deferred;
                let ask = || deferred.admission(&origin.sender, &origin.recipient);
                let admission = admission.get_or_try_init(ask).await?;
                Ok(deferred.reserve(admission, total)?)
            }
        }
    }

    /// What a message tells itself, where that is not what the channel told. Those of a group are
    /// the members', who were told of no channel.
    pub(super) fn of_message(&self, head: &Head, is_first: bool) -> Option<Origin> {
        match self {
            Self::Group(_) => None,
            Self::Mailbox { origin, .. } => origin.of_message(head, is_first, clock::wall()),
        }
    }

    /// Makes a whole message durable, which tells `own` itself.
    pub(super) async fn complete(
        &self,
        services: &Services,
        deposit: Deposit,
        item: &Item<'_>,
        own: Option<&Origin>,
    ) -> Result<(), NotTaken> {
        match self {
            Self::Group(circulation) => circulation.complete(services, deposit, item).await,
            Self::Mailbox { origin, .. } => {
                let facts = own.unwrap_or(origin).facts(item);
                tracing::debug!(
                    target: trail::TARGET,
                    message_id = facts.message_id,
                    msrp_message_id = item.message_id,
                    sender = %facts.sender,
                    recipient = %facts.recipient,
                    octets = item.size,
                    "received"
                );
                let stored = services.deferred.complete(deposit, facts, item.size);
                Ok(stored.await.map(drop)?)
            }
        }
    }
}
