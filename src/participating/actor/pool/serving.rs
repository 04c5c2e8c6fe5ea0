use super::{
    Entry, Order,
    guest::{Answer, Guest, Told},
    opening::{Connected, Far, Opening, turn_away},
    reason,
};
use crate::{
    clock,
    identity::Address,
    msrp::actor::{Moved, SessionHandle, Strand, TrunkEvent},
    participating::{
        AfterUse,
        actor::{
            Services,
            channel::{Agreed, Channel, Nobody},
            drain, inside, shutdown,
        },
        terms::Terms,
    },
    sip::actor::DialogNews,
};
use std::{
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc::UnboundedReceiver, time::sleep_until};

/// What a side has been promised is on its way; that long it has to leave.
const MOMENT: Duration = Duration::from_millis(50);
/// How long answers are waited for when a channel ends.
const ANSWERS: Duration = Duration::from_secs(5);
/// How long a call may rest on a channel that is to go.
const REST: Duration = Duration::from_secs(1);

/// A channel to the next server that is there, and the calls that use it.
pub(super) struct Serving {
    services: Rc<Services>,
    entry: Option<Entry>,
    orders: UnboundedReceiver<Order>,
    far: Far,
    terms: Terms,
    connected: Connected,
    /// Who is to have what is kept at the other end, if that is known here.
    keeps_for: Option<Address>,
    uses: Vec<Use>,
    /// When the last call left.
    empty_since: Instant,
    /// Calls are to go elsewhere as soon as they rest.
    retiring: bool,
    /// The server is to end.
    closing: bool,
}

/// A call on the channel.
struct Use {
    guest: Guest,
    channel: Channel,
    session: SessionHandle,
    strand: Strand,
    seen: Moved,
    until: Instant,
}

impl Serving {
    pub async fn begin(opening: Opening, connected: Connected) -> Self {
        let mut serving = Self {
            services: opening.services,
            retiring: opening.retiring && connected.automaton,
            entry: opening.entry,
            orders: opening.orders,
            far: opening.far,
            terms: opening.terms,
            connected,
            keeps_for: opening.keeps_for,
            uses: Vec::new(),
            empty_since: clock::now(),
            closing: false,
        };
        for guest in opening.waiting {
            serving.admit(guest).await;
        }
        serving
    }

    pub async fn run(mut self) {
        let shutdown = self.services.shutdown.clone();
        let _open = self.services.metrics.open_channel();
        let why = loop {
            if self.uses.is_empty() && !self.stays() {
                break self.rest().await;
            }
            let wake = self.wake();
            tokio::select! {
                order = self.orders.recv() => if !self.take(order).await {
                    break self.rest().await;
                },
                event = self.far.news.recv() => match event.map(|event| event.news) {
                    None => break None,
                    Some(DialogNews::Ended(end)) => {
                        self.entry = None;
                        self.settle(REST).await;
                        break end.reason;
                    }
                    Some(news) => inside::answer(&self.far.dialog, news, &self.far.channel, &self.far.session),
                },
                event = self.connected.events.recv() => match event {
                    Some(TrunkEvent::Bound) => {}
                    Some(TrunkEvent::Rested) => self.look_after_mail(),
                    Some(TrunkEvent::Left { strand, .. }) => self.lost(strand),
                    Some(TrunkEvent::Ended { .. }) | None => break reason("channel closed"),
                },
                () = sleep_until(wake.into()) => self.end_idle(),
                () = shutdown.begun(), if !self.closing => self.close(),
                () = shutdown.over() => break Some(shutdown::REASON.to_owned()),
            }
        };
        self.end(why);
    }

    /// Lets a call use the channel, if that can be shared with it.
    async fn admit(&mut self, guest: Guest) {
        if !self.uses.is_empty() && !self.may_share(&guest) {
            return guest.tell(Told::Apart);
        }
        let chatroom = self.connected.chatroom.clone();
        let channel = Channel::new(&self.services).in_chatroom(chatroom);
        match channel.answer(&guest.offer, Box::new(Nobody)).await {
            Err(unfit) => guest.tell(Told::Unfit(unfit)),
            Ok(Agreed { session, body, .. }) => {
                let lines = guest.terms.lines_on(&self.terms);
                let strand = self.connected.trunk.join(&session, lines);
                guest.tell(Told::Answered(Answer {
                    body,
                    automaton: self.connected.automaton,
                    focus: self.connected.focus.clone(),
                }));
                self.uses.push(Use {
                    guest,
                    channel,
                    session,
                    strand,
                    seen: Moved::default(),
                    until: clock::now() + self.idle(),
                });
            }
        }
    }

