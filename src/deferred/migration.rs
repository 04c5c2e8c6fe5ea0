//! Takes over a store that an older release wrote.
//!
//! The first layout kept submissions and the steps of a message in tables of their own, and did
//! not count senders and priorities. Each round moves a part of it in one transaction, so that a
//! crash in between costs nothing; the mark of the layout is written last, and synced.
use super::{
    Config, Facts, State,
    history::{self, History, Passed},
    keys,
    mailbox::{MailboxRecord, mailbox},
    record::EnvelopeRecord,
};
use crate::{
    clock::{self, Timestamp},
    identity::Address,
    store::{Handle, Readable, Record, Scan, StoreError, Table, Txn},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

const LAYOUT: &[u8] = b"deferred/layout";
/// The layout of this release.
const CURRENT: u8 = 2;
/// Where the first layout kept the last content id; ids are counted per run now.
const LAST_CONTENT: &[u8] = b"deferred/content";
/// Entries moved by one transaction.
const ROUND: usize = 256;

/// A submission, as the first layout had it.
#[derive(Serialize, Deserialize)]
struct Submitted {
    sequence: u64,
}

impl Record for Submitted {
    const VERSION: u8 = 1;
}

/// A step, as the first layout had it.
#[derive(Serialize, Deserialize)]
struct Step {
    at: Timestamp,
    state: State,
    reason: String,
    recipient: Address,
}

impl Record for Step {
    const VERSION: u8 = 1;
}

/// Brings the mailboxes in `store` to the layout of this release.
///
/// Errors: `Abandoned` for a layout of a later release.
pub(super) async fn take_over(store: &Handle, config: &Config) -> Result<(), StoreError> {
    let known = store.read(|view| view.get(Table::Meta, LAYOUT)).await?;
    match known.as_deref() {
        Some([CURRENT]) => return Ok(()),
        None => {}
        Some(_) => return Err(StoreError::Abandoned("the store is of a later release")),
    }
    let (now, remember) = (clock::wall(), config.remember);
    let mut moved = 0;
    loop {
        let forget = now.plus(remember);
        let round = store.write_relaxed(ROUND * 512, move |txn| move_submissions(txn, now, forget));
        match round.await? {
            0 => break,
            count => moved += count,
        }
    }
    while store.write_relaxed(ROUND * 64, drop_steps).await? > 0 {}
    let mut after = Bytes::from_static(&[0]);
    while let Some(next) = {
        let from = after.clone();
        let count = move |txn: &mut Txn<'_>| count_again(txn, &from);
        store.write_relaxed(ROUND * 64, count).await?
    } {
        after = next;
    }
    store
        .write(|txn| {
            txn.delete(Table::Meta, LAST_CONTENT);
            txn.put(Table::Meta, LAYOUT, vec![CURRENT]);
            Ok(())
        })
        .await?;
    if moved > 0 {
        tracing::info!(messages = moved, "mailboxes of an older release taken over");
    }
    Ok(())
}

/// Moves submissions to histories, with the steps of their messages; how many.
fn move_submissions(
    txn: &mut Txn<'_>,
    now: Timestamp,
    forget: Timestamp,
) -> Result<usize, StoreError> {
    let page = txn.scan(first(Table::Submitted))?;
    let count = page.len();
    for (key, octets) in page {
        txn.delete(Table::Submitted, key.clone());
        let mut parts = key.split(|&octet| octet == 0);
        let mut text = || std::str::from_utf8(parts.next()?).ok();
        let address = |text: Option<&str>| Address::parse(text?).ok();
        let (recipient, id, sender) = (address(text()), text(), address(text()));
        let (Some(recipient), Some(id), Some(sender)) = (recipient, id, sender) else {
            tracing::warn!("an unreadable submission was dropped");
            continue;
        };
        let sequence = Submitted::decode(&octets)?.sequence;
        let waits = txn.get(Table::Envelope, &keys::envelope(&recipient, sequence))?;
        let mut history = History {
            sequence: Some(sequence),
            steps: Vec::new(),
        };
        history.extend(steps(txn, id, &recipient, waits.is_some())?);
        let until = waits.is_none().then_some(forget);
        let key = keys::history(&recipient, id, &sender);
        if history::read(txn, &key, now)?.is_none() {
            history::write(txn, key, &history, until)?;
        }
    }
    Ok(count)
}

/// The steps of one message; without the first ones where they stand with the message.
fn steps(
    txn: &Txn<'_>,
    id: &str,
    recipient: &Address,
    waits: bool,
) -> Result<Vec<Passed>, StoreError> {
    let (from, until) = keys::histories(id, None);
    let found = txn.scan(Scan {
        table: Table::Trail,
        from: &from,
        until: &until,
        limit: ROUND,
        reverse: false,
    })?;
    let mut steps = Vec::new();
    for (_, octets) in found {
        let step = Step::decode(&octets)?;
        if step.recipient == *recipient {
            steps.push(Passed::new(step.at, step.state, step.reason));
        }
    }
    let first = steps
        .iter()
        .take_while(|step| matches!(step.state, State::Receiving | State::Stored));
    let first = first.count().min(2);
    if waits {
        steps.drain(..first);
    }
    Ok(steps)
}

/// Drops steps that were moved; how many.
fn drop_steps(txn: &mut Txn<'_>) -> Result<usize, StoreError> {
    let keys = txn.keys(first(Table::Trail))?;
    let count = keys.len();
    for key in keys {
        txn.delete(Table::Trail, key);
    }
    Ok(count)
}

/// Counts some mailboxes anew, from `from` on; where to go on.
fn count_again(txn: &mut Txn<'_>, from: &[u8]) -> Result<Option<Bytes>, StoreError> {
    const MAILBOXES: usize = 16;
    let page = txn.scan(Scan {
        from,
        limit: MAILBOXES,
        ..first(Table::Mailbox)
    })?;
    let last = page.last().map(|(key, _)| [&key[..], &[0]].concat());
    for (key, _) in page {
        let recipient = std::str::from_utf8(&key).ok();
        let recipient = recipient.and_then(|text| Address::parse(text).ok());
        if let Some(recipient) = recipient {
            let counted = counted(txn, &recipient)?;
            txn.put_record(Table::Mailbox, key, &counted)?;
        }
    }
    Ok(last.map(Bytes::from))
}

fn counted(txn: &Txn<'_>, recipient: &Address) -> Result<MailboxRecord, StoreError> {
    let old = mailbox(txn, recipient)?;
    let mut counted = MailboxRecord {
        last: old.last,
        head: old.head,
        ..MailboxRecord::default()
    };
    let mut from = keys::envelope(recipient, 0);
    loop {
        let page = txn.scan(Scan {
            table: Table::Envelope,
            from: &from,
            until: &keys::envelopes_end(recipient),
            limit: ROUND,
            reverse: false,
        })?;
        let Some((last, _)) = page.last() else {
            return Ok(counted);
        };
        from = [&last[..], &[0]].concat().into();
        for (_, octets) in page {
            let facts: Facts = EnvelopeRecord::decode(&octets)?.facts;
            counted.count_in(&facts);
        }
    }
}

fn first(table: Table) -> Scan<'static> {
    Scan {
        table,
        from: &[0],
        until: &[0xff; 16],
        limit: ROUND,
        reverse: false,
    }
}
