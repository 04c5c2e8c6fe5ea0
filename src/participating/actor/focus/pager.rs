use super::{
    super::{Services, keeper::NotTaken, pager::refusal_reply},
    Circulation,
    list::explode,
};
use crate::{
    clock,
    identity::Address,
    participating::facts::{Item, Origin},
    sip::{actor::Incoming, codec::Name},
    sip_core::Reply,
};
use std::rc::Rc;

/// A MESSAGE to a group: 202 when the copies of all its members are on disk (RFC 5365 §7.3).
pub(in super::super) async fn message(
    services: Rc<Services>,
    incoming: Incoming,
    sender: Address,
    group: Address,
) {
    if services.groups.is_factory(&group) {
        return explode(services, incoming, sender, group).await;
    }
    let request = &incoming.request;
    let origin = Origin::of(request, sender, group, clock::wall());
    let content_type = request.value(Name::ContentType).unwrap_or_default();
    let number = request.cseq().map_or(0, |cseq| cseq.number);
    let message_id = format!("{}-{number}", request.call_id());
    let item = Item {
        message_id: &message_id,
        content_type: &content_type,
        size: request.body().len() as u64,
        success_report: false,
        prefix: request.body(),
    };
    let circulation = Circulation::new(origin);
    let content = request.body().clone();
    match circulation.accept(&services, &item, content).await {
        Ok(()) => services.reply(&incoming, &Reply::new(202)),
        Err(refusal) => services.refuse(&incoming, &reply_of(&refusal), refusal.kind()),
    }
}

/// What a refusal looks like in SIP.
pub(super) fn reply_of(refusal: &NotTaken) -> Reply {
    match refusal {
        NotTaken::Refused(refusal) => refusal_reply(refusal),
        other => {
            let warning = format!("399 restante \"{}\"", other.to_string().replace('"', "'"));
            Reply::new(other.status()).with(Name::Warning, warning)
        }
    }
}
