use super::{
    call::Call,
    channel::{Agreed, Channel},
    deposit::{self, again_reply},
    drain,
    feed::feed,
    pager,
};
use crate::{
    content::multipart::{self, Part},
    msrp::actor::{Join, JoinEvent, SessionHandle},
    participating::invitation,
    policy::{Attempt, Next, after_attempt},
    profile::mime,
    sip::{
        actor::{Dialog, DialogEvent, DialogHandle, DialogNews, Extra, InviteOptions, Reply},
        codec::{Message, Name},
    },
    sip_core::{self, Binding},
};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// The leg to a device that answered.
struct Leg {
    channel: Channel,
    session: SessionHandle,
    dialog: DialogHandle,
    news: UnboundedReceiver<DialogEvent>,
}

/// How ringing one device ended.
enum Rung {
    Answered(Box<Leg>),
    Attempt(Attempt),
    /// The caller gave up.
    Abandoned,
}

/// A call to a receiver who may be there: its devices are tried one after the other; if none of
/// them takes it, the deferred function does.
pub(super) async fn call(mut call: Call, bindings: Vec<Binding>) {
    let mut verdict = after_attempt(Attempt::NoBinding);
    for binding in &bindings {
        let rung = ring(&mut call, binding).await;
        if !matches!(rung, Rung::Abandoned) {
            let is_there = !matches!(rung, Rung::Attempt(attempt) if is_away(attempt));
            drain::heard_of(&call.services, &call.recipient, binding, is_there);
        }
        match rung {
            Rung::Answered(leg) => return join(call, *leg).await,
            Rung::Abandoned => return,
            Rung::Attempt(attempt) => verdict = after_attempt(attempt),
        }
    }
    match verdict {
        Next::Defer(reason) => deposit::deposit(call, reason).await,
        Next::Pass(code) => call.refuse(&sip_core::Reply::new(code), "device"),
    }
}

fn is_away(attempt: Attempt) -> bool {
    matches!(after_attempt(attempt), Next::Defer(_))
}

async fn ring(call: &mut Call, binding: &Binding) -> Rung {
    let services = call.services.clone();
    let channel = Channel::new(&services);
    let Ok((session, offer)) = channel.offer() else {
        return Rung::Attempt(Attempt::Refused(503));
    };
    let (owner, mut news) = feed();
    let options = invitation_of(call, binding, offer);
    let Ok(dialog) = Dialog::invite(&services.endpoint, options, owner) else {
        session.close();
        return Rung::Attempt(Attempt::Refused(503));
    };
    let answer = loop {
        tokio::select! {
            caller = call.next() => if caller.is_none() {
                dialog.cancel();
                session.close();
                return Rung::Abandoned;
            },
            device = news.recv() => match device.map(|event| event.news) {
                Some(DialogNews::Provisional(response)) => {
                    call.dialog.ring(Reply::new(response.code().unwrap_or(180)));
                }
                Some(DialogNews::Answered(answer)) => break answer,
                Some(DialogNews::Failed { code, .. }) => {
                    session.close();
                    return Rung::Attempt(Attempt::Refused(code));
                }
                Some(_) => {}
                None => {
                    session.close();
                    return Rung::Attempt(Attempt::NoAnswer);
                }
            }
        }
    };
    match channel.conclude(session.clone(), answer.body(), None).await {
        Ok(Agreed { session, .. }) => Rung::Answered(Box::new(Leg {
            channel,
            session,
            dialog,
            news,
        })),
        Err(unfit) => {
            tracing::debug!(%unfit, "the device's answer is of no use");
            dialog.bye(Some("SIP;cause=488;text=\"answer not acceptable\""));
            session.close();
            Rung::Attempt(Attempt::Refused(488))
        }
    }
}

/// The INVITE as this server sends it to one device.
fn invitation_of(call: &Call, binding: &Binding, offer: Vec<u8>) -> InviteOptions {
    let services = &call.services;
    let contact = invitation::contact(call.sender.user(), &services.endpoint.sent_by(), false);
    let mut extra = end_to_end(&call.request).header(
        Name::PAssertedIdentity.as_str(),
        format!("<{}>", call.sender),
    );
    extra = match call.parts.is_empty() {
        true => extra.body(mime::SDP, offer),
        false => {
            let mut parts = vec![Part::new(mime::SDP, offer)];
            parts.extend(call.parts.iter().cloned());
            let (content_type, body) = multipart::build(&services.endpoint.new_tag(), &parts);
            extra.body(content_type, body)
        }
    };
    let (sender, recipient) = (call.sender.as_str(), &call.recipient);
    pager::call_to(services, binding, recipient, sender, contact, extra)
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

/// Joins the caller's channel with the device's, and both their dialogs, until one of them ends.
///
/// The caller is answered when the device has connected: whoever answers and never does so has
/// nothing of the message, and both may send over one connection, where the caller's octets must
/// not stand before the request that binds the device.
async fn join(mut call: Call, mut leg: Leg) {
    let services = call.services.clone();
    let channel = Channel::new(&services);
    let nobody = Box::new(super::channel::Nobody);
    let (session, body) = match channel.answer(&call.offer, nobody).await {
        Ok(Agreed { session, body, .. }) => (session, body),
        Err(unfit) => {
            leg.dialog
                .bye(Some("SIP;cause=488;text=\"offer not acceptable\""));
            leg.session.close();
            return call.refuse_unfit(&unfit);
        }
    };
    let (owner, mut moved) = feed();
    let _join = Join::of(session.clone(), leg.session.clone(), owner);
    let connected = connected(&mut call, &mut leg, &mut moved).await;
    if connected != Connected::Yes {
        leg.dialog.bye(Some("SIP;cause=408;text=\"no channel\""));
        session.close();
        leg.session.close();
        if connected == Connected::No {
            deposit::deposit(call, "device did not connect").await;
        }
        return;
    }
    call.accept(body, false);
    services.metrics.live_channel.increment(1);
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
}

/// Whether the device's channel came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connected {
    Yes,
    No,
    /// The caller gave up.
    Abandoned,
}

/// Waits until the device has connected.
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
fn answer_inside(
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
