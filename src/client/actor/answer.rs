//! What a device does with requests that open something.
use super::{
    host::{capabilities, refusal},
    inbound::describe,
    receive,
    state::State,
};
use crate::{
    client::{
        inbox::{Body, Channel},
        receiving::{Complete, Receiving},
        request::unwrapped,
    },
    identity::Address,
    profile::{mime, psi},
    sip::{
        actor::Incoming,
        codec::{Builder, Message, Method, Name},
    },
};
use std::rc::Rc;

/// Answers a request, or hands it to who will.
pub(super) fn handle(device: &Rc<State>, incoming: Incoming) {
    let request = &incoming.request;
    let response = match request.method() {
        Some(Method::Invite) if takes_calls(device, request) => {
            return receive::answer(device, incoming);
        }
        Some(Method::Invite) => refusal(request, 480).build(),
        Some(Method::Message) => message(device, request),
        Some(Method::Notify) => notify(device, request),
        Some(Method::Options) => capabilities(request),
        // in a dialog that is over
        Some(Method::Bye | Method::Update | Method::Info) => refusal(request, 481).build(),
        Some(Method::Other(_)) | None => refusal(request, 501).build(),
        Some(_) => refusal(request, 405).build(),
    };
    device.host.endpoint.respond(incoming.key, response);
}

/// Whether a channel is taken: where only notifications are, those that a server has kept.
fn takes_calls(device: &State, request: &Message) -> bool {
    let asserted = request.list(Name::PAssertedIdentity);
    let mut asserted = asserted.iter().filter_map(|text| Address::parse(text).ok());
    !device.config().only_notifications || asserted.any(|by| by.user() == psi::STANDFW)
}

/// A pager message: taken only if there is room for it.
fn message(device: &Rc<State>, request: &Message) -> Message {
    let Some(slot) = device.reserve() else {
        return refusal(request, 480).build();
    };
    let content_type = request
        .value(Name::ContentType)
        .unwrap_or(mime::TEXT.into());
    let (complete, body) = whole(&content_type, request.body());
    let tells = complete.head.as_ref();
    let tells = tells.is_some_and(|head| head.is_notification());
    if device.config().only_notifications && !tells {
        return refusal(request, 480).build();
    }
    let id = request.call_id();
    let received = describe(
        &complete,
        &content_type,
        &id,
        sender(request),
        body,
        Channel::Pager,
    );
    device.deliver(slot, received, complete.head.as_deref());
    Builder::response(request, 200)
        .to_tag(&device.host.endpoint.new_tag())
        .build()
}

fn notify(device: &Rc<State>, request: &Message) -> Message {
    match device.subscriptions.notify(request) {
        true => Builder::response(request, 200).build(),
        false => refusal(request, 481).build(),
    }
}

/// A body that is here as a whole, unwrapped and hashed.
pub(super) fn whole(content_type: &str, octets: &bytes::Bytes) -> (Complete, Body) {
    let unwrapped = unwrapped(content_type, octets);
    let (head, body) = match unwrapped {
        Some(cpim) => (Some(cpim.head), cpim.body),
        None => (None, octets.clone()),
    };
    let complete = Receiving::whole(head, &body);
    (complete, Body::Bytes(body))
}

/// Who sends: the stored message's sender before the asserted identity before From.
///
/// A server that hands over what it stored asserts its own identity and names the sender in
/// Referred-By.
pub(super) fn sender(request: &Message) -> Option<Address> {
    let referred = request.value(Name::ReferredBy);
    let referred = referred.and_then(|text| Address::parse(&text).ok());
    referred.or_else(|| {
        let asserted = request.list(Name::PAssertedIdentity);
        let asserted = asserted.iter().find_map(|text| Address::parse(text).ok());
        let from = || Address::parse(&request.value(Name::From)?).ok();
        asserted
            .or_else(from)
            .filter(|sender| sender.user() != psi::STANDFW)
    })
}
