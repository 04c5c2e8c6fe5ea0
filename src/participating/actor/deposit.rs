use super::{
    call::Call,
    channel::{Agreed, Channel},
    inflow::{Batch, inflow},
    inside,
    keeper::{Goal, Keeper},
    pager::refusal_reply,
};
use crate::{
    msrp::actor::SessionEvent,
    participating::facts::{Item, Origin},
    profile::mime,
    trail,
};

/// The deferred function answers for a receiver who is away (spec: offline messages, rule 4):
/// permitted? room? Then it takes what the channel brings and keeps it.
pub(super) async fn deposit(mut call: Call, reason: &'static str) {
    let services = call.services.clone();
    tracing::debug!(target: trail::TARGET, call_id = %call.request.call_id(), reason, "call deferred");
    let parties = (&call.sender, &call.recipient);
    // only asked: what is promised here would count beside the message that the channel brings
    if let Err(refusal) = services.deferred.admit(parties.0, parties.1, None).await {
        return call.refuse(&refusal_reply(&refusal), refusal.kind());
    }
    let origin = call.origin();
    if !keep_parts(&call, &origin).await {
        return;
    }
    let (sink, mut arrivals) = inflow(&services);
    let channel = Channel::new(&services);
    let Agreed { session, body, .. } = match channel.answer(&call.offer, sink).await {
        Ok(agreed) => agreed,
        Err(unfit) => return call.refuse_unfit(&unfit),
    };
    call.accept(body, true, None);
    let mut keeper = Keeper::new(services.clone(), session.clone(), Goal::mailbox(origin));
    loop {
        tokio::select! {
            news = call.next() => match news {
                None => break,
                Some(news) => inside::answer(&call.dialog, news, &channel, &session),
            },
            batch = arrivals.next() => {
                let Some(mut batch) = batch else { break };
                let ended = take(&mut keeper, &mut batch).await;
                arrivals.done(&batch, &session);
                if ended {
                    call.dialog.bye(Some("SIP;cause=200;text=\"channel closed\""));
                    break;
                }
            },
            reason = services.idled(keeper.is_busy()) => {
                call.dialog.bye(Some(reason));
                break;
            }
        }
    }
    session.close();
}

/// Whether the channel is over.
pub(super) async fn take(keeper: &mut Keeper, batch: &mut Batch) -> bool {
    let mut ended = false;
    for event in batch.events.drain(..) {
        ended |= matches!(event, SessionEvent::Closed(_));
        keeper.take(event).await;
    }
    ended
}

/// A first message may come inside the INVITE: it is kept before the INVITE is answered.
async fn keep_parts(call: &Call, origin: &Origin) -> bool {
    let first = call
        .parts
        .iter()
        .filter(|part| mime::is(part.content_type(), mime::CPIM));
    for (number, part) in first.enumerate() {
        let message_id = format!("{}-{number}", call.request.call_id());
        let facts = origin.facts(&Item {
            message_id: &message_id,
            content_type: part.content_type(),
            size: part.body.len() as u64,
            success_report: false,
            prefix: &part.body,
        });
        let stored = call
            .services
            .deferred
            .accept(facts, part.body.clone())
            .await;
        if let Err(refusal) = stored {
            call.refuse(&refusal_reply(&refusal), refusal.kind());
            return false;
        }
        call.services.metrics.kept_channel.increment(1);
    }
    true
}
