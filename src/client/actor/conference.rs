//! A place in a group: a call to its focus that stays open, for sending and receiving.
use super::{
    call::Call,
    inbound::Reception,
    line::{Line, News, listen},
    media,
    outbound::{Failure, Transfer},
    pipe::{Events, part},
    receive::{Open, contact},
    state::State,
};
use crate::{
    client::{Channel, ClientError, Outcome, Outgoing, Receipt, request},
    content::{
        multipart::{self, Part},
        resource_list::{Recipient, ResourceList},
    },
    identity::Address,
    msrp::actor::SessionHandle,
    net,
    profile::mime,
    sdp::{self, MessageMedia},
    sip::{
        actor::{Dialog, DialogNews, Extra, InviteOptions},
        codec::{Message, Name},
    },
};
use bytes::Bytes;
use std::rc::Rc;
use tokio::sync::oneshot;

const NAME: &str = "conference";

/// A device's place in a group. Dropped, the device leaves.
pub struct Conference {
    device: Rc<State>,
    group: Address,
    session: SessionHandle,
    remote: MessageMedia,
    answers: Events,
    is_over: oneshot::Receiver<()>,
    _hang_up: oneshot::Sender<()>,
}

/// Comes into `group`.
pub(super) async fn join(device: &Rc<State>, group: &Address) -> Result<Conference, ClientError> {
    call(device, group, None, None).await
}

/// Makes a group of those listed.
pub(super) async fn make(
    device: &Rc<State>,
    factory: &Address,
    members: &[Address],
    subject: Option<&str>,
) -> Result<Conference, ClientError> {
    let entry = |member: &Address| Recipient {
        uri: member.to_string(),
        ..Recipient::default()
    };
    let list = ResourceList {
        entries: members.iter().map(entry).collect(),
    };
    call(device, factory, Some(list), subject).await
}

impl Conference {
    /// The group.
    pub fn group(&self) -> &Address {
        &self.group
    }

    /// Asks to be called by a nickname in the group, or by none any more; the status of the
    /// answer: 200, 403 where there are none, 424 for one that is malformed, 425 for one that is
    /// somebody else's (RFC 7701 §7.1).
    ///
    /// Errors: `Connection` if the call is over, or has no channel yet.
    pub async fn name(&self, nickname: Option<&str>) -> Result<u16, ClientError> {
        let asked = self.session.ask_nickname(nickname);
        let asked = asked.map_err(|_| ClientError::Connection(NAME))?;
        Ok(asked.await)
    }

    /// Sends a message: to the group where that is its recipient, to one member alone otherwise.
    ///
    /// Errors: `Connection` if the call is over; `Read`, `TimedOut`.
    pub async fn send(&mut self, outgoing: &Outgoing) -> Result<Receipt, ClientError> {
        let message_id = outgoing.message_id.clone();
        let message_id = message_id.unwrap_or_else(|| net::random_token(16));
        let call = Call::new(&self.device, outgoing, &message_id);
        let outcome = match call.source(&self.remote).await? {
            Err(refusal) => refusal,
            Ok((content_type, source)) => {
                let name = match request::is_ident(&message_id) {
                    true => message_id.clone(),
                    false => net::random_token(16),
                };
                let config = self.device.config();
                let mut transfer = Transfer::new(&self.session, config, &name, &content_type);
                transfer.success_report = outgoing.success_report || self.remote.is_relayed();
                transfer.progress = outgoing.progress.as_ref();
                let sent = tokio::select! {
                    biased;
                    sent = transfer.run(source, &mut self.answers) => sent,
                    _ = &mut self.is_over => Err(Failure::Lost),
                };
                match sent {
                    Ok(()) => Outcome::Stored,
                    Err(failure) => call.failed(failure)?,
                }
            }
        };
        Ok(Receipt {
            message_id,
            outcome,
            channel: Channel::Msrp,
            attempts: 1,
        })
    }
}

async fn call(
    device: &Rc<State>,
    to: &Address,
    list: Option<ResourceList>,
    subject: Option<&str>,
) -> Result<Conference, ClientError> {
    let prospect = media::prospect(device).await?;
    let offer = Bytes::from(sdp::offer(&prospect.local));
    let (recipient, mut news) = listen();
    let options = invitation(device, to, (list, subject), offer.clone());
    let handle = Dialog::invite(&device.host.endpoint, options, recipient)
        .map_err(|_| ClientError::Connection(NAME))?;
    let line = Line::new(handle, offer);
    let response = answered(&mut news).await?;
    let agreed = media::conclude(&response, &prospect.local).await?;
    let remote = agreed.remote.clone();
    let (session, events) = media::open(device, prospect, &agreed).await?;
    *line.session.borrow_mut() = Some(session.clone());
    let (answers, messages) = part(events, &session);
    let (hang_up, hung_up) = oneshot::channel();
    let (over, is_over) = oneshot::channel();
    let reception = Reception::new(device.clone(), session.clone(), None);
    let open = Open {
        reception,
        events: messages,
    };
    actix::spawn(async move {
        tokio::select! {
            _ = open.run_with(&line, &mut news) => {}
            _ = hung_up => {}
        }
        // who has left asks no more
        let _ = over.send(());
    });
    Ok(Conference {
        device: device.clone(),
        group: focus(&response).unwrap_or_else(|| to.clone()),
        session,
        remote,
        answers,
        is_over,
        _hang_up: hang_up,
    })
}

fn invitation(
    device: &Rc<State>,
    to: &Address,
    (list, subject): (Option<ResourceList>, Option<&str>),
    offer: Bytes,
) -> InviteOptions {
    let from = format!("<{}>", device.address);
    let mut options = InviteOptions::new(to.as_str(), from, contact(device));
    options.target = device.target();
    options.routes = device.registration.borrow().service_route().to_vec();
    options.ring_timeout = Some(device.config().answer_timeout);
    options.responder = device.responder();
    let mut extra = match list {
        None => Extra::new().body(mime::SDP, offer),
        Some(list) => {
            let list = Part::new(mime::RESOURCE_LISTS, list.to_bytes())
                .with("Content-Disposition", "recipient-list");
            let parts = [Part::new(mime::SDP, offer.clone()), list];
            let (content_type, body) = multipart::build(&net::random_token(8), &parts);
            let extra = Extra::new().header("Require", "recipient-list-invite");
            extra.describing(offer).body(content_type, body)
        }
    };
    extra = extra.header(Name::AcceptContact.as_str(), "*;+g.oma.sip-im");
    if let Some(subject) = subject {
        extra = extra.header(Name::Subject.as_str(), subject);
    }
    options.extra = extra;
    options
}

async fn answered(news: &mut News) -> Result<Message, ClientError> {
    loop {
        match news.next().await {
            Some(DialogNews::Provisional(_)) => {}
            Some(DialogNews::Answered(response)) => return Ok(response),
            Some(DialogNews::Failed { code, message }) => {
                let reason = message.map(|message| message.reason().to_owned());
                return Err(ClientError::Refused {
                    request: NAME,
                    code,
                    reason: reason.unwrap_or_default(),
                });
            }
            _ => return Err(ClientError::Connection(NAME)),
        }
    }
}

/// The group that the focus asserts to be.
fn focus(response: &Message) -> Option<Address> {
    let asserted = response.value(Name::PAssertedIdentity)?;
    Address::parse(&asserted).ok()
}
