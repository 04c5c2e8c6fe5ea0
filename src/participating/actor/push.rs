use super::{
    Services,
    drain::{Round, Turn},
    focus::{self, Invitation},
    line::{Failed, Line},
    pager,
    race::{Finish, race},
};
use crate::{
    deferred::{Envelope, Watch},
    identity::{Address, outbox},
    participating::{
        batch::{Batch, Channels, Purpose},
        invitation,
    },
    profile::{mime, psi},
    sip::{
        actor::{Extra, InviteOptions},
        codec::Name,
    },
    sip_core::Binding,
    store::StoreError,
};
use std::rc::Rc;

/// Hands a mailbox over through channels of this server's making: one after the other, each for
/// one sender, group or kind, page after page.
pub(super) struct Push<'a> {
    round: &'a Round,
    devices: &'a [Binding],
    /// Begun before the first page was read.
    watch: Rc<Watch>,
    /// The channel of the last batch, as long as the next page may have more for it.
    open: Option<Open>,
    passed_over: u64,
}

/// A channel that is up.
struct Open {
    line: Line,
    device: Binding,
    purpose: Purpose,
    /// What the device sends, where it may.
    incoming: Option<focus::Incoming>,
}

impl<'a> Push<'a> {
    pub fn new(round: &'a Round, devices: &'a [Binding], watch: Watch) -> Self {
        Self {
            round,
            devices,
            watch: Rc::new(watch),
            open: None,
            passed_over: 0,
        }
    }

    /// Goes on until all is handed over that the devices take, a channel breaks, or others wait
    /// for their turn.
    pub async fn run(mut self) -> Result<Turn, StoreError> {
        let (deferred, config) = (&self.round.services.deferred, &self.round.services.config);
        let mut after = 0;
        loop {
            let page = deferred.list(&self.round.recipient, after, config.list_page);
            let page = page.await?;
            if page.is_empty() {
                return Ok(match self.passed_over {
                    0 => Turn::Done,
                    _ => Turn::Later,
                });
            }
            after = page.iter().map(|one| one.sequence).fold(after, u64::max);
            for batch in self.arranged(page) {
                if self.round.services.shutdown.has_begun() {
                    return Ok(Turn::Later);
                }
                let turn = self.hand_over(batch).await;
                if turn != Turn::Done {
                    return Ok(turn);
                }
            }
            if self.round.services.drains.is_crowded() {
                return Ok(Turn::Again);
            }
        }
    }

    /// Calls the reader into a group where nothing waits yet.
    pub async fn call_in(&self, invitation: &Invitation) {
        let purpose = Purpose::Group(invitation.group.clone());
        if let Ok(open) = self.ring(self.devices, (&purpose, &invitation.by)).await {
            self.leave_to_leg(&invitation.group, open);
        }
    }

    /// The batches of a page; what the open channel is for comes first.
    fn arranged(&self, mut page: Vec<Envelope>) -> Vec<Batch> {
        let recipient = &self.round.recipient;
        page.retain(|one| !self.round.services.is_served_live(one));
        let channels = match outbox::is_one(recipient) {
            // other servers learn from a channel whose messages it brings
            true => Channels::PerSender,
            false => self.round.services.config.channels,
        };
        let mut batches = Batch::of(page, channels);
        let open = self.open.as_ref().map(|open| &open.purpose);
        if let Some(at) = batches.iter().position(|one| Some(&one.purpose) == open) {
            batches[..=at].rotate_right(1);
        }
        batches
    }

    /// Hands one batch over.
    async fn hand_over(&mut self, mut batch: Batch) -> Turn {
        let devices = self.takers(&batch.messages);
        let Some(first) = batch.messages.first().filter(|_| !devices.is_empty()) else {
            return Turn::Done;
        };
        if self.open.as_ref().map(|open| &open.purpose) != Some(&batch.purpose) {
            // one after the other: the last one ends before the next one is opened
            self.open = None;
            let sender = &first.facts.sender;
            match self.ring(&devices, (&batch.purpose, sender)).await {
                Ok(open) => self.open = Some(open),
                Err(turn) => return turn,
            }
        }
        if let Purpose::Group(group) = &batch.purpose
            && let Some(open) = self.open.take_if(|open| open.incoming.is_some())
        {
            self.leave_to_leg(group, open);
            return Turn::Done;
        }
        let Some(open) = &mut self.open else {
            return Turn::Broken;
        };
        let known = &self.round.services.devices;
        let refuses = |sequence| known.refuses(&self.round.recipient, &open.device, sequence);
        batch.messages.retain(|one| !refuses(one.sequence));
        let sent = open.line.send(&batch.messages).await;
        let tally = open.line.tally();
        for sequence in &tally.refused {
            known.refused(&self.round.recipient, &open.device, *sequence);
        }
        self.passed_over += tally.passed_over;
        let (recipient, delivered, refused) =
            (&self.round.recipient, tally.delivered, tally.refused.len());
        match sent {
            Ok(()) => {
                tracing::debug!(%recipient, delivered, refused, "messages handed over");
                known.answered(recipient, &open.device);
                Turn::Done
            }
            Err(failed) => {
                tracing::debug!(%recipient, delivered, refused, %failed, "handover broke off");
                self.round.services.rest(recipient, &open.device);
                self.open = None;
                Turn::Broken
            }
        }
    }

