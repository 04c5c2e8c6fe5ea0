//! A call to a receiver who may be there: who of the devices takes it, and the two channels joined.
use super::{
    call::Call,
    channel::{Agreed, Channel, Nobody},
    drain,
    feed::feed,
    inside, inviting, onward,
    ringing::{Leg, Rung, ring},
};
use crate::{
    msrp::actor::{Join, JoinEvent},
    policy::{Attempt, Next, after_attempt},
    sip::actor::DialogNews,
    sip_core::Binding,
};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// A call to a receiver who may be there: its devices are tried one after the other; if none of
/// them takes it, the deferred function does.
pub(super) async fn call(mut call: Call, bindings: Vec<Binding>) {
    let mut verdict = after_attempt(Attempt::NoBinding);
    let mut said = None;
    for binding in &bindings {
        let rung = ring(&mut call, |call, offer| {
            inviting::to_device(call, binding, offer)
        })
        .await;
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

/// Joins the caller's channel with the far one, and both their dialogs, until one of them ends.
/// Gives the call back, unanswered, where the far side answered and never connected.
///
/// The caller is answered when the far side has connected: whoever answers and never does so has
/// nothing of the message, and both may send over one connection, where the caller's octets must
/// not stand before the request that binds the far side.
pub(super) async fn join(mut call: Call, mut leg: Leg) -> Result<(), Box<Call>> {
    let services = call.services.clone();
    let channel = Channel::new(&services).in_chatroom(leg.chatroom.take());
    let nobody = Box::new(Nobody);
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
    loop {
        tokio::select! {
            caller = call.next() => match caller {
                None => break leg.dialog.bye(None),
                Some(news) => inside::answer(&call.dialog, news, &channel, &session),
            },
            device = leg.news.recv() => match device.map(|event| event.news) {
                None | Some(DialogNews::Ended(_)) => break call.dialog.bye(None),
                Some(news) => inside::answer(&leg.dialog, news, &leg.channel, &leg.session),
            },
            event = moved.recv() => match event {
                Some(JoinEvent::Moved { .. } | JoinEvent::Bound { .. }) => {}
                _ => break bye_both(&call, &leg, CLOSED),
            },
            reason = services.idled(false) => break bye_both(&call, &leg, reason),
        }
    }
    // what a side has been promised is on its way; give it a moment to leave
    tokio::time::sleep(Duration::from_millis(50)).await;
    session.close();
    leg.session.close();
    Ok(())
}

/// What a Reason header says of a call whose channel is closed.
const CLOSED: &str = "SIP;cause=200;text=\"channel closed\"";

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
    call.dialog.bye(Some(reason));
    leg.dialog.bye(Some(reason));
}
