//! Mailboxes of those whom this server does not serve: what it has promised to deliver to them
//! stands there until their own server has taken it.
use super::Address;
use crate::syntax::percent;

/// Names no host on the Internet (RFC 6761 §6.4), so no user has an address in it.
const DOMAIN: &str = "outbox.invalid";

/// Stands before the user part, so that all outboxes are neighbours in the store: `~` sorts behind
/// everything else that a user part begins with.
const MARK: char = '~';

/// The character before it.
const BEFORE_MARK: char = '}';

/// The mailbox in which messages for `owner` wait until the owner's server takes them. `None`
/// where the address is too long for that.
pub fn of(owner: &Address) -> Option<Address> {
    let plain = owner.as_str();
    let name = plain.strip_prefix("sip:").unwrap_or(plain);
    let name = percent::encode(name, percent::is_unreserved);
    Address::parse(&format!("sip:{MARK}{name}@{DOMAIN}")).ok()
}

/// Whose messages wait in `mailbox`, if it is an outbox.
pub fn owner(mailbox: &Address) -> Option<Address> {
    if mailbox.domain() != Some(DOMAIN) {
        return None;
    }
    let name = percent::decode(mailbox.user().strip_prefix(MARK)?);
    match name.starts_with("tel:") {
        true => Address::parse(&name),
        false => Address::parse(&format!("sip:{name}")),
    }
    .ok()
}

/// Whether `mailbox` is an outbox.
pub fn is_one(mailbox: &Address) -> bool {
    mailbox.domain() == Some(DOMAIN)
}

/// Whoever `mailbox` belongs to: the owner of an outbox, else the user it is named after.
pub fn reader(mailbox: &Address) -> Address {
    owner(mailbox).unwrap_or_else(|| mailbox.clone())
}

/// An address before all outboxes, in the order in which mailboxes are kept.
pub fn first() -> Option<Address> {
    Address::parse(&format!("sip:{BEFORE_MARK}@{DOMAIN}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn outbox_has_an_address_that_no_user_has() {
        let bob = address("sip:bob@b.example");
        let outbox = of(&bob).unwrap();
        assert_eq!(outbox.as_str(), "sip:~bob%40b.example@outbox.invalid");
        assert!(is_one(&outbox) && !is_one(&bob));
        assert_eq!(owner(&outbox), Some(bob.clone()));
        assert_eq!((reader(&outbox), reader(&bob)), (bob.clone(), bob));
    }

    #[test]
    fn number_has_an_outbox_too() {
        let number = address("tel:+493012");
        assert_eq!(owner(&of(&number).unwrap()), Some(number));
    }

    #[test]
    fn outboxes_stand_behind_all_other_mailboxes() {
        let first = first().unwrap();
        for owner in ["sip:!@a", "sip:4930@a", "sip:zoe@a", "tel:+4930"] {
            assert!(first < of(&address(owner)).unwrap(), "{owner}");
        }
        assert!(address("sip:zoe@b.example") < first);
    }

    proptest! {
        #[test]
        fn owner_is_read_back(user in "[!$-;=?A-Z_a-z~%]{1,40}", host in "[a-z]{1,9}") {
            let Ok(owner_of_it) = Address::parse(&format!("sip:{user}@{host}")) else {
                return Ok(());
            };
            let outbox = of(&owner_of_it).unwrap();
            prop_assert_eq!(owner(&outbox), Some(owner_of_it));
        }
    }
}
