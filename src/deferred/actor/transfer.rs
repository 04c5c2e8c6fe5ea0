use super::Deferred;
use crate::{deferred::Envelope, store::StoreError};

/// One message on its way to its receiver. Nobody else gets it meanwhile; if this is dropped
/// without a word the message waits again.
pub struct Transfer {
    function: Deferred,
    envelope: Envelope,
    is_open: bool,
}

impl Transfer {
    pub(super) fn new(function: Deferred, envelope: Envelope) -> Self {
        Self {
            function,
            envelope,
            is_open: true,
        }
    }

    /// The message.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The receiver has it: removes it durably. False if it was gone, revoked meanwhile.
    pub async fn confirm(mut self, reason: &str) -> Result<bool, StoreError> {
        let (recipient, sequence) = (&self.envelope.facts.recipient, self.envelope.sequence);
        let confirmed = self.function.confirm(recipient, sequence, reason).await?;
        self.is_open = false;
        Ok(confirmed)
    }

    /// It did not arrive: it waits again.
    pub async fn release(mut self, reason: &str) -> Result<bool, StoreError> {
        let (recipient, sequence) = (&self.envelope.facts.recipient, self.envelope.sequence);
        let released = self.function.release(recipient, sequence, reason).await?;
        self.is_open = false;
        Ok(released)
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if self.is_open {
            let recipient = self.envelope.facts.recipient.clone();
            let chores = &self.function.0.chores;
            chores.release(recipient, self.envelope.sequence);
        }
    }
}
