//! Calls somebody with an offer of ours, and waits for the answer.
use super::{
    call::Call,
    channel::{Agreed, Channel},
    feed::feed,
};
use crate::{
    msrp::actor::SessionHandle,
    participating::invitation,
    sdp::Chatroom,
    sip::{
        actor::{Dialog, DialogEvent, DialogHandle, DialogNews, InviteOptions, Reply},
        codec::{Message, Name},
    },
    sip_core,
};
use tokio::sync::mpsc::UnboundedReceiver;

/// The leg to whoever answered: a device, or another server.
pub(super) struct Leg {
    pub channel: Channel,
    pub session: SessionHandle,
    /// What the far side can do in a chat room.
    pub chatroom: Option<Chatroom>,
    pub dialog: DialogHandle,
    pub news: UnboundedReceiver<DialogEvent>,
    /// Whoever answered is no person: a server that keeps the message.
    pub automaton: bool,
    /// The group as whose focus it answered, as a value of P-Asserted-Identity.
    pub focus: Option<String>,
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
    let answer = match answered(call, &dialog, &mut news).await {
        Ok(answer) => answer,
        Err(rung) => {
            session.close();
            return rung;
        }
    };
    match channel.conclude(session.clone(), answer.body(), None).await {
        Ok(Agreed {
            session, remote, ..
        }) => Rung::Answered(Box::new(Leg {
            channel,
            session,
            chatroom: remote.chatroom,
            dialog,
            news,
            automaton: invitation::is_automaton(&answer),
            focus: invitation::focus_of(&answer),
        })),
        Err(unfit) => {
            tracing::debug!(%unfit, "the answer is of no use");
            dialog.bye(Some("SIP;cause=488;text=\"answer not acceptable\""));
            session.close();
            Rung::Failed(488, None)
        }
    }
}

/// The answer, while the caller hears it ring and may give up.
async fn answered(
    call: &mut Call,
    dialog: &DialogHandle,
    news: &mut UnboundedReceiver<DialogEvent>,
) -> Result<Message, Rung> {
    let services = call.services.clone();
    loop {
        tokio::select! {
            caller = call.next() => if caller.is_none() {
                dialog.cancel();
                return Err(Rung::Abandoned);
            },
            callee = news.recv() => match callee.map(|event| event.news) {
                Some(DialogNews::Provisional(response)) => {
                    call.dialog.ring(Reply::new(response.code().unwrap_or(180)));
                }
                Some(DialogNews::Answered(answer)) => return Ok(answer),
                Some(DialogNews::Failed { code, message }) => {
                    return Err(Rung::Failed(code, message));
                }
                Some(_) => {}
                None => return Err(Rung::Silent),
            },
            () = services.shutdown.over() => {
                dialog.cancel();
                let wait = services.endpoint.retry_after().to_string();
                let later = sip_core::Reply::new(503).with(Name::RetryAfter, wait);
                call.refuse(&later, "shutdown");
                return Err(Rung::Abandoned);
            }
        }
    }
}
