use super::{
    super::{
        channel::Channel,
        drain::{Round, Turn},
        feed::feed,
        inflow::inflow,
        line::{Failed, Leg},
        push::offering,
        race::{Finish, race},
    },
    Visit,
};
use crate::{
    content::{
        deferred_list::{DeferredList, Entry},
        multipart::{self, Part},
    },
    identity::Address,
    msrp::actor::{Join, JoinEvent, SessionHandle, Side},
    neighbours::Hop,
    participating::{
        batch::{Batch, Purpose},
        invitation,
    },
    profile::{mime, psi},
    sip::{
        actor::{Extra, InviteOptions, Target},
        codec::Name,
    },
    sip_core::Binding,
};
use actix::Addr;
use std::{cell::RefCell, time::Duration};
use tokio::sync::mpsc::UnboundedReceiver;

/// How long the BYE may be behind the end of its channel.
const BYE_LATE: Duration = Duration::from_secs(1);

/// Hands a mailbox of another server over through channels: the device is called first, and when
/// it is there the keeper, once for each batch.
pub(super) struct Push<'a> {
    round: &'a Round,
    keeper: &'a Hop,
    /// The channel of the last batch, as long as the next one may be for it.
    open: Option<Open>,
}

/// A device that took a channel.
struct Open {
    leg: Leg,
    device: Binding,
    purpose: Purpose,
}

/// How a batch ended.
enum Carried {
    /// The keeper has sent all of it.
    Through,
    /// The device broke off.
    Broken,
    /// The keeper could not be had.
    NoKeeper(Failed),
}

impl<'a> Push<'a> {
    pub fn new(round: &'a Round, keeper: &'a Hop) -> Self {
        Self {
            round,
            keeper,
            open: None,
        }
    }

    /// Hands the messages of one page over, batch by batch.
    pub async fn hand_over(&mut self, visit: &mut Visit<'_>, wanted: Vec<Entry>) -> Turn {
        let mut batches = Batch::of_entries(wanted, self.round.services.config.channels);
        let open = self.open.as_ref().map(|open| &open.purpose);
        if let Some(at) = batches.iter().position(|one| Some(&one.purpose) == open) {
            batches[..=at].rotate_right(1);
        }
        for batch in batches {
            if self.round.services.shutdown.has_begun() {
                return Turn::Later;
            }
            match self.hand_over_batch(visit, batch).await {
                Turn::Done => {}
                turn => return turn,
            }
        }
        Turn::Done
    }

    async fn hand_over_batch(&mut self, visit: &mut Visit<'_>, mut batch: Batch<Entry>) -> Turn {
        let (services, recipient) = (&self.round.services, &self.round.recipient);
        if self.open.as_ref().map(|open| &open.purpose) != Some(&batch.purpose) {
            // one after the other: the last one ends before the next one is opened
            self.open = None;
            let takes = |device: &&Binding| {
                let mut messages = batch.messages.iter();
                messages.any(|one| visit.may_take(device, one))
            };
            let devices: Vec<_> = visit.devices.iter().filter(takes).cloned().collect();
            let sender = batch.messages.first().and_then(|one| one.from.as_ref());
            match self.ring(&devices, (&batch.purpose, sender)).await {
                Ok(open) => self.open = Some(open),
                Err(turn) => return turn,
            }
        }
        let Some(open) = &mut self.open else {
            return Turn::Broken;
        };
        batch
            .messages
            .retain(|one| visit.may_take(&open.device, one));
        if batch.messages.is_empty() {
            return Turn::Done;
        }
        let messages = batch.messages.len();
        match open.carry(self.round, self.keeper, &batch.messages).await {
            Carried::Through => {
                tracing::debug!(%recipient, messages, "messages handed over for another server");
                services.devices.answered(recipient, &open.device);
                visit.offered(&open.device, &batch.messages);
                Turn::Done
            }
            Carried::Broken => {
                tracing::debug!(%recipient, "handover for another server broke off");
                services.rest(recipient, &open.device);
                self.open = None;
                Turn::Broken
            }
            Carried::NoKeeper(failed) => {
                tracing::debug!(%recipient, %failed, "deferred server did not take the channel");
                self.open = None;
                Turn::Later
            }
        }
    }

