use super::Deferred;
use crate::{
    clock,
    deferred::{
        ContentId, Envelope, MailboxChanged, Step, Totals, Waiting,
        history::{self, History, Passed},
        keys,
        live::Live,
        mailbox::{self, MailboxRecord, Warned},
        metrics::Metrics,
        order,
        record::{Body, EnvelopeRecord},
    },
    identity::Address,
    policy::Standing,
    store::{self, Readable, Record, Scan, StoreError, Table, View},
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
        let (recipient, inner) = (recipient.clone(), self.0.clone());
        let mut page = self
            .read(move |view| {
                let known = (&inner.live, &inner.metrics);
                list(view, known, &recipient, after, limit)
            })
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
        let (key, inner) = (keys::envelope(recipient, sequence), self.0.clone());
        self.read(move |view| envelope_at(view, &inner.live, &key))
            .await
    }

    /// The messages waiting for `recipient` under `message_id`, one per sender at most.
    pub async fn find(
        &self,
        recipient: &Address,
        message_id: &str,
    ) -> Result<Vec<Envelope>, StoreError> {
        let (recipient, inner) = (recipient.clone(), self.0.clone());
        let (message_id, now) = (message_id.to_owned(), clock::wall());
        self.read(move |view| {
            let mut found = Vec::new();
            for (_, history) in history::find(view, &message_id, Some(&recipient), now)? {
                if let Some(sequence) = history.sequence {
                    let key = keys::envelope(&recipient, sequence);
                    found.extend(envelope_at(view, &inner.live, &key)?);
                }
            }
            Ok(found)
        })
        .await
    }

    /// One piece of the content of a message: [`super::super::PIECE`] octets, fewer for the last.
    /// Small contents came with the envelope and cost no look into the store.
    pub async fn piece(
        &self,
        envelope: &Envelope,
        index: u32,
    ) -> Result<Option<Bytes>, StoreError> {
        match &envelope.body {
            Body::Inline(content) => Ok((index < envelope.pieces()).then(|| content.clone())),
            Body::Pieces(id) | Body::Shared(id) => self.stored_piece(*id, index).await,
        }
    }

    pub(super) async fn stored_piece(
        &self,
        content: ContentId,
        index: u32,
    ) -> Result<Option<Bytes>, StoreError> {
        let key = keys::piece(content, index);
        self.read(move |view| view.get(Table::Content, &key)).await
    }

    /// The life of the messages with this id, step by step.
    pub async fn trace(&self, message_id: &str) -> Result<Vec<Step>, StoreError> {
        let (message_id, inner) = (message_id.to_owned(), self.0.clone());
        let now = clock::wall();
        let steps = self.read(move |view| {
            let mut steps = Vec::new();
            for (recipient, history) in history::find(view, &message_id, None, now)? {
                steps.extend(life(view, &inner.live, &recipient, history)?);
            }
            Ok(steps)
        });
        let mut steps = steps.await?;
        steps.sort_by_key(|step| step.at);
        Ok(steps)
    }

    /// The warning that the owner of a mailbox is to be given: what waits, and what may.
    pub async fn warning(&self, recipient: &Address) -> Result<Option<Warning>, StoreError> {
        let (recipient, inner) = (recipient.clone(), self.0.clone());
        self.read(move |view| {
            let mailbox = mailbox::mailbox(view, &recipient)?;
            if mailbox.warning != Warned::Due {
                return Ok(None);
            }
            let class = match (inner.directory)(view, &recipient)? {
                Standing::Accepts(settings) => inner.classes.of(settings.class.as_deref()),
                _ => return Ok(None),
            };
            Ok(Some(Warning {
                waiting: mailbox.waiting(),
                level: class.level(mailbox.count, mailbox.octets),
                max_messages: class.max_messages,
                max_octets: class.max_octets.as_u64(),
            }))
        })
        .await
    }

    /// Tells those who care for a mailbox of it as if something had arrived: what is known of its
    /// owner has changed.
    pub async fn nudge(&self, recipient: &Address) -> Result<(), StoreError> {
        let waiting = self.waiting(recipient).await?;
        if !waiting.is_empty() {
            self.0.chores.tell(MailboxChanged {
                recipient: recipient.clone(),
                waiting,
                arrived: true,
                warn: false,
            });
        }
        Ok(())
    }

    /// Books that the owner of a mailbox was given the warning.
    pub async fn warned(&self, recipient: &Address) -> Result<(), StoreError> {
        let recipient = recipient.clone();
        self.relaxed(0, move |ledger| {
            let mut mailbox = mailbox::mailbox(ledger.txn, &recipient)?;
            if mailbox.warning == Warned::Due {
                mailbox.warning = Warned::Told;
                let key = keys::mailbox(&recipient);
                ledger.txn.put_record(Table::Mailbox, key, &mailbox)?;
            }
            Ok(())
        })
        .await
    }
}

