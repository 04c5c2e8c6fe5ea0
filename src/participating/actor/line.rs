use super::{
    Services,
    channel::{Channel, Unfit},
    feed::feed,
    focus::{Ends, Incoming, duplex},
    handover::{Broken, Handover, Tally},
    inflow::{Arrivals, inflow},
    requests,
};
use crate::{
    controlling::Abilities,
    deferred::{Envelope, Watch},
    identity::Address,
    msrp::actor::{SessionHandle, Sink},
    participating::{chatroom, invitation, pace::Pace},
    sdp::MessageMedia,
    sip::{
        actor::{Dialog, DialogEvent, DialogHandle, DialogNews, InviteOptions, Reply},
        codec::Message,
    },
    trail,
};
use std::rc::Rc;
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::Instrument;

/// A channel to one device, opened by this server to hand messages over. Dropped, it ends.
pub(super) struct Line {
    pub call: Ringing,
    pub news: UnboundedReceiver<DialogEvent>,
    pub handover: Handover,
    pub channel: Channel,
    /// No person answered, but a server that keeps what comes.
    pub automaton: bool,
    /// What the device can do in a group.
    pub abilities: Abilities,
}

/// A call of this server's own that was answered, and the session agreed on in it. Dropped, both
/// end.
pub(super) struct Leg {
    pub call: Ringing,
    /// What the callee's end takes.
    pub reader: MessageMedia,
    pub news: UnboundedReceiver<DialogEvent>,
    /// No person answered, but a server that keeps what comes.
    pub automaton: bool,
}

/// Why a channel did not come up, or broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("the device answered {0}")]
    Refused(u16),
    #[error("the device did not answer")]
    Silent,
    #[error("the device hung up")]
    HungUp,
    #[error("the device's answer is of no use: {0}")]
    Unfit(#[from] Unfit),
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("too many dialogs")]
    Busy,
}

/// A call of ours and its session; both end when this is dropped.
pub(super) struct Ringing {
    pub dialog: DialogHandle,
    pub session: SessionHandle,
}

impl Drop for Ringing {
    fn drop(&mut self) {
        // CANCEL where it is not answered yet
        self.dialog.bye(None);
        self.session.close();
    }
}

impl Leg {
    /// Calls with what `invite` makes of our offer; resolves when the call is answered. `begun` is
    /// shown the session before anybody can speak on it.
    pub async fn open(
        services: &Rc<Services>,
        channel: &Channel,
        begun: impl Fn(&SessionHandle),
        invite: impl FnOnce(Vec<u8>) -> InviteOptions,
    ) -> Result<Self, Failed> {
        let called = async {
            let outcome = Self::call(services, channel, begun, invite).await;
            match &outcome {
                Ok(_) => trail::answered(200),
                Err(Failed::Refused(code)) => trail::answered(*code),
                Err(_) => trail::answered(408),
            }
            outcome
        };
        called.instrument(trail::outgoing("INVITE")).await
    }

    async fn call(
        services: &Rc<Services>,
        channel: &Channel,
        begun: impl Fn(&SessionHandle),
        invite: impl FnOnce(Vec<u8>) -> InviteOptions,
    ) -> Result<Self, Failed> {
        let (session, offer) = channel.offer()?;
        begun(&session);
        let (listener, mut news) = feed();
        let Ok(dialog) = Dialog::invite(&services.endpoint, invite(offer), listener) else {
            session.close();
            return Err(Failed::Busy);
        };
        let mut call = Ringing {
            dialog,
            session: session.clone(),
        };
        let answer = answered(&mut news).await?;
        let agreed = channel.conclude(session.clone(), answer.body(), None);
        let agreed = agreed.await?;
        if session.is_closed() {
            // this end connects: with another session
            begun(&agreed.session);
        }
        call.session = agreed.session;
        Ok(Self {
            call,
            reader: agreed.remote,
            news,
            automaton: invitation::is_automaton(&answer),
        })
    }

    pub fn session(&self) -> &SessionHandle {
        &self.call.session
    }

    /// Resolves when the callee ends the call.
    pub async fn hung_up(&mut self) {
        hung_up(&mut self.news, &self.call.dialog).await;
    }
}

