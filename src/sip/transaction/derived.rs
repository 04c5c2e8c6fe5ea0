//! Requests made of another request: CANCEL and the ACK of a refusal.
use crate::sip::codec::{Builder, Message, Method, Name};

/// The CANCEL of `invite` (RFC 3261 §9.1).
pub(super) fn cancel(invite: &Message) -> Message {
    derived(invite, Method::Cancel, invite)
}

/// The ACK of `refusal`, a final response to `invite` other than 2xx (RFC 3261 §17.1.1.3).
pub(super) fn ack(invite: &Message, refusal: &Message) -> Message {
    derived(invite, Method::Ack, refusal)
}

fn derived(invite: &Message, method: Method, to: &Message) -> Message {
    let number = invite.cseq().map_or(0, |cseq| cseq.number);
    let cseq = format!("{number} {}", method.as_str());
    let via = invite.via().map(|via| via.to_string()).unwrap_or_default();
    Builder::request(method, invite.uri_text())
        .header(Name::Via, via)
        .copy(invite, Name::Route)
        .header(Name::MaxForwards, "70")
        .copy(invite, Name::From)
        .copy(to, Name::To)
        .copy(invite, Name::CallId)
        .header(Name::CSeq, cseq)
        .build()
}
