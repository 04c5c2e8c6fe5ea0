use super::{Deferred, Transfer, Watch, intake::check_message_id};
use crate::{
    clock,
    deferred::{Envelope, State, history::Passed},
    identity::Address,
    store::StoreError,
};
use std::{borrow::Cow, sync::Arc};

/// Handing messages over, and what else ends their life.
impl Deferred {
    /// Begins to look at a mailbox from which messages are to be handed over.
    pub fn watch(&self, recipient: &Address) -> Watch {
        Watch::new(self.clone(), recipient.clone())
    }

    /// Begins to hand a message over. `None` if it is gone, or on its way already.
    ///
    /// As [`Watch::transfer`], for one message that is known by its place.
    pub async fn transfer(
        &self,
        recipient: &Address,
        sequence: u64,
        reason: impl Into<Cow<'static, str>>,
    ) -> Result<Option<Transfer>, StoreError> {
        let watch = self.watch(recipient);
        let found = self.open_envelope(recipient, sequence).await?;
        Ok(found.and_then(|envelope| watch.transfer(&envelope, reason)))
    }

    /// Books that the receiver was told of the message. False if it does not wait to be offered.
    pub async fn offered(
        &self,
        recipient: &Address,
        sequence: u64,
        reason: impl Into<Cow<'static, str>>,
    ) -> Result<bool, StoreError> {
        let watch = self.watch(recipient);
        let found = self.open_envelope(recipient, sequence).await?;
        Ok(found.is_some_and(|envelope| watch.offered(&envelope, reason)))
    }

    /// Books that the receiver has these messages, and removes them in one transaction; how many
    /// were still there.
    pub async fn confirm_all(
        &self,
        transfers: Vec<Transfer>,
        reason: &'static str,
    ) -> Result<u64, StoreError> {
        let envelopes: Vec<_> = transfers.into_iter().map(Transfer::hand_in).collect();
        let confirmed = self.end_all(envelopes, State::Confirmed, reason.into());
        confirmed.await
    }

    /// Books that the receiver has the message, and removes it. False if it was gone.
    pub async fn confirm(
        &self,
        recipient: &Address,
        sequence: u64,
        reason: &'static str,
    ) -> Result<bool, StoreError> {
        self.end((recipient, sequence), State::Confirmed, reason.into())
            .await
    }

    /// Deletes a message undelivered. False if it was gone.
    pub async fn delete(
        &self,
        recipient: &Address,
        sequence: u64,
        reason: impl Into<Cow<'static, str>>,
    ) -> Result<bool, StoreError> {
        self.end((recipient, sequence), State::Revoked, reason.into())
            .await
    }

    /// Takes a message back for its sender, if it waits and is not on its way. False if not.
    pub async fn revoke(
        &self,
        sender: &Address,
        recipient: &Address,
        message_id: &str,
    ) -> Result<bool, StoreError> {
        let mut found = self.find(recipient, message_id).await?;
        found.retain(|envelope| {
            envelope.facts.sender == *sender && envelope.state != State::Transferring
        });
        let mut revoked = false;
        for envelope in found {
            let reason = "revoked by its sender";
            revoked |= self.delete(recipient, envelope.sequence, reason).await?;
        }
        Ok(revoked)
    }

    /// Puts a message that was offered or on its way back to waiting. False if it was neither.
    pub async fn release(
        &self,
        recipient: &Address,
        sequence: u64,
        reason: impl Into<Cow<'static, str>>,
    ) -> Result<bool, StoreError> {
        self.put_back((recipient, sequence), reason).await
    }

    /// Deletes all that waits for `recipient`; how many messages.
    pub async fn purge(
        &self,
        recipient: &Address,
        reason: &'static str,
    ) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let page = self.list(recipient, 0, 64).await?;
            if page.is_empty() {
                return Ok(deleted);
            }
            for envelope in &page {
                self.0.live.hold((recipient, envelope.sequence));
            }
            let page = page.into_iter().map(Arc::new).collect();
            let gone = self.end_all(page, State::Revoked, reason.into());
            deleted += gone.await?;
        }
    }

    /// Writes a step into the history of a message that is not stored: why it was refused.
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
        (recipient, sequence): (&Address, u64),
        last: State,
        reason: Cow<'static, str>,
    ) -> Result<bool, StoreError> {
        let held = Held::new(self, vec![(recipient.clone(), sequence)]);
        let (function, recipient) = (self.clone(), recipient.clone());
        // a task of its own: what was begun is settled, even if the caller goes away meanwhile
        let ending = tokio::spawn(async move {
            let taken = function.durable(0, clock::wall(), move |ledger| {
                match ledger.envelope((&recipient, sequence))? {
                    Some(envelope) => ledger.take(&Arc::new(envelope), last, reason),
                    None => Ok(false),
                }
            });
            let taken = taken.await;
            drop(held);
            taken
        });
        ending.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Ends messages that are held or on their way.
    async fn end_all(
        &self,
        envelopes: Vec<Arc<Envelope>>,
        last: State,
        reason: Cow<'static, str>,
    ) -> Result<u64, StoreError> {
        let places = envelopes
            .iter()
            .map(|envelope| (envelope.facts.recipient.clone(), envelope.sequence));
        let held = Held {
            function: self.clone(),
            places: places.collect(),
        };
        let function = self.clone();
        let ending = tokio::spawn(async move {
            // no octets that stay: it is done on a full disk too, where it makes room
            let taken = function.durable(0, clock::wall(), move |ledger| {
                let mut taken = 0;
                for envelope in &envelopes {
                    taken += u64::from(ledger.take(envelope, last, reason.clone())?);
                }
                Ok(taken)
            });
            let taken = taken.await;
            drop(held);
            taken
        });
        ending.await.unwrap_or(Err(StoreError::Closed))
    }

    /// A message that did not arrive waits again from now on; then that is written down.
    pub(super) async fn put_back(
        &self,
        place: (&Address, u64),
        reason: impl Into<Cow<'static, str>>,
    ) -> Result<bool, StoreError> {
        let step = self.passed(State::Stored, reason.into());
        let Some((attempts, steps)) = self.0.live.release(place, step) else {
            return Ok(false);
        };
        self.0.metrics.released.increment(1);
        let (recipient, sequence) = (place.0.clone(), place.1);
        self.relaxed(0, move |ledger| {
            ledger.put_back((&recipient, sequence), attempts, steps)
        })
        .await?;
        Ok(true)
    }

    /// As `put_back`, for those who cannot wait.
    pub(super) fn let_go(&self, place: (&Address, u64), reason: &'static str) {
        let step = self.passed(State::Stored, reason.into());
        let Some((attempts, steps)) = self.0.live.release(place, step) else {
            return;
        };
        self.0.metrics.released.increment(1);
        self.0
            .chores
            .broken((place.0.clone(), place.1), attempts, steps);
    }

    pub(super) fn passed(&self, state: State, reason: Cow<'static, str>) -> Passed {
        Passed::new(clock::wall(), state, reason)
    }
}

/// Messages entered as about to be taken out; settled on drop, after the commit.
pub(super) struct Held {
    function: Deferred,
    places: Vec<(Address, u64)>,
}

impl Held {
    pub(super) fn new(function: &Deferred, places: Vec<(Address, u64)>) -> Self {
        for (recipient, sequence) in &places {
            function.0.live.hold((recipient, *sequence));
        }
        Self {
            function: function.clone(),
            places,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for (recipient, sequence) in &self.places {
            self.function.0.live.settle((recipient, *sequence));
        }
    }
}
