use super::{Group, Head, Member, keys};
use crate::{
    identity::Address,
    store::{Readable, Record, Records, Scan, StoreError, Table},
};
use std::collections::BTreeMap;

impl Record for Head {
    const VERSION: u8 = 1;
}

impl Record for Member {
    const VERSION: u8 = 1;
}

/// The group with this address and all its members.
pub(super) fn read(store: &dyn Readable, address: &Address) -> Result<Option<Group>, StoreError> {
    let Some(head) = store.record::<Head>(Table::Group, &keys::head(address))? else {
        return Ok(None);
    };
    let (from, until) = keys::members(address);
    let found = store.scan(Scan {
        table: Table::Group,
        from: &from,
        until: &until,
        limit: usize::MAX,
        reverse: false,
    })?;
    let mut members = BTreeMap::new();
    for (_, octets) in found {
        let member = Member::decode(&octets)?;
        members.insert(member.address.clone(), member);
    }
    Ok(Some(Group { head, members }))
}

/// At most `limit` heads behind `after`, in the order of their addresses.
pub(super) fn list(
    store: &dyn Readable,
    after: Option<&Address>,
    limit: usize,
) -> Result<Vec<Head>, StoreError> {
    let (from, until) = keys::heads(after);
    let found = store.scan(Scan {
        table: Table::Group,
        from: &from,
        until: &until,
        limit,
        reverse: false,
    })?;
    let heads = found.iter().map(|(_, octets)| Head::decode(octets));
    Ok(heads.collect::<Result<_, _>>()?)
}
