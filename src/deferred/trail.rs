use super::{State, keys};
use crate::{
    clock::Timestamp,
    identity::Address,
    store::{Readable, Record, Scan, StoreError, Table, Txn},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// One step in the life of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What it became.
    pub state: State,
    /// Why, for an operator to read.
    pub reason: String,
    /// For whom.
    pub recipient: Address,
}

impl Record for Step {
    const VERSION: u8 = 1;
}

/// Most steps shown or forgotten at once.
const MAX_STEPS: usize = 10_000;

/// Writes `step`. `number` tells steps of one millisecond apart, in their order.
pub(super) fn write(
    txn: &mut Txn<'_>,
    message_id: &str,
    step: &Step,
    number: u64,
) -> Result<(), StoreError> {
    txn.put_record(Table::Trail, keys::step(message_id, step.at, number), step)
}

/// All steps of the messages with this id, in their order, with their keys.
pub(super) fn read(
    store: &(impl Readable + ?Sized),
    message_id: &str,
) -> Result<Vec<(Bytes, Step)>, StoreError> {
    let (from, until) = keys::steps(message_id);
    let found = store.scan(Scan {
        table: Table::Trail,
        from: &from,
        until: &until,
        limit: MAX_STEPS,
        reverse: false,
    })?;
    let mut steps = Vec::with_capacity(found.len());
    for (key, octets) in found {
        steps.push((key, Step::decode(&octets)?));
    }
    Ok(steps)
}

/// Removes the steps of a message to one recipient.
pub(super) fn forget(
    txn: &mut Txn<'_>,
    message_id: &str,
    recipient: &Address,
) -> Result<(), StoreError> {
    for (key, step) in read(txn, message_id)? {
        if step.recipient == *recipient {
            txn.delete(Table::Trail, key);
        }
    }
    Ok(())
}
