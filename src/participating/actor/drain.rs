use super::{
    Services,
    drains::{Drain, Occasion},
    hint, letters,
    push::Push,
    remote,
};
use crate::{
    clock,
    deferred::{self, Envelope},
    identity::Address,
    participating::{Participation, devices::Rest, pace::Pace},
    policy::{Handing, Mode, Waiting, choose_mode},
    sip_core::Binding,
    store::StoreError,
    trail,
};
use std::{rc::Rc, time::Instant};
use tracing::Instrument;

/// How one turn of a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing is left that a device would take.
    Done,
    /// None of the devices that were tried would take what is left.
    Left,
    /// Others are to have their turn before it goes on.
    Again,
    /// A device did not answer, or broke off; the next one is tried at once.
    Broken,
    /// Something is on its way elsewhere, or could not be read: to be looked at later.
    Later,
    /// All devices rest until then.
    Resting(Instant),
}

/// Hands over what waits for `recipient`, unless that is under way already (flow R2).
pub(super) fn start(services: &Rc<Services>, recipient: &Address, occasion: Occasion) {
    if services.shutdown.has_begun() {
        return;
    }
    if let Some(drain) = services.drains.enter(recipient, occasion) {
        actix_rt::spawn(run(services.clone(), recipient.clone(), drain));
    }
}

/// Something was left for `recipient` at the server that keeps what waits, which does not tell of
/// it: looks, if a device is there.
pub(super) fn mail_for(services: &Rc<Services>, recipient: &Address) {
    let is_there = || services.location.is_registered(recipient, clock::wall());
    if remote::keeper(services, recipient).is_some() && is_there() {
        start(services, recipient, Occasion::Mail);
    }
}

/// Takes note of whether a device of `recipient` answered a live attempt. One that had not, and is
/// back, gets what waits.
pub(super) fn heard_of(
    services: &Rc<Services>,
    recipient: &Address,
    device: &Binding,
    is_there: bool,
) {
    if !is_there {
        services.rest(recipient, device);
    } else if services.devices.answered(recipient, device) {
        start(services, recipient, Occasion::Login);
    }
}

async fn run(services: Rc<Services>, recipient: Address, drain: Drain) {
    let _task = services.shutdown.task();
    let shutdown = services.shutdown.clone();
    let mut round = Round {
        pace: Rc::new(Pace::new(services.config.drain_rate)),
        services,
        recipient,
        drain,
    };
    loop {
        tokio::time::sleep(round.services.config.push_delay).await;
        round.drain.look_again();
        // in a box: most drains find nothing and are over before they need its room
        let turn = tokio::select! {
            turn = Box::pin(round.turn()) => turn,
            () = shutdown.over() => return,
        };
        let turn = turn.unwrap_or_else(|error| {
            let recipient = &round.recipient;
            tracing::warn!(%error, %recipient, "mailbox not handed over; it is tried again");
            Turn::Later
        });
        if shutdown.has_begun() {
            return;
        }
        let until = match turn {
            Turn::Again => continue,
            Turn::Broken => {
                round.services.metrics.drains_broken.increment(1);
                continue;
            }
            // a login while it ran may have brought a device that takes what others did not
            Turn::Done | Turn::Left => match round.drain.finish() {
                Some(again) => {
                    round.drain = again;
                    continue;
                }
                None => return,
            },
            Turn::Later => clock::now() + round.services.config.push_retry,
            Turn::Resting(until) => until,
        };
        tokio::select! {
            () = tokio::time::sleep_until(until.into()) => {}
            () = round.drain.asked() => {}
            () = shutdown.begun() => return,
        }
    }
}

/// The handover of one mailbox, turn after turn.
pub(super) struct Round {
    pub services: Rc<Services>,
    pub recipient: Address,
    pub pace: Rc<Pace>,
    drain: Drain,
}