    /// A person hears all of one conversation by one channel, and no other by it; a group's owner
    /// tells calls apart by theirs. No more share one than may send at the same time.
    fn may_share(&self, guest: &Guest) -> bool {
        let far = &self.connected;
        far.focus.is_none()
            && (far.automaton || guest.terms.is_same_conversation(&self.terms))
            && self.uses.len() < self.services.config.max_interleaved
    }

    /// Returns whether the channel goes on.
    async fn take(&mut self, order: Option<Order>) -> bool {
        match order {
            Some(Order::Join(guest)) => self.admit(*guest).await,
            Some(Order::Leave(id)) => {
                if let Some(left) = self.remove(|one| one.guest.id == id) {
                    actix_rt::spawn(async move {
                        tokio::time::sleep(MOMENT).await;
                        left.session.close();
                    });
                }
            }
            Some(Order::Again(id, offer, answer)) => {
                let found = self.uses.iter().find(|one| one.guest.id == id);
                let again = found.map_or(Err(481), |one| {
                    let again = one.channel.answer_again(&offer, &one.session);
                    again.map_err(|unfit| unfit.status())
                });
                // a call that is gone needs no answer
                let _ = answer.send(again);
            }
            Some(Order::Retire) if self.connected.automaton => self.retire(),
            Some(Order::Retire) => {}
            None => return false,
        }
        true
    }

    /// Ends as soon as it rests.
    fn retire(&mut self) {
        self.entry = None;
        self.retiring = true;
        let until = clock::now() + REST;
        self.uses.iter_mut().for_each(|one| one.until = until);
    }

    /// The same, whoever is at the other end: the server is to end.
    fn close(&mut self) {
        self.closing = true;
        self.retire();
    }

    /// What has just been kept at the other end may be for somebody who is there.
    fn look_after_mail(&self) {
        if let Some(recipient) = &self.keeps_for {
            drain::mail_for(&self.services, recipient);
        }
    }

    fn remove(&mut self, is_it: impl Fn(&Use) -> bool) -> Option<Use> {
        let at = self.uses.iter().position(is_it)?;
        let gone = self.uses.swap_remove(at);
        self.empty_since = clock::now();
        Some(gone)
    }

    /// A caller's connection is gone.
    fn lost(&mut self, strand: Strand) {
        if let Some(lost) = self.remove(|one| one.strand == strand) {
            lost.guest.tell(Told::Ended(reason("channel closed")));
        }
    }

    fn idle(&self) -> Duration {
        match self.retiring {
            true => REST,
            false => self.services.config.idle_timeout,
        }
    }

    /// Whether the channel waits for another call when it has none.
    fn stays(&self) -> bool {
        let config = &self.services.config;
        self.entry.is_some()
            && self.connected.automaton
            && self.connected.focus.is_none()
            && config.after_use == AfterUse::Keep
            && clock::now() < self.empty_since + config.channel_linger
    }

    fn wake(&self) -> Instant {
        let until = self.uses.iter().map(|one| one.until).min();
        until.unwrap_or(self.empty_since + self.services.config.channel_linger)
    }

    /// Ends calls on which nothing has moved for too long.
    fn end_idle(&mut self) {
        let (now, idle) = (clock::now(), self.idle());
        let trunk = &self.connected.trunk;
        let busy = self.retiring && !trunk.is_quiet();
        for one in self.uses.iter_mut().filter(|one| one.until <= now) {
            let moved = trunk.moved(one.strand);
            if busy || moved != one.seen {
                (one.seen, one.until) = (moved, now + idle);
            }
        }
        let why = match (self.closing, self.retiring) {
            (true, _) => Some(shutdown::REASON.to_owned()),
            (false, true) => reason("receiver is there"),
            (false, false) => reason("idle"),
        };
        while let Some(idle) = self.remove(|one| one.until <= now) {
            idle.guest.tell(Told::Ended(why.clone()));
            idle.session.close();
        }
    }

    /// Nobody uses the channel any more: nobody finds it from now on, and it ends when all that
    /// was sent is answered.
    async fn rest(&mut self) -> Option<String> {
        self.entry = None;
        tokio::time::sleep(MOMENT).await;
        self.settle(ANSWERS).await;
        reason("unused")
    }

    /// Waits for the answers to what is under way, but not for long.
    async fn settle(&self, limit: Duration) {
        let until = clock::now() + limit;
        while !self.connected.trunk.is_quiet() && clock::now() < until {
            tokio::time::sleep(MOMENT).await;
        }
    }

    /// Ends both sides. What is under way is answered by the sessions: it did not arrive.
    fn end(mut self, reason: Option<String>) {
        self.entry = None;
        self.far.dialog.bye(reason.as_deref());
        self.far.session.close();
        for one in self.uses {
            one.guest.tell(Told::Ended(reason.clone()));
            actix_rt::spawn(async move {
                tokio::time::sleep(MOMENT).await;
                one.session.close();
            });
        }
        turn_away(&mut self.orders);
    }
}
