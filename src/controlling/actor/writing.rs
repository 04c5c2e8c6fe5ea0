//! What one transaction does to a group.
use crate::{
    clock::Timestamp,
    controlling::{Amendment, Group, GroupError, Head, Member, keys},
    identity::Address,
    store::{Readable, Records, Scan, StoreError, Table, Txn},
};

/// What a transaction comes to that the store carried out, or that the rules forbid.
type Verdict<T> = Result<Result<T, GroupError>, StoreError>;

/// Writes a group, unless there is one with its address.
pub(super) fn add(txn: &mut Txn<'_>, group: &Group) -> Result<bool, StoreError> {
    if head(txn, &group.address)?.is_some() {
        return Ok(false);
    }
    put_head(txn, &group.head)?;
    for member in group.members.values() {
        put_member(txn, &group.address, member)?;
    }
    Ok(true)
}

/// Changes what is known of a group; how it was, and how it is.
pub(super) fn amend(
    txn: &mut Txn<'_>,
    group: &Address,
    amendment: Amendment,
) -> Verdict<(Head, Head)> {
    let Some(before) = head(txn, group)? else {
        return Ok(Err(GroupError::Unknown(group.clone())));
    };
    let mut now = before.clone();
    if amendment.apply(&mut now) {
        now.version += 1;
        put_head(txn, &now)?;
    }
    Ok(Ok((before, now)))
}

/// Adds those of `members` who are none, if there is room for all of them.
pub(super) fn join(
    txn: &mut Txn<'_>,
    group: &Address,
    members: Vec<Member>,
    limit: usize,
) -> Verdict<()> {
    let Some(mut head) = head(txn, group)? else {
        return Ok(Err(GroupError::Unknown(group.clone())));
    };
    let mut new = Vec::with_capacity(members.len());
    for member in members {
        let key = keys::member(group, &member.address);
        let is_listed = new.iter().any(|it: &Member| it.address == member.address);
        if !is_listed && txn.get(Table::Group, &key)?.is_none() {
            new.push(member);
        }
    }
    if new.is_empty() {
        return Ok(Ok(()));
    }
    head.size += new.len() as u64;
    if head.size > limit as u64 {
        return Ok(Err(GroupError::TooManyMembers(limit)));
    }
    head.version += 1;
    put_head(txn, &head)?;
    for member in &new {
        put_member(txn, group, member)?;
    }
    Ok(Ok(()))
}

/// Removes a member; what is known of the group then.
pub(super) fn leave(txn: &mut Txn<'_>, group: &Address, member: &Address) -> Verdict<Head> {
    let Some(mut head) = head(txn, group)? else {
        return Ok(Err(GroupError::Unknown(group.clone())));
    };
    let key = keys::member(group, member);
    if txn.get(Table::Group, &key)?.is_none() {
        let (group, member) = (group.clone(), member.clone());
        return Ok(Err(GroupError::NotMember { group, member }));
    }
    txn.delete(Table::Group, key);
    head.size = head.size.saturating_sub(1);
    head.version += 1;
    put_head(txn, &head)?;
    Ok(Ok(head))
}

/// Removes a group with all its members; what was known of it.
pub(super) fn remove(txn: &mut Txn<'_>, group: &Address) -> Verdict<Head> {
    let Some(head) = head(txn, group)? else {
        return Ok(Err(GroupError::Unknown(group.clone())));
    };
    let (from, until) = keys::members(group);
    let members = txn.keys(Scan {
        table: Table::Group,
        from: &from,
        until: &until,
        limit: usize::MAX,
        reverse: false,
    })?;
    for key in members {
        txn.delete(Table::Group, key);
    }
    txn.delete(Table::Group, keys::head(group));
    Ok(Ok(head))
}

/// Writes down when a group was used last. No change that anybody is told of.
pub(super) fn used(txn: &mut Txn<'_>, group: &Address, now: Timestamp) -> Result<(), StoreError> {
    if let Some(mut head) = head(txn, group)? {
        head.used = now;
        put_head(txn, &head)?;
    }
    Ok(())
}

fn head(txn: &Txn<'_>, group: &Address) -> Result<Option<Head>, StoreError> {
    txn.record(Table::Group, &keys::head(group))
}

fn put_head(txn: &mut Txn<'_>, head: &Head) -> Result<(), StoreError> {
    txn.put_record(Table::Group, keys::head(&head.address), head)
}

fn put_member(txn: &mut Txn<'_>, group: &Address, member: &Member) -> Result<(), StoreError> {
    let key = keys::member(group, &member.address);
    txn.put_record(Table::Group, key, member)
}
