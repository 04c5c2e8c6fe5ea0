use super::{Outcome, ServiceError, Services, address, full};
use crate::{
    clock,
    controlling::{Amendment, Group, GroupError, Head, Member, Origin},
    http::view::{GroupChange, GroupView, MemberView, NewGroup, NewMember, Page, PageRequest},
    identity::Address,
};

/// Which groups there are, and who belongs to them.
///
/// Errors of all: as [`ServiceError`] names them.
impl Services {
    /// Adds a group.
    pub async fn add_group(&self, new: NewGroup) -> Outcome<GroupView> {
        let address = address(&new.address)?;
        if self.subscribers.get(&address).await?.is_some() {
            return Err(ServiceError::Taken(address.to_string()));
        }
        let mut group = self.groups.blank(address);
        let head = &mut group.head;
        head.subject = new.subject.filter(|text| !text.is_empty());
        head.owner = new.owner.as_deref().map(self::address).transpose()?;
        head.senders = new.senders.unwrap_or(head.senders);
        head.absent = new.absent.unwrap_or(head.absent);
        head.open = new.open;
        let members = members(new.members)?.into_iter();
        group.members = members.map(|it| (it.address.clone(), it)).collect();
        let added = self.groups.add(group).await?;
        tracing::info!(group = %added.address, members = added.size, "group added by an operator");
        Ok(described(&added))
    }

    /// A page of all groups, without their members.
    pub async fn groups(&self, page: &PageRequest) -> Outcome<Page<GroupView>> {
        let after = page.after.as_deref().map(address).transpose()?;
        let limit = page.limit();
        let found = self.groups.list(after.as_ref(), limit).await?;
        let next = full(&found, limit).map(|last| last.address.to_string());
        let items = found.iter().map(outlined).collect();
        Ok(Page { items, next })
    }

    /// One group with its members.
    pub async fn group(&self, given: &str) -> Outcome<GroupView> {
        let address = address(given)?;
        let found = self.groups.get(&address).await?;
        let group = found.ok_or(GroupError::Unknown(address))?;
        Ok(described(&group))
    }

    /// Changes what is kept of a group besides its members.
    pub async fn change_group(&self, given: &str, change: GroupChange) -> Outcome<GroupView> {
        let group = address(given)?;
        let what = format!("{change:?}");
        let named = |text: String| (!text.is_empty()).then_some(text);
        let owner = change.owner.map(named);
        let owner = owner.map(|owner| owner.as_deref().map(address).transpose());
        let amendment = Amendment {
            subject: change.subject.map(named),
            owner: owner.transpose()?,
            senders: change.senders,
            absent: change.absent,
            open: change.open,
        };
        let changed = self.groups.amend(&group, amendment).await?;
        tracing::info!(%group, what, "group changed by an operator");
        Ok(described(&changed))
    }

    /// Lets others belong to a group too.
    pub async fn join_group(&self, given: &str, new: Vec<NewMember>) -> Outcome<GroupView> {
        let group = address(given)?;
        let changed = self.groups.join(&group, members(new)?).await?;
        tracing::info!(%group, members = changed.size, "members added by an operator");
        Ok(described(&changed))
    }

    /// Lets one belong to a group no more.
    pub async fn leave_group(&self, given: &str, member: &str) -> Outcome<GroupView> {
        let (group, member) = (address(given)?, address(member)?);
        let mut view = self.group(given).await?;
        self.groups.leave(&group, &member).await?;
        tracing::info!(%group, %member, "member removed by an operator");
        match self.groups.get(&group).await? {
            Some(left) => Ok(described(&left)),
            // the last member of a user's group takes it along
            None => {
                (view.members, view.size) = (Some(Vec::new()), 0);
                Ok(view)
            }
        }
    }

    /// Removes a group; what waits for its members stays.
    pub async fn remove_group(&self, given: &str) -> Outcome<GroupView> {
        let view = self.group(given).await?;
        let group = address(given)?;
        self.groups.remove(&group).await?;
        tracing::info!(%group, "group removed by an operator");
        Ok(view)
    }
}

fn members(new: Vec<NewMember>) -> Outcome<Vec<Member>> {
    let now = clock::wall();
    let member = |new: NewMember| -> Outcome<Member> {
        let address: Address = address(&new.address)?;
        Ok(Member {
            display_name: new.display_name.filter(|name| !name.is_empty()),
            ..Member::new(address, now)
        })
    };
    new.into_iter().map(member).collect()
}

fn described(group: &Group) -> GroupView {
    let members = group.members.values().map(|member| MemberView {
        address: member.address.to_string(),
        display_name: member.display_name.clone(),
        visible: member.is_visible(),
        joined: member.joined.to_rfc3339(),
    });
    GroupView {
        members: Some(members.collect()),
        ..outlined(&group.head)
    }
}

fn outlined(head: &Head) -> GroupView {
    let origin = match head.origin {
        Origin::Configured => "configured",
        Origin::Administered => "administered",
        Origin::AdHoc => "ad-hoc",
    };
    GroupView {
        address: head.address.to_string(),
        subject: head.subject.clone(),
        owner: head.owner.as_ref().map(ToString::to_string),
        senders: head.senders,
        absent: head.absent,
        open: head.open,
        origin: origin.to_owned(),
        created: head.created.to_rfc3339(),
        used: head.used.to_rfc3339(),
        version: head.version,
        size: head.size,
        members: None,
    }
}