impl Round {
    async fn turn(&self) -> Result<Turn, StoreError> {
        let Self {
            services,
            recipient,
            ..
        } = self;
        let state = Readiness::of(services, recipient);
        match services.handing(recipient).await? {
            Handing::Deliver => {}
            Handing::Hold => return Ok(Turn::Done),
            Handing::NotifyOnly => {
                let told = match remote::keeper(services, recipient) {
                    Some(keeper) => remote::waiting(services, recipient, keeper).await,
                    None => {
                        let waiting = services.deferred.waiting(recipient).await?;
                        Ok(waiting.head.map(|oldest| (waiting.count, oldest)))
                    }
                };
                let Ok(told) = told else {
                    return Ok(Turn::Later);
                };
                hint::tell(services, recipient, &state.ready, told).await;
                return Ok(Turn::Done);
            }
        }
        if state.ready.is_empty() {
            return Ok(state.rest());
        }
        let seat = services.drains.seat(&services.metrics).await;
        // some time may have passed in line
        let state = Readiness::of(services, recipient);
        let turn = match remote::keeper(services, recipient) {
            // a server that does not participate leaves it to the devices to ask for it
            Some(_) if services.config.mode == Participation::Proxy => Turn::Done,
            Some(keeper) => Box::pin(remote::hand_over(self, &state.ready, keeper)).await,
            None => Box::pin(self.hand_over(&state.ready)).await?,
        };
        drop(seat);
        Ok(match turn {
            // it may be for a device that rests
            Turn::Left => state.rest(),
            turn => turn,
        })
    }

    async fn hand_over(&self, devices: &[Binding]) -> Result<Turn, StoreError> {
        let Self {
            services,
            recipient,
            ..
        } = self;
        for invitation in services.legs.invitations(recipient) {
            let watch = services.deferred.watch(recipient);
            Push::new(self, devices, watch).call_in(&invitation).await;
        }
        let waiting = services.deferred.waiting(recipient).await?;
        let head = waiting.head.unwrap_or(u64::MAX);
        services.devices.forget_before(recipient, head);
        if waiting.is_empty() || devices.is_empty() {
            return Ok(Turn::Done);
        }
        services.metrics.drains.increment(1);
        let span = trail::handover(recipient, waiting.count + waiting.notifications);
        let turn = self.hand_out(&waiting, devices).instrument(span).await?;
        let is_empty = services.deferred.waiting(recipient).await?.is_empty();
        Ok(match turn {
            Turn::Done if !is_empty => Turn::Left,
            turn => turn,
        })
    }

    /// By MESSAGE or through channels, as fits what waits.
    async fn hand_out(
        &self,
        waiting: &deferred::Waiting,
        devices: &[Binding],
    ) -> Result<Turn, StoreError> {
        let Self {
            services,
            recipient,
            ..
        } = self;
        let limit = services.config.list_page;
        let watch = services.deferred.watch(recipient);
        let page = services.deferred.list(recipient, 0, limit).await?;
        let weight = Waiting {
            count: waiting.count + waiting.notifications,
            octets: waiting.octets,
            largest: page.iter().map(size).max().unwrap_or(0),
        };
        let needs_channel =
            page.iter().any(needs_channel) || services.devices.need_channel(recipient, devices);
        match choose_mode(weight, &services.policy) {
            Mode::Pager if !needs_channel => letters::send(self, devices, (watch, page)).await,
            _ => Push::new(self, devices, watch).run().await,
        }
    }

    /// Resolves when a device may be tried that is none of `devices`.
    pub async fn joined(&self, devices: &[Binding]) {
        loop {
            self.drain.login().await;
            let ready = Readiness::of(&self.services, &self.recipient).ready;
            let is_known =
                |one: &Binding| devices.iter().any(|device| device.contact == one.contact);
            if !ready.iter().all(is_known) {
                return;
            }
        }
    }
}

/// What came to a group through a channel is handed over through one: a session of the group.
fn needs_channel(envelope: &Envelope) -> bool {
    let facts = &envelope.facts;
    facts.group.is_some() && facts.mode == Mode::Channel
}

fn size(envelope: &Envelope) -> u64 {
    envelope.facts.size
}

/// Which devices of a user may be tried now.
struct Readiness {
    ready: Vec<Binding>,
    /// When the next of the others may be.
    soonest: Option<Instant>,
}

impl Readiness {
    fn of(services: &Services, user: &Address) -> Self {
        let now = clock::now();
        let (mut ready, mut soonest) = (Vec::new(), None::<Instant>);
        for device in services.devices_of(user) {
            match services.devices.rest(user, &device, now) {
                None => ready.push(device),
                Some(Rest::Until(until)) => {
                    soonest = Some(soonest.map_or(until, |soonest| soonest.min(until)));
                }
                Some(Rest::UntilRegistered) => {}
            }
        }
        Self { ready, soonest }
    }

    /// What to do when those that are ready take nothing more.
    fn rest(&self) -> Turn {
        self.soonest.map_or(Turn::Done, Turn::Resting)
    }
}
