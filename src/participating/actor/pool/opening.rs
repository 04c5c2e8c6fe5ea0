use super::{
    Entry, Order, Vacancy,
    guest::{Failure, Guest, Told},
    serving::Serving,
};
use crate::{
    identity::Address,
    msrp::actor::{SessionHandle, Trunk, TrunkEvent},
    participating::{
        actor::{
            Services,
            channel::{Agreed, Channel},
            feed::feed,
        },
        invitation,
        terms::Terms,
    },
    sdp::Chatroom,
    sip::{
        actor::{Dialog, DialogEvent, DialogHandle, DialogNews, InviteOptions},
        codec::Message,
    },
};
use std::rc::Rc;
use tokio::sync::mpsc::UnboundedReceiver;

/// A channel to the next server on its way to be there, and the calls that wait for it.
pub(super) struct Opening {
    pub services: Rc<Services>,
    pub entry: Option<Entry>,
    pub orders: UnboundedReceiver<Order>,
    pub far: Far,
    /// What its INVITE says.
    pub terms: Terms,
    pub waiting: Vec<Guest>,
    /// Who is to have what is kept there, if that is known here.
    pub keeps_for: Option<Address>,
    /// The receiver has logged in meanwhile.
    pub retiring: bool,
}

/// The leg to the next server.
pub(super) struct Far {
    pub channel: Channel,
    pub session: SessionHandle,
    pub dialog: DialogHandle,
    pub news: UnboundedReceiver<DialogEvent>,
}

/// The next server's side of a channel that came up.
pub(super) struct Connected {
    pub trunk: Trunk,
    pub events: UnboundedReceiver<TrunkEvent>,
    /// No person answered, but a server that keeps messages.
    pub automaton: bool,
    /// The group as whose focus somebody answered, as a value of P-Asserted-Identity.
    pub focus: Option<String>,
    /// What its chat room can do, where it is one.
    pub chatroom: Option<Chatroom>,
}

/// Why a channel did not come up.
enum NoChannel {
    Failed(Failure),
    /// Nobody waits for it any more.
    Unwanted,
}

impl Opening {
    /// Sends the INVITE that `invite` makes of our offer. Nothing, if there is no room for another
    /// dialog; whoever joined meanwhile is told.
    pub fn begin(
        services: &Rc<Services>,
        invite: impl FnOnce(Vec<u8>) -> InviteOptions,
        (terms, chatroom): (Terms, Option<Chatroom>),
        (entry, mut orders): Vacancy,
    ) -> Option<Self> {
        let channel = Channel::new(services).in_chatroom(chatroom);
        let (owner, news) = feed();
        let begun = channel.offer().ok().and_then(|(session, offer)| {
            let dialog = Dialog::invite(&services.endpoint, invite(offer), owner);
            if dialog.is_err() {
                session.close();
            }
            Some((session, dialog.ok()?))
        });
        let Some((session, dialog)) = begun else {
            drop(entry);
            turn_away(&mut orders);
            return None;
        };
        Some(Self {
            services: services.clone(),
            entry,
            orders,
            far: Far {
                channel,
                session,
                dialog,
                news,
            },
            terms,
            waiting: Vec::new(),
            retiring: false,
            keeps_for: None,
        })
    }

    /// Has the mail of a user of ours looked after, which is kept at the other end.
    pub fn keeping_for(self, keeps_for: Option<Address>) -> Self {
        Self { keeps_for, ..self }
    }

    /// Waits for the answer, then serves the calls until the channel ends.
    pub async fn run(mut self) {
        let connected = match self.answered().await {
            Ok(answer) => self.connected(answer).await,
            Err(none) => Err(none),
        };
        match connected {
            Ok(connected) => Serving::begin(self, connected).await.run().await,
            Err(none) => self.give_up(none),
        }
    }

