use super::{
    super::{Services, keeper::NotTaken},
    copies::Copies,
};
use crate::{
    clock,
    controlling::Group,
    deferred::{Admission, Deposit, Facts, Kind, Reservation},
    identity::outbox,
    participating::{
        addressees::Addressees,
        facts::{Item, Origin},
    },
    policy::Mode,
};
use std::sync::Arc;
use tokio::sync::{Mutex, OnceCell};

/// Gives what one sender has for a group to its members: a copy each, the content once for all of
/// them. Copies are made durable together; who is there is handed his from the store.
pub(in super::super) struct Circulation {
    /// Sender, and the group as receiver.
    origin: Origin,
    admission: OnceCell<Admission>,
    /// Messages go out in the order in which they were completed.
    turn: Mutex<()>,
}

impl Circulation {
    /// Takes messages of the sender of `origin` for the group which is its receiver.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            admission: OnceCell::new(),
            turn: Mutex::new(()),
        }
    }

    /// Promises room for a message whose receivers are not known before it is here.
    pub async fn reserve(
        &self,
        services: &Services,
        total: Option<u64>,
    ) -> Result<Reservation, NotTaken> {
        let (group, sender) = (self.group(services).await?, &self.origin.sender);
        group.admits_sender(sender)?;
        let deferred = &services.deferred;
        let transit = outbox::of(&group.address).ok_or(NotTaken::NoGroup)?;
        let ask = || deferred.admission(sender, &transit);
        let admission = self.admission.get_or_try_init(ask).await?;
        Ok(deferred.reserve(admission, total)?)
    }

    /// Makes the copies of a whole message durable, and lets the live legs know.
    pub async fn complete(
        &self,
        services: &Services,
        deposit: Deposit,
        item: &Item<'_>,
    ) -> Result<(), NotTaken> {
        let _turn = self.turn.lock().await;
        let group = self.group(services).await?;
        group.admits_sender(&self.origin.sender)?;
        // what told of a channel may be told of long ago
        let origin = match self.origin.mode {
            Mode::Channel => self.origin.at(clock::wall()),
            Mode::Pager => self.origin.clone(),
        };
        let facts = Facts {
            group: Some(group.address.clone()),
            size: item.size,
            ..origin.facts(item)
        };
        let receivers = match Addressees::of(item, &facts, &group)? {
            Addressees::Nobody => return Ok(()),
            Addressees::One(member) => {
                if facts.kind == Kind::Message {
                    let sender = &self.origin.sender;
                    let conferences = &services.conferences;
                    conferences.may_send(&group.address, sender, &member)?;
                }
                vec![member]
            }
            Addressees::All => {
                let others = group.recipients(&self.origin.sender);
                others.map(|member| member.address.clone()).collect()
            }
        };
        let copies = Copies::for_each(services, receivers, &facts, group.absent).await?;
        copies.store(deposit).await
    }

    /// A message that is here as a whole.
    pub async fn accept(
        &self,
        services: &Services,
        item: &Item<'_>,
        content: bytes::Bytes,
    ) -> Result<(), NotTaken> {
        let reservation = self.reserve(services, Some(item.size)).await?;
        let mut deposit = services.deferred.begin(reservation);
        deposit.write(0, content).await?;
        self.complete(services, deposit, item).await
    }

    async fn group(&self, services: &Services) -> Result<Arc<Group>, NotTaken> {
        let found = services.groups.get(&self.origin.recipient).await?;
        found.ok_or(NotTaken::NoGroup)
    }
}
