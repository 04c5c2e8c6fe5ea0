//! The answer to what is refused before it has cost a transaction.
use crate::{
    net,
    sip::{
        codec::{Builder, Message, Method},
        transaction::{Peer, reply_to},
    },
};

/// Where the refusal of a request goes, and the response, to be finished; `None` for what must not
/// be answered, and what tells no way back.
pub(super) fn refusal(request: &Message, code: u16, from: Peer) -> Option<(Peer, Builder)> {
    if !request.is_request() || request.is(&Method::Ack) {
        return None;
    }
    let mut via = request.via().ok()?;
    let to = reply_to(&via, from);
    let response = Builder::response(request, code).to_tag(&net::random_token(8));
    Some(match via.stamp(from.addr) {
        true => (to, response.top_via(&via)),
        false => (to, response),
    })
}