    async fn answered(&mut self) -> Result<Message, NoChannel> {
        loop {
            tokio::select! {
                order = self.orders.recv() => self.note(order)?,
                event = self.far.news.recv() => match event.map(|event| event.news) {
                    Some(DialogNews::Provisional(response)) => {
                        let code = response.code().unwrap_or(180);
                        self.waiting.iter().for_each(|guest| guest.tell(Told::Ringing(code)));
                    }
                    Some(DialogNews::Answered(answer)) => return Ok(answer),
                    Some(DialogNews::Failed { code, message }) => {
                        return Err(NoChannel::Failed(Failure::Refused(code, message)));
                    }
                    Some(_) => {}
                    None => return Err(NoChannel::Failed(Failure::Silent)),
                }
            }
        }
    }

    /// Waits until the channel of whoever answered is bound: nobody is told before that somebody
    /// takes messages there.
    async fn connected(&mut self, answer: Message) -> Result<Connected, NoChannel> {
        let far = &mut self.far;
        let agreed = far
            .channel
            .conclude(far.session.clone(), answer.body(), None);
        let chatroom = match agreed.await {
            Ok(Agreed {
                session, remote, ..
            }) => {
                far.session = session;
                remote.chatroom
            }
            Err(unfit) => {
                tracing::debug!(%unfit, "the next server's answer is of no use");
                return Err(NoChannel::Failed(Failure::Refused(488, None)));
            }
        };
        let (owner, mut events) = feed();
        let trunk = Trunk::over(&far.session, owner);
        let limit = tokio::time::sleep(self.services.config.bind_timeout);
        tokio::pin!(limit);
        while !self.far.session.is_bound() {
            tokio::select! {
                order = self.orders.recv() => self.note(order)?,
                event = self.far.news.recv() => match event.map(|event| event.news) {
                    None | Some(DialogNews::Ended(_)) => return Err(unconnected()),
                    Some(_) => {}
                },
                event = events.recv() => match event {
                    None | Some(TrunkEvent::Ended { .. }) => return Err(unconnected()),
                    Some(_) => {}
                },
                () = &mut limit => return Err(unconnected()),
            }
        }
        Ok(Connected {
            trunk,
            events,
            automaton: invitation::is_automaton(&answer),
            focus: invitation::focus_of(&answer),
            chatroom,
        })
    }

    /// Takes an order while the channel is still to come.
    fn note(&mut self, order: Option<Order>) -> Result<(), NoChannel> {
        match order {
            Some(Order::Join(guest)) => self.waiting.push(*guest),
            Some(Order::Leave(id)) => self.waiting.retain(|guest| guest.id != id),
            Some(Order::Again(.., answer)) => {
                // no offer of the caller is open before the first one is answered
                let _ = answer.send(Err(491));
            }
            Some(Order::Retire) => (self.entry, self.retiring) = (None, true),
            None => self.waiting.clear(),
        }
        match self.waiting.is_empty() {
            true => Err(NoChannel::Unwanted),
            false => Ok(()),
        }
    }

    fn give_up(self, none: NoChannel) {
        let Self {
            entry,
            mut orders,
            far,
            waiting,
            ..
        } = self;
        // from here on calls find no channel, and open one themselves
        drop(entry);
        far.dialog.bye(Some("SIP;cause=408;text=\"no channel\""));
        far.session.close();
        if let NoChannel::Failed(failure) = none {
            let tell = |guest: &Guest| guest.tell(Told::Failed(failure.clone()));
            waiting.iter().for_each(tell);
        }
        turn_away(&mut orders);
    }
}

fn unconnected() -> NoChannel {
    NoChannel::Failed(Failure::Unconnected)
}

/// Tells who came too late.
pub(super) fn turn_away(orders: &mut UnboundedReceiver<Order>) {
    orders.close();
    while let Ok(order) = orders.try_recv() {
        if let Order::Join(guest) = order {
            guest.tell(Told::Gone);
        }
    }
}