impl Line {
    /// Calls a device with what `invite` makes of our offer; resolves when it has connected.
    pub async fn open(
        services: &Rc<Services>,
        owner: (&Address, &Rc<Watch>),
        invite: impl FnOnce(Vec<u8>) -> InviteOptions,
    ) -> Result<Self, Failed> {
        let (sink, arrivals) = inflow(services);
        let channel = Channel::new(services);
        Self::dial(channel, services, owner, (sink, arrivals), invite).await
    }

    /// The same, for a device of a member of a group, which is to send messages too.
    pub async fn open_both_ways(
        services: &Rc<Services>,
        owner: (&Address, &Rc<Watch>),
        invite: impl FnOnce(Vec<u8>) -> InviteOptions,
    ) -> Result<(Self, Incoming), Failed> {
        let (sink, ends) = duplex(services);
        let Ends { answers, incoming } = ends;
        let room = chatroom::of(services.groups.config());
        let channel = Channel::new(services).in_chatroom(Some(room));
        let line = Self::dial(channel, services, owner, (sink, answers), invite).await?;
        Ok((line, incoming))
    }

    async fn dial(
        channel: Channel,
        services: &Rc<Services>,
        (owner, watch): (&Address, &Rc<Watch>),
        (sink, arrivals): (Box<dyn Sink>, Arrivals),
        invite: impl FnOnce(Vec<u8>) -> InviteOptions,
    ) -> Result<Self, Failed> {
        let leg = Leg::open(services, &channel, |_| {}, invite).await?;
        let session = leg.session().clone();
        session.set_sink(sink);
        let Leg {
            call,
            reader,
            news,
            automaton,
        } = leg;
        let (services, owner) = (services.clone(), (owner.clone(), watch.clone()));
        let limit = services.config.bind_timeout;
        let abilities = chatroom::abilities_of(&reader);
        let mut handover = Handover::new(services, owner, session, arrivals, reader);
        let connected = tokio::time::timeout(limit, handover.bound());
        connected.await.map_err(|_| Failed::Silent)??;
        Ok(Self {
            call,
            news,
            handover,
            channel,
            automaton,
            abilities,
        })
    }

    /// The same, as fast as `pace` allows.
    pub fn at(self, pace: &Rc<Pace>) -> Self {
        let handover = self.handover.at(pace);
        Self { handover, ..self }
    }

    /// Sends `messages` and waits until each is settled, unless the device hangs up before.
    pub async fn send(&mut self, messages: &[Envelope]) -> Result<(), Failed> {
        let handover = &mut self.handover;
        let sending = async {
            handover.send_messages(messages).await?;
            handover.finish().await?;
            requests::serve(handover).await?;
            handover.finish().await
        };
        tokio::select! {
            sent = sending => Ok(sent?),
            () = hung_up(&mut self.news, &self.call.dialog) => Err(Failed::HungUp),
        }
    }

    /// What came of the messages sent since this was asked last.
    pub fn tally(&mut self) -> Tally {
        std::mem::take(&mut self.handover.tally)
    }
}

async fn answered(news: &mut UnboundedReceiver<DialogEvent>) -> Result<Message, Failed> {
    loop {
        match news.recv().await.map(|event| event.news) {
            Some(DialogNews::Answered(answer)) => return Ok(answer),
            Some(DialogNews::Failed { code, .. }) => return Err(Failed::Refused(code)),
            Some(_) => {}
            None => return Err(Failed::Silent),
        }
    }
}

/// Resolves when the device ends the call.
pub(super) async fn hung_up(news: &mut UnboundedReceiver<DialogEvent>, dialog: &DialogHandle) {
    while let Some(event) = news.recv().await {
        match event.news {
            DialogNews::Ended(_) | DialogNews::Cancelled | DialogNews::Failed { .. } => return,
            // a channel that only hands over has nothing to change
            DialogNews::Offered { key, .. } => dialog.answer(key, Reply::new(488)),
            DialogNews::Requested { key, .. } => dialog.answer(key, Reply::new(405)),
            _ => {}
        }
    }
}