    /// From here on the leg takes what is its member's in this group.
    fn leave_to_leg(&self, group: &Address, open: Open) {
        let Open {
            line,
            device,
            incoming,
            ..
        } = open;
        let Some(incoming) = incoming else { return };
        let services = &self.round.services;
        let is_present = !line.automaton;
        let seat = services
            .legs
            .enter(group, &self.round.recipient, is_present);
        focus::called(services, seat, (line, incoming), device);
    }

    /// The devices that may take any of `messages`.
    fn takers(&self, messages: &[Envelope]) -> Vec<Binding> {
        let takes = |device: &&Binding| {
            let known = &self.round.services.devices;
            let mut messages = messages.iter();
            messages.any(|one| !known.refuses(&self.round.recipient, device, one.sequence))
        };
        self.devices.iter().filter(takes).cloned().collect()
    }

    /// Calls the devices until one of them takes the channel.
    async fn ring(
        &self,
        devices: &[Binding],
        (purpose, sender): (&Purpose, &Address),
    ) -> Result<Open, Turn> {
        let Round {
            services,
            recipient,
            pace,
            ..
        } = self.round;
        let is_ours = matches!(purpose, Purpose::Group(group) if services.is_group(group));
        let subject = match purpose {
            Purpose::Group(group) if is_ours => subject_of(services, group).await,
            _ => None,
        };
        let subject = subject.as_deref();
        let ring = |device: &Binding| {
            let device = device.clone();
            async move {
                let why = (purpose, Some(sender));
                let invite = |offer| {
                    let options = offering(services, recipient, &device, why, offer);
                    about(options, subject)
                };
                let owner = (recipient, &self.watch);
                match is_ours {
                    false => Ok((Line::open(services, owner, invite).await?, None)),
                    true => {
                        let (line, incoming) =
                            Line::open_both_ways(services, owner, invite).await?;
                        Ok((line, Some(incoming)))
                    }
                }
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
            Finish::Won((device, (line, incoming))) => Ok(Open {
                line: line.at(pace),
                device: device.clone(),
                purpose: purpose.clone(),
                incoming,
            }),
            Finish::Nobody => Err(Turn::Broken),
            Finish::Off => Err(Turn::Again),
        }
    }
}

/// The INVITE that offers `recipient` what waits. Clients know by it what they get: stored messages
/// by Referred-By, a group's by the focus in the Contact, notifications by who asserts them.
pub(super) fn offering(
    services: &Services,
    recipient: &Address,
    device: &Binding,
    (purpose, sender): (&Purpose, Option<&Address>),
    offer: Vec<u8>,
) -> InviteOptions {
    let domain = services.domain_of(recipient);
    let user = match purpose {
        Purpose::Group(group) => group.user(),
        Purpose::Notifications => psi::STANDFW,
        _ => psi::DEFERRED,
    };
    let from = match purpose {
        Purpose::Group(group) => group.to_string(),
        // the receiver's own server keeps what it is told of the sender
        Purpose::From(sender) if outbox::is_one(recipient) => sender.to_string(),
        _ => format!("sip:{user}@{domain}"),
    };
    let contact = invitation::contact(user, &services.endpoint.sent_by(), true);
    let contact = match purpose {
        Purpose::Group(_) => invitation::as_focus(contact),
        _ => contact,
    };
    let mut extra = Extra::new()
        .header(Name::PAssertedIdentity.as_str(), format!("<{from}>"))
        .header(Name::AcceptContact.as_str(), invitation::ACCEPT_CONTACT)
        .body(mime::SDP, offer);
    let is_sent = matches!(purpose, Purpose::From(_) | Purpose::Group(_));
    if let Some(sender) = sender.filter(|_| is_sent) {
        extra = extra.header(Name::ReferredBy.as_str(), format!("<{sender}>"));
    }
    let recipient = outbox::reader(recipient);
    pager::call_to(services, device, &recipient, &from, contact, extra)
}

/// The same, with what it is about.
fn about(options: InviteOptions, subject: Option<&str>) -> InviteOptions {
    let extra = match subject {
        Some(subject) => options.extra.header(Name::Subject.as_str(), subject),
        None => options.extra,
    };
    InviteOptions { extra, ..options }
}

/// What a group is about.
async fn subject_of(services: &Services, group: &Address) -> Option<String> {
    let group = services.groups.get(group).await.ok().flatten()?;
    group.subject.clone()
}
