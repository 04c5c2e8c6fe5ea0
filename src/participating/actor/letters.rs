use super::{
    Services, disposition,
    drain::{Round, Turn},
    pager,
    race::{Finish, Lost, race},
};
use crate::{
    clock,
    deferred::{Envelope, Transfer, Watch},
    identity::outbox,
    participating::{
        invitation,
        wrapping::{Wrapping, wrap},
    },
    profile::mime,
    sip::{
        actor::RequestFailed,
        codec::{Builder, Method, Name},
    },
    sip_core::Binding,
    store::StoreError,
};
use bytes::Bytes;

/// Few and small: each as a MESSAGE of its own, in order.
pub(super) async fn send(
    round: &Round,
    devices: &[Binding],
    (watch, page): (Watch, Vec<Envelope>),
) -> Result<Turn, StoreError> {
    let (services, recipient) = (&round.services, &round.recipient);
    let mut devices = devices.to_vec();
    let mut turn = Turn::Done;
    for envelope in &page {
        if services.shutdown.has_begun() {
            return Ok(Turn::Later);
        }
        let sequence = envelope.sequence;
        let takers = devices.iter();
        let takers = takers.filter(|one| !services.devices.refuses(recipient, one, sequence));
        let takers: Vec<Binding> = takers.cloned().collect();
        if takers.is_empty() {
            continue;
        }
        tokio::time::sleep_until(round.pace.turn(clock::now()).into()).await;
        if services.is_served_live(envelope) {
            continue;
        }
        let Some(transfer) = watch.transfer(envelope, "sent by MESSAGE") else {
            turn = Turn::Later;
            continue;
        };
        match hand_over(round, &takers, envelope, transfer).await? {
            Taken::By(device) => devices.sort_by_key(|one| one.contact != device.contact),
            Taken::Refused => {}
            Taken::ByNobody => return Ok(Turn::Broken),
            Taken::Off => return Ok(Turn::Again),
        }
    }
    Ok(turn)
}

/// What became of one message.
enum Taken {
    By(Box<Binding>),
    /// The devices are there and would not have it; those behind it may go on.
    Refused,
    ByNobody,
    /// Another device registered meanwhile, or one needs a channel for this.
    Off,
}

/// Why a device did not take a MESSAGE.
enum Miss {
    Answered(u16),
    Silent,
    /// It takes nothing over a stream, and the MESSAGE is too long for a datagram.
    TooLong,
}

/// What those devices said that lost the race for one message.
#[derive(Default)]
struct Misses {
    refusals: usize,
    too_long: usize,
    why: Option<String>,
}

impl Misses {
    /// Notes how `device` lost, for this message and for what comes after it.
    fn note(&mut self, round: &Round, envelope: &Envelope, device: &Binding, lost: Lost<Miss>) {
        let (services, recipient) = (&round.services, &round.recipient);
        match lost {
            Lost::Failed(Miss::Answered(code)) if !pager::is_away(code) => {
                services
                    .devices
                    .refused(recipient, device, envelope.sequence);
                self.refusals += 1;
                self.why = Some(format!("refused by the device ({code})"));
            }
            Lost::Failed(Miss::Answered(code)) => {
                self.why = Some(format!("device answered {code}"));
                services.rest(recipient, device);
            }
            Lost::Failed(Miss::TooLong) => {
                services.devices.needs_channel(recipient, device);
                self.too_long += 1;
                self.why = Some("too long for a datagram".to_owned());
            }
            Lost::Failed(Miss::Silent) | Lost::Overtaken => services.rest(recipient, device),
        }
    }
}

async fn hand_over(
    round: &Round,
    devices: &[Binding],
    envelope: &Envelope,
    transfer: Transfer,
) -> Result<Taken, StoreError> {
    let (services, recipient) = (&round.services, &round.recipient);
    let content = services.deferred.piece(envelope, 0).await;
    let content = content?.unwrap_or_default();
    let mut misses = Misses::default();
    let finish = race(
        devices,
        services.config.head_start,
        round.joined(devices),
        |device| exchange(round, device, envelope, content.clone()),
        |device, lost| misses.note(round, envelope, device, lost),
    );
    let finish = finish.await;
    if let Finish::Won((device, ())) = finish {
        services.devices.answered(recipient, device);
        transfer.confirm("2xx from the device").await?;
        services.metrics.handed_pager.increment(1);
        return Ok(Taken::By(device.clone().into()));
    }
    let why = misses.why;
    let why = why.unwrap_or_else(|| "no device answered".to_owned());
    transfer.release(why).await?;
    Ok(match finish {
        Finish::Off => Taken::Off,
        // the next turn takes a channel
        _ if misses.too_long > 0 => Taken::Off,
        _ if misses.refusals == devices.len() => Taken::Refused,
        _ => Taken::ByNobody,
    })
}

/// Sends one message to one device.
async fn exchange(
    round: &Round,
    device: &Binding,
    envelope: &Envelope,
    content: Bytes,
) -> Result<(), Miss> {
    let services = &round.services;
    let request = letter(services, device, envelope, content).build();
    let answer = match outbox::is_one(&round.recipient) {
        true => pager::exchange_with_server(services, request, device).await,
        false => pager::exchange(services, request, device).await,
    };
    match answer {
        Ok(200..300) => Ok(()),
        Ok(code) => Err(Miss::Answered(code)),
        Err(RequestFailed::TooLarge) => Err(Miss::TooLong),
        Err(_) => Err(Miss::Silent),
    }
}

/// A waiting message as a MESSAGE to one device.
pub(super) fn letter(
    services: &Services,
    device: &Binding,
    envelope: &Envelope,
    content: Bytes,
) -> Builder {
    let facts = &envelope.facts;
    let (sender, recipient) = (&facts.sender, outbox::reader(&facts.recipient));
    let mut request = pager::addressed(services, Method::Message, device, sender, &recipient)
        .header(Name::Date, facts.date.to_http_date())
        .header(Name::AcceptContact, invitation::ACCEPT_CONTACT);
    let told = [
        (Name::Subject, &facts.subject),
        (Name::ConversationId, &facts.conversation_id),
        (Name::ContributionId, &facts.contribution_id),
        (Name::InReplyToContributionId, &facts.in_reply_to),
    ];
    for (name, value) in told {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    let content = disposition::recorded(services, facts, content);
    // who reads it learns from its wrapper that it was sent to a group
    let is_wrapped = facts.group.is_none() || mime::is(&facts.content_type, mime::CPIM);
    match (!is_wrapped)
        .then(|| wrap(envelope, &[mime::CPIM.to_owned()]))
        .flatten()
    {
        None => request.body(&facts.content_type, content),
        Some(Wrapping {
            content_type,
            prefix,
        }) => {
            let content = [prefix, content].concat();
            request.body(&content_type, content)
        }
    }
}
