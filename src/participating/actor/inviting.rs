//! The INVITE of a call that goes on: a dialog and an offer of this server's own.
use super::{call::Call, pager};
use crate::{
    content::multipart::{self, Part},
    participating::invitation,
    profile::mime,
    sip::{
        actor::{Extra, InviteOptions},
        codec::{Message, Name},
    },
    sip_core::Binding,
};

/// The INVITE as this server sends it to one device.
pub(super) fn to_device(call: &Call, binding: &Binding, offer: Vec<u8>) -> InviteOptions {
    let (contact, extra) = told(call, offer);
    let (sender, recipient) = (call.sender.as_str(), &call.recipient);
    InviteOptions {
        max_forwards: call.max_forwards(),
        ..pager::call_to(&call.services, binding, recipient, sender, contact, extra)
    }
}

/// Our Contact in a call that goes on, and what it tells beside its addresses.
pub(super) fn told(call: &Call, offer: Vec<u8>) -> (String, Extra) {
    let services = &call.services;
    let contact = invitation::contact(call.sender.user(), &services.endpoint.sent_by(), false);
    let mut contact = invitation::as_wanted(contact, &call.request);
    if call.is_of_group {
        contact = invitation::as_focus(contact);
    }
    let mut extra = end_to_end(&call.request).header(
        Name::PAssertedIdentity.as_str(),
        format!("<{}>", call.sender),
    );
    extra = match call.parts.is_empty() {
        true => extra.body(mime::SDP, offer),
        false => {
            let mut parts = vec![Part::new(mime::SDP, offer.clone())];
            parts.extend(call.parts.iter().cloned());
            let (content_type, body) = multipart::build(&services.endpoint.new_tag(), &parts);
            extra.body(content_type, body).describing(offer)
        }
    };
    (contact, extra)
}

/// The headers of `request` that go along from end to end.
fn end_to_end(request: &Message) -> Extra {
    let mut extra = Extra::new();
    for name in invitation::END_TO_END {
        for value in request.values(*name) {
            extra = extra.header(name.as_str(), value);
        }
    }
    extra
}
