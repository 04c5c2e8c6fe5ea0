use super::{Outcome, ServiceError, Services, address, full};
use crate::{
    deferred::{Class, Envelope, Kind},
    http::view::{
        DEFAULT_CLASS, EntryView, LimitsView, MailboxView, PageRequest, Purged, QueueView,
        QueuesView,
    },
    identity::Address,
};
use std::sync::Arc;

/// What waits, for whom.
///
/// Errors of all: as [`ServiceError`] names them.
impl Services {
    /// A page of the recipients for whom something waits, and the totals.
    pub async fn queues(&self, page: &PageRequest) -> Outcome<QueuesView> {
        let after = page.after.as_deref().map(address).transpose()?;
        let limit = page.limit();
        let totals = self.deferred.totals().await?;
        let found = self.deferred.mailboxes(after.as_ref(), limit).await?;
        let next = full(&found, limit).map(|(recipient, _)| recipient.to_string());
        let items = found.into_iter().map(|(recipient, waiting)| QueueView {
            recipient: recipient.to_string(),
            count: waiting.count,
            octets: waiting.octets,
            notifications: waiting.notifications,
        });
        Ok(QueuesView {
            messages: totals.messages,
            octets: totals.octets,
            items: items.collect(),
            next,
        })
    }

    /// One mailbox, and a page of what waits in it.
    pub async fn queue(&self, given: &str, page: &PageRequest) -> Outcome<MailboxView> {
        let recipient = address(given)?;
        let after = match &page.after {
            None => 0,
            Some(text) => text
                .parse()
                .map_err(|_| ServiceError::After(text.clone()))?,
        };
        let limit = page.limit();
        let class = self.class_of(&recipient).await?;
        let waiting = self.deferred.waiting(&recipient).await?;
        let found = self.deferred.list(&recipient, after, limit).await?;
        let last = found.iter().map(|envelope| envelope.sequence).max();
        let next = full(&found, limit).and(last).map(|last| last.to_string());
        Ok(MailboxView {
            recipient: recipient.to_string(),
            count: waiting.count,
            octets: waiting.octets,
            notifications: waiting.notifications,
            level: class.level(waiting.count, waiting.octets),
            limits: limits(&class),
            items: found.iter().map(entry).collect(),
            next,
        })
    }

    /// One message that waits.
    pub async fn entry(&self, given: &str, sequence: u64) -> Outcome<EntryView> {
        let recipient = address(given)?;
        let found = self.deferred.open_envelope(&recipient, sequence).await?;
        let found = found.ok_or_else(|| ServiceError::NotWaiting {
            recipient: recipient.to_string(),
            sequence,
        })?;
        Ok(entry(&found))
    }

    /// Removes one message that waits.
    pub async fn delete_entry(&self, given: &str, sequence: u64) -> Outcome<EntryView> {
        let view = self.entry(given, sequence).await?;
        let recipient = address(given)?;
        let reason = "deleted by an operator";
        if !self.deferred.delete(&recipient, sequence, reason).await? {
            let recipient = recipient.to_string();
            return Err(ServiceError::NotWaiting {
                recipient,
                sequence,
            });
        }
        tracing::info!(%recipient, sequence, message_id = view.message_id, "message {reason}");
        Ok(view)
    }

    /// Removes all that waits for one recipient.
    pub async fn purge(&self, given: &str) -> Outcome<Purged> {
        let recipient = address(given)?;
        let messages = self
            .deferred
            .purge(&recipient, "purged by an operator")
            .await?;
        tracing::info!(%recipient, messages, "queue purged by an operator");
        Ok(Purged { messages })
    }

    /// The classes of service there are, the default one first.
    pub fn classes(&self) -> Vec<LimitsView> {
        let classes = self.deferred.classes();
        let names = classes.names().map(Some);
        let all = std::iter::once(None).chain(names);
        all.map(|name| limits(classes.of(name))).collect()
    }

    /// The class that bounds a mailbox, also of one who is no subscriber any more.
    async fn class_of(&self, recipient: &Address) -> Outcome<Arc<Class>> {
        let subscriber = self.subscribers.get(recipient).await?;
        let name = subscriber.and_then(|subscriber| subscriber.settings.class.clone());
        Ok(self.deferred.classes().of(name.as_deref()).clone())
    }
}

fn limits(class: &Class) -> LimitsView {
    LimitsView {
        class: class.name.as_deref().unwrap_or(DEFAULT_CLASS).to_owned(),
        max_messages: class.max_messages,
        max_octets: class.max_octets.as_u64(),
        max_message: class.max_message.as_u64(),
        max_share: class.max_share,
        max_age: class.max_age.as_secs(),
        when_full: class.when_full.to_string(),
        warn_at: class.warn_at,
    }
}

pub(super) fn entry(envelope: &Envelope) -> EntryView {
    let facts = &envelope.facts;
    EntryView {
        recipient: facts.recipient.to_string(),
        sequence: envelope.sequence,
        message_id: facts.message_id.clone(),
        sender: facts.sender.to_string(),
        kind: match facts.kind {
            Kind::Message => "message".to_owned(),
            Kind::Notification => "notification".to_owned(),
        },
        content_type: facts.content_type.clone(),
        size: facts.size,
        state: envelope.state.to_string(),
        stored: envelope.stored_at.to_rfc3339(),
        expires: envelope.expires_at.to_rfc3339(),
        attempts: u64::from(envelope.attempts),
    }
}
