use super::{Absent, Refusal, Senders};
use crate::{
    clock::Timestamp,
    content::resource_list::{Copy, Recipient, ResourceList},
    identity::Address,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, ops::Deref};

/// A group with all its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Everything but the members.
    pub head: Head,
    /// The members, in the order of their addresses.
    pub members: BTreeMap<Address, Member>,
}

/// What is known of a group besides its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The address which requests for the group go to.
    pub address: Address,
    /// What it is about.
    pub subject: Option<String>,
    /// Whose it is; nobody's if an operator made it.
    pub owner: Option<Address>,
    /// Who may send to it.
    pub senders: Senders,
    /// What becomes of the copies of members who are not there.
    pub absent: Absent,
    /// Whether one who is no member becomes one by calling it.
    pub open: bool,
    /// Where it comes from.
    pub origin: Origin,
    /// Since when it is known.
    pub created: Timestamp,
    /// When it was last used, give or take a day.
    pub used: Timestamp,
    /// Grows with every change, of its members too.
    pub version: u64,
    /// How many members it has.
    pub size: u64,
}

/// Where a group comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// The configuration names it.
    Configured,
    /// An operator made it.
    Administered,
    /// A user called several others at once; it ends when nobody has used it for long.
    AdHoc,
}

/// One who belongs to a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who it is.
    pub address: Address,
    /// A name to show.
    pub display_name: Option<String>,
    /// What the others see of this member (RFC 5364).
    pub copy: Copy,
    /// Whether the others see that there is such a member, but not who.
    pub anonymous: bool,
    /// Since when.
    pub joined: Timestamp,
}

/// How one who calls a group comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// As the member they are.
    Member,
    /// By becoming a member now, because the group is open.
    Joining,
}

impl Deref for Group {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

impl Member {
    /// A member whom all others see.
    pub fn new(address: Address, joined: Timestamp) -> Self {
        Self {
            address,
            display_name: None,
            copy: Copy::To,
            anonymous: false,
            joined,
        }
    }

    /// Whether the other members may learn who this is.
    pub fn is_visible(&self) -> bool {
        self.copy != Copy::Bcc && !self.anonymous
    }
}

impl Group {
    /// Whether this user belongs to it.
    pub fn has(&self, user: &Address) -> bool {
        self.members.contains_key(user)
    }

    /// Whether this user may change it.
    pub fn is_owner(&self, user: &Address) -> bool {
        self.owner.as_ref() == Some(user)
    }

    /// Whether this user may send a message to it.
    ///
    /// Errors: `NotMember` or `NotOwner`, whichever would be needed.
    pub fn admits_sender(&self, sender: &Address) -> Result<(), Refusal> {
        match self.senders {
            Senders::Anybody => Ok(()),
            Senders::Members if self.has(sender) || self.is_owner(sender) => Ok(()),
            Senders::Members => Err(Refusal::NotMember),
            Senders::Owner if self.is_owner(sender) => Ok(()),
            Senders::Owner => Err(Refusal::NotOwner),
        }
    }

    /// How this user may come in who calls the group.
    ///
    /// Errors: `NotMember`; `Full` if the user would have to become the member after `limit`.
    pub fn admits_caller(&self, caller: &Address, limit: usize) -> Result<Entrance, Refusal> {
        if self.has(caller) {
            return Ok(Entrance::Member);
        }
        match (self.open, self.members.len() < limit) {
            (true, true) => Ok(Entrance::Joining),
            (true, false) => Err(Refusal::Full),
            (false, _) => Err(Refusal::NotMember),
        }
    }

    /// Who is to have a copy of what `sender` sends.
    pub fn recipients<'a>(&'a self, sender: &'a Address) -> impl Iterator<Item = &'a Member> {
        let members = self.members.values();
        members.filter(move |member| member.address != *sender)
    }

    /// The members as a list, as it would have to be sent to make the same group.
    pub fn to_list(&self) -> ResourceList {
        let entries = self.members.values().map(|member| Recipient {
            uri: member.address.to_string(),
            display_name: member.display_name.clone(),
            copy: Some(member.copy),
            anonymize: member.anonymous,
            count: None,
        });
        ResourceList {
            entries: entries.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Address {
        Address::parse(&format!("sip:{name}@example.com")).unwrap()
    }

    fn group(senders: Senders, open: bool) -> Group {
        let members = ["alice", "bob"].map(|name| Member::new(user(name), Timestamp::EPOCH));
        let head = Head {
            address: user("team"),
            subject: None,
            owner: Some(user("carol")),
            senders,
            absent: Absent::Defer,
            open,
            origin: Origin::Administered,
            created: Timestamp::EPOCH,
            used: Timestamp::EPOCH,
            version: 1,
            size: 2,
        };
        let members = members.map(|member| (member.address.clone(), member));
        Group {
            head,
            members: members.into(),
        }
    }

    #[test]
    fn members_and_the_owner_send_to_a_usual_group() {
        let team = group(Senders::Members, false);
        assert_eq!(team.admits_sender(&user("alice")), Ok(()));
        assert_eq!(team.admits_sender(&user("carol")), Ok(()));
        assert_eq!(team.admits_sender(&user("dave")), Err(Refusal::NotMember));
    }

    #[test]
    fn group_of_its_owner_takes_messages_of_nobody_else() {
        let team = group(Senders::Owner, false);
        assert_eq!(team.admits_sender(&user("carol")), Ok(()));
        assert_eq!(team.admits_sender(&user("alice")), Err(Refusal::NotOwner));
        let public = group(Senders::Anybody, false);
        assert_eq!(public.admits_sender(&user("dave")), Ok(()));
    }

    #[test]
    fn caller_of_an_open_group_becomes_a_member_while_there_is_room() {
        let open = group(Senders::Members, true);
        let (alice, dave) = (user("alice"), user("dave"));
        assert_eq!(open.admits_caller(&alice, 2), Ok(Entrance::Member));
        assert_eq!(open.admits_caller(&dave, 3), Ok(Entrance::Joining));
        assert_eq!(open.admits_caller(&dave, 2), Err(Refusal::Full));
        let closed = group(Senders::Members, false);
        assert_eq!(closed.admits_caller(&dave, 3), Err(Refusal::NotMember));
    }

    #[test]
    fn everybody_but_the_sender_has_a_copy() {
        let team = group(Senders::Members, false);
        let alice = user("alice");
        let names: Vec<_> = team
            .recipients(&alice)
            .map(|it| it.address.user())
            .collect();
        assert_eq!(names, ["bob"]);
        assert_eq!(team.recipients(&user("carol")).count(), 2);
    }
}
