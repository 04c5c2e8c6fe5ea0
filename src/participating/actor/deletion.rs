use super::Services;
use crate::{
    content::deferred_list::{DeferredList, Entry},
    identity::Address,
    profile::mime,
    sip::{actor::Incoming, codec::Name},
    sip_core::Reply,
    store::StoreError,
};
use std::rc::Rc;

/// A MESSAGE to the deletion function: what it lists is gone, durably, before the 200.
///
/// An entry whose `to` is somebody else is a revocation: the sender takes back what that one has
/// not been handed yet.
pub(super) async fn delete(services: Rc<Services>, incoming: Incoming, user: Address) {
    let request = &incoming.request;
    let content_type = request.value(Name::ContentType).unwrap_or_default();
    if !mime::is(&content_type, mime::DEFERRED_LIST) {
        let reply = Reply::new(415).with(Name::Accept, mime::DEFERRED_LIST);
        return services.refuse(&incoming, &reply, "content_type");
    }
    let Ok(list) = DeferredList::parse(request.body()) else {
        let reply = Reply::new(400).because("Bad Deferred List");
        return services.refuse(&incoming, &reply, "deferred_list");
    };
    let mut deleted = 0;
    for entry in &list.entries {
        match delete_one(&services, &user, entry).await {
            Ok(count) => deleted += count,
            Err(_) => return services.refuse(&incoming, &Reply::new(500), "store"),
        }
    }
    match deleted {
        0 => services.refuse(&incoming, &Reply::new(404), "no_such_message"),
        _ => services.reply(&incoming, &Reply::new(200)),
    }
}

/// Deletes what `entry` names, in the mailbox of `user` or as its sender; how many messages.
pub(super) async fn delete_one(
    services: &Services,
    user: &Address,
    entry: &Entry,
) -> Result<usize, StoreError> {
    let deferred = &services.deferred;
    if let Some(recipient) = entry.to.as_ref().filter(|to| *to != user) {
        let revoked = deferred.revoke(user, recipient, &entry.reference).await?;
        return Ok(revoked.into());
    }
    let mut deleted = 0;
    for envelope in deferred.find(user, &entry.reference).await? {
        let reason = "deleted by its receiver";
        if deferred.delete(user, envelope.sequence, reason).await? {
            deleted += 1;
        }
    }
    Ok(deleted)
}
