use super::{
    call::Call,
    channel::{Agreed, Channel},
    deposit::again_reply,
    drain,
    feed::feed,
    onward, pager,
};
use crate::{
    content::multipart::{self, Part},
    msrp::actor::{Join, JoinEvent, SessionHandle},
    participating::invitation,
    policy::{Attempt, Next, after_attempt},
    profile::mime,
    sdp::Chatroom,
    sip::{
        actor::{Dialog, DialogEvent, DialogHandle, DialogNews, Extra, InviteOptions, Reply},
        codec::{Message, Name},
    },
    sip_core::Binding,
};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// The leg to whoever answered: a device, or another server.
pub(super) struct Leg {
    channel: Channel,
    session: SessionHandle,
    /// What the far side can do in a chat room.
    chatroom: Option<Chatroom>,
    dialog: DialogHandle,
    news: UnboundedReceiver<DialogEvent>,
    /// Whoever answered is no person: a server that keeps the message.
    automaton: bool,
    /// The group as whose focus it answered, as a value of P-Asserted-Identity.
    focus: Option<String>,
}

/// How ringing one of them ended.
pub(super) enum Rung {
    Answered(Box<Leg>),
    /// With this code, and the answer if there was one.
    Failed(u16, Option<Message>),
    /// Nothing came.
    Silent,
    /// The caller gave up.
    Abandoned,
}

/// A call to a receiver who may be there: its devices are tried one after the other; if none of
/// them takes it, the deferred function does.
pub(super) async fn call(mut call: Call, bindings: Vec<Binding>) {
    let mut verdict = after_attempt(Attempt::NoBinding);
    let mut said = None;
    for binding in &bindings {
        let rung = ring(&mut call, |call, offer| to_device(call, binding, offer)).await;
        let attempt = match &rung {
            Rung::Answered(_) | Rung::Abandoned => None,
            Rung::Failed(code, _) => Some(Attempt::Refused(*code)),
            Rung::Silent => Some(Attempt::NoAnswer),
        };
        if !matches!(rung, Rung::Abandoned) {
            let is_there = !attempt.is_some_and(is_away);
            drain::heard_of(&call.services, &call.recipient, binding, is_there);
        }
        match rung {
            Rung::Answered(leg) => {
                if let Err(call) = join(call, *leg).await {
                    onward::defer(*call, "device did not connect").await;
                }
                return;
            }
            Rung::Abandoned => return,
            Rung::Failed(_, answer) => said = answer,
            Rung::Silent => {}
        }
        verdict = attempt.map_or(verdict, after_attempt);
    }
    match verdict {
        Next::Defer(reason) => onward::defer(call, reason).await,
        Next::Pass(code) => call.refuse(&onward::passed_back(code, said), "device"),
    }
}

fn is_away(attempt: Attempt) -> bool {
    matches!(after_attempt(attempt), Next::Defer(_))
}

/// Calls with what `invite` makes of our offer, and waits for the answer.
pub(super) async fn ring(
    call: &mut Call,
    invite: impl FnOnce(&Call, Vec<u8>) -> InviteOptions,
) -> Rung {
    let services = call.services.clone();
    let offered = call.offer.message_media().map(|(_, media)| media);
    let chatroom = offered.and_then(|media| media.chatroom);
    let channel = Channel::new(&services).in_chatroom(chatroom);
    let Ok((session, offer)) = channel.offer() else {
        return Rung::Failed(503, None);
    };
    let (owner, mut news) = feed();
    let Ok(dialog) = Dialog::invite(&services.endpoint, invite(call, offer), owner) else {
        session.close();
        return Rung::Failed(503, None);
    };
    let answer = loop {
        tokio::select! {
            caller = call.next() => if caller.is_none() {
                dialog.cancel();
                session.close();
                return Rung::Abandoned;
            },
            callee = news.recv() => match callee.map(|event| event.news) {
                Some(DialogNews::Provisional(response)) => {
                    call.dialog.ring(Reply::new(response.code().unwrap_or(180)));
                }
                Some(DialogNews::Answered(answer)) => break answer,
                Some(DialogNews::Failed { code, message }) => {
                    session.close();
                    return Rung::Failed(code, message);
                }
                Some(_) => {}
                None => {
                    session.close();
                    return Rung::Silent;
                }
            }
        }
    };
    let automaton = invitation::is_automaton(&answer);
    let asserted = || answer.value(Name::PAssertedIdentity);
    let focus = invitation::is_focus(&answer).then(asserted).flatten();
    let focus = focus.map(|focus| focus.into_owned());
    match channel.conclude(session.clone(), answer.body(), None).await {
        Ok(Agreed {
            session, remote, ..
        }) => Rung::Answered(Box::new(Leg {
            channel,
            session,
            chatroom: remote.chatroom,
            dialog,
            news,
            automaton,
            focus,
        })),
        Err(unfit) => {
            tracing::debug!(%unfit, "the answer is of no use");
            dialog.bye(Some("SIP;cause=488;text=\"answer not acceptable\""));
            session.close();
            Rung::Failed(488, None)
        }
    }
}

/// The INVITE as this server sends it to one device.
fn to_device(call: &Call, binding: &Binding, offer: Vec<u8>) -> InviteOptions {
    let (contact, extra) = told(call, offer);
    let (sender, recipient) = (call.sender.as_str(), &call.recipient);
    InviteOptions {
        max_forwards: call.max_forwards(),
        ..pager::call_to(&call.services, binding, recipient, sender, contact, extra)
    }
}

