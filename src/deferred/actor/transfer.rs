use super::Deferred;
use crate::{
    deferred::{Envelope, State},
    identity::Address,
    store::StoreError,
    trail::{self, Step},
};
use std::{borrow::Cow, sync::Arc};

/// One message on its way to its receiver. Nobody else gets it meanwhile; if this is dropped
/// without a word the message waits again.
pub struct Transfer {
    function: Deferred,
    envelope: Arc<Envelope>,
    is_open: bool,
    step: Step,
}

impl Transfer {
    /// The message.
    pub fn envelope(&self) -> &Arc<Envelope> {
        &self.envelope
    }

    /// The receiver has it: removes it durably. False if it was gone, revoked meanwhile.
    pub async fn confirm(self, reason: &'static str) -> Result<bool, StoreError> {
        let function = self.function.clone();
        Ok(function.confirm_all(vec![self], reason).await? == 1)
    }

    /// It did not arrive: it waits again at once, and that is written down. False if it was gone.
    pub async fn release(
        mut self,
        reason: impl Into<Cow<'static, str>>,
    ) -> Result<bool, StoreError> {
        self.is_open = false;
        let reason = reason.into();
        self.step.ended(State::Stored, &reason);
        let place = (&self.envelope.facts.recipient, self.envelope.sequence);
        self.function.put_back(place, reason).await
    }

    /// Leaves the message to whoever ends it.
    pub(super) fn hand_in(mut self) -> Arc<Envelope> {
        self.is_open = false;
        self.step.ended("arrived", "the receiver has it");
        self.envelope.clone()
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if self.is_open {
            let place = (&self.envelope.facts.recipient, self.envelope.sequence);
            let reason = "the transfer ended without an answer";
            self.step.ended(State::Stored, reason);
            self.function.let_go(place, reason);
        }
    }
}

/// A look at a mailbox from which messages are handed over: whatever is read while it is held, it
/// is known whether it is still there.
pub struct Watch {
    function: Deferred,
    recipient: Address,
}

impl Watch {
    pub(super) fn new(function: Deferred, recipient: Address) -> Self {
        function.0.live.watch(&recipient);
        Self {
            function,
            recipient,
        }
    }

    /// Begins to hand over a message that was read since the watch began. `None` if it is gone,
    /// or on its way already. Costs no look into the store.
    ///
    /// The transfer holds the message until it is confirmed or released; dropped, it releases.
    pub fn transfer(
        &self,
        envelope: &Envelope,
        reason: impl Into<Cow<'static, str>>,
    ) -> Option<Transfer> {
        let (function, place) = (&self.function, (&self.recipient, envelope.sequence));
        let step = function.passed(State::Transferring, reason.into());
        let attempts = function.0.live.begin(place, envelope.attempts, step)?;
        let envelope = Envelope {
            attempts,
            state: State::Transferring,
            ..envelope.clone()
        };
        let facts = &envelope.facts;
        let step = trail::message(
            "hand over",
            &facts.message_id,
            &facts.sender,
            &facts.recipient,
        );
        Some(Transfer {
            step,
            function: function.clone(),
            envelope: Arc::new(envelope),
            is_open: true,
        })
    }

    /// Begins the look anew: what was read before counts for nothing any more. For those who look
    /// again and again for a long time.
    pub fn renew(&self) {
        self.function.0.live.renew(&self.recipient);
    }

    /// Books that the receiver was told of a message that was read since the watch began. False
    /// if it does not just wait.
    pub fn offered(&self, envelope: &Envelope, reason: impl Into<Cow<'static, str>>) -> bool {
        let place = (&self.recipient, envelope.sequence);
        let step = self.function.passed(State::Offered, reason.into());
        self.function.0.live.offer(place, step)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.function.0.live.unwatch(&self.recipient);
    }
}
