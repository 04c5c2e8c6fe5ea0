use super::super::{Services, keeper::NotTaken};
use crate::{
    clock,
    controlling::{Absent, Group},
    deferred::{Admission, Deposit, Facts, Reservation, Stored},
    identity::{Address, outbox},
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

/// What becomes of the copies of one message.
#[derive(Default)]
struct Copies {
    room: Vec<(Reservation, Facts)>,
    /// Those who get none, and why.
    refused: Vec<(Facts, String)>,
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
            Addressees::One(member) => vec![member],
            Addressees::All => {
                let others = group.recipients(&self.origin.sender);
                others.map(|member| member.address.clone()).collect()
            }
        };
        let copies = self.copies(services, &group, receivers, &facts).await?;
        self.distribute(services, deposit, copies, &facts).await
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

    /// Promises room for the copy of each of `receivers`.
    async fn copies(
        &self,
        services: &Services,
        group: &Group,
        receivers: Vec<Address>,
        facts: &Facts,
    ) -> Result<Copies, NotTaken> {
        let mut copies = Copies::default();
        let mut mailboxes = Vec::with_capacity(receivers.len());
        for receiver in receivers {
            let mailbox = services.mailbox_of(&receiver);
            let drops = group.absent == Absent::Refuse;
            match mailbox {
                Some(mailbox) if drops && !services.is_there(&group.address, &mailbox) => {
                    copies.refuse(facts, mailbox, "the member is absent");
                }
                Some(mailbox) => mailboxes.push(mailbox),
                None => copies.refuse(facts, receiver, "no way leads to the member"),
            }
        }
        let sender = &self.origin.sender;
        let admissions = services.deferred.admissions(sender, mailboxes.clone());
        for (mailbox, admission) in mailboxes.into_iter().zip(admissions.await?) {
            let room = admission.and_then(|one| services.deferred.reserve_copy(&one, facts.size));
            match room {
                Ok(room) => copies.room.push((room, facts.clone())),
                Err(refusal) => copies.refuse(facts, mailbox, &refusal.to_string()),
            }
        }
        Ok(copies)
    }

    /// Stores the copies, and tells of those that cannot be.
    ///
    /// Errors: what the store says; the refusal of the only receiver there is.
    async fn distribute(
        &self,
        services: &Services,
        deposit: Deposit,
        copies: Copies,
        facts: &Facts,
    ) -> Result<(), NotTaken> {
        let Copies { room, mut refused } = copies;
        if room.is_empty() {
            // dropped with the deposit: the sender is told so at once
            let reason = refused.pop().map(|(_, reason)| reason);
            return reason.map_or(Ok(()), |reason| Err(NotTaken::NoReceiver(reason)));
        }
        let mailboxes = room.iter().map(|(room, _)| room.recipient().clone());
        let mailboxes: Vec<_> = mailboxes.collect();
        let stored = services.deferred.complete_for(deposit, room, facts.size);
        for (mailbox, outcome) in mailboxes.into_iter().zip(stored.await?) {
            match outcome {
                Ok(Stored {
                    duplicate: true, ..
                }) => {}
                Ok(_) => drop(services.legs.wake(&self.origin.recipient, &mailbox)),
                Err(refusal) => refused.push(undelivered(facts, mailbox, &refusal.to_string())),
            }
        }
        services.metrics.circulated.increment(1);
        services.deferred.undeliverable(refused).await?;
        Ok(())
    }
}

impl Copies {
    fn refuse(&mut self, facts: &Facts, receiver: Address, reason: &str) {
        self.refused.push(undelivered(facts, receiver, reason));
    }
}

fn undelivered(facts: &Facts, receiver: Address, reason: &str) -> (Facts, String) {
    let facts = Facts {
        recipient: receiver,
        ..facts.clone()
    };
    (facts, reason.to_owned())
}
