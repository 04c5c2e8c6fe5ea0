use super::{Outcome, ServiceError, Services, address, queues::entry};
use crate::{
    deferred::{Envelope, Step},
    http::view::{MessageView, Purged, StepView, WhichCopies},
    identity::Address,
};
use std::collections::BTreeSet;

/// One message, by the identifier its sender gave it.
///
/// Errors of all: as [`ServiceError`] names them.
impl Services {
    /// The life of a message, and where it still waits.
    pub async fn message(&self, message_id: &str) -> Outcome<MessageView> {
        let steps = self.steps(message_id).await?;
        let waiting = self.copies(message_id, recipients(&steps)).await?;
        let steps = steps.into_iter().map(|step| StepView {
            at: step.at.to_rfc3339(),
            recipient: step.recipient.to_string(),
            state: step.state.to_string(),
            reason: step.reason,
        });
        Ok(MessageView {
            message_id: message_id.to_owned(),
            steps: steps.collect(),
            waiting: waiting.iter().map(entry).collect(),
        })
    }

    /// Removes a message for all who have not got it yet, or for one of them.
    pub async fn delete_message(&self, message_id: &str, which: &WhichCopies) -> Outcome<Purged> {
        let among = match &which.recipient {
            Some(given) => BTreeSet::from([address(given)?]),
            None => recipients(&self.steps(message_id).await?),
        };
        let mut messages = 0;
        for envelope in self.copies(message_id, among).await? {
            let (recipient, sequence) = (&envelope.facts.recipient, envelope.sequence);
            let reason = "deleted by an operator";
            let gone = self.deferred.delete(recipient, sequence, reason).await?;
            messages += u64::from(gone);
        }
        tracing::info!(message_id, messages, "message deleted by an operator");
        Ok(Purged { messages })
    }

    async fn steps(&self, message_id: &str) -> Outcome<Vec<Step>> {
        let steps = self.deferred.trace(message_id).await?;
        match steps.is_empty() {
            true => Err(ServiceError::UnknownMessage(message_id.to_owned())),
            false => Ok(steps),
        }
    }

    async fn copies(&self, message_id: &str, among: BTreeSet<Address>) -> Outcome<Vec<Envelope>> {
        let mut copies = Vec::new();
        for recipient in among {
            copies.extend(self.deferred.find(&recipient, message_id).await?);
        }
        Ok(copies)
    }
}

fn recipients(steps: &[Step]) -> BTreeSet<Address> {
    steps.iter().map(|step| step.recipient.clone()).collect()
}
