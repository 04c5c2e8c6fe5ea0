use super::super::{Services, keeper::NotTaken};
use crate::{
    controlling::Absent,
    deferred::{Deposit, Facts, Reservation, Stored},
    identity::Address,
};

/// The copies of one message for several receivers: what they have room for is made durable
/// together, the content once; of the rest the sender is told, where that was asked for.
pub(super) struct Copies<'a> {
    services: &'a Services,
    facts: &'a Facts,
    room: Vec<(Reservation, Facts)>,
    /// Those who get none, and why.
    refused: Vec<(Facts, String)>,
}

impl<'a> Copies<'a> {
    /// Promises room for the copy of each of `receivers`. What is told of all copies is `facts`.
    pub async fn for_each(
        services: &'a Services,
        receivers: Vec<Address>,
        facts: &'a Facts,
        absent: Absent,
    ) -> Result<Self, NotTaken> {
        let mut copies = Self {
            services,
            facts,
            room: Vec::with_capacity(receivers.len()),
            refused: Vec::new(),
        };
        let mut mailboxes = Vec::with_capacity(receivers.len());
        for receiver in receivers {
            match services.mailbox_of(&receiver) {
                None => copies.refuse(receiver, "no way leads to the receiver"),
                Some(mailbox) if absent == Absent::Refuse && !copies.is_there(&mailbox) => {
                    copies.refuse(mailbox, "the member is absent");
                }
                Some(mailbox) => mailboxes.push(mailbox),
            }
        }
        let deferred = &services.deferred;
        let admissions = deferred.admissions(&facts.sender, mailboxes.clone());
        for (mailbox, admission) in mailboxes.into_iter().zip(admissions.await?) {
            let room = admission.and_then(|one| deferred.reserve_copy(&one, facts.size));
            match room {
                Ok(room) => copies.room.push((room, facts.clone())),
                Err(refusal) => copies.refuse(mailbox, &refusal.to_string()),
            }
        }
        Ok(copies)
    }

    /// Makes the copies durable, wakes the legs that serve them, and tells of those that cannot
    /// be.
    ///
    /// Errors: what the store says; `NoReceiver` where nobody can have a copy.
    pub async fn store(mut self, deposit: Deposit) -> Result<(), NotTaken> {
        if self.room.is_empty() {
            // dropped with the deposit: the sender is told so at once
            let reason = self.refused.pop().map(|(_, reason)| reason);
            return reason.map_or(Ok(()), |reason| Err(NotTaken::NoReceiver(reason)));
        }
        let room = std::mem::take(&mut self.room);
        let mailboxes = room.iter().map(|(room, _)| room.recipient().clone());
        let mailboxes: Vec<_> = mailboxes.collect();
        let deferred = &self.services.deferred;
        let stored = deferred.complete_for(deposit, room, self.facts.size);
        for (mailbox, outcome) in mailboxes.into_iter().zip(stored.await?) {
            match outcome {
                Ok(Stored {
                    duplicate: true, ..
                }) => {}
                Ok(_) => self.wake(&mailbox),
                Err(refusal) => self.refuse(mailbox, &refusal.to_string()),
            }
        }
        self.services.metrics.circulated.increment(1);
        deferred.undeliverable(self.refused).await?;
        Ok(())
    }

    fn wake(&self, mailbox: &Address) {
        if let Some(group) = &self.facts.group {
            self.services.legs.wake(group, mailbox);
        }
    }

    fn is_there(&self, mailbox: &Address) -> bool {
        let group = self.facts.group.as_ref();
        group.is_some_and(|group| self.services.is_there(group, mailbox))
    }

    fn refuse(&mut self, receiver: Address, reason: &str) {
        let facts = Facts {
            recipient: receiver,
            ..self.facts.clone()
        };
        self.refused.push((facts, reason.to_owned()));
    }
}
