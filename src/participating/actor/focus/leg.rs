use super::{
    super::{
        Services,
        channel::Channel,
        deposit::take,
        drain,
        drains::Occasion,
        handover::{Broken, Handover},
        inflow::{Arrivals, Batch},
        inside,
        keeper::{Goal, Keeper},
        line::{Line, Ringing},
    },
    Attendance, Circulation, Incoming,
    legs::Seat,
};
use crate::{
    clock,
    controlling::Abilities,
    deferred::{Envelope, State},
    identity::{Address, outbox},
    msrp::actor::{SessionEvent, SessionHandle},
    participating::{facts::Origin, metrics::Open},
    sip::actor::{DialogEvent, DialogHandle, DialogNews},
    sip_core::Binding,
};
use std::{cell::Cell, rc::Rc, time::Duration, time::Instant};
use tokio::sync::mpsc::UnboundedReceiver;

/// The channel of one member with a group: what others send there goes out on it, what the member
/// sends comes in.
pub(super) struct Leg {
    pub services: Rc<Services>,
    pub seat: Seat,
    pub handover: Handover,
    /// It goes on although nobody else is there.
    pub stays: bool,
    /// The member's place in the roster.
    pub place: Option<Attendance>,
    /// The last message of the mailbox that was looked at.
    after: u64,
    _open: Open,
}

/// What a leg runs over.
pub(super) struct Wire<'a> {
    pub session: SessionHandle,
    pub dialog: &'a DialogHandle,
    pub news: &'a mut UnboundedReceiver<DialogEvent>,
    pub channel: &'a Channel,
    pub incoming: Incoming,
}

/// Why a leg ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("all is sent, and nobody else is there")]
    Alone,
    #[error("the member hung up")]
    HungUp,
    #[error("channel closed")]
    Closed,
    #[error("no longer a member")]
    Expelled,
    #[error("nothing moved for `participating.idle_timeout`")]
    Idle,
    #[error("server shuts down")]
    Shutdown,
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// Messages looked at together.
const PAGE: usize = 32;

/// How soon a message is looked at again that is on its way elsewhere.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A leg to a member whom this server called, over a `line` that is up: it takes over what waits
/// for the member in this group, and goes on while anybody else is there.
pub(in super::super) fn called(
    services: &Rc<Services>,
    seat: Seat,
    (line, incoming): (Line, Incoming),
    device: Binding,
) {
    let services = services.clone();
    actix_rt::spawn(async move {
        let Line {
            call,
            mut news,
            handover,
            channel,
            automaton,
            abilities,
        } = line;
        let Ringing { dialog, session } = &call;
        let wire = Wire {
            session: session.clone(),
            dialog,
            news: &mut news,
            channel: &channel,
            incoming,
        };
        let place = match automaton {
            false => attend(&services, &seat, abilities).await,
            true => None,
        };
        let leg = Leg::new(&services, (seat, place), handover, false);
        let mailbox = leg.seat.mailbox().clone();
        let group = leg.seat.group().clone();
        let ended = leg.run(wire).await;
        // a device that is called again for what it would not take would be called for ever
        match ended.is_in_order() && !waits(&services, &mailbox, &group).await {
            true => drop(services.devices.answered(&mailbox, &device)),
            false => services.rest(&mailbox, &device),
        }
        tracing::debug!(%mailbox, automaton, %ended, "leg of a group ended");
        dialog.bye(Some(&ended.reason()));
        // what is left, or came meanwhile, waits for another way
        drain::start(&services, &mailbox, Occasion::Mail);
    });
}

impl Leg {
    pub fn new(
        services: &Rc<Services>,
        (seat, place): (Seat, Option<Attendance>),
        handover: Handover,
        stays: bool,
    ) -> Self {
        Self {
            services: services.clone(),
            seat,
            place,
            handover,
            stays,
            after: 0,
            _open: services.metrics.open_leg(),
        }
    }

    /// Runs both ways until one of them ends, or the dialog does. What was on its way waits again
    /// when this returns.
    pub async fn run(mut self, wire: Wire<'_>) -> Ended {
        let member = outbox::reader(self.seat.mailbox());
        let origin = Origin::of_channel(member, self.seat.group().clone(), clock::wall());
        let goal = Goal::Group(Circulation::new(origin));
        let keeper = Keeper::new(self.services.clone(), wire.session.clone(), goal);
        let services = self.services.clone();
        let idle = services.config.idle_timeout;
        let Incoming { messages, moved } = wire.incoming;
        let dialog = (wire.dialog, wire.channel, &wire.session);
        let place = self.place.take();
        tokio::select! {
            ended = self.send() => ended.unwrap_or_else(Ended::Broken),
            () = listen(keeper, messages, &wire.session, place.as_ref()) => Ended::Closed,
            () = hung_up(wire.news, dialog) => Ended::HungUp,
            () = idle_for(&moved, idle) => Ended::Idle,
            () = shut_down(&services, &moved) => Ended::Shutdown,
            () = expelled(place.as_ref()) => Ended::Expelled,
        }
    }

