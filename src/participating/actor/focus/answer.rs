use super::{
    super::{
        Services,
        call::Call,
        channel::{Agreed, Channel},
        drain,
        drains::Occasion,
        handover::Handover,
        keeper::NotTaken,
    },
    Circulation, Ends,
    convene::{call_others, convene},
    duplex,
    leg::{Leg, Wire},
    pager::reply_of,
};
use crate::{
    clock,
    controlling::{Entrance, Group, GroupError, Member},
    identity::Address,
    participating::{
        chatroom,
        facts::{Item, Origin},
    },
    profile::mime,
    sip::actor::Incoming,
    sip_core::Reply,
};
use std::{rc::Rc, sync::Arc};

/// A call to a group address: whoever belongs to it comes in, and is handed what the others send.
pub(in super::super) async fn answer(
    services: Rc<Services>,
    incoming: Incoming,
    caller: Address,
    address: Address,
) {
    if services.groups.is_factory(&address) {
        return convene(services, incoming, caller, address).await;
    }
    let group = match enter(&services, &caller, &address).await {
        Ok(group) => group,
        Err((reply, kind)) => return services.refuse(&incoming, &reply, kind),
    };
    if let Some(call) = Call::begin(&services, incoming, caller, address) {
        come_in(call, &group, false).await;
    }
}

/// The group, if this user may call it.
async fn enter(
    services: &Services,
    caller: &Address,
    address: &Address,
) -> Result<Arc<Group>, (Reply, &'static str)> {
    let broken = |_| (Reply::new(500), "store");
    let group = services.groups.get(address).await.map_err(broken)?;
    let group = group.ok_or((Reply::new(404), "no_group"))?;
    let limit = services.groups.config().max_members;
    match group.admits_caller(caller, limit) {
        Ok(Entrance::Member) => Ok(group),
        Ok(Entrance::Joining) => {
            let member = Member::new(caller.clone(), clock::wall());
            let joined = services.groups.join(address, vec![member]).await;
            joined.map_err(|error: GroupError| (Reply::new(403), error.kind()))
        }
        Err(refusal) => Err((Reply::new(refusal.code()), refusal.kind())),
    }
}

/// Lets whoever calls come in, and calls the other members too where that is wanted.
pub(super) async fn come_in(mut call: Call, group: &Arc<Group>, calls_others: bool) {
    let services = call.services.clone();
    let Some(mailbox) = services.mailbox_of(&call.sender) else {
        return call.refuse(&Reply::new(403), "no_way_back");
    };
    if let Err(refusal) = take_parts(&call).await {
        return call.refuse(&reply_of(&refusal), refusal.kind());
    }
    let (sink, ends) = duplex(&services);
    let Ends { answers, incoming } = ends;
    let room = chatroom::of(services.groups.config());
    let channel = Channel::new(&services).in_chatroom(Some(room));
    let agreed = match channel.answer(&call.offer, sink).await {
        Ok(agreed) => agreed,
        Err(unfit) => return call.refuse_unfit(&unfit),
    };
    let Agreed {
        session,
        remote,
        body,
    } = agreed;
    let abilities = chatroom::abilities_of(&remote);
    accept(&call, group, body);
    let seat = services.legs.enter(&group.address, &mailbox, true);
    if calls_others {
        call_others(&services, group, &call.sender);
    }
    let watch = Rc::new(services.deferred.watch(&mailbox));
    let owner = (mailbox.clone(), watch);
    let handover = Handover::new(services.clone(), owner, session.clone(), answers, remote);
    let conferences = &services.conferences;
    let place = conferences.enter(group, &call.sender, abilities, false);
    let leg = Leg::new(&services, (seat, place), handover, true);
    let wire = Wire {
        session: session.clone(),
        dialog: &call.dialog,
        news: &mut call.news,
        channel: &channel,
        incoming,
    };
    if let Err(error) = services.groups.used(group).await {
        tracing::warn!(%error, "use of a group not noted");
    }
    let ended = leg.run(wire).await;
    tracing::debug!(%mailbox, group = %group.address, %ended, "member left");
    call.dialog.bye(Some(&ended.reason()));
    session.close();
    drain::start(&services, &mailbox, Occasion::Mail);
}

/// Answers as the focus of the group, whose address the caller may not know yet: an automaton,
/// which has what it took, while nobody may have read it.
///
/// Source: RFC 4579 §5.1, RFC 5366 §5, RFC 3840 §10.7.
fn accept(call: &Call, group: &Group, body: Vec<u8>) {
    call.accept(body, true, Some(&format!("<{}>", group.address)));
}

/// A first message may come inside the INVITE: it is kept before the INVITE is answered.
async fn take_parts(call: &Call) -> Result<(), NotTaken> {
    let (sender, group) = (call.sender.clone(), call.recipient.clone());
    let origin = Origin::of(&call.request, sender, group, clock::wall());
    let circulation = Circulation::new(origin);
    let parts = call.parts.iter();
    let first = parts.filter(|part| mime::is(part.content_type(), mime::CPIM));
    for (number, part) in first.enumerate() {
        let message_id = format!("{}-{number}", call.request.call_id());
        let item = Item {
            message_id: &message_id,
            content_type: part.content_type(),
            size: part.body.len() as u64,
            success_report: false,
            prefix: &part.body,
        };
        circulation
            .accept(&call.services, &item, part.body.clone())
            .await?;
    }
    Ok(())
}
