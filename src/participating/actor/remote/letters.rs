use super::{
    super::{Services, drain::Turn, pager},
    Visit,
};
use crate::{
    content::deferred_list::{Action, DeferredList, Entry},
    identity::Address,
    neighbours::Hop,
    participating::invitation,
    profile::{mime, psi},
    sip::{
        actor::Target,
        codec::{Message, Method, Name},
    },
};

/// Few and small: the keeper hands each over as a MESSAGE of its own, through this server, and
/// answers when that is done.
pub(super) async fn fetch(visit: &mut Visit<'_>, keeper: &Hop, wanted: &[Entry]) -> Turn {
    let round = visit.round;
    let (services, recipient) = (&round.services, &round.recipient);
    let request = request(services, recipient, keeper, wanted);
    let answer = services.endpoint.exchange(request, Target::Message).await;
    let code = answer.ok().and_then(|answer| answer.code());
    tracing::debug!(%recipient, messages = wanted.len(), ?code, "messages fetched by MESSAGE");
    match code {
        // accepted, and going on
        Some(202) => Turn::Later,
        // what had gone meanwhile is no longer listed; the rest was refused
        Some(200..300 | 404) => {
            for device in visit.devices {
                visit.offered(device, wanted);
            }
            Turn::Done
        }
        // the device that did not answer rests by now
        Some(code) if pager::is_away(code) => Turn::Broken,
        _ => Turn::Later,
    }
}

fn request(services: &Services, owner: &Address, keeper: &Hop, wanted: &[Entry]) -> Message {
    let function = format!("sip:{}@{}", psi::DEFERRED, services.domain_of(owner));
    let references = wanted.iter().map(|entry| entry.reference.clone());
    let mut list = DeferredList::of_references(references);
    list.terms.action = Some(Action::Fetch);
    let mut request = invitation::request(Method::Message, &function, owner, owner)
        .replace(Name::To, format!("<{function}>"))
        .header(
            Name::From,
            format!("<{owner}>;tag={}", services.endpoint.new_tag()),
        )
        .header(Name::CallId, services.endpoint.new_call_id())
        .header(Name::CSeq, "1 MESSAGE");
    if let Some(route) = keeper.route() {
        request = request.header(Name::Route, route);
    }
    request.body(mime::DEFERRED_LIST, list.to_bytes()).build()
}
