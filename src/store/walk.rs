//! Every entry of the store, page by page, whatever is damaged in between.
use super::{Readable, Scan, StoreError, Table};
use bytes::Bytes;

/// Entries read at once.
const PAGE: usize = 64;

/// Behind every key there can be.
pub(super) const END: &[u8] = &[255; 4097];

/// How far a long piece of work is.
pub type Progress<'a> = &'a (dyn Fn(Step) + Sync);

/// One step of a long piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Entries done.
    pub entries: u64,
    /// Octets of their keys and values.
    pub octets: u64,
}

/// Something that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where.
    pub table: Table,
    /// The entry whose value is damaged, or the last good one before a damaged stretch.
    pub key: Bytes,
    /// Whether it is the value of `key` alone; otherwise all up to the next good entry is lost.
    pub is_value: bool,
    /// What the engine says.
    pub what: String,
}

/// Entries, and what between them cannot be read.
pub type Found = (Vec<(Bytes, Bytes)>, Vec<Damage>);

/// As [`Readable::scan`] forwards, past whatever is damaged.
///
/// Errors: those that are no damage.
pub fn scan_past(view: &dyn Readable, scan: Scan<'_>) -> Result<Found, StoreError> {
    match view.scan(scan) {
        Ok(entries) => return Ok((entries, Vec::new())),
        Err(StoreError::Engine(_)) => {}
        Err(other) => return Err(other),
    }
    let (mut entries, mut damaged) = (Vec::new(), Vec::new());
    let walked = walk_between(
        view,
        (scan.table, scan.from, scan.until),
        &mut |key, value| {
            if entries.len() == scan.limit {
                return Err(StoreError::Abandoned("the page is full"));
            }
            entries.push((key, value));
            Ok(())
        },
        &mut |damage| damaged.push(damage),
    );
    match walked {
        Ok(()) | Err(StoreError::Abandoned(_)) => Ok((entries, damaged)),
        Err(error) => Err(error),
    }
}

/// Reads all of `table` and gives each entry to `take`, and what is damaged to `damaged`.
///
/// Errors: those of `take`.
pub(super) fn walk(
    view: &dyn Readable,
    table: Table,
    take: &mut dyn FnMut(Bytes, Bytes) -> Result<(), StoreError>,
    damaged: &mut dyn FnMut(Damage),
) -> Result<(), StoreError> {
    walk_between(view, (table, &[0], END), take, damaged)
}

fn walk_between(
    view: &dyn Readable,
    (table, from, until): (Table, &[u8], &[u8]),
    take: &mut dyn FnMut(Bytes, Bytes) -> Result<(), StoreError>,
    damaged: &mut dyn FnMut(Damage),
) -> Result<(), StoreError> {
    let mut from = Bytes::copy_from_slice(from);
    loop {
        let scan = |limit| Scan {
            table,
            from: &from,
            until,
            limit,
            reverse: false,
        };
        // first a page, then as much of it as can be had
        let page = view.scan(scan(PAGE)).or_else(|_| view.scan(scan(1)));
        let last = match page {
            Ok(page) => {
                let last = page.last().map(|(key, _)| key.clone());
                for (key, value) in page {
                    take(key, value)?;
                }
                last.map(|key| behind(&key))
            }
            Err(error) => {
                let damage = locate(view, table, &from, &error);
                let next = resume(view, table, &from, &damage);
                damaged(damage);
                next
            }
        };
        match last {
            Some(next) => from = next,
            None => return Ok(()),
        }
    }
}

/// The smallest key behind `key`.
fn behind(key: &[u8]) -> Bytes {
    [key, &[0]].concat().into()
}

fn first(view: &dyn Readable, table: Table, from: &[u8]) -> Result<Option<Bytes>, StoreError> {
    let keys = view.keys(Scan {
        table,
        from,
        until: END,
        limit: 1,
        reverse: false,
    })?;
    Ok(keys.into_iter().next())
}

/// Whether it is the value of the next entry that cannot be read, or the next entries at all.
fn locate(view: &dyn Readable, table: Table, from: &Bytes, error: &StoreError) -> Damage {
    let next = first(view, table, from).ok().flatten();
    Damage {
        table,
        is_value: next.is_some(),
        key: next.unwrap_or_else(|| from.clone()),
        what: error.to_string(),
    }
}

/// The first place behind the damage from which it can be read on.
///
/// What is behind a damaged block is not known, so that keys are tried: the nearest first, one
/// that differs from `from` in its last octet, then in the one before.
fn resume(view: &dyn Readable, table: Table, from: &[u8], damage: &Damage) -> Option<Bytes> {
    if damage.is_value {
        return Some(behind(&damage.key));
    }
    let is_good = |key: &[u8]| first(view, table, key).is_ok();
    let mut bad = from.to_vec();
    let mut good = None;
    for place in (0..from.len()).rev().filter(|place| from[*place] < 255) {
        let mut next = from[..=place].to_vec();
        next[place] += 1;
        if is_good(&next) {
            good = Some(next);
            break;
        }
        bad = next;
    }
    let mut good = good?;
    // closer, until the next step would be shorter than any key is long
    for _ in 0..256 {
        let middle = between(&bad, &good);
        if middle <= bad || middle >= good {
            break;
        }
        match is_good(&middle) {
            true => good = middle,
            false => bad = middle,
        }
    }
    Some(good.into())
}

/// A key in the middle of two, one octet more exact than they are where they are neighbours.
fn between(low: &[u8], high: &[u8]) -> Vec<u8> {
    let len = low.len().max(high.len()) + 1;
    let octet = |key: &[u8], at: usize| u16::from(key.get(at).copied().unwrap_or(0));
    let mut sum = vec![0_u16; len];
    let mut carry = 0;
    for at in (0..len).rev() {
        let total = octet(low, at) + octet(high, at) + carry;
        sum[at] = total & 0xff;
        carry = total >> 8;
    }
    let mut middle = Vec::with_capacity(len);
    for digit in sum {
        let total = (carry << 8) | digit;
        middle.push((total >> 1) as u8);
        carry = total & 1;
    }
    while middle.last() == Some(&0) {
        middle.pop();
    }
    middle.truncate(64);
    middle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_between_two_lies_between_them() {
        assert_eq!(between(b"a", b"c"), b"b");
        assert_eq!(between(b"a", b"b"), [b'a', 0x80]);
        assert_eq!(
            between(&[0xff, 0xff], &[0xff, 0xff, 0x80]),
            [0xff, 0xff, 0x40]
        );
        assert_eq!(between(&[1, 0xff], &[3]), [2, 0x7f, 0x80]);
    }
}
