use super::{
    Services,
    channel::{Agreed, Channel},
    disposition,
    feed::feed,
    handover::{Broken, Handover, Tally},
    inflow::inflow,
    pager,
};
use crate::{
    clock,
    deferred::Envelope,
    identity::Address,
    participating::{drains::Drain, invitation},
    policy::{Mode, Waiting, choose_mode},
    profile::mime,
    sip::{
        actor::{
            Dialog, DialogEvent, DialogHandle, DialogNews, Extra, InviteOptions, RequestFailed,
        },
        codec::{Method, Name},
    },
    sip_core::Binding,
};
use std::{rc::Rc, time::Duration};
use tokio::sync::mpsc::UnboundedReceiver;

/// Why a handover broke off.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("no device is registered")]
    Away,
    #[error("the device answered {0}")]
    Refused(u16),
    #[error("the device did not answer")]
    Silent,
    #[error("the device hung up")]
    HungUp,
    #[error("the device's answer is of no use: {0}")]
    Unfit(#[from] super::channel::Unfit),
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("store: {0}")]
    Store(#[from] crate::store::StoreError),
    #[error("too many dialogs")]
    Busy,
}

/// Hands over what waits for `recipient`, unless that is under way already (flow R2).
pub(super) fn start(services: &Rc<Services>, recipient: &Address) {
    if let Some(drain) = services.drains.enter(recipient) {
        actix_rt::spawn(run(services.clone(), recipient.clone(), drain));
    }
}

async fn run(services: Rc<Services>, recipient: Address, mut drain: Drain) {
    let mut attempts = 0;
    loop {
        tokio::time::sleep(services.config.push_delay).await;
        let is_over = match hand_over(&services, &recipient).await {
            Ok(()) | Err(Failed::Away) => true,
            Err(failed) => {
                attempts += 1;
                services.metrics.drains_broken.increment(1);
                tracing::debug!(%recipient, %failed, attempts, "handover broke off");
                attempts >= services.config.push_attempts
            }
        };
        // a login while it ran may have brought a device that takes what others did not
        if is_over || drain.was_asked() {
            match drain.finish() {
                Some(again) => (drain, attempts) = (again, 0),
                None => return,
            }
        } else {
            pause(&services, &drain, attempts).await;
        }
    }
}