    /// Calls the devices until one of them takes the channel.
    async fn ring(
        &self,
        devices: &[Binding],
        why: (&Purpose, Option<&Address>),
    ) -> Result<Open, Turn> {
        let (services, recipient) = (&self.round.services, &self.round.recipient);
        let ring = |device: &Binding| {
            let device = device.clone();
            async move {
                let channel = Channel::new(services);
                let invite = |offer| offering(services, recipient, &device, why, offer);
                let leg = Leg::open(services, &channel, |_| {}, invite).await?;
                bound(leg, self.round).await
            }
        };
        let (head_start, off) = (services.config.head_start, self.round.joined(devices));
        let finish = race(devices, head_start, off, ring, |device, lost| {
            let failed = lost.error().unwrap_or(Failed::Silent);
            tracing::debug!(%recipient, contact = %device.contact, %failed,
                "device did not take the channel");
            services.rest(recipient, device);
        });
        match finish.await {
            Finish::Won((device, leg)) => Ok(Open {
                leg,
                device: device.clone(),
                purpose: why.0.clone(),
            }),
            Finish::Nobody => Err(Turn::Broken),
            Finish::Off => Err(Turn::Again),
        }
    }
}

/// The leg when its callee has connected.
async fn bound(mut leg: Leg, round: &Round) -> Result<Leg, Failed> {
    let config = &round.services.config;
    let (sink, mut arrivals) = inflow(&round.services);
    let session = leg.session().clone();
    session.set_sink(sink);
    let connected = async {
        while !session.is_bound() {
            let Some(batch) = arrivals.next().await else {
                return Err(Failed::Silent);
            };
            arrivals.done(&batch, &session);
            if session.is_closed() {
                return Err(Failed::Silent);
            }
        }
        Ok(())
    };
    tokio::select! {
        connected = tokio::time::timeout(config.bind_timeout, connected) => {
            connected.map_err(|_| Failed::Silent)??;
        }
        () = leg.hung_up() => return Err(Failed::HungUp),
    }
    Ok(leg)
}

/// The join of the keeper's channel with the device's, and its news.
type Joined = Option<(Addr<Join>, UnboundedReceiver<JoinEvent>)>;

impl Open {
    /// Calls the keeper for these messages, and joins its channel with the device's until the
    /// keeper ends its call: then each is settled.
    async fn carry(&mut self, round: &Round, keeper: &Hop, messages: &[Entry]) -> Carried {
        let services = &round.services;
        let channel = Channel::on_behalf_of(services, &self.leg.reader);
        let device = self.leg.session().clone();
        // the keeper speaks as soon as it is connected: joined before it is called
        let joined = RefCell::new(Joined::None);
        let join = |far: &SessionHandle| {
            let (owner, moved) = feed();
            let join = Join::of(far.clone(), device.clone(), owner);
            joined.replace(Some((join, moved)));
        };
        let reports = self.leg.reader.is_relayed();
        let invite = |offer| retrieval(round, keeper, messages, reports, offer);
        let mut far = tokio::select! {
            far = Leg::open(services, &channel, join, invite) => match far {
                Ok(far) => far,
                Err(failed) => return Carried::NoKeeper(failed),
            },
            () = self.leg.hung_up() => return Carried::Broken,
        };
        let Some((_join, mut moved)) = joined.take() else {
            return Carried::Broken;
        };
        loop {
            tokio::select! {
                () = far.hung_up() => return Carried::Through,
                () = self.leg.hung_up() => return Carried::Broken,
                event = moved.recv() => match event {
                    Some(JoinEvent::Moved { .. } | JoinEvent::Bound { .. }) => {}
                    Some(JoinEvent::Ended { side: Side::A, .. }) => {
                        let _ = tokio::time::timeout(BYE_LATE, far.hung_up()).await;
                        return Carried::Through;
                    }
                    _ => return Carried::Broken,
                },
                _ = services.idled(false) => return Carried::Broken,
            }
        }
    }
}

/// The INVITE that asks the keeper for messages, in the name of their owner.
fn retrieval(
    round: &Round,
    keeper: &Hop,
    messages: &[Entry],
    reports: bool,
    offer: Vec<u8>,
) -> InviteOptions {
    let (services, owner) = (&round.services, &round.recipient);
    let function = format!("sip:{}@{}", psi::DEFERRED, services.domain_of(owner));
    let references = messages.iter().map(|entry| entry.reference.clone());
    let mut list = DeferredList::of_references(references);
    list.terms.reports = reports;
    let parts = [
        Part::new(mime::SDP, offer.clone()),
        Part::new(mime::DEFERRED_LIST, list.to_bytes()),
    ];
    let (content_type, body) = multipart::build(&services.endpoint.new_tag(), &parts);
    let contact = invitation::contact(owner.user(), &services.endpoint.sent_by(), false);
    let extra = Extra::new()
        .header(Name::PAssertedIdentity.as_str(), format!("<{owner}>"))
        .header(Name::AcceptContact.as_str(), invitation::ACCEPT_CONTACT)
        .body(content_type, body)
        .describing(offer);
    InviteOptions {
        routes: keeper.route().into_iter().collect(),
        extra,
        target: Target::Message,
        ring_timeout: Some(services.config.ring_timeout),
        ..InviteOptions::new(function, format!("<{owner}>"), contact)
    }
}
