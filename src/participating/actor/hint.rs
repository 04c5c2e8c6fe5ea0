use super::{Services, pager};
use crate::{
    content::message_summary::{MULTIMEDIA_MESSAGE, MessageSummary},
    deferred::Warning,
    identity::Address,
    participating::invitation,
    profile::{mime, psi},
    sip::codec::{Method, Name},
    sip_core::Binding,
    store::StoreError,
};
use bytesize::ByteSize;
use futures_util::future::join_all;
use std::rc::Rc;

/// Tells devices that do not watch the mailbox that something waits in it, how many messages and
/// which the oldest: one MESSAGE each with a summary, or with a line of text where a device does
/// not read that. None is told twice of the same oldest message.
pub(super) async fn tell(
    services: &Rc<Services>,
    user: &Address,
    devices: &[Binding],
    waiting: Option<(u64, u64)>,
) {
    let Some((count, oldest)) = waiting else {
        return;
    };
    let due = devices.iter().filter(|device| {
        let watches = services
            .watchers
            .is_watched_by(user, &device.contact.to_string());
        !watches && services.devices.tell(user, device, oldest)
    });
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    join_all(due.map(|device| tell_one(services, user, device, count))).await;
}

/// Warns `user` of a mailbox that is nearly full, however it is handed over: one MESSAGE to each
/// device, and again only when it has been emptied and fills up anew.
pub(super) async fn warn(services: &Rc<Services>, user: &Address) -> Result<(), StoreError> {
    let Some(warning) = services.deferred.warning(user).await? else {
        return Ok(());
    };
    let Warning {
        waiting,
        level,
        max_messages,
        max_octets,
    } = warning;
    let (count, octets) = (waiting.count, ByteSize::b(waiting.octets));
    let room = ByteSize::b(max_octets);
    let line = format!(
        "Your mailbox is {level} % full: {count} of {max_messages} messages, {octets} of {room}."
    );
    let devices = services.devices_of(user);
    let told = devices.iter().map(|device| {
        let line = line.clone().into_bytes();
        send(services, user, device, mime::TEXT, line)
    });
    let answers = join_all(told).await;
    if answers
        .iter()
        .any(|answer| matches!(answer, Some(200..300)))
    {
        services.deferred.warned(user).await?;
    }
    Ok(())
}

async fn tell_one(services: &Services, user: &Address, device: &Binding, count: u32) {
    let summary = MessageSummary::of_new(user.as_str(), MULTIMEDIA_MESSAGE, count).to_bytes();
    let mut answer = send(services, user, device, mime::MESSAGE_SUMMARY, summary).await;
    if matches!(answer, Some(415 | 488)) {
        let line = format!("{count} messages wait for you.");
        answer = send(services, user, device, mime::TEXT, line.into_bytes()).await;
    }
    tracing::debug!(%user, contact = %device.contact, ?answer, "told that messages wait");
}

async fn send(
    services: &Services,
    user: &Address,
    device: &Binding,
    content_type: &str,
    body: Vec<u8>,
) -> Option<u16> {
    let function = format!("sip:{}@{}", psi::DEFERRED, services.domain_of(user));
    let function = Address::parse(&function).ok()?;
    let request = pager::addressed(services, Method::Message, device, &function, user)
        .header(Name::AcceptContact, invitation::ACCEPT_CONTACT)
        .body(content_type, body);
    pager::exchange(services, request.build(), device)
        .await
        .ok()
}