/// Waits before the next try; not longer than until the next login.
async fn pause(services: &Services, drain: &Drain, attempts: u32) {
    const LOOK_EVERY: Duration = Duration::from_millis(250);
    let until = clock::now() + services.config.push_retry * attempts;
    while clock::now() < until && !drain.was_asked() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn hand_over(services: &Rc<Services>, recipient: &Address) -> Result<(), Failed> {
    let bindings = services.devices(recipient);
    let waiting = services.deferred.waiting(recipient).await?;
    if waiting.count == 0 {
        return Ok(());
    }
    let page = services
        .deferred
        .list(recipient, 0, services.config.list_page)
        .await?;
    if page.is_empty() {
        return Ok(());
    }
    services.metrics.drains.increment(1);
    let waiting = Waiting {
        count: waiting.count,
        octets: waiting.octets,
        largest: page
            .iter()
            .map(|envelope| envelope.facts.size)
            .max()
            .unwrap_or(0),
    };
    let mode = choose_mode(waiting, &services.policy);
    let mut outcome = Err(Failed::Away);
    for binding in &bindings {
        outcome = match mode {
            Mode::Pager => by_message(services, binding, &page).await,
            Mode::Channel => by_channel(services, recipient, binding, &page).await,
        };
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// Few and small: each as a MESSAGE of its own, in order.
async fn by_message(
    services: &Rc<Services>,
    binding: &Binding,
    page: &[Envelope],
) -> Result<(), Failed> {
    for envelope in page {
        let (recipient, sequence) = (&envelope.facts.recipient, envelope.sequence);
        let transfer = services
            .deferred
            .transfer(recipient, sequence, "sent by MESSAGE");
        let Some(transfer) = transfer.await? else {
            continue;
        };
        match message(services, binding, envelope).await {
            Ok(200..300) => {
                transfer.confirm("2xx from the device").await?;
                services.metrics.handed_pager.increment(1);
            }
            Ok(code @ (408 | 430 | 480 | 503)) => {
                transfer.release(&format!("device answered {code}")).await?;
                return Err(Failed::Refused(code));
            }
            Ok(code) => {
                // this one it will not have; those behind it may go on
                transfer
                    .release(&format!("refused by the device ({code})"))
                    .await?;
            }
            Err(failed) => {
                transfer.release(&failed.to_string()).await?;
                return Err(Failed::Silent);
            }
        }
    }
    Ok(())
}

async fn message(
    services: &Services,
    binding: &Binding,
    envelope: &Envelope,
) -> Result<u16, RequestFailed> {
    let facts = &envelope.facts;
    let content = services.deferred.piece(envelope.content, 0).await;
    let content = content.ok().flatten().unwrap_or_default();
    let (sender, recipient) = (&facts.sender, &facts.recipient);
    let mut request = pager::addressed(services, Method::Message, binding, sender, recipient)
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
    let content = disposition::recorded(services, sender, &facts.content_type, content);
    let request = request.body(&facts.content_type, content).build();
    pager::exchange(services, request, binding).await
}

/// Many or large: one channel for all of them, opened by this server.
async fn by_channel(
    services: &Rc<Services>,
    recipient: &Address,
    binding: &Binding,
    page: &[Envelope],
) -> Result<(), Failed> {
    let channel = Channel::new(services);
    let (session, offer) = channel.offer()?;
    let guard = CloseOnDrop(session.clone());
    let (owner, mut news) = feed();
    let options = push(services, recipient, binding, page, offer);
    let dialog = Dialog::invite(&services.endpoint, options, owner).map_err(|_| Failed::Busy)?;
    let answer = answered(&mut news).await?;
    let (sink, arrivals) = inflow(services.config.inbound_window.as_u64() as usize);
    let agreed = channel.conclude(session, answer.body(), Some(sink)).await;
    let Agreed {
        session, remote, ..
    } = agreed.inspect_err(|_| dialog.bye(None))?;
    let mut handover = Handover::new(services.clone(), session.clone(), arrivals, remote);
    let outcome = tokio::select! {
        done = send_all(recipient, &mut handover) => done,
        () = hung_up(&mut news, &dialog) => Err(Failed::HungUp),
    };
    let Tally { delivered, refused } = handover.tally;
    tracing::info!(%recipient, delivered, refused, "mailbox handed over through a channel");
    dialog.bye(None);
    session.close();
    drop(guard);
    outcome
}

struct CloseOnDrop(crate::msrp::actor::SessionHandle);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

async fn send_all(recipient: &Address, handover: &mut Handover) -> Result<(), Failed> {
    handover.bound().await?;
    Ok(handover.send_all(recipient).await?)
}

async fn answered(
    news: &mut UnboundedReceiver<DialogEvent>,
) -> Result<crate::sip::codec::Message, Failed> {
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
            DialogNews::Offered { key, .. } => {
                // a channel that only hands over has nothing to change
                dialog.answer(key, crate::sip::actor::Reply::new(488));
            }
            DialogNews::Requested { key, .. } => {
                dialog.answer(key, crate::sip::actor::Reply::new(405));
            }
            _ => {}
        }
    }
}

/// The INVITE that offers what waits. Where all of it comes from one sender that one is named as
/// Referred-By, which is how clients know stored messages.
fn push(
    services: &Services,
    recipient: &Address,
    binding: &Binding,
    page: &[Envelope],
    offer: Vec<u8>,
) -> InviteOptions {
    let function = invitation::deferred_function(&services.domain_of(recipient));
    let contact = invitation::contact(
        crate::profile::psi::DEFERRED,
        &services.endpoint.sent_by(),
        true,
    );
    let mut extra = Extra::new()
        .header(Name::PAssertedIdentity.as_str(), format!("<{function}>"))
        .header(Name::AcceptContact.as_str(), invitation::ACCEPT_CONTACT)
        .body(mime::SDP, offer);
    let mut senders = page.iter().map(|envelope| &envelope.facts.sender);
    if let Some(first) = senders.next()
        && senders.all(|sender| sender == first)
    {
        extra = extra.header(Name::ReferredBy.as_str(), format!("<{first}>"));
    }
    pager::call_to(services, binding, recipient, &function, contact, extra)
}
