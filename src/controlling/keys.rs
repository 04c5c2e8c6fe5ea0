//! Keys of the groups' table: heads together, then the members of each group together.
use crate::identity::Address;
use bytes::Bytes;

const HEAD: u8 = b'g';
const MEMBER: u8 = b'm';

/// Key of what is known of a group besides its members.
pub(super) fn head(group: &Address) -> Bytes {
    [&[HEAD], group.as_str().as_bytes()].concat().into()
}

/// The keys of all heads behind `after`.
pub(super) fn heads(after: Option<&Address>) -> (Vec<u8>, Vec<u8>) {
    let from = match after {
        Some(after) => [&[HEAD], after.as_str().as_bytes(), &[0]].concat(),
        None => vec![HEAD],
    };
    (from, vec![HEAD + 1])
}

/// Key of one member. No address holds a zero, so that no group's keys lie within another's.
pub(super) fn member(group: &Address, member: &Address) -> Bytes {
    let (group, member) = (group.as_str().as_bytes(), member.as_str().as_bytes());
    [&[MEMBER], group, &[0], member].concat().into()
}

/// The keys of all members of a group.
pub(super) fn members(group: &Address) -> (Vec<u8>, Vec<u8>) {
    let prefix = [&[MEMBER], group.as_str().as_bytes()].concat();
    ([&prefix[..], &[0]].concat(), [&prefix[..], &[1]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address() -> impl Strategy<Value = Address> {
        "sip:[a-z]{1,4}@[a-z]{1,3}".prop_map(|text| Address::parse(&text).unwrap())
    }

    proptest! {
        #[test]
        fn members_of_a_group_and_nobody_else_lie_between_its_ends(
            group in address(), other in address(), one in address(),
        ) {
            let (from, until) = members(&group);
            let inside = |key: Bytes| key >= from[..] && key < until[..];
            prop_assert!(inside(member(&group, &one)));
            prop_assert_eq!(inside(member(&other, &one)), group == other);
            prop_assert!(!inside(head(&group)));
        }

        #[test]
        fn heads_behind_one_are_those_of_greater_addresses(group in address(), other in address()) {
            let (from, until) = heads(Some(&group));
            let key = head(&other);
            let is_behind = key >= from[..] && key < until[..];
            prop_assert_eq!(is_behind, other > group);
            prop_assert!(member(&group, &other) >= until[..]);
        }
    }
}
