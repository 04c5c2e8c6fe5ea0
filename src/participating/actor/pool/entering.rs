use super::{
    Goes, Pool, Ticket, Vacancy, Way,
    guest::{Answer, Failure, Guest, Told},
    opening::Opening,
};
use crate::{
    neighbours::Hop,
    participating::{
        actor::{call::Call, inside, onward},
        terms::Terms,
    },
    profile::psi,
    sip::actor::{DialogNews, Reply},
    sip_core,
};
use tokio::sync::{mpsc::UnboundedReceiver, oneshot};

/// What becomes of a call at a channel.
enum Fate {
    Answered(Answer),
    Apart,
    Gone,
    /// It has been refused, or its caller gave up.
    Over,
}

/// A call goes on to the next server, over the channel that is there for its sender and receiver,
/// or over a new one.
pub(in crate::participating::actor) async fn carry(mut call: Call, hop: &Hop, goes: Goes) {
    let is_service = [psi::DEFERRED, psi::DELETE, psi::IMDN].contains(&call.recipient.user());
    // a group's owner tells its calls apart by their channels, and who sends by the call
    let mut alone = is_service || call.is_of_group;
    loop {
        let Some((ticket, mut hears)) = enter(&call, hop, goes, alone) else {
            return call.refuse(&sip_core::Reply::new(503), "next_server");
        };
        match fate(&mut call, &mut hears).await {
            Fate::Answered(answer) => {
                call.accept(answer.body, answer.automaton, answer.focus.as_deref());
                if !answer.automaton {
                    call.services.metrics.live_channel.increment(1);
                }
                return stay(call, ticket, hears).await;
            }
            Fate::Apart => alone = true,
            Fate::Gone => {}
            Fate::Over => return,
        }
    }
}

/// Finds the way of a call, or makes one. What came inside its INVITE goes on inside an INVITE.
fn enter(
    call: &Call,
    hop: &Hop,
    goes: Goes,
    alone: bool,
) -> Option<(Ticket, UnboundedReceiver<Told>)> {
    let services = &call.services;
    let (guest, hears) = Guest::new(call.offer.clone(), Terms::of(&call.request));
    let terms = guest.terms.clone();
    let way = Way {
        sender: call.sender.clone(),
        recipient: call.recipient.clone(),
        hop: hop.clone(),
    };
    let (ticket, vacancy): (_, Option<Vacancy>) = match alone || !call.parts.is_empty() {
        true => Pool::apart(guest),
        false => services.pool.enter(&way, guest),
    };
    match vacancy {
        None => services.metrics.channel("reused"),
        Some(vacancy) => {
            let invite = |offer| onward::invite(call, hop, offer);
            let keeps_for = (goes == Goes::ToKeeper).then(|| call.recipient.clone());
            let offered = call.offer.message_media().map(|(_, media)| media);
            let chatroom = offered.and_then(|media| media.chatroom);
            let opening = Opening::begin(services, invite, (terms, chatroom), vacancy)?;
            actix_rt::spawn(opening.keeping_for(keeps_for).run());
            services.metrics.channel("opened");
        }
    }
    Some((ticket, hears))
}

/// Waits until the channel is there for the call, or will not be.
async fn fate(call: &mut Call, hears: &mut UnboundedReceiver<Told>) -> Fate {
    loop {
        let told = tokio::select! {
            caller = call.next() => match caller {
                None => return Fate::Over,
                Some(_) => continue,
            },
            told = hears.recv() => told,
        };
        match told {
            Some(Told::Ringing(code)) => call.dialog.ring(Reply::new(code)),
            Some(Told::Answered(answer)) => return Fate::Answered(answer),
            Some(Told::Apart) => return Fate::Apart,
            Some(Told::Gone) => return Fate::Gone,
            Some(Told::Unfit(unfit)) => {
                call.refuse_unfit(&unfit);
                return Fate::Over;
            }
            Some(Told::Failed(failure)) => {
                call.refuse(&reply(failure), "next_server");
                return Fate::Over;
            }
            Some(Told::Ended(_)) | None => {
                call.refuse(&sip_core::Reply::new(500), "next_server");
                return Fate::Over;
            }
        }
    }
}

fn reply(failure: Failure) -> sip_core::Reply {
    match failure {
        Failure::Refused(code, answer) => onward::passed_back(code, answer),
        Failure::Silent => sip_core::Reply::new(408),
        Failure::Unconnected => sip_core::Reply::new(504).because("No Channel To The Next Server"),
    }
}

/// Keeps the call open for as long as both its caller and the channel are there.
async fn stay(mut call: Call, ticket: Ticket, mut hears: UnboundedReceiver<Told>) {
    loop {
        tokio::select! {
            caller = call.next() => match caller {
                None => return,
                Some(news) => answer_inside(&call, &ticket, news).await,
            },
            told = hears.recv() => match told {
                Some(Told::Ended(reason)) => return call.dialog.bye(reason.as_deref()),
                None => return call.dialog.bye(None),
                Some(_) => {}
            }
        }
    }
}

/// Requests within the caller's dialog are this server's own business.
async fn answer_inside(call: &Call, ticket: &Ticket, news: DialogNews) {
    match news {
        DialogNews::Offered { key, request } => {
            let (answer, answered) = oneshot::channel();
            let offer = request.body().to_vec();
            let order = super::Order::Again(ticket.guest, offer, answer);
            let asked = ticket.line.send(order).is_ok();
            let answer = match asked {
                true => answered.await.unwrap_or(Err(481)),
                false => Err(481),
            };
            call.dialog.answer(key, inside::again_reply(answer));
        }
        DialogNews::Requested { key, .. } => call.dialog.answer(key, inside::not_allowed()),
        _ => {}
    }
}
