use super::{
    super::{Services, keeper::NotTaken},
    convene::{NotConvened, listed, part},
    copies::Copies,
    pager::reply_of,
};
use crate::{
    clock,
    content::{
        multipart::{self, Part},
        resource_list::ResourceList,
    },
    controlling::Absent,
    identity::{Address, outbox},
    participating::facts::{Item, Origin},
    profile::mime,
    sip::{
        actor::Incoming,
        codec::{Message, Name},
    },
    sip_core::Reply,
};
use bytes::Bytes;
use std::rc::Rc;

/// A MESSAGE to those whom it lists: 202 when the copies of all are on disk. Each gets it from its
/// sender, as if it had come to that one alone.
///
/// Source: RFC 5365 §7.
pub(super) async fn explode(
    services: Rc<Services>,
    incoming: Incoming,
    sender: Address,
    factory: Address,
) {
    match spread(&services, &incoming.request, sender, factory).await {
        Ok(()) => services.reply(&incoming, &Reply::new(202)),
        Err(NotSpread::List(refused)) => {
            services.refuse(&incoming, &refused.reply(), refused.kind());
        }
        Err(NotSpread::Message(refused)) => {
            services.refuse(&incoming, &reply_of(&refused), refused.kind());
        }
    }
}

/// Why a message goes to nobody.
enum NotSpread {
    List(NotConvened),
    Message(NotTaken),
}

impl<E: Into<NotTaken>> From<E> for NotSpread {
    fn from(error: E) -> Self {
        Self::Message(error.into())
    }
}

async fn spread(
    services: &Services,
    request: &Message,
    sender: Address,
    factory: Address,
) -> Result<(), NotSpread> {
    let content_type = request.value(Name::ContentType).unwrap_or_default();
    let bad = |_| NotSpread::List(NotConvened::BadList);
    let parts = multipart::parse(&content_type, request.body()).map_err(bad)?;
    let members = listed(services, &parts, &sender).map_err(NotSpread::List)?;
    let (content_type, body) = payload(services, parts);
    let number = request.cseq().map_or(0, |cseq| cseq.number);
    let message_id = format!("{}-{number}", request.call_id());
    let transit = outbox::of(&factory).ok_or(NotTaken::NoGroup)?;
    let origin = Origin::of(request, sender, factory, clock::wall());
    let facts = origin.facts(&Item {
        message_id: &message_id,
        content_type: &content_type,
        size: body.len() as u64,
        success_report: false,
        prefix: &body,
    });
    let deferred = &services.deferred;
    let room = deferred.admit(&facts.sender, &transit, Some(facts.size));
    let mut deposit = deferred.begin(room.await?);
    deposit.write(0, body).await?;
    let receivers = members.into_iter().map(|member| member.address);
    let copies = Copies::for_each(services, receivers.collect(), &facts, Absent::Defer);
    Ok(copies.await?.store(deposit).await?)
}

/// What the receivers get: all bodies but the list, and who of it they may see. A body that is
/// left alone needs no wrapper.
fn payload(services: &Services, parts: Vec<Part>) -> (String, Bytes) {
    let history = part(&parts).and_then(|list| ResourceList::parse(&list.body).ok());
    let history = history.map(|list| list.history());
    let history = history.filter(|list| !list.entries.is_empty());
    let others = parts.into_iter();
    let others = others.filter(|part| !mime::is(part.content_type(), mime::RESOURCE_LISTS));
    let mut parts: Vec<Part> = others.collect();
    if let Some(history) = history {
        let part = Part::new(mime::RESOURCE_LISTS, history.to_bytes());
        let disposition = "recipient-list-history; handling=optional";
        parts.push(part.with("Content-Disposition", disposition));
    }
    match <[Part; 1]>::try_from(parts) {
        Ok([alone]) => (alone.content_type().to_owned(), alone.body),
        Err(parts) => multipart::build(&services.endpoint.new_tag(), &parts),
    }
}
