use super::{Services, letters, pager};
use crate::{
    content::deferred_list::{Action, DeferredList},
    deferred::{Envelope, Watch},
    identity::Address,
    neighbours::Role,
    participating::ways::through,
    profile::mime,
    sip::{
        actor::Incoming,
        codec::{Message, Name},
    },
    sip_core::{Binding, Reply},
    store::StoreError,
};
use std::{rc::Rc, time::Duration};

/// How long who asks is kept waiting for the end: well within the 32 s after which it gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Says in a MESSAGE that it is not to be kept for a receiver who is away (RFC 3841 §9.1): it is
/// kept already.
pub(super) const NO_QUEUE: &str = "no-queue";

/// What came of the messages that were asked for.
enum Handed {
    /// The receiver has each of them that it takes.
    All,
    /// The receiver is away; the rest waits.
    Away,
}

/// A MESSAGE to the deferred function with a list: each message that is named is handed over as a
/// MESSAGE of its own, one after the other. Answered 200 when that is done, 480 when the receiver is
/// away meanwhile, 202 when it takes long and goes on.
pub(super) async fn fetch(services: Rc<Services>, incoming: Incoming, owner: Address) {
    let envelopes = match wanted(&services, &incoming.request, &owner).await {
        Ok(envelopes) => envelopes,
        Err((reply, kind)) => return services.refuse(&incoming, &reply, kind),
    };
    let Some(way) = way_to(&services, &owner) else {
        return services.refuse(&incoming, &Reply::new(480), "role_not_played");
    };
    let patience = tokio::time::sleep(PATIENCE);
    tokio::pin!(patience);
    let handing = hand_over(services.clone(), envelopes, way);
    tokio::pin!(handing);
    let handed = tokio::select! {
        handed = &mut handing => handed,
        () = &mut patience => {
            services.reply(&incoming, &Reply::new(202));
            if let Err(error) = handing.await {
                tracing::warn!(%error, %owner, "messages not handed over");
            }
            return;
        }
    };
    match handed {
        Ok(Handed::All) => services.reply(&incoming, &Reply::new(200)),
        Ok(Handed::Away) => services.reply(&incoming, &Reply::new(480)),
        Err(error) => {
            tracing::warn!(%error, %owner, "messages not handed over");
            services.refuse(&incoming, &Reply::new(500), "store");
        }
    }
}

type Refusal = (Reply, &'static str);

/// The messages that a fetch names and that wait.
async fn wanted(
    services: &Services,
    request: &Message,
    owner: &Address,
) -> Result<Vec<Envelope>, Refusal> {
    let content_type = request.value(Name::ContentType).unwrap_or_default();
    if !mime::is(&content_type, mime::DEFERRED_LIST) {
        let reply = Reply::new(415).with(Name::Accept, mime::DEFERRED_LIST);
        return Err((reply, "content_type"));
    }
    let list = DeferredList::parse(request.body()).ok();
    let list = list.filter(|list| matches!(list.terms.action, None | Some(Action::Fetch)));
    let bad = || {
        (
            Reply::new(400).because("Bad Deferred List"),
            "deferred_list",
        )
    };
    let list = list.ok_or_else(bad)?;
    let mut found = Vec::new();
    for reference in list.references().take(services.config.list_page) {
        let waiting = services.deferred.find(owner, reference).await;
        let waiting = waiting.map_err(|_: StoreError| (Reply::new(500), "store"))?;
        // what is larger than a piece has no business in a MESSAGE
        found.extend(waiting.into_iter().filter(|one| one.pieces() <= 1));
    }
    match found.is_empty() {
        true => Err((
            Reply::new(404).because("No Such Message"),
            "no_such_message",
        )),
        false => Ok(found),
    }
}

/// The way to the devices of `owner`: the home IM server of that one, or the device tried first.
fn way_to(services: &Services, owner: &Address) -> Option<Binding> {
    if services.neighbours.plays(Role::Participating) {
        return services.devices_of(owner).into_iter().next();
    }
    through(owner, services.neighbours.at(Role::Participating)?)
}

async fn hand_over(
    services: Rc<Services>,
    envelopes: Vec<Envelope>,
    way: Binding,
) -> Result<Handed, StoreError> {
    let Some(owner) = envelopes.first().map(|one| one.facts.recipient.clone()) else {
        return Ok(Handed::All);
    };
    let watch = services.deferred.watch(&owner);
    for envelope in &envelopes {
        match hand_one_over(&services, &watch, envelope, &way).await? {
            Some(code) if pager::is_away(code) => return Ok(Handed::Away),
            _ => {}
        }
    }
    Ok(Handed::All)
}

/// Sends one message; the answer, if it was not on its way elsewhere.
async fn hand_one_over(
    services: &Services,
    watch: &Watch,
    envelope: &Envelope,
    way: &Binding,
) -> Result<Option<u16>, StoreError> {
    let Some(transfer) = watch.transfer(envelope, "sent by MESSAGE, as asked for") else {
        return Ok(None);
    };
    let content = services.deferred.piece(envelope, 0).await?;
    let letter = letters::letter(services, way, envelope, content.unwrap_or_default());
    let letter = letter.header(Name::RequestDisposition, NO_QUEUE).build();
    let answer = pager::exchange_with_server(services, letter, way).await;
    let code = answer.unwrap_or(408);
    match code {
        200..300 => {
            transfer.confirm("2xx from the device").await?;
            services.metrics.handed_pager.increment(1);
        }
        code => {
            transfer.release(format!("device answered {code}")).await?;
        }
    }
    Ok(Some(code))
}