    /// Sends what waits for the member in this group, and what comes, as it comes.
    async fn send(&mut self) -> Result<Ended, Broken> {
        self.handover.bound().await?;
        loop {
            let is_held_up = self.send_new().await?;
            if !self.stays && !is_held_up && !self.seat.has_company() {
                self.handover.finish().await?;
                if !self.seat.is_serving() || self.page().await?.is_empty() {
                    return Ok(Ended::Alone);
                }
                continue;
            }
            let woken = self.seat.woken();
            match is_held_up {
                true => {
                    let soon = tokio::time::timeout(LOOK_AGAIN, woken);
                    let soon = async { drop(soon.await) };
                    self.handover.rest(soon).await?;
                }
                false => self.handover.rest(woken).await?,
            }
        }
    }

    /// Begins to send what is new. Says whether it was held up by a message that is on its way
    /// elsewhere: what is behind that one waits until its fate is known.
    async fn send_new(&mut self) -> Result<bool, Broken> {
        loop {
            let page = self.page().await?;
            let Some(last) = page.iter().map(|one| one.sequence).max() else {
                return Ok(false);
            };
            for envelope in &page {
                if !self.is_mine(envelope) {
                    continue;
                }
                if !self.seat.is_serving() {
                    return Ok(false);
                }
                if envelope.state == State::Transferring {
                    return Ok(true);
                }
                self.after = self.after.max(envelope.sequence);
                self.handover.send(envelope).await?;
            }
            self.after = self.after.max(last);
        }
    }

    async fn page(&self) -> Result<Vec<Envelope>, Broken> {
        self.handover.look_again();
        let mailbox = self.seat.mailbox();
        let page = self.services.deferred.list(mailbox, self.after, PAGE);
        page.await.map_err(|_| Broken::Store("list"))
    }

    fn is_mine(&self, envelope: &Envelope) -> bool {
        envelope.facts.group.as_ref() == Some(self.seat.group())
    }
}

impl Ended {
    /// Whether the other end did nothing wrong.
    fn is_in_order(&self) -> bool {
        matches!(
            self,
            Self::Alone | Self::HungUp | Self::Idle | Self::Expelled | Self::Shutdown
        )
    }

    /// What a Reason header says of it.
    pub fn reason(&self) -> String {
        let cause = match self {
            Self::Alone | Self::HungUp | Self::Closed => 200,
            Self::Expelled => 403,
            Self::Idle => 408,
            Self::Shutdown => 503,
            Self::Broken(_) => 500,
        };
        format!("SIP;cause={cause};text=\"{self}\"").replace('`', "'")
    }
}

/// Enters a member who was called into the roster.
async fn attend(services: &Services, seat: &Seat, abilities: Abilities) -> Option<Attendance> {
    let group = services.groups.get(seat.group()).await.ok().flatten()?;
    let member = outbox::reader(seat.mailbox());
    services.conferences.enter(&group, &member, abilities, true)
}

/// Whether anything waits for a member in a group.
async fn waits(services: &Services, mailbox: &Address, group: &Address) -> bool {
    let page = services.deferred.list(mailbox, 0, PAGE).await;
    let is_of_it = |one: &Envelope| one.facts.group.as_ref() == Some(group);
    page.is_ok_and(|page| page.iter().any(is_of_it))
}

/// Takes what the member sends until the channel is closed.
async fn listen(
    mut keeper: Keeper,
    mut messages: Arrivals,
    session: &SessionHandle,
    place: Option<&Attendance>,
) {
    while let Some(mut batch) = messages.next().await {
        name(place, &mut batch);
        let ended = take(&mut keeper, &mut batch).await;
        messages.done(&batch, session);
        if ended {
            return;
        }
    }
}

/// Lets the member go by the nicknames that a batch asks for, and answers.
///
/// Source: RFC 7701 §7.1.
fn name(place: Option<&Attendance>, batch: &mut Batch) {
    batch.events.retain(|event| {
        let SessionEvent::Nickname(request) = event else {
            return true;
        };
        let code = match (request.wanted(), place) {
            (Err(bad), _) => bad.status(),
            (Ok(_), None) => 403,
            (Ok(wanted), Some(place)) => place.name(wanted.as_deref()),
        };
        request.answer(code);
        false
    });
}

/// Resolves when the member ends the call; answers other requests within it.
async fn hung_up(
    news: &mut UnboundedReceiver<DialogEvent>,
    (dialog, channel, session): (&DialogHandle, &Channel, &SessionHandle),
) {
    while let Some(event) = news.recv().await {
        match event.news {
            DialogNews::Ended(_) | DialogNews::Cancelled | DialogNews::Failed { .. } => return,
            news => inside::answer(dialog, news, channel, session),
        }
    }
}

/// Resolves when the member is to be sent away.
async fn expelled(place: Option<&Attendance>) {
    match place {
        Some(place) => place.expelled().await,
        None => std::future::pending().await,
    }
}

/// Resolves when nothing has moved for so long.
async fn idle_for(moved: &Cell<Instant>, idle: Duration) {
    loop {
        let until = moved.get() + idle;
        if until <= clock::now() {
            return;
        }
        tokio::time::sleep_until(until.into()).await;
    }
}

/// Resolves when nothing moves any more after the server was told to end.
async fn shut_down(services: &Services, moved: &Cell<Instant>) {
    loop {
        let before = moved.get();
        services.shutdown.rested(false).await;
        if moved.get() == before || services.shutdown.is_over() {
            return;
        }
    }
}