/// A mailbox is nearly full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What waits.
    pub waiting: Waiting,
    /// Percent of the nearer bound.
    pub level: u64,
    /// Most messages that may wait.
    pub max_messages: u64,
    /// Most octets that may wait.
    pub max_octets: u64,
}

/// What happened to one message so far.
fn life(
    view: &View<'_>,
    live: &Live,
    recipient: &Address,
    history: History,
) -> Result<Vec<Step>, StoreError> {
    let mut passed = Vec::new();
    let mut under_way = Vec::new();
    if let Some(sequence) = history.sequence {
        let key = keys::envelope(recipient, sequence);
        if let Some(octets) = view.get(Table::Envelope, &key)? {
            let envelope = EnvelopeRecord::read(&key, &octets, |_, _| None)?;
            passed.extend(envelope.first_steps());
            under_way = live.steps((recipient, sequence));
        }
    }
    passed.extend(history.steps);
    passed.extend(under_way);
    let step = |passed: Passed| Step {
        at: passed.at,
        state: passed.state,
        reason: passed.reason.into_owned(),
        recipient: recipient.clone(),
    };
    Ok(passed.into_iter().map(step).collect())
}

/// The message at `key`, as it stands in this run.
fn envelope_at(view: &View<'_>, live: &Live, key: &[u8]) -> Result<Option<Envelope>, StoreError> {
    let found = view.get(Table::Envelope, key)?;
    found.map(|octets| read(live, key, &octets)).transpose()
}

fn read(live: &Live, key: &[u8], octets: &Bytes) -> Result<Envelope, StoreError> {
    EnvelopeRecord::read(key, octets, |facts, sequence| {
        live.standing((&facts.recipient, sequence))
    })
}

fn list(
    view: &View<'_>,
    (live, metrics): (&Live, &Metrics),
    recipient: &Address,
    after: u64,
    limit: usize,
) -> Result<Vec<Envelope>, StoreError> {
    let Some(head) = mailbox::mailbox(view, recipient)?.waiting().head else {
        return Ok(Vec::new());
    };
    let first = head.max(after.saturating_add(1));
    // what a damaged disk has taken must not keep the rest from its reader
    let scan = Scan {
        table: Table::Envelope,
        from: &keys::envelope(recipient, first),
        until: &keys::envelopes_end(recipient),
        limit,
        reverse: false,
    };
    let (found, damaged) = store::scan_past(view, scan)?;
    for damage in damaged {
        metrics.damaged(recipient, &damage);
    }
    let mut page = Vec::with_capacity(found.len());
    for (key, octets) in found {
        match read(live, &key, &octets) {
            Ok(envelope) => page.push(envelope),
            Err(error) => metrics.unreadable(recipient, &error),
        }
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
            if let (Some(address), true) = (address, !waiting.is_empty() && found.len() < limit) {
                found.push((address, waiting));
            }
        }
    }
    Ok(found)
}
