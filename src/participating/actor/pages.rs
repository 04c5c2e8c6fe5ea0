use super::Services;
use crate::{
    content::deferred_list::{DeferredList, Entry, Terms},
    deferred::{Envelope, Kind, State},
    identity::Address,
    store::StoreError,
};

/// Which page of a mailbox is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Behind the message with this sequence.
    pub after: u64,
    /// Entries, if fewer are wanted than a page holds.
    pub limit: Option<usize>,
}

impl Page {
    /// Reads the mark of a page and its length; what cannot be read is the first page, and as
    /// long as it may be.
    pub fn of(after: Option<&str>, limit: Option<usize>) -> Self {
        Self {
            after: after.and_then(|mark| mark.parse().ok()).unwrap_or(0),
            limit,
        }
    }

    /// The document that lists this page of the mailbox of `owner`.
    pub async fn of_mailbox(
        self,
        services: &Services,
        owner: &Address,
    ) -> Result<DeferredList, StoreError> {
        let deferred = &services.deferred;
        let most = services.config.list_page.max(1);
        let limit = self.limit.map_or(most, |limit| limit.clamp(1, most));
        let waiting = deferred.waiting(owner).await?;
        let page = deferred.list(owner, self.after, limit).await?;
        let last = page.iter().map(|one| one.sequence).max();
        let next = match last {
            Some(last) if page.len() == limit => {
                let behind = deferred.list(owner, last, 1).await?;
                (!behind.is_empty()).then(|| last.to_string())
            }
            _ => None,
        };
        Ok(DeferredList {
            entries: page.iter().map(entry).collect(),
            terms: Terms {
                total: Some(waiting.count),
                next,
                ..Terms::default()
            },
        })
    }
}

fn entry(envelope: &Envelope) -> Entry {
    let facts = &envelope.facts;
    Entry {
        reference: facts.message_id.clone(),
        size: Some(facts.size),
        expiry: Some(envelope.expires_at.to_rfc3339()),
        subject: facts.subject.clone(),
        date: Some(facts.date.to_rfc3339()),
        from: Some(facts.sender.clone()),
        to: Some(facts.recipient.clone()),
        content_type: Some(facts.content_type.clone()),
        group: facts.group.clone(),
        is_notification: facts.kind == Kind::Notification,
        mark: Some(envelope.sequence),
        is_under_way: envelope.state == State::Transferring,
    }
}