/// Our Contact in a call that goes on, and what it tells beside its addresses.
pub(super) fn told(call: &Call, offer: Vec<u8>) -> (String, Extra) {
    let services = &call.services;
    let contact = invitation::contact(call.sender.user(), &services.endpoint.sent_by(), false);
    let mut contact = invitation::as_wanted(contact, &call.request);
    if call.is_of_group {
        contact = invitation::as_focus(contact);
    }
    let mut extra = end_to_end(&call.request).header(
        Name::PAssertedIdentity.as_str(),
        format!("<{}>", call.sender),
    );
    extra = match call.parts.is_empty() {
        true => extra.body(mime::SDP, offer),
        false => {
            let mut parts = vec![Part::new(mime::SDP, offer.clone())];
            parts.extend(call.parts.iter().cloned());
            let (content_type, body) = multipart::build(&services.endpoint.new_tag(), &parts);
            extra.body(content_type, body).describing(offer)
        }
    };
    (contact, extra)
}

/// The headers of `request` that go along from end to end.
fn end_to_end(request: &Message) -> Extra {
    let mut extra = Extra::new();
    for name in invitation::END_TO_END {
        for value in request.values(*name) {
            extra = extra.header(name.as_str(), value);
        }
    }
    extra
}

/// Joins the caller's channel with the far one, and both their dialogs, until one of them ends.
/// Gives the call back, unanswered, where the far side answered and never connected.
///
/// The caller is answered when the far side has connected: whoever answers and never does so has
/// nothing of the message, and both may send over one connection, where the caller's octets must
/// not stand before the request that binds the far side.
pub(super) async fn join(mut call: Call, mut leg: Leg) -> Result<(), Box<Call>> {
    let services = call.services.clone();
    let channel = Channel::new(&services).in_chatroom(leg.chatroom.take());
    let nobody = Box::new(super::channel::Nobody);
    let (session, body) = match channel.answer(&call.offer, nobody).await {
        Ok(Agreed { session, body, .. }) => (session, body),
        Err(unfit) => {
            leg.dialog
                .bye(Some("SIP;cause=488;text=\"offer not acceptable\""));
            leg.session.close();
            call.refuse_unfit(&unfit);
            return Ok(());
        }
    };
    let (owner, mut moved) = feed();
    let _join = Join::of(session.clone(), leg.session.clone(), owner);
    let connected = connected(&mut call, &mut leg, &mut moved).await;
    if connected != Connected::Yes {
        leg.dialog.bye(Some("SIP;cause=408;text=\"no channel\""));
        session.close();
        leg.session.close();
        return match connected {
            Connected::No => Err(Box::new(call)),
            _ => Ok(()),
        };
    }
    call.accept(body, leg.automaton, leg.focus.as_deref());
    if !leg.automaton {
        services.metrics.live_channel.increment(1);
    }
    let idle = services.config.idle_timeout;
    loop {
        tokio::select! {
            caller = call.next() => match caller {
                None => break leg.dialog.bye(None),
                Some(news) => answer_inside(&call.dialog, news, &channel, &session),
            },
            device = leg.news.recv() => match device.map(|event| event.news) {
                None | Some(DialogNews::Ended(_)) => break call.dialog.bye(None),
                Some(news) => answer_inside(&leg.dialog, news, &leg.channel, &leg.session),
            },
            event = moved.recv() => match event {
                Some(JoinEvent::Moved { .. }) if leg.automaton => {
                    drain::mail_for(&services, &call.recipient);
                }
                Some(JoinEvent::Moved { .. } | JoinEvent::Bound { .. }) => {}
                _ => break bye_both(&call, &leg, "channel closed"),
            },
            () = tokio::time::sleep(idle) => break bye_both(&call, &leg, "idle"),
        }
    }
    // what a side has been promised is on its way; give it a moment to leave
    tokio::time::sleep(Duration::from_millis(50)).await;
    session.close();
    leg.session.close();
    Ok(())
}

/// Whether the far channel came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connected {
    Yes,
    No,
    /// The caller gave up.
    Abandoned,
}

/// Waits until the far side has connected.
async fn connected(
    call: &mut Call,
    leg: &mut Leg,
    moved: &mut UnboundedReceiver<JoinEvent>,
) -> Connected {
    let limit = tokio::time::sleep(call.services.config.bind_timeout);
    tokio::pin!(limit);
    while !leg.session.is_bound() {
        tokio::select! {
            caller = call.next() => if caller.is_none() {
                return Connected::Abandoned;
            },
            device = leg.news.recv() => match device.map(|event| event.news) {
                None | Some(DialogNews::Ended(_)) => return Connected::No,
                Some(_) => {}
            },
            event = moved.recv() => match event {
                None | Some(JoinEvent::Ended { .. }) => return Connected::No,
                Some(_) => {}
            },
            () = &mut limit => return Connected::No,
        }
    }
    Connected::Yes
}

fn bye_both(call: &Call, leg: &Leg, reason: &str) {
    let reason = format!("SIP;cause=200;text=\"{reason}\"");
    call.dialog.bye(Some(&reason));
    leg.dialog.bye(Some(&reason));
}

/// Requests within a joined dialog are this server's own business: each leg has its own media.
pub(super) fn answer_inside(
    dialog: &DialogHandle,
    news: DialogNews,
    channel: &Channel,
    session: &SessionHandle,
) {
    match news {
        DialogNews::Offered { key, request } => {
            dialog.answer(
                key,
                again_reply(channel.answer_again(request.body(), session)),
            );
        }
        DialogNews::Requested { key, .. } => {
            dialog.answer(key, Reply::new(405).header("Allow", "INVITE, ACK, BYE"));
        }
        _ => {}
    }
}
