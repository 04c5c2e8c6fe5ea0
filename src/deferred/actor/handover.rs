use super::{Deferred, Transfer, intake::check_message_id};
use crate::{
    clock,
    deferred::{Envelope, State, ledger::Taken},
    identity::Address,
    store::StoreError,
};
use std::sync::atomic::Ordering;

/// Handing messages over, and what else ends their life.
impl Deferred {
    /// Books that the receiver was told of the message. False if it does not wait to be offered.
    pub async fn offered(
        &self,
        recipient: &Address,
        sequence: u64,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let turned = self
            .turn(recipient, sequence, State::Offered, reason)
            .await?;
        Ok(turned.is_some())
    }

    /// Begins to hand a message over. `None` if it is gone, or on its way already.
    ///
    /// The transfer holds the message until it is confirmed or released; dropped, it releases.
    pub async fn transfer(
        &self,
        recipient: &Address,
        sequence: u64,
        reason: &str,
    ) -> Result<Option<Transfer>, StoreError> {
        let function = self.clone();
        let (recipient, reason) = (recipient.clone(), reason.to_owned());
        // a task of its own: if the caller goes away meanwhile, the transfer is dropped and so
        // released
        let begin = async move {
            let to = State::Transferring;
            let turned = function.turn(&recipient, sequence, to, &reason).await?;
            Ok(turned.map(|envelope| Transfer::new(function, envelope)))
        };
        let begun = tokio::spawn(begin).await;
        begun.unwrap_or(Err(StoreError::Closed))
    }

    /// Books that the receiver has the message, and removes it. False if it was gone.
    pub async fn confirm(
        &self,
        recipient: &Address,
        sequence: u64,
        reason: &str,
    ) -> Result<bool, StoreError> {
        self.end(recipient, sequence, State::Confirmed, reason)
            .await
    }

    /// Deletes a message undelivered. False if it was gone.
    pub async fn delete(
        &self,
        recipient: &Address,
        sequence: u64,
        reason: &str,
    ) -> Result<bool, StoreError> {
        self.end(recipient, sequence, State::Revoked, reason).await
    }

    /// Puts a message that was offered or on its way back to waiting. False if it was neither.
    pub async fn release(
        &self,
        recipient: &Address,
        sequence: u64,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let turned = self
            .turn(recipient, sequence, State::Stored, reason)
            .await?;
        if turned.is_some() {
            self.0.metrics.released.increment(1);
        }
        Ok(turned.is_some())
    }

    /// Deletes all that waits for `recipient`; how many messages.
    pub async fn purge(&self, recipient: &Address, reason: &str) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let page = self.list(recipient, 0, 64).await?;
            if page.is_empty() {
                return Ok(deleted);
            }
            for envelope in page {
                let gone = self.delete(recipient, envelope.sequence, reason).await?;
                deleted += u64::from(gone);
            }
        }
    }

    /// Writes a step into the trail of a message that is not stored: why it was refused.
    pub async fn note(
        &self,
        message_id: &str,
        sender: &Address,
        recipient: &Address,
        state: State,
        reason: &str,
    ) -> Result<(), StoreError> {
        check_message_id(message_id).map_err(|_| StoreError::Abandoned("unusable message id"))?;
        let (id, reason) = (message_id.to_owned(), reason.to_owned());
        let (sender, recipient) = (sender.clone(), recipient.clone());
        self.relaxed(0, move |ledger| {
            ledger.note((&id, &sender, &recipient), state, reason)
        })
        .await
    }

    async fn end(
        &self,
        recipient: &Address,
        sequence: u64,
        last: State,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let (recipient, reason) = (recipient.clone(), reason.to_owned());
        let now = clock::wall();
        let taken = self
            .durable(0, now, move |ledger| {
                ledger.take(&recipient, sequence, last, &reason)
            })
            .await?;
        let Some(Taken { envelope, leftover }) = taken else {
            return Ok(false);
        };
        match last {
            State::Confirmed => self.0.metrics.confirmed(&envelope, now),
            _ => self.0.metrics.revoked(),
        }
        self.gone(&envelope, leftover);
        Ok(true)
    }

    pub(super) fn gone(&self, envelope: &Envelope, leftover: bool) {
        let octets = envelope.facts.size;
        self.0.gone.fetch_add(octets, Ordering::Relaxed);
        if leftover {
            self.0.chores.remove(envelope.content);
        }
        self.0.chores.changed(&envelope.facts.recipient, false);
    }

    async fn turn(
        &self,
        recipient: &Address,
        sequence: u64,
        to: State,
        reason: &str,
    ) -> Result<Option<Envelope>, StoreError> {
        let (recipient, reason) = (recipient.clone(), reason.to_owned());
        self.relaxed(0, move |ledger| {
            ledger.turn(&recipient, sequence, to, &reason)
        })
        .await
    }
}
