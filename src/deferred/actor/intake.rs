use super::{Deferred, Deposit};
use crate::{
    clock,
    deferred::{Facts, Refusal, Reservation, Stored},
    identity::Address,
    policy,
};
use bytes::Bytes;

/// Taking a message in.
impl Deferred {
    /// Asks whether a message may be stored, and promises room for it.
    ///
    /// Errors: `NotPermitted`, `UnknownReceiver`, `Full`, `TooLarge`, `Busy`.
    pub async fn admit(
        &self,
        sender: &Address,
        recipient: &Address,
        declared: Option<u64>,
    ) -> Result<Reservation, Refusal> {
        let admitted = self.reserve(sender, recipient, declared).await;
        if let Err(refusal) = &admitted {
            self.0.metrics.refused(refusal);
            tracing::debug!(%sender, %recipient, reason = refusal.kind(), "message refused");
        }
        admitted
    }

    async fn reserve(
        &self,
        sender: &Address,
        recipient: &Address,
        declared: Option<u64>,
    ) -> Result<Reservation, Refusal> {
        let standing = (self.0.directory)(recipient.clone()).await?;
        policy::may_store(standing)?;
        let needed = declared.unwrap_or(0);
        let needed = needed.saturating_add(self.config().min_free.as_u64());
        if self.0.store.free().is_some_and(|free| free < needed) {
            return Err(Refusal::Busy("deferred.min_free"));
        }
        let waiting = self.waiting(recipient).await?;
        let parties = (sender, recipient);
        let capacity = &self.0.capacity;
        capacity.reserve(parties, declared, waiting, &self.0.config)
    }

    /// Begins to receive a message for which room was promised.
    pub fn begin(&self, reservation: Reservation) -> Deposit {
        Deposit::new(self.clone(), reservation, clock::wall())
    }

    /// Makes a complete deposit durable: when this returns, its sender may be told.
    ///
    /// A message known by sender, recipient and message id is not stored again.
    /// Errors: `Incomplete`, `Full`, `BadMessageId`, `Store`; then nothing was stored.
    pub async fn complete(
        &self,
        deposit: Deposit,
        facts: Facts,
        total: u64,
    ) -> Result<Stored, Refusal> {
        // a task of its own: what was begun ends, even if the caller goes away meanwhile
        let ending = tokio::spawn(deposit.complete(facts, total));
        let outcome = ending.await.unwrap_or(Err(Refusal::Interrupted));
        match &outcome {
            Ok(Stored {
                duplicate: true, ..
            }) => self.0.metrics.duplicates.increment(1),
            Ok(_) => {
                self.0.metrics.stored.increment(1);
                self.0.metrics.stored_octets.increment(total);
            }
            Err(refusal) => self.0.metrics.refused(refusal),
        }
        outcome
    }

    /// Admits, receives and stores a message that is there as a whole.
    pub async fn accept(&self, facts: Facts, content: Bytes) -> Result<Stored, Refusal> {
        let total = content.len() as u64;
        let reservation = self.admit(&facts.sender, &facts.recipient, Some(total));
        let mut deposit = self.begin(reservation.await?);
        if let Err(refusal) = deposit.write(0, content).await {
            self.0.metrics.refused(&refusal);
            return Err(refusal);
        }
        self.complete(deposit, facts, total).await
    }
}

/// Message ids are keys: not empty, not endless, no control characters.
pub(super) fn check_message_id(message_id: &str) -> Result<(), Refusal> {
    let is_usable =
        (1..=256).contains(&message_id.len()) && !message_id.chars().any(char::is_control);
    match is_usable {
        true => Ok(()),
        false => Err(Refusal::BadMessageId),
    }
}
