use super::Member;
use crate::{
    clock::Timestamp,
    content::resource_list::{Recipient, ResourceList},
    identity::Address,
};
use std::collections::BTreeMap;

/// Why a list of addresses makes no group and reaches nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListRefusal {
    /// It names nobody but its sender.
    #[error("nobody is listed")]
    Nobody,
    /// It names more than are served at once.
    #[error("more than {limit} are listed")]
    TooMany {
        /// How many are served.
        limit: usize,
    },
    /// One of its entries names no user.
    #[error("`{0}` names no user")]
    NoUser(String),
}

impl ListRefusal {
    /// The SIP status code that says so.
    pub fn code(&self) -> u16 {
        match self {
            Self::TooMany { .. } => 413,
            Self::Nobody | Self::NoUser(_) => 400,
        }
    }

    /// Label value for metrics: one short word per variant.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nobody => "list_empty",
            Self::TooMany { .. } => "list_too_long",
            Self::NoUser(_) => "list_no_user",
        }
    }
}

/// Those whom `sender` lists, each once, without the sender.
///
/// Of one who is listed twice the openest role counts, and anonymity if it was asked for once.
/// Errors: as [`ListRefusal`] names them, with at most `limit` of them served.
/// Source: RFC 5364 §4, RFC 5363 §4.1.
pub fn members_of(
    list: &ResourceList,
    sender: &Address,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Member>, ListRefusal> {
    let mut members: BTreeMap<Address, Member> = BTreeMap::new();
    for entry in &list.entries {
        let address = Address::parse(&entry.uri);
        let address = address.map_err(|_| ListRefusal::NoUser(entry.uri.clone()))?;
        if address == *sender {
            continue;
        }
        let listed = member(address, entry, now);
        let known = members
            .entry(listed.address.clone())
            .or_insert_with(|| listed.clone());
        known.copy = known.copy.min(listed.copy);
        known.anonymous |= listed.anonymous;
        if members.len() > limit {
            return Err(ListRefusal::TooMany { limit });
        }
    }
    match members.is_empty() {
        true => Err(ListRefusal::Nobody),
        false => Ok(members.into_values().collect()),
    }
}

fn member(address: Address, entry: &Recipient, now: Timestamp) -> Member {
    Member {
        display_name: entry.display_name.clone(),
        copy: entry.role(),
        anonymous: entry.anonymize,
        ..Member::new(address, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::resource_list::Copy;

    fn entry(uri: &str, copy: Option<Copy>) -> Recipient {
        Recipient {
            uri: uri.to_owned(),
            copy,
            ..Recipient::default()
        }
    }

    fn read(entries: Vec<Recipient>, limit: usize) -> Result<Vec<(String, Copy)>, ListRefusal> {
        let alice = Address::parse("sip:alice@example.com").unwrap();
        let list = ResourceList { entries };
        let members = members_of(&list, &alice, Timestamp::EPOCH, limit)?;
        let told = members
            .into_iter()
            .map(|it| (it.address.to_string(), it.copy));
        Ok(told.collect())
    }

    #[test]
    fn one_who_is_listed_twice_has_the_openest_role() {
        let entries = vec![
            entry("sip:bob@example.com", None),
            entry("sip:carol@example.com", Some(Copy::Cc)),
            entry("sips:bob@EXAMPLE.com;x=y", Some(Copy::To)),
            entry("sip:alice@example.com", Some(Copy::To)),
        ];
        let expected = [
            ("sip:bob@example.com".to_owned(), Copy::To),
            ("sip:carol@example.com".to_owned(), Copy::Cc),
        ];
        assert_eq!(read(entries, 2).unwrap(), expected);
    }

    #[test]
    fn who_has_no_role_is_copied_in_secret() {
        let read = read(vec![entry("sip:bob@example.com", None)], 9).unwrap();
        assert_eq!(read[0].1, Copy::Bcc);
    }

    #[test]
    fn list_that_cannot_be_served_is_refused_by_name() {
        assert_eq!(read(Vec::new(), 9), Err(ListRefusal::Nobody));
        let own = vec![entry("sip:alice@example.com", None)];
        assert_eq!(read(own, 9), Err(ListRefusal::Nobody));
        let wrong = vec![entry("http://example.com", None)];
        let refusal = read(wrong, 9).unwrap_err();
        assert_eq!(refusal, ListRefusal::NoUser("http://example.com".into()));
        let two = ["sip:b@h", "sip:c@h"].map(|uri| entry(uri, None)).into();
        assert_eq!(read(two, 1), Err(ListRefusal::TooMany { limit: 1 }));
    }
}
