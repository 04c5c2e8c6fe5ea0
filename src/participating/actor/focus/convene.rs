use super::{
    super::{Services, call::Call, drain, drains::Occasion},
    Invitation,
    answer::come_in,
};
use crate::{
    clock,
    content::{multipart::Part, resource_list::ResourceList},
    controlling::{Group, GroupError, ListRefusal, Member, Refusal, members_of},
    identity::Address,
    profile::mime,
    sip::{actor::Incoming, codec::Name},
    sip_core::Reply,
};
use std::{rc::Rc, sync::Arc};

/// Why no group is made.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotConvened {
    #[error("no list of receivers")]
    NoList,
    #[error("the list of receivers can't be read")]
    BadList,
    #[error(transparent)]
    List(#[from] ListRefusal),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Group(#[from] GroupError),
}

impl NotConvened {
    pub fn status(&self) -> u16 {
        match self {
            Self::NoList | Self::BadList => 400,
            Self::List(refusal) => refusal.code(),
            Self::Refused(refusal) => refusal.code(),
            Self::Group(GroupError::Store(_)) => 500,
            Self::Group(_) => 403,
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoList => "no_list",
            Self::BadList => "bad_list",
            Self::List(refusal) => refusal.kind(),
            Self::Refused(refusal) => refusal.kind(),
            Self::Group(error) => error.kind(),
        }
    }

    pub fn reply(&self) -> Reply {
        let warning = format!("399 restante \"{}\"", self.to_string().replace('"', "'"));
        Reply::new(self.status()).with(Name::Warning, warning)
    }
}

/// A call to the factory: makes a group of those whom the INVITE lists, lets the caller come in,
/// and calls the others.
///
/// Source: RFC 5366 §5, RFC 4579 §5.2.
pub(super) async fn convene(
    services: Rc<Services>,
    incoming: Incoming,
    caller: Address,
    factory: Address,
) {
    let Some(mut call) = Call::begin(&services, incoming, caller, factory) else {
        return;
    };
    match group_of(&call).await {
        Ok(group) => {
            call.recipient = group.address.clone();
            come_in(call, &group, true).await;
        }
        Err(refused) => call.refuse(&refused.reply(), refused.kind()),
    }
}

async fn group_of(call: &Call) -> Result<Arc<Group>, NotConvened> {
    let groups = &call.services.groups;
    let members = listed(&call.services, &call.parts, &call.sender)?;
    let subject = call.request.value(Name::Subject);
    let subject = subject.map(|subject| subject.into_owned());
    let domain = call.recipient.domain().unwrap_or_default();
    let group = groups.make(&call.sender, domain, subject, members);
    Ok(group.await?)
}

/// Those whom a request of `sender` lists.
///
/// Source: RFC 5363 §4.1: a body of the disposition `recipient-list`.
pub(super) fn listed(
    services: &Services,
    parts: &[Part],
    sender: &Address,
) -> Result<Vec<Member>, NotConvened> {
    let config = services.groups.config();
    if !config.ad_hoc {
        return Err(Refusal::NoGroups.into());
    }
    let list = ResourceList::parse(&part(parts).ok_or(NotConvened::NoList)?.body);
    let list = list.map_err(|_| NotConvened::BadList)?;
    Ok(members_of(
        &list,
        sender,
        clock::wall(),
        config.max_members,
    )?)
}

/// The list among `parts`.
pub(super) fn part(parts: &[Part]) -> Option<&Part> {
    let mut parts = parts.iter();
    parts.find(|part| mime::is(part.content_type(), mime::RESOURCE_LISTS))
}

/// Has the other members of a group called who can be reached now.
pub(super) fn call_others(services: &Rc<Services>, group: &Group, caller: &Address) {
    for member in group.recipients(caller) {
        let mailbox = services.mailbox_of(&member.address);
        let there = mailbox.filter(|mailbox| services.is_there(&group.address, mailbox));
        if let Some(mailbox) = there {
            let invitation = Invitation {
                group: group.address.clone(),
                by: caller.clone(),
            };
            services.legs.invite(&mailbox, invitation);
            drain::start(services, &mailbox, Occasion::Mail);
        }
    }
}
