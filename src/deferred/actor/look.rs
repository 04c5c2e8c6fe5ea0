use super::Deferred;
use crate::{
    deferred::{
        ContentId, Envelope, Step, Totals, Waiting,
        envelope::EnvelopeRecord,
        keys,
        mailbox::{self, MailboxRecord},
        order, trail,
    },
    identity::Address,
    store::{Readable, Record, Records, Scan, StoreError, Table, View},
};
use bytes::Bytes;

/// Looking into mailboxes.
impl Deferred {
    /// What waits for `recipient`.
    pub async fn waiting(&self, recipient: &Address) -> Result<Waiting, StoreError> {
        let recipient = recipient.clone();
        let mailbox = self.read(move |view| mailbox::mailbox(view, &recipient));
        Ok(mailbox.await?.waiting())
    }

    /// What waits in all mailboxes.
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        self.read(|view| mailbox::totals(view)).await
    }

    /// A page of a mailbox: at most `limit` messages behind sequence `after` (0 for the first
    /// page), oldest first.
    pub async fn list(
        &self,
        recipient: &Address,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Envelope>, StoreError> {
        let (recipient, epoch) = (recipient.clone(), self.0.run.epoch);
        let mut page = self
            .read(move |view| list(view, &recipient, after, limit, epoch))
            .await?;
        order::arrange(&mut page, self.0.config.priority_overtakes);
        Ok(page)
    }

    /// A page of all mailboxes in which something waits, behind the one of `after`.
    pub async fn mailboxes(
        &self,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<(Address, Waiting)>, StoreError> {
        let after = after.cloned();
        self.read(move |view| mailboxes(view, after.as_ref(), limit))
            .await
    }

    /// The message with `sequence`, if it waits.
    pub async fn open_envelope(
        &self,
        recipient: &Address,
        sequence: u64,
    ) -> Result<Option<Envelope>, StoreError> {
        let (key, epoch) = (keys::envelope(recipient, sequence), self.0.run.epoch);
        self.read(move |view| {
            let record = view.record::<EnvelopeRecord>(Table::Envelope, &key)?;
            Ok(record.map(|record| record.into_envelope(sequence, epoch)))
        })
        .await
    }

    /// The messages waiting for `recipient` under `message_id`, one per sender at most.
    pub async fn find(
        &self,
        recipient: &Address,
        message_id: &str,
    ) -> Result<Vec<Envelope>, StoreError> {
        let (recipient, epoch) = (recipient.clone(), self.0.run.epoch);
        let message_id = message_id.to_owned();
        self.read(move |view| {
            let mut found = Vec::new();
            for sequence in mailbox::submissions(view, &recipient, &message_id)? {
                let key = keys::envelope(&recipient, sequence);
                let record = view.record::<EnvelopeRecord>(Table::Envelope, &key)?;
                found.extend(record.map(|record| record.into_envelope(sequence, epoch)));
            }
            Ok(found)
        })
        .await
    }

    /// One piece of a content: [`super::super::PIECE`] octets, fewer for the last.
    pub async fn piece(&self, content: ContentId, index: u32) -> Result<Option<Bytes>, StoreError> {
        let key = keys::piece(content, index);
        self.read(move |view| view.get(Table::Content, &key)).await
    }

    /// The life of the messages with this id, step by step.
    pub async fn trace(&self, message_id: &str) -> Result<Vec<Step>, StoreError> {
        let message_id = message_id.to_owned();
        let steps = self.read(move |view| trail::read(view, &message_id));
        Ok(steps.await?.into_iter().map(|(_, step)| step).collect())
    }
}

fn list(
    view: &View<'_>,
    recipient: &Address,
    after: u64,
    limit: usize,
    epoch: u32,
) -> Result<Vec<Envelope>, StoreError> {
    let mailbox = mailbox::mailbox(view, recipient)?;
    if mailbox.count == 0 {
        return Ok(Vec::new());
    }
    let first = mailbox.head.max(after.saturating_add(1));
    let found = view.scan(Scan {
        table: Table::Envelope,
        from: &keys::envelope(recipient, first),
        until: &keys::envelopes_end(recipient),
        limit,
        reverse: false,
    })?;
    let mut page = Vec::with_capacity(found.len());
    for (key, octets) in found {
        let record = EnvelopeRecord::decode(&octets)?;
        let sequence = keys::sequence_of(&key).unwrap_or_default();
        page.push(record.into_envelope(sequence, epoch));
    }
    Ok(page)
}

fn mailboxes(
    view: &View<'_>,
    after: Option<&Address>,
    limit: usize,
) -> Result<Vec<(Address, Waiting)>, StoreError> {
    let mut found = Vec::new();
    let mut from: Vec<u8> =
        after.map_or(vec![0], |after| [after.as_str().as_bytes(), &[0]].concat());
    while found.len() < limit {
        let page = view.scan(Scan {
            table: Table::Mailbox,
            from: &from,
            until: &[0xff],
            limit: 256,
            reverse: false,
        })?;
        let Some((last, _)) = page.last() else {
            break;
        };
        from = [last, &[0][..]].concat();
        for (key, octets) in page {
            let waiting = MailboxRecord::decode(&octets)?.waiting();
            let address = std::str::from_utf8(&key).ok();
            let address = address.and_then(|text| Address::parse(text).ok());
            if let (Some(address), true) = (address, waiting.count > 0 && found.len() < limit) {
                found.push((address, waiting));
            }
        }
    }
    Ok(found)
}
